"""Which jobs that have ended become a part of a baseline."""

from __future__ import annotations

from typing import Any

import pytest

import facts
from profiling_operator import names
from profiling_operator.baselines import Snapshot
from profiling_operator.reconcile import Accept, CreateJob, Decision, Need
from profiling_operator.status import GateStatus
from reconciling import FAILED, decided, ended, owner, report, words, world
from worlds import OPEN, one, status

GATES = [{"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"}]


def asking(name: str = "main", body: Any = OPEN, **spec: Any) -> dict[str, Any]:
    """The running job, with the annotation."""
    about = {**body["metadata"], "annotations": {names.ACCEPT_BASELINE: name}}
    return {**body, "metadata": about, "spec": {**body["spec"], **spec}}


def end(body: Any, found: Any, **pod: Any) -> Decision:
    """What is decided at its end."""
    seen = world(100, body, **one(pods=[ended(**pod)]))
    return decided(seen, {Need.REPORT: found})[0]


def judged(verdict: Any) -> Any:
    """A report with one verdict."""
    gate = GateStatus(measure="app/duration", verdict=verdict)
    return report(collected=facts.collected(gates=(gate,)))


def test_a_job_that_ends_well_is_added_before_its_status_is_written() -> None:
    """Afterwards it would never be touched again."""
    decision = end(asking(), report())

    (action,) = decision.actions
    assert isinstance(action, Accept)
    assert (action.baseline, action.plan.attempt, action.report) == ("main", 1, report())
    assert status(decision).reason == "Completed"
    assert decision.notices == ()


def test_a_job_that_does_not_ask_for_it_is_not_added() -> None:
    """Nothing is written, nothing is told."""
    decision = end(OPEN, report())

    assert (decision.actions, decision.notices) == ((), ())


@pytest.mark.parametrize("name", ["", "Main", "a b", "x" * 64, "-"])
def test_a_name_that_no_baseline_can_have_is_told(name: str) -> None:
    """By an event; the job is as good as it is."""
    decision = end(asking(name), report())

    (notice,) = decision.notices
    assert (decision.actions, notice.reason, notice.is_warning) == ((), "BaselineNotWritten", True)
    assert "must be a name of at most 63" in notice.message
    assert len(notice.message) < 300
    assert status(decision).reason == "Completed"


@pytest.mark.parametrize(("verdict", "is_added"), [
    ("Passed", True), ("Skipped", True), ("Failed", False),
])  # fmt: skip
def test_what_failed_a_gate_is_no_measure_for_others(verdict: str, is_added: bool) -> None:
    """Skipped is how a window fills."""
    decision = end(asking(gates=GATES), judged(verdict))

    assert bool(decision.actions) is is_added
    assert ["a gate failed" in one.message for one in decision.notices] == [True] * (not is_added)


def test_verdicts_that_got_lost_may_have_been_bad() -> None:
    """The uploader's last words tell no verdicts."""
    decision = end(asking(gates=GATES), None, uploader=words(report()))

    assert decision.actions == ()
    assert "are not known" in decision.notices[0].message


def test_a_job_that_failed_is_not_added() -> None:
    """Its end tells enough."""
    decision = end(
        asking(retries={"infrastructure": 0, "app": 0}), report("AppFailed", 3), app=FAILED
    )

    assert (decision.actions, decision.notices) == ((), ())


def test_what_gates_are_judged_by_is_in_the_plan_before_it_starts() -> None:
    """The store is asked once, and only where a gate names a baseline."""
    found = (Snapshot(name="main", others="3 jobs with another command"),)
    decision, asked = decided(world(1, owner(gates=GATES)), {Need.BASELINES: found})

    (action,) = decision.actions
    assert isinstance(action, CreateJob)
    assert action.plan.baselines == found
    assert asked == {Need.BASELINES}
    assert decided(world(1))[1] == frozenset()
