"""A schedule over another number of steps."""

from dataclasses import replace

from lrfinder.errors import InputError
from lrfinder.schedules import CATALOGUE, Constant, Schedule, Shape, Warmup, describe
from lrfinder.schedules.base import parameters_of

__all__ = ["respan"]


def respan(schedule: Schedule, steps: int, total_steps: int) -> Schedule:
    """Return a schedule of the same family over another number of steps.

    One that has its own `steps` keeps everything else, its warm-up the same part of the training; of another family
    the catalogue's member is made anew.

    Args:
        schedule: For a training of `steps` optimizer steps.
        steps: Of the training that it is for.
        total_steps: Of the other training.

    Returns:
        The schedule for `total_steps`.

    Raises:
        InputError: A function, or a schedule made of others, whose meaning for another length is not known.

    Example:
        >>> from lrfinder.schedules import Cosine
        >>> respan(Warmup(Cosine(900, floor=0.1), 100), 1000, 3000)
        Warmup(body=Cosine(steps=2700, floor=0.1), steps=300)
    """
    if steps == total_steps:
        return schedule
    if isinstance(schedule, Warmup):
        rise = round(schedule.steps * total_steps / steps)
        body = respan(schedule.body, steps - schedule.steps, total_steps - rise)
        return Warmup(body, rise) if rise else body
    if isinstance(schedule, Constant):
        return schedule
    own = getattr(schedule, "steps", None)
    if isinstance(schedule, Shape) and own and "steps" in parameters_of(type(schedule)):
        return replace(schedule, steps=max(1, round(own * total_steps / steps)))  # type: ignore[type-var]
    entry = next((one for one in CATALOGUE.values() if type(schedule) is one.family), None)
    if entry is None:
        raise InputError(
            f"`schedule` must be of a family of the catalogue to be rescaled to {total_steps:,} steps, got "
            f"{describe(schedule)}; plan anew, as in found.recommend(total_steps={total_steps}, schedule=...)"
        )
    return entry.build(total_steps)
