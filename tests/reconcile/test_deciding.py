"""What is decided of each world in the table, and what holds for every line of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from profiling_operator.errors import MEANING, Reason
from profiling_operator.reconcile import (
    CreateJob,
    Decision,
    Delete,
    Need,
    on_cluster,
    reconcile,
    status_of,
)
from profiling_operator.status import ConditionType
from reconciling import (
    SETTINGS,
    UID,
    afterwards,
    at,
    begun,
    child,
    collecting,
    decided,
    ended,
    job_name,
    owner,
    report,
    running,
    world,
)
from worlds import (
    CANCELLED,
    LOST,
    OPEN,
    PENDING,
    RUNNING,
    SUCCEEDED,
    TABLE,
    Line,
    asking,
    message_of,
    one,
    reason_of,
    status,
)

every_line = pytest.mark.parametrize("line", TABLE, ids=[line.name for line in TABLE])
FINISHED = [line for line in TABLE if line.phase in {SUCCEEDED, LOST, CANCELLED}]
every_end = pytest.mark.parametrize("line", FINISHED, ids=[line.name for line in FINISHED])


@every_line
def test_the_table(line: Line) -> None:
    """Each world has its phase, reason, message, actions, and who is asked."""
    decision, asked = decided(line.seen, line.answers)

    told = decision.status
    assert (told.phase if told else None) == line.phase
    assert (reason_of(told, status_of(line.seen.body)) if told else "") == line.reason
    assert line.says in (message_of(told) if told else "")
    started = [one.plan.attempt for one in decision.actions if isinstance(one, CreateJob)]
    assert started == ([line.creates] if line.creates else [])
    assert [one.name for one in decision.actions if isinstance(one, Delete)] == [*line.deletes]
    assert asked == line.asks


@every_line
def test_a_wait_that_no_event_ends_has_a_limit(line: Line) -> None:
    """Whatever may last is looked at again."""
    decision, _ = decided(line.seen, line.answers)

    assert not line.wakes or decision.wake_seconds is not None
    assert decision.wake_seconds is None or 0 <= decision.wake_seconds < 10**6


@every_line
def test_the_same_world_gives_the_same_decision(line: Line) -> None:
    """Whoever asks, however often."""
    assert decided(line.seen, line.answers) == decided(line.seen, line.answers)


@every_line
def test_a_decision_that_was_carried_out_is_not_made_again(line: Line) -> None:
    """The next look tells the same, unless an attempt was closed: then the next one begins."""
    decision, _ = decided(line.seen, line.answers)
    later = afterwards(line.seen, decision)

    again, _ = decided(later, line.answers)

    if decision.status is None or (line.reason and line.phase is PENDING):
        return
    assert again.status in (None, decision.status)
    assert not [one for one in again.actions if isinstance(one, CreateJob)]


@every_line
def test_a_status_is_read_as_it_was_written(line: Line) -> None:
    """What is decided next is decided of the same."""
    decision, _ = decided(line.seen, line.answers)

    assert decision.status is None or status_of(afterwards(line.seen, decision).body) == (
        decision.status
    )


@every_end
def test_an_end_keeps_the_contract(line: Line) -> None:
    """One of Complete and Failed; usable or not; what Helm and Flux read; a time; the spec's."""
    told = status(decided(line.seen, line.answers)[0])

    succeeded = told.phase is SUCCEEDED
    assert told.holds(ConditionType.FINISHED)
    assert told.holds(ConditionType.COMPLETE) is succeeded
    assert told.holds(ConditionType.FAILED) is not succeeded
    assert told.holds(ConditionType.READY) is succeeded
    assert told.holds(ConditionType.STALLED) is not succeeded
    assert not told.holds(ConditionType.RECONCILING)
    assert told.condition(ConditionType.PROFILE_USABLE) is not None
    assert told.reason in {reason.value for reason in MEANING}
    assert told.completion_time
    assert told.observed_generation == line.seen.body["metadata"]["generation"]
    assert all(one.outcome and one.finished_at for one in told.attempts)


@every_end
def test_an_end_is_for_ever(line: Line) -> None:
    """Whatever comes later, even a new generation: no status, no new attempt."""
    decision, _ = decided(line.seen, line.answers)
    body = dict(afterwards(line.seen, decision).body)
    body["metadata"] = {**body["metadata"], "generation": 7}
    body["spec"] = {**body["spec"], "suspend": False, "cancel": True}

    for seen in (world(10**6, body), world(10**6, body, **one(pods=[running()]))):
        later = reconcile(seen)

        assert later.status is None
        assert not later.needs
        assert not [action for action in later.actions if isinstance(action, CreateJob)]


@pytest.mark.parametrize("line", TABLE, ids=[line.name for line in TABLE])
def test_what_goes_on_is_not_ready(line: Line) -> None:
    """Neither for `kubectl wait` nor for kstatus, and the reason is the phase."""
    told = decided(line.seen, line.answers)[0].status
    if told is None or told.reason:
        return

    assert not told.holds(ConditionType.READY)
    assert told.holds(ConditionType.RECONCILING)
    assert {found.reason for found in told.conditions} == {told.phase.value}
    assert told.completion_time == ""


