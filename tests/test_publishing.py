"""What a release is made by: workflows, recipe and forms say the same as the package, and refuse what is not ready."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from lrfinder import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def read(path):
    """A YAML file of the repository."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


CI, PUBLISH = read(".github/workflows/ci.yml"), read(".github/workflows/publish.yml")
STEPS = [step for workflow in (CI, PUBLISH) for job in workflow["jobs"].values() for step in job["steps"]]


def test_every_place_tells_the_same_pythons():
    """The tests run on each Python of the classifiers, the first of which is the oldest that is installed on."""
    told = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))

    assert CI["jobs"]["tests"]["strategy"]["matrix"]["python"] == told
    assert PROJECT["requires-python"] == f">={told[0]}"


def test_the_recipe_asks_for_what_the_package_does():
    """Names differ on conda-forge, bounds do not."""
    wanted = [re.fullmatch(r"([\w-]+)(.*)", one).groups() for one in PROJECT["dependencies"]]
    run = read("conda/recipe.yaml")["requirements"]["run"]

    assert run[0] == f"python {PROJECT['requires-python']}"
    assert run[1:] == [f"{CONDA_NAMES.get(name, name)} {bound}".strip() for name, bound in wanted]


def test_the_recipe_has_the_command_of_the_package():
    """The same function runs it."""
    (command,) = read("conda/recipe.yaml")["build"]["python"]["entry_points"]

    assert command == " = ".join(*PROJECT["scripts"].items())


def test_one_job_builds_and_another_that_runs_no_code_publishes():
    """What PyPI trusts only hands on the files of the build, which ends before; no secret is read."""
    jobs = PUBLISH["jobs"]
    trusted = {name for name, job in jobs.items() if "id-token" in job["permissions"]}

    assert trusted == {"publish"}
    assert jobs["publish"]["needs"] == "build"
    assert not any("run" in step for step in jobs["publish"]["steps"])
    assert sum("make package" in step.get("run", "") for step in jobs["build"]["steps"]) == 1
    assert "secrets." not in (ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8")


def test_workflows_run_what_a_developer_runs():
    """Their commands are targets of the Makefile, or `.ci/run`; every action is pinned to a commit."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = {step["run"] for step in STEPS if "run" in step and "name" not in step}

    assert commands == {".ci/run", "make package"}
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "package" in targets
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in STEPS if "uses" in step)


@pytest.mark.parametrize(
    ("tag", "address", "code"),
    [
        (f"v{__version__}", "https://lrfinder.test", 0),
        ("v99.0", "https://lrfinder.test", 1),
        (f"v{__version__}", "https://example.org/lrfinder", 1),
    ],
    ids=["ready", "another tag", "placeholder"],
)
def test_a_release_that_is_not_ready_is_refused(tmp_path, tag, address, code):
    """The step before the files are handed on fails for a tag that is not the version, and for addresses of nobody."""
    (script,) = [step["run"] for step in PUBLISH["jobs"]["build"]["steps"] if "TAG" in step.get("env", {})]
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / f"lrfinder-{__version__}.tar.gz").touch()
    (tmp_path / "pyproject.toml").write_text(f'Homepage = "{address}"\n')

    ran = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env={**os.environ, "TAG": tag}, timeout=60)

    assert ran.returncode == code


def test_the_command_that_a_report_is_asked_for_prints_the_versions():
    """It can be pasted as it stands in the form."""
    (code,) = re.findall(r'python -c "([^"]+)"', (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))

    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert ran.stdout.endswith(f" {__version__}\n")
