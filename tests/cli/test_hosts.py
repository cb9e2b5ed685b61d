"""Jobs of Docker hosts: no pod of theirs is on the API server."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cluster_bodies import ended, going, stored_job, stored_logs, stored_pod
from fake_cluster import FakeCluster, served, write_kubeconfig
from making import Run
from profiling_operator import api
from profiling_operator.cli import hosts
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.wait import Waiting

HOST = {"placement": {"host": "gpu-1"}}
UNTAKEN = stored_job(**HOST)
ATTEMPT = {"number": 1, "jobName": "nbody-1", "podName": "nbody-1", "nodeName": "gpu-1"}
LOST = {**ATTEMPT, "outcome": "InfrastructureLost"}


def on_host(*attempts: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A job that runs, with these attempts; on the host gpu-1 by default."""
    return stored_job(status={**going("Running"), "attempts": list(attempts)}, **{**HOST, **spec})


@pytest.mark.parametrize(("body", "who"), [
    (UNTAKEN, "the agent of the Docker host gpu-1"), (stored_job(), "the operator"),
])  # fmt: skip
def test_a_job_that_nobody_took_says_who_should(body: dict[str, Any], who: str) -> None:
    """The one who is named by its host, or the cluster's operator."""
    assert hosts.untaken(body) == f"nobody has taken it yet: is {who} running?"
    assert hosts.untaken({**body, "status": going("Queued")}) == ""


@pytest.mark.parametrize(("first", "hints"), [(UNTAKEN, 1), (on_host(ATTEMPT), 0)])
def test_a_wait_hints_at_a_missing_agent(tmp_path: Path, first: dict[str, Any], hints: int) -> None:
    """Once, on stderr, and it goes on; a job that was taken may queue for as long as it likes."""
    fake, said = FakeCluster(), io.StringIO()
    fake.put(first)
    fake.watches["profilingjobs"].append([first, stored_job(status=ended(), **HOST)])
    waiting = Waiting("nbody", Console(file=said, width=200), patience=0.0)

    async def waited(kubeconfig: str) -> dict[str, Any]:
        async with api.connect(kubeconfig=kubeconfig) as door:
            return await waiting.through(Conversation(door, "ci"))

    with served(fake.app()) as url:
        write_kubeconfig(tmp_path / "kubeconfig", url)
        body = asyncio.run(waited(str(tmp_path / "kubeconfig")))

    assert body["status"]["phase"] == "Succeeded"
    assert said.getvalue().count("ci/nbody: nobody has taken it yet") == hints


def test_a_wait_whose_time_is_over_says_it_too(profjob: Run, cluster: FakeCluster) -> None:
    """Where the time is shorter than the patience."""
    cluster.put(UNTAKEN)

    done = profjob("wait", "nbody", "--timeout", "300ms")

    assert done.returncode == 4
    assert "is the agent of the Docker host gpu-1 running?" in done.stderr


def test_a_description_names_host_and_missing_agent(profjob: Run, cluster: FakeCluster) -> None:
    """The job is there since long; stdout is for the description."""
    cluster.put(UNTAKEN)

    done = profjob("describe", "nbody")

    assert "Host:        gpu-1" in done.stdout
    assert "is the agent of the Docker host gpu-1 running?" in done.stderr
    cluster.put(on_host(ATTEMPT))
    assert profjob("describe", "nbody").stderr == ""


def test_a_list_shows_the_host(profjob: Run, cluster: FakeCluster) -> None:
    """In the column of nodes."""
    cluster.put(on_host(ATTEMPT))

    head, line = profjob("list", "-o", "wide").stdout.splitlines()

    assert line[head.index("NODE") :].startswith("gpu-1 ")


@pytest.mark.parametrize(("words", "body", "said"), [
    ([], on_host(ATTEMPT), "nbody: runs on gpu-1: see docker logs nbody-1 there"),
    (["-c", "playback"], on_host(ATTEMPT), "see docker logs nbody-1-playback there"),
    (["-c", "uploader"], on_host(ATTEMPT), "runs on gpu-1 in containers: app, playback"),
    (["--attempt", "1"], on_host(LOST), "comes at its end"),
    (["--attempt", "2"], on_host(LOST, {**ATTEMPT, "number": 2, "podName": "nbody-2"}),
     "see docker logs nbody-2 there"),
    ([], on_host(), "has not started on gpu-1"),
    ([], UNTAKEN, "has not started on gpu-1"),
    ([], on_host(ATTEMPT, placement={}), "if gpu-1 is a Docker host: see docker logs nbody-1"),
    (["--run", "0"], on_host(ATTEMPT), "comes at its end"),
])  # fmt: skip
def test_a_log_that_is_elsewhere_is_pointed_at(
    profjob: Run, cluster: FakeCluster, words: list[str], body: dict[str, Any], said: str
) -> None:
    """2: there is none to print; the message has the command that prints it."""
    cluster.put(body)

    done = profjob("logs", "nbody", *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_log_is_followed_to_the_results(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """Where it is meanwhile is said once; it is printed when the job has ended."""
    url, results = stored_logs(tmp_path, {0: "first\n", 1: "second\n"})
    cluster.put(on_host(ATTEMPT))
    other = stored_pod(name="other")
    other["metadata"]["labels"] = {}
    done = stored_job(status=ended(results=results), **HOST)
    cluster.watches["pods"].extend([[other], [done]])

    followed = profjob("logs", "nbody", "-f", "--results-url", url)

    assert (followed.returncode, followed.stdout) == (0, "first\nsecond\n")
    assert followed.stderr.count("see docker logs -f nbody-1 there") == 1
