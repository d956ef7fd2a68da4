"""One update in all its forms: accumulated, clipped, in low precision, with a scaler, compiled; no trace of any."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.amp import GradScaler
from twins import Notes, Training, check_no_trace, dataset, refused, state_of, sweep, sweep_by_step, training

from lrfinder import TorchLoop


class Classifier(nn.Module):
    """A network without noise, in the dtype that is asked for."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)

    def forward(self, x):
        return self.body(x)


def classification(sizes, dtype=torch.float32, update=None):
    """The same training at each call, its samples cut into batches of these sizes."""
    torch.manual_seed(4)
    net = Classifier(dtype)
    x, y = dataset(sum(sizes)).tensors
    batches = list(zip(x.to(dtype).split(sizes), y.split(sizes), strict=True))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return Training(net, optimizer, batches, update=update and partial(update, optimizer))


def losses(t, **options):
    """The curve of a short sweep."""
    return sweep(t, steps=20, lr_min=1e-3, lr_max=1.0, **options).curve.losses


@pytest.mark.parametrize(
    ("small", "large"),
    [([8] * 4, [32]), ([8] * 8, [32, 32]), ([8] * 6, [32, 16]), ([8, 8, 8, 3, 5], [27, 5]), ([8, 2], [10])],
    ids=["one step", "two steps", "partial batch", "unequal batch", "short loader"],
)
@pytest.mark.parametrize("options", [{}, {"clip_grad_norm": 0.05}], ids=["plain", "clipped"])
def test_an_accumulated_curve_is_that_of_the_large_batch(small, large, options):
    """Four batches of eight are one of 32, clipped once; the last, partial step is the batch that is left."""
    accumulated = losses(classification(small, torch.float64), accumulate=4, **options)

    assert accumulated == pytest.approx(losses(classification(large, torch.float64), **options), abs=1e-6)


def clipped_by_hand(clip, optimizer, model, batch):
    """A step with the gradient clipped as torch does it."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(batch[0]), batch[1])
    loss.backward()
    clip(model.parameters())
    optimizer.step()
    return loss.detach()


CLIPS = {
    "norm": ({"clip_grad_norm": 0.05}, lambda p: nn.utils.clip_grad_norm_(p, 0.05)),
    "value": ({"clip_grad_value": 0.01}, lambda p: nn.utils.clip_grad_value_(p, 0.01)),
}


@pytest.mark.parametrize(("options", "clip"), CLIPS.values(), ids=CLIPS)
def test_a_clipped_curve_is_that_of_a_hand_written_loop(options, clip):
    """The curve is, bit for bit, that of a loop that calls torch's own clipping before the step."""
    curve = sweep(classification([8] * 4), steps=20, lr_min=1e-3, lr_max=1.0, **options).curve

    by_hand = classification([8] * 4, update=partial(clipped_by_hand, clip)).sweep_by_hand(curve.lrs)

    assert by_hand == curve.losses
    assert by_hand != losses(classification([8] * 4))


def test_both_clips_together_bound_the_norm():
    """Entries are clipped before the norm, so that neither bound is exceeded."""
    t = classification([8] * 4)
    loop = TorchLoop(
        t.model,
        t.loader,
        loss_fn=t.loss_fn,
        optimizer=torch.optim.SGD(t.model.parameters(), lr=1.0),
        clip_grad_norm=0.01,
        clip_grad_value=0.02,
    )

    loop.step(loop.draw())

    gradient = torch.cat([p.grad.flatten() for p in t.model.parameters()])
    assert gradient.norm().item() == pytest.approx(0.01, rel=1e-3)
    assert gradient.abs().max() <= 0.02


@pytest.mark.parametrize("accumulate", [1, 3])
def test_autocast_to_float32_equals_none(accumulate):
    """A precision that is the parameters' own changes no bit."""
    plain_curve = losses(classification([8] * 5), accumulate=accumulate)

    assert losses(classification([8] * 5), accumulate=accumulate, autocast=torch.float32) == plain_curve


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_computes_the_forward_in_it(dtype):
    """Outputs are of that dtype, parameters and gradients stay, and the curve is near that of float32."""
    t = classification([8] * 5)
    seen = Notes()
    t.model.register_forward_hook(lambda module, args, output: seen.append(output.dtype))

    found = sweep(t, steps=20, lr_min=1e-3, lr_max=0.1, autocast=dtype)

    exact = sweep(classification([8] * 5), steps=20, lr_min=1e-3, lr_max=0.1).curve.losses
    assert set(seen.items) == {dtype}
    assert found.curve.losses == pytest.approx(exact, rel=0.02)
    assert found.evidence.facts.precision == f"float32, autocast to {str(dtype).removeprefix('torch.')}"


def scaled_by_hand(scaler, optimizer, model, batch):
    """A step in float16 with a scaler, as torch's documents have it."""
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        loss = F.cross_entropy(model(batch[0]), batch[1])
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


