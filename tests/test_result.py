import json
import os

import pytest
import torch
from quadratic import Quadratic, swept, uphill
from recorded import descent, recorded

from lrfinder import Facts, InputError, LRResult, NoSignalError
from lrfinder.advice.recommend import Request, plan
from lrfinder.evidence.evidence import read_curve
from lrfinder.result import SCHEMA
from lrfinder.schedules import CATALOGUE, Linear, Warmup


def found(request=None):
    """The result of a good sweep."""
    evidence = read_curve(recorded(descent()), Facts(bases=(0.1, 0.01), batch_size=32))
    return LRResult(evidence, plan(evidence, request or Request(500)))


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


@pytest.mark.parametrize(
    "result",
    [found(), found(Request(None)), found(Request(500, rule="divergence")), nothing()],
    ids=["500", "open", "rule", "none"],
)
def test_a_result_survives_a_file(result, tmp_path):
    """What is read back equals what was written."""
    result.to_json(tmp_path / "found.json")

    assert LRResult.from_json(tmp_path / "found.json") == result


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_schedule_of_the_catalogue_survives_a_file(name, tmp_path):
    """A schedule is saved as its name and parameters."""
    result = found(Request(500, name))
    result.to_json(tmp_path / "found.json")

    assert LRResult.from_json(tmp_path / "found.json").plan.schedule == result.plan.schedule


def test_a_real_sweep_survives_a_file(tmp_path):
    """So does what `find_lr` itself returns, its trials included, those that exploded too."""
    result = swept(Quadratic(1.0), total_steps=100)
    result.to_json(tmp_path / "found.json")

    assert None in result.evidence.edge_trials[0].losses
    assert LRResult.from_json(tmp_path / "found.json") == result


def test_the_text_is_what_the_file_holds(tmp_path):
    """`to_json` returns what it writes, and needs no path."""
    text = found().to_json(tmp_path / "found.json")

    assert text == (tmp_path / "found.json").read_text(encoding="utf-8") == found().to_json()


def test_a_file_holds_plain_data_and_its_schema():
    """Strings, numbers, booleans and None in lists and dicts, with the number of the schema."""
    data = json.loads(found().to_json())

    assert data["schema"] == SCHEMA == 2
    assert {type(leaf) for leaf in leaves(data)} <= {str, float, int, bool, type(None)}


def test_a_result_holds_no_numpy_numbers():
    """The rates, losses and suggestions are Python's own floats."""
    result = swept(Quadratic(2.0), rule="valley", total_steps=100)

    numbers = [*result.curve.lrs, *result.curve.losses, *result.evidence.smooth.losses, *result.evidence.smooth.slopes]
    numbers += [result.lr, *result.interval, result.evidence.noise, *result.suggestions.values()]
    assert {type(number) for number in numbers} == {float}


def edited(**fields):
    """The text of a good result with some of its fields replaced."""
    return json.dumps({**json.loads(found().to_json()), **fields})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        (found().to_json()[:-40], "`path` must be a result that to_json wrote, got"),
        (edited(schema=3), "`schema` must be 2, or 1, got 3; made by another version of lrfinder"),
        ("{}", "'schema'"),
        (edited(evidence={}), "'curve'"),
        (edited(plan=7), "`path` must be a result that to_json wrote"),
        ("[1, 2]", "`path` must be a result that to_json wrote"),
        ("null", "`path` must be a result that to_json wrote"),
        ('"a string"', "`path` must be a result that to_json wrote"),
        (found().to_json().replace('"noise": 0', '"noise": NaN, "was": 0'), "it holds NaN, which is no finite number"),
        (found().to_json().replace('"noise": 0', '"noise": 1e999, "was": 0'), "it holds 1e999, which is no finite"),
        (found().to_json().replace('"lr": 0', '"lr": -Infinity, "was": 0'), "it holds -Infinity, which is no finite"),
        ("[" * 100_000, "`path` must be a result that to_json wrote"),
        (edited(plan={**json.loads(found().to_json())["plan"], "schedule": {"family": "os.system"}}), "os.system"),
        (edited(evidence={**json.loads(found().to_json())["evidence"], "status": "fine"}), "'fine' is not a valid"),
    ],
    ids=range(15),
)
def test_a_file_that_is_no_result_is_refused(text, message, tmp_path):
    """Truncated, of another version, of another shape, not finite, nested without end: one clear error each."""
    path = tmp_path / "found.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=message):
        LRResult.from_json(path)


