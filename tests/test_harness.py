"""The harness of the accuracy benchmark on tasks of a few steps, with what the development extras install."""

import json
import math
import sys
from dataclasses import asdict, replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import torch
from builders import EDGE, evidence
from torch import nn

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

MODULES = ("accuracy", "answers", "deepobs_report", "end_to_end", "endings", "fit", "oracles", "page", "scoring")
accuracy, answers, deepobs_report, end_to_end, endings, fit, oracles, page, scoring = map(pytest.importorskip, MODULES)
base, suite, tables, tasks, tuning = map(pytest.importorskip, ("suite.base", "suite", "tables", "tasks", "tuning"))
best_rates, nadamw, whole_trainings = map(pytest.importorskip, ("best_rates", "nadamw", "whole_trainings"))


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
    made = base.of_source("a line", "tiny")
    task = replace(made("line", "linear", data, model, torch.optim.SGD, loss_fn, 8, 150, (1e-2, 1e1)), name="tiny")
    for module in (tasks, end_to_end, tables):
        monkeypatch.setattr(module, "TASKS", {"tiny": task})
    monkeypatch.setattr(fit, "TRAININGS", {"tiny": task})
    return task


@pytest.fixture
def clipped(tiny, monkeypatch):
    """A line through a parabola as a training of the suite that clips its gradient, with best rates of its own."""
    split = tiny.data()
    bent = replace(split, targets=split.targets + split.inputs[:, :1].square())
    fields = vars(tiny) | {"name": "clipped", "data": lambda: bent}
    training = base.Training(**fields | {"family": base.Family("a parabola", "linear"), "clip": 0.5})
    monkeypatch.setattr(end_to_end, "NEW", {"clipped": training})
    monkeypatch.setattr(endings, "NEW", {"clipped": training})
    monkeypatch.setattr(best_rates, "FOLDER", oracles.FOLDER / "best_rates")
    return training


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


def test_a_finder_is_asked_and_its_answers_kept_as_one_row(digits, monkeypatch, tmp_path):
    """A rule that has no answer has none, and neither has a finder that ends with an error, which is kept."""

    def stuck(task, seed):
        raise RuntimeError("no such loss")

    finders = {"fastai": lambda task, seed: ({"fastai slide": 0.12345678, "fastai steep": math.nan}, 99)}
    monkeypatch.setattr(accuracy, "FINDERS", finders | {"pytorch-ignite": stuck})

    rows = [accuracy.ask(digits, 100, finder) for finder in ("fastai", "pytorch-ignite")]
    accuracy.write_runs(rows, tmp_path / "suggestions.json")

    assert rows == accuracy.stored(tmp_path / "suggestions.json")
    assert [row["lrs"] for row in rows] == [{"fastai slide": 0.12346, "fastai steep": None}, {}]
    assert (rows[0]["steps"], rows[1]["error"]) == (99, "RuntimeError: no such loss")


BOWL = scoring.Oracle([(10.0**k, 0, 1.0 + k * k) for k in (-2, -1, 0, 1)], untrained=6.0)
NAMES = ("digits-logistic-sgd", "wine-mlp-nesterov", "spirals-mlp-sgd-long")


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Answers to three trainings whose best rate is 1: ours are 1, and ten times that on wine; another's are 10."""
    ours = [
        {"method": method, "constants": by, "task": name, "seed": seed, "lr": 10.0 if "wine" in name else 1.0}
        | {"interval": [0.5, 2.0 + k], "steps": 90, "seconds": 1.0}
        for method in ("find_lr", "tune_lr")
        for by in ("others", "all")
        for k, name in zip(count(), NAMES)
        for seed in (100, 101)
    ]
    theirs = [
        {"finder": "fastai", "task": name, "seed": seed, "lrs": {"fastai slide": 10.0}, "steps": 99, "seconds": 1.0}
        for name in NAMES
        for seed in (100, 101, 102)
    ]
    theirs[0] |= {"lrs": {}, "error": "no such loss"}
    mine, others = tmp_path / "answers.json", tmp_path / "suggestions.json"
    accuracy.write_runs(ours, mine)
    accuracy.write_runs(theirs, others)
    monkeypatch.setattr(answers, "known", lambda names=NAMES, measure="final": dict.fromkeys(names, BOWL))
    return answers.read(mine, others)


