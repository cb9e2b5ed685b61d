"""Makes jobs and plans for tests."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profiling_operator import plan, spec

SOURCE_ROOT = str(Path(__file__).resolve().parent.parent / "operator")
"""PYTHONPATH of processes that import the package; nothing else, since applications see it too."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs `profjob` with some words."""


def job_body(**changes: Any) -> dict[str, Any]:
    """The smallest job, with fields of its spec put in; `name` and `uid` go to the metadata."""
    name = changes.pop("name", "test")
    uid = changes.pop("uid", "")
    return {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": name, "namespace": "ci", "uid": uid},
        "spec": {
            "app": {"command": ["true"]},
            "collectors": [{"name": "pyspy"}],
            "timeoutSeconds": 60,
            "gracePeriodSeconds": 5,
            **changes,
        },
    }


def job(**changes: Any) -> spec.ProfilingJob:
    """A job, as `job_body` makes it."""
    return spec.read_body(job_body(**changes))


def bare_plan(**changes: Any) -> plan.Plan:
    """A plan without any collector: what executors do has nothing to do with tools."""
    planned = plan.build_plan(job(**changes))
    bare: dict[str, Any] = {"collectors": (), "wrapper": (), "path": (), "stop": (), "env": {}}
    return planned.model_copy(update={**bare, "recorded": False})


def own_environment(folder: Path) -> dict[str, str]:
    """An environment for `profjob` with settings and state of a test's own."""
    return {
        **os.environ,
        "PYTHONPATH": SOURCE_ROOT,
        "PROFJOB_SETTINGS": str(folder / "settings.yaml"),
        "PROFJOB_STATE_DIR": str(folder / "state"),
        "XDG_DATA_HOME": str(folder / "data"),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


BUSY = """
def hot(size):
    total = 0
    for number in range(size):
        total += number * number % 7
    return total
for _ in range(40):
    hot(400_000)
"""
"""A program that spends over a second in `hot`: py-spy needs a moment to find it."""


def python(code: str) -> dict[str, Any]:
    """`spec.app` that runs Python code."""
    return {"command": ["python3", "-c", code]}
