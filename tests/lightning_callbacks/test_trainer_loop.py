"""A Trainer as a Loop: it keeps the laws of a loop, and its steps are those of training."""

import math
import random
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fits import SHORT, Flat, Net, Plain, fit, in_order, pl, two_optimizers
from loop_contract import LAWS, Subject
from sharpness import Sharp
from torch.optim import lr_scheduler
from twins import plain

from lightning_callbacks import AutoLR
from lightning_callbacks._trainer import TrainerLoop
from lrfinder import InputError, attach
from lrfinder.errors import LRFinderWarning
from lrfinder.schedules import Linear, Warmup


class AtFirstBatch(pl.Callback):
    """Does something with a loop before the first batch."""

    def __init__(self, work):
        self.work, self.out = work, None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 0 and batch_idx == 0 and self.out is None:
            self.out = self.work(TrainerLoop(trainer))


def within(work, module=Net, **options):
    """What a function of a preserved loop returns, and the fit that went on."""

    def guarded(loop):
        with loop.preserved() as snapshot:
            return work(loop, snapshot)

    callback = AtFirstBatch(guarded)
    trace = fit(module, [callback], **options)
    return callback.out, trace


def deterministic():
    """A net without dropout."""
    module = Net()
    module.body[3].p = 0.0
    return module


def state_of(loop):
    """Weights, buffers, gradients, moments, modes, counters and random streams of a fit, in plain values."""
    module, (optimizer,) = loop.modules[0], loop.optimizers
    held = [*module.named_parameters(), *module.named_buffers()]
    gradients = [plain(p.grad) for p in module.parameters()]
    counters = [module.batches_seen, module.accuracy.update_count, loop.lr, [m.training for m in module.modules()]]
    streams = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    return plain([dict(held), gradients, optimizer.state_dict(), counters, streams])


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_trainer_keeps_the_laws_of_a_loop(law, parts):
    """Inside a fit it can be searched as any other."""
    seen = []

    def check(loop):
        rates = lambda: [group["lr"] for group in loop.optimizers[0].param_groups]  # noqa: E731
        law(Subject(loop, partial(state_of, loop), rates))
        seen.append(loop)

    fit(Net, [AtFirstBatch(check)], val=in_order, accumulate_grad_batches=parts, max_epochs=1)

    assert len(seen) == 1


