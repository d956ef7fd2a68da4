"""Accelerate and Fabric: loops that keep every law and leave no trace, schedules that count optimizer steps."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from loop_contract import LAWS, Subject
from prepared import FRAMEWORKS, by_accelerate, net, samples
from torch.utils.data import DataLoader
from twins import plain

from lrfinder import InputError, attach, find_lr, range_test
from lrfinder.integrations.accelerate import accelerate_loop, attach_prepared
from lrfinder.integrations.fabric import fabric_loop
from lrfinder.schedules import Linear

WORKERS = {"num_workers": 1, "persistent_workers": True}
CASES = {
    "one batch a step": {},
    "accumulation": {"accumulate": 3},
    "workers": {"loader": WORKERS},
    "momentum": {"optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9)},
}
MIXED = {"accelerate": {"mixed_precision": "bf16"}, "fabric": {"precision": "bf16-mixed"}}


def state_of(training):
    """Everything of a training in comparable form."""
    streams = [torch.get_rng_state(), torch.rand(2, generator=torch.Generator().set_state(torch.get_rng_state()))]
    return plain([training.model.state_dict(), training.optimizer.optimizer.state_dict(), streams])


@pytest.mark.parametrize("made", FRAMEWORKS.values(), ids=FRAMEWORKS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_loop_keeps_the_law(law, made):
    """A training that a framework has set up is a loop like any other."""
    training = made(accumulate=2)
    groups = training.optimizer.param_groups

    law(Subject(training.loop, partial(state_of, training), lambda: [float(group["lr"]) for group in groups]))


@pytest.mark.parametrize("options", [*CASES.values(), None], ids=[*CASES, "bfloat16"])
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_search_leaves_no_trace(name, options):
    """Between two epochs it changes neither the losses that follow nor what is left at the end."""
    options, ends = MIXED[name] if options is None else options, []

    for searches in (True, False):
        training = FRAMEWORKS[name](**options)
        first = training.train()
        if searches:
            assert len(range_test(training.loop, total_steps=200, progress=False).trials) > 0
        ends.append((first, training.train(), state_of(training)))

    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_search_in_the_midst_of_an_epoch_leaves_no_trace(name):
    """Its end is seen where it is: the accumulation of the last batches is not lost."""
    ends = []

    for searches in (True, False):
        training, calls = FRAMEWORKS[name](accumulate=3), []

        def hook(*_, training=training, calls=calls, searches=searches):
            calls.append(None)
            if len(calls) == 2 and searches:
                range_test(training.loop, steps=20, progress=False)

        training.optimizer.optimizer.register_step_post_hook(hook)
        ends.append((training.train(), training.train(), state_of(training)))

    assert ends[0] == ends[1]


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_is_one_of_the_framework(name, accumulate):
    """At a constant rate the losses are those of an epoch of the training, over as many micro-batches."""
    training = FRAMEWORKS[name](accumulate=accumulate, dropout=0.0)
    with training.loop.preserved():
        steps = training.loop.facts.steps_per_epoch
        losses = [training.loop.step(training.loop.draw()) for _ in range(12 // accumulate)]

    trained = torch.tensor(training.train()[:12]).reshape(-1, accumulate).mean(1)

    assert steps == -(-13 // accumulate)
    assert losses == pytest.approx(trained.tolist(), rel=1e-5)


def test_a_schedule_counts_optimizer_steps():
    """Under accumulation it goes on once per update, is saved with the accelerator, and ends at its end."""
    training = by_accelerate(accumulate=2)
    scheduler = attach_prepared(training.framework, training.optimizer, Linear(14), lr=0.1)
    rates = []
    training.optimizer.optimizer.register_step_post_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))

    training.train(scheduler)
    training.train(scheduler)

    assert rates == pytest.approx([0.1 * (1 - step / 14) for step in range(14)])
    assert training.framework._schedulers == [scheduler]


def test_apply_reaches_a_prepared_scheduler():
    """Its bases follow, so that its next step does not undo the rate."""
    training = by_accelerate()
    found = range_test(training.loop, total_steps=100, progress=False)
    scheduler = training.framework.prepare(attach(training.optimizer, Linear(100)))

    found.apply(training.optimizer, scheduler)
    training.optimizer.step()
    scheduler.step()

    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(found.lr * 0.99)


def test_find_lr_takes_a_prepared_loader():
    """Without a loop too: the loader is iterated through a copy, its own count of epochs stays."""
    training = by_accelerate()
    loader = training.framework._dataloaders[0]

    found = find_lr(training.model, loader, loss_fn=F.cross_entropy, optimizer=training.optimizer, progress=False)

    assert found.lr is not None
    assert (loader.iteration, training.framework.gradient_state.active_dataloader) == (0, None)


def test_the_facts_name_what_is_inside():
    """The model, the loss and the precision, and not the wrappers."""
    facts = by_accelerate(mixed_precision="bf16").loop.facts

    assert (facts.model, facts.loss) == ("Sequential", "cross_entropy(output, target)")
    assert facts.precision == "float32, mixed precision bf16"


@pytest.mark.parametrize(
    ("name", "set_up", "loop_of"),
    [("accelerate", "prepare_data_loader", accelerate_loop), ("fabric", "setup_dataloaders", fabric_loop)],
    ids=FRAMEWORKS,
)
def test_trials_are_evaluated_in_the_mode_that_is_asked_for(name, set_up, loop_of):
    """With dropout the loss of a batch in train mode is another one than in eval mode."""
    training, losses = FRAMEWORKS[name](), {}
    loader = getattr(training.framework, set_up)(DataLoader(samples(), 8))

    for mode in ("eval", "train"):
        parts = (training.framework, training.model, training.optimizer, loader, F.cross_entropy)
        loop = loop_of(*parts, evaluate_in=mode)
        with loop.preserved():
            losses[mode] = loop.loss(loop.draw())
            assert loop.facts.evaluated_in == mode

    assert losses["eval"] != losses["train"]


@pytest.mark.parametrize(("name", "loop_of"), [("accelerate", accelerate_loop), ("fabric", fabric_loop)])
def test_an_optimizer_that_was_not_prepared_is_refused(name, loop_of):
    """Its steps would not go through the framework."""
    framework, model = FRAMEWORKS[name]().framework, net()
    bare = torch.optim.SGD(model.parameters(), lr=0.1)

    with pytest.raises(InputError, match=r"`optimizer` must be the .*, got a bare SGD; pass what"):
        loop_of(framework, model, bare, DataLoader(samples(), 8), F.cross_entropy)
