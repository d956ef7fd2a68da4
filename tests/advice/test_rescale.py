"""A plan for a training that has changed: what moves, what stays, what is refused."""

import math
from dataclasses import replace

import pytest
from builders import EDGE, result

from lrfinder import Facts, InputError, LRResult
from lrfinder.advice.calibration import FITTED
from lrfinder.advice.change import Change, change_factors
from lrfinder.advice.request import Request
from lrfinder.schedules import CATALOGUE, Cosine, StableDecay, Warmup

FACTS = Facts(
    optimizer="AdamW", betas=(0.9, 0.999), batch_size=64, steps_per_epoch=100, parameters=10**6, weight_decay=0.1
)
MOMENTUM = replace(FACTS, optimizer="SGD", betas=(0.9, 0.0))
SIZES = {"batch_size": 512, "total_steps": 8000, "epochs": 3, "world_size": 8, "parameters": 4 * 10**6}


def found(request=None, facts=FACTS, **options):
    """A result for 2,000 steps of 64 samples."""
    return result(request or Request(2000), facts=facts, edge_trials=[EDGE], **options)


def width(plan):
    """Decades of the interval."""
    return math.log10(plan.interval[1] / plan.interval[0])


@pytest.mark.parametrize("facts", [FACTS, MOMENTUM], ids=["adam", "sgd"])
@pytest.mark.parametrize("name", [name for name in SIZES if name != "parameters"])
def test_a_change_moves_the_peak_by_the_calibrated_power(name, facts):
    """The peak is multiplied by the change to the exponents of the calibration, and the interval is wider."""
    before = found(facts=facts)
    after = before.rescale(**{name: SIZES[name]}).plan

    batch = 8 if name in ("batch_size", "world_size") else 1
    samples = {"total_steps": 4, "epochs": 0.15}.get(name, 1)
    suffix = "_sgd" if facts is MOMENTUM else ""
    powers = [getattr(FITTED, f"{one}_exponent{suffix}") for one in ("batch", "samples")]
    assert after.lr == pytest.approx(before.lr * batch ** powers[0] * samples ** -powers[1], rel=1e-3)
    assert width(after) > width(before.plan)


def test_a_larger_model_wants_a_lower_peak():
    """Four times the parameters move the peak of AdamW by the calibrated power, and nothing else."""
    before, after = found().plan, found().rescale(parameters=4 * 10**6).plan

    assert after.lr == pytest.approx(before.lr / 4**FITTED.parameters_exponent)
    assert (after.schedule, after.total_steps) == (before.schedule, before.total_steps)


def test_the_samples_stay_where_the_batch_changes_alone():
    """Eight times the batch makes an eighth of the steps, of a whole training and of an epoch."""
    plan = found().rescale(world_size=8).plan

    assert (plan.total_steps, plan.steps_per_epoch, plan.schedule(250)) == (250, 13, 0.0)


def test_a_length_may_be_written_as_a_float():
    """1e4 is ten thousand steps, as in a search."""
    assert found().rescale(total_steps=1e4).plan == found().rescale(total_steps=10_000).plan


@pytest.mark.parametrize("one_by_one", [False, True])
def test_changes_add_up(one_by_one):
    """Two changes at once move the peak as one after the other do."""
    at_once = found().rescale(batch_size=128, total_steps=4000)
    in_turn = found().rescale(batch_size=128).rescale(total_steps=4000)

    assert in_turn.lr == pytest.approx(at_once.lr)
    assert in_turn.plan.setting.batch_size == at_once.plan.setting.batch_size == 128
    assert in_turn.interval == pytest.approx(at_once.interval)


def test_the_way_back_leads_to_the_same_peak():
    """A batch that is doubled and halved gives the first peak, schedule and decay, with a wider interval."""
    first = found()
    back = first.rescale(batch_size=128).rescale(batch_size=64)

    assert (back.lr, back.plan.schedule) == (pytest.approx(first.lr), first.plan.schedule)
    assert back.plan.setting.weight_decay == pytest.approx(0.1)
    assert width(back.plan) > width(first.plan)


@pytest.mark.parametrize("change", [{"batch_size": 512}, {"total_steps": 8000}, {"parameters": 4 * 10**6}])
def test_the_decay_keeps_rate_times_decay_times_steps(change):
    """The suggested weight decay keeps lr x decay x steps, and a reason names it."""
    before, after = found().plan, found().rescale(**change).plan

    product = after.lr * after.setting.weight_decay * after.total_steps
    assert product == pytest.approx(before.lr * 0.1 * before.total_steps)
    assert any("keep rate x decay x steps" in str(reason) for reason in after.reasons)


