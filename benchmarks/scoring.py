"""How good suggestions are: the regret of one against an oracle, and statistics of many. Plain arithmetic."""

import random
import statistics
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

__all__ = [
    "CLOSE",
    "NEAR",
    "Ending",
    "Oracle",
    "Run",
    "calibrated",
    "compare",
    "coverage",
    "deviations",
    "profile",
    "ranks",
    "score",
    "summary",
]

CLOSE, NEAR = 0.05, 0.20
FLOOR = 0.05
"""The smallest best loss, over that of what has learned nothing: a task that is solved has a scale too."""

MULTIPLIERS = [2 ** (i / 4) for i in range(-64, 65)]
DRAWS = 2000


class Oracle:
    """The final loss as a function of the rate: the median over seeds, interpolated linearly in log LR.

    No run counts as worse than not training at all, and neither does one that exploded. Beyond the grid the loss is
    that of its end.

    Args:
        runs: Rate, seed and final loss (None: exploded) of whole trainings.
        untrained: Loss before training.
        trivial: Loss of the best constant prediction, where that is known.
    """

    def __init__(
        self, runs: list[tuple[float, int, float | None]], untrained: float, trivial: float | None = None
    ) -> None:
        self.untrained = untrained
        self.ceiling = untrained if trivial is None else min(trivial, untrained)
        self.lrs = sorted({lr for lr, *_ in runs})
        capped = [(lr, untrained if loss is None else min(loss, untrained)) for lr, _, loss in runs]
        self.losses = [statistics.median(loss for at, loss in capped if at == lr) for lr in self.lrs]
        self.best = min(self.losses)
        self.best_lr = self._vertex()

    def _vertex(self) -> float:
        """The lowest point of the parabola through the best rate and its neighbours."""
        i, x = self.losses.index(self.best), np.log10(self.lrs)
        if not 0 < i < len(x) - 1:
            return self.lrs[i]
        a, b, _ = np.polyfit(x[i - 1 : i + 2] - x[i], self.losses[i - 1 : i + 2], 2)
        return self.lrs[i] if a <= 0 else float(10 ** (x[i] + np.clip(-b / (2 * a), x[i - 1] - x[i], x[i + 1] - x[i])))

    def loss(self, lr: float) -> float:
        """The loss of a whole training at a rate."""
        return float(np.interp(np.log10(lr), np.log10(self.lrs), self.losses))

    def regret(self, lr: float | None) -> float:
        """Loss above the best one, over the best one; no answer counts as not training."""
        return self.regret_of(None if lr is None else self.loss(lr))

    def regret_of(self, loss: float | None) -> float:
        """The regret of a final loss, None if the training exploded; negative if it is below the best loss."""
        loss = self.untrained if loss is None else min(loss, self.untrained)
        return (loss - self.best) / max(self.best, FLOOR * self.ceiling)

    def error(self, lr: float) -> float:
        """Decades above the best rate."""
        return float(np.log10(lr / self.best_lr))


@dataclass(frozen=True)
class Run:
    """One answer of one method.

    Args:
        task: Name of the task.
        seed: Of the model and of the order of the data.
        lr: The suggestion, or None.
        interval: The 80 % interval of the best rate, or None.
        steps: Step-equivalents that were spent.
        seconds: Wall time.
    """

    task: str
    seed: int
    lr: float | None
    interval: tuple[float, float] | None = None
    steps: float = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Ending:
    """The end of one whole training.

    Args:
        task: Name of the task.
        seed: Of the model and of the order of the data.
        regret: Of its final loss.
    """

    task: str
    seed: int
    regret: float


Oracles = dict[str, Oracle]
Families = Mapping[str, Hashable] | None
"""By task, with which others it is left out or drawn; None: each for itself."""


def summary(regrets: np.ndarray) -> dict[str, float]:
    """Shares within `CLOSE` and `NEAR` (`close`, `near`), and the quantiles `median`, `p90` and `worst`."""
    return {
        "close": float(np.mean(regrets <= CLOSE)),
        "near": float(np.mean(regrets <= NEAR)),
        "median": float(np.median(regrets)),
        "p90": float(np.quantile(regrets, 0.9)),
        "worst": float(regrets.max()),
    }


def score(runs: list[Run], oracles: Oracles) -> dict[str, float | None]:
    """Everything that is reported of a method.

    Args:
        runs: Over tasks and seeds.
        oracles: By task.

    Returns:
        Shares of runs (`close`, `near`, `answered`, `covered`), regrets (`median`, `p90`, `worst`), `bias` (the median
        signed error) and `miss` (the median absolute error) in decades, `deviation` (over seeds, in decades, median
        over tasks), `steps` and `seconds` (medians). None for what the runs do not have.
    """
    regrets = np.array([oracles[run.task].regret(run.lr) for run in runs])
    errors = [oracles[run.task].error(run.lr) for run in runs if run.lr is not None]
    covered = [_holds(run, oracles) for run in runs if run.interval]
    return {
        **summary(regrets),
        "bias": statistics.median(errors) if errors else None,
        "miss": statistics.median(map(abs, errors)) if errors else None,
        "deviation": statistics.median(spreads) if (spreads := deviations(runs).values()) else None,
        "covered": statistics.fmean(covered) if covered else None,
        "answered": len(errors) / len(runs),
        "steps": statistics.median(run.steps for run in runs),
        "seconds": statistics.median(run.seconds for run in runs),
    }


