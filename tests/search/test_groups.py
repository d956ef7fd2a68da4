"""Ratios between parameter groups: known answers, what is kept, what is refused, and no trace."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from matplotlib import pyplot
from quadratic import Quadratic, swept
from torch import nn
from torch.optim import SGD
from twins import check_no_trace, training

from lrfinder import Facts, InputError, LRResult, find_lr, tune_lr
from lrfinder.evidence.groups import GroupRun, GroupSet, GroupTuning
from lrfinder.search.groups import budget_for_groups, sets_of

NAMED = Facts(bases=(1.0, 0.1, 0.1), groups=("body", "head", "head"), owners=("AdamW",) * 3)
OPTIMIZERS = Facts(bases=(0.02, 1e-3, 1e-3), groups=("Muon", "AdamW group 0", "AdamW group 1"))
OPTIMIZERS = replace(OPTIMIZERS, owners=("Muon", "AdamW", "AdamW"))


class Two(nn.Module):
    """Two quadratics of other curvatures, whose minima move with the batch; the steeper one wants the lower rate."""

    def __init__(self, steeper=100.0):
        super().__init__()
        self.flat, self.steep = Quadratic(*[1.0] * 8), Quadratic(*[steeper] * 8)

    def forward(self, batch):
        moved = 0.05 * batch.mean()
        return self.flat(None) + self.steep(None) + moved * (self.flat.phi.sum() + 10 * self.steep.phi.sum())


BATCHES = [torch.randn(4, generator=torch.Generator().manual_seed(i)) for i in range(300)]


def made(ratio, kind=SGD):
    """A model and its optimizer, the steeper quadratic at a part of the other's rate."""
    model = Two()
    groups = [
        {"params": [model.flat.phi], "lr": 0.1, "name": "flat"},
        {"params": [model.steep.phi], "lr": 0.1 * ratio, "name": "steep"},
    ]
    return model, kind(groups)


def tuned(ratio, evaluate=None, **options):
    """What a tuning finds from a ratio of the rates, where the loss is the model's or another."""
    model, optimizer = made(ratio)
    given = {"total_steps": 2000, "groups": "each", "progress": False, "loss_step": evaluate, **options}
    return tune_lr(model, BATCHES, optimizer=optimizer, **given)


@pytest.fixture(scope="module")
def apart():
    """A tuning of two groups at one rate, which want rates that are a hundred times apart."""
    return tuned(1.0)


def test_a_ratio_that_is_off_is_mended(apart):
    """The flat quadratic is brought to at least three times the rate of the steep one, of a hundred at most."""
    rates = apart.group_lrs

    assert 2.9 < rates["flat"] / rates["steep"] < 300
    assert apart.evidence.groups.is_confirmed


def test_a_ratio_that_is_right_moves_by_a_stride_at_most():
    """It is a hundred, and stays within a factor of three."""
    rates = tuned(1 / 100).group_lrs

    assert 33 < rates["flat"] / rates["steep"] < 301


def test_groups_that_the_loss_does_not_tell_apart_keep_their_ratio():
    """The report says that it was looked at, and the rates are those of the joint peak."""
    found = tuned(1.0, groups=["steep"], evaluate=lambda model, batch: model.flat(None) + 1)

    assert found.evidence.groups.factors == (1.0,)
    assert found.group_lrs["steep"] == found.lr
    assert "kept          the ratios of the optimizer: no other won beyond noise" in found.explain()


def test_the_peak_is_that_of_the_reference_group(apart):
    """Peak and interval of the joint tuning are multiplied by its factor, which the plan names."""
    groups = apart.evidence.groups
    joint = LRResult(replace(apart.evidence, groups=None), apart.plan).recommend()

    assert apart.lr == pytest.approx(joint.lr * groups.factors[0])
    assert [f.value for f in apart.plan.factors if f.name == "groups"] == [groups.factors[0]] * (groups.factors[0] != 1)


def test_the_cost_is_counted_and_within_both_budgets(apart):
    """Joint and group tuning each keep to their own."""
    assert apart.evidence.groups.cost <= budget_for_groups(2000, 2).steps
    assert apart.cost_steps <= 300 + budget_for_groups(2000, 2).steps


def test_apply_and_attach_set_every_group(apart):
    """However often, and the schedule goes on from there at the same ratio."""
    _, optimizer = made(1.0)

    apart.apply(optimizer)
    apart.apply(optimizer)
    applied = [group["lr"] for group in optimizer.param_groups]
    scheduler = apart.attach(optimizer)

    assert applied == pytest.approx([*apart.group_lrs.values()])
    assert scheduler.base_lrs == pytest.approx([*apart.group_lrs.values()])
    assert apart.plan.code == "scheduler = found.attach(optimizer)  # at the ratios that were tuned"


