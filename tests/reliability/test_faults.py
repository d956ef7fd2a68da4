"""A search that fails anywhere leaves the training as it was, or says that it could not."""

import pytest
import torch
import torch.nn.functional as F
from faults import (
    ERRORS,
    Lines,
    calls_of,
    outcome,
    outcome_at_line,
    outcome_of_a_dead_worker,
    outcome_of_a_second,
    passages,
    passages_while_leaving,
)
from sites import SITES, Fuse, trained
from survey import SURVIVED
from twins import refused, state_of, sweep, training

from lrfinder import LRFinderWarning
from lrfinder.snapshot.snapshot import preserved


@pytest.mark.parametrize("site", SITES)
def test_a_fault_anywhere_leaves_no_trace(site):
    """At the first, a middle and the last call of every site, whatever is raised; `make reliability` tries all."""
    calls = calls_of(site)

    became = [outcome(site, *fault) for fault in zip((0, calls // 2, calls - 1), ERRORS, strict=False)]

    assert set(became) <= SURVIVED


def test_ctrl_c_at_a_line_of_the_package_leaves_no_trace():
    """At the first, middle or last passage of lines all over the search; `make reliability` tries every one."""
    some = passages()[::40]

    assert {outcome_at_line(*passage) for passage in some} == {"restored"}


def test_a_second_ctrl_c_leaves_no_trace():
    """Wherever it falls while the first is on its way out, in the midst of the restore too."""
    some = passages_while_leaving()[::5]

    assert {outcome_of_a_second(*passage) for passage in some} == {"restored"}


# The signal may come while torch shuts the loader down in a finalizer, from which nothing can be raised.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_that_is_killed_leaves_no_trace():
    """The loader's own error ends the search."""
    assert outcome_of_a_dead_worker(30) == "restored"


def test_a_copy_that_finds_no_room_says_so():
    """Out of memory at the snapshot: nothing was begun, and the error says what to do."""
    fuse = Fuse(0, torch.OutOfMemoryError)
    scenario = SITES["the copy for the snapshot"](fuse)
    before = state_of(scenario.training)

    with pytest.raises(torch.OutOfMemoryError, match="put in by the test") as caught, fuse:
        scenario.search()

    assert "nothing was changed. Make room for it" in caught.value.__notes__[0]
    assert state_of(scenario.training) == before


def without_room(scenario, calls):
    """What a search finds beside trials whose loss runs out of memory in some of its calls."""
    count = iter(range(10**6))

    def loss_fn(output, target):
        if next(count) in calls:
            raise torch.OutOfMemoryError("no room")
        return F.cross_entropy(output, target)

    scenario.training.loss_fn = loss_fn
    with pytest.warns(LRFinderWarning, match="the trial to a peak of .* ran out of memory and is left out"):
        return scenario.search()


def test_trials_that_find_no_room_are_lost_alone():
    """The search goes on beside them: there are as many trials as they leave of the budget, and the result stands."""
    scenario = trained()
    whole = len(scenario.search().evidence.edge_trials[0].lrs)

    (trials,) = without_room(scenario, (50, 55)).evidence.edge_trials

    assert 0 < len(trials.lrs) < whole


def test_a_search_without_room_for_any_trial_rests_on_its_sweep():
    """Where every trial is lost the rules decide."""
    found = without_room(trained(), range(35, 10**6))

    assert found.evidence.edge_trials == ()
    assert len(found.curve) > 10


def test_a_search_inside_a_search_is_refused():
    """A loss function that searches itself ends both, and leaves no trace."""
    t = training().train(2)

    def loss_fn(output, target):
        sweep(t)
        return F.cross_entropy(output, target)

    with refused(t, "a search must be the only one in its process while it runs, got a second one inside or beside it"):
        sweep(t, loss_fn=loss_fn)


def test_ctrl_c_at_any_line_of_the_guard_leaves_no_trace():
    """At every passage of a line while a training is kept and put back, also where that has not begun."""
    model = torch.nn.Linear(1, 1, bias=False)

    def change():
        torch.nn.init.zeros_(model.weight)
        with preserved([model], []):
            torch.nn.init.ones_(model.weight)

    with Lines() as lines:
        change()
    at = [(line, passage) for line, n in lines.passed.items() for passage in range(n)]
    weights = set()

    for line, passage in at:
        with pytest.raises(KeyboardInterrupt, match=r"^$"), Lines(line, passage):
            change()
        weights.add(model.weight.item())

    assert weights == {0.0}
    assert len(at) > 100
