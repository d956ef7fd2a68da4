"""Records for tests: trials, evidence, plans and results, each with every field that does not matter filled in."""

from recorded import descent, recorded

from lrfinder import Facts
from lrfinder.advice.request import Horizon, Request
from lrfinder.evidence.evidence import Evidence, add_edge_trials, add_pilots, read_curve
from lrfinder.evidence.status import Status
from lrfinder.evidence.trials import Trials
from lrfinder.result import conclude
from lrfinder.search.explore import Explored


def trials(*pairs, start=2.0, steps=14, is_sure=True, cost=60.0, **fields):
    """A record of trials from pairs of a peak and the loss after it, None for one that diverged."""
    lrs, losses = zip(*pairs, strict=True) if pairs else ((), ())
    return Trials(tuple(lrs), tuple(losses), steps=steps, start=start, is_sure=is_sure, cost=cost, **fields)


EDGE = trials((1e-3, 1.5), (1e-2, 1.0), (1e-1, None), cost=42.0)
"""Short trials whose best peak is 1e-2 and whose highest one diverged."""

PILOT = trials((1e-3, 0.6), (1e-2, 0.4), (1e-1, 1.2), steps=60, cost=200.0, steps_per_epoch=6)
"""A pilot of ten epochs whose best peak lies between others."""


def evidence(*, edge_trials=(), pilots=(), facts=None, status=Status.OK, **fields):
    """Evidence without a sweep: of trials alone, or of what `fields` name."""
    return Evidence(
        **{"curve": None, "suggestions": {}, **fields},
        status=status,
        facts=facts or Facts(),
        edge_trials=tuple(edge_trials),
        pilots=tuple(pilots),
    )


def measured(*, losses=None, facts=None, edge_trials=(), pilots=(), rule=None):
    """Evidence as a search leaves it: what is read off a sweep over these losses, with trials."""
    found = read_curve(recorded(descent() if losses is None else losses), facts or Facts(), rule)
    return add_pilots(add_edge_trials(found, edge_trials), pilots)


def result(request=None, **options):
    """A result for 2,000 steps unless asked otherwise, with a plan where there is one; `options` as in `measured`."""
    return conclude(measured(**options), request or Request(2000))


def horizon(steps=1000, steps_per_epoch=None):
    """A known length."""
    return Horizon(steps, steps_per_epoch)


def explored(after, *, start=10.0, min_gain=0.0, loss_scale=0.0, learned=None):
    """What was tried so far, from the loss after the trial at each grid index, None for one that diverged."""
    losses = {index: None if loss is None else [loss] for index, loss in after.items()}
    return Explored([start], min_gain, loss_scale, losses, learned or {})