OPTIONS = {
    "adam": {},
    "clipping": {"gradient_clip_val": 0.05},
    "accumulation": {"accumulate_grad_batches": 5},
    "bfloat16": {"precision": "bf16-mixed"},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_steps_are_those_of_training(name):
    """At the module's own rate, an epoch through the loop ends with the weights of an epoch of training."""
    options = {"max_epochs": 1, "train": in_order, **OPTIONS[name]}

    def epoch(loop, snapshot):
        for _ in range(loop.facts.steps_per_epoch):
            loop.step(loop.draw())
        return {name: value.tolist() for name, value in loop.modules[0].state_dict().items()}

    weights, _ = within(epoch, deterministic, **options)

    assert weights == fit(deterministic, **options).weights


@pytest.mark.parametrize("parts", [1, 4])
def test_the_loss_is_the_mean_of_the_micro_batches(parts):
    """Accumulation does not divide the recorded loss, as Lightning's own finder does."""
    losses, _ = within(lambda loop, _: loop.step(loop.draw()), deterministic, accumulate_grad_batches=parts)

    assert losses == pytest.approx(1.1, abs=0.35)


class Doubling(Net):
    """Hooks that write into the batch and into its tensors, as augmentation does."""

    def on_before_batch_transfer(self, batch, dataloader_idx):
        batch[0] = 2 * batch[0]
        return batch

    def on_after_batch_transfer(self, batch, dataloader_idx):
        batch[0].mul_(3)
        batch[1].add_(1).remainder_(3)
        return batch


def test_a_batch_is_the_same_however_often_it_is_used():
    """What hooks write into a batch is not in it the next time, so that every trial trains on the same."""

    def thrice(loop, snapshot):
        batch = loop.draw()
        before = [part.clone() for part in batch[0]]
        losses = [loop.loss(batch)]
        loop.step(batch)
        snapshot.restore()
        losses += [loop.loss(batch), loop.loss(batch)]
        return losses, all(map(torch.equal, before, batch[0]))

    (losses, is_same), _ = within(thrice, Doubling)

    assert len(set(losses)) == 1
    assert is_same


class Choosy(Net):
    """A step that skips the batches that begin with a large number: one in four."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return None if batch[0][0, 0] > 0.7 else loss


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_a_step_that_skips_batches_has_its_trials_all_the_same():
    """Where the module returns no loss for a batch a trial goes on with the next one, and nothing fails."""
    auto = AutoLR(verbose=False)

    fit(Choosy, [auto])

    (trials,) = auto.result.evidence.edge_trials
    assert math.isfinite(trials.start)
    assert any(loss is not None for loss in trials.losses)


def test_facts_are_those_of_the_training():
    """Batch size and epoch length count accumulation; the loss and precision are named; four batches are held out."""

    def facts(loop, snapshot):
        loop.step(loop.draw())
        return loop.facts, len(loop.held_out())

    (found, held_out), _ = within(facts, accumulate_grad_batches=5, val=in_order)

    assert (found.model, found.optimizer, found.batch_size, found.steps_per_epoch) == ("Net", "Adam", 160, 3)
    assert (found.bases, found.betas, found.precision, held_out) == ((0.01,), (0.9, 0.999), "float32", 4)


def overflowing():
    """A GradScaler whose first scale is too large."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**60)
    return {"plugins": [pl.plugins.precision.MixedPrecision("16-mixed", "cpu", scaler)]}


def idle():
    """A module whose `optimizer_step` never steps the optimizer."""
    step = lambda self, epoch, batch_idx, optimizer, closure: closure()  # noqa: E731
    return {"module": type("Idle", (Net,), {"optimizer_step": step})}


@pytest.mark.parametrize("options", [overflowing, idle])
def test_a_skipped_update_is_no_point(options):
    """A step that leaves the weights alone returns None and not a loss."""
    loss, _ = within(lambda loop, _: loop.step(loop.draw()), max_epochs=1, **options())

    assert loss is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, lambda lr: [lr, 100 * lr]), ({"sweep": 1, "lr_min": 1e-3, "lr_max": 100.0}, lambda lr: [1e-3, lr])],
    ids=["both", "the second"],
)
def test_manual_optimization_sweeps_the_users_own_steps(options, expected):
    """Both optimizers get the found rate by one ratio; with sweep=1 the first keeps its own."""
    auto = AutoLR(**{**SHORT, "steps": 60, **options})

    trace = fit(partial(Plain, two_optimizers), [auto])

    assert trace.rates[-1] == pytest.approx(expected(auto.result.lr))
    assert auto.result.evidence.facts.optimizers == (1 if "sweep" in options else 2)


class Sharpened(Plain):
    """Manual optimization in the two parts of a sharpness-aware optimizer."""

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        for part in (optimizer.first_step, optimizer.second_step):
            loss = F.cross_entropy(self.head(self.body(batch[0])), batch[1])
            self.manual_backward(loss)
            part(zero_grad=True)
        self.rates.append(optimizer.param_groups[0]["lr"])
        return loss


def test_a_step_in_two_parts_is_seen():
    """The report leaves no trace, and the fit does not end."""
    made = partial(Sharpened, lambda module: Sharp(module.parameters(), lr=1e-2))
    auto = AutoLR(**SHORT, mode="report")

    assert fit(made, [auto]) == fit(made)
    assert len(auto.result.curve) > 10


