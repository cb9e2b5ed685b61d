"""`profjob run` with TAU: a made-up toolchain shows the wiring, a real one where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from making import Run

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "samples" / "tau" / "2.34" / "sigusr1" / "profile.0.0.0"
TAU = [{"name": "tau", "options": {"samplingPeriod": 5000, "callpathDepth": 20}}]

# As the real one: a script that stays the application's parent and needs tau-config in PATH.
TAU_EXEC = """#!/bin/sh
command -v tau-config > /dev/null || { echo 'Binding not found. Exiting...'; exit 1; }
while [ "$1" != "--" ]; do shift; done
shift
"$@"
"""
# As a program with libTAU in it: the library mapped, USR1 caught and answered with a profile.
MEASURED = """
import mmap, os, signal, shutil, sys, time
library = open(sys.argv[1], "rb")
mapped = mmap.mmap(library.fileno(), 0, access=mmap.ACCESS_READ)
def dump(*arguments):
    shutil.copy(sys.argv[2], os.environ["PROFILEDIR"])
signal.signal(signal.SIGUSR1, dump)
if sys.argv[3] == "endless":
    while True:
        time.sleep(0.1)
dump()
"""


@pytest.fixture
def toolchain(tmp_path: Path, env: dict[str, str]) -> Path:
    """A toolchain that looks like TAU's."""
    folder = tmp_path / "toolchain"
    (folder / "bin").mkdir(parents=True)
    for name, text in (("tau_exec", TAU_EXEC), ("tau-config", "#!/bin/sh\n")):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "libTAU-made-up.so").write_bytes(b"x" * 4096)
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = str(folder)
    return folder


def app(toolchain: Path, how: str) -> dict[str, Any]:
    """`spec.app` that behaves as a program under TAU."""
    library = str(toolchain / "libTAU-made-up.so")
    return {"command": ["python3", "-c", MEASURED, library, str(SAMPLE), how]}


def status_of(tmp_path: Path) -> dict[str, Any]:
    """The status in the result folder."""
    body = json.loads((tmp_path / "profiling_output" / "status.json").read_text())
    found: dict[str, Any] = body["status"]
    return found


def test_the_application_runs_under_tau_exec(
    profjob: Run, job_file: Callable[..., str], toolchain: Path, tmp_path: Path
) -> None:
    """PROFILEDIR is the run's folder, PATH has the toolchain, the profile becomes entries."""
    done = profjob("run", job_file(app=app(toolchain, "once"), collectors=TAU, repetitions=2))

    assert done.returncode == 0, done.stdout + done.stderr
    runs = status_of(tmp_path)["runs"]
    assert [run["collectors"][0]["entries"] for run in runs] == [6, 6]


def test_at_the_limit_the_profile_is_asked_for_first(
    profjob: Run, job_file: Callable[..., str], toolchain: Path, tmp_path: Path
) -> None:
    """USR1 to the process with libTAU, not to tau_exec; TERM only when its files are quiet."""
    file = job_file(app=app(toolchain, "endless"), collectors=TAU, timeoutSeconds=2)

    done = profjob("run", file)

    assert done.returncode == 3, done.stdout + done.stderr
    run = status_of(tmp_path)["runs"][0]
    assert (run["app"]["reason"], run["app"]["timedOut"]) == ("AppTimedOut", True)
    assert run["collectors"][0]["usable"]


def test_a_program_that_tau_did_not_measure_is_told(
    profjob: Run, job_file: Callable[..., str], toolchain: Path, tmp_path: Path
) -> None:
    """No file at all is an unusable profile, never a success."""
    done = profjob("run", job_file(app={"command": ["true"]}, collectors=TAU))

    assert done.returncode == 6
    collector = status_of(tmp_path)["runs"][0]["collectors"][0]
    assert (collector["usable"], collector["reason"]) == (False, "NothingMeasured")


def test_without_a_toolchain_nothing_is_started(
    profjob: Run, job_file: Callable[..., str], env: dict[str, str], tmp_path: Path
) -> None:
    """ToolchainMissing says where it was looked for and what to set."""
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = str(tmp_path / "nowhere")

    done = profjob("run", job_file(collectors=TAU))

    assert done.returncode == 3
    assert "ToolchainMissing" in done.stderr
    assert "PROFJOB_TOOLCHAINS__TAU__PATH" in done.stderr


@pytest.mark.needs("cc", "tau")
@pytest.mark.parametrize(("on_timeout", "code"), [("Fail", 3), ("Stop", 0)])
def test_an_endless_program_under_a_real_tau(
    profjob: Run, job_file: Callable[..., str], tmp_path: Path, on_timeout: str, code: int
) -> None:
    """Its profile is written at the limit, with samples of the hot function."""
    shutil.copytree(ROOT / "examples" / "c-threads", tmp_path / "c", dirs_exist_ok=True)
    subprocess.run(["make", "-C", str(tmp_path / "c"), "app"], check=True, capture_output=True)
    endless = {"command": ["c/app"], "args": ["1000000"]}

    done = profjob(
        "run", job_file(app=endless, collectors=TAU, timeoutSeconds=3, onTimeout=on_timeout)
    )

    assert done.returncode == code, done.stdout + done.stderr
    assert status_of(tmp_path)["runs"][0]["collectors"][0]["usable"]
    assert status_of(tmp_path)["headline"].startswith("hot ")
