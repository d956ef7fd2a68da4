"""The promise of the library over trainings that nobody chose: what swept equals its twin that never did."""

from contextlib import suppress

import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from trainings import build, recipes
from twins import identities, state_of, sweep

from lrfinder import InputError, tune_lr


def tune(t, **options):
    """A tuning over the whole training, its loss function and optimizer included: a sweep and a pilot."""
    given = {"loss_fn": t.loss_fn, "optimizer": t.optimizer, "total_steps": 1_000, "budget": 130, "progress": False}
    return tune_lr(t.model, t.loader, **{**given, **options})


def interrupted(t, call, error, by=sweep, **options):
    """A measurement that an error of the loss function ends, if it gets that far."""
    calls = iter(range(call))

    def loss_fn(output, target):
        if next(calls, None) is None:
            raise error("in the loss")
        return F.cross_entropy(output, target)

    with suppress(error):
        by(t, loss_fn=loss_fn, **options)


DISTURBANCES = {
    "sweep": lambda t: sweep(t, steps=12),
    "trials": lambda t: sweep(t, steps=80),
    "trials twice": lambda t: sweep(t, steps=200),
    "accumulated": lambda t: sweep(t, steps=75, accumulate=2),
    "clipped": lambda t: sweep(t, steps=12, clip_grad_norm=0.1, clip_grad_value=0.5),
    "validated": lambda t: sweep(t, steps=80, val_loader=t.loader),
    "all copied": lambda t: sweep(t, steps=12, snapshot="all"),
    "error in the sweep": lambda t: interrupted(t, 7, ZeroDivisionError),
    "error in a trial": lambda t: interrupted(t, 50, ZeroDivisionError, steps=80),
    "Ctrl-C": lambda t: interrupted(t, 30, KeyboardInterrupt, steps=80),
    "tuned": tune,
    "tuned on validation": lambda t: tune(t, val_loader=t.loader),
    "error in a pilot": lambda t: interrupted(t, 70, ZeroDivisionError, by=tune),
    "Ctrl-C in a pilot": lambda t: interrupted(t, 60, KeyboardInterrupt, by=tune),
    "twice": lambda t: (sweep(t, steps=12), sweep(t, steps=80)),
}

disturbances = st.sampled_from(sorted(DISTURBANCES))
steps = st.integers(0, 5)


def disturbed(t, name):
    """Do it; a training that diverges by itself may be refused, which has to leave no trace either."""
    with suppress(InputError):
        DISTURBANCES[name](t)


@given(recipe=recipes(), disturbance=disturbances, before=steps, after=st.integers(1, 4))
def test_a_training_equals_its_twin(recipe, disturbance, before, after):
    """Parameters, buffers, moments, streams and batches go on bit for bit, whatever model, optimizer and loader."""
    swept = build(recipe).train(before)
    state, objects = state_of(swept), identities(swept)

    disturbed(swept, disturbance)

    assert state_of(swept) == state
    assert identities(swept) == objects
    later = state_of(swept.train(after))
    assert later == state_of(build(recipe).train(before + after))
