"""What the user holds: a result is planned again, saved and read, applied, and reads its records by name."""

import copy
import inspect
import json
import math
import os
import pickle
import re
from dataclasses import replace

import pytest
import torch
from builders import EDGE, PILOT, result, trials
from quadratic import Quadratic, swept, uphill

from lrfinder import Curve, Facts, InputError, LRResult, NoSignalError, find_lr, range_test, tune_lr
from lrfinder.advice.request import PlanOptions, Request
from lrfinder.result_json import SCHEMA
from lrfinder.schedules import CATALOGUE, Linear, Warmup

FACTS = Facts(bases=(0.1, 0.01), batch_size=32, steps_per_epoch=22)


def found(request=None, **options):
    """The result of a good sweep over two groups, with the trials that `options` name."""
    return result(request or Request(500), facts=FACTS, **options)


def nothing():
    """The result of a sweep that gave no rate."""
    return swept(uphill())


def halves(step):
    """A schedule of the user's own."""
    return 0.5**step


def leaves(value):
    """Everything inside plain containers."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def optimizer(*lrs):
    """An optimizer of one weight in each group."""
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in lrs or (0.1,)])


@pytest.mark.parametrize("options", [{"epochs": 100}, {"total_steps": 30, "may_extend": True}, {"finetune": True}])
def test_another_plan_is_that_of_another_search(options):
    """`recommend` gives the evidence of this result with the plan that `find_lr` would have made for these options."""
    again = found().recommend(**options)

    assert again == found(Request(**{"total_steps": None if "epochs" in options else 500, **options}))


@pytest.mark.parametrize(
    ("options", "total_steps"),
    [({"schedule": "cosine"}, 700), ({"open_ended": True}, None), ({"epochs": 2}, 14), ({"total_steps": 9}, 9)],
)
def test_the_length_stays_where_none_is_given(options, total_steps):
    """The length of the first plan and its steps of an epoch hold, unless the end is opened or another is given."""
    plan = found(Request(700, steps_per_epoch=7)).recommend(**options).plan

    assert (plan.total_steps, plan.steps_per_epoch) == (total_steps, 7)


def test_the_rule_stays():
    """Another schedule is planned with the rate of the rule that was asked for."""
    first = found(Request(700, rule="steepest"))

    assert first.recommend(schedule="constant").lr == first.suggestions["steepest"]


def test_without_a_rate_nothing_is_recommended():
    """A result without a plan says why, and so does a peak for this schedule that was not swept."""
    narrow = replace(found().evidence, curve=Curve([1e-2, 2e-2, 1e-1], [1.0, 0.5, 0.4]), suggestions={"steepest": 1e-2})
    narrow = replace(narrow, lr_range=(1e-2, 1e-1))

    with pytest.raises(NoSignalError, match="there is no learning rate to plan with: The loss never fell"):
        nothing().recommend()
    with pytest.raises(NoSignalError, match="there is no learning rate for constant: The best rate, or that of the"):
        LRResult(narrow, found().plan).recommend(schedule="constant")


@pytest.mark.parametrize("verb", [find_lr, range_test, LRResult.recommend])
def test_the_signature_shows_the_options_of_a_plan(verb):
    """`help` lists them with their defaults; `recommend` shows no `rule`, which stays."""
    shown = inspect.signature(verb).parameters

    for name in PlanOptions.__annotations__:
        assert shown[name].default == inspect.signature(Request).parameters[name].default
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert ("rule" in shown) == (verb is not LRResult.recommend)


SAVED = {
    **{name: (Request(500, name), {}) for name in CATALOGUE},
    "no length": (Request(), {}),
    "open end": (Request(open_ended=True), {}),
    "a rule": (Request(500, rule="divergence"), {}),
    "fine-tuning": (Request(10**6, finetune=True), {}),
    "trials": (Request(5000), {"edge_trials": [EDGE]}),
    "pilots": (Request(5000), {"edge_trials": [EDGE], "pilots": [PILOT, trials((1e-3, 0.6), (1e-2, None))]}),
    "no rate": (Request(500), {"losses": [1.0] * 100}),
}


@pytest.mark.parametrize(("asked", "options"), SAVED.values(), ids=SAVED)
def test_a_result_survives_a_file(asked, options, tmp_path):
    """What is read back equals what was written, every trial, estimate and factor of it."""
    before = found(asked, **options)
    before.to_json(tmp_path / "found.json")

    assert LRResult.from_json(tmp_path / "found.json") == before


def test_a_real_search_survives_a_file():
    """What `find_lr` returns is read back as it was, with trials that diverged and the coarse pass."""
    before = swept(Quadratic(1.0), total_steps=100)

    assert None in before.evidence.edge_trials[0].losses
    assert len(before.evidence.coarse) > 0
    assert LRResult.parse(before.to_json()) == before


def test_a_file_carries_how_the_peak_was_computed():
    """Each estimate and each factor stands in it by its source, with the quantities that were corrected for."""
    plan = json.loads(found(edge_trials=[EDGE], pilots=[PILOT]).to_json())["plan"]

    (steps,) = [one for one in plan["factors"] if (one["source"], one["name"]) == ("pilots", "steps")]

    assert [one["source"] for one in plan["estimates"]] == ["edge", "pilots"]
    assert (steps["measured_at"], steps["wanted_at"]) == (60, 500)
    assert steps["value"] == pytest.approx((60 / 500) ** 0.2)


def test_the_text_is_what_the_file_holds(tmp_path):
    """`to_json` returns what it writes, and needs no path."""
    text = found().to_json(tmp_path / "found.json")

    assert text == (tmp_path / "found.json").read_text(encoding="utf-8") == found().to_json()


def test_a_file_holds_plain_data_and_its_schema():
    """Strings, numbers, booleans and None in lists and dicts, with the number of the schema."""
    data = json.loads(found(edge_trials=[EDGE], pilots=[PILOT]).to_json())

    assert data["schema"] == SCHEMA == 2
    assert {type(leaf) for leaf in leaves(data)} <= {str, float, int, bool, type(None)}


def test_a_result_holds_no_numpy_numbers():
    """The rates, losses and suggestions are Python's own floats."""
    one = swept(Quadratic(2.0), rule="valley", total_steps=100)

    numbers = [*one.curve.lrs, *one.curve.losses, *one.smooth.losses, *one.smooth.slopes]
    numbers += [one.lr, *one.interval, one.noise, *one.suggestions.values()]
    assert {type(number) for number in numbers} == {float}


