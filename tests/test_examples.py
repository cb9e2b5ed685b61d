"""Each example is run as its README says, and names its hot function."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from making import SOURCE_ROOT
from profiling_operator import plan, spec

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/job.yaml"))
ENTRIES_OF_THE_DEMO = 100


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an example, so that nothing is written to the checkout."""
    folder = tmp_path / str(request.param)
    shutil.copytree(ROOT / "examples" / str(request.param), folder)
    return folder


def run(folder: Path) -> dict[str, Any]:
    """Run an example's job; its status."""
    done = subprocess.run(
        [sys.executable, "-m", "profiling_operator", "run", str(folder / "job.yaml"), "-o", "json",
         "--results", str(folder / "results")],
        env={**os.environ, "PYTHONPATH": SOURCE_ROOT,
             "PROFJOB_STATE_DIR": str(folder.parent / "state")},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    status: dict[str, Any] = json.loads(done.stdout)["status"]
    return status


def test_every_example_has_a_readme_and_a_good_job() -> None:
    """Each job is accepted, and its plan can be made."""
    assert EXAMPLES
    for folder in EXAMPLES:
        assert (folder / "README.md").is_file()
        assert plan.build_plan(spec.read((folder / "job.yaml").read_text())).name


@pytest.mark.parametrize("copy", ["python-threads"], indirect=True)
def test_python_threads(copy: Path) -> None:
    """What `make demo` runs: at least 100 entries, and a headline that names `hot`."""
    status = run(copy)

    assert status["headline"].startswith("hot ")
    (entries,) = (one["count"] for one in status["results"]["files"] if "count" in one)
    assert entries >= ENTRIES_OF_THE_DEMO
    assert [one["warmup"] for one in status["runs"]] == [True, False, False]


@pytest.mark.parametrize("copy", ["playback"], indirect=True)
def test_playback(copy: Path) -> None:
    """The client finds its server, and its hot function is named."""
    status = run(copy)

    assert status["headline"].startswith("count_words ")


@pytest.mark.needs("cc", "tau")
@pytest.mark.parametrize("copy", ["c-threads"], indirect=True)
def test_c_threads(copy: Path) -> None:
    """A C program under a real TAU: samples name `hot`, and the additive times are its threads'."""
    subprocess.run(["make", "-C", str(copy), "app"], check=True, capture_output=True)

    status = run(copy)

    assert status["headline"].startswith("hot ")
    assert all(one["collectors"][0]["usable"] for one in status["runs"])
