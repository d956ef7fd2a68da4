"""What plain torch adds to the laws of every loop (test_step_loop.py): its defaults, modes, facts, and `also`."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from twins import Centers, Net, dataset, plain, sweep, training

from lrfinder import InputError, TorchLoop, find_lr


def loop_of(t, **options):
    """The training as a loop."""
    return TorchLoop(t.model, t.loader, **{"loss_fn": t.loss_fn, "optimizer": t.optimizer, **options})


def modes_seen(*modules):
    """A list that each forward of these modules adds its mode to."""
    seen = []
    for module in modules:
        module.register_forward_hook(lambda module, *_: seen.append(module.training))
    return seen


def test_the_reference_group_is_the_one_that_a_result_is_applied_to():
    """Sweep and `apply` mean the same group, where the first one trains the loss function too."""
    t, loss_fn = training(), Centers()
    optimizer = torch.optim.AdamW([{"params": loss_fn.parameters(), "lr": 0.1}, {"params": t.model.parameters()}])
    found = find_lr(t.model, t.loader, loss_fn=loss_fn, optimizer=optimizer, steps=60, progress=False)

    found.apply(optimizer)

    assert optimizer.param_groups[found.evidence.facts.reference]["lr"] == found.lr


def test_without_optimizer_it_is_adamw_over_the_trainable_parameters():
    """The default is what the report says, and holds nothing frozen."""
    model = Net()

    loop = TorchLoop(model, torch.utils.data.DataLoader(dataset()))

    held = loop.optimizers[0].param_groups[0]["params"]
    assert (loop.facts.optimizer, loop.lr) == ("AdamW", 1e-3)
    assert [id(p) for p in held] == [id(p) for p in model.parameters() if p.requires_grad]


def test_a_loss_is_measured_in_eval_mode():
    """Model and loss function are both in eval mode, and in train mode again afterwards."""
    t, loss_fn = training(), Centers()
    loop, seen = loop_of(t, loss_fn=loss_fn), modes_seen(t.model, loss_fn)

    loop.loss(loop.draw())

    assert (seen, t.model.training, loss_fn.training) == ([False, False], True, True)


def test_a_train_loss_keeps_a_submodule_in_eval_mode():
    """The modes are those of the step."""
    t = training()
    loop, seen = loop_of(t), modes_seen(t.model.fixed)
    batch = loop.draw()
    loop.step(batch)

    loop.loss(batch, train=True)

    assert seen == [False, False]


def test_the_stream_of_batches_goes_on_until_the_outermost_block_ends():
    """Neither a restore nor the end of an inner block turns it back; the next block begins with the first batch."""
    t = training(shuffle=False)
    loop = loop_of(t)
    with loop.preserved() as snapshot:
        drawn = [loop.draw()]
        snapshot.restore()
        drawn.append(loop.draw())
        with loop.preserved():
            pass
        drawn.append(loop.draw())

    batches = [plain([batch]) for batch in t.loader]
    assert plain(drawn) == batches[:3]
    assert plain(loop.draw()) == batches[0]


def test_facts_are_those_of_the_training():
    """After the first step the batch size and the loss are known too."""
    loop = loop_of(training(optimizer=lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)), accumulate=2)
    loop.step(loop.draw())

    facts = loop.facts

    assert (facts.model, facts.optimizer, facts.betas) == ("Net", "SGD", (0.9, 0.0))
    assert (facts.batch_size, facts.steps_per_epoch, facts.precision) == (16, 3, "float32")
    assert facts.loss == "cross_entropy(output, target)"


def test_an_incomplete_batch_is_not_taken_for_the_size_of_a_step():
    """The facts count the samples of a full step, whichever batch is stepped on first."""
    sizes = [torch.randn(n, 3) for n in (2, 8, 5)]
    loop = TorchLoop(nn.Linear(3, 1), [(x, x.sum(1, keepdim=True)) for x in sizes])

    for _ in sizes:
        loop.step(loop.draw())

    assert loop.facts.batch_size == 8


def test_a_double_precision_loss_keeps_its_digits():
    """The loss of float64 parameters is read with all its digits."""
    model, (x, y) = nn.Linear(4, 3).double(), dataset(8).tensors

    loss = TorchLoop(model, [(x.double(), y)]).loss([(x.double(), y)])

    assert loss == F.cross_entropy(model(x.double()), y).item()


class Machine:
    """An object with a handle, whose inside the snapshot leaves alone unless it is named."""

    def __init__(self):
        self.handle, self.total, self.seen = iter(()), torch.zeros(()), ["before"]

    def use(self, fails_at):
        self.total += 1
        self.seen.append(1)
        if len(self.seen) == fails_at:
            raise RuntimeError("on purpose")


def searched_with(machine, fails_at=None, **options):
    """A search in which every forward changes a machine."""
    t = training()
    t.model.machine = machine
    t.model.register_forward_pre_hook(lambda module, _: module.machine.use(fails_at))
    sweep(t, **options)


def test_what_is_named_is_put_back_also():
    """Its attributes, tensors among them, after an error too; without a name it stays as the search leaves it."""
    named, other = Machine(), Machine()

    searched_with(named, also=[named])
    searched_with(other)
    with pytest.raises(RuntimeError, match="on purpose"):
        searched_with(named, fails_at=5, also=[named])

    assert (named.total.item(), named.seen) == (0, ["before"])
    assert (other.total.item() > 0, len(other.seen) > 1) == (True, True)


def test_what_has_no_state_cannot_be_named():
    """A number is a copy: the object that holds it is wanted."""
    with pytest.raises(InputError, match=r"`also` must hold objects with a state .*, got 0\.5 in it"):
        searched_with(Machine(), also=[0.5])
