"""What goes wrong around a job."""

from __future__ import annotations

import pytest
from given import ENDLESS
from installed import ended, until
from places import WAIT_SECONDS, Place, outcomes

from making import BUSY, python

COMPLETED = ("Succeeded", "Completed")


@pytest.mark.behaviour("An attempt that is lost while it runs is tried again.")
def test_lost(place: Place) -> None:
    """Each attempt was executed once."""
    place.apply("lost", app=python(ENDLESS), timeoutSeconds=20, onTimeout="Stop",
                retries={"infrastructure": 1})  # fmt: skip
    place.until_phase("Running", "lost")
    place.lose("lost")

    status = place.wait("lost")

    assert ended(status) == COMPLETED
    assert outcomes(status) == ["InfrastructureLost", "Completed"]
    assert place.executions("lost") == 2
    place.check_results("lost")


@pytest.mark.behaviour("Without retries.infrastructure left, it is InfrastructureLost.")
def test_lost_for_good(place: Place) -> None:
    """And nothing runs on."""
    place.apply("lost-for-good", app=python(ENDLESS), timeoutSeconds=600,
                retries={"infrastructure": 0})  # fmt: skip
    place.until_phase("Running", "lost-for-good")
    place.lose("lost-for-good")

    status = place.wait("lost-for-good")

    assert ended(status) == ("Failed", "InfrastructureLost")
    assert outcomes(status) == ["InfrastructureLost"]
    assert place.executions("lost-for-good") == 1
    place.until_idle("lost-for-good")


@pytest.mark.behaviour("Operator or agent killed while a job runs: it goes on, executed once.")
def test_killed(place: Place) -> None:
    """Whoever starts next adopts what runs."""
    place.apply("outlives", app=python(ENDLESS), timeoutSeconds=20, onTimeout="Stop")
    place.until_phase("Running", "outlives")
    place.kill()

    status = place.wait("outlives")

    assert ended(status) == COMPLETED
    assert outcomes(status) == ["Completed"]
    assert place.executions("outlives") == 1
    place.check_results("outlives")


@pytest.mark.behaviour("Operator or agent away: what ends meanwhile, and what comes, is taken up.")
def test_away(place: Place) -> None:
    """With all its results, executed once."""
    place.apply("ends-alone", app=python(ENDLESS), timeoutSeconds=20, onTimeout="Stop")
    place.until_phase("Running", "ends-alone")
    with place.away():
        place.apply("comes-alone", app=python(BUSY))
        until(lambda: not place.running("ends-alone"), WAIT_SECONDS)
        assert place.executions("comes-alone") == 0

    for name in ("ends-alone", "comes-alone"):
        status = place.wait(name)
        assert ended(status) == COMPLETED
        assert outcomes(status) == ["Completed"]
        assert place.executions(name) == 1
        place.check_results(name)
