"""The ratios between parameter groups: pilots from one start that scale the rates of some groups up and down."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from lrfinder.errors import InputError
from lrfinder.evidence.curve import is_number
from lrfinder.evidence.groups import GroupRun, GroupSet, GroupTuning, spread
from lrfinder.evidence.outcome import divergence_limit, gain, improved, losses_after
from lrfinder.loop import FORWARDS_PER_STEP, Facts, Loop, Snapshot
from lrfinder.search.budget import FEWEST_STEPS, MOST_SHARE, SHARE, steps_of
from lrfinder.search.explore import TrialBatches, evaluate
from lrfinder.search.pilot import EVAL_BATCHES_PER_STEP
from lrfinder.search.sweep import OnStep
from lrfinder.search.trial import Shape, run_trial

__all__ = ["GroupBudget", "budget_for_groups", "sets_of", "tune_groups"]

STRIDE = 3.0
"""What the rates of a set are first multiplied and divided by; its square root where that has won."""

MIN_GAIN = 0.02
"""Part of what the first pilot gained, or of the loss that it ended with if that is less: another wins only if it ends
lower by more than this."""

FURTHER = 1
"""Pilots that are planned for each set beside the first two, to go on where one of these won."""

CHECKS = 2
"""Pilots on other batches that confirm a change: one with the old ratios, one with the new."""

Factors = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GroupBudget:
    """What the tuning of the ratios may cost, in step-equivalents, and the steps of each pilot."""

    steps: int
    length: int


@dataclass(slots=True)
class _Pilots:
    """Pilots of one start on the same batches, by the factors of the sets; each is run once."""

    loop: Loop
    snapshot: Snapshot
    batches: TrialBatches
    sets: Sequence[GroupSet]
    peak: float
    shape: Shape
    loss_scale: float
    on_step: OnStep | None
    raw: list[float] = field(default_factory=list)
    after: dict[Factors, list[float] | None] = field(default_factory=dict)
    cost: float = 0.0

    def begin(self) -> "_Pilots":
        """Measure the evaluation batches before any pilot."""
        self.snapshot.restore()
        self.raw = evaluate(self.loop, self.batches, self.peak)
        self.cost += self.batches.forward_cost
        return self

    @property
    def before(self) -> list[float]:
        """The losses before any pilot that are numbers."""
        return [loss for loss in self.raw if is_number(loss)]

    @property
    def cost_of_one(self) -> float:
        """Step-equivalents of one pilot."""
        return len(self.batches.train) + self.batches.forward_cost

    def run(self, factors: Factors) -> list[float] | None:
        """Return the losses of the evaluation batches after a pilot; None where it diverged."""
        if factors not in self.after:
            self.after[factors] = self._run(factors)
        return self.after[factors]

    def _run(self, factors: Factors) -> list[float] | None:
        facts = self.loop.facts
        of_groups = spread(self.sets, factors, len(facts.bases))
        reference = of_groups[facts.reference]
        scale_groups(self.loop, [factor / reference for factor in of_groups])
        peak = self.peak * reference
        limit = divergence_limit(self.before, self.loss_scale)
        losses, steps = run_trial(
            self.loop, self.snapshot, peak, self.batches.train, shape=self.shape, limit=limit, on_step=self.on_step
        )
        self.cost += steps
        if losses:
            losses = [*evaluate(self.loop, self.batches, peak)]
            self.cost += self.batches.forward_cost
        scale_groups(self.loop, ())
        return losses_after(self.raw, losses or [])

    def wins(self, factors: Factors, over: Factors, *, beyond_chance: bool = True) -> bool:
        """Whether a pilot ended lower than another by more than `MIN_GAIN` says, and beyond chance where asked."""
        old, new = self.run(over), self.run(factors)
        if new is None or old is None:
            return new is not None
        ended = statistics.fmean(self.run((1.0,) * len(self.sets)) or self.before)
        min_gain = MIN_GAIN * max(0.0, min(statistics.fmean(self.before) - ended, abs(ended)))
        return improved(old, new, min_gain) if beyond_chance else gain(old, new) > min_gain

    def mean(self, factors: Factors) -> float:
        """Return the mean loss after a pilot, infinite where it diverged."""
        losses = self.after[factors]
        return statistics.fmean(losses) if losses else float("inf")

    def runs(self, *, is_check: bool = False) -> list[GroupRun]:
        """Return a record of every pilot, in order."""
        return [
            GroupRun(factors, statistics.fmean(losses) if losses else None, is_check)
            for factors, losses in self.after.items()
        ]


def scale_groups(loop: Loop, factors: Sequence[float]) -> None:
    """Let the groups of a loop run at so many times their ratios; InputError where it cannot."""
    scale = getattr(loop, "scale_groups", None)
    if scale is None:
        raise InputError(
            "`groups` must be left out for a loop without `scale_groups`, which cannot run its groups at other ratios, "
            f"got a {type(loop).__name__}; a StepLoop has it"
        )
    scale(factors)


def sets_of(facts: Facts, groups: str | Sequence[str]) -> tuple[GroupSet, ...]:
    """Return the sets of groups whose rates are to be scaled together.

    Args:
        facts: What is known of the training.
        groups: `each` for every group by itself, those of one name together; or names of groups or of optimizers.

    Raises:
        InputError: A name that no group has, or all groups in one set.
    """
    rated = [name for name, base in zip(facts.groups, facts.bases, strict=True) if base > 0]
    names = list(dict.fromkeys(rated)) if isinstance(groups, str) and groups == "each" else groups
    if isinstance(names, str) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f'`groups` must be "each", a list of names, or None, got {groups!r}')
    members = {
        name: tuple(i for i, own in enumerate(zip(facts.groups, facts.owners, strict=True)) if name in own)
        for name in names
    }
    missing = [name for name, held in members.items() if not held]
    if missing:
        known = ", ".join(dict.fromkeys((*facts.groups, *facts.owners)))
        raise InputError(f"`groups` must be names of parameter groups or optimizers, {known}, got {missing[0]!r}")
    listed = [group for held in members.values() for group in held]
    if len(listed) > len(set(listed)):
        raise InputError(f"`groups` must name each group once, got {', '.join(names)}, which hold one twice")
    if len(rated) < 2 or (len(members) < 2 and len(listed) == len(facts.bases)):
        raise InputError(
            f"`groups` must be left out where there is one group, whose ratio to itself is 1, got {groups!r}; give the "
            "optimizer several param_groups, or pass several optimizers and no `sweep`"
        )
    return tuple(GroupSet(name, held) for name, held in members.items())


def budget_for_groups(
    total_steps: int, sets: int, budget: float | None = None, *, losses_per_step: float = FORWARDS_PER_STEP
) -> GroupBudget:
    """Return what the ratios of so many sets may cost: a budget in steps or as a share, or 5 % of the training.

    Without a budget it is at least the least that shows anything, which is refused where it is more than a third of the
    training; so is a budget below it.

    >>> budget_for_groups(10_000, 2), budget_for_groups(2_000, 2)
    (GroupBudget(steps=500, length=48), GroupBudget(steps=368, length=36))
    """
    pilots = 1 + (2 + FURTHER) * sets + CHECKS
    evaluating = EVAL_BATCHES_PER_STEP / losses_per_step
    per_step = pilots * (1 + evaluating) + 2 * evaluating  # two series of pilots measure the loss before
    least = math.ceil(FEWEST_STEPS * per_step)
    if budget is None:
        steps = max(least, int(SHARE * total_steps))
        if steps > MOST_SHARE * total_steps:
            raise InputError(
                f"`total_steps` must be at least {math.ceil(least / MOST_SHARE):,} to tune the ratios of {sets} sets "
                f"of groups, which takes {least} steps, got {total_steps:,}; name fewer, or pass `group_budget`"
            )
    else:
        steps = steps_of(budget, total_steps, "group_budget")
        if steps < least:
            raise InputError(
                f"`group_budget` must come to at least {least} steps for {sets} sets of groups, got {budget}, which is "
                f"{steps}; name more steps or fewer groups"
            )
    return GroupBudget(steps, min(total_steps, max(FEWEST_STEPS, int(steps / per_step))))


def tune_groups(
    loop: Loop,
    snapshot: Snapshot,
    batches: tuple[TrialBatches, TrialBatches],
    sets: Sequence[GroupSet],
    *,
    peak: float,
    highest: float,
    shape: Shape,
    budget: float,
    loss_scale: float = 0.0,
    on_step: OnStep | None = None,
) -> GroupTuning:
    """Scale one set of groups after another, up and down, and keep what wins beyond noise.

    The first pilot has the ratios as they are. Every set is scaled by three both ways; the one that won most goes
    first, and on while it wins; then the square root of three beside it; then the next. What was chosen is confirmed on
    other batches, or nothing is changed. A reference group is never brought above `highest`.
    """
    first, second = (_Pilots(loop, snapshot, b, sets, peak, shape, loss_scale, on_step).begin() for b in batches)
    start = (1.0,) * len(sets)
    reference = next((i for i, one in enumerate(sets) if loop.facts.reference in one.groups), None)
    left = budget - CHECKS * second.cost_of_one - second.cost

    def is_tried(factors: Factors) -> bool:
        """Run a pilot if it is within the range and the budget; return whether it was."""
        if reference is not None and peak * factors[reference] > highest:
            return False
        if factors not in first.after and first.cost + first.cost_of_one > left:
            return False
        first.run(factors)
        return True

    chosen = start
    if first.before and second.before and is_tried(start):
        moves = [(i, by) for i in range(len(sets)) for by in (STRIDE, 1 / STRIDE) if is_tried(_moved(start, i, by))]
        for i, by in sorted(moves, key=lambda move: first.mean(_moved(start, *move))):
            if first.wins(_moved(start, i, by), over=start) and chosen[i] == 1:
                chosen = _climb(first, is_tried, chosen, i, by)
    # What won beyond chance before need not do so again, each on few batches.
    is_confirmed = chosen == start or second.wins(chosen, over=start, beyond_chance=False)
    kept = chosen if is_confirmed else start
    snapshot.restore()
    return GroupTuning(
        sets=tuple(replace(one, factor=kept[i], interval=_interval(first, kept, i)) for i, one in enumerate(sets)),
        runs=(*first.runs(), *second.runs(is_check=True)),
        steps=len(batches[0].train),
        start=statistics.fmean(first.before) if first.before else 0.0,
        cost=first.cost + second.cost,
        is_confirmed=is_confirmed,
    )


def _climb(pilots: _Pilots, is_tried: Callable[[Factors], bool], chosen: Factors, i: int, by: float) -> Factors:
    """Go on with a set in one direction while that wins, then look half a stride to both sides."""
    while is_tried(_moved(chosen, i, by)) and pilots.wins(_moved(chosen, i, by), over=chosen):
        chosen = _moved(chosen, i, by)
    for half in (by**0.5, by**-0.5):
        if is_tried(_moved(chosen, i, half)) and pilots.wins(_moved(chosen, i, half), over=chosen):
            return _moved(chosen, i, half)
    return chosen


def _moved(factors: Factors, i: int, by: float) -> Factors:
    """The factors with that of one set multiplied; rounded, so that ways that meet are one."""
    moved = float(f"{factors[i] * by:.9g}")
    return (*factors[:i], moved, *factors[i + 1 :])


def _interval(pilots: _Pilots, chosen: Factors, i: int) -> tuple[float, float]:
    """The factors of a set whose pilots did no worse than the chosen one, and half of the way to the next that did."""
    line = {f[i]: f for f in pilots.after if f[:i] + f[i + 1 :] == chosen[:i] + chosen[i + 1 :]}
    if len(line) < 2:
        line = {f[i]: f for f in pilots.after if set(f[:i] + f[i + 1 :]) <= {1.0}}
    at, middle = chosen[i], line.get(chosen[i], chosen)
    below = sorted((factor for factor in line if factor < at), reverse=True)
    above = sorted(factor for factor in line if factor > at)
    ends = []
    for side, stride in ((below, 1 / STRIDE), (above, STRIDE)):
        alike = [at, *takewhile(lambda factor: not pilots.wins(middle, over=line[factor]), side)]
        beyond = side[len(alike) - 1] if len(alike) <= len(side) else alike[-1] * stride
        ends.append((alike[-1] * beyond) ** 0.5)
    return ends[0], ends[1]
