"""The plan that a user holds: made again from a result, printed, drawn, saved and executed."""

import inspect
from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

import lrfinder
from lrfinder import Facts, InputError, LRResult, NoSignalError, find_lr, range_test
from lrfinder.advice.plan import PlanOptions
from lrfinder.advice.recommend import Request, plan
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.evidence import Evidence, Status
from lrfinder.schedules import CATALOGUE, Cosine

FACTS = Facts(optimizer="AdamW", betas=(0.9, 0.999), steps_per_epoch=22)


def batches():
    """Sixteen batches of a linear problem."""
    return [(rows, rows @ torch.ones(4, 1)) for rows in torch.randn(256, 4).split(16)]


def found(asked=None, facts=FACTS):
    """A result with a plan."""
    evidence = Evidence(
        Curve([1e-7, 1e-3, 10.0], [1.0, 0.5, 0.4]), {"steepest": 0.01, "minimum": 0.02}, Status.OK, facts=facts
    )
    return LRResult(evidence, plan(evidence, asked or Request(2000)))


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures of a test are closed after it."""
    yield
    plt.close("all")


def test_another_plan_is_made_without_another_sweep():
    """`recommend` gives what `find_lr` would have given for these options."""
    assert replace(found().recommend(epochs=100), code="") == replace(found(Request(epochs=100)).plan, code="")


def test_the_horizon_stays_where_none_is_given():
    """The length of the first plan holds, unless the end is opened."""
    result = found(Request(700))

    assert result.recommend(schedule="cosine").total_steps == 700
    assert result.recommend(open_ended=True).total_steps is None


def test_the_rule_stays():
    """Another schedule is planned with the same rule's rate."""
    assert found(Request(700, rule="steepest")).recommend(schedule="constant").lr == 0.01


def test_without_a_rate_nothing_is_recommended():
    """A result without a plan says why, and so does a peak that was not swept."""
    result = found()

    with pytest.raises(NoSignalError, match="there is no learning rate to plan with"):
        LRResult(replace(result.evidence, status=Status.FLAT), None).recommend()
    narrow = replace(result.evidence, curve=Curve([1e-2, 2e-2, 1e-1], [1.0, 0.5, 0.4]))
    with pytest.raises(
        NoSignalError,
        match="there is no learning rate for constant: The best rate, or that of the rule you named, lies at an end",
    ):
        LRResult(narrow, result.plan).recommend(schedule="constant")


@pytest.mark.parametrize("verb", [find_lr, range_test, LRResult.recommend])
def test_the_signature_shows_the_options_of_a_plan(verb):
    """`help` lists them with their defaults, and not the rule twice."""
    shown = inspect.signature(verb).parameters

    for name in PlanOptions.__annotations__:
        assert shown[name].default == inspect.signature(Request).parameters[name].default
        assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert ("rule" in shown) == (verb is not LRResult.recommend)


def test_find_lr_plans_in_epochs():
    """`epochs` are counted in the loader's steps, and the report says both."""
    data = batches()

    result = find_lr(torch.nn.Linear(4, 1), data, epochs=10, finetune=True, progress=False)

    assert (result.plan.total_steps, result.plan.steps_per_epoch) == (160, 16)
    assert "for 160 steps (10 epochs of 16)" in str(result)
    assert any("fine-tuning" in str(reason).lower() for reason in result.plan.reasons)


def test_one_epoch_is_no_plural():
    """The report of a training of one epoch says so."""
    result = find_lr(torch.nn.Linear(4, 1), batches(), epochs=1, progress=False)

    assert "for 16 steps (1 epoch of 16)" in str(result)


def test_options_that_exclude_each_other_are_refused_before_the_first_step():
    """The model is not trained."""
    drawn = []

    def loader():
        drawn.append(1)
        return iter(batches())

    with pytest.raises(InputError, match="`steps_per_epoch` must be given with `epochs`=2 for a loader without length"):
        find_lr(torch.nn.Linear(4, 1), loader, epochs=2, progress=False)
    assert drawn == []


def test_a_plan_prints_as_the_report_prints_it():
    """There is one way to print a plan."""
    result = found()

    assert str(result).endswith(str(result.plan))
    assert str(result.plan).startswith("  suggested peak LR")


