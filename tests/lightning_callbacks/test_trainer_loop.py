"""A Trainer as a Loop: its steps are those of training, it refuses what it cannot measure, errors leave nothing."""

import math
import random
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import torch
from fits import Net, fit, loader, pl
from loop_contract import LAWS, Subject
from torch import nn
from torch.optim import lr_scheduler
from twins import plain

from lightning_callbacks import AutoLR
from lightning_callbacks._trainer import TrainerLoop
from lrfinder import InputError, NoSignalError, attach
from lrfinder.errors import LRFinderWarning
from lrfinder.schedules import Linear, Warmup

SHORT = {"steps": 30, "lr_min": 1e-4, "verbose": False}


class AtFirstBatch(pl.Callback):
    """Does something with a loop on the doorstep of the first batch."""

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


class Plain(pl.LightningModule):
    """Manual optimization without dropout, whose first loss is known."""

    def __init__(self, make_optimizers, returns=True):
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
        self.automatic_optimization = False
        self.make_optimizers, self.returns = make_optimizers, returns
        self.rates = []

    def configure_optimizers(self):
        return self.make_optimizers(self)

    def training_step(self, batch, batch_idx):
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        loss = nn.functional.cross_entropy(self.head(self.body(batch[0])), batch[1])
        self.rates.append([optimizer.param_groups[0]["lr"] for optimizer in optimizers])
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        schedulers = self.lr_schedulers()
        if schedulers is not None:
            schedulers.step()
        return loss if self.returns else None


def two_optimizers(module):
    """A slow Adam and a fast SGD."""
    return torch.optim.Adam(module.body.parameters(), 1e-3), torch.optim.SGD(module.head.parameters(), 1e-1)


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

    fit(Net, [AtFirstBatch(check)], val=partial(loader, shuffle=False), accumulate_grad_batches=parts, max_epochs=1)

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
    options = {"max_epochs": 1, "train": partial(loader, shuffle=False), **OPTIONS[name]}

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


def test_a_forward_alone_changes_nothing():
    """`loss` leaves buffers, modes and random streams, so that the next step is the same with and without it."""

    def one(loop, snapshot):
        batch = loop.draw()
        loop.loss(batch)
        return loop.step(batch)

    assert within(one)[0] == within(lambda loop, _: loop.step(loop.draw()))[0]


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


def test_a_forward_can_repeat_the_last_step():
    """With `train` the loss at the restored weights is the step's own, dropout included."""

    def repeat(loop, snapshot):
        batch = loop.draw()
        first = loop.step(batch)
        snapshot.restore()
        return first, loop.loss(batch, train=True)

    (first, again), _ = within(repeat)

    assert first == again


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
    """Batch size and epoch length count accumulation; the loss and precision are named."""

    def facts(loop, snapshot):
        loop.step(loop.draw())
        return loop.facts

    found, _ = within(facts, accumulate_grad_batches=5)

    assert (found.model, found.optimizer, found.batch_size, found.steps_per_epoch) == ("Net", "Adam", 160, 3)
    assert (found.bases, found.betas, found.precision) == ((0.01,), (0.9, 0.999), "float32")


@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_sweep_leaves_no_trace(at, kind):
    """Raised in any step and caught, the fit goes on as one without the range test."""

    class Fails(Net):
        armed, calls = False, 0

        def training_step(self, batch, batch_idx):
            if self.armed and batch_idx == at:
                raise kind("out of memory, say")
            return super().training_step(batch, batch_idx)

    def sweep(loop, snapshot):
        loop.modules[0].armed = True
        for _ in range(10):
            loop.step(loop.draw())

    def caught(loop):
        with pytest.raises(kind), loop.preserved() as snapshot:
            sweep(loop, snapshot)

    assert fit(Fails, [AtFirstBatch(caught)]) == fit(Fails)


def test_a_skipped_update_is_no_point():
    """A step whose gradients overflow returns None and not a loss."""
    plugin = pl.plugins.precision.MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**60))

    loss, _ = within(lambda loop, _: loop.step(loop.draw()), plugins=[plugin], max_epochs=1)

    assert loss is None


