"""`lrfinder find`, `tune` and `show`: what goes where, which options count, and the sentences on mistakes."""

import io
import json
import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from lrfinder import LRResult
from lrfinder.cli.main import main

FACTORIES = """
    import argparse
    import random
    from pathlib import Path
    import numpy as np
    import torch
    from torch import nn

    noise = torch.randn(512, 1)

    def batches():
        x = torch.randn(512, 4)
        return list(zip(x.split(64), (x @ torch.ones(4, 1)).split(64)))

    def setup():
        torch.manual_seed(0)
        return dict(model=nn.Linear(4, 1), loader=batches(), total_steps=500)

    def grouped():
        made = setup()
        weight, bias = made["model"].parameters()
        groups = [{"params": [weight], "name": "weight"}, {"params": [bias], "name": "bias", "lr": 1e-2}]
        return {**made, "optimizer": torch.optim.Adam(groups, lr=1e-2)}

    def unseeded():
        jitter = random.random() + np.random.rand()
        pairs = [(x, y + jitter * part) for (x, y), part in zip(batches(), noise.split(64))]
        return dict(model=nn.Linear(4, 1), loader=pairs)

    class Loud(nn.Linear):
        def forward(self, x):
            print("in the model")
            return super().forward(x)

    def loud():
        print("in the factory")
        return {**setup(), "model": Loud(4, 1)}

    def out_of_range():
        return {**setup(), "lr_max": 1e-6}

    def strict():
        return {**out_of_range(), "strict": True}

    class Setups:
        @staticmethod
        def setup():
            return setup()

    def raises():
        raise ValueError("no data\\nat all")

    def quits():
        raise SystemExit(2)

    class Faulty(nn.Linear):
        def forward(self, x):
            raise ZeroDivisionError("in forward")

    def faulty():
        return {**setup(), "model": Faulty(4, 1)}

    class Interrupted(nn.Linear):
        def forward(self, x):
            raise KeyboardInterrupt

    def interrupted():
        return {**setup(), "model": Interrupted(4, 1)}

    class Late(nn.Linear):
        calls = 0

        def forward(self, x):
            Late.calls += 1
            if Late.calls > 250:
                raise KeyboardInterrupt
            return super().forward(x)

    def late():
        return {**setup(), "model": Late(4, 1)}

    def with_steps():
        return {**setup(), "steps": 100}

    def stopping():
        return {**unseeded(), "early_stopping": True}

    def mismatched():
        return {**setup(), "loader": [(torch.zeros(3, 5), torch.zeros(3, 1))]}

    def nothing():
        pass

    def in_the_way():
        Path("lr.json").mkdir()
        return setup()

    def half():
        return {"model": nn.Linear(4, 1)}

    def unknown():
        return {**setup(), "learning_rate": 3}

    def parsed():
        options = argparse.ArgumentParser()
        options.add_argument("--size", type=int, default=4)
        print("size", options.parse_args().size)
        return setup()

    number = 3
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a module of factories and with one that cannot be imported.

    Yields:
        Its path.
    """
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "train.py").write_text(dedent(FACTORIES))
    (tmp_path / "broken.py").write_text("import surely_not_installed\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in ("package.train", "package", "broken"):
        sys.modules.pop(name, None)


@pytest.fixture
def run(project, capsys):
    """Run the command line in the project, as if anew; gives the exit code and what went to stdout and stderr."""

    def run(*arguments):
        sys.modules.pop("package.train", None)
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def find(run, factory="setup", *arguments):
    """`lrfinder find` with a factory of the project."""
    return run("find", f"package.train:{factory}", *arguments)


def found(run, factory, *arguments):
    """The result that `lrfinder find` prints as JSON."""
    return json.loads(find(run, factory, "--json", "-", *arguments)[1])


def test_a_process_prints_the_report_and_nothing_else(project):
    """Started from a shell, it ends with 0, a report on stdout and silence on stderr, where no terminal is."""
    command = [sys.executable, "-m", "lrfinder", "find", "package.train:setup", "--plot", "lr.png", "--json", "lr.json"]

    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)

    assert (ran.returncode, ran.stderr) == (0, "wrote lr.json\nwrote lr.png\n")
    found = LRResult.from_json(project / "lr.json")
    assert ran.stdout.startswith(str(found).split("use it")[0])
    assert found.facts.command.startswith("lrfinder find package.train:setup")
    assert re.fullmatch(r"lrfinder \S+, torch \S+, Python \S+.*", found.facts.versions)
    assert all(line in ran.stdout for line in found.plan.code.splitlines())
    assert "  more          lrfinder show lr.json --explain has every rule" in ran.stdout
    assert (project / "lr.png").stat().st_size > 10_000


