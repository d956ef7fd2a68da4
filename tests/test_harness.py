"""The harness of the accuracy benchmark on tasks of a few steps, with what the development extras install."""

import json
import math
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import EDGE, evidence
from torch import nn

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

MODULES = ("accuracy", "end_to_end", "endings", "fit", "oracles", "scoring", "tables", "tasks", "tuning")
accuracy, end_to_end, endings, fit, oracles, scoring, tables, tasks, tuning = map(pytest.importorskip, MODULES)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Oracles are kept in a folder of the test."""
    monkeypatch.setattr(oracles, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def digits(folder):
    """Logistic regression on scikit-learn's digits, cut down to 30 steps and two rates."""
    return replace(tasks.TASKS["digits-logistic-sgd"], total_steps=30, lrs=(0.1, 10**-0.75))


@pytest.fixture
def tiny(folder, monkeypatch):
    """A line through noiseless data, 150 steps; the suite holds nothing else."""

    def data():
        inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
        targets = inputs.sum(1, keepdim=True)
        return tasks.Split(inputs[32:], targets[32:], inputs[:32], targets[:32])

    model, loss_fn = partial(nn.Linear, 4, 1), nn.functional.mse_loss
    task = tasks.Task("tiny", data, model, torch.optim.SGD, loss_fn, 8, 150, (1e-2, 1e1))
    monkeypatch.setattr(tasks, "TASKS", {"tiny": task})
    monkeypatch.setattr(end_to_end, "TASKS", {"tiny": task})
    monkeypatch.setattr(tables, "TASKS", {"tiny": task})
    return task


def test_an_oracle_is_made_stored_and_read_back(digits, folder):
    """One file holds the loss of both rates, and where it was before training."""
    made = oracles.build(digits, "primary", seeds=(0,))

    assert [path.name for path in folder.iterdir()] == ["digits-logistic-sgd.primary.json"]
    assert oracles.read(digits, "primary") == made
    assert [(lr, seed) for lr, seed, _ in made["runs"]] == [(0.1, 0), (0.1778, 0)]
    assert max(loss for *_, loss in made["runs"]) < made["untrained"]


def test_a_stored_run_is_not_repeated(digits, monkeypatch):
    """With one seed stored only the other one is trained, and with both none; the first keeps its losses."""
    first = oracles.build(digits, "primary", seeds=(0,))
    trained = []
    monkeypatch.setattr(oracles, "train", lambda task, schedule, lr, seed: trained.append((lr, seed)))

    oracles.build(digits, "primary", seeds=(0, 1))
    both = oracles.build(digits, "primary", seeds=(0, 1))

    assert trained == [(0.1, 1), (0.1778, 1)]
    assert [run for run in both["runs"] if run[1] == 0] == first["runs"]


def test_an_oracle_finds_the_best_rate(tiny):
    """It lies inside the grid; the highest rate explodes and counts as untrained."""
    made = oracles.build(tiny, "primary", seeds=(0,))

    oracle = scoring.Oracle(made["runs"], made["untrained"])
    assert 1e-2 < oracle.best_lr < 10
    assert oracle.losses[-1] == oracle.untrained


@pytest.mark.parametrize(("schedule", "seeds"), [("primary", set(range(9))), ("line", {0, 1, 2})])
def test_rates_that_may_be_the_best_are_trained_with_further_seeds(tiny, schedule, seeds):
    """Of the primary schedule, and those alone: a rate that explodes keeps the three that every one gets."""
    made = oracles.build(tiny, schedule)

    by_rate = {lr: {seed for at, seed, _ in made["runs"] if at == lr} for lr in oracles.grid(tiny)}
    assert by_rate[10.0] == {0, 1, 2}
    assert by_rate[min(made["runs"], key=lambda run: run[2] or math.inf)[0]] == seeds
    assert oracles.is_whole(tiny, made)
    made["runs"].remove(next(run for run in made["runs"] if run[1] == max(seeds)))
    assert not oracles.is_whole(tiny, made)


def test_a_stored_oracle_of_another_horizon_is_refused(digits):
    """Losses after 30 steps say nothing of those after 31."""
    oracles.build(digits, "primary", seeds=(0,))

    with pytest.raises(ValueError, match="total_steps=30"):
        oracles.read(replace(digits, total_steps=31), "primary")


def test_find_lr_is_asked_and_scored(digits):
    """One row for its answer and one for each rule; the answer has a regret and cost no more than it may."""
    record = oracles.build(digits, "primary", seeds=(0,))

    rows = accuracy.ask(digits, 100, "lrfinder", "primary")

    first, *rules = rows
    assert (first["method"], first["task"], first["seed"]) == ("lrfinder", "digits-logistic-sgd", 100)
    assert {"lrfinder steepest", "lrfinder divergence"} <= {row["method"] for row in rules}
    run = scoring.Run(first["task"], 100, first["lr"], first["interval"], first["steps"])
    scored = scoring.score([run], {run.task: scoring.Oracle(record["runs"], record["untrained"])})
    assert scored["steps"] <= 100
    assert scored["worst"] >= 0