def test_apply_brings_schedulers_to_the_new_ratios(apart):
    """The bases of one that is attached already follow, group by group."""
    _, optimizer = made(1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    apart.apply(optimizer, scheduler)

    assert scheduler.base_lrs == pytest.approx([*apart.group_lrs.values()])


def test_ratios_of_other_groups_are_refused(apart):
    """An optimizer with one group has no place for two rates."""
    with pytest.raises(InputError, match="must have the 2 parameter groups whose ratios were tuned, got 1; pass the"):
        apart.apply(SGD(nn.Linear(2, 2).parameters(), lr=0.1))


def test_a_result_with_ratios_is_read_back(apart):
    """From JSON, equal in everything."""
    assert LRResult.parse(apart.to_json()) == apart


def test_report_and_picture_show_every_set(apart):
    """The losses by factor, what was chosen, the rate of every group; a curve each in a second panel."""
    text, figure = apart.explain(), apart.plot().figure

    assert "ratios        of groups, in pilots of" in text
    assert "by group      flat" in text
    assert [line.split(":")[0] for line in figure.axes[1].get_legend_handles_labels()[1]] == ["flat", "steep"]
    pyplot.close(figure)


def test_a_tuning_of_ratios_leaves_no_trace():
    """Weights, optimizer, streams and the ratios themselves are as before."""

    def two_groups():
        def optimizer(parameters):
            held = list(parameters)
            return torch.optim.AdamW([{"params": held[:2]}, {"params": held[2:], "lr": 1e-2}])

        return training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), optimizer)

    def disturb(t):
        options = {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "total_steps": 2000, "progress": False}
        assert tune_lr(t.model, t.loader, groups="each", **options).evidence.groups is not None

    check_no_trace(two_groups, disturb, before=3)


@pytest.mark.parametrize(
    ("facts", "groups", "sets"),
    [
        (NAMED, "each", {"body": (0,), "head": (1, 2)}),
        (NAMED, ["head"], {"head": (1, 2)}),
        (OPTIMIZERS, "each", {"Muon": (0,), "AdamW group 0": (1,), "AdamW group 1": (2,)}),
        (OPTIMIZERS, ["Muon", "AdamW"], {"Muon": (0,), "AdamW": (1, 2)}),
    ],
)
def test_groups_are_scaled_in_sets(facts, groups, sets):
    """Each by itself, those of one name together, or those of one optimizer."""
    assert {one.name: one.groups for one in sets_of(facts, groups)} == sets


@pytest.mark.parametrize(
    ("facts", "groups", "sentence"),
    [
        (NAMED, ["tail"], "`groups` must be names of parameter groups or optimizers, body, head, AdamW, got 'tail'"),
        (Facts(groups=("SGD",), owners=("SGD",)), "each", "`groups` must be left out where there is one group"),
        (NAMED, ["AdamW"], "`groups` must be left out where there is one group"),
        (NAMED, ["head", "AdamW"], "`groups` must name each group once, got head, AdamW, which hold one twice"),
        (NAMED, "head", "`groups` must be \"each\", a list of names, or None, got 'head'"),
        (NAMED, [3], '`groups` must be "each", a list of names, or None, got \\[3\\]'),
    ],
)
def test_groups_that_cannot_be_scaled_are_refused(facts, groups, sentence):
    """Each sentence says what there is."""
    with pytest.raises(InputError, match=sentence):
        sets_of(facts, groups)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (500, 2),
            "`total_steps` must be at least 1,104 to tune the ratios of 2 sets of groups, which takes 368 steps",
        ),
        ((5000, 2, 100), "`group_budget` must come to at least 368 steps for 2 sets of groups, got 100, which is 100"),
        ((5000, 2, 0.01), "`group_budget` must come to at least 368 steps .* got 0.01, which is 50; name more steps"),
        ((5000, 2, -3), "`group_budget` must be a whole number of at least 10, got -3"),
    ],
)
def test_a_budget_that_shows_nothing_is_refused(arguments, sentence):
    """With the sum that it takes."""
    with pytest.raises(InputError, match=sentence):
        budget_for_groups(*arguments)


