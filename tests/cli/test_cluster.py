"""How the commands reach a cluster, and what they say when they do not."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from cluster_bodies import going, stored_job
from fake_cluster import FakeCluster, write_kubeconfig
from making import Run, free_port
from profiling_operator.cli import cluster as reaching
from profiling_operator.cli.exits import Exit
from profiling_operator.errors import ApiError, ForbiddenError, UnauthorizedError, UnreachableError


@pytest.mark.parametrize("text", [
    "nbody", "pj/nbody", "profilingjob/nbody", "profilingjobs/nbody",
    "profilingjob.profiling.dev/nbody", "profilingjobs.profiling.dev/nbody",
])  # fmt: skip
def test_names_may_say_their_kind(text: str) -> None:
    """As kubectl takes and prints them."""
    assert reaching.job_name(text) == "nbody"


@pytest.mark.parametrize("text", ["job/nbody", "pj/", "", "N", "a/../b", "pj/a?b", "-x"])
def test_other_names_are_refused(text: str) -> None:
    """Before anybody is asked: a name becomes a part of a URL."""
    with pytest.raises(typer.BadParameter, match="must be"):
        reaching.job_name(text)


@pytest.mark.parametrize(("seconds", "said"), [
    (0, "0s"), (119, "119s"), (120, "2m"), (310, "5m10s"), (600, "10m"), (3 * 3600 - 1, "179m"),
    (3 * 3600, "3h"), (5 * 3600 + 120, "5h2m"), (47 * 3600, "47h"), (50 * 3600, "2d2h"),
    (40 * 86400, "40d"), (-5, "0s"),
])  # fmt: skip
def test_ages_read_as_those_of_kubectl(seconds: int, said: str) -> None:
    """Coarser the older."""
    now = datetime.fromtimestamp(2_000_000_000 + seconds, UTC)

    assert reaching.age("2033-05-18T03:33:20Z", now) == said
    assert reaching.age("yesterday", now) == ""


@pytest.mark.parametrize(("error", "code"), [
    (UnreachableError("x"), Exit.PLATFORM_UNREACHABLE),
    (UnauthorizedError(401, "Unauthorized", "x"), Exit.PLATFORM_UNREACHABLE),
    (ForbiddenError(403, "Forbidden", "x"), Exit.USAGE),
    (ApiError(422, "Invalid", "x"), Exit.USAGE),
    (ApiError(429, "TooManyRequests", "x"), Exit.PLATFORM_UNREACHABLE),
    (ApiError(503, "", "x"), Exit.PLATFORM_UNREACHABLE),
])  # fmt: skip
def test_errors_of_the_api_have_exit_codes(error: ApiError, code: Exit) -> None:
    """5 where the platform is the problem, 2 where the question is."""
    assert reaching.code_of(error) is code


def test_a_status_of_a_newer_operator_is_read() -> None:
    """What this version does not know is left out."""
    status = {**going("Running"), "mood": "good", "results": {"url": "u", "weight": 3}}

    assert reaching.status_of(stored_job(status=status)).phase == "Running"


def test_what_would_steer_a_terminal_is_not_printed() -> None:
    """Headlines come from programs that a job's author wrote."""
    assert reaching.plain("a\x1b[2J\nb") == "a [2J b"


def test_a_server_that_is_not_there_is_exit_code_5(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """At once, naming the address."""
    text = (tmp_path / "kubeconfig").read_text()
    port = f"127.0.0.1:{free_port()}"
    (tmp_path / "nobody").write_text(text.replace(cluster.url.partition("//")[2], port))

    for command in (["list"], ["wait", "x"], ["logs", "x"], ["fetch", "x"], ["cancel", "x"]):
        done = profjob(*command, "--kubeconfig", str(tmp_path / "nobody"))
        assert (done.returncode, done.stdout) == (5, "")
        assert port in done.stderr


def test_a_kubeconfig_that_is_not_there_is_exit_code_5(profjob: Run, env: dict[str, str]) -> None:
    """With a message, not a traceback."""
    env["KUBECONFIG"] = "/no/such/file"

    done = profjob("list")

    assert done.returncode == 5
    assert "no cluster is known here" in done.stderr and "Traceback" not in done.stderr


def test_a_cluster_without_the_crd_says_so(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """Its 404 is of the path, not of an object."""
    write_kubeconfig(tmp_path / "elsewhere", f"{cluster.url}/elsewhere")

    done = profjob("list", "--kubeconfig", str(tmp_path / "elsewhere"))

    assert done.returncode == 2
    assert "install the CRD" in done.stderr


def test_context_and_namespace_are_obeyed(profjob: Run, cluster: FakeCluster) -> None:
    """As kubectl has them: the namespace wins over that of the context."""
    assert profjob("list").returncode == 0
    assert profjob("list", "--context", "other").returncode == 0
    assert profjob("list", "--context", "other", "-n", "third").returncode == 0

    asked = [path.partition("/namespaces/")[2].partition("/")[0] for _, path in cluster.asked]
    assert asked == ["ci", "other", "third"]
    assert profjob("list", "--context", "nosuch").returncode == 5


def test_an_interruption_is_no_failed_gate(
    cluster: FakeCluster, env: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C is 130, as shells have it; click's own 1 would say that a gate failed."""
    cluster.put(stored_job(status=going("Running")))
    words = [sys.executable, "-m", "profiling_operator", "wait", "nbody"]
    with subprocess.Popen(words, env=env, cwd=tmp_path, stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr is not None
        waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        said = waiting.stderr.read()

    ending = b"no longer waiting; the job goes on (profjob cancel nbody ends it)\n"
    assert (waiting.returncode, said) == (130, ending)
