import pytest
import torch
import torch.nn.functional as F
from torch import nn
from twins import Centers, Net, dataset, plain, state_of, training

from lrfinder import InputError, TorchLoop, find_lr
from lrfinder.loop import Loop


def loop_of(t, **options):
    """The training as a loop."""
    return TorchLoop(t.model, t.loader, loss_fn=t.loss_fn, optimizer=t.optimizer, **options)


def linear(optimizer=torch.optim.SGD, batch=8, n=32, **options):
    """A loop over a linear classifier that is the same at each call."""
    torch.manual_seed(2)
    model = nn.Linear(4, 3)
    x, y = dataset(n).tensors
    batches = list(zip(x.split(batch), y.split(batch), strict=True))
    made = optimizer(model.parameters(), lr=0.1)
    return TorchLoop(model, batches, loss_fn=F.cross_entropy, optimizer=made, **options)


def weights(loop):
    """All parameters in one vector."""
    return torch.cat([p.detach().reshape(-1) for p in loop.modules[0].parameters()]).clone()


def sgd_groups(*rates, tensors=False):
    """A loop with one group per rate; the bias has the last one."""
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in rates))
    made = [torch.tensor(rate) if tensors else rate for rate in rates]
    groups = [{"params": layer.parameters(), "lr": rate} for layer, rate in zip(model, made, strict=True)]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    return TorchLoop(model, [torch.zeros(2, 4)], loss_fn=F.mse_loss, optimizer=optimizer)


def rates(loop):
    """Every group's rate."""
    return [float(group["lr"]) for group in loop.optimizers[0].param_groups]


def test_a_torch_loop_is_a_loop():
    """Every name of the protocol is there."""
    loop = linear()

    missing = [name for name in vars(Loop) if not name.startswith("_") and not hasattr(loop, name)]

    assert missing == []


@pytest.mark.parametrize("rate", [1e-7, 0.003, 0.1, 10.0])
def test_a_step_uses_exactly_the_rate_that_was_set(rate):
    """Plain gradient descent moves the weights by the rate times the gradient, bit for bit."""
    loop, twin = linear(), linear()
    twin.optimizers[0].param_groups[0]["lr"] = rate

    loop.lr = rate
    loop.step(loop.draw())
    twin.step(twin.draw())

    assert loop.lr == rate
    assert torch.equal(weights(loop), weights(twin))


def test_groups_keep_their_ratios_and_never_drift():
    """After many rates each group stands at the rate times its first ratio."""
    loop = sgd_groups(0.1, 0.01, 0.3)

    for rate in (1e-7, 3.3, 1e-300, 7.7e-5, 0.7):
        loop.lr = rate

    assert rates(loop) == [0.7, 0.7 * (0.01 / 0.1), 0.7 * (0.3 / 0.1)]


def test_a_group_at_rate_zero_stays_at_zero():
    """A group that does not train is not woken up."""
    loop = sgd_groups(0.1, 0.0)

    loop.lr = 5.0

    assert rates(loop) == [5.0, 0.0]


def test_tensor_rates_are_filled_in_place():
    """A compiled step holds on to the tensor, so it stays the same object."""
    loop = sgd_groups(0.1, 0.2, tensors=True)
    tensors = [group["lr"] for group in loop.optimizers[0].param_groups]

    loop.lr = 0.5

    assert [group["lr"] for group in loop.optimizers[0].param_groups] == tensors
    assert rates(loop) == [0.5, 1.0]


def test_the_bases_are_those_that_a_scheduler_noted():
    """A warm-up may hold every rate at 0 at the moment; `initial_lr` holds the ratios."""
    loop = sgd_groups(0.1, 0.2)
    torch.optim.lr_scheduler.LambdaLR(loop.optimizers[0], lambda step: min(step / 5, 1.0))

    again = TorchLoop(loop.modules[0], [torch.zeros(2, 4)], loss_fn=F.mse_loss, optimizer=loop.optimizers[0])

    assert again.facts.bases == (0.1, 0.2)


def test_the_reference_group_is_the_first_trainable_one():
    """A frozen group is passed over; the rate is that of the next."""
    model = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 4))
    groups = [{"params": layer.parameters(), "lr": rate} for layer, rate in zip(model, (1.0, 0.1), strict=True)]

    loop = TorchLoop(model, [torch.zeros(2, 4)], loss_fn=F.mse_loss, optimizer=torch.optim.SGD(groups))

    assert (loop.facts.reference, loop.lr) == (1, 0.1)


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