def test_a_budget_without_groups_is_refused():
    """Nothing would spend it."""
    with pytest.raises(InputError, match="`group_budget` must be left out where no `groups` are named, got 300"):
        tuned(1.0, groups=None, group_budget=300)


def test_what_did_not_win_on_other_batches_is_not_kept():
    """The report says so."""
    kept = GroupTuning((GroupSet("a", (0,)),), (GroupRun((1.0,), 1.0),), 36, 2.0, 100.0, is_confirmed=False)

    found = tuned(1 / 100)
    found = LRResult(replace(found.evidence, groups=kept), found.plan)

    assert "what won did not win on other batches" in found.explain()


def test_an_interval_holds_its_factor():
    """A record that does not is refused."""
    with pytest.raises(InputError, match=r"`interval` must be positive and hold `factor`=3, got \(4.0, 5.0\)"):
        GroupSet("a", (0,), 3.0, (4.0, 5.0))


@pytest.mark.parametrize(("kind", "wanted"), [("AdamW", 0.05), ("Adam", None)])
def test_the_weight_decay_that_keeps_the_product_is_told_and_set(kind, wanted):
    """Where it is decoupled and the peak is far from the optimizer's own rate; else there is none to keep."""
    model = nn.Linear(4, 3)
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=1e-7, weight_decay=wanted or 0.05)
    batches = training(lambda: model).loader
    found = tune_lr(
        model, batches, optimizer=optimizer, loss_fn=nn.functional.cross_entropy, total_steps=400, progress=False
    )
    told = "rate times weight decay" in str(found)

    if wanted is None:
        assert not told
        with pytest.raises(InputError, match="`keep_decay` must be left out where no group has a decoupled weight"):
            found.apply(optimizer, keep_decay=True)
    else:
        assert told
        found.apply(optimizer, keep_decay=True)
        assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(wanted * 1e-7 / found.lr)


def test_attaching_without_a_length_is_refused():
    """There is no schedule to attach."""
    with pytest.raises(
        InputError, match=r"`total_steps` must have been given to attach a schedule, got None; .*recomm"
    ):
        swept(Quadratic(2.0)).attach(SGD([nn.Parameter(torch.zeros(1))], lr=0.1))


def test_a_frozen_rate_is_no_set_and_its_decay_stays():
    """A group at a rate of 0 has no ratio to tune; `keep_decay` leaves it alone."""
    facts = replace(NAMED, bases=(1.0, 0.0, 0.0), groups=("body", "head", "tail"))
    frozen, trained = nn.Linear(2, 2), nn.Linear(2, 2)
    groups = [{"params": trained.parameters()}, {"params": frozen.parameters(), "lr": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1.0, weight_decay=0.5)

    swept(Quadratic(2.0)).apply(optimizer, keep_decay=True)

    assert optimizer.param_groups[0]["weight_decay"] * optimizer.param_groups[0]["lr"] == pytest.approx(0.5)
    assert optimizer.param_groups[1]["weight_decay"] == 0.5
    with pytest.raises(InputError, match="`groups` must be left out where there is one group"):
        sets_of(facts, "each")


def test_optimizers_in_another_order_are_refused():
    """The first group would get the rate of another; one of them alone would too."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    first, second = SGD(model[0].parameters(), lr=0.1), torch.optim.Adam(model[1].parameters(), lr=1e-3)
    batches = [(x, x[:, :3].argmax(1)) for x in torch.randn(40, 8, 4)]
    options = {"loss_fn": nn.functional.cross_entropy, "total_steps": 100, "progress": False}
    found = find_lr(model, batches, optimizer=[first, second], **options)

    for given in ([second, first], second):
        with pytest.raises(InputError, match="must be those of the search in their order, SGD, Adam, got Adam"):
            found.attach(given)
    assert [group["lr"] for one in (first, second) for group in one.param_groups] == [0.1, 1e-3]
    assert "by group      SGD" in str(found)


def test_what_is_no_optimizer_is_refused_before_anything_changes():
    """By `apply` and by `attach`, which take different things."""
    found = swept(Quadratic(2.0), total_steps=100)
    like = SimpleNamespace(param_groups=[{"params": [nn.Parameter(torch.zeros(1))], "lr": 0.1}])

    with pytest.raises(InputError, match="`optimizer` must be a torch optimizer, got object"):
        found.apply(object(), keep_decay=True)
    with pytest.raises(InputError, match="`optimizer` must be a torch Optimizer, got SimpleNamespace; pass the bare"):
        found.attach(like)
    assert like.param_groups[0]["lr"] == 0.1