def test_manual_optimization_sweeps_the_users_own_steps():
    """Both optimizers run at the swept rate, jointly, and keep their ratio when the rate is set."""
    auto = AutoLR(**SHORT)

    trace = fit(partial(Plain, two_optimizers), [auto])

    assert trace.rates[-1] == pytest.approx([auto.result.lr, 100 * auto.result.lr])
    assert auto.result.evidence.facts.bases == (1e-3, 1e-1)
    assert auto.result.evidence.facts.optimizers == 2


def test_one_optimizer_can_be_swept_by_index():
    """With sweep=1 the second optimizer gets the rate, and the first keeps its own."""
    auto = AutoLR(steps=60, lr_min=1e-3, lr_max=100.0, verbose=False, sweep=1)

    trace = fit(partial(Plain, two_optimizers), [auto])

    assert trace.rates[-1] == pytest.approx([1e-3, auto.result.lr])


def test_an_index_beyond_the_optimizers_is_refused():
    """The index counts the optimizers of the module."""
    with pytest.raises(InputError, match="`sweep` must be the index of an optimizer, 0 to 1, or None, got 2"):
        fit(partial(Plain, two_optimizers), [AutoLR(**SHORT, sweep=2)])


def test_manual_optimization_without_a_returned_loss_is_refused():
    """There is nothing to read where `training_step` returns None by hand."""
    with pytest.raises(InputError, match="`training_step` must return the loss under manual optimization"):
        fit(partial(Plain, two_optimizers, returns=False), [AutoLR(**SHORT)])


def test_a_schedule_under_manual_optimization_is_refused_with_what_to_write():
    """Lightning steps no scheduler there, so the message says who does."""
    with pytest.raises(InputError, match=r"return `lrfinder.attach.*self\.lr_schedulers\(\)\.step\(\)"):
        fit(partial(Plain, two_optimizers), [AutoLR(**SHORT, schedule="cosine")])


def test_a_scheduler_stepped_by_hand_is_kept():
    """A scheduler that the module steps itself keeps its shape at the found rate, and its state is as before."""

    def make(module):
        optimizer = torch.optim.SGD(module.parameters(), 1e-2)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)]

    auto = AutoLR(**SHORT)

    trace = fit(partial(Plain, make), [auto])

    assert [rates[0] for rates in trace.rates] == pytest.approx([auto.result.lr * 0.9**t for t in range(24)])


def test_a_climb_stepped_by_hand_ends_at_the_found_rate():
    """A schedule that is attached as the refusal says: the peak is for its shape, warm-up included."""

    def make(module):
        optimizer = torch.optim.SGD(module.parameters(), 1e-2)
        return [optimizer], [attach(optimizer, Warmup(Linear(20), 4))]

    auto = AutoLR(**SHORT)

    trace = fit(partial(Plain, make), [auto])

    assert auto.plan.schedule == Warmup(Linear(20), 4)
    assert max(rates[0] for rates in trace.rates) == pytest.approx(auto.result.lr)


class ByEpoch(Plain):
    """Steps its scheduler by hand after each epoch."""

    def training_step(self, batch, batch_idx):
        optimizer, loss = self.optimizers(), nn.functional.cross_entropy(self.head(self.body(batch[0])), batch[1])
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss

    def on_train_epoch_end(self):
        scheduler = self.lr_schedulers()
        scheduler.step(1.0) if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else scheduler.step()


@pytest.mark.parametrize(
    ("scheduler", "factors"),
    [(partial(lr_scheduler.StepLR, step_size=1, gamma=0.5), [1.0, 0.5]), (lr_scheduler.ReduceLROnPlateau, [1.0, 1.0])],
)
def test_a_scheduler_stepped_by_hand_after_each_epoch_is_foretold_so(scheduler, factors):
    """That no update moves it is seen before the sweep; what a metric decides counts as constant."""

    def make(module):
        optimizer = torch.optim.SGD(module.parameters(), 1e-2)
        return [optimizer], [scheduler(optimizer)]

    auto = AutoLR(**SHORT)

    fit(partial(ByEpoch, make), [auto])

    assert [auto.plan.schedule(t) for t in (0, 11, 12, 23)] == [factors[0]] * 2 + [factors[1]] * 2