def test_a_missing_file_is_the_systems_own_error(tmp_path):
    """No file, no wrapping."""
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        LRResult.from_json(tmp_path / "none.json")


def test_reading_a_file_executes_nothing(tmp_path, monkeypatch):
    """A file that names code and pretends to be a schedule is refused without a call."""
    called = []
    monkeypatch.setattr(os, "system", called.append)
    data = json.loads(found().to_json())
    data["plan"]["schedule"] = {"family": "warmup", "body": {"family": "os.system", "steps": "touch x"}, "steps": 1}
    (tmp_path / "found.json").write_text(json.dumps(data), encoding="utf-8")

    with pytest.raises(InputError, match=r"`family` must be one of"):
        LRResult.from_json(tmp_path / "found.json")
    assert called == []


@pytest.mark.parametrize("schedule", [halves, Warmup(halves, 5)], ids=["bare", "warmed"])
def test_a_function_is_lost_in_a_file_and_the_plan_says_so(schedule, tmp_path):
    """A file cannot hold code: the schedule is None after reading, with a warning that names it."""
    found(Request(500, schedule)).to_json(tmp_path / "found.json")

    read = LRResult.from_json(tmp_path / "found.json")

    assert read.plan.schedule is None
    assert "The schedule was the function halves, which a file cannot hold." in read.plan.warnings


@pytest.mark.parametrize("part", ["evidence", "plan"])
def test_a_result_is_frozen(part):
    """What was found cannot be replaced."""
    with pytest.raises(AttributeError, match="cannot assign to field"):
        setattr(found(), part, None)


def test_the_properties_read_the_records():
    """What a result tells by name is what its plan and its evidence hold."""
    result = found()
    e, p = result.evidence, result.plan

    assert (result.lr, result.interval) == (p.lr, p.interval)
    assert (result.status, result.stopped) == (e.status, e.curve.stopped)
    assert (result.suggestions, result.curve, result.smooth) == (e.suggestions, e.curve, e.smooth)
    assert (result.diverged_at, result.noise) == (e.diverged_at, e.noise)
    assert (result.facts, result.cost_steps) == (e.facts, e.cost_steps)


def test_applying_sets_the_peak_and_keeps_the_ratios():
    """The reference group gets `lr`, the other keeps its tenth."""
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1], "lr": 0.1}, {"params": weights[1:], "lr": 0.01}])
    result = found()

    result.apply(optimizer)

    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([result.lr, result.lr / 10])


def test_applying_carries_the_schedulers_along():
    """A scheduler's bases follow, so that its next step does not undo the rate."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, Linear(10))
    result = found()

    result.apply(optimizer, scheduler)
    optimizer.step()
    scheduler.step()

    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.9 * result.lr)


def test_applying_to_a_scheduler_is_refused():
    """The optimizer comes first; what is no optimizer is named."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)

    with pytest.raises(InputError, match="`optimizer` must be a torch optimizer, got StepLR; schedulers follow it"):
        found().apply(torch.optim.lr_scheduler.StepLR(optimizer, 1))


def test_the_repr_is_one_line_of_what_was_found():
    """A shell shows rate, interval, status and schedule, and not every number that was measured."""
    result = found()

    assert repr(result).startswith(f"LRResult(lr={result.lr}, interval=(")
    assert repr(result).endswith(f"status='ok', schedule={result.plan.schedule})")
    assert repr(nothing()) == "LRResult(lr=None, interval=None, status='flat', schedule=None)"


def test_applying_nothing_is_refused():
    """Without a rate the optimizer is left alone and the sentence is raised."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)

    with pytest.raises(NoSignalError, match="there is no learning rate to apply: The loss never fell"):
        nothing().apply(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1
