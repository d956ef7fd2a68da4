from collections import Counter, OrderedDict, defaultdict, deque
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from twins import Net, plain

from lrfinder.errors import InputError, StateLeak
from lrfinder.snapshot.snapshot import StateSnapshot, forward_only, preserved, reshard


class Adapted(nn.Module):
    def __init__(self, width=40):
        super().__init__()
        self.backbone = nn.Linear(width, width).requires_grad_(False)
        self.adapter = nn.Linear(width, 1)


def spoil(model, value=7.0, error=None):
    """Change every parameter of a model, and perhaps fail then."""
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(value)
    if error is not None:
        raise error("boom")


@pytest.fixture
def model():
    """A module to hang state on."""
    return nn.Linear(2, 1)


def test_frozen_parameters_that_are_most_of_the_model_are_watched():
    """A changed backbone raises a leak that names the parameter and the remedy; everything else was put back."""
    model = Adapted()
    adapter = model.adapter.weight.clone()
    sentence = r'not put back: backbone\.weight, backbone\.bias \(2 in all\).*pass `snapshot="all"`'

    with pytest.raises(StateLeak, match=sentence), preserved([model], []):
        spoil(model)

    assert torch.equal(model.adapter.weight, adapter)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_leak_is_a_note_on_an_error_that_is_under_way(error):
    """The error inside goes on, Ctrl-C too, with the sentence of the leak as a note."""
    model = Adapted()

    with pytest.raises(error, match="boom") as caught, preserved([model], []):
        spoil(model, error=error)

    assert "frozen parameters were changed" in caught.value.__notes__[0]


def test_untouched_frozen_parameters_are_no_leak():
    """A backbone that stays as it is raises nothing, NaN in it included."""
    model = Adapted()
    model.backbone.weight.fill_(float("nan"))

    with preserved([model], []) as snapshot:
        spoil(model.adapter)

    assert snapshot.verify() is None


def test_a_full_snapshot_puts_frozen_parameters_back():
    """With `all` the backbone is copied, and no leak is left."""
    model = Adapted()
    weight = model.backbone.weight.clone()

    with preserved([model], [], frozen="all"):
        spoil(model)

    assert torch.equal(model.backbone.weight, weight)


@pytest.mark.parametrize(("numbers", "is_copied"), [(4, True), (5, False)])
def test_four_fifths_of_the_bytes_are_copied(numbers, is_copied):
    """Of five numbers four may be frozen and are put back; of six, five are too many and are only watched."""
    model = nn.ParameterList([torch.zeros(numbers), torch.zeros(1)])
    model[0].requires_grad_(False)
    snapshot = StateSnapshot([model], [])
    spoil(model)

    snapshot.restore()

    assert (model[0][0] == 0.0) == is_copied


def test_a_change_of_the_last_number_of_a_small_frozen_parameter_is_a_leak():
    """Of a parameter of up to 64 numbers each is looked at."""
    model = nn.Linear(64, 1)
    model.weight.requires_grad_(False)

    with pytest.raises(StateLeak, match=r"not put back: weight \(1 in all\)"), preserved([model], []):
        model.weight[0, -1] += 1.0


@pytest.mark.parametrize("frozen", ["auto", "all"])
def test_requires_grad_flags_are_put_back(frozen):
    """A backbone that thaws inside is frozen again, an adapter that freezes is trainable again."""
    model = Adapted()

    with preserved([model], [], frozen=frozen):
        model.backbone.requires_grad_(True)
        model.adapter.requires_grad_(False)

    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]


def test_a_module_of_the_users_own_is_not_resharded(model):
    """Weights are given up by FSDP2's modules alone, whatever else has a method of that name."""
    calls = []
    model.reshard = lambda: calls.append(1)

    reshard([model])

    assert calls == []


CONTAINERS = [
    [1, [2]],
    {"a": [1], "b": {"c": 2}},
    {1, 2},
    deque([1, 2], maxlen=2),
    defaultdict(list, a=[1]),
    Counter("aab"),
    ([1], {"a": 2}),
]


@pytest.mark.parametrize("value", CONTAINERS, ids=lambda value: type(value).__name__)
def test_containers_come_back_with_what_they_held(model, value):
    """A container of a module is the same object with the same items again, nested ones included."""
    model.held, before = value, repr(value)

    with preserved([model], []):
        inner = value[0] if isinstance(value, tuple) else value
        inner.clear()

    assert model.held is value
    assert repr(value) == before


def test_a_counter_does_not_add_up(model):
    """One whose keys stay and whose counts rise is as before."""
    model.held = Counter("aab")

    with preserved([model], []):
        model.held.update("ab")

    assert model.held == Counter("aab")


def test_a_dictionary_keeps_the_order_of_its_items(model):
    """A key that was taken out and put in again stands where it stood."""
    model.held = {"a": 1, "b": 2}

    with preserved([model], []):
        model.held["a"] = model.held.pop("a")

    assert list(model.held) == ["a", "b"]


def test_attributes_that_are_new_are_dropped(model):
    """What a forward has added to a module is gone; what it has deleted is back."""
    model.old = 1

    with preserved([model], []):
        model.new = 2
        del model.old

    assert (hasattr(model, "new"), model.old) == (False, 1)


def test_a_tensor_that_changed_its_shape_comes_back(model):
    """A buffer that grew in place has its old shape and content again."""
    model.register_buffer("memory", torch.arange(3.0))
    memory = model.memory

    with preserved([model], []):
        model.memory.resize_(5).zero_()

    assert model.memory is memory
    assert memory.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("unwritable", [torch.zeros(1).expand(3), np.broadcast_to(np.zeros(1), (3,))], ids=type)