def test_the_search_is_charged_to_the_training(tiny):
    """Ours trains the steps that `find_lr` left; the others train all of them."""
    oracles.build(tiny, "primary", seeds=(0,))

    ours = end_to_end.run("tiny", "lrfinder", 200)
    others = [end_to_end.run("tiny", method, 200) for method in ("oracle LR, for free", "AdamW 1e-3")]

    assert 0 < ours["charged"] <= 100
    assert [row["charged"] for row in others] == [0, 0]
    assert max(row["loss"] for row in (ours, *others)) < oracles.read(tiny, "primary")["untrained"]


def test_what_tuning_answers_is_stored_with_its_cost_and_tabled(tiny):
    """Every budget has its row, and the default its row of the task."""
    oracles.build(tiny, "primary")
    rows = [tuning.ask(tiny, seed, budget) for seed in (100, 101) for budget in ("default", 75)]

    page = tuning.page({"runs": rows})

    assert [row["steps"] <= 75 for row in rows] == [True] * 4
    assert "| 75 steps |" in page
    assert "| tiny |" in page


def test_what_trainings_ended_with_is_stored_and_tabled(tiny, tmp_path):
    """The oracle's rate has its shares, its column in the table of tasks, and the lead of ours over it."""
    oracles.build(tiny, "primary")
    path = tmp_path / "results" / "endings.json"
    rows = [end_to_end.run("tiny", method, 200) for method in ("oracle LR, for free", "lrfinder")]
    end_to_end.store([*rows, {**rows[1], "method": "lrfinder tune_lr", "loss": 2 * rows[1]["loss"]}], path)

    table = endings.endings(json.loads(path.read_text()))

    cells = {line.split(" | ")[0]: [cell.strip(" |") for cell in line.split(" | ")] for line in table.splitlines()[:6]}
    assert {row["method"] for row in end_to_end.stored(path)} == {"lrfinder", "lrfinder tune_lr", "oracle LR, for free"}
    assert table.count("| oracle LR, for free |") == 4
    assert cells["| lrfinder tune_lr"][-2:] == ["", "2.00"]
    assert (cells["| lrfinder"][-1], cells["| lrfinder"][-2] in ("1.00", "2.00")) == ("", True)
    assert "| tiny |" in table
    assert "gave no answer" in table


def test_text_tasks_are_skipped_with_a_sentence_on_another_python(monkeypatch, capsys):
    """Where the text is not the one of the oracles, the others are left, and asking for a text task says so."""
    monkeypatch.setattr(tasks, "TEXT_SHA256", "that of another text")

    left = tasks.chosen(["digits-logistic-sgd", "text-mlp-sgd"])

    assert [task.name for task in left] == ["digits-logistic-sgd"]
    assert "the text tasks are skipped" in capsys.readouterr().out


def test_a_generated_part_replaces_only_what_is_between_its_markers(tmp_path):
    """What stands before and after stays, the ends of other parts too; a page without markers is refused."""
    begin, end = tables.MARKERS["short"]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter {end}\n")

    tables.write("new", page, "short")

    assert page.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter {end}\n"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="must hold"):
        tables.write("new", page, "short")


def test_the_fit_calls_the_formula_of_the_package(tiny):
    """A stored row gives the very peak that `find_lr` suggested, and another one under other constants."""
    row = json.loads(json.dumps(fit.row_of(tiny, 0, "find")))
    evidence = fit.read_record(fit.Evidence, row["evidence"])
    model, loader, optimizer = tiny.build(0)
    shape = oracles.SCHEDULES["primary"](tiny.total_steps)
    options = {"total_steps": tiny.total_steps, "schedule": shape, "progress": False}

    found = fit.find_lr(model, loader, loss_fn=tiny.loss_fn, optimizer=optimizer, **options)

    assert 10 ** fit.peak(row, evidence, {}) == pytest.approx(found.lr)
    assert 10 ** fit.peak(row, evidence, {"edge_to_peak": 0.64}) > 1.2 * found.lr


def test_a_task_is_answered_with_the_constants_that_are_best_on_the_others():
    """Of two changes each task gets the one that the other task likes."""
    changes, costs = [{"edge_to_peak": 0.1}, {"edge_to_peak": 0.9}], {"a": np.array([0, 1]), "b": np.array([1, 0])}
    pair = evidence(edge_trials=[EDGE])
    rows = [{"task": task, "seed": 0, "steps": 1000, "evidence": asdict(pair)} for task in "ab"]

    first, second = fit.left_out(rows, changes, costs)

    assert first.lr > second.lr