def test_the_table_has_every_reason_of_the_operator() -> None:
    """Those that launcher, collectors and uploader find are passed on as they are."""
    theirs = {
        Reason.APP_KILLED, Reason.CANNOT_STOP, Reason.COLLECTOR_HUNG, Reason.COUNTERS_NOT_PERMITTED,
        Reason.GATE_FAILED, Reason.LAUNCHER_FAILED, Reason.NOTHING_MEASURED, Reason.NO_GPU_DATA,
        Reason.OUTPUT_MISSING, Reason.OUTPUT_TRUNCATED, Reason.OUTPUT_UNREADABLE,
        Reason.PLAYBACK_FAILED, Reason.PROFILE_OVERWRITTEN, Reason.TOOLCHAIN_INCOMPATIBLE,
        Reason.UPLOAD_FAILED,
    }  # fmt: skip

    assert {line.reason for line in TABLE} - {"", "Suspended"} == {
        reason.value for reason in set(Reason) - theirs
    }


def test_resuming_begins_an_attempt_of_its_own() -> None:
    """Suspended, told so, resumed: the second attempt, and the first one's outcome stays."""
    suspended = begun(world(30, asking(suspend=True), **one(pods=[running()])))
    assert status_of(suspended).attempts[-1].outcome == "Suspended"

    resumed = {**suspended, "spec": {**suspended["spec"], "suspend": False}}
    decision, _ = decided(world(60, resumed))

    assert [action.plan.attempt for action in decision.actions] == [2]
    assert [found.outcome for found in status(decision).attempts] == ["Suspended", ""]


def test_a_changed_wish_is_observed() -> None:
    """The generation of the spec that a status is about is always written."""
    told = status(decided(world(100, asking(cancel=True), **one(pods=[running()])))[0])

    assert told.observed_generation == 2
    assert {found.observed_generation for found in told.conditions} == {2}


def test_an_attempt_under_way_outlives_what_the_settings_say_now() -> None:
    """A store that nobody names any more does not end what runs; it could not have been begun."""
    seen = world(100, OPEN, **one(pods=[running()]))

    poorer = on_cluster(SETTINGS.model_copy(update={"stores": {}}))

    assert status(reconcile(replace(seen, platform=poorer))).phase is RUNNING


def test_an_attempt_that_cannot_be_read_any_more_is_closed() -> None:
    """A stricter operator came meanwhile: the job is refused, and its Job ended."""
    seen = world(100, {**OPEN, "spec": {**OPEN["spec"], "timeoutSeconds": -1}}, jobs=[child()])
    decision = reconcile(seen)

    assert [found.outcome for found in status(decision).attempts] == ["InvalidSpec"]
    assert reconcile(afterwards(seen, decision)).actions == (Delete("jobs", job_name(), "job-1"),)


def done(**wanted: Any) -> dict[str, Any]:
    """The job after its end at 100 s."""
    seen = world(100, owner(**wanted), **one(pods=[ended()]))
    return owner(decided(seen, {Need.REPORT: report()})[0].status, **wanted)


@pytest.mark.parametrize(
    ("jobs", "pods", "swept"),
    [
        ([], [], 0),
        ([child(over="Complete")], [ended()], 0),
        ([child()], [ended()], 0),
        ([child()], [collecting()], 1),
        ([child()], [running()], 1),
        ([child()], [], 1),
        ([child(held=True)], [ended()], 1),
        ([child()], [running(deleted=30)], 1),
    ],
    ids=[
        "nothing", "over", "about to be over", "collecting", "running", "no pod yet", "held back",
        "on a dead node",
    ],
)  # fmt: skip
def test_what_still_runs_after_the_end_is_ended(
    jobs: list[Any], pods: list[Any], swept: int
) -> None:
    """And what has ended is kept, for `kubectl logs`."""
    decision = reconcile(world(200, done(), jobs=jobs, pods=pods))

    assert decision.status is None
    assert len(decision.actions) == swept


def test_a_job_that_is_being_deleted_is_not_deleted_again() -> None:
    """Somebody else's finalizer may keep it."""
    going = child()
    going["metadata"]["deletionTimestamp"] = at(150)

    assert reconcile(world(200, done(), jobs=[going])).actions == ()


@pytest.mark.parametrize(("now", "wake"), [(101, 59), (159, 1), (160, None), (10**6, None)])
def test_it_is_deleted_in_time(now: float, wake: float | None) -> None:
    """So long after its end, with its UID."""
    body = done(ttlSecondsAfterFinished=60)
    decision = reconcile(world(now, body))

    expected = () if wake else (Delete("profilingjobs", "test", UID),)
    assert (decision.wake_seconds, decision.actions) == (wake, expected)


def test_it_is_kept_where_nobody_said_how_long() -> None:
    """Without a TTL nothing is deleted, ever."""
    assert reconcile(world(10**9, done())) == Decision()
