"""What the user holds: evidence and plan, frozen, in plain numbers; it explains, draws, saves and applies itself."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

from lrfinder.advice.new_training import NewTraining
from lrfinder.advice.plan import Plan
from lrfinder.advice.recommend import make_plan
from lrfinder.advice.request import PlanOptions, Request
from lrfinder.advice.rescale import rescale_plan
from lrfinder.display import plot, report
from lrfinder.display.explain import explain
from lrfinder.display.notebook import html_of
from lrfinder.display.page.document import page
from lrfinder.errors import InputError, LRFinderWarning, NoSignalError
from lrfinder.evidence.curve import Curve, Stopped
from lrfinder.evidence.evidence import Evidence
from lrfinder.evidence.smoothing import SmoothCurve
from lrfinder.evidence.status import Status
from lrfinder.evidence.trials import Trials
from lrfinder.keywords import shows_options_of, warn_of_old_name, where_it_is
from lrfinder.loop import Facts
from lrfinder.result_json import read_json, write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from lrfinder.training.scheduler import ScheduledLR

__all__ = ["LRResult", "SearchSpace", "conclude"]

LARGEST_FILE = 2**25
"""Bytes of a file beyond which it is not read."""


class SearchSpace(NamedTuple):
    """Where a search for hyperparameters should look for the peak, as its `suggest_float` or `loguniform` takes it.

    Args:
        low: The lowest peak.
        high: The highest peak.
        log: Whether peaks are drawn evenly in their logarithm; they are.
    """

    low: float
    high: float
    log: bool = True


@dataclass(frozen=True, slots=True)
class LRResult:
    """A measured learning rate: what was seen, and what to train with. `print` it for the report.

    Args:
        evidence: Everything that was measured.
        plan: Peak, interval, schedule and reasons; None exactly when there is no reliable rate.
    """

    evidence: Evidence
    plan: Plan | None

    @property
    def lr(self) -> float | None:
        """Suggested peak LR of the reference group for `plan.schedule`, or None."""
        return self.plan.lr if self.plan else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The range (low, high) that holds the best peak with a probability of 80 %, or None."""
        return self.plan.interval if self.plan else None

    @property
    def status(self) -> Status:
        """Whether the curve can be trusted; `status.sentence` says what happened and what to try."""
        return self.evidence.status

    @property
    def stopped(self) -> Stopped | None:
        """Why the sweep ended: `completed`, `diverged` or `non_finite`."""
        return self.evidence.stopped

    @property
    def smooth(self) -> SmoothCurve | None:
        """The smoothed curve."""
        return self.evidence.smooth

    @property
    def diverged_at(self) -> float | None:
        """The rate whose update began the divergence, or None."""
        return self.evidence.diverged_at

    @property
    def noise(self) -> float | None:
        """Deviation of the raw losses about the smooth ones, over the total drop."""
        return self.evidence.noise

    @property
    def facts(self) -> Facts:
        """What was trained, and how."""
        return self.evidence.facts

    @property
    def trials(self) -> tuple[Trials, ...]:
        """The short trials, then the pilots: each a record of the peaks tried, the steps, the losses."""
        return (*self.evidence.edge_trials, *self.evidence.pilots)

    @property
    def arms(self) -> tuple[Trials, ...]:
        """The old name of `trials`, for this release only."""
        warn_of_old_name("arms", "trials")
        return self.trials

    @property
    def cost_steps(self) -> int:
        """Step-equivalents that were spent; a forward alone counts a third."""
        return self.evidence.cost_steps

    @property
    def suggestions(self) -> dict[str, float | None]:
        """The rate that each rule reads off the curve, None where it has no answer."""
        return self.evidence.suggestions

    @property
    def curve(self) -> Curve | None:
        """The raw sweep."""
        return self.evidence.curve

    def __str__(self) -> str:
        return report.text(self.evidence, self.plan)

    def explain(self) -> str:
        """Return the whole in words: what was read and tried, each factor and reason with how good its evidence is."""
        return explain(self.evidence, self.plan)

    def __repr__(self) -> str:
        schedule = None if self.plan is None else self.plan.schedule
        return f"LRResult(lr={self.lr}, interval={self.interval}, status={str(self.status)!r}, schedule={schedule})"

    if not TYPE_CHECKING:  # a type checker would take every name otherwise

        def __getattr__(self, name: str) -> object:
            """Say where it is, of what other finders hold under a name of their own."""
            held = where_it_is(name)
            said = "" if held is None else f"; it is {held}"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{said}", name=name, obj=self)

    def _repr_html_(self) -> str:
        return html_of(self.evidence, self.plan)

    @shows_options_of(Request, hidden=("rule",))
    def recommend(self, **options: Unpack[PlanOptions]) -> "LRResult":
        """Plan another training on the same measurement: another length, schedule or purpose; nothing is trained.

        Args:
            **options: As in `find_lr`: `total_steps`, or `epochs` (with `steps_per_epoch` where it is not known);
                `schedule`, `finetune`, `may_extend`, `early_stopping`, `open_ended`. Where no length is given, that of
                `plan` stays; its steps of an epoch, and a rule that was asked for, stay too.

        Returns:
            A result with the same evidence and the new plan; this one stays as it is.

        Raises:
            InputError: A schedule or a length that cannot be used.
            NoSignalError: There is no reliable rate to plan with, or none inside the sweep for this schedule.
        """
        if self.plan is None:
            raise NoSignalError(f"there is no learning rate to plan with: {self.status.sentence}")
        if self.plan.setting is not None:
            raise InputError(
                "`recommend` must be asked of what was measured, got a plan that was rescaled: recommend first, and "
                "rescale what it returns"
            )
        request = Request(rule=self.plan.rule, **options)
        if request.total_steps is None and request.epochs is None and not request.open_ended:
            request = replace(request, total_steps=self.plan.total_steps)
        if request.steps_per_epoch is None:
            request = replace(request, steps_per_epoch=self.plan.steps_per_epoch)
        found = conclude(self.evidence, request)
        if found.plan is None:
            raise NoSignalError(f"there is no learning rate for {request.schedule}: {Status.OUT_OF_RANGE.sentence}")
        before, plan = self.plan.total_steps, found.plan
        if request.open_ended and before is not None and plan.warmup > before:
            words = f"The warm-up of {plan.warmup:,} steps is longer than the {before:,} of the training planned before"
            late = f"{words}; if this one may end as early, pass its length instead of `open_ended`."
            return replace(found, plan=replace(plan, warnings=(*plan.warnings, late)))
        return found

    def rescale(
        self,
        *,
        total_steps: int | None = None,
        epochs: float | None = None,
        batch_size: int | None = None,
        world_size: int | None = None,
        parameters: int | None = None,
    ) -> "LRResult":
        """Plan for a training that has changed, by what such a change did to others; nothing is trained.

        Where the batch changes and no length is given, the samples stay, and the steps change with it.

        Args:
            total_steps: Optimizer steps of the whole training from now on.
            epochs: Its length in epochs instead.
            batch_size: Samples of one optimizer step on one rank, as `facts.batch_size` counts them.
            world_size: Ranks that train together, each on a batch of its own.
            parameters: Weights that are trained; for optimizers like Adam alone.

        Returns:
            A result with the same evidence and the new plan, whose interval is wider; `plan.setting.weight_decay` is
            what keeps rate x decay x steps. It can be rescaled again.

        Raises:
            InputError: Nothing changes, something that has to be known is not, or so much changes that nothing supports
                an answer.
            NoSignalError: There is no reliable rate to rescale.
        """
        if self.plan is None:
            raise NoSignalError(f"there is no learning rate to rescale: {self.status.sentence}")
        new = NewTraining(
            total_steps=total_steps,
            epochs=epochs,
            batch_size=batch_size,
            world_size=world_size,
            parameters=parameters,
        )
        return LRResult(self.evidence, rescale_plan(self.evidence, self.plan, new))

    def plot(self, ax: "Axes | FigureBase | None" = None) -> "Axes":
        """Draw the curve of the sweep with the suggested peak and its interval, and the trials on a panel below.

        Of a tuning it draws the pilots instead: their losses, the fit, the way to the peak. Ratios between groups that
        were tuned have a panel too.

        Args:
            ax: Where to draw; None makes a new figure. A figure or subfigure gets all panels, axes the first one alone.

        Returns:
            The axes of the first panel; `ax.figure.savefig(path)` saves the figure.
        """
        return plot.draw_result(self.evidence, self.plan, ax)

    def plot_schedule(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the LR of the reference group against the optimizer step, the end of the warm-up and the end marked.

        Args:
            ax: Where to draw; None makes a new figure.

        Returns:
            The axes; `ax.figure.savefig(path)` saves it.

        Raises:
            NoSignalError: There is no plan to draw.
        """
        if self.plan is None:
            raise NoSignalError(f"there is no schedule to draw: {self.status.sentence}")
        return plot.draw_plan(self.plan, ax)

    @property
    def group_lrs(self) -> dict[str, float] | None:
        """Peak LR of every parameter group by its name, or None; those of one name have that of the first."""
        if self.plan is None:
            return None
        facts = self.facts
        names = facts.groups or [f"group {i}" for i in range(len(facts.bases))]
        rates: dict[str, float] = {}
        for name, ratio in zip(names, self.evidence.ratios, strict=True):
            rates.setdefault(name, self.plan.lr * ratio)
        return rates

    def search_space(self) -> SearchSpace:
        """Return `interval` as (low, high, log) for a search for hyperparameters, with `lr` as the first to try.

        Raises:
            NoSignalError: There is no reliable rate, and no interval.
        """
        if self.interval is None:
            raise NoSignalError(f"there is no interval to search in: {self.status.sentence}")
        return SearchSpace(*self.interval)

    def apply(
        self, optimizer: "Optimizer | Sequence[Optimizer]", *schedulers: "LRScheduler", keep_decay: bool = False
    ) -> None:
        """Set the suggested peak: every group is scaled by one ratio, so that the groups keep theirs, unless tuned.

        A group's `lr` and `initial_lr`, the bounds that schedulers keep in it (`max_lr`, `min_lr`), and the bases,
        bounds and floors of the schedulers given along follow, those of other libraries too. Copies of them are run
        first: one that would put its own rates back is refused. Without the schedulers of an optimizer that has some,
        a warning says that they will.

        Args:
            optimizer: One, or the list that was swept jointly; the reference group, the first with a trainable
                parameter, gets `lr`.
            schedulers: Those attached to them.
            keep_decay: Whether to change weight decay that acts by the rate (that of AdamW, Muon, SGD and their like)
                against the rate that the optimizer had, so that the product of both stays, which is how far the weights
                shrink at a step. A rescaled plan suggests another, for the whole training: `plan.setting.weight_decay`.

        Raises:
            NoSignalError: There is no reliable rate to apply.
            InputError: A scheduler that would put its own rates back, ratios that were tuned for other groups than
                these, or no decay to keep; nothing was changed.
        """
        if self.lr is None:
            raise NoSignalError(f"there is no learning rate to apply: {self.status.sentence}")
        from lrfinder.training.param_groups import as_list
        from lrfinder.training.ratios import apply_rates

        ratios, owners = self.evidence.tuned_ratios, self.facts.owners
        apply_rates(optimizer, self.lr, *schedulers, ratios=ratios, owners=owners, keep_decay=keep_decay)
        if not schedulers and any("initial_lr" in group for one in as_list(optimizer) for group in one.param_groups):
            warnings.warn(
                "a scheduler of this optimizer (`initial_lr` is in its groups) may put its own rates back at its next "
                "step: pass it along, found.apply(optimizer, scheduler)",
                LRFinderWarning,
                stacklevel=2,
            )

    def attach(
        self, optimizer: "Optimizer | Sequence[Optimizer]", *, keep_decay: bool = False
    ) -> "ScheduledLR | list[ScheduledLR]":
        """Set the suggested peak and attach the suggested schedule, which replaces others, to train with from here.

        Args:
            optimizer: One, or the list that was swept jointly.
            keep_decay: As in `apply`.

        Returns:
            The scheduler, of which `step` is called after each optimizer step; of a list one for each optimizer.

        Raises:
            NoSignalError: There is no reliable rate.
            InputError: The length of the training was not given, so that there is no schedule; or as `apply` does.
        """
        if self.plan is None:
            raise NoSignalError(f"there is no learning rate to apply: {self.status.sentence}")
        if self.plan.schedule is None:
            raise InputError(
                "`total_steps` must have been given to attach a schedule, got None; search with it, or attach "
                "`found.recommend(total_steps=...)`, which trains nothing"
            )
        from lrfinder.training.ratios import apply_rates
        from lrfinder.training.scheduler import attach, check_attachable

        check_attachable(optimizer)
        ratios, owners = self.evidence.tuned_ratios, self.facts.owners
        apply_rates(optimizer, self.plan.lr, ratios=ratios, owners=owners, keep_decay=keep_decay)
        return attach(optimizer, self.plan.schedule, lr=self.plan.lr)

    def to_json(self, path: "str | PathLike[str] | None" = None) -> str:
        """Return the result as JSON, and write it to a file if one is named."""
        text = write_json(self.evidence, self.plan)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def to_html(self, path: "str | PathLike[str] | None" = None) -> str:
        """Return the result as one page of HTML that needs no other file, and write it to a file if one is named.

        The answer first, with lines to copy, then what was seen, how the peak came about, and every trial. It asks
        nothing of any server, and is read in any browser.
        """
        text = page(self.evidence, self.plan)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, path: "str | PathLike[str]") -> "LRResult":
        """Read a result that `to_json` wrote to a file; nothing in it is executed.

        Raises:
            InputError: The file is not such a result, or of another version.
        """
        try:
            size = Path(path).stat().st_size
            if size > LARGEST_FILE:
                raise InputError(f"it has {size:,} bytes, and at most {LARGEST_FILE:,} are read")
            return cls.parse(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"`path` must be a result that to_json wrote, got {path}: {error}") from error

    @classmethod
    def parse(cls, text: str) -> "LRResult":
        """Read the text that `to_json` returned; nothing in it is executed.

        Raises:
            InputError: The text is not such a result, or of another version.
        """
        return cls(*read_json(text))


def conclude(evidence: Evidence, request: Request) -> LRResult:
    """Return evidence with its plan, where it holds one; a peak beyond the rates that were asked for is none."""
    if evidence.status is not Status.OK:
        return LRResult(evidence, None)
    plan, within = make_plan(evidence, request), evidence.lr_range
    if plan is None or (within is not None and not within[0] <= plan.lr / evidence.reference_factor <= within[1]):
        return LRResult(replace(evidence, status=Status.OUT_OF_RANGE), None)
    return LRResult(evidence, plan)
