"""Several optimizers: stepped by us after one backward, or by a step of the user's own."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from sharpness import Sharp
from torch import nn
from torch.optim import SGD, Adam
from twins import Notes, Training, check_no_trace, refused, sweep, sweep_by_step, training

from lrfinder import attach, find_lr, tune_lr
from lrfinder.errors import LRFinderWarning


def adversaries():
    """A generator, a critic, their optimizers and the step that trains both."""
    generator = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    critic = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    optimizers = [Adam(generator.parameters(), lr=1e-3), Adam(critic.parameters(), lr=4e-3)]

    def train_step(model, batch):
        real, made = batch[0], generator(torch.randn(len(batch[0]), 2))
        critic_loss = F.softplus(-critic(real)).mean() + F.softplus(critic(made.detach())).mean()
        optimizers[1].zero_grad()
        critic_loss.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        F.softplus(-critic(made)).mean().backward()
        optimizers[0].step()
        return critic_loss.item()

    return generator, critic, optimizers, train_step


def gan():
    """Both as one model, as the example has it."""
    generator, critic, optimizers, train_step = adversaries()
    both = nn.ModuleList([generator, critic])
    return Training(both, optimizers, training(shuffle=False).loader, None, update=train_step)


@pytest.mark.parametrize("sweeping", [None, 0, 1], ids=["joint", "generator", "critic"])
def test_two_optimizers_go_on_as_if_nothing_had_been(sweeping):
    """Both networks and both optimizers are put back, whichever was swept."""
    check_no_trace(gan, partial(sweep_by_step, sweep=sweeping), before=3)


@pytest.mark.parametrize(
    ("sweeping", "factors"), [(None, (1.0, 4.0)), (0, (1.0, None)), (1, (None, 1.0))], ids=["joint", "first", "second"]
)
def test_two_optimizers_are_swept_jointly_or_one_of_them(sweeping, factors):
    """Jointly at the ratio of their rates; one alone with the other's rate as it is."""
    t = gan()
    used = (Notes(), Notes())
    for optimizer, seen in zip(t.optimizer, used, strict=True):
        optimizer.register_step_pre_hook(lambda o, *_, seen=seen: seen.append(o.param_groups[0]["lr"]))

    found = sweep_by_step(t, sweep=sweeping)

    for seen, factor, kept in zip(used, factors, (1e-3, 4e-3), strict=True):
        assert seen.items == pytest.approx([kept if factor is None else factor * lr for lr in found.curve.lrs])
    assert found.facts.optimizer == ("Adam" if sweeping is not None else "Adam and Adam")


def halves(two_optimizers, kind=SGD):
    """One training whose second layer runs at a third of the rate, as two optimizers or as two groups of one."""
    torch.manual_seed(5)
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), shuffle=False)
    first, second = ([*layer.parameters()] for layer in (t.model[0], t.model[2]))
    groups = [{"params": first, "lr": 0.1}, {"params": second, "lr": 0.1 / 3}]
    t.optimizer = [kind([group]) for group in groups] if two_optimizers else kind(groups)
    return t


ALIKE = {
    "plain": dict,
    "clipped": lambda: {"clip_grad_norm": 0.1},
    "accumulating": lambda: {"accumulate": 2},
    "bfloat16": lambda: {"autocast": torch.bfloat16},
    "through a scaler": lambda: {"scaler": torch.amp.GradScaler("cpu", init_scale=2.0**8)},
}


@pytest.mark.parametrize("options", ALIKE.values(), ids=ALIKE)
def test_two_optimizers_are_two_groups_of_one(options):
    """After one backward both step at one ratio: curve, trials and peak are the same to the last bit."""
    two, one = (
        find_lr(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer, progress=False, **options())
        for t in (halves(True), halves(False))
    )

    assert (two.curve, two.trials, two.lr) == (one.curve, one.trials, one.lr)
    assert two.facts.optimizer == "SGD and SGD"


def test_two_optimizers_are_tuned_applied_and_attached():
    """`tune_lr` runs pilots, `apply` sets both, `attach` gives a scheduler to each, at one ratio."""
    t = halves(True, Adam)
    tuned = tune_lr(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer, total_steps=900, progress=False)

    tuned.apply(t.optimizer)
    applied = [o.param_groups[0]["lr"] for o in t.optimizer]
    schedulers = attach(t.optimizer, tuned.plan.schedule, lr=tuned.lr)

    assert tuned.evidence.pilots
    assert applied == pytest.approx([tuned.lr, tuned.lr / 3])
    assert [s.base_lrs for s in schedulers] == [[pytest.approx(tuned.lr)], [pytest.approx(tuned.lr / 3)]]