@pytest.mark.filterwarnings("ignore:.*`dataloader_iter`")
def test_a_step_that_takes_the_iterator_is_refused():
    """`training_step(dataloader_iter)` cannot be wound back."""

    class Takes(Net):
        def training_step(self, dataloader_iter):
            batch, _, _ = next(dataloader_iter)
            return self.loss_of(batch)

    with pytest.raises(InputError, match="`training_step` must take a batch to be measured"):
        fit(Takes, [AutoLR(**SHORT)])


@pytest.mark.filterwarnings("ignore:The loader is an iterator")
def test_a_loader_that_can_be_read_once_is_refused():
    """A generator as a loader would lose the batches that the sweep takes."""
    with pytest.raises(InputError, match="`train_dataloader` must be something that can be iterated anew"):
        fit(callbacks=[AutoLR(**SHORT)], train=lambda: iter(list(loader())))


def test_lazy_layers_are_refused_with_what_to_do():
    """A parameter without a shape yet cannot be copied; Lightning alone would give it one in the first step."""
    lazy = type("Lazy", (Plain,), {"configure_model": lambda self: setattr(self, "head", nn.LazyLinear(3))})

    with pytest.raises(InputError, match=r"got lazy ones \(head\.weight, head\.bias\); run one batch through it first"):
        fit(partial(lazy, lambda module: torch.optim.SGD(module.parameters(), 1e-2)), [AutoLR(**SHORT)])


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


def test_the_held_out_batches_are_drawn_once():
    """Every call gives the same four validation batches, so that losses on them can be compared."""
    ordered = partial(loader, shuffle=False)

    (first, again), _ = within(lambda loop, _: (loop.held_out(), loop.held_out()), val=ordered)

    assert len(first) == 4
    assert again is first


def test_without_validation_there_is_nothing_held_out():
    """A module without a validation loader is refused where it was asked for."""
    with pytest.raises(InputError, match="validation batches must be given to evaluate on them, got none"):
        fit(callbacks=[AutoLR(**SHORT, evaluate_on="validation")])


class Flat(Net):
    """A loss that no learning rate brings down."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * 0.0 + torch.randn(())


def test_no_signal_keeps_the_configured_rate():
    """Without a reliable rate the fit equals one without the callback, and the result says why."""
    auto = AutoLR(**SHORT)

    assert fit(Flat, [auto]) == fit(Flat)
    assert (auto.plan, auto.result.lr) == (None, None)


def test_no_signal_can_be_an_error():
    """With on_no_signal="error" the sentence is raised."""
    with pytest.raises(NoSignalError, match="loss"):
        fit(Flat, [AutoLR(**SHORT, on_no_signal="error")])


def test_a_development_run_skips_the_test():
    """fast_dev_run trains its one batch and measures nothing."""
    auto = AutoLR(**SHORT)

    assert fit(callbacks=[auto], fast_dev_run=True, logger=False).counters[3] == 1
    assert auto.result is None


def test_a_loss_that_is_not_finite_at_first_is_an_error():
    """A module whose first loss is NaN is refused before anything is measured."""
    broken = type("Broken", (Net,), {"loss_of": lambda self, batch: Net.loss_of(self, batch) * math.nan})

    with pytest.raises(InputError, match="the loss of the very first batch must be finite"):
        fit(broken, [AutoLR(**SHORT)])


def test_an_override_that_skips_the_step_is_no_point():
    """A module's `optimizer_step` that never steps the optimizer gives no loss."""
    idle = type("Idle", (Net,), {"optimizer_step": lambda self, epoch, batch_idx, optimizer, closure: closure()})

    loss, _ = within(lambda loop, _: loop.step(loop.draw()), idle, max_epochs=1)

    assert loss is None