def scaled(**options):
    """A training in float16 with a scaler of these options."""
    scaler = GradScaler("cpu", **options)
    t = classification([8] * 5, update=partial(scaled_by_hand, scaler))
    t.scaler = scaler
    return t


def sweep_scaled(t, **options):
    """A range test with the training's own scaler."""
    return sweep(t, **{"autocast": torch.float16, "scaler": t.scaler, "clip_grad_norm": 1.0, **options})


OVERFLOWING = {"init_scale": 2.0**20, "growth_interval": 4}


def test_an_overflowing_step_is_repeated_and_not_recorded():
    """The curve is that of a hand-written loop, without the steps that the scaler skipped."""
    curve = sweep_scaled(scaled(**OVERFLOWING), steps=12, lr_min=1e-3, lr_max=0.1).curve
    by_hand, recorded = scaled(**OVERFLOWING), []

    while len(recorded) < 12:
        before = by_hand.scaler.get_scale()
        losses = by_hand.sweep_by_hand([curve.lrs[len(recorded)]])
        recorded += losses[-1:] if by_hand.scaler.get_scale() >= before else []

    assert len(by_hand.seen) >= 15
    assert recorded == curve.losses


@pytest.mark.parametrize("before", [0, 6])
@pytest.mark.parametrize("search", [sweep_scaled, sweep_by_step])
def test_a_scaled_training_goes_on_as_if_nothing_had_been(search, before):
    """Ten steps after a sweep, skipped ones among them, equal those of a twin that never swept."""
    check_no_trace(partial(scaled, **OVERFLOWING), lambda t: search(t, scaler=t.scaler), before=before)


def test_a_scaler_that_is_switched_off_changes_nothing():
    """The curve is that of the same training without one."""
    t, without = scaled(enabled=False), scaled(enabled=False)

    curve = sweep_scaled(t).curve

    assert curve == sweep(without, autocast=torch.float16, clip_grad_norm=1.0).curve


def overflowing(calls):
    """A training whose gradient overflows in these calls, and its count of calls."""
    t, count = scaled(init_scale=1.0), Notes()

    def overflow(gradient):
        count.append(1)
        return gradient * math.inf if len(count.items) in calls else gradient

    t.model.body[0].weight.register_hook(overflow)
    return t, count


@pytest.mark.parametrize(
    ("calls", "seen"), [(range(3, 11), ("completed", 12, 20)), (range(3, 99), ("non_finite", 2, 11))], ids=["8", "9"]
)
def test_the_ninth_skipped_step_in_a_row_ends_the_sweep(calls, seen):
    """Eight are repeated at the same rate; a gradient that overflows at every scale is no finite training any more."""
    t, count = overflowing(calls)

    found = sweep_scaled(t, lr_max=1e-3)

    assert (found.stopped, len(found.curve), len(count.items)) == seen


REFUSED = [
    ({"autocast": "bf16"}, "`autocast` must be torch.bfloat16, torch.float16 or None, got 'bf16'"),
    ({"clip_grad_value": -1.0}, r"`clip_grad_value` must be positive or None, got -1\.0"),
    ({"scaler": GradScaler("cpu")}, "`scaler` must be None with LBFGS, which evaluates its closure often, got a Grad"),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
def test_an_update_that_cannot_be_made_is_refused(options, sentence):
    """Precisions and bounds that do not exist are named; LBFGS cannot follow a scaler."""
    t = training(optimizer=torch.optim.LBFGS)

    with refused(t, sentence):
        sweep(t, **options)


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


def images(layout=torch.contiguous_format):
    """A training on images, its weights in this layout."""
    torch.manual_seed(4)
    net = Images().to(memory_format=layout)
    batches = [(torch.randn(4, 3, 6, 6), torch.randint(3, (4,))) for _ in range(4)]
    return Training(net, torch.optim.Adam(net.parameters()), batches)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "channels last"])
def test_images_reach_the_model_in_the_layout_asked_for(wanted, layout):
    """With `channels_last` batches have that layout, else their own; weights and moments keep contents and strides."""
    t = images(layout).train(2)
    tensors = [*t.model.parameters(), *(v for state in t.optimizer.state.values() for v in state.values())]
    before, strides, seen = state_of(t), [tensor.stride() for tensor in tensors], Notes()
    t.model.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].is_contiguous(memory_format=torch.channels_last))
    )

    sweep(t, channels_last=wanted)

    assert set(seen.items) == {wanted}
    assert [tensor.stride() for tensor in tensors] == strides
    assert state_of(t) == before


def test_a_sweep_inside_an_autocast_region_is_as_outside():
    """A region of the user's own around `find_lr` caches no first weights: rate and status are as with the option."""
    options = {"steps": 60, "lr_min": 1e-4}
    outside = sweep(classification([8] * 5), autocast=torch.bfloat16, **options)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = sweep(classification([8] * 5), **options)

    assert (inside.status, inside.lr) == (outside.status, outside.lr)
    assert inside.status == "ok"
