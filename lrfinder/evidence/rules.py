"""Rules: each reads one rate off a curve, or None where the curve does not hold it; `RULES` is their table."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsFloat, TypeAlias

from lrfinder.errors import InputError
from lrfinder.evidence.curve import Curve
from lrfinder.evidence.divergence import onset
from lrfinder.evidence.smoothing import SmoothCurve, smooth

__all__ = ["RULES", "UNDER_MINIMUM", "RuleFunction", "check_rule", "read_rules"]

RuleFunction: TypeAlias = Callable[[Curve], float | None]
"""Takes a curve and returns a rate of the reference group, or None for no answer."""

UNDER_MINIMUM, UNDER_DIVERGENCE = 10, 4
"""What the rates of the lowest loss and of the divergence are divided by."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and all that others have to know of it.

    Args:
        name: Its name in suggestions, options and files.
        read: Reads the rate.
        label: What reports and pictures call it.
        moves_with_speed: Whether the rate it reads is proportional to the ratio between neighbouring rates of a sweep.
        marker: Of its point in pictures, as in matplotlib.
        colour: Of its point in pictures.
        is_weighed: Whether it counts in the peak where trials have no answer.
    """

    name: str
    read: RuleFunction
    label: str
    moves_with_speed: bool
    marker: str
    colour: str
    is_weighed: bool = True

    def __call__(self, curve: Curve) -> float | None:
        """Read the rate off a curve."""
        return self.read(curve)


def steepest(curve: Curve) -> float | None:
    """The rate at which the smoothed loss falls fastest per unit of ln(lr).

    It moves with the sweep's speed, by arithmetic: on a quadratic of curvature h a sweep of ratio r is steepest at
    ln(r) / (2 h).
    """
    s = _descent(curve)
    if s is None:
        return None
    index = min(range(s.lowest + 1), key=s.slopes.__getitem__)
    return s.lrs[index]


def valley(curve: Curve) -> float | None:
    """The middle, in log LR, of the longest stretch over which the smoothed loss falls, its flat beginning left out.

    The stretch ends at the lowest loss before the next rise and begins where a twentieth of its fall is done. After
    fastai's rule of that name, which counts ranks and not the fall, and so begins in the flat part.
    """
    s = _descent(curve)
    if s is None:
        return None
    first, last = _longest_fall(s)
    begun = s.losses[first] - 0.05 * (s.losses[first] - s.losses[last])
    first = next(i for i in range(first, last + 1) if s.losses[i] <= begun)
    return float((s.lrs[first] * s.lrs[last]) ** 0.5)


def _longest_fall(s: SmoothCurve) -> tuple[int, int]:
    """First and last index of the contiguous falling stretch with the largest fall."""
    best, first = (0, 0), 0
    for i in range(1, len(s.losses)):
        if s.losses[i] >= s.losses[i - 1]:
            first = i
        elif s.losses[first] - s.losses[i] > s.losses[best[0]] - s.losses[best[1]]:
            best = (first, i)
    return best


def minimum(curve: Curve) -> float | None:
    """A tenth of the rate at which the smoothed loss is lowest; None where that tenth was not swept."""
    s = _descent(curve)
    if s is None:
        return None
    lr = s.lrs[s.lowest] / UNDER_MINIMUM
    return lr if lr >= curve.lrs[0] else None


def divergence(curve: Curve) -> float | None:
    """A quarter of the rate that began the divergence; None where nothing diverged or that quarter was not swept."""
    diverged_at = onset(curve)
    if diverged_at is None or diverged_at / UNDER_DIVERGENCE < curve.lrs[0]:
        return None
    return diverged_at / UNDER_DIVERGENCE


def _descent(curve: Curve) -> SmoothCurve | None:
    """The smooth curve where it falls beyond its noise, else None."""
    s = smooth(curve)
    return s if s is not None and s.lowest > 0 and s.trend == "falling" else None


_TABLE = (
    Rule("steepest", steepest, "steepest descent", moves_with_speed=True, marker="v", colour="#009E73"),
    Rule("valley", valley, "valley", moves_with_speed=True, marker="s", colour="#56B4E9"),
    Rule("minimum", minimum, f"minimum / {UNDER_MINIMUM}", moves_with_speed=True, marker="D", colour="#CC79A7"),
    Rule(
        "divergence",
        divergence,
        f"divergence / {UNDER_DIVERGENCE}",
        moves_with_speed=False,
        marker="^",
        colour="#E69F00",
    ),
)

RULES: dict[str, Rule] = {rule.name: rule for rule in _TABLE}
"""Every rule by name; a new one is a function of the curve and an entry of the table."""


def read_rules(curve: Curve, own_rule: RuleFunction | None = None) -> dict[str, float | None]:
    """Return what every rule reads off a curve, by its name; InputError where one of the user's own reads no rate."""
    rules: dict[str, RuleFunction] = {**RULES}
    if own_rule is not None:
        rules[_name_of(own_rule)] = own_rule
    return {name: _check_rate(name, rule(curve)) for name, rule in rules.items()}


def check_rule(rule: str | RuleFunction | None) -> str | None:
    """Return the name under which a rule's suggestion is found, None without a rule; InputError for an unknown one."""
    if rule is None:
        return None
    if callable(rule):
        return _name_of(rule)
    if not isinstance(rule, str) or rule not in RULES:
        raise InputError(f"`rule` must be one of {', '.join(RULES)}, a function of the curve, or None, got {rule!r}")
    return rule


def _name_of(rule: RuleFunction) -> str:
    """What a rule is called in the suggestions; one of the user's own hides none of the named ones."""
    name = str(getattr(rule, "__name__", None) or getattr(rule, "name", type(rule).__name__))
    named = RULES.get(name)
    return name if named is None or rule is named or rule is named.read else f"your {name}"


def _check_rate(name: str, lr: SupportsFloat | None) -> float | None:
    """What a rule answered, as a plain number."""
    if lr is None:
        return None
    if not isinstance(lr, SupportsFloat) or not 0 < float(lr) < math.inf:
        raise InputError(
            f"a rule must return a positive finite learning rate, or None for no answer, got {lr!r} from {name}"
        )
    return float(lr)
