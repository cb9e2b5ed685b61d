"""What the operator does arrives at its metrics."""

from __future__ import annotations

from prometheus_client import generate_latest

import reconciling
from profiling_operator.errors import Reason
from profiling_operator.pod_sightings import Sighting, Stage
from profiling_operator.reconcile import Decision
from profiling_operator.reporting import Report, Spent
from profiling_operator.settings import MetricsSettings
from profiling_operator.status import Collected, Facts, Status, next_status
from profiling_operator.tally import Tally, stages
from profiling_operator.telemetry import Telemetry


def tally() -> tuple[Tally, Telemetry]:
    """A tally and what it tells."""
    counts = Telemetry(MetricsSettings(), dict, list)
    return Tally(counts), counts


def failed(reason: Reason) -> Status:
    """The status of a job that failed."""
    return next_status(Status(), Facts(reconciling.at(9), error=(reason, "why")))


def told(counts: Telemetry) -> str:
    """The metrics as text."""
    return generate_latest(counts.registry).decode()


def test_a_job_that_ended_is_counted_with_its_reason() -> None:
    """Once, however often it is told."""
    counter, counts = tally()
    body = reconciling.owner()

    for _ in range(2):
        counter.ended(body, failed(Reason.APP_FAILED), Decision())

    assert (
        'profjob_jobs_finished_total{collector="pyspy",namespace="ci",reason="AppFailed",'
        'result="failed"} 1.0'
    ) in told(counts)


def test_a_spec_that_cannot_be_read_is_counted_too() -> None:
    """By namespace and reason; its collectors are nobody's."""
    counter, counts = tally()
    body = reconciling.owner(timeoutSeconds="long")

    counter.ended(body, failed(Reason.INVALID_SPEC), Decision())
    counter.found_ended(body, failed(Reason.INVALID_SPEC))

    assert 'collector="Other",namespace="ci",reason="InvalidSpec"' in told(counts)


def test_work_and_signs_of_life_arrive() -> None:
    """Looks, failures, watches."""
    counter, counts = tally()

    counter.reconciled(0.1)
    counter.reconcile_failed("Api500")
    counter.event_seen("pods")
    counter.noticed("BaselineAccepted")
    counter.noticed("AnythingElse")
    counter.forgotten("nobody")

    text = told(counts)
    assert "profjob_reconcile_seconds_count 1.0" in text
    assert 'profjob_reconcile_errors_total{reason="Api500"} 1.0' in text
    assert 'profjob_last_event_age_seconds{kind="pods"}' in text
    assert 'profjob_baseline_jobs_total{result="accepted"} 1.0' in text
    assert 'profjob_baseline_jobs_total{result="not_written"} 0.0' in text


def test_stages_are_the_times_between_what_was_seen() -> None:
    """Queue, start, run, collect by the cluster's clocks; the upload by the uploader's."""
    seen = Sighting(
        Stage.ENDED, created_at=reconciling.at(0), scheduled_at=reconciling.at(5),
        started_at=reconciling.at(7), finished_at=reconciling.at(17), ended_at=reconciling.at(20),
    )  # fmt: skip
    report = Report(
        "ci/test", "uid", 1, "pod", Collected((), None),
        spent=Spent(upload_seconds=1.5, upload_bytes=100),
    )  # fmt: skip

    found = stages(Decision(sighting=seen, report=report), holds_gpu=True)

    assert (found.queue, found.start, found.run, found.collect) == (5, 2, 10, 3)
    assert (found.upload, found.upload_bytes, found.holds_gpu) == (1.5, 100, True)


def test_what_was_not_seen_has_no_time() -> None:
    """A job that never ran has no run."""
    found = stages(Decision(sighting=Sighting(Stage.QUEUED)), holds_gpu=False)

    assert (found.queue, found.run, found.upload) == (None, None, None)
    assert stages(Decision(), holds_gpu=False).queue is None