def test_all_methods_are_compared_on_the_same_runs(found):
    """A seed that only one method was asked with does not count; a finder that failed has no answer there."""
    rates = [(run.task, run.lr) for run in found.peers["fastai slide"]]

    assert len(rates) == len(found.ours["find_lr"]) == 6
    assert rates[:2] == [(NAMES[0], None), (NAMES[0], 10.0)]


def test_a_finder_gets_the_constant_of_the_other_families(found):
    """Answers that are ten times too high everywhere are right afterwards."""
    assert [run.lr for run in found.mended["fastai slide"] if run.lr] == pytest.approx([1.0] * 5, rel=0.3)


def cells_of(text, first):
    """The cells of the row that begins so."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {first}")]
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_the_tables_show_both_losses_and_where_ours_loses(found):
    """The main table has the shares by the last and the least loss, the families the one that is behind."""
    best, families = tables.main_table(found), tables.family_table(found, least_shown=-1)

    assert cells_of(best, "**`find_lr`**")[1:3] == ["67 %", "67 %"]
    assert cells_of(best, "**`find_lr`**")[10] == "67 %"
    assert cells_of(best, "fastai slide")[2:4] == ["0 %", "83 %"]
    assert cells_of(best, "fastai slide")[-1].startswith("+")
    assert cells_of(families, "wine, perceptron (1)")[1:] == ["100 %", "100 %", "100 % (fastai slide)", ""]
    assert "`find_lr` is at least as good as the best other finder on 3 of 3 families" in families


def test_the_page_and_the_short_table_are_made_of_the_stored_answers(found):
    """Every section is there, and the README's table has ours and the rule of the only other package."""
    page_of_all, short = tables.page(found), tables.short(found)

    sections = [line for line in page_of_all.splitlines() if line.startswith("###")]
    assert len(sections) == 5
    assert "3 trainings of 3 families, 2 seeds" in sections[0]
    assert cells_of(page_of_all, "5,000 steps or more (1)")[1:3] == ["100 %", "100 %"]
    assert cells_of(short, "`find_lr`")[2] == "**67 %**"
    assert cells_of(short, "fastai slide")[2] == "0 %"


def test_deepobs_is_said_to_be_missing_where_nothing_was_measured(tmp_path):
    """The page is made without it."""
    assert deepobs_report.report(tmp_path / "deepobs.json").startswith("Not measured: ")


def test_deepobs_is_tabled_beside_the_customary_rates(monkeypatch, tmp_path):
    """By the last and the least loss, over the cases that were asked."""
    monkeypatch.setattr(deepobs_report, "on_disk", lambda file: None)
    monkeypatch.setattr(deepobs_report.deepobs, "oracle", lambda *case: BOWL)
    case = {"problem": "quadratic_deep", "optimizer": "Adam", "seed": 100, "status": "ok"}
    rows = [
        case | {"method": "find_lr", "budget": None, "lr": 1.0},
        case | {"method": "tune_lr", "budget": 600, "lr": 10},
    ]
    (tmp_path / "deepobs.json").write_text(json.dumps({"answers": rows}))

    text = deepobs_report.report(tmp_path / "deepobs.json")

    assert cells_of(text, "`find_lr`")[1:] == ["100 %", "0 %", "100 %", "0 %"]
    assert cells_of(text, "`tune_lr`, 600 steps")[1] == "0 %"
    assert "is above 20 % in 1 of 1 cases. quadratic_deep, Adam (best rate 1): `find_lr` 0 %, `tune_lr`, 600" in text


