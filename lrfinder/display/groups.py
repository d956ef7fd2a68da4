"""Ratios between parameter groups in words and as a picture."""

from typing import TYPE_CHECKING

from lrfinder.advice.plan import Plan
from lrfinder.display.layout import one_line, plain, show_decades, wrap
from lrfinder.evidence.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_groups", "group_lrs_in_words", "groups_in_words"]


def groups_in_words(evidence: Evidence) -> list[str]:
    """Write what each set of groups came to by the factor of its rates, and which was chosen."""
    tuning = evidence.groups
    if tuning is None:
        return []
    head = f"of groups, in pilots of {tuning.steps} steps from the same start: loss by the factor of their rates"
    lines = ["", *wrap("ratios", head)]
    for i, one in enumerate(tuning.sets):
        tried = [f"{factor:.2g}: {'exploded' if loss is None else f'{loss:.4g}'}" for factor, loss in tuning.curve(i)]
        lines += wrap(f"  {one_line(one.name, 11)}", ", ".join(tried) or "not tried")
        if one.factor != 1:
            low, high = one.interval
            lines += wrap("", f"times {one.factor:.2g}, which {low:.2g} to {high:.2g} are not told apart from")
    if not tuning.is_changed:
        what = "what won did not win on other batches" if not tuning.is_confirmed else "no other won beyond noise"
        lines += wrap("  kept", f"the ratios of the optimizer: {what}")
    return lines


def group_lrs_in_words(evidence: Evidence, plan: Plan) -> list[str]:
    """Write the peak of every group, where they differ."""
    if len(set(evidence.ratios)) < 2 or not evidence.facts.groups:
        return []
    named = zip(evidence.facts.groups, evidence.ratios, strict=True)
    return wrap("  by group", ", ".join(f"{one_line(name, 24)} {plan.lr * ratio:.2e}" for name, ratio in named))


def draw_groups(evidence: Evidence, ax: "Axes") -> None:
    """Draw what the pilots came to that scaled the rates of some groups, a curve for each set, the chosen marked."""
    tuning = evidence.groups
    if tuning is None:
        return
    tried = [factor for i in range(len(tuning.sets)) for factor, _ in tuning.curve(i)]
    show_decades(ax, min(tried, default=1.0) / 1.3, max(tried, default=1.0) * 1.3)
    for i, one in enumerate(tuning.sets):
        points = {factor: loss for factor, loss in tuning.curve(i) if loss is not None}
        label = f"{plain(one.name)}: times {one.factor:.2g}"
        (line,) = ax.plot([*points], [*points.values()], "o-", ms=5, lw=1.2, label=label)
        ax.axvspan(*one.interval, color=line.get_color(), alpha=0.08, lw=0)
        if one.factor in points:
            ax.plot([one.factor], [points[one.factor]], "o", ms=10, mfc="none", mew=1.5, color=line.get_color())
    ax.set(
        xscale="log",
        xlabel="factor of the groups' rates on top of the joint peak",
        ylabel="loss on batches not trained on",
    )
    ax.set_title(
        "Ratios between groups; the ring was chosen, the shade is not told apart from it", fontsize="medium", loc="left"
    )
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
