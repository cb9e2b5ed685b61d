"""Gates and baselines."""

from __future__ import annotations

import given
import pytest
from installed import condition, ended
from places import Place, holds

COMPLETED = ("Succeeded", "Completed")


@pytest.mark.behaviour("A limit that is kept is Passed.", "limit-kept")
def test_kept(place: Place) -> None:
    """GatesPassed is True."""
    status = place.wait("limit-kept")

    assert ended(status) == COMPLETED
    assert holds(status, "GatesPassed") == "True"
    assert [one["verdict"] for one in status["gates"]] == ["Passed"]


@pytest.mark.behaviour("A limit that is exceeded is Failed; the job is Complete.", "limit-exceeded")
def test_exceeded(place: Place) -> None:
    """GatesPassed is False, with reason and message."""
    status = place.wait("limit-exceeded")

    assert ended(status) == COMPLETED
    assert holds(status, "Complete") == "True"
    told = condition(status, "GatesPassed")
    assert (told["status"], told["reason"]) == ("False", "GateFailed")
    (gate,) = status["gates"]
    assert (gate["verdict"], gate["measure"]) == ("Failed", "app/duration")
    assert "junit.xml" in place.check_results("limit-exceeded")


@pytest.mark.behaviour(
    "A job is accepted into a baseline by its annotation, and later ones are compared with it.",
    "first-of-series",
)
def test_baseline(place: Place) -> None:
    """Without enough jobs to compare with, a gate is Skipped, and says how many there are."""
    first = place.wait("first-of-series")
    place.until_event("first-of-series", "BaselineAccepted")
    job = {key: value for key, value in given.JOBS["first-of-series"].items()}
    job.pop("annotations")
    place.apply("second-of-series", **job)
    second = place.wait("second-of-series")

    assert ended(first) == ended(second) == COMPLETED
    assert [one["gates"][0]["verdict"] for one in (first, second)] == ["Skipped", "Skipped"]
    assert "no accepted job" in first["gates"][0]["message"]
    assert "1 job to compare with" in second["gates"][0]["message"]
    assert "BaselineAccepted" not in place.reasons("second-of-series")