def test_the_search_is_charged_to_the_training(tiny):
    """Ours trains the steps that `find_lr` left; the others train all of them."""
    oracles.build(tiny, "primary", seeds=(0,))

    ours = end_to_end.run("tiny", "lrfinder", 200)
    others = [end_to_end.run("tiny", method, 200) for method in ("oracle LR, for free", "AdamW 1e-3")]

    assert 0 < ours["charged"] <= 100
    assert [row["charged"] for row in others] == [0, 0]
    assert max(row["loss"] for row in (ours, *others)) < oracles.read(tiny, "primary")["untrained"]


@pytest.mark.parametrize("method", ["AdamW 1e-3 cosine", "AlgoPerf's NAdamW", "SGD 0.1 momentum cosine"])
def test_a_fixed_setting_trains_all_steps(tiny, method):
    """It costs no search, ends below the untrained loss, and gives the same loss again."""
    first, second = (end_to_end.run("tiny", method, 200) for _ in range(2))

    assert first["charged"] == 0
    assert first["loss"] == second["loss"] < tiny.validation_loss(tiny.build(200)[0])


def test_a_setting_of_sgd_is_for_tasks_with_sgd_alone():
    """With momentum or without; every other method is for all tasks."""
    names = ("digits-logistic-sgd", "mnist-cnn-momentum", "wine-mlp-nesterov", "mnist-mlp-adamw", "digits-mlp-adagrad")
    asked = [end_to_end.is_trained_with(tasks.TASKS[name], "SGD 0.1 momentum cosine") for name in names]

    assert asked == [True, True, True, False, False]
    assert end_to_end.is_trained_with(tasks.TASKS["mnist-mlp-adamw"], "AdamW 1e-3 cosine")


def test_a_training_of_the_suite_is_trained_as_its_best_rates_were(clipped):
    """With its clipping: the oracle's rate ends at the very loss that best_rates.py finds for this rate and seed."""
    best_rates.build(clipped, "quarter", "primary")

    ended = end_to_end.run("clipped", "oracle LR, for free", 200)

    shape = oracles.SCHEDULES["primary"](clipped.total_steps)
    wanted = best_rates.train(clipped, shape, ended["lr"], 200)[0]
    assert ended["loss"] == pytest.approx(wanted, rel=1e-5)
    assert ended["loss"] != pytest.approx(best_rates.train(replace(clipped, clip=None), shape, ended["lr"], 200)[0])


def test_a_training_without_best_rates_says_which_target_makes_them(clipped):
    """The oracle's rate cannot be asked for where there is no oracle."""
    with pytest.raises(ValueError, match="got none; `make bench-best-rates` makes it"):
        end_to_end.run("clipped", "oracle LR, for free", 200)


def test_trainings_that_cannot_be_run_are_left_out_with_a_sentence(clipped, monkeypatch, capsys):
    """A task and a training are found by name; one whose data are missing is not, and its reason is printed."""
    gone = replace(clipped, name="gone", absent=lambda: "there is no file")
    monkeypatch.setattr(end_to_end, "NEW", {"clipped": clipped, "gone": gone})
    monkeypatch.setattr(end_to_end, "chosen", lambda names: [end_to_end.TASKS[name] for name in names])

    found = end_to_end.runnable(["gone", "clipped", "tiny"])

    assert [task.name for task in found] == ["tiny", "clipped"]
    assert "gone is left out: there is no file" in capsys.readouterr().out


def test_nadamw_without_a_memory_of_gradients_is_adamw():
    """With b1 = 0 there is nothing to look ahead with."""
    ends = []
    for optimizer_class in (nadamw.NAdamW, torch.optim.AdamW):
        weights = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        optimizer = optimizer_class([weights], lr=0.1, betas=(0.0, 0.99), weight_decay=0.5)
        for step in range(5):
            weights.grad = torch.tensor([1.0, -3.0, 0.1]) * (step + 1)
            optimizer.step()
        ends.append(weights.detach())

    assert torch.allclose(*ends)


def test_nadamw_steps_further_at_first_than_adamw():
    """Its first step is 1 + b1 rates long: b1 m + (1 - b1) g over 1 - b1, with m = (1 - b1) g."""
    weights = nn.Parameter(torch.zeros(2))
    weights.grad = torch.tensor([2.0, -5.0])

    nadamw.NAdamW([weights], lr=0.1, betas=(0.8, 0.99)).step()

    assert weights.tolist() == pytest.approx([-0.18, 0.18])