def test_json_to_stdout_replaces_the_report(run):
    """A rate found is exit code 0; with `--json -` stdout is one JSON document, without it the report."""
    (code, report, err), (json_code, document, json_err) = find(run), find(run, "setup", "--json", "-")

    assert (code, err, json_code, json_err) == (0, "", 0, "")
    assert report.startswith("peak ")
    assert json.loads(document)["plan"]["lr"] > 0


def test_what_the_users_code_prints_is_kept_out_of_stdout(run):
    """A factory or a model that prints does not spoil the JSON."""
    _, out, err = find(run, "loud", "--json", "-")

    assert json.loads(out)["schema"] == 2
    assert err.splitlines()[:2] == ["in the factory", "in the model"]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_plot_has_the_format_of_its_ending(run, project, ending):
    """A picture is written, and stderr names the file."""
    _, _, err = find(run, "setup", "--plot", f"lr.{ending}")

    assert err == f"wrote lr.{ending}\n"
    assert (project / f"lr.{ending}").read_bytes()[:5].lstrip(b"\x89")[:3] in (b"PNG", b"<?x", b"%PD")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--steps", 40, "--lr-min", 1e-5, "--lr-max", 1, "--seed", 2**63 - 1), (40, 1e-5, 500, "linear")),
        (("--total-steps", "9e2", "--seed", 2**32), (24, 1e-7, 900, "linear")),
        (("--rule", "valley", "--schedule", "cosine", "--steps", 40, "--seed", 0), (39, 1e-7, 500, "cosine")),
    ],
    ids=["range", "horizon", "rule and schedule"],
)
def test_options_override_the_factory(run, arguments, expected):
    """What is given counts, seeds beyond NumPy's included; the rest is the factory's, an attribute, or the default."""
    result = found(run, "Setups.setup", *arguments)

    curve, coarse, plan = result["evidence"]["curve"], result["evidence"]["coarse"], result["plan"]
    lrs = sorted(curve["lrs"] + (coarse["lrs"] if coarse else []))
    assert (len(lrs), lrs[0], plan["total_steps"], plan["schedule"]["body"]["family"]) == expected
    assert "--rule" not in arguments or plan["lr"] == result["evidence"]["suggestions"]["valley"]


@pytest.mark.parametrize(("own", "size"), [((), 4), (("--", "--size", "8"), 8)])
def test_a_factory_that_parses_arguments_sees_its_own(run, own, size):
    """They follow two dashes; those of the command are not among them, and `sys.argv` is as before."""
    before = list(sys.argv)

    code, _, err = find(run, "parsed", "--steps", 60, *own)

    assert (code, f"size {size}" in err) == (0, True)
    assert sys.argv == before


def test_a_seed_makes_two_runs_equal(run):
    """Noise of the import, of the factory and of the sweep is the same under one seed, and differs under another."""
    first, again, other = (find(run, "unseeded", "--json", "-", "--seed", seed)[1] for seed in (7, 7, 8))

    assert first == again
    assert first != other


@pytest.mark.parametrize("factory", ["out_of_range", "strict"])
def test_no_suggestion_is_exit_code_three(run, factory):
    """A measurement without a reliable rate is no mistake, not even where the factory asks to be strict."""
    code, out, err = find(run, factory)

    assert code == 3
    assert "widen `lr_min` and `lr_max`" in " ".join((out + err).split())


