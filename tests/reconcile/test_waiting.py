"""How long each stage may take, and how often it is looked at."""

from __future__ import annotations

import pytest

from reconciling import (
    begun,
    child,
    collecting,
    decided,
    queued,
    starting,
    waiting,
    world,
)
from worlds import (
    OPEN,
    one,
    status,
)


def test_a_start_that_takes_no_time_is_not_told_step_by_step() -> None:
    """Each step would be a write."""
    told = [
        status(decided(world(now, OPEN, **one(pods=[starting(containers=states)])))[0])
        for now, states in (
            (11, {"app": waiting("PodInitializing")}),
            (12, {"app": waiting("ContainerCreating")}),
        )
    ]

    assert told[0] == told[1]


def test_a_missing_pod_is_asked_about_again_and_again() -> None:
    """Events of refusals come late and unasked for: often at first, then each minute."""
    waits = [
        decided(world(1 + waited, begun(world(1)), jobs=[child()]))[0].wake_seconds
        for waited in (0, 3, 10, 200, 5000)
    ]

    assert waits == [2.5, 3.5, 10.5, 60.5, 60.5]


@pytest.mark.parametrize(
    ("now", "wake"), [(20, 280.5 + 1), (299, 2.5), (400, 86400 - 399 + 0.5), (86399, 2.5)]
)
def test_a_queue_is_looked_at_when_its_patience_ends(now: float, wake: float) -> None:
    """When no node could ever serve it, and when it has waited for too long."""
    decision, _ = decided(world(now, OPEN, **one(pods=[queued()])))

    assert decision.wake_seconds == wake


def test_a_pull_that_fails_has_less_patience() -> None:
    """A minute, where the start has ten."""
    failing = starting(containers={"app": waiting("ErrImagePull", "no")})
    wakes = [
        decided(world(20, OPEN, **one(pods=[seen])))[0].wake_seconds
        for seen in (failing, starting())
    ]

    assert wakes == [60 - 10 + 0.5, 600 - 10 + 0.5]


def test_collecting_has_the_time_that_the_job_gives_it() -> None:
    """And a minute more, since the uploader keeps to it by itself."""
    decision, _ = decided(world(100, OPEN, **one(pods=[collecting()])))

    assert decision.wake_seconds == 80 + 600 + 60 - 100 + 0.5