def by_hand(make_scheduler, kind=Plain):
    """A module that steps a scheduler of its own."""

    def make(module):
        optimizer = torch.optim.SGD(module.parameters(), 1e-2)
        return [optimizer], [make_scheduler(optimizer)]

    return partial(kind, make)


def test_a_scheduler_stepped_by_hand_is_kept():
    """A scheduler that the module steps itself keeps its shape at the found rate, and its state is as before."""
    auto = AutoLR(**SHORT)

    trace = fit(by_hand(partial(lr_scheduler.ExponentialLR, gamma=0.9)), [auto])

    assert [rates[0] for rates in trace.rates] == pytest.approx([auto.result.lr * 0.9**t for t in range(24)])


def test_a_warm_up_stepped_by_hand_ends_at_the_found_rate():
    """A schedule that is attached as the refusal says: the peak is for its shape, warm-up included."""
    auto = AutoLR(**SHORT)

    trace = fit(by_hand(lambda optimizer: attach(optimizer, Warmup(Linear(20), 4))), [auto])

    assert auto.plan.schedule == Warmup(Linear(20), 4)
    assert max(rates[0] for rates in trace.rates) == pytest.approx(auto.result.lr)


def test_a_scheduler_stepped_by_hand_may_be_shorter_than_the_search():
    """One that refuses to go on beyond its end, as NeuralProphet's, is at its start in every step of the search."""
    auto = AutoLR(**{**SHORT, "steps": 60})
    cycle = partial(lr_scheduler.OneCycleLR, max_lr=1e-2, total_steps=25)

    trace = fit(by_hand(cycle), [auto])

    assert max(rates[0] for rates in trace.rates) == pytest.approx(auto.result.lr)


class ByEpoch(Plain):
    """Steps its scheduler by hand after each epoch."""

    def step_schedulers(self):
        pass

    def on_train_epoch_end(self):
        scheduler = self.lr_schedulers()
        scheduler.step(1.0) if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else scheduler.step()


@pytest.mark.parametrize(
    ("scheduler", "last"),
    [(partial(lr_scheduler.StepLR, step_size=1, gamma=0.5), 0.5), (lr_scheduler.ReduceLROnPlateau, 1.0)],
)
def test_a_scheduler_stepped_by_hand_after_each_epoch_is_predicted(scheduler, last):
    """That no update moves it is seen before the sweep; what a metric decides counts as constant."""
    auto = AutoLR(**SHORT)

    fit(by_hand(scheduler, ByEpoch), [auto])

    assert [auto.plan.schedule(t) for t in (0, 11, 12, 23)] == [1.0, 1.0, last, last]


def posing_as(name):
    """Something with a strategy of that class name."""
    return type("Posing", (), {"strategy": type(name, (), {})()})()


def test_a_strategy_with_weights_of_its_own_is_refused():
    """DeepSpeed keeps masters of the weights, which would not be put back."""
    with pytest.raises(InputError, match="`strategy` must keep its weights in the module to be put back, got DeepSp"):
        TrainerLoop(posing_as("DeepSpeedStrategy"))


def test_an_untested_strategy_is_named():
    """A strategy that was never tested is warned about by its name."""
    with pytest.warns(LRFinderWarning, match="AutoLR was never tested with Novel"), suppress(AttributeError):
        TrainerLoop(posing_as("Novel"))


def test_no_signal_keeps_the_configured_rate():
    """Without a reliable rate the fit equals one without the callback, and the result says why."""
    auto = AutoLR(**SHORT)

    assert fit(Flat, [auto]) == fit(Flat)
    assert (auto.plan, auto.result.lr) == (None, None)


def test_a_development_run_skips_the_test(capsys):
    """fast_dev_run trains its one batch and measures nothing, and a line says so."""
    auto = AutoLR(**SHORT)

    assert fit(callbacks=[auto], fast_dev_run=True, logger=False).counters[3] == 1
    assert "AutoLR searches nothing in a fast_dev_run" in capsys.readouterr().out
    assert auto.result is None
