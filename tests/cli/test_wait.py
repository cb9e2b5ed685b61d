"""`profjob wait`: the exit code, whatever happens on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cluster_bodies import STARTED, ended, going, stored_job
from fake_cluster import DROP, END, FakeCluster
from making import Run

UNUSABLE = ended("Failed", "NothingMeasured", "False")
RUNNING = stored_job(status=going("Running", STARTED))
DONE = stored_job(status=ended())


@pytest.mark.parametrize(("status", "code"), [
    (ended(), 0), (ended("Failed", "AppFailed"), 3), (UNUSABLE, 6),
    (ended("Failed", "InvalidSpec", runs=[]), 2), (ended("Cancelled", "Cancelled"), 3),
    (ended("Failed", "InfrastructureLost", runs=[]), 5),
])  # fmt: skip
def test_the_exit_code_is_the_jobs(
    profjob: Run, cluster: FakeCluster, status: dict[str, Any], code: int
) -> None:
    """A job that has finished is not waited for."""
    cluster.put(stored_job(status=status))

    assert profjob("wait", "pj/nbody").returncode == code


def test_phases_are_told_on_the_way(profjob: Run, cluster: FakeCluster) -> None:
    """On stderr, each once; stdout has the end."""
    cluster.put(stored_job())
    cluster.watches["profilingjobs"].append([
        stored_job(status=going("Starting")), RUNNING, RUNNING, stored_job(status=ended()),
    ])  # fmt: skip

    done = profjob("wait", "nbody")

    told = done.stderr.splitlines()
    assert [line.partition(": ")[2].partition(",")[0] for line in told] == [
        "Pending", "Starting", "Running", "Succeeded",
    ]  # fmt: skip
    assert done.stdout.splitlines()[0] == "Succeeded  Completed"
    assert "headline  hot 81 % of 2.5 s" in done.stdout
    assert "run 0  Completed, exit code 0, 2.5 s" in done.stdout
    assert profjob("wait", "nbody", "--quiet").stderr == ""


@pytest.mark.parametrize("script", [
    [[DROP], [DONE]],
    [[RUNNING, DROP], [END], [DONE]],
    [[410], [RUNNING, 410], [DONE]],
    [[500], [503], [DONE]],
    [[RUNNING, END], [END], [END], [END], [DONE]],
])  # fmt: skip
def test_watches_may_end_in_any_way(
    profjob: Run, cluster: FakeCluster, script: list[list[Any]]
) -> None:
    """Dropped, ended, too old, in error: the job is looked at again, and the wait goes on."""
    cluster.put(stored_job())
    cluster.watches["profilingjobs"].extend(script)

    done = profjob("wait", "nbody", "-o", "name")

    assert (done.returncode, done.stdout) == (0, "profilingjob.profiling.dev/nbody\n")
    assert not cluster.watches["profilingjobs"]


@pytest.mark.parametrize("failures", [[DROP, DROP], [503, 500, 429], [DROP, 502]])
def test_the_api_server_may_be_away_for_a_while(
    profjob: Run, cluster: FakeCluster, failures: list[Any]
) -> None:
    """Once it has answered, it is given time; what it missed is found."""
    cluster.put(stored_job())
    cluster.watches["profilingjobs"].append([DROP])
    cluster.watches["profilingjobs"].append([DONE])
    cluster.failures["GET profilingjobs"].extend([0, *failures])
    cluster.failures["WATCH profilingjobs"].extend([0, *failures])

    done = profjob("wait", "nbody")

    assert done.returncode == 0
    assert "asking again" in done.stderr


def test_a_server_that_has_just_started_may_refuse_for_a_moment(
    profjob: Run, cluster: FakeCluster
) -> None:
    """It answers before it knows any role; whoever saw the job before may see it again."""
    cluster.put(stored_job())
    cluster.watches["profilingjobs"].append([DROP])
    cluster.watches["profilingjobs"].append([DONE])
    cluster.failures["GET profilingjobs"].extend([0, DROP, 403, 403])

    assert profjob("wait", "nbody").returncode == 0


def test_an_end_that_nobody_watched_is_found(profjob: Run, cluster: FakeCluster) -> None:
    """The job ends while the watch is refused: the look after it sees that."""
    cluster.put(RUNNING)
    cluster.failures["WATCH profilingjobs"].extend([500])
    cluster.watches["profilingjobs"].append([DONE])

    assert profjob("wait", "nbody").returncode == 0


def test_it_does_without_watching_where_that_is_not_permitted(
    profjob: Run, cluster: FakeCluster
) -> None:
    """Whoever may only get a job looks at it now and then."""
    cluster.put(RUNNING)
    cluster.watches["profilingjobs"].append([DONE])
    cluster.failures["WATCH profilingjobs"].append(403)

    assert profjob("wait", "nbody").returncode == 0


def test_a_job_that_is_not_there_is_usage(profjob: Run, cluster: FakeCluster) -> None:
    """At once, naming job and namespace."""
    done = profjob("wait", "nbody")

    assert done.returncode == 2
    assert "nbody not found in namespace ci" in done.stderr


def test_its_creation_can_be_waited_for(profjob: Run, cluster: FakeCluster) -> None:
    """With --wait-for-creation the job may come later."""
    cluster.put(stored_job(status=ended()))
    cluster.failures["GET profilingjobs"].append(404)

    assert profjob("wait", "nbody", "--wait-for-creation").returncode == 0


def test_a_deleted_job_is_exit_code_3(profjob: Run, cluster: FakeCluster) -> None:
    """Nobody will know how it would have ended."""
    cluster.put(RUNNING)
    cluster.watches["profilingjobs"].append([("DELETED", "nbody")])

    done = profjob("wait", "nbody")

    assert (done.returncode, done.stdout) == (3, "")
    assert "ci/nbody: was deleted before it had finished" in done.stderr


def test_a_finished_job_that_is_deleted_at_once_has_finished(
    profjob: Run, cluster: FakeCluster
) -> None:
    """ttlSecondsAfterFinished may be 0: the last word is in the deletion."""
    cluster.put(RUNNING)
    cluster.watches["profilingjobs"].append([stored_job(status=ended()), ("DELETED", "nbody")])

    assert profjob("wait", "nbody").returncode == 0


@pytest.mark.parametrize("script", [[[("DELETED", "nbody")]], [[DROP]]])
def test_a_new_job_of_the_name_is_another_job(
    profjob: Run, cluster: FakeCluster, script: list[list[Any]]
) -> None:
    """Its success is not the success of the one that was waited for."""
    cluster.put(RUNNING)
    other = stored_job(uid="another", status=ended())
    cluster.watches["profilingjobs"].append([other, *script[0]])

    done = profjob("wait", "nbody")

    assert done.returncode == 3
    assert "was deleted" in done.stderr


def test_time_that_is_over_is_exit_code_4(profjob: Run, cluster: FakeCluster) -> None:
    """Also while a watch is quiet."""
    cluster.put(RUNNING)

    done = profjob("wait", "nbody", "--timeout", "300ms")

    assert done.returncode == 4
    assert "ci/nbody: has not finished in time" in done.stderr


def test_a_start_can_be_waited_for(profjob: Run, cluster: FakeCluster) -> None:
    """Exit code 0 when it runs; the job's own when it ended instead."""
    cluster.put(stored_job())
    cluster.watches["profilingjobs"].append([stored_job(status=going("Starting")), RUNNING])

    assert profjob("wait", "nbody", "--for", "started").returncode == 0

    cluster.put(stored_job(status=ended("Failed", "ImagePullFailed", runs=[], startTime="")))
    assert profjob("wait", "nbody", "--for", "started").returncode == 3


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_whole_job(
    profjob: Run, cluster: FakeCluster, form: str, read: Any
) -> None:
    """Without who wrote which field."""
    cluster.put(DONE)

    body = read(profjob("wait", "nbody", "-o", form).stdout)

    assert body["status"]["phase"] == "Succeeded"
    assert "managedFields" not in body["metadata"]


def test_a_job_that_no_model_takes_is_waited_for(profjob: Run, cluster: FakeCluster) -> None:
    """The operator ends it as InvalidSpec; the command line must not fall over it before."""
    body = stored_job(status=going("Pending"))
    body["spec"] = {"app": {"command": 5}, "collectors": "x", "future": True}
    cluster.put(body)
    cluster.watches["profilingjobs"].append(
        [{**body, "status": ended("Failed", "InvalidSpec", runs=[])}]
    )

    assert profjob("wait", "nbody").returncode == 2