@pytest.mark.parametrize("schedule", [halves, Warmup(halves, 5)], ids=["bare", "warmed"])
def test_a_function_is_lost_in_a_file_and_the_plan_says_so(schedule):
    """A file cannot hold code: the schedule is None after reading, with a warning that names it."""
    plan = LRResult.parse(found(Request(500, schedule)).to_json()).plan

    assert plan.schedule is None
    assert "The schedule was the function halves, which a file cannot hold." in plan.warnings


def test_a_missing_file_is_the_systems_own_error(tmp_path):
    """A path without a file raises FileNotFoundError, which is not wrapped."""
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        LRResult.from_json(tmp_path / "none.json")


def test_reading_a_file_executes_nothing(monkeypatch):
    """A file that names code and pretends to be a schedule is refused without a call."""
    called = []
    monkeypatch.setattr(os, "system", called.append)
    data = json.loads(found().to_json())
    data["plan"]["schedule"] = {"family": "warmup", "body": {"family": "os.system", "steps": "touch x"}, "steps": 1}

    with pytest.raises(InputError, match=r"`family` must be one of"):
        LRResult.parse(json.dumps(data))
    assert called == []


@pytest.mark.parametrize("part", ["evidence", "plan"])
def test_a_result_is_frozen(part):
    """Neither its evidence nor its plan can be replaced."""
    with pytest.raises(AttributeError, match="cannot assign to field"):
        setattr(found(), part, None)


def test_the_properties_read_the_records():
    """What a result holds by name is what its plan and its evidence hold."""
    one = found(edge_trials=[EDGE], pilots=[PILOT])
    e, p = one.evidence, one.plan

    assert (one.lr, one.interval) == (p.lr, p.interval)
    assert (one.status, one.stopped) == (e.status, e.curve.stopped)
    assert (one.suggestions, one.curve, one.smooth) == (e.suggestions, e.curve, e.smooth)
    assert (one.diverged_at, one.noise) == (e.diverged_at, e.noise)
    assert (one.facts, one.cost_steps, one.trials) == (e.facts, e.cost_steps, (EDGE, PILOT))