def test_what_cannot_be_written_to_is_left(model, unwritable):
    """An expanded tensor or a read-only array cannot change, and does not stop the restore."""
    model.fixed, bias = unwritable, model.bias.clone()

    with preserved([model], []):
        spoil(model)

    assert torch.equal(model.bias, bias)


def test_an_object_that_refers_to_itself_is_walked_once(model):
    """Circles among attributes end."""
    model.circle = [1]
    model.circle.append(model.circle)

    with preserved([model], []):
        model.circle.clear()

    assert model.circle[0] == 1
    assert model.circle[1] is model.circle


@pytest.mark.parametrize("stream", [np.random.default_rng(0), np.random.RandomState(0)], ids=lambda s: type(s).__name__)
def test_random_generators_of_a_module_go_on_where_they_were(model, stream):
    """A generator of NumPy that a model holds draws the same numbers again."""
    model.noise = stream

    with preserved([model], []):
        inside = stream.normal()

    assert stream.normal() == inside


@pytest.mark.parametrize("is_used", [False, True])
def test_a_grad_scaler_comes_back(is_used):
    """What a scaler creates at its first use is gone; one in use has its scale back, in the same tensor."""
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    if is_used:
        scaler.scale(torch.ones(1))
    before, scale = plain(vars(scaler)), scaler._scale

    with preserved([], [optimizer], [scaler]):
        scaler.scale(weight * float("inf")).backward()
        scaler.step(optimizer)
        scaler.update()

    assert plain(vars(scaler)) == before
    assert scaler._scale is scale


def test_forward_only_puts_back_what_a_forward_changes():
    """Buffers, attributes, modes, gradients and streams are as before; the parameters are not even touched."""
    model = Net()
    before = (model.norm.running_mean.clone(), model.calls, torch.get_rng_state())

    with forward_only([model]):
        model(torch.randn(8, 4))
        model.eval()
        model.stem.weight.grad = torch.ones_like(model.stem.weight)
        spoil(model)

    assert torch.equal(model.norm.running_mean, before[0])
    assert (model.calls, model.training, model.stem.weight.grad) == (before[1], True, None)
    assert torch.equal(torch.get_rng_state(), before[2])
    assert model.stem.weight[0, 0] == 7.0


class Stubborn(dict):
    def __setitem__(self, *_):
        raise TypeError("not me")


class Fickle:
    """A key that can be looked up until it is lost."""

    is_lost = False

    def __hash__(self):
        if self.is_lost:
            raise TypeError("not me")
        return 0


@pytest.mark.parametrize("make", [lambda key: Stubborn(a=1), lambda key: OrderedDict({key: 1})], ids=["own", "plain"])
def test_what_cannot_be_put_back_is_named_and_the_rest_comes_back(model, make):
    """A stubborn dictionary, or a key of a plain one, ends in StateLeak; weights and random stream are as before."""
    key = Fickle()
    model.held = make(key)
    weight, stream = model.weight.detach().clone(), torch.get_rng_state()
    snapshot = StateSnapshot([model], [])
    torch.rand(1)
    nn.init.zeros_(model.weight)
    model.held.clear()
    key.is_lost = True

    with pytest.raises(StateLeak, match=r"1 of \d+ parts of the state could not be put back \(TypeError: not me\)"):
        snapshot.restore()

    assert torch.equal(model.weight, weight)
    assert torch.equal(torch.get_rng_state(), stream)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_restore_copies_into_the_storage_that_existed(device):
    """Parameters, buffers and moments keep their memory, wherever the copies are; so do the copies."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    step = partial(_one_step, model, optimizer)
    step()
    owned = [*model.parameters(), *model.buffers(), *(v for s in optimizer.state.values() for v in s.values())]
    before, addresses = plain(owned), [tensor.data_ptr() for tensor in owned]
    snapshot = StateSnapshot([model], [optimizer], device=device)

    for _ in range(3):
        step()
        snapshot.restore()

    assert plain(owned) == before
    assert [tensor.data_ptr() for tensor in owned] == addresses
    moments = [value for state in optimizer.state.values() for value in state.values()]
    assert [id(value) for value in moments] == [id(value) for value in owned[-len(moments) :]]


def _one_step(model, optimizer):
    optimizer.zero_grad()
    model(torch.randn(5, 3)).square().mean().backward()
    optimizer.step()


class Quantized(torch.Tensor):
    """A state that is made of codes and a scale, and that knows no copy of itself."""

    @staticmethod
    def __new__(cls, codes, scale) -> torch.Tensor:
        return torch.Tensor._make_wrapper_subclass(cls, codes.shape, dtype=torch.float32)

    def __init__(self, codes, scale):
        self.codes, self.scale = codes, scale

    def __tensor_flatten__(self):
        return ["codes", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, function, kinds, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return args[0]
        raise NotImplementedError(function)


class Opaque(Quantized):
    """The same, which does not say what it is made of."""

    __tensor_flatten__ = property()


def test_a_state_that_knows_no_copy_is_put_back_by_its_parts():
    """As those of eight-bit optimizers."""
    state = Quantized(torch.tensor([1, 2], dtype=torch.uint8), torch.ones(1))
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(2))])
    optimizer.state[optimizer.param_groups[0]["params"][0]] = {"average": state}

    with preserved([], [optimizer]):
        state.codes.fill_(7)
        state.scale = torch.zeros(1)

    assert (state.codes.tolist(), state.scale.tolist()) == ([1, 2], [1])


def test_a_state_that_cannot_be_copied_at_all_is_refused():
    """With its class, and what to do."""
    state = Opaque(torch.zeros(2), torch.ones(1))

    with pytest.raises(InputError, match="got a Opaque that knows no `clone`; search with"), preserved([], [], [state]):
        pass