SETUP = ("find", "package.train:setup")
MISTAKES = [
    (("find", "package.train"), "`factory` must be pkg.module:function, got 'package.train', as in train:setup"),
    (("find", ":setup"), "`factory` must be pkg.module:function, got ':setup'"),
    (("find", "package/train.py:setup"), "got the path 'package/train.py:setup'; say package.train:setup"),
    (("find", "./train.py:setup"), "got the path './train.py:setup'; say train:setup"),
    (("find", "train.py:setup"), "got the path 'train.py:setup'; say train:setup"),
    (("find", "absent:setup"), "name a module that can be imported here, got absent, which was not found in /"),
    (("find", "package.absent:setup"), "can be imported here, got package.absent, which was not found in /"),
    (("find", "broken:setup"), "`broken:setup` raised ModuleNotFoundError: No module named 'surely_not_installed' (/"),
    (("find", "package.train:absent"), "must name a function of package.train, got 'absent', which is not there"),
    (("find", "package.train:number"), "`factory` must be a function, got package.train:number, which is int"),
    (
        ("find", "package.train:nothing"),
        "must return a dict of find_lr's keyword arguments with `model` and `loader`, got NoneType",
    ),
    (("find", "package.train:half"), "with `model` and `loader`, got dict['model']"),
    (("find", "package.train:unknown"), "got an unexpected keyword argument 'learning_rate'"),
    (("find", "package.train:raises"), "`package.train:raises` raised ValueError: no data at all (/"),
    (
        ("find", "package.train:quits"),
        "`package.train:quits` must return and not exit, got SystemExit(2); argume",
    ),
    (
        ("find", "package.train:mismatched"),
        "mat1 and mat2 shapes cannot be multiplied (3x5 and 4x1) lrfinder: raised by the model",
    ),
    ((*SETUP, "--steps", 3), "`steps` must be a whole number of at least 10, got 3"),
    ((*SETUP, "--rule", "steep"), "`rule` must be one of steepest, valley"),
    ((*SETUP, "--schedule", "zigzag"), '`schedule` must be "recommended", one of'),
    ((*SETUP, "--seed", -1), "`--seed` must be a whole number from 0 to 9223372036854775807, got -1"),
    ((*SETUP, "--seed", 2**63), "`--seed` must be a whole number from 0 to 9223372036854775807, got 92233720368547758"),
    ((*SETUP, "--lr-min", 20), "`lr_max` must exceed `lr_min`=20, got 10"),
    ((*SETUP, "--steps", "few"), "argument --steps: invalid int value: 'few'; `lrfinder"),
    ((*SETUP, "--total-steps", 12.5), "`total_steps` must be a positive whole number of optimizer steps, got 12.5"),
    ((*SETUP, "--fast"), "unrecognized arguments: --fast; `lrfinder --help` shows"),
    (("seek",), "invalid choice: 'seek'"),
    (("find",), "the following arguments are required: factory; `lrfinder find --help` shows"),
    (
        ("show", "absent.json"),
        "`result` must be a file that --json or to_json wrote, got absent.json, which is not there",
    ),
    (("show", "package"), "`result` must be a file that --json or to_json wrote, got package, which is not there"),
    (("show", "broken.py"), "`path` must be a result that to_json wrote, got broken.py"),
]


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES, ids=[" ".join(map(str, words)) for words, _ in MISTAKES])
def test_a_mistake_is_one_line_on_stderr(run, arguments, sentence):
    """Exit code 1, nothing on stdout, and the library's own sentence without a traceback."""
    code, out, err = run(*arguments)

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert sentence in err


@pytest.mark.parametrize(("factory", "line"), [("raises", "ValueError"), ("faulty", "ZeroDivisionError")])
def test_an_exception_is_shown_with_its_file_and_line(run, project, factory, line):
    """They are those of the user's own code, in the factory as in the model."""
    source = (project / "package" / "train.py").read_text().splitlines()
    number = next(i for i, text in enumerate(source, 1) if f"raise {line}" in text)

    _, _, err = find(run, factory)

    assert f"({project / 'package' / 'train.py'}:{number})" in err


