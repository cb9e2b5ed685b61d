"""Runs `profjob` as a user does: as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_cluster import FakeCluster, served, write_kubeconfig
from making import Run, job_body, own_environment


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment with settings and state of the test's own."""
    return own_environment(tmp_path)


@pytest.fixture
def profjob(env: dict[str, str], tmp_path: Path) -> Run:
    """`profjob(word, …)` in an empty folder; returns the finished process."""

    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "profiling_operator", *words],
            capture_output=True, text=True, cwd=tmp_path, env=env, timeout=120, check=False, **more,
        )  # fmt: skip

    return run


@pytest.fixture
def job_file(tmp_path: Path) -> Callable[..., str]:
    """Writes a job and returns its file's name."""

    def write(**changes: Any) -> str:
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(job_body(**changes)))
        return str(path)

    return write


@pytest.fixture
def cluster(env: dict[str, str], tmp_path: Path) -> Iterator[FakeCluster]:
    """An API server, empty, that `profjob` finds by a kubeconfig."""
    fake = FakeCluster()
    env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
    with served(fake.app()) as url:
        fake.url = url
        write_kubeconfig(tmp_path / "kubeconfig", url)
        yield fake
