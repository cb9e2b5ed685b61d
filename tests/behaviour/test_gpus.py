"""GPUs, and waiting for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from given import ENDLESS
from installed import condition, ended, until
from places import Place

from making import BUSY, python

COMPLETED = ("Succeeded", "Completed")


@contextmanager
def all_taken(place: Place, name: str) -> Iterator[str]:
    """An application has all GPUs meanwhile; the job is cancelled in the end."""
    place.apply(name, app=python(ENDLESS), gpu={"count": place.gpus}, timeoutSeconds=600)
    place.until_phase("Running", name)
    yield name
    place.patch(name, cancel=True)
    assert ended(place.wait(name)) == ("Cancelled", "Cancelled")


@pytest.mark.behaviour("A job has the GPUs that it asks for, of the product.", "two-gpus")
def test_product(place: Place) -> None:
    """And runs."""
    status = place.wait("two-gpus")

    assert ended(status) == COMPLETED
    seen = place.seen("two-gpus")
    assert seen["NVIDIA_VISIBLE_DEVICES"] != "void"


@pytest.mark.behaviour("More GPUs than there could ever be are Unschedulable.", "many-gpus")
def test_too_many(place: Place) -> None:
    """Soon, not at the deadline of the queue."""
    assert ended(place.wait("many-gpus")) == ("Failed", "Unschedulable")
    assert place.executions("many-gpus") == 0


@pytest.mark.behaviour("A product that nobody has is Unschedulable.", "no-product")
def test_no_product(place: Place) -> None:
    """Although GPUs are free."""
    assert ended(place.wait("no-product")) == ("Failed", "Unschedulable")


@pytest.mark.behaviour("A GPU has one application at a time; others queue, and have it next.")
def test_exclusive(place: Place) -> None:
    """Told by the times of the runs."""
    with all_taken(place, "has-all") as first:
        place.apply("has-next", app=python(BUSY), gpu={"count": 1})
        place.until_phase("Queued", "has-next")
        until(lambda: condition(place.status("has-next"), "Reconciling").get("message"))
        assert place.executions("has-next") == 0
    status = place.wait("has-next")

    assert ended(status) == COMPLETED
    ends = place.status(first)["runs"][-1]["app"]["finishedAt"]
    assert status["runs"][0]["app"]["startedAt"] >= ends
    assert place.executions("has-next") == 1


@pytest.mark.behaviour("Waiting longer than queueSeconds is QueueTimeout.")
def test_queue_timeout(place: Place) -> None:
    """Nothing of it was started."""
    with all_taken(place, "holds-all"):
        place.apply("waits", gpu={"count": 1}, deadlines={"queueSeconds": 3})
        status = place.wait("waits")

    assert ended(status) == ("Failed", "QueueTimeout")
    assert place.executions("waits") == 0


@pytest.mark.behaviour("A job that waits can be cancelled.")
def test_cancel_before_start(place: Place) -> None:
    """It never runs."""
    with all_taken(place, "keeps-all"):
        place.apply("never-runs", gpu={"count": 1})
        place.until_phase("Queued", "never-runs")
        place.patch("never-runs", cancel=True)
        status = place.wait("never-runs")

    assert ended(status) == ("Cancelled", "Cancelled")
    assert place.executions("never-runs") == 0
    place.until_idle("never-runs")