def test_what_tuning_answers_is_stored_with_its_cost_and_tabled(tiny):
    """Every budget has its row, and the default its row of the task."""
    oracles.build(tiny, "primary")
    rows = [tuning.ask(tiny, seed, budget) for seed in (100, 101) for budget in ("default", 75)]

    text = tuning.page({"runs": rows})

    assert [row["steps"] <= 75 for row in rows] == [True] * 4
    assert "| 75 steps |" in text
    assert "| tiny |" in text


def test_what_trainings_ended_with_is_stored_and_tabled(tiny, tmp_path):
    """The oracle's rate has its shares, its column in the table of tasks, and the lead of ours over it."""
    oracles.build(tiny, "primary")
    path = tmp_path / "results" / "endings.json"
    rows = [end_to_end.run("tiny", method, 200) for method in ("oracle LR, for free", "lrfinder")]
    end_to_end.store([*rows, {**rows[1], "method": "lrfinder tune_lr", "loss": 2 * rows[1]["loss"]}], path)

    table = endings.endings(json.loads(path.read_text()))

    cells = {line.split(" | ")[0]: [cell.strip(" |") for cell in line.split(" | ")] for line in table.splitlines()[:6]}
    by_task = endings.endings(json.loads(path.read_text()), task_by_task=True)
    assert {row["method"] for row in end_to_end.stored(path)} == {"lrfinder", "lrfinder tune_lr", "oracle LR, for free"}
    assert cells["| lrfinder tune_lr"][8:] == ["", "2.00", "", ""]
    assert (cells["| lrfinder"][9], cells["| lrfinder"][8] in ("1.00", "2.00")) == ("", True)
    assert all(" to " in cell for cell in cells["| oracle LR, for free"][-2:])
    assert ["| oracle LR, for free |" in by_task, "| tiny |" in by_task] == [True, True]
    assert "gave no answer" in table
    assert "Not run yet: AdamW 1e-3, " in table


def test_a_method_of_some_tasks_is_compared_on_these_alone(tiny, monkeypatch):
    """It is not in the table of all tasks; in its own sentence ours are counted on its tasks only."""
    oracles.build(tiny, "primary")
    record, names = oracles.read(tiny, "primary"), ("tiny", "other")
    oracle = {name: scoring.Oracle(record["runs"], record["untrained"]) for name in names}
    monkeypatch.setattr(endings, "oracles", lambda schedule: oracle)
    row = {"seed": 200, "charged": 0, "loss": 2 * oracle["tiny"].best, "answered": True}
    rows = [row | {"method": method, "task": task} for method in ("lrfinder", "DoG") for task in names]
    rows[1]["loss"] = record["untrained"]

    table = endings.endings({"runs": [*rows, rows[0] | {"method": "SGD 0.1 momentum cosine"}], "machine": {}})

    before, _, alone = table.partition("On the 1 tasks that have it, SGD 0.1 momentum cosine ends within 20 % in")
    assert "| DoG | 2 |" in before
    assert "SGD" not in before
    assert alone.startswith(" 100 % of its runs, and `find_lr` 100 %, which is +0 (+0 to +0) points.")
    assert "| lrfinder | 2 | 50 % | 50 % |" in before


def test_endings_of_the_suite_are_tabled_with_its_best_rates(clipped):
    """A training whose best rates are made has its row, and one that nothing is known of is left out."""
    best_rates.build(clipped, "quarter", "primary")
    row = {"seed": 200, "charged": 0, "loss": 0.0, "method": "DoG"}

    runs = {"runs": [row | {"task": "clipped"}, row | {"task": "unknown"}], "machine": {}}
    table = endings.endings(runs, task_by_task=True)

    assert "| clipped |" in table
    assert "unknown" not in table


