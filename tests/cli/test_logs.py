"""`profjob logs`: every line once, from wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster_bodies import ended, going, stored_job, stored_logs, stored_pod
from fake_cluster import DROP, FakeCluster
from making import Run
from profiling_operator.cli.logs import Lines, newest, state_of

ONE = b"2026-11-23T10:00:01.000000001Z one\n"
TWO = b"2026-11-23T10:00:01.500000000Z two\n"
SAME = b"2026-11-23T10:00:01.500000000Z two again\n"
LATER = b"2026-11-23T10:00:02.000000000Z later\n"
RUNNING = stored_job(status=going("Running", "2026-11-23T10:00:00Z"))


def test_lines_are_printed_once() -> None:
    """The server's sinceTime knows whole seconds only; lines of one time are counted."""
    lines = Lines()

    assert lines.begin() == ""
    assert lines.take(ONE + TWO + LATER[:33]) == b"one\ntwo\n"
    assert lines.begin() == "2026-11-23T10:00:01Z"
    assert lines.take(ONE + TWO + SAME + LATER) == b"two again\nlater\n"
    lines.begin()
    assert lines.take(LATER) == b""


def test_a_last_line_without_an_end_is_printed() -> None:
    """At the end of all, since it may go on before."""
    lines = Lines()
    lines.begin()

    assert lines.take(ONE + b"2026-11-23T10:00:03Z half") == b"one\n"
    assert lines.end() == b"half"
    assert lines.end() == b""


def test_times_of_other_zones_are_compared() -> None:
    """A node may keep local time."""
    lines = Lines()
    lines.begin()
    lines.take(b"2026-11-23T12:00:01.000000001+02:00 one\n")

    assert lines.begin() == "2026-11-23T10:00:01Z"
    assert lines.take(ONE + TWO) == b"two\n"


def test_the_last_attempt_has_the_newest_pod() -> None:
    """By number: `10` is after `9`."""
    pods = [stored_pod(attempt=number, name=f"p{number}") for number in (9, 10, 2)]

    found = newest(pods)
    assert found is not None and found["metadata"]["name"] == "p10"
    assert newest([]) is None


@pytest.mark.parametrize("state", ["waiting", "running", "terminated"])
def test_containers_have_states(state: str) -> None:
    """Sidecars are among the init containers."""
    pod = stored_pod(state)
    pod["status"]["initContainerStatuses"] = [{"name": "playback", "state": {"running": {}}}]

    assert state_of(pod, "app") == state
    assert state_of(pod, "playback") == "running"
    assert state_of(pod, "uploader") == ""


def test_a_log_is_printed(profjob: Run, cluster: FakeCluster) -> None:
    """As it is, to its present end."""
    cluster.put(RUNNING)
    cluster.put(stored_pod())
    cluster.logs["nbody-1-x/app"].append([b"one\n", "\x00zwei\xe4".encode()])
    cluster.logs["nbody-1-x/uploader"].append([b"up\n"])

    assert profjob("logs", "nbody").stdout == "one\n\x00zwei\xe4"
    assert profjob("logs", "nbody", "-c", "uploader").stdout == "up\n"


def test_it_is_followed_over_cuts(profjob: Run, cluster: FakeCluster) -> None:
    """From before the container's start to its end, no line twice, none missing."""
    cluster.put(RUNNING)
    cluster.put(stored_pod("waiting"))
    cluster.watches["pods"].append([stored_pod()])
    cluster.logs["nbody-1-x/app"].extend([
        [400],
        [ONE, TWO, DROP],
        [500],
        [ONE, TWO, LATER[:30], DROP],
        [ONE, TWO, SAME, LATER, stored_pod("terminated")],
    ])  # fmt: skip
    cluster.watches["pods"].append([stored_pod()])

    done = profjob("logs", "nbody", "-f")

    assert (done.returncode, done.stdout) == (0, "one\ntwo\ntwo again\nlater\n")
    assert not cluster.logs["nbody-1-x/app"]


def test_a_pod_is_waited_for(profjob: Run, cluster: FakeCluster) -> None:
    """There is none at first, and one of the second attempt then."""
    cluster.put(RUNNING)
    cluster.watches["pods"].append([stored_pod(attempt=2, name="second")])
    cluster.logs["second/app"].extend([[ONE, stored_pod("terminated", 2, "second")], [ONE]])

    assert profjob("logs", "nbody", "-f").stdout == "one\n"


def test_an_attempt_can_be_chosen(profjob: Run, cluster: FakeCluster) -> None:
    """The first one's pod is still there."""
    cluster.put(RUNNING)
    cluster.put(stored_pod("terminated", 1, "first"))
    cluster.put(stored_pod("running", 2, "second"))
    cluster.logs["first/app"].append([b"of the first\n"])

    assert profjob("logs", "nbody", "--previous-attempt", "1").stdout == "of the first\n"


def test_what_has_not_started_says_how_to_wait(profjob: Run, cluster: FakeCluster) -> None:
    """2, with the server's words."""
    cluster.put(RUNNING)
    cluster.put(stored_pod("waiting"))
    cluster.logs["nbody-1-x/app"].append([400])

    done = profjob("logs", "nbody")

    assert (done.returncode, done.stdout) == (2, "")
    assert "is waiting to start; --follow waits for it" in done.stderr


@pytest.mark.parametrize("more", [[], ["-f"]])
def test_an_unknown_container_is_named(profjob: Run, cluster: FakeCluster, more: list[str]) -> None:
    """With those that there are."""
    cluster.put(RUNNING)
    cluster.put(stored_pod())

    done = profjob("logs", "nbody", "-c", "sidecar", *more)

    assert done.returncode == 2
    assert "the pod has collector-pyspy, app, uploader" in done.stderr


def test_when_the_pod_is_gone_the_results_tell(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """All runs in order, or one; -f makes no difference."""
    url, results = stored_logs(tmp_path, {0: "first\n", 1: "second\n", 10: "last\n"})
    cluster.put(stored_job(status=ended(results=results)))

    assert profjob("logs", "nbody", "--results-url", url).stdout == "first\nsecond\nlast\n"
    assert profjob("logs", "nbody", "-f", "--results-url", url).stdout.endswith("last\n")
    assert profjob("logs", "nbody", "--run", "1", "--results-url", url).stdout == "second\n"

    done = profjob("logs", "nbody", "--run", "5", "--results-url", url)
    assert done.returncode == 2
    assert "--run 5: the results hold the runs 0, 1, 10" in done.stderr


def test_other_containers_are_gone_with_the_pod(profjob: Run, cluster: FakeCluster) -> None:
    """Nobody keeps what they print."""
    cluster.put(stored_job(status=ended()))

    done = profjob("logs", "nbody", "-c", "uploader")

    assert done.returncode == 2
    assert "its pod is gone" in done.stderr


def test_single_runs_come_with_the_results(profjob: Run, cluster: FakeCluster) -> None:
    """Before, the pod's log has all of them in one."""
    cluster.put(RUNNING)

    done = profjob("logs", "nbody", "--run", "0")

    assert done.returncode == 2
    assert "not finished" in done.stderr
    assert profjob("logs", "nbody", "--run", "0", "-c", "uploader").returncode == 2
