"""What users do to a job."""

from __future__ import annotations

import pytest
from given import ENDLESS
from installed import KubectlError, ended
from places import Place, outcomes

from making import BUSY, python

COMPLETED = ("Succeeded", "Completed")


@pytest.mark.behaviour("A job that is cancelled while it runs keeps its profile.")
def test_cancel(place: Place) -> None:
    """It ends soon, and nothing of it runs on."""
    place.apply("cancelled", app=python(ENDLESS), timeoutSeconds=600)
    place.until_phase("Running", "cancelled")
    place.patch("cancelled", cancel=True)

    status = place.wait("cancelled")

    assert ended(status) == ("Cancelled", "Cancelled")
    assert status["runs"][0]["collectors"][0]["usable"]
    place.check_results("cancelled")
    place.until_event("cancelled", "Cancelled")
    place.until_idle("cancelled")
    assert place.executions("cancelled") == 1


@pytest.mark.behaviour("A suspended job does not run; suspended while it runs, it starts anew.")
def test_suspend(place: Place) -> None:
    """Each attempt is executed once."""
    place.apply("suspended", app=python(ENDLESS), suspend=True, timeoutSeconds=20, onTimeout="Stop")
    place.until_phase("Pending", "suspended")
    assert place.executions("suspended") == 0

    place.patch("suspended", suspend=False)
    place.until_phase("Running", "suspended")
    place.patch("suspended", suspend=True)
    place.until_phase("Pending", "suspended")
    place.until_idle("suspended")
    place.patch("suspended", suspend=False)
    status = place.wait("suspended")

    assert ended(status) == COMPLETED
    assert outcomes(status) == ["Suspended", "Completed"]
    assert place.executions("suspended") == 2


@pytest.mark.behaviour("A suspended job can be cancelled.")
def test_cancel_suspended(place: Place) -> None:
    """It never runs."""
    place.apply("held", suspend=True)
    place.until_phase("Pending", "held")
    place.patch("held", cancel=True)

    assert ended(place.wait("held")) == ("Cancelled", "Cancelled")
    assert place.executions("held") == 0


@pytest.mark.behaviour("A job that is deleted while it runs leaves nothing.")
def test_delete(place: Place) -> None:
    """Neither what ran nor what it had made."""
    place.apply("deleted", app=python(ENDLESS), timeoutSeconds=600)
    place.until_phase("Running", "deleted")
    assert place.remains("deleted")

    place.delete("deleted")

    place.until_gone("deleted")
    assert place.running("deleted") == []


@pytest.mark.behaviour("ttlSecondsAfterFinished deletes a finished job, and all that it had.")
def test_time_to_live(place: Place) -> None:
    """Also when it is set after the end."""
    place.apply("short-lived", app=python(BUSY), ttlSecondsAfterFinished=2)
    place.apply("set-later", app={"command": ["true"]})
    place.until_gone("short-lived")
    place.wait("set-later")

    place.patch("set-later", ttlSecondsAfterFinished=0)

    place.until_gone("set-later")


@pytest.mark.behaviour("The same manifest again changes nothing.")
def test_same_manifest(place: Place) -> None:
    """It is not executed again."""
    place.apply("again", app=python(BUSY))
    place.wait("again")
    before = place.namespace.get("again")

    place.apply("again", app=python(BUSY))

    after = place.namespace.get("again")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert place.executions("again") == 1


@pytest.mark.behaviour("A new job of the same name is a new job, with results of its own.")
def test_same_name(place: Place) -> None:
    """It runs."""
    place.apply("anew", app=python(BUSY))
    first = place.wait("anew")
    place.delete("anew")
    place.apply("anew", app=python(BUSY))

    second = place.wait("anew")

    assert ended(second) == COMPLETED
    assert second["results"]["url"] != first["results"]["url"]
    assert place.executions("anew") == 1


@pytest.mark.behaviour("What is immutable is refused by name.")
def test_immutable(place: Place) -> None:
    """By the API server."""
    place.apply("fixed", app={"command": ["true"]})

    with pytest.raises(KubectlError, match=r"spec\.repetitions is immutable"):
        place.patch("fixed", repetitions=2)


@pytest.mark.behaviour("Prometheus is told of jobs that exist and that have finished.")
def test_metrics(place: Place) -> None:
    """By the names of docs/metrics.md."""
    namespace = place.namespace.name
    counted = (
        f'profjob_jobs_finished_total{{collector="pyspy",namespace="{namespace}",'
        'reason="AppFailed",result="failed"}'
    )
    before = place.metric(counted)
    place.apply("counted", app=python("raise SystemExit(3)"))
    place.wait("counted")

    assert place.metric(counted) >= before + 1
    assert place.metric(f'profjob_jobs{{namespace="{namespace}",phase="Failed"}}') >= 1
    for stage in ("queue_wait", "start", "run", "collect"):
        assert place.metric(f"profjob_{stage}_seconds_count{{") >= 1, stage
    assert place.metric("profjob_build_info{") == 1