def test_two_optimizers_leave_no_trace():
    """Both are put back, the state of neither is there before its first step."""
    check_no_trace(partial(halves, True, Adam), partial(sweep, steps=80))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")
def test_muon_beside_adamw_is_ordinary():
    """Matrices by Muon, biases by AdamW: both step, at the ratio of their rates, and there are trials."""
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)))
    matrices, biases = ([p for p in t.model.parameters() if p.ndim == n] for n in (2, 1))
    t.optimizer = [torch.optim.Muon(matrices, lr=0.02), torch.optim.AdamW(biases, lr=0.002)]

    found = sweep(t, steps=100)

    assert found.facts.optimizer == "Muon and AdamW"
    assert found.facts.bases == (0.02, 0.002)
    assert found.evidence.edge_trials


@pytest.mark.parametrize("sweeping", [None, 0, 1], ids=["joint", "generator", "critic"])
def test_a_step_of_the_users_own_gets_trials(sweeping):
    """Whichever of its optimizers is swept."""
    found = sweep_by_step(gan(), sweep=sweeping, steps=100)

    (trials,) = found.evidence.edge_trials
    assert len(trials.lrs) > 1


def test_parameters_that_no_optimizer_holds_are_named():
    """The head was replaced after the optimizer was made."""
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)))
    t.model[1] = nn.Linear(8, 3)

    with pytest.warns(
        LRFinderWarning,
        match=r"no optimizer holds 2 parameters \(1.weight, 1.bias\) of Sequential \(27 numbers\), while 2 that the "
        r"optimizer holds are not of the model: they stay as they are",
    ):
        sweep(t, steps=10)


LISTS = [({"sweep": i}, f"`sweep` must be the index of an optimizer, 0 to 1, or None, got {i!r}") for i in (2, -1, "a")]
LISTS += [
    (
        {"optimizer": ["adam"]},
        "must be a torch optimizer, or a list of them, got str",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), LISTS)
def test_a_list_of_optimizers_that_cannot_be_swept_is_refused(options, sentence):
    """`sweep` is an index into the list, its steps are the user's, and each of it is an optimizer."""
    t = gan()

    with refused(t, sentence):
        sweep_by_step(t, **options)


SHARED = {
    "a parameter": (
        lambda model: [Adam(model.parameters()), SGD(model[0].parameters(), lr=0.1)],
        r"must hold optimizers that share no parameter, got Adam and SGD that share 2 parameters \(0.weight, 0.bias\)",
    ),
    "LBFGS": (
        lambda model: [torch.optim.LBFGS(model[0].parameters()), Adam(model[1].parameters())],
        "must hold no LBFGS beside others, .* got LBFGS and Adam; pass `train_step=`",
    ),
    "a sharpness-aware one": (
        lambda model: [Sharp(model[0].parameters(), lr=0.1), Adam(model[1].parameters())],
        "must hold no Sharp beside others, .* got Sharp and Adam; pass `train_step=`",
    ),
    "nothing of the model": (
        lambda model: [Adam(model.parameters()), Adam([nn.Parameter(torch.zeros(2))])],
        "must hold parameters of `model`, got a Adam that holds none of them",
    ),
}


@pytest.mark.parametrize(("optimizers", "sentence"), SHARED.values(), ids=SHARED)
def test_optimizers_that_cannot_step_together_are_refused(optimizers, sentence):
    """Each sentence names them."""
    t = training(lambda: nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)))
    t.optimizer = optimizers(t.model)

    with refused(t, f"`optimizer` {sentence}"):
        sweep(t)


@pytest.mark.parametrize("sweeping", [None, 0], ids=["joint", "generator"])
def test_a_network_that_the_model_does_not_hold_is_refused(sweeping):
    """A critic that only the step knows could not be put back, so it must be part of the model."""
    generator, critic, optimizers, train_step = adversaries()
    t = Training(generator, optimizers, training(shuffle=False).loader, critic, update=train_step)

    with refused(t, "got a Adam that holds none of them; .* several networks are one nn.ModuleList"):
        sweep_by_step(t, sweep=sweeping)