@pytest.mark.parametrize(
    ("option", "path", "reason"),
    [
        ("--plot", "absent/lr.png", "`--plot` must be in a folder that exists, got absent/lr.png; make absent first"),
        ("--json", "absent/lr.json", "`--json` must be in a folder that exists, got absent/lr.json; make absent first"),
        ("--plot", "lr.doc", "`--plot` must end in one of .png, .pdf,"),
        ("--json", "package", "`--json` must be a file that can be written, got package: Is a directory"),
        ("--plot", f"{'x' * 300}.png", "x.png: File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_before_the_search(run, option, path, reason):
    """Nothing is measured for it."""
    code, out, err = find(run, "raises", option, path)

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert reason in err


def test_trying_a_file_leaves_it_as_it_was(run, project):
    """One that is there keeps what it holds, and one that is not there is not made, where the factory fails."""
    (project / "old.json").write_text("kept")

    find(run, "raises", "--json", "old.json", "--plot", "new.png")

    assert (project / "old.json").read_text() == "kept"
    assert not (project / "new.png").exists()


def test_a_device_is_written_without_being_tried(run):
    """Who reads a pipe would take the try for the end of the record."""
    assert find(run, "setup", "--json", os.devnull)[0] == 0


def test_a_file_that_turns_out_not_to_be_writable_is_named_after_the_report(run):
    """The result is not lost: it is printed, and the mistake is one line with the reason."""
    code, out, err = find(run, "in_the_way", "--json", "lr.json")

    assert (code, err.count("\n")) == (1, 1)
    assert out.startswith("peak ")
    assert "the result could not be written: [Errno 21] Is a directory" in err


def test_a_reader_who_stops_reading_costs_no_file(run, monkeypatch):
    """As `head` does: the record is written before the report meets the closed pipe."""

    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

        def fileno(self):
            return os.open(os.devnull, os.O_WRONLY)

    monkeypatch.setattr(sys, "stdout", Closed())
    find(run, "setup", "--json", "lr.json")

    assert LRResult.from_json("lr.json").lr is not None


def test_without_a_word_the_help_is_printed(run):
    """It lists the commands."""
    code, out, _ = run()

    assert (code, "show" in out, "schedules" in out) == (0, True, True)


def test_an_interrupted_search_says_so(run):
    """Ctrl-C in the model is exit code 130 and one line."""
    assert find(run, "interrupted") == (130, "", "lrfinder: interrupted; nothing was written\n")


def shown(project, **options):
    """A process that shows a saved result."""
    command = [sys.executable, "-m", "lrfinder", "show", "lr.json"]
    return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_show_writes_to_a_stream_that_knows_only_ascii(run, project):
    """What cannot be encoded is replaced; the exit code is that of the result."""
    find(run, "setup", "--json", "lr.json")

    with shown(project, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}) as process:
        out, err = process.communicate(timeout=120)

    assert (process.returncode, err) == (0, b"")
    assert out.decode("ascii").startswith("peak ")


def test_show_survives_a_reader_that_has_seen_enough(run, project):
    """A pipe that is closed at the other end is no error, and leaves nothing on stderr."""
    find(run, "setup", "--json", "lr.json")

    with shown(project) as process:
        process.stdout.close()
        err = process.stderr.read()
        code = process.wait(timeout=120)

    assert (code, err) == (0, b"")


@pytest.mark.parametrize(("factory", "code"), [("setup", 0), ("out_of_range", 3)])
def test_show_prints_and_draws_what_find_printed(run, project, factory, code):
    """A saved result is printed as it was, with the same exit code; the picture needs neither model nor data."""
    _, printed, _ = find(run, factory, "--json", "lr.json")

    assert run("show", "lr.json", "--plot", "lr.png") == (code, printed, "wrote lr.png\n")
    assert (project / "lr.png").stat().st_size > 10_000


@pytest.mark.parametrize("terminal", [False, True])
def test_the_progress_bar_is_for_terminals(run, monkeypatch, terminal):
    """On a terminal it is drawn; elsewhere stderr stays empty."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)

    _, _, err = find(run)

    assert ("lrfinder: " in err) is terminal


def test_the_options_of_a_plan_reach_find_lr(run):
    """`--epochs` and the flags are those of find_lr; what is not given is the factory's."""
    code, out, _ = run("find", "package.train:stopping", "--epochs", 30, "--finetune")

    assert code == 0
    assert "warm-up over 14 steps, then an exponential decay to 2 % of the peak per 226 steps" in " ".join(out.split())
    assert "Early stopping may end the training" in " ".join(out.split())


@pytest.fixture
def tune(run):
    """Run `lrfinder tune` with a factory of the project."""
    return lambda factory, *arguments: run("tune", f"package.train:{factory}", *arguments)


@pytest.mark.parametrize(
    ("factory", "expected", "words"), [("setup", 0, " pilots of "), ("out_of_range", 3, "no sugg")]
)
def test_the_report_is_printed_saved_and_drawn(tune, run, project, factory, expected, words):
    """The report is on stdout alone, `show` prints it again, and the exit code says whether a rate was found."""
    code, out, err = tune(factory, "--total-steps", 900, "--json", "lr.json", "--plot", "lr.png")

    assert (code, err) == (expected, "wrote lr.json\nwrote lr.png\n")
    assert words in out
    assert factory != "setup" or out.startswith("peak ")
    assert run("show", "lr.json") == (code, out, "")
    assert run("show", "lr.json", "--explain") == (code, f"{LRResult.from_json('lr.json').explain()}\n", "")
    assert (project / "lr.png").stat().st_size > 5_000


@pytest.mark.parametrize(("budget", "steps"), [("300", 300), ("3e2", 300), ("0.1", 250)])
def test_a_budget_is_steps_or_a_share(tune, budget, steps):
    """A whole number is steps, one below 1 a share of the training; neither is exceeded."""
    _, out, _ = tune("setup", "--total-steps", 2500, "--budget", budget, "--json", "-")

    assert 0.5 * steps < json.loads(out)["evidence"]["cost_steps"] <= steps


@pytest.mark.parametrize("names", ["each", "weight,bias"])
def test_ratios_between_groups_are_tuned(tune, names):
    """By the word or by their names, for a budget of its own."""
    _, out, _ = tune("grouped", "--total-steps", 2000, "--groups", names, "--group-budget", 400, "--json", "-")

    assert [one["name"] for one in json.loads(out)["evidence"]["groups"]["sets"]] == ["weight", "bias"]


def test_a_seed_makes_two_tunings_equal(tune):
    """The whole record is the same, bit for bit."""
    first, again = (tune("setup", "--epochs", 30, "--seed", 3, "--json", "-")[1] for _ in range(2))

    assert first == again


@pytest.mark.parametrize(
    ("factory", "arguments", "sentence"),
    [
        ("unseeded", (), "`total_steps` must be given to run pilots of the training, got None"),
        ("setup", ("--total-steps", 900, "--budget", "1.5"), "`budget` must be whole steps, or a share of the"),
        ("setup", ("--total-steps", 900, "--budget", "3"), "got 3; 300 is a good choice, and 0.05 is 5 %"),
        (
            "setup",
            ("--total-steps", 900, "--budget", "few"),
            "argument --budget: must be steps, or a share below 1 as 0.05, got",
        ),
        ("setup", ("--total-steps", 900, "--steps", 50), "unrecognized arguments: --steps 50"),
        ("with_steps", ("--total-steps", 900), "`tune_lr` got an unexpected keyword argument 'steps'"),
        ("absent", (), "`factory` must name a function of package.train, got 'absent'"),
    ],
)
def test_a_mistake_in_a_tuning_is_one_line(tune, factory, arguments, sentence):
    """Exit code 1, nothing on stdout, the library's own sentence on stderr."""
    code, out, err = tune(factory, *arguments)

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert sentence in err


def test_an_interrupted_tuning_says_so(tune):
    """Ctrl-C in the middle of a pilot is exit code 130 and one line."""
    assert tune("late", "--total-steps", 900) == (130, "", "lrfinder: interrupted; nothing was written\n")