def test_lbfgs_steps_through_its_closure():
    """LBFGS evaluates the batch as often as it likes; the loss returned is that before the step."""
    loop = linear(torch.optim.LBFGS)
    batch = loop.draw()
    before = loop.loss(batch)

    returned = loop.step(batch)

    assert returned == before
    assert loop.loss(batch) < before
    assert loop.optimizers[0].state_dict()["state"][0]["func_evals"] > 1


def test_accumulation_equals_the_large_batch():
    """Four micro-batches of eight make the step of a batch of 32, and return its loss."""
    small, large = linear(accumulate=4), linear(batch=32)

    losses = [loop.step(loop.draw()) for loop in (small, large)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    torch.testing.assert_close(weights(small), weights(large))


def test_a_partial_batch_makes_a_whole_step():
    """Where the loader ends within a batch, the mean is over the samples that came."""
    small, large = linear(accumulate=4, n=48), linear(batch=16, n=48)
    small.draw()
    large.draw(), large.draw()

    losses = [loop.step(loop.draw()) for loop in (small, large)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    torch.testing.assert_close(weights(small), weights(large))


def test_a_small_last_batch_weighs_less():
    """Micro-batches of eight and two count eight and two."""
    small, large = linear(accumulate=2, n=10), linear(batch=10, n=10)

    losses = [loop.step(loop.draw()) for loop in (small, large)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    torch.testing.assert_close(weights(small), weights(large))


def test_the_loss_of_an_accumulated_batch_is_the_mean_over_samples():
    """A forward alone weighs micro-batches as a step does."""
    small, large = linear(accumulate=2, n=10), linear(batch=10, n=10)

    losses = [loop.loss(loop.draw()) for loop in (small, large)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_clipping_bounds_the_step():
    """With a gradient norm of at most c, gradient descent moves by exactly rate times c."""
    loop = linear(clip_grad_norm=1e-3)
    before = weights(loop)

    loop.lr = 1.0
    loop.step(loop.draw())

    assert torch.linalg.vector_norm(weights(loop) - before).item() == pytest.approx(1e-3, rel=1e-2)


def test_clipping_happens_once_per_accumulated_step():
    """What is clipped is the gradient of the whole batch, not of each micro-batch."""
    small, large = linear(accumulate=4, clip_grad_norm=0.05), linear(batch=32, clip_grad_norm=0.05)

    for loop in (small, large):
        loop.step(loop.draw())

    torch.testing.assert_close(weights(small), weights(large))


@pytest.mark.parametrize("train", [False, True])
def test_a_loss_leaves_no_trace(train):
    """A forward alone changes nothing of the training, its gradients and its streams included."""
    t = training().train(3)
    loop = loop_of(t)
    with loop.preserved():
        batch = loop.draw()
        loop.step(batch)
        before = state_of(t)

        loop.loss(batch, train=train)

        assert state_of(t) == before


def test_a_loss_is_measured_in_eval_mode():
    """Model and loss function are both in eval mode, and in train mode again afterwards."""
    t, loss_fn = training(), Centers()
    loop = TorchLoop(t.model, t.loader, loss_fn=loss_fn, optimizer=t.optimizer)
    seen = []
    for module in (t.model, loss_fn):
        module.register_forward_hook(lambda module, *_: seen.append(module.training))

    loop.loss(loop.draw())

    assert seen == [False, False]
    assert t.model.training
    assert loss_fn.training


def test_a_train_loss_repeats_the_forward_of_the_last_step():
    """Back at the start of the step, it gives that step's loss bit for bit, dropout and BatchNorm included."""
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)
    t = training(model=lambda: nn.Sequential(*layers)).train(2)
    loop = loop_of(t, accumulate=2)
    with loop.preserved() as snapshot:
        batch = loop.draw()
        before = loop.step(batch)
        snapshot.restore()

        repeated = [loop.loss(batch, train=True) for _ in range(2)]

    assert repeated == [before, before]


def test_a_train_loss_keeps_a_submodule_in_eval_mode():
    """The modes are those of the step."""
    t = training()
    seen = []
    t.model.still.register_forward_hook(lambda module, *_: seen.append(module.training))
    loop = loop_of(t)
    batch = loop.draw()
    loop.step(batch)

    loop.loss(batch, train=True)

    assert seen == [False, False]


def test_a_restored_loop_repeats_itself():
    """Restore, then the same batches: the same losses, noise included, as trials need."""
    loop = loop_of(training())
    with loop.preserved() as snapshot:
        batches = [loop.draw() for _ in range(4)]
        trials = []
        for _ in range(2):
            snapshot.restore()
            trials.append([loop.step(batch) for batch in batches])

    assert trials[0] == trials[1]


def test_a_restore_does_not_turn_the_stream_back():
    """The batches drawn after a restore are new ones."""
    loop = linear()
    with loop.preserved() as snapshot:
        first = loop.draw()
        snapshot.restore()
        second = loop.draw()

    assert plain(first) != plain(second)


def test_the_stream_starts_anew_after_the_outermost_block():
    """The place in the loader is kept while blocks nest, and forgotten when the last one ends."""
    loop = linear()
    with loop.preserved():
        first = loop.draw()
        with loop.preserved():
            pass
        second = loop.draw()

    assert plain(second) != plain(first)
    assert plain(loop.draw()) == plain(first)


def test_facts_tell_what_is_known():
    """After the first step the batch size and the loss are known too."""
    t = training(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9))
    loop = loop_of(t, accumulate=2)
    loop.step(loop.draw())

    facts = loop.facts

    assert (facts.model, facts.optimizer, facts.betas) == ("Net", "SGD", (0.9, 0.0))
    assert (facts.batch_size, facts.steps_per_epoch, facts.precision) == (16, 3, "float32")
    assert facts.loss == "cross_entropy(output, target)"


def test_an_incomplete_batch_is_not_taken_for_the_size_of_a_step():
    """The facts count the samples of a full step, whichever batch is stepped on first."""
    model = nn.Linear(3, 1)
    sizes = [torch.randn(n, 3) for n in (2, 8, 5)]
    loop = TorchLoop(model, [(x, x.sum(1, keepdim=True)) for x in sizes])

    for _ in sizes:
        loop.step(loop.draw())

    assert loop.facts.batch_size == 8


def test_one_process_agrees_with_itself():
    """Without ranks the loop is its own chief and its flags are its own."""
    loop = linear()

    assert loop.is_chief
    assert loop.can_measure
    assert (loop.agree(True), loop.agree(False), loop.facts.ranks) == (True, False, 1)


def test_a_double_precision_loss_keeps_its_digits():
    """The loss of float64 parameters is read with all its digits."""
    loop = linear()
    loop.modules[0].double()
    x, y = dataset(8).tensors

    loss = loop.loss([(x.double(), y)])

    assert loss == F.cross_entropy(loop.modules[0](x.double()), y).item()


class Machine:
    """An object with a handle, whose inside the snapshot leaves alone unless it is named."""

    def __init__(self):
        self.handle, self.total, self.seen = iter(()), torch.zeros(()), []


REGISTRY = {}
"""Where a loss finds the machine that it uses, by a way that no snapshot looks at."""


def using_machine(output, target):
    """A loss that changes a machine."""
    machine = REGISTRY["machine"]()
    machine.total += 1
    machine.seen.append(len(target))
    if len(machine.seen) == REGISTRY["fails_at"]:
        raise RuntimeError("on purpose")
    return F.cross_entropy(output, target)


def searched_with(machine, fails_at=None, **options):
    """A search whose loss changes a machine."""
    REGISTRY.update(machine=lambda: machine, fails_at=fails_at)
    t = training()
    find_lr(t.model, t.loader, loss_fn=using_machine, optimizer=t.optimizer, steps=12, progress=False, **options)


def test_what_is_named_is_put_back_also():
    """Its attributes, tensors among them; without a name it stays as the search leaves it."""
    named, other = Machine(), Machine()
    named.seen.append("before")

    searched_with(named, also=[named])
    searched_with(other)

    assert (named.total.item(), named.seen) == (0, ["before"])
    assert (other.total.item() > 0, len(other.seen) > 0) == (True, True)


def test_what_is_named_is_put_back_after_an_error():
    """The error is raised on."""
    named = Machine()

    with pytest.raises(RuntimeError, match="on purpose"):
        searched_with(named, fails_at=5, also=[named])

    assert (named.total.item(), named.seen) == (0, [])


@pytest.mark.parametrize(
    ("also", "sentence"),
    [
        (3, "`also` must be a list of objects to put back after the search, got 3"),
        ([None], "`also` must hold objects with a state that can be put back, got None in it"),
        ([0.5], "`also` must hold objects with a state that can be put back, got 0.5 in it"),
    ],
)
def test_what_has_no_state_cannot_be_named(also, sentence):
    """A number is a copy: the object that holds it is wanted."""
    with pytest.raises(InputError, match=sentence):
        searched_with(Machine(), also=also)