def test_the_cost_of_a_tuning_is_that_of_its_sweep_and_all_its_trials():
    """`trials` lists the short trials, then the pilots; `cost_steps` counts them all; a file keeps them."""
    x = torch.randn(512, 4)
    batches = [(rows, rows @ torch.ones(4, 1)) for rows in x.split(16)]

    tuned = tune_lr(torch.nn.Linear(4, 1), batches, total_steps=900, progress=False)

    assert tuned.trials[0].steps == 14 < tuned.trials[-1].steps
    assert LRResult.parse(tuned.to_json()) == tuned
    assert {type(lr) for trials in tuned.trials for lr in trials.lrs} == {float}
    swept = tuned.curve.steps + tuned.evidence.coarse.steps
    assert tuned.cost_steps == math.ceil(swept + sum(trials.cost for trials in tuned.trials))


def test_applying_sets_the_peak_and_carries_the_schedulers_along():
    """The reference group gets `lr`, the other keeps its tenth, and the next step of a scheduler undoes neither."""
    one, groups = found(), optimizer(0.1, 0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(groups, Linear(10))

    one.apply(groups, scheduler)

    assert [group["lr"] for group in groups.param_groups] == pytest.approx([one.lr, one.lr / 10])
    groups.step()
    scheduler.step()
    assert [group["lr"] for group in groups.param_groups] == pytest.approx([0.9 * one.lr, 0.09 * one.lr])


def test_applying_to_a_scheduler_is_refused():
    """The optimizer comes first; what is no optimizer is named."""
    with pytest.raises(InputError, match="`optimizer` must be a torch optimizer, got StepLR; schedulers follow it"):
        found().apply(torch.optim.lr_scheduler.StepLR(optimizer(), 1))


def test_applying_nothing_is_refused():
    """Without a rate the optimizer is left alone and the sentence is raised."""
    held = optimizer()

    with pytest.raises(NoSignalError, match="there is no learning rate to apply: The loss never fell"):
        nothing().apply(held)
    assert held.param_groups[0]["lr"] == 0.1


def test_the_repr_is_one_line_of_what_was_found():
    """A shell shows rate, interval, status and schedule, and not every number that was measured."""
    one = found()

    assert repr(one).startswith(f"LRResult(lr={one.lr}, interval=(")
    assert repr(one).endswith(f"status='ok', schedule={one.plan.schedule})")
    assert repr(nothing()) == "LRResult(lr=None, interval=None, status='flat', schedule=None)"


@pytest.mark.parametrize(
    ("name", "held"),
    [("best_lr", "found.lr"), ("suggestion", "found.lr"), ("schedule", "found.plan.schedule"), ("losses", "found.cur")],
)
def test_what_other_finders_hold_is_told_where_it_is(name, held):
    """The sentence names the attribute; `hasattr` stays False."""
    assert not hasattr(found(), name)
    with pytest.raises(AttributeError, match=f"'LRResult' object has no attribute '{name}'; it is {held}"):
        getattr(found(), name)


def test_an_unknown_attribute_is_an_ordinary_error():
    """Without a word on where it is; copies and pickles are made as of any record."""
    with pytest.raises(AttributeError, match=r"'LRResult' object has no attribute 'colour'$"):
        found().colour  # noqa: B018
    assert pickle.loads(pickle.dumps(copy.deepcopy(found()))) == found()


def test_the_repr_of_the_evidence_is_one_line():
    """What was swept, the trials, the cost; the losses are in its fields."""
    said = repr(found(edge_trials=[EDGE], pilots=[PILOT]).evidence)

    assert re.fullmatch(
        r"<Evidence: ok, \d+ rates swept, 1 records of short trials, 1 of pilots, cost \d+ steps>", said
    )


def test_the_search_space_is_the_interval():
    """As low, high and whether in logarithms, by place and by name; where there is no rate there is none."""
    one = found()

    low, high, log = one.search_space()

    assert (low, high) == one.interval
    assert log is True
    assert one.search_space()._asdict() == {"low": low, "high": high, "log": True}
    with pytest.raises(NoSignalError, match="there is no interval to search in: The loss never fell"):
        nothing().search_space()


def test_a_warm_up_longer_than_the_training_planned_before_is_warned_of():
    """An open end after a training of 920 steps with Adam; after a longer one there is no such warning."""
    adam = Facts(optimizer="AdamW", betas=(0.9, 0.999), bases=(1e-3,))
    short, long = (
        result(Request(total), facts=adam).recommend(open_ended=True).plan.warnings for total in (920, 50_000)
    )

    assert "The warm-up of 2,000 steps is longer than the 920 of the training planned before" in " ".join(short)
    assert "planned before" not in " ".join(long)
