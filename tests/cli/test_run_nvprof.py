"""`profjob run` with the real nvprof, on machines without a GPU: nothing measured, and told why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from making import Run

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "samples" / "tau" / "2.34" / "sigusr1" / "profile.0.0.0"
NVPROF = [{"name": "nvprof"}]

pytestmark = pytest.mark.needs("nvprof")

JobFile = Callable[..., str]

# As the real one: a script that stays the application's parent.
TAU_EXEC = """#!/bin/sh
while [ "$1" != "--" ]; do shift; done
shift
"$@"
"""
# The driver's library, as nvprof asks it for a GPU of some compute capability.
DRIVER = """
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 11080; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { name[0] = 0; return 0; }
int cuDeviceGetPCIBusId(char *name, int length, int device) { name[0] = 0; return 0; }
int cuDeviceComputeCapability(int *major, int *minor, int at) { *major = 8, *minor = 0; return 0; }
int cuDeviceGetAttribute(int *value, int key, int at) { *value = key == 75 ? 8 : 0; return 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { return 999; }
int cuCtxDestroy_v2(void *context) { return 0; }
int cuCtxSynchronize(void) { return 0; }
int cuGetExportTable(const void **table, const void *id) { return 999; }
"""


def status_of(tmp_path: Path) -> dict[str, Any]:
    """The status in the result folder."""
    body = json.loads((tmp_path / "profiling_output" / "status.json").read_text())
    found: dict[str, Any] = body["status"]
    return found


def shell(script: str) -> dict[str, Any]:
    """`spec.app` that runs a script."""
    return {"command": ["sh", "-c", script]}


@pytest.mark.parametrize("code", [0, 3])
def test_without_a_gpu_there_is_no_data(
    profjob: Run, job_file: JobFile, tmp_path: Path, code: int
) -> None:
    """The application runs and keeps its exit code, whatever nvprof returns of its own."""
    done = profjob("run", job_file(app=shell(f"echo ran; exit {code}"), collectors=NVPROF))

    (run,) = status_of(tmp_path)["runs"]
    (collector,) = run["collectors"]
    assert done.returncode == 6, done.stdout + done.stderr
    assert run["app"]["exitCode"] == code
    assert (collector["usable"], collector["reason"]) == (False, "NoGpuData")
    assert "GPU profiling skipped" in collector["message"]


@pytest.mark.parametrize("ignored", ["", "INT TERM"])
def test_at_the_limit_nvprof_writes_its_log(
    profjob: Run, job_file: JobFile, tmp_path: Path, ignored: str
) -> None:
    """The application is ended first, if need be by KILL; the job's reason is the time limit."""
    script = f"for s in {ignored}; do trap '' $s; done; while :; do sleep 1; done"

    done = profjob("run", job_file(app=shell(script), collectors=NVPROF, timeoutSeconds=2))

    (run,) = status_of(tmp_path)["runs"]
    assert done.returncode == 6, done.stdout + done.stderr
    assert (run["app"]["reason"], run["app"]["timedOut"]) == ("AppTimedOut", True)
    assert "GPU profiling skipped" in run["collectors"][0]["message"]


def test_tau_measures_beside_nvprof(
    profjob: Run, job_file: JobFile, env: dict[str, str], tmp_path: Path
) -> None:
    """Each has its own verdict; TAU stands next to the application."""
    (tmp_path / "tau" / "bin").mkdir(parents=True)
    (tmp_path / "tau" / "bin" / "tau_exec").write_text(TAU_EXEC)
    (tmp_path / "tau" / "bin" / "tau_exec").chmod(0o755)
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = str(tmp_path / "tau")
    app = shell(f'cp {SAMPLE} "$PROFILEDIR"; exit 0')

    done = profjob("run", job_file(app=app, collectors=[*NVPROF, {"name": "tau"}]))

    (run,) = status_of(tmp_path)["runs"]
    verdicts = {one["name"]: (one["usable"], one["reason"]) for one in run["collectors"]}
    assert done.returncode == 6, done.stdout + done.stderr
    assert verdicts == {"tau": (True, ""), "nvprof": (False, "NoGpuData")}


def test_two_users_of_cupti_clash(profjob: Run, job_file: JobFile) -> None:
    """A TAU with CUPTI cannot be beside nvprof."""
    tau = {"name": "tau", "options": {"tags": ["cupti"]}}

    done = profjob("run", job_file(app={"command": ["true"]}, collectors=[*NVPROF, tau]))

    assert done.returncode == 2
    assert "cupti" in done.stderr


@pytest.mark.needs("cc")
def test_a_gpu_that_nvprof_does_not_know_is_told(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """From Ampere on it refuses to run anything; a made-up driver shows it without a GPU."""
    (tmp_path / "driver.c").write_text(DRIVER)
    words = ["cc", "-shared", "-fPIC", "-w", "driver.c", "-o", "libcuda.so.1"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    app = {"command": ["true"], "env": [{"name": "LD_LIBRARY_PATH", "value": str(tmp_path)}]}

    done = profjob("run", job_file(app=app, collectors=NVPROF))

    (collector,) = status_of(tmp_path)["runs"][0]["collectors"]
    assert done.returncode != 0
    assert (collector["usable"], collector["reason"]) == (False, "ToolchainIncompatible")
    assert "use nsys" in collector["message"]
