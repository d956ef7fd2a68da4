"""The lines of code of a plan, executed as they are printed."""

import pytest
import torch
from builders import result
from torch.optim import LBFGS, SGD

import lrfinder
from lrfinder import Facts
from lrfinder.advice.request import Request
from lrfinder.schedules import CATALOGUE, Cosine, Custom, Warmup

SELF_PACED = Facts(optimizer="LBFGS")
TWO = Facts(bases=(0.1, 0.4), optimizers=2)


def half(step):
    """A schedule of the user's own."""
    return 0.5


REQUESTS = {
    **{name: Request(2000, name) for name in ("recommended", *CATALOGUE)},
    "object": Request(2000, Cosine(2000)),
    "function": Request(2000, half),
    "custom": Request(2000, Custom(half)),
    "warmed function": Request(2000, Warmup(half, 5)),
    "may extend": Request(2000, may_extend=True),
    "open end": Request(open_ended=True),
}


def optimizer(lr=0.1, kind=SGD):
    """An optimizer of one weight."""
    return kind([torch.nn.Parameter(torch.ones(1))], lr=lr)


def executed(found, **names):
    """The names that the lines of code leave behind, where the result is called `found`."""
    names["found"] = found
    exec(found.plan.code, names)
    return names


@pytest.mark.parametrize("is_planned_again", [False, True])
@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_the_lines_attach_the_schedule_at_its_peak(asked, is_planned_again):
    """They do so in a first plan and in another one of `recommend`."""
    found = result(asked)
    names = executed(
        found.recommend(schedule=found.plan.schedule) if is_planned_again else found, optimizer=optimizer()
    )

    assert names["schedule"] == found.plan.schedule
    assert names["optimizer"].param_groups[0]["lr"] == pytest.approx(found.plan.lr_at(0.0), rel=0.01)


@pytest.mark.parametrize(
    ("asked", "facts", "kind", "schedulers"),
    [
        (Request(), Facts(), SGD, 0),
        (Request(2000), SELF_PACED, LBFGS, 0),
        (Request(100), TWO, SGD, 2),
        (Request(), TWO, SGD, 0),
    ],
    ids=["no length", "its own pace", "two optimizers", "two optimizers, no length"],
)
def test_the_lines_apply_the_rate_where_no_schedule_is_attached(asked, facts, kind, schedulers):
    """Without a length, or where the optimizer sets its own pace, none is; several optimizers keep their ratio."""
    found, made = result(asked, facts=facts), [optimizer(lr, kind) for lr in (0.1, 0.4)[: facts.optimizers]]

    names = executed(found, optimizers=made, optimizer=made[0])

    rates = [one.param_groups[0].get("initial_lr", one.param_groups[0]["lr"]) for one in made]
    assert rates == pytest.approx([found.lr, 4 * found.lr][: len(made)], rel=1e-3)
    assert len(names.get("schedulers", ())) == schedulers
    assert "scheduler" not in names


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (Request(open_ended=True), "scheduler.begin_cooldown(steps)"),
        (Request(2000, "reduce_on_plateau"), "scheduler.step(metric)"),
        (Request(), "pass total_steps= to get the schedule too"),
    ],
    ids=["open end", "plateau", "no length"],
)
def test_the_code_says_what_else_is_to_be_called(asked, line):
    """An open end names `begin_cooldown`, a plateau its metric, an unknown length the option that is missing."""
    assert line in result(asked).plan.code


def test_an_open_end_can_be_closed():
    """The scheduler of an open-ended plan ends at zero once its cooldown is begun."""
    plan = result(Request(open_ended=True)).plan
    weights = optimizer()
    scheduler = lrfinder.attach(weights, plan.schedule, lr=plan.lr)

    for step in range(125):
        if step == 100:
            scheduler.begin_cooldown(25)
        weights.step()
        scheduler.step()

    assert weights.param_groups[0]["lr"] == 0
