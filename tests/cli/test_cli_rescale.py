"""`lrfinder rescale`: a saved result in, the plan of the changed training out."""

import json

import pytest
from builders import EDGE, result

from lrfinder import Facts, LRResult
from lrfinder.advice.request import Request
from lrfinder.cli.main import main

FACTS = Facts(optimizer="AdamW", betas=(0.9, 0.999), batch_size=64, steps_per_epoch=100, parameters=10**6)


@pytest.fixture
def saved(tmp_path):
    """A saved result of a training of 2,000 steps."""
    result(Request(2000), facts=FACTS, edge_trials=[EDGE]).to_json(tmp_path / "lr.json")
    return tmp_path / "lr.json"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--batch-size", "512", "--total-steps", "4e4"], {"batch_size": 512, "total_steps": 40000}),
        (["--world-size", "8", "--epochs", "30"], {"world_size": 8, "epochs": 30}),
        (["--parameters", "4000000"], {"parameters": 4 * 10**6}),
    ],
)
def test_it_prints_the_rescaled_result(saved, capsys, words, options):
    """What is printed is the report of `LRResult.rescale`, and the exit code says that a rate was found."""
    code = main(["rescale", str(saved), *words])

    expected = str(LRResult.from_json(saved).rescale(**options)).split("use it")[0]
    assert (code, capsys.readouterr().out.split("use it")[0]) == (0, expected)


def test_it_saves_what_can_be_rescaled_again(saved, capsys):
    """The new result is written where --json says, `-` prints it, and the next change starts from there."""
    other = saved.with_name("other.json")
    main(["rescale", str(saved), "--batch-size", "128", "--json", str(other)])
    capsys.readouterr()
    main(["rescale", str(other), "--batch-size", "64", "--json", "-"])

    assert json.loads(capsys.readouterr().out)["plan"]["setting"]["batch_size"] == 64
    assert LRResult.from_json(other).plan.total_steps == 1000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "`rescale` must be given something that changes"),
        (["--batch-size", "0"], "`batch_size` must be a positive whole number, got 0"),
        (["--batch-size", "many"], "argument --batch-size: invalid int value: 'many'"),
    ],
)
def test_a_mistake_is_one_line(saved, capsys, words, sentence):
    """The exit code is 1, and stderr says what is wrong."""
    code = main(["rescale", str(saved), *words])

    error = capsys.readouterr().err
    assert (code, error.count("\n"), sentence in error) == (1, 1, True)


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    """The sentence is that of `show`."""
    code = main(["rescale", str(tmp_path / "no.json"), "--batch-size", "2"])

    assert code == 1
    assert "which is not there" in capsys.readouterr().err


def test_a_result_without_a_rate_has_none_to_rescale(tmp_path, capsys):
    """The exit code says that there is no suggestion."""
    result(Request(500), losses=[1.0] * 100).to_json(tmp_path / "none.json")

    assert main(["rescale", str(tmp_path / "none.json"), "--world-size", "2"]) == 3
    assert "there is no learning rate to rescale" in capsys.readouterr().err