@pytest.mark.parametrize(
    "asked",
    [
        *(Request(2000, name) for name in CATALOGUE),
        Request(30),
        Request(1),
        Request(),
        Request(open_ended=True),
        Request(10**6),
    ],
    ids=lambda asked: f"{asked.schedule} {asked.total_steps} {asked.open_ended}",
)
def test_a_plan_fits_the_width_survives_a_file_and_can_be_drawn(asked, tmp_path):
    """At most a hundred columns; equal after JSON; a picture with the peak inside."""
    result = found(asked)
    result.to_json(tmp_path / "found.json")

    assert max(len(line) for line in str(result.plan).splitlines()) <= 100
    assert LRResult.from_json(tmp_path / "found.json") == result
    ax = result.plan.plot()
    ax.figure.canvas.draw()
    assert ax.get_ylim()[1] > result.plan.lr


@pytest.mark.parametrize(
    "options", [{}, {"may_extend": True}, {"open_ended": True}, {"schedule": "step_decay"}, {"schedule": Cosine(2000)}]
)
def test_the_lines_of_code_of_a_new_plan_run(options):
    """Executed beside `plan` and an optimizer, they attach its schedule at its peak."""
    made = found().recommend(**options)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)

    namespace = {"plan": made, "optimizer": optimizer}
    exec(made.code, namespace)

    assert namespace["schedule"] == made.schedule
    assert optimizer.param_groups[0]["lr"] == pytest.approx(made.lr_at(0.0), rel=0.01)


@pytest.mark.parametrize("called", ["found.plan", "plan"])
def test_a_self_scheduling_optimizer_gets_its_rate_and_no_scheduler(called):
    """The lines of code set the constant rate."""
    result = found(facts=Facts(optimizer="LBFGS"))
    made = result.plan if called == "found.plan" else result.recommend()
    optimizer = torch.optim.LBFGS([torch.nn.Parameter(torch.ones(1))], lr=0.1)

    exec(made.code, {"found": result, "plan": made, "optimizer": optimizer})

    assert optimizer.param_groups[0]["lr"] == pytest.approx(made.lr, rel=0.01)


def test_the_code_says_what_else_is_to_be_called():
    """An open end names `begin_cooldown`, a plateau its metric."""
    assert "scheduler.begin_cooldown(steps)" in found(Request(open_ended=True)).plan.code
    assert "scheduler.step(metric)" in found(Request(2000, "reduce_on_plateau")).plan.code


def test_an_open_end_can_be_closed():
    """The plan's schedule cools down when the scheduler is told to."""
    made = found(Request(open_ended=True), facts=Facts()).plan
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = lrfinder.attach(optimizer, made.schedule, lr=made.lr)
    for _ in range(100):
        optimizer.step()
        scheduler.step()

    scheduler.begin_cooldown(25)
    for _ in range(25):
        optimizer.step()
        scheduler.step()

    assert optimizer.param_groups[0]["lr"] == 0


def test_a_picture_marks_the_warm_up_and_the_end():
    """Their steps stand in the legend, and the axis is the training."""
    ax = found().plan.plot()

    labels = ax.get_legend_handles_labels()[1]
    assert {"warm-up ends at step 100", "end at step 2,000"} <= set(labels)
    assert ax.get_xlim() == (0, 2000)


def test_a_picture_goes_into_the_axes_that_are_given():
    """`ax` is used and returned."""
    _, ax = plt.subplots()

    assert found().plan.plot(ax) is ax


def test_a_lost_function_is_told_and_drawn_empty(tmp_path):
    """A plan whose function a file could not hold prints without rates and refuses to invent one."""
    found(Request(2000, lambda step: 1.0)).to_json(tmp_path / "found.json")

    read = LRResult.from_json(tmp_path / "found.json").plan

    assert "a function that the file could not hold" in str(read)
    assert "training  0 %" not in str(read)
    with pytest.raises(InputError, match=r"`schedule` must be known for the LR at 0\.5 of the training, got None"):
        read.lr_at(0.5)
    assert read.plot().get_title(loc="left") == "a function that the file could not hold"
