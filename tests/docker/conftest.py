"""Runs `profjob run --executor docker` as a user does, and sees to it that nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from making import job_body, own_environment

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parent.parent / "cluster"))
sys.path.insert(2, str(Path(__file__).parent.parent.parent / "tools"))

from engines import Engine, listed

PYTHON = "profiling-operator/python:local"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Containers, volumes and networks are the same before and after."""
    before = listed()
    yield
    assert listed() == before


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment with settings and state of the test's own."""
    return own_environment(tmp_path)


@pytest.fixture
def words(tmp_path: Path) -> Callable[..., list[str]]:
    """`words(**changes)` writes a job and gives the command line that runs it in Docker."""

    def write(*more: str, **changes: Any) -> list[str]:
        path = tmp_path / "job.yaml"
        app = {"image": PYTHON, **changes.pop("app", {})}
        path.write_text(yaml.safe_dump(job_body(app=app, **changes)))
        command = [sys.executable, "-m", "profiling_operator", "run", "--executor", "docker"]
        return [*command, str(path), *more]

    return write


@pytest.fixture
def run(
    words: Callable[..., list[str]], env: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run(**changes)` runs a job in Docker to its end."""

    def profjob(*more: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words(*more, **changes),
            capture_output=True, text=True, cwd=tmp_path, env=env, timeout=150, check=False,
        )  # fmt: skip

    return profjob


@pytest.fixture
def begin(
    words: Callable[..., list[str]], env: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`begin(**changes)` starts `profjob run` and returns when the application runs."""
    begun: list[subprocess.Popen[str]] = []

    def profjob(*more: str, **changes: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words(*more, **changes), cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
        )
        begun.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if "Running" in line:
                return process
        raise AssertionError("it never ran")

    yield profjob
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


@pytest.fixture
def own_engine(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Iterator[Engine]:
    """An engine of the test's own, which it may restart; `env` points at it."""
    with Engine(tmp_path_factory.mktemp("e")) as engine:
        env["DOCKER_HOST"] = engine.url
        yield engine
