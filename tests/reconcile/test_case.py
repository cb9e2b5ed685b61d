"""What is told of an attempt, and what belongs to it."""

from __future__ import annotations

from typing import Any

import pytest

from profiling_operator.reconcile import (
    CreateJob,
    Need,
)
from profiling_operator.status import AttemptStatus, Phase
from reconciling import (
    FAILED,
    at,
    begun,
    child,
    decided,
    ended,
    job_name,
    over,
    owner,
    queued,
    report,
    running,
    starting,
    world,
)
from worlds import (
    LOST,
    OPEN,
    PENDING,
    closed,
    one,
    status,
)


def test_a_pod_is_on_the_status_as_soon_as_it_is_seen() -> None:
    """The uploader's right to report hangs on its UID."""
    told = status(decided(world(3, begun(world(1)), **one(pods=[queued()])))[0])

    assert told.attempts == (
        AttemptStatus(
            number=1, job_name=job_name(), pod_name=f"{job_name()}-abcde", pod_uid="pod-1"
        ),
    )


def test_what_was_known_of_an_attempt_stays() -> None:
    """Also when the pod is gone at its end."""
    told = status(decided(world(100, OPEN), {Need.REPORT: report()})[0])

    assert told.attempts == (
        AttemptStatus(
            number=1, job_name=job_name(), pod_name=f"{job_name()}-abcde", pod_uid="pod-1",
            node_name="node-1", outcome="Completed", started_at=at(20), finished_at=at(100),
        ),
    )  # fmt: skip


def test_what_never_started_has_no_start() -> None:
    """containerd says 1970 of a program that it could not start."""
    died = over({"exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z"})
    told = status(decided(world(30, **one(pods=[starting(containers={"app": died})])))[0])

    assert (told.reason, told.start_time, told.attempts[0].started_at) == ("CannotStart", "", "")


def test_the_first_start_counts() -> None:
    """The job began when its first attempt did."""
    body = begun(world(1, OPEN), world(90, OPEN))
    later = running(2, scheduled=200, containers={"app": {"state": {"running": {
        "startedAt": at(210)}}}})  # fmt: skip
    told = status(decided(world(220, body, jobs=[child(2, 150)], pods=[later]))[0])

    assert [one.outcome for one in told.attempts] == ["InfrastructureLost", ""]
    assert told.start_time == at(20)


@pytest.mark.parametrize(
    ("earlier", "found", "phase"),
    [
        (["InfrastructureLost"] * 2, None, PENDING),
        (["InfrastructureLost"] * 3, None, LOST),
        (["InfrastructureLost", "ResultsLost", "InfrastructureLost"], None, LOST),
        (["InfrastructureLost", "Suspended", "Suspended", "Suspended"], None, PENDING),
        ([], report("AppFailed", 3), LOST),
        (["AppFailed"] * 3, None, PENDING),
    ],
)
def test_each_budget_counts_its_own_kind(earlier: list[str], found: Any, phase: Phase) -> None:
    """Three attempts more for the infrastructure by default, none for the application."""
    number = len(earlier) + 1
    seen = world(200, owner(closed(*earlier)), jobs=[child(number)], pods=[ended(
        number, app=FAILED, disrupted="" if found else "EvictionByEvictionAPI")])  # fmt: skip

    told = status(decided(seen, {Need.REPORT: found or report("Cancelled", 143, number)})[0])

    assert told.phase is phase
    assert [one.number for one in told.attempts] == list(range(1, number + 1))


def test_a_foreign_pod_with_our_labels_is_nobody() -> None:
    """Neither is it waited for, nor does it tell anything of the attempt."""
    foreign = running()
    foreign["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "other", "uid": "x"}]

    fresh, _ = decided(world(1, pods=[foreign]))
    later, _ = decided(world(100, OPEN, pods=[foreign]))
    beside, _ = decided(world(30, OPEN, **one(pods=[foreign, running()])))

    assert [type(action) for action in fresh.actions] == [CreateJob]
    assert status(later).attempts[0].outcome == "InfrastructureLost"
    assert status(beside).attempts[0].pod_uid == "pod-1"


def test_a_pod_on_a_dead_node_is_looked_at_when_it_is_overdue() -> None:
    """Nothing will tell of it."""
    decision, _ = decided(world(100, OPEN, **one(pods=[running(deleted=130)])))

    assert decision.wake_seconds == 130 + 60 - 100 + 0.5