def test_no_decay_is_suggested_where_none_acts_by_the_rate():
    """The facts know of none that Adam adds to its gradient."""
    plan = found(facts=replace(FACTS, weight_decay=0.0)).rescale(batch_size=512).plan

    assert plan.setting.weight_decay == 0.0
    assert not any("decay x steps" in str(reason) for reason in plan.reasons)


PURPOSES = [{}, {"finetune": True}, {"may_extend": True}, {"early_stopping": True}]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_recommended_schedule_is_recommended_anew(purpose):
    """The schedule for the new length is the one that a new plan for the same purpose would have."""
    rescaled = found(Request(2000, **purpose)).rescale(total_steps=40000).plan
    asked = found(Request(40000, **purpose)).plan

    assert (rescaled.schedule, rescaled.warmup, rescaled.total_steps) == (asked.schedule, asked.warmup, 40000)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_schedule_that_was_asked_for_keeps_its_family(name):
    """Over four times the length the family is the same, and so is where it stands at parts of the way."""
    first = found(Request(2000, schedule=name)).plan
    after = found(Request(2000, schedule=name)).rescale(total_steps=8000).plan

    inner = [one.body if isinstance(one, Warmup) else one for one in (first.schedule, after.schedule)]
    assert type(inner[0]) is type(inner[1])
    assert after.warmup == 4 * first.warmup


def test_settings_of_a_schedule_stay():
    """A floor and a cooldown of the user's are kept."""
    for schedule in (Warmup(Cosine(1900, floor=0.1), 100), StableDecay(2000, cooldown=0.3, shape="sqrt")):
        after = found(Request(2000, schedule=schedule)).rescale(total_steps=4000).plan.schedule

        assert [after(2 * step) for step in (100, 1000, 1900)] == pytest.approx(
            [schedule(step) for step in (100, 1000, 1900)], abs=0.01
        )


@pytest.mark.parametrize("request_", [Request(), Request(open_ended=True)], ids=["no length", "open end"])
def test_without_a_length_the_batch_alone_is_rescaled(request_):
    """The peak moves, schedule and outline stay, and a length is refused: there is none to compare it with."""
    first = found(request_)
    plan = first.rescale(batch_size=256).plan

    assert plan.lr == pytest.approx(first.lr * 4**FITTED.batch_exponent)
    assert (plan.schedule, plan.outline, plan.total_steps) == (first.plan.schedule, first.plan.outline, None)
    with pytest.raises(InputError, match="`total_steps` must be left out where the plan has no length"):
        first.rescale(total_steps=1000)


@pytest.mark.parametrize(
    ("facts", "change", "words"),
    [
        (FACTS, {}, "`rescale` must be given something that changes"),
        (FACTS, {"batch_size": 64, "total_steps": 2000}, "`rescale` must be given something that changes"),
        (FACTS, {"batch_size": 0}, "`batch_size` must be a positive whole number, got 0"),
        (FACTS, {"total_steps": 3, "epochs": 2}, "`epochs` must be left out beside `total_steps`=3"),
        (FACTS, {"epochs": math.inf}, "`epochs` must be a finite number above 0"),
        (FACTS, {"batch_size": 64 * 10**5}, "the batch must change by at most 10,000 times"),
        (FACTS, {"total_steps": 10**8}, "the samples must change by at most 10,000 times"),
        (FACTS, {"parameters": 10**9}, "the parameters must change by at most 100 times"),
        (MOMENTUM, {"parameters": 10**7}, "`parameters` must be left out with an optimizer that is not like Adam"),
        (Facts(), {"batch_size": 512}, "`batch_size` must be left out where the measured one is not known, got 512"),
        (Facts(), {"parameters": 512}, "`parameters` must be left out where the measured one is not known, got 512"),
        (Facts(), {"epochs": 2}, "`epochs` must be left out where the plan does not know the steps of one, got 2"),
    ],
)
def test_what_cannot_be_answered_is_refused(facts, change, words):
    """The error names the argument, what it was, and what to do."""
    with pytest.raises(InputError, match=words):
        found(facts=facts).rescale(**change)


def test_a_function_of_the_users_has_no_other_length():
    """A schedule of the user's own cannot be stretched; where the length stays it is kept."""
    first = found(Request(2000, schedule=lambda step: 0.999**step))

    with pytest.raises(InputError, match="`schedule` must be of a family of the catalogue to be rescaled to 500 steps"):
        first.rescale(total_steps=500)
    assert first.rescale(parameters=10**7).plan.schedule == first.plan.schedule


