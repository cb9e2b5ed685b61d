"""`profjob cancel`: an early end, once."""

from __future__ import annotations

from cluster_bodies import ended, going, stored_job
from fake_cluster import FakeCluster
from making import Run


def cancelled(cluster: FakeCluster) -> set[str]:
    """The jobs whose spec says so."""
    return {key[2] for key, body in cluster.objects.items() if body["spec"].get("cancel")}


def test_jobs_are_cancelled(profjob: Run, cluster: FakeCluster) -> None:
    """Those that were named, and no others."""
    for name in ("a", "b", "c"):
        cluster.put(stored_job(name, uid=name, status=going("Running")))

    done = profjob("cancel", "a", "pj/b", "a")

    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "profilingjob.profiling.dev/a is being cancelled",
        "profilingjob.profiling.dev/b is being cancelled",
    ]
    assert cancelled(cluster) == {"a", "b"}


def test_a_finished_job_stays_as_it_is(profjob: Run, cluster: FakeCluster) -> None:
    """Nothing is written."""
    cluster.put(stored_job(status=ended()))

    done = profjob("cancel", "nbody")

    assert (done.returncode, cancelled(cluster)) == (0, set())
    assert done.stdout == "profilingjob.profiling.dev/nbody has ended: Succeeded\n"


def test_the_others_are_cancelled_where_one_is_missing(profjob: Run, cluster: FakeCluster) -> None:
    """Exit code 2 tells of the missing one."""
    cluster.put(stored_job("b", status=going("Running")))

    done = profjob("cancel", "a", "b")

    assert (done.returncode, cancelled(cluster)) == (2, {"b"})
    assert "a not found in namespace ci" in done.stderr


def test_the_end_can_be_waited_for(profjob: Run, cluster: FakeCluster) -> None:
    """That it was cancelled is what was wanted: 0."""
    running = stored_job(status=going("Running"))
    cluster.put(running)
    cluster.watches["profilingjobs"].append(
        [{**running, "status": ended("Cancelled", "Cancelled")}]
    )

    done = profjob("cancel", "nbody", "--wait")

    assert done.returncode == 0
    assert done.stdout == "profilingjob.profiling.dev/nbody has ended: Cancelled\n"


def test_a_job_that_has_just_been_replaced_is_not_cancelled(
    profjob: Run, cluster: FakeCluster
) -> None:
    """The wish was about another one: the server compares UIDs."""
    cluster.put(stored_job(status=going("Running")))
    cluster.failures["PATCH profilingjobs"].append(409)

    assert profjob("cancel", "nbody").returncode == 2
