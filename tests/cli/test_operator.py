"""`profjob operator` as a process: against an API server that this machine makes up."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_api import FakeApi, in_thread
from making import Run, free_port, job_body, own_environment
from profiling_operator import api

TRIES = 600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeApi]:
    """An API server."""
    with in_thread() as fake:
        yield fake


@pytest.fixture
def env(tmp_path: Path, server: FakeApi) -> dict[str, str]:
    """An environment with settings and a kubeconfig."""
    known = {
        "kubernetes": {"image": "profjob:test"},
        "stores": {"default": {"url": tmp_path.as_uri()}},
    }
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(known))
    return {**own_environment(tmp_path), "KUBECONFIG": server.kubeconfig(tmp_path / "kubeconfig")}


def body(**changes: Any) -> dict[str, Any]:
    """A job as a user applies it."""
    made = job_body(app={"image": "app:1", "command": ["/app"]}, **changes)
    del made["metadata"]["uid"]
    return made


def test_settings_without_defaults_are_asked_for(profjob: Run, tmp_path: Path) -> None:
    """Image and store; both are told at once."""
    (tmp_path / "settings.yaml").write_text("{}")

    done = profjob("operator")

    assert done.returncode == 2
    assert "settings.kubernetes.image: is required" in done.stderr
    assert "settings.stores.default: is required" in done.stderr


@pytest.mark.parametrize(("words", "says"), [
    (["--executor", "docker"], '--host: "" must be a name'),
    (["--executor", "docker", "--host", "GPU_1"], '--host: "GPU_1" must be a name'),
    (["--host", "gpu-1"], "--host: is for --executor docker"),
    (["--default-host"], "--default-host: is for --executor docker"),
])  # fmt: skip
def test_an_agent_has_a_host_and_nobody_else(words: list[str], says: str, profjob: Run) -> None:
    """A name as jobs give it."""
    done = profjob("operator", *words)

    assert done.returncode == 2
    assert says in done.stderr


def test_an_agent_without_an_engine_says_so(
    profjob: Run, env: dict[str, str], tmp_path: Path
) -> None:
    """And ends: whoever started it starts it again. It needs no image of its own."""
    (tmp_path / "settings.yaml").write_text(f"stores: {{default: {{url: '{tmp_path.as_uri()}'}}}}")
    ports = ("--metrics-port", "0", "--health-port", "0")
    env |= {"DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock"}
    done = profjob("operator", "-e", "docker", "--host", "h1", *ports)

    assert done.returncode == 5
    assert "no Docker engine answers at" in done.stderr


def test_all_namespaces_exclude_one(profjob: Run) -> None:
    """It is one or the other."""
    done = profjob("operator", "--all-namespaces", "--namespace", "ci")

    assert done.returncode == 2
    assert "--namespace: excludes --all-namespaces" in done.stderr


def test_it_works_answers_and_leaves(server: FakeApi, env: dict[str, str], tmp_path: Path) -> None:
    """A job gets its Job, a bad one its verdict; health and metrics answer; TERM ends it."""
    server.put(api.PROFILING_JOBS, body())
    server.put(api.PROFILING_JOBS, body(name="bad", collectors=[{"name": "gdb"}]))
    metrics, health = free_port(), free_port()
    words = [sys.executable, "-m", "profiling_operator", "operator", "--namespace", "ci"]
    words += ["--metrics-port", str(metrics), "--health-port", str(health)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, env=env, stderr=log, cwd=tmp_path)
    try:
        until(process, lambda: "profjob_jobs_finished_total{" in fetched(metrics, "/metrics"))
        until(process, lambda: "none" in fetched(health, "/healthz"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()

    created = [one for one in server.requests if (one.verb, one.resource) == ("create", "jobs")]
    assert len(created) == 1


def fetched(port: int, path: str) -> str:
    """What a port answers; empty while it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.HTTPError):
        return ""


def until(process: subprocess.Popen[bytes], look: Any) -> None:
    """Return when it is so. Fails when the process ends, or not soon enough."""
    for _ in range(TRIES):
        if look():
            return
        try:
            code = process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the operator ended with {code}")
    raise AssertionError("still not so")
