"""A search at one batch, rescaled to another, beside a search there: on the own grids of `rescale_grid`.

Each training of the grids is searched by `find_lr` with 100 steps, at batches of 8 to 1,024 and with three seeds; every
answer is rescaled to all other batches and scored by the whole trainings there. The constants of the rescaling are
those that the other kinds of data choose; those of the search are the package's, which trainings on the same data
chose among others. Answers are kept in benchmarks/results/rescale_search.json, and not asked again.
"""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from rescale_cells import FOLK, grid_cells, summary
from rescale_grid import CHOOSING, NOISE_SEEDS, OPTIMIZERS, WHOLE, training_of
from tasks import ce

from lrfinder import LRResult, find_lr
from lrfinder.advice.new_training import NewTraining
from lrfinder.advice.rescale import rescale_plan

__all__ = ["make", "score"]

STORED = Path(__file__).parent / "results" / "rescale_search.json"
BATCHES, SEEDS = (8, 32, 128, 512, 1024), NOISE_SEEDS[:3]
KINDS = {"momentum": "sgd", "adamw": "adam"}
RESCALED, UNMEASURED, ANEW = "rescaled", "rescaled, the noise not measured", "searched there"
METHODS = (RESCALED, UNMEASURED, *FOLK, ANEW)


def make():
    """Ask what was not asked; return every answer by task, optimizer, batch and seed."""
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    for name, (task, optimizer, batch, seed) in cases().items():
        if name in stored:
            continue
        training = training_of(task, optimizer, batch, WHOLE)
        model, loader, made = training.build(seed)
        found = find_lr(
            model,
            loader,
            loss_fn=ce,
            optimizer=made,
            total_steps=training.total_steps,
            schedule="linear",
            progress=False,
        )
        stored[name] = _short(found)
        STORED.write_text(json.dumps(stored) + "\n")
    return stored


def cases():
    """Every search by its name."""
    every = [(t, o, b, s) for t in CHOOSING for o in OPTIMIZERS for b in BATCHES for s in SEEDS]
    return {" ".join(map(str, case)): case for case in every}


def _short(found):
    """What a rescaling needs of a result, without the sweep and the trials; None without a rate."""
    if found.plan is None:
        return None
    data = json.loads(found.to_json())
    data["evidence"] |= {"curve": None, "smooth": None, "coarse": None, "edge_trials": [], "pilots": []}
    return data


def score(constants):
    """Rows of optimizer and method: regrets of answers, and the share of intervals that hold.

    Args:
        constants: Gives those that were chosen without a kind of data.
    """
    stored, scored = make(), {}
    oracles = {(c.family[0], c.kind, c.batch): c.oracle for c in grid_cells() if c.samples == WHOLE}
    for name, (task, optimizer, batch, _) in cases().items():
        if stored[name] is None:
            continue
        found = LRResult.parse(json.dumps(stored[name]))
        for other in BATCHES:
            oracle = oracles[task, KINDS[optimizer], other]
            for method, (lr, interval) in answers(found, batch, other, constants(task)).items():
                held = None if interval is None else interval[0] <= oracle.best_lr <= interval[1]
                scored.setdefault((KINDS[optimizer], method), []).append((oracle.regret(lr), held))
    rows = []
    for kind, method in [(kind, method) for kind in KINDS.values() for method in METHODS]:
        some = scored[kind, method]
        regrets, held = zip(*some, strict=True)
        row = {"kind": kind, "method": method, "answers": len(some), "regret": summary(regrets)}
        row |= {"mean": round(fmean(regrets), 5), "held": None if None in held else round(fmean(held), 4)}
        rows.append(row)
    return rows


def answers(found, batch, other, calibration):
    """Rates for another batch, each with its interval where it has one, by method."""
    if other == batch:
        return {ANEW: (found.lr, found.interval)}
    plan = rescale_plan(found.evidence, found.plan, NewTraining(batch_size=other), calibration)
    blind = replace(found.evidence, gradient_noise=None)
    unseen = rescale_plan(blind, found.plan, NewTraining(batch_size=other), calibration)
    made = {RESCALED: (plan.lr, plan.interval), UNMEASURED: (unseen.lr, unseen.interval)}
    return made | {rule: (found.lr * (other / batch) ** power, None) for rule, power in FOLK.items()}
