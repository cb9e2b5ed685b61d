"""`profjob run`, while other commands look on, and what it hands to the application."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from making import BUSY, Run, python
from profiling_operator.cli import live

ENDLESS = "print('it has begun', flush=True)\n" + BUSY.replace("range(40)", "iter(int, 1)")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SHOWS = "import os; print('parent', os.environ.get('TRACEPARENT'))\n"


def test_a_run_is_followed_cancelled_and_waited_for(
    profjob: Run, job_file: Callable[..., str], env: dict[str, str], tmp_path: Path
) -> None:
    """By its folder alone, from other processes; nothing but the results is left."""
    words = [sys.executable, "-m", "profiling_operator"]
    file = job_file(app=python(ENDLESS))
    with subprocess.Popen([*words, "run", "-q", file], cwd=tmp_path, env=env) as running:
        assert profjob("wait", "./profiling_output", "--wait-for-creation",
                       "--for", "started").returncode == 0  # fmt: skip
        following = [*words, "logs", "-f", "profiling_output"]
        with subprocess.Popen(
            following, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True
        ) as follower:
            assert follower.stdout is not None
            assert "it has begun\n" in follower.stdout  # reads until it comes
            ended = profjob("cancel", "--wait", "./profiling_output")
            assert follower.wait(60) == 0
        assert running.wait(60) == 3

    assert ended.stdout == "profilingjob.profiling.dev/test has ended: Cancelled\n"
    assert profjob("wait", "profiling_output").returncode == 3
    assert live.read(tmp_path / "profiling_output") is None


def test_changes_and_the_trace_of_the_environment_reach_the_application(
    profjob: Run, job_file: Callable[..., str], env: dict[str, str], tmp_path: Path
) -> None:
    """`--set` before validation; the annotation is kept in the results."""
    env["TRACEPARENT"] = PARENT
    code = json.dumps(SHOWS + BUSY)

    done = profjob("run", job_file(), "--set", f'spec.app.command=["python3", "-c", {code}]',
                   "--set", "spec.repetitions=2")  # fmt: skip

    assert done.returncode == 0, done.stderr
    body = json.loads((tmp_path / "profiling_output" / "status.json").read_text())
    assert body["spec"]["repetitions"] == len(body["status"]["runs"]) == 2
    assert body["metadata"]["annotations"] == {"profiling.dev/traceparent": PARENT}
    assert f"parent {PARENT}\n" in profjob("logs", "profiling_output", "--run", "1").stdout


def test_a_plan_is_shown_with_changes(profjob: Run, tmp_path: Path) -> None:
    """`render --set`; a job that leaves its name to a server is named by its prefix."""
    body = {
        "apiVersion": "profiling.dev/v1alpha1", "kind": "ProfilingJob",
        "metadata": {"generateName": "nbody-", "namespace": "ci"},
        "spec": {"app": {"command": ["true"]}, "collectors": [{"name": "pyspy"}]},
    }  # fmt: skip
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(body))

    done = profjob("render", "job.yaml", "--set", "spec.warmups=3")
    bad = profjob("render", "job.yaml", "--set", "spec.warmups=many")

    plan = yaml.safe_load(done.stdout)
    assert (plan["job"], plan["warmups"]) == ("nbody", 3)
    assert bad.returncode == 2
    assert 'job.yaml: spec.warmups: "many" must be a whole number' in bad.stderr
