"""`lrfinder find` and `lrfinder show`: what goes where, which options count, and the sentences on mistakes."""

import io
import json
import os
import subprocess
import sys
from textwrap import dedent

import pytest

from lrfinder import LRResult
from lrfinder.cli.main import main

FACTORIES = """
    import random
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

    def mismatched():
        return {**setup(), "loader": [(torch.zeros(3, 5), torch.zeros(3, 1))]}

    def nothing():
        pass

    def half():
        return {"model": nn.Linear(4, 1)}

    def unknown():
        return {**setup(), "learning_rate": 3}

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

    assert (ran.returncode, ran.stderr) == (0, "wrote lr.png\n")
    assert ran.stdout == f"{LRResult.from_json(project / 'lr.json')}\n"
    assert (project / "lr.png").stat().st_size > 10_000


def test_json_to_stdout_replaces_the_report(run):
    """A rate found is exit code 0; with `--json -` stdout is one JSON document, without it the report."""
    (code, report, err), (json_code, document, json_err) = find(run), find(run, "setup", "--json", "-")

    assert (code, err, json_code, json_err) == (0, "", 0, "")
    assert report.startswith("lrfinder: range test of Linear")
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
        (("--steps", 40, "--lr-min", 1e-5, "--lr-max", 1), (40, 1e-5, 1.0, 500)),
        (("--total-steps", 900), (28, 1e-7, 10.0, 900)),
    ],
    ids=["range", "horizon"],
)
def test_options_override_the_factory(run, arguments, expected):
    """What is given on the command line counts; the rest is the factory's or the default."""
    result = found(run, "setup", *arguments)

    lrs = result["evidence"]["curve"]["lrs"]
    assert (len(lrs), lrs[0], lrs[-1], result["plan"]["total_steps"]) == expected


def test_a_rule_and_a_schedule_override_the_factory(run):
    """The rate is the rule's own and the schedule the one that was named."""
    result = found(run, "setup", "--rule", "valley", "--schedule", "cosine")

    assert result["plan"]["lr"] == result["evidence"]["suggestions"]["valley"]
    assert "cosine" in json.dumps(result["plan"]["schedule"]).lower()


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


def test_a_factory_may_be_an_attribute(run):
    """A dotted name after the colon is followed."""
    assert find(run, "Setups.setup")[0] == 0


SETUP = ("find", "package.train:setup")
MISTAKES = [
    (("find", "package.train"), "`factory` must be pkg.module:function, got 'package.train', as in train:setup"),
    (("find", ":setup"), "`factory` must be pkg.module:function, got ':setup'"),
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
    (("find", "package.train:quits"), "`package.train:quits` must return and not exit, got SystemExit(2)"),
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
    ((*SETUP, "--fast"), "unrecognized arguments: --fast; `lrfinder --help` shows"),
    ((), "the following arguments are required: command; `lrfinder --help` shows what there is"),
    (("seek",), "invalid choice: 'seek'"),
    (("find",), "the following arguments are required: factory; `lrfinder find --help` shows"),
    (("show", "absent.json"), "`result` must be a file that --json wrote, got absent.json, which is not there"),
    (("show", "package"), "`result` must be a file that --json wrote, got package, which is not there"),
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


@pytest.mark.parametrize("option", ["--plot", "--json"])
def test_a_file_that_cannot_be_written_is_named_after_the_report(run, option):
    """The result is not lost: it is printed, and the mistake is one line."""
    code, out, err = find(run, "setup", option, "absent/lr.png")

    assert (code, err.count("\n")) == (1, 1)
    assert out.startswith("lrfinder: range test")
    assert "the result could not be written: [Errno 2] No such file or directory: 'absent/lr.png'" in err


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


def test_a_plot_of_an_unknown_format_is_refused(run):
    """Matplotlib's own list of formats is the sentence."""
    code, _, err = find(run, "setup", "--plot", "lr.doc")

    assert (code, err.count("\n")) == (1, 1)
    assert "the result could not be written: Format 'doc' is not supported" in err


def test_an_interrupted_search_says_so(run):
    """Ctrl-C in the model is exit code 130 and one line."""
    assert find(run, "interrupted") == (130, "", "lrfinder: interrupted; nothing was written\n")


@pytest.mark.parametrize("seed", [0, 2**32, 2**63 - 1])
def test_the_largest_seed_is_one(run, seed):
    """NumPy's streams take fewer bits than the others, which is no limit."""
    assert find(run, "setup", "--seed", seed)[0] == 0


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
    assert out.decode("ascii").startswith("lrfinder: range test of Linear")


def test_show_survives_a_reader_that_has_seen_enough(run, project):
    """A pipe that is closed at the other end is no error, and leaves nothing on stderr."""
    find(run, "setup", "--json", "lr.json")

    with shown(project) as process:
        process.stdout.close()
        err = process.stderr.read()
        code = process.wait(timeout=120)

    assert (code, err) == (0, b"")


def test_show_prints_what_find_printed(run):
    """A saved result is printed as it was, with the same exit code."""
    _, printed, _ = find(run, "setup", "--json", "lr.json")

    assert run("show", "lr.json") == (0, printed, "")


def test_show_of_a_result_without_a_rate_is_exit_code_three(run):
    """The exit code means the same for a saved result."""
    find(run, "out_of_range", "--json", "lr.json")

    assert run("show", "lr.json")[0] == 3


def test_show_draws_a_saved_result(run, project):
    """The picture needs neither model nor data."""
    find(run, "setup", "--json", "lr.json")

    code, _, err = run("show", "lr.json", "--plot", "lr.png")

    assert (code, err) == (0, "wrote lr.png\n")
    assert (project / "lr.png").stat().st_size > 10_000


@pytest.mark.parametrize("terminal", [False, True])
def test_the_progress_bar_is_for_terminals(run, monkeypatch, terminal):
    """On a terminal it is drawn; elsewhere stderr stays empty."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)

    _, _, err = find(run)

    assert ("lrfinder: " in err) is terminal
