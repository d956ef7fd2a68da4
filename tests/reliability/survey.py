"""Every fault at every call: the table of docs/reliability.md. Run as a script, it tries them all and writes it."""

import sys
from collections import Counter
from itertools import cycle
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [path for path in (str(TESTS), str(TESTS / "reliability")) if path not in sys.path]

import torch  # noqa: E402
from faults import (  # noqa: E402
    ERRORS,
    calls_of,
    outcome,
    outcome_at_line,
    outcome_of_a_dead_worker,
    outcome_of_a_second,
    passages,
    passages_while_leaving,
)
from sites import SITES  # noqa: E402

PAGE = TESTS.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- table: faults, made by `make reliability` -->", "<!-- end -->"
SURVIVED = {"restored", "trial lost", "reported", "not reached"}
HEADS = ("where", "what", "tries", "all as before", "a trial lost, the search went on", "reported", "else")


def attempts():
    """Every row of the table.

    Yields:
        Where, what, and the functions that make its tries.
    """
    names = ", ".join(error.__name__ for error in ERRORS)
    for site in SITES:
        rows = [(site, call, error) for call, error in zip(range(calls_of(site)), cycle(ERRORS), strict=False)]
        yield site, names, [lambda row=row: outcome(*row) for row in rows]
    yield "a worker of the loader", "killed", [lambda row=row: outcome_of_a_dead_worker(row) for row in range(0, 36, 4)]
    yield "any line of lrfinder", "Ctrl-C", [lambda row=row: outcome_at_line(*row) for row in passages()]
    second = passages_while_leaving()
    yield "any line on the way out", "a second Ctrl-C", [lambda row=row: outcome_of_a_second(*row) for row in second]


def row_of(where, what, tries):
    """One line of the table."""
    became = Counter(attempt() for attempt in tries)
    del became["not reached"]
    other = sum(number for name, number in became.items() if name not in SURVIVED)
    for name in sorted(set(became) - SURVIVED):
        print(f"{where}: {name}", file=sys.stderr)
    numbers = (became.total(), *(became[name] for name in ("restored", "trial lost", "reported")), other)
    return f"| {where} | {what} | {' | '.join(map(str, numbers))} |"


def main():
    """Try everything, and write the table into the page."""
    torch.set_num_threads(1)
    lines = [f"| {' | '.join(HEADS)} |", f"|---|---|{'--:|' * (len(HEADS) - 2)}"]
    for where, what, tries in attempts():
        lines.append(row_of(where, what, tries))
        print(lines[-1], flush=True)
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    PAGE.write_text("\n".join([f"{head}{BEGIN}\n", *lines, "", f"{END}{rest.split(END, 1)[1]}"]), encoding="utf-8")


if __name__ == "__main__":
    main()