def test_ranks_need_no_batch():
    """Where nobody knows the batch its change can be said in ranks."""
    assert found(facts=Facts(optimizer="AdamW")).rescale(world_size=4).plan.total_steps == 500


@pytest.mark.parametrize(("change", "warned"), [({"world_size": 100}, False), ({"world_size": 101}, True)])
def test_a_change_beyond_what_was_looked_at_is_warned_of(change, warned):
    """More than a hundredfold is answered, with a warning."""
    warnings = found().rescale(**change).plan.warnings

    assert any("far more than in the trainings that the rule is from" in one for one in warnings) == warned


@pytest.mark.parametrize("optimizer", ["Lion", "Prodigy", "SGD", "AdamW"])
def test_every_change_has_its_reason(optimizer):
    """A sentence names each quantity, its sizes and what the rule stands on; the grade falls for other optimizers."""
    reasons = found(facts=replace(FACTS, optimizer=optimizer)).rescale(batch_size=512, total_steps=1000).plan.reasons

    assert "8 times as large (512 instead of 64)" in reasons[0].text
    assert "in samples, is 4 times as large" in reasons[1].text
    assert [one.grade for one in reasons[:2]] == [{"Lion": "weak", "Prodigy": "weak"}.get(optimizer, "moderate")] * 2


def test_an_optimizer_that_sets_its_own_pace_keeps_its_rate():
    """No rule is applied to a rate that is a multiplier."""
    before = found(facts=replace(FACTS, optimizer="Prodigy"))

    assert before.rescale(batch_size=512).lr == before.lr


def noisy(noise, facts=FACTS):
    """The result of a search that saw so much noise at 64 samples."""
    first = found(facts=facts)
    return replace(first, evidence=replace(first.evidence, gradient_noise=noise))


@pytest.mark.parametrize(("facts", "power"), [(FACTS, 0.5), (MOMENTUM, 1.0)], ids=["adam", "sgd"])
def test_noise_decides_between_the_power_and_no_rise(facts, power):
    """Far below the critical batch the peak rises as theory has it, far above it stays; the interval is narrower."""
    small, large = (noisy(noise, facts).rescale(batch_size=128) for noise in (1e4, 1e-4))

    assert small.lr / found(facts=facts).lr == pytest.approx(2**power, rel=1e-3)
    assert large.lr / found(facts=facts).lr == pytest.approx(1, rel=1e-3)
    assert width(small.plan) < width(found(facts=facts).rescale(batch_size=128).plan)


def test_noise_is_that_of_the_batch_that_was_measured():
    """Rescaled in two steps, the second one sees less noise: the peak is that of both at once."""
    in_turn, at_once = noisy(1.0).rescale(batch_size=256).rescale(world_size=4), noisy(1.0).rescale(batch_size=1024)

    assert in_turn.lr == pytest.approx(at_once.lr)


def test_the_reason_names_the_critical_batch():
    """It is in samples where these are known, and in batches where not."""
    named = noisy(1.0).rescale(batch_size=128).plan.reasons[0].text
    unknown = noisy(1.0, Facts(optimizer="AdamW")).rescale(world_size=2).plan.reasons[0].text

    assert f"stops rising at about {64 * FITTED.critical_over_noise:,.0f} samples" in named
    assert f"stops rising at about {FITTED.critical_over_noise:.2g} times the old one" in unknown


def test_report_and_picture_say_that_a_plan_was_rescaled():
    """Their first lines do, and the report holds every reason."""
    after = found().rescale(batch_size=512, total_steps=8000)

    assert [text.get_text() for text in after.plot().texts] == ["range test, rescaled, of model with AdamW"]
    assert " ".join(str(after).split()).count("times as large") == 2


def test_a_rescaled_plan_is_not_recommended_anew():
    """A recommendation is of what was measured and would forget the change: it has to come first."""
    with pytest.raises(
        InputError, match="`recommend` must be asked of what was measured, got a plan that was rescaled"
    ):
        found().rescale(batch_size=512).recommend(schedule="cosine")

    assert (
        found().recommend(schedule="cosine").rescale(batch_size=512).plan.schedule
        == found(Request(250, schedule="cosine")).plan.schedule
    )


def test_a_rescaled_plan_survives_a_file():
    """What is read back equals what was written, the setting included."""
    after = found().rescale(batch_size=512)

    assert LRResult.parse(after.to_json()) == after


def test_the_law_is_the_calibrations():
    """The benchmarks call the same function with other constants."""
    (factor,), deviation = change_factors("adam", Change(100), None, replace(FITTED, batch_exponent=1, batch_spread=2))

    assert (factor.value, deviation) == (pytest.approx(100), pytest.approx(2 * math.sqrt(2)))
