"""`find_lr` and `range_test`: the range, the rule, the options, and what is refused."""

import inspect
import math
import sys
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from quadratic import BATCHES, Quadratic, QuadraticLoop, swept

from lrfinder import InputError, TorchLoop, find_lr, range_test, tune_lr
from lrfinder.evidence.rules import RULES


def test_find_lr_is_range_test_over_a_torch_loop():
    """Both verbs give the same result for the same training."""
    model = Quadratic(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    by_loop = range_test(TorchLoop(model, BATCHES, optimizer=optimizer), total_steps=100, progress=False)

    assert find_lr(model, BATCHES, optimizer=optimizer, total_steps=100, progress=False) == by_loop


def test_any_loop_can_be_tested():
    """A hand-written loop is all that `range_test` needs, and it is put back."""
    loop = QuadraticLoop(h=2.0)

    result = range_test(loop, progress=False)

    assert (result.status, result.evidence.facts) == ("ok", loop.facts)
    assert (loop.theta, loop.lr) == (1.0, 1.0)


def test_the_signature_shows_the_options_of_the_loop():
    """`help(find_lr)` names what is handed to `TorchLoop`, with its defaults."""
    parameters = inspect.signature(find_lr).parameters

    assert parameters["accumulate"].default == 1
    assert all(p.kind is p.KEYWORD_ONLY for name, p in parameters.items() if name not in ("model", "loader"))


def test_the_range_is_the_one_asked_for():
    """`steps`, `lr_min` and `lr_max` are the sweep's own."""
    found = swept(Quadratic(1e-6), steps=37, lr_min=1e-3, lr_max=2.0)

    assert (len(found.curve), found.curve.lrs[0], found.curve.lrs[-1]) == (37, 1e-3, 2.0)


def third_of_the_last(curve):
    """A rule of one's own."""
    return curve.lrs[-1] / 3


@pytest.mark.parametrize("rule", [*RULES, third_of_the_last])
def test_a_rule_that_is_asked_for_is_the_peak_unscaled(rule):
    """The rate is the rule's own, by its name or as a function, and the report names it."""
    found = swept(Quadratic(2.0), rule=rule, total_steps=100)
    name = rule if isinstance(rule, str) else "third_of_the_last"

    assert found.lr == found.suggestions[name]
    assert isinstance(rule, str) or found.lr == rule(found.curve)
    assert f"by your rule {name}" in str(found)


@pytest.mark.parametrize("answer", [None, 1e6])
def test_a_rule_without_a_rate_of_the_range_gives_no_rate(answer):
    """None is not replaced by another rule's answer, nor a rate that was not swept."""
    found = swept(Quadratic(1.0), rule=lambda curve: answer)

    assert (found.lr, found.plan, found.status) == (None, None, "out_of_range")


def test_an_error_in_a_rule_comes_through():
    """What a user's rule raises is raised, and the training is as it was."""
    model = Quadratic(1.0)

    with pytest.raises(ZeroDivisionError, match="division by zero"):
        swept(model, rule=lambda curve: 1 / 0)
    assert model.phi.tolist() == [1.0]


def test_a_horizon_may_be_a_numpy_number():
    """NumPy's whole numbers count, and do not stay in the plan."""
    plan = swept(Quadratic(1.0), total_steps=np.int64(100)).plan

    assert (plan.total_steps, type(plan.total_steps)) == (100, int)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 5}, "`steps` must be a whole number of at least 10, got 5"),
        ({"lr_min": 0.0}, "`lr_min` must be a positive finite learning rate, got 0.0"),
        ({"lr_min": 1.0, "lr_max": 0.1}, "`lr_max` must exceed `lr_min`=1, got 0.1"),
        ({"schedule": "none"}, '`schedule` must be "recommended", one of'),
        ({"rule": "none"}, "`rule` must be one of"),
    ],
)
def test_bad_arguments_are_refused_before_the_first_step(arguments, message):
    """The loop is not asked for a batch."""
    loop = QuadraticLoop()

    with pytest.raises(InputError, match=message):
        range_test(loop, progress=False, **arguments)
    assert loop.drawn == 0


@pytest.mark.parametrize("stderr", [sys.stderr, None], ids=["a file", "no console"])
def test_no_bar_is_shown_where_there_is_no_terminal(stderr, monkeypatch, capfd):
    """`progress` writes nothing into a log, and a program without stderr is measured all the same."""
    if stderr is None:
        monkeypatch.setattr(sys, "stderr", None)

    assert range_test(QuadraticLoop()).status == "ok"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("verb", "name", "meant"), [(find_lr, "budget", "steps"), (tune_lr, "steps", "budget")])
