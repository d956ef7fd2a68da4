"""What is shipped: a wheel that works where nothing but its dependencies is installed, and a source that builds it."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest

from lrfinder import __version__

ROOT = Path(__file__).parent.parent
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command, cwd):
    """Run a command without this repository on the path; return what it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=CLEAN, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(source, folder, kind):
    """Build a wheel or an sdist of a source tree; return its path."""
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder, cwd=source)
    (path,) = folder.glob(f"lrfinder-{__version__}*")
    return path


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_an_empty_environment(tmp_path: Path):
    """With its dependencies and nothing else it finds a rate and draws; both packages come from the wheel."""
    wheel, home = built(ROOT, tmp_path / "dist", "wheel"), tmp_path / "venv"
    venv.create(home)
    python = home / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    # The folder, and not what the path files in it add: an installed lrfinder stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel, cwd=tmp_path)

    homes = run(
        python, "-c", "import lrfinder, lightning_callbacks as c; print(lrfinder.__file__, c.__file__)", cwd=tmp_path
    )
    printed = run(home / "bin" / "lrfinder", "demo", "--folder", "pictures", cwd=tmp_path)

    assert homes.count(str(site)) == 2
    assert "held-out loss" in printed
    assert (tmp_path / "pictures" / "range_test.png").stat().st_size > 5_000


@pytest.mark.slow
def test_the_sdist_builds_the_wheel(tmp_path: Path):
    """A wheel of the unpacked sdist, which has what its tests read, holds what one of the repository does."""
    with tarfile.open(built(ROOT, tmp_path / "sdist", "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")

    again = built(tmp_path / f"lrfinder-{__version__}", tmp_path / "again", "wheel")

    assert (tmp_path / f"lrfinder-{__version__}" / ".github" / "workflows" / "ci.yml").is_file()
    names = ZipFile(again).namelist()
    assert sorted(names) == sorted(ZipFile(built(ROOT, tmp_path / "dist", "wheel")).namelist())
    assert {"lrfinder/py.typed", "lightning_callbacks/py.typed", "lrfinder/pictures.mplstyle"} <= set(names)
    assert {f"lrfinder/display/page/page.{ending}" for ending in ("css", "js")} <= set(names)


def test_every_place_tells_one_version():
    """The package, the citation, the recipe and the changelog."""
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"\nversion: {__version__}\n" in citation
    assert f"## {__version__}" in changelog
    assert f'\n  version: "{__version__}"\n' in (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")


def test_the_oldest_versions_are_tested():
    """tests/versions/oldest.txt pins the floor of every dependency, and of the extras that have one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][name] for name in ("accelerate", "fabric", "transformers")]
    floors = {one.replace(">=", "==") for one in (*project["dependencies"], *chain(*extras))}

    pinned = (ROOT / "tests" / "versions" / "oldest.txt").read_text(encoding="utf-8").splitlines()

    assert {f"{floor}.0" if floor.count(".") == 1 else floor for floor in floors} - {"tqdm"} <= set(pinned)
