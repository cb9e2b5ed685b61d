"""What an attempt that has ended comes to."""

from __future__ import annotations

from profiling_operator.reconcile import (
    Need,
)
from reconciling import (
    FAILED,
    at,
    decided,
    ended,
    lost,
    report,
    words,
    world,
)
from worlds import (
    ONCE,
    OPEN,
    message_of,
    one,
    status,
)


def test_a_job_that_was_never_seen_running_has_all_its_times() -> None:
    """From Pending to Succeeded between two looks, with the essence alone."""
    seen = world(100, **one(pods=[ended(uploader=words(report()))]))
    told = status(decided(seen)[0])

    assert (told.start_time, told.completion_time, told.duration) == (at(20), at(100), "1m20s")
    assert (told.attempts[0].started_at, told.attempts[0].finished_at) == (at(20), at(80))


def test_the_report_goes_with_the_decision() -> None:
    """Metrics want to know what collecting took, of a retried attempt as well."""
    found = report("Cancelled", 143)
    gone = ended(app=FAILED, disrupted="EvictionByEvictionAPI")

    for body in (OPEN, {**OPEN, **{"spec": ONCE["spec"]}}):
        decision, _ = decided(world(100, body, **one(pods=[gone])), {Need.REPORT: found})
        assert decision.report == found
        assert decision.sighting is not None


def test_what_the_uploader_could_not_keep_is_told_beside_the_application_s_end() -> None:
    """Three facts: the application's outcome, the collector's, the upload's."""
    told = report("AppFailed", 3, collected=lost("disk full"))
    decision, _ = decided(world(100, OPEN, **one(pods=[ended(app=FAILED)])), {Need.REPORT: told})

    assert status(decision).reason == "AppFailed"
    assert "the results are lost: disk full" in message_of(status(decision))
