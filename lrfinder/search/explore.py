"""Try one peak after another from the same snapshot, on the same batches, until a rule is satisfied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lrfinder.evidence.curve import is_number
from lrfinder.evidence.outcome import blind, divergence_limit, gain, gains_of_live, losses_after
from lrfinder.evidence.trials import Trials, record_trials
from lrfinder.loop import Batch, Loop, Snapshot
from lrfinder.search.sweep import OnStep
from lrfinder.search.trial import Shape, run_trial, warmup_and_linear

__all__ = ["FARTHEST", "PER_DECADE", "Explored", "NextPeak", "TrialBatches", "evaluate", "explore", "peak_at", "stride"]

PER_DECADE = 8
"""Peaks that may be tried to the decade: the grid that a grid index counts along."""

FARTHEST = 40
"""Grid indices that a peak may be away from the first."""

STRIDE, LONGEST_STRIDE = 4, 16
"""Grid indices between neighbouring peaks: half a decade, and two decades where the gain grows as the peak does."""

SAME = 1e-7
"""Part of the loss by which it must move with other targets, so that it depends on them at all."""

QUIET = 1e-3
"""Of the first peak: the rate at which losses are read, since an update of several optimizers may read its loss after
the step of one of them."""

NEARLY_LINEAR = 0.8
"""A gain that grows by more than this part of what the peak does is far below the edge: the stride is doubled."""


@dataclass(frozen=True, slots=True)
class TrialBatches:
    """What the trials of one exploration train on and are evaluated on.

    Args:
        train: One batch for each optimizer step.
        evaluation: What every trial is evaluated on.
        forward_cost: Step-equivalents of one evaluation of them all.
        reads_steps: Whether the losses of a trial's own last steps, which are taken before each step on these batches,
            are its evaluation, so that it costs nothing beyond the steps.
        steps_per_epoch: Optimizer steps of one pass over the training batches; None where none is seen twice.
    """

    train: Sequence[Batch]
    evaluation: Sequence[Batch]
    forward_cost: float
    reads_steps: bool = False
    steps_per_epoch: int | None = None


@dataclass(slots=True)
class Explored:
    """What was tried so far.

    Args:
        before: Finite losses of the evaluation batches before any trial.
        min_gain: A smaller gain says nothing.
        loss_scale: How far the sweep fell.
        after: By grid index, the losses of the same batches after the trial; None where it diverged.
        learned: By grid index, what the trial learned from its inputs, as in `Trials`, where that is known.
    """

    before: list[float]
    min_gain: float
    loss_scale: float
    after: dict[int, list[float] | None] = field(default_factory=dict)
    learned: dict[int, float] = field(default_factory=dict)

    @property
    def gains(self) -> dict[int, float]:
        """How far each trial lowered the mean loss; minus infinity where it diverged, at most 0 where it is dead."""
        falls = self._falls
        return dict(zip(falls, gains_of_live([*falls.values()], self._shares), strict=True))

    @property
    def is_blind(self) -> bool:
        """Whether no trial has learned from its inputs."""
        return blind([*self._falls.values()], self._shares)

    @property
    def _falls(self) -> dict[int, float]:
        return {index: gain(self.before, self.after[index]) for index in sorted(self.after)}

    @property
    def _shares(self) -> list[float | None]:
        return [self.learned.get(index) for index in sorted(self.after)]

    @property
    def best(self) -> int:
        """The grid index of the largest gain."""
        gains = self.gains
        return max(gains, key=gains.__getitem__)


NextPeak = Callable[[Explored], int | None]
"""Gives the grid index of the peak to try next, None to end."""


def peak_at(first_peak: float, index: int) -> float:
    """Return the peak at a grid index, the first one standing at 0."""
    return float(first_peak * 10 ** (index / PER_DECADE))


def explore(
    loop: Loop,
    snapshot: Snapshot,
    batches: TrialBatches,
    *,
    first_peak: float,
    next_peak: NextPeak,
    budget: float,
    shape: Shape = warmup_and_linear,
    factor: float = 1.0,
    min_gain: float = 0.0,
    loss_scale: float = 0.0,
    on_step: OnStep | None = None,
    on_trial: Callable[[int, float], None] | None = None,
) -> Trials:
    """Run trials at one peak after another until the rule ends it or the budget of step-equivalents is spent.

    The training is put back before every trial and at the end. An evaluation batch whose loss is not finite before any
    trial is left out. A trial that ran out of memory counts as one that diverged for the rule, and is not recorded.
    `factor` and `min_gain` are those of `Trials`, and `loss_scale` is how far the sweep fell: the scale of a loss that
    begins near zero. Where the loop knows the targets, one evaluation batch is evaluated once more before all trials
    and after each, with the targets of other inputs. `on_trial` is called after every trial with their number and the
    best peak so far.
    """
    snapshot.restore()
    before = evaluate(loop, batches, first_peak)
    explored = Explored([loss for loss in before if is_number(loss)], min_gain, loss_scale)
    out_of_memory: set[int] = set()
    exchanged = _exchanged(loop, batches.evaluation[-1]) if explored.before else None
    learned_before = _learned(loop, exchanged, before, train=batches.reads_steps)
    cost = batches.forward_cost + (0.0 if learned_before is None else 1 / loop.losses_per_step)
    if learned_before is not None and abs(learned_before) < SAME:
        exchanged = learned_before = None  # the loss has no use for the targets
    reading = 0.0 if exchanged is None else 1 / loop.losses_per_step
    evaluating = reading + (0.0 if batches.reads_steps else batches.forward_cost)
    longest = len(batches.train)
    index: int | None = 0 if explored.before else None
    while index is not None and cost + longest + evaluating <= budget:
        limit = divergence_limit(explored.before, loss_scale)
        peak = peak_at(first_peak, index)
        losses, steps = run_trial(loop, snapshot, peak, batches.train, shape=shape, limit=limit, on_step=on_step)
        if losses is None:
            out_of_memory.add(index)
        if losses and not batches.reads_steps:
            losses = [*evaluate(loop, batches, first_peak)]
        # A GradScaler repeats steps, so the next trial may cost as much as the longest so far.
        cost, longest = cost + steps + (evaluating if losses else 0.0), max(longest, steps)
        explored.after[index] = losses_after(before, losses or [])
        share = _learned(loop, exchanged, losses or [], train=batches.reads_steps)
        if share is not None:
            explored.learned[index] = share
        if on_trial is not None:
            on_trial(len(explored.after), peak_at(first_peak, explored.best))
        index = next_peak(explored)
    snapshot.restore()
    return record_trials(
        {peak_at(first_peak, i): losses for i, losses in explored.after.items() if i not in out_of_memory},
        explored.before,
        len(batches.train),
        cost=cost,
        min_gain=min_gain,
        factor=factor,
        steps_per_epoch=batches.steps_per_epoch,
        learned={peak_at(first_peak, i): share for i, share in explored.learned.items()},
        learned_before=learned_before,
    )


def evaluate(loop: Loop, batches: TrialBatches, peak: float) -> list[float]:
    """Return the losses of the evaluation batches, read at a rate far below a peak."""
    loop.lr = QUIET * peak
    return [loop.loss(batch, train=batches.reads_steps) for batch in batches.evaluation]


def _exchanged(loop: Loop, batch: Batch) -> Batch | None:
    """The batch with the targets of other inputs, None where a rank does not know them: its loss is collective."""
    exchange = getattr(loop, "exchange_targets", None)
    exchanged: Batch | None = None if exchange is None else exchange(batch)
    return None if loop.agree(exchanged is None) else exchanged


def _learned(loop: Loop, exchanged: Batch | None, losses: Sequence[float | None], *, train: bool) -> float | None:
    """By how much the last of the losses is lower than that with the targets of others, over the larger of both."""
    last = losses[-1] if losses else None
    if exchanged is None or last is None:
        return None
    mixed = loop.loss(exchanged, train=train)
    most = max(abs(mixed), abs(last))
    return (mixed - last) / most if is_number(mixed) and is_number(last) and most > 0 else None


def stride(gains: dict[int, float]) -> int:
    """Return how many grid indices to go up: more where the gain grows as the peak does."""
    if len(gains) < 2:
        return STRIDE
    *_, before, last = sorted(gains)
    grown = gains[before] * 10 ** ((last - before) / PER_DECADE)
    return min(2 * (last - before), LONGEST_STRIDE) if gains[last] > NEARLY_LINEAR * grown > 0 else STRIDE