def test_an_option_of_the_other_verb_is_answered_with_its_name_here(verb, name, meant):
    """The cost of a search is `steps` in one and `budget` in the other; each knows the other's name."""
    with pytest.raises(InputError, match=f"`{verb.__name__}` got .* '{name}'; did you mean {meant}"):
        verb(Quadratic(1.0), BATCHES, **{name: 100})


@pytest.mark.parametrize("steps", [75, 99, 100, 199, 200, 399])
@pytest.mark.parametrize("val_loader", [None, BATCHES, 5 * BATCHES], ids=["training", "one batch", "four batches"])
def test_a_search_costs_what_its_result_says_and_no_more_than_it_may(steps, val_loader):
    """Hooks count the steps, and a third of every forward without one."""
    model = Quadratic(2.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    made, forwards = Tally(), Tally()
    optimizer.register_step_post_hook(made)
    model.register_forward_hook(forwards)

    found = find_lr(model, BATCHES, optimizer=optimizer, steps=steps, val_loader=val_loader, progress=False)

    spent = made.count + (forwards.count - made.count) / 3
    assert found.evidence.edge_trials
    assert spent <= found.cost_steps + 1e-9
    assert found.cost_steps <= min(steps, math.ceil(spent) + 1)


class Tally:
    """Counts its calls, on the class, where no snapshot finds it."""

    counts: ClassVar = {}

    def __init__(self):
        self.counts[id(self)] = 0

    def __call__(self, *_):
        self.counts[id(self)] += 1

    @property
    def count(self):
        return self.counts[id(self)]


def test_the_steps_of_an_epoch_may_be_given():
    """A loader without length, and the number, give the peak of the loader that has a length itself."""
    model, batches = Quadratic(2.0), 20 * BATCHES
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    knows = find_lr(model, batches, optimizer=optimizer, epochs=10, progress=False)
    given = find_lr(model, lambda: iter(batches), optimizer=optimizer, epochs=10, steps_per_epoch=20, progress=False)

    assert given.lr == knows.lr
    assert given.recommend(total_steps=800).lr == knows.recommend(total_steps=800).lr


@pytest.mark.parametrize("verb", [find_lr, partial(tune_lr, total_steps=2000)], ids=["find_lr", "tune_lr"])
def test_a_batch_without_a_finite_loss_is_named(verb):
    """Its place in the order of the search and how many there are, and no word of `lr_min`."""
    batches = [(torch.randn(8, 4), torch.randn(8, 2)) for _ in range(20)]
    batches[3][1][0] = math.inf

    found = verb(torch.nn.Linear(4, 2), batches, loss_fn=torch.nn.functional.mse_loss, progress=False)

    assert (str(found.status), found.lr, found.evidence.looked_at) == ("not_finite", None, 20)
    assert len(found.evidence.not_finite) == 1
    assert "before any step" in found.status.sentence
    assert "lr_min" not in found.status.sentence
    assert "not finite    the loss of 1 of 20 batches before any step, in the order of the search:" in str(found)


LOSS, SGD = torch.nn.functional.mse_loss, torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ((BATCHES, LOSS), r"`find_lr` must get `loss_fn` by name, .* call find_lr\(model, loader, loss_fn=\.\.\.\)"),
        (
            (BATCHES, torch.nn.MSELoss(), SGD),
            r"get `loss_fn` and `optimizer` by name, got 4 .*, loss_fn=.*, optimizer=",
        ),
        (
            (SGD, LOSS),
            r"must get `optimizer` and `loss_fn` by name, .* call find_lr\(model, loader, optimizer=\.\.\., ",
        ),
        ((SGD,), "must get `optimizer` by name, got 2 arguments by their places"),
        ((LOSS, SGD, BATCHES), "must get `loss_fn` and `optimizer` by name, got 4"),
        ((torch.nn.MSELoss(),), "must get `loss_fn` by name, got 2"),
        (
            (BATCHES, 100),
            r"must get all but its first arguments by name, got 3 .* find_lr\(model, loader, name=\.\.\.\)",
        ),
    ],
)
def test_the_order_of_other_finders_is_refused_with_the_keywords(places, sentence):
    """A loss and an optimizer are known by what they are, wherever they stand."""
    with pytest.raises(InputError, match=sentence):
        find_lr(Quadratic(1.0), *places)


def test_a_function_that_returns_batches_is_no_loss():
    """It may stand in the place of the loader, with defaults of its own too."""
    found = find_lr(Quadratic(1.0), lambda batches=BATCHES: iter(batches), steps=20, progress=False)

    assert found.curve is not None


def test_an_argument_of_a_loop_without_its_name_is_refused():
    """What is not told by its looks is counted."""
    with pytest.raises(InputError, match=r"`range_test` must get all but .*, got 2 .* call range_test\(loop, name="):
        range_test(None, 100)
