"""The lines of torch code that use a plan."""

from collections.abc import Iterator
from typing import Any

from lrfinder.advice.plan import Plan
from lrfinder.schedules import Constant, Cosine, Custom, Linear, Schedule, Shape, StableDecay, Warmup
from lrfinder.schedules.base import parameters_of
from lrfinder.schedules.compose import plateau_in

__all__ = ["code_for", "code_of_result", "lightning_code", "transformers_code"]

LONGEST_LINE = 92


def code_for(lr: float, schedule: Schedule | None, optimizers: int, *, keeps_pace: bool, is_tuned: bool = False) -> str:
    """Return the lines of code that use a plan, where its result is called `found`.

    There is no `schedule` where the length is not known; one is not attached where the optimizer `keeps_pace` by
    itself. Where ratios between groups were tuned the result attaches the schedule, since it holds them.
    """
    if is_tuned and schedule is not None and not keeps_pace:
        several = "s" if optimizers > 1 else ""
        return f"scheduler{several} = found.attach(optimizer{several})  # at the ratios that were tuned"
    if optimizers > 1:
        return "\n".join(_for_several(lr, schedule, keeps_pace=keeps_pace))
    if schedule is None or keeps_pace:
        note = "no scheduler: it sets its own pace" if keeps_pace else "pass total_steps= to get the schedule too"
        return f"found.apply(optimizer)  # scales every group; {note}"
    lines = [
        "import lrfinder",
        *_schedule_lines(schedule),
        f"scheduler = lrfinder.attach(optimizer, schedule, lr={lr:.3g})",
        "# in the loop: optimizer.step(), then scheduler.step()",
    ]
    if plateau_in(schedule) is not None:
        lines.append("# after each validation: scheduler.step(metric)")
    if any(isinstance(shape, StableDecay) and shape.steps is None for shape in _shapes_in(schedule)):
        lines.append("# once, when the end is near: scheduler.begin_cooldown(steps), a fifth of those made by then")
    return "\n".join(lines)


def code_of_result(plan: Plan) -> str:
    """Return the lines that use a plan through its result, which is called `found`."""
    if plan.schedule is None or "attach(" not in plan.code or plan.code.startswith("scheduler"):
        return plan.code
    several = "s" if "attach(optimizers" in plan.code else ""
    notes = [line for line in plan.code.splitlines() if line.startswith("#")] or ["# step each after its optimizer"]
    return "\n".join([f"scheduler{several} = found.attach(optimizer{several})", *notes])


def lightning_code(plan: Plan) -> str | None:
    """Return the lines that use a plan in a Lightning Trainer without a search; None where it has no one schedule."""
    if plan.schedule is None or "attach(optimizer, " not in plan.code:
        return None
    lines = [line for line in plan.code.splitlines() if line.startswith(("from ", "schedule = ", "    ", ")"))]
    if "schedule = found.plan.schedule" in lines:
        return None
    callback = f"DecaySchedule(schedule, lr={plan.lr:.3g})"
    return "\n".join(["from lightning_callbacks import DecaySchedule", *lines, f"Trainer(..., callbacks=[{callback}])"])


def transformers_code(plan: Plan) -> str | None:
    """Return the arguments that use a plan in the Trainer of transformers; None where no type of its has the shape.

    Its schedulers are one step behind in the warm-up, which begins at a rate of 0.
    """
    schedule, steps = plan.schedule, plan.total_steps
    if schedule is None or steps is None:
        return None
    body, warmup = (schedule.body, schedule.steps) if isinstance(schedule, Warmup) else (schedule, 0)
    constant = "constant_with_warmup" if warmup else "constant"
    known = (
        (Linear(max(1, steps - warmup)), "linear"),
        (Cosine(max(1, steps - warmup)), "cosine"),
        (Constant(), constant),
    )
    name = next((name for shape, name in known if body == shape), None)
    if name is None:
        return None
    warming = f", warmup_steps={warmup}" if warmup else ""
    return f'TrainingArguments(learning_rate={plan.lr:.3g}, lr_scheduler_type="{name}"{warming}, max_steps={steps})'


def _for_several(lr: float, schedule: Schedule | None, *, keeps_pace: bool) -> list[str]:
    if schedule is None or keeps_pace:
        return ["found.apply(optimizers)  # the list that was swept: all groups of all, by one ratio"]
    attaching = f"schedulers = lrfinder.attach(optimizers, schedule, lr={lr:.3g})  # step each after its optimizer"
    return ["import lrfinder", *_schedule_lines(schedule), attaching]


def _schedule_lines(schedule: Schedule) -> list[str]:
    """The schedule as code, or where that is impossible or long, where to find it."""
    lines = [f"schedule = {schedule!r}"]
    if isinstance(schedule, Warmup) and len(lines[0]) > LONGEST_LINE:
        lines = ["schedule = Warmup(", f"    body={schedule.body!r},", f"    steps={schedule.steps},", ")"]
    shapes = list(_shapes_in(schedule))
    holds_function = not shapes or any(isinstance(shape, Custom) for shape in shapes)
    if holds_function or max(map(len, lines)) > LONGEST_LINE:
        return ["schedule = found.plan.schedule"]
    return [f"from lrfinder.schedules import {', '.join(sorted({type(shape).__name__ for shape in shapes}))}", *lines]


def _shapes_in(value: Any) -> Iterator[Shape]:
    """Walk the shapes that a schedule consists of.

    Yields:
        Each of them, the schedule itself first.
    """
    if isinstance(value, tuple):
        for part in value:
            yield from _shapes_in(part)
    elif isinstance(value, Shape):
        yield value
        for name in parameters_of(value):
            yield from _shapes_in(getattr(value, name))