def test_text_tasks_are_skipped_with_a_sentence_on_another_python(monkeypatch, capsys):
    """Where the text is not the one of the oracles, the others are left, and asking for a text task says so."""
    monkeypatch.setattr(tasks, "TEXT_SHA256", "that of another text")

    left = tasks.chosen(["digits-logistic-sgd", "text-mlp-sgd"])

    assert [task.name for task in left] == ["digits-logistic-sgd"]
    assert "the text tasks are skipped" in capsys.readouterr().out


def test_a_generated_part_replaces_only_what_is_between_its_markers(tmp_path):
    """What stands before and after stays, the ends of other parts too; a page without markers is refused."""
    begin, end = page.MARKERS["short"]
    path = tmp_path / "page.md"
    path.write_text(f"before\n{begin}\nold\n{end}\nafter {end}\n")

    page.write("new", path, "short")

    assert path.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter {end}\n"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="must hold"):
        page.write("new", path, "short")


def test_the_fit_calls_the_formula_of_the_package(tiny):
    """A stored row gives the very peak that `find_lr` suggested, and another one under other constants."""
    row = json.loads(json.dumps(fit.row_of(tiny, 0, "find")))
    case = fit.Case(row, fit.read_record(fit.Evidence, row["evidence"]), BOWL)
    model, loader, optimizer = tiny.build(0)
    shape = oracles.SCHEDULES["primary"](tiny.total_steps)
    options = {"total_steps": tiny.total_steps, "schedule": shape, "progress": False}

    found = fit.find_lr(model, loader, loss_fn=tiny.loss_fn, optimizer=optimizer, **options)

    assert case.run().lr == pytest.approx(found.lr)
    assert case.run().interval == pytest.approx(found.interval)
    assert case.run(replace(fit.FITTED, edge_to_peak_sgd=0.64)).lr > 1.2 * found.lr


def test_a_family_is_answered_with_the_constants_that_are_best_on_the_others(monkeypatch):
    """Of two values each family gets the one that the other one likes."""
    best = {"digits-logistic-sgd": 1e-3, "wine-mlp-nesterov": 1e-2}
    monkeypatch.setattr(fit, "TRAININGS", {name: suite.TRAININGS[name] for name in best})
    measured = fit.read_record(fit.Evidence, asdict(evidence(edge_trials=[EDGE])))
    cases = [
        fit.Case(
            {"task": name, "seed": 0, "seconds": 1.0}, measured, scoring.Oracle([(lr, 0, 1.0), (1.0, 0, 9.0)], 9.0)
        )
        for name, lr in best.items()
    ]
    starts = dict.fromkeys((case.training.family for case in cases), fit.FITTED)

    chosen = fit.left_out(fit.Costs(cases), {"edge_to_peak": (0.01, 0.9)}, starts)

    first, second = fit.answers(cases, chosen)
    assert first.lr > second.lr


def test_whole_trainings_are_tabled_by_seeds_that_all_ways_have():
    """What overlaps the least is bold too, what exploded never, and a seed that one way lacks does not count."""
    ends = {"find_lr": (1.0, 2.0), "SGD 0.1, cosine": (1.9, 3.0), "Lightning's finder, cosine": (2.5, None)}
    row = {"task": whole_trainings.IMAGES, "lr": 0.1, "accuracy": 0.5, "charged": 0}
    rows = [
        row | {"way": way, "seed": i, "loss": loss} for way, losses in ends.items() for i, loss in enumerate(losses)
    ]

    kept = whole_trainings.whole([*rows, rows[0] | {"seed": 7, "loss": 0.0}])
    losses = [[cell.strip() for cell in line.split(" | ")][4] for line in whole_trainings.page(kept).splitlines()[2:]]

    assert losses == ["**1.500**", "**2.450**", "inf"]


def test_whole_trainings_without_their_data_are_left_out_with_a_sentence(monkeypatch, tmp_path, capsys):
    """It says which file is missing, and the variable that names the folder."""
    monkeypatch.setenv("LRFINDER_DATA", str(tmp_path))

    assert whole_trainings.missing(range(1)) == []
    assert "tinyshakespeare.txt; name the data's folder in LRFINDER_DATA" in capsys.readouterr().out
