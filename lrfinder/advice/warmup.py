"""How long a warm-up: a table, read from the top until a row applies."""

from collections.abc import Callable

from lrfinder.advice.plan import Grade, Reason
from lrfinder.advice.table_input import TableInput

__all__ = ["warmup_for"]


def warmup_for(given: TableInput) -> tuple[int, Reason]:
    """Return the steps of the warm-up, from the first row that applies, and why."""
    steps, text, grade = next(answer(given) for applies, answer in _WARMUPS if applies(given))
    return steps, Reason(text, grade)


def _part(name: str, text: str) -> Callable[[TableInput], tuple[int, str, Grade]]:
    """The warm-up that is a constant part of the training."""

    def answer(given: TableInput) -> tuple[int, str, Grade]:
        part = getattr(given.calibration, name)
        return round(part * given.steps), text.format(percent=f"{100 * part:.0f} %"), "moderate"

    return answer


def _few(given: TableInput) -> tuple[int, str, Grade]:
    if given.kind != "adam":
        return 0, "A warm-up would take steps that are needed.", "weak"
    return min(5, given.steps // 5), "A few steps of warm-up let Adam's averages settle.", "weak"


def _settling(given: TableInput) -> tuple[int, str, Grade]:
    settled = round(2 / (1 - given.beta2))
    text = f"Adam's averages settle in about {settled:,} steps, 2 / (1 - beta2)"
    if given.request.open_ended:
        return settled, f"{text}.", "moderate"
    least, most = (part * given.steps for part in (given.calibration.least_adam_warmup, given.calibration.warmup))
    if settled > most:
        text += (
            f"; the warm-up takes {100 * given.calibration.warmup:.0f} % of the training, which served best in tests"
        )
    return round(min(max(settled, least), most)), f"{text}.", "moderate"


_WARMUPS: tuple[tuple[Callable[[TableInput], bool], Callable[[TableInput], tuple[int, str, Grade]]], ...] = (
    (lambda given: given.steps < given.calibration.shortest_shape, _few),
    (
        lambda given: given.request.finetune,
        _part("finetune_warmup", "Fine-tuning usually warms up over 6 to 10 % of the training; {percent} is enough."),
    ),
    (lambda given: given.kind == "muon", _part("muon_warmup", "Muon needs hardly any warm-up.")),
    (
        lambda given: given.is_near_divergence,
        _part(
            "long_warmup",
            "The loss is lowest close to where it diverges, so the warm-up is longer: {percent} of the training.",
        ),
    ),
    (lambda given: given.kind == "adam" and 0 < given.beta2 < 1, _settling),
    (
        lambda given: True,
        _part(
            "warmup", "{percent} of warm-up, inside the training, lets the peak be higher: 1.8 times, in the median."
        ),
    ),
)
