"""What a resumed training has changed since its schedule was planned, and what the plan would be for it."""

import warnings
from dataclasses import dataclass

from lightning_callbacks._attached import Attached, loaded_batch
from lightning_callbacks._compat import Trainer
from lightning_callbacks._horizon import all_steps, remaining_steps
from lrfinder import LRResult, Plan
from lrfinder.advice.rescale_words import reason_of_decay
from lrfinder.display.layout import wrap, wrap_at
from lrfinder.errors import InputError, LRFinderWarning

__all__ = ["Resumed"]


@dataclass(frozen=True, slots=True)
class Resumed:
    """A training that goes on with a schedule which was planned before.

    Args:
        trainer: At the start of its training, its state put back.
        found: What the schedule was planned by.
        attached: The schedule, and the training that it was for.
    """

    trainer: Trainer
    found: LRResult
    attached: Attached

    @property
    def changes(self) -> str:
        """What has changed, as a sentence without its end; empty where nothing has."""
        end, batch, ranks = self._end, loaded_batch(self.trainer), self.trainer.world_size
        parts = []
        if end != self.attached.length:
            parts.append((f"{self.attached.length} optimizer steps", str(end)))
        if self.attached.batch is not None and batch is not None and batch != self.attached.batch:
            parts.append((f"{self.attached.batch} samples a step", str(batch)))
        if ranks != self._ranks:
            parts.append((f"{self._ranks} ranks", str(ranks)))
        if not parts:
            return ""
        old, new = (" and ".join(words) for words in zip(*parts, strict=True))
        return f"the schedule was planned for {old}, and this training has {new}"

    @property
    def rescaled(self) -> LRResult | None:
        """What was found, with the plan for the training as it is now; None where its length cannot be rescaled."""
        plan, end, batch = self.found.plan, self._end, loaded_batch(self.trainer)
        if plan is None or plan.total_steps is None or end is None:
            return None
        measured = plan.setting.batch_size if plan.setting else self.found.facts.batch_size
        knows_batch = batch is not None and self.attached.batch is not None and measured is not None
        try:
            found = self.found.rescale(
                total_steps=max(1, end - self.attached.began),
                batch_size=round(measured * batch / self.attached.batch) if knows_batch else None,  # type: ignore[operator]
                world_size=self.trainer.world_size,
            )
        except InputError:
            return None
        # A function of the user's is lost in a checkpoint, and nobody knows what it would be for another length.
        return found if found.plan is not None and found.plan.schedule is not None else None

    def in_words(self, plan: Plan) -> str:
        """Say what was rescaled to which plan, its warnings, and which weight decay it suggests."""
        lines = wrap_at("", f"AutoLR: {self.changes}; rescaled: {plan}")
        for warning in plan.warnings:
            lines += wrap("but", warning)
        planned = None if self.found.plan is None else self.found.plan.setting
        before = planned.weight_decay if planned is not None else self.found.facts.weight_decay
        decay = reason_of_decay(before, 0.0 if plan.setting is None else plan.setting.weight_decay)
        # None is suggested that would take much of the weights at a step.
        if decay in plan.reasons:
            lines += wrap("also", decay.text)
        return "\n".join(lines)

    def warn(self, rescaled: LRResult | None) -> None:
        """Say that the schedule stays although the training has changed, and what the rescaled one would be."""
        would = "" if rescaled is None else f'Rescaled it would be {rescaled.plan}: on_resume="rescale" sets that. '
        text = f"{self.changes}: it is kept{self._of_its_end}. {would}For a new one add the epoch to `at_epochs`"
        warnings.warn(text, LRFinderWarning, stacklevel=4)

    @property
    def _of_its_end(self) -> str:
        """What comes of the end of a schedule that is kept, as the end of a sentence."""
        if self._end == self.attached.length or self.attached.length is None:
            return ""
        if self._end is None or self._end > self.attached.length:
            return f" and stays at its end from step {self.attached.length} on"
        return f", and the training ends at step {self._end}, before it"

    @property
    def _end(self) -> int | None:
        """The optimizer step at which the training ends as it is now, or None where that is open."""
        trainer, batch = self.trainer, loaded_batch(self.trainer)
        if trainer.world_size == self._ranks and (None in (batch, self.attached.batch) or batch == self.attached.batch):
            return all_steps(trainer)
        # With another batch an epoch has other steps than those that were made: only what is left can be counted.
        left = remaining_steps(trainer)
        return None if left is None else trainer.global_step + left

    @property
    def _ranks(self) -> int:
        plan = self.found.plan
        return plan.setting.ranks if plan is not None and plan.setting is not None else self.found.facts.ranks