def _holds(run: Run, oracles: Oracles) -> bool:
    return run.interval[0] <= oracles[run.task].best_lr <= run.interval[1]


def deviations(runs: list[Run]) -> dict[str, float]:
    """By task, the standard deviation of log10(lr) over its seeds; without tasks that have a single answer."""
    logs: dict[str, list[float]] = {}
    for run in runs:
        if run.lr is not None:
            logs.setdefault(run.task, []).append(float(np.log10(run.lr)))
    return {task: statistics.stdev(values) for task, values in logs.items() if len(values) > 1}


def calibrated(runs: list[Run], oracles: Oracles, families: Families = None) -> list[Run]:
    """The same answers times one constant, for each family the best constant of the tasks of all other families.

    Best is the lowest mean regret, each regret counted as at most 1, so that one task that diverged does not decide.

    Args:
        runs: Over at least two families, each task with as many.
        oracles: By task.
        families: With which others each task is left out.

    Returns:
        Runs with other rates.
    """
    by_family = _grouped(runs, families)
    costs = {name: np.sum([_costs(run, oracles[run.task]) for run in some], axis=0) for name, some in by_family.items()}
    total = sum(costs.values())
    best = {name: MULTIPLIERS[_middle_of_least(total - mine)] for name, mine in costs.items()}
    return [_scaled(run, best[run.task if families is None else families[run.task]]) for run in runs]


def _costs(run: Run, oracle: Oracle) -> list[float]:
    return [min(1.0, oracle.regret(None if run.lr is None else run.lr * m)) for m in MULTIPLIERS]


def _middle_of_least(costs: np.ndarray) -> int:
    """Index of the lowest cost; of several, the middle one."""
    least = np.flatnonzero(costs <= costs.min() + 1e-12)
    return int(least[len(least) // 2])


def _scaled(run: Run, factor: float) -> Run:
    interval = run.interval and (run.interval[0] * factor, run.interval[1] * factor)
    lr = None if run.lr is None else run.lr * factor
    return Run(run.task, run.seed, lr, interval, run.steps, run.seconds)


def compare(
    ours: list[Run | Ending],
    theirs: list[Run | Ending],
    measure: Callable[[list[Run | Ending]], float],
    draws: int = DRAWS,
    families: Families = None,
) -> tuple[float, float, float]:
    """How much higher a measure of ours is, with a 95 % interval: a paired bootstrap over families of tasks.

    Args:
        ours: Over tasks and seeds.
        theirs: Over the same tasks.
        measure: A number of a list of runs.
        draws: Resamples.
        families: With which others each task is drawn.

    Returns:
        The difference, and the ends of its interval.
    """
    mine, yours = _grouped(ours, families), _grouped(theirs, families)

    def difference(chosen: list[Hashable]) -> float:
        return measure([r for f in chosen for r in mine[f]]) - measure([r for f in chosen for r in yours[f]])

    return _bootstrap(difference, sorted(mine), draws)


def coverage(
    runs: list[Run], oracles: Oracles, draws: int = DRAWS, families: Families = None
) -> tuple[float, float, float] | None:
    """The part of the intervals that hold the best rate, with a 95 % interval: a bootstrap over families of tasks.

    Args:
        runs: Over tasks and seeds; those without an interval do not count.
        oracles: By task.
        draws: Resamples.
        families: With which others each task is drawn.

    Returns:
        The part, and the ends of its interval; None where no run has one.
    """
    asked = _grouped([run for run in runs if run.interval], families)

    def share(chosen: list[Hashable]) -> float:
        return statistics.fmean(_holds(run, oracles) for family in chosen for run in asked[family])

    return _bootstrap(share, sorted(asked), draws) if asked else None


def ranks(medians: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """By task and method, the rank of the method among those that the task has; equal ones share it.

    Args:
        medians: The median regret of a task and a method.
    """
    ranked: dict[tuple[str, str], float] = {}
    for task in dict.fromkeys(task for task, _ in medians):
        mine = [cell for cell in medians if cell[0] == task]
        ranked.update(zip(mine, map(float, rankdata([medians[cell] for cell in mine])), strict=True))
    return ranked


def _grouped(runs: list[Run | Ending], families: Families) -> dict[Hashable, list[Run | Ending]]:
    """The runs of each family of tasks."""
    found: dict[Hashable, list[Run | Ending]] = {}
    for run in runs:
        found.setdefault(run.task if families is None else families[run.task], []).append(run)
    return found


def _bootstrap(
    measure: Callable[[list[Hashable]], float], families: list[Hashable], draws: int
) -> tuple[float, float, float]:
    """A measure of all families, and where 95 % of its values lie over as many drawn with replacement."""
    source = random.Random(0)
    drawn = [measure(source.choices(families, k=len(families))) for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return measure(families), float(low), float(high)


def profile(runs: list[Run], oracles: Oracles, levels: list[float]) -> list[float]:
    """The part of the runs whose regret is at most each level."""
    regrets = [oracles[run.task].regret(run.lr) for run in runs]
    return [statistics.fmean(regret <= level for regret in regrets) for level in levels]
