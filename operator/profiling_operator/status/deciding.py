"""How facts become a status.

`next_status` is pure: the same facts give the same status, whoever asks and however often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from profiling_operator.errors import Reason
from profiling_operator.executors import State
from profiling_operator.status.judging import (
    Facts,
    Verdict,
    first_unusable,
    judge,
    known,
    told,
    why_unusable,
)
from profiling_operator.status.resource import (
    AppOutcome,
    AttemptStatus,
    Condition,
    ConditionType,
    GateStatus,
    Phase,
    RunStatus,
    Status,
    cut,
)
from profiling_operator.workspace import RunRecord

HEADLINE_LIMIT = 256  # bytes


PHASE_OF_STATE: dict[State, Phase] = {
    State.STARTING: Phase.STARTING,
    State.RUNNING: Phase.RUNNING,
    State.ENDED: Phase.COLLECTING,
    State.LOST: Phase.COLLECTING,
}
STATUS_OF: dict[bool | None, Literal["True", "False", "Unknown"]] = {
    True: "True",
    False: "False",
    None: "Unknown",
}


def next_status(previous: Status, facts: Facts) -> Status:
    """The status after new facts. A finished job stays as it is."""
    if previous.holds(ConditionType.FINISHED):
        return previous
    verdict = judge(facts)
    phase = verdict.phase if verdict else _phase(previous, facts)
    collected = facts.collected
    start = previous.start_time or _started(facts)
    end = _whole_seconds(facts.now) if verdict else ""
    return Status(
        observed_generation=facts.generation,
        phase=phase,
        conditions=_conditions(previous, facts, verdict, phase),
        start_time=start,
        completion_time=end,
        duration=_duration(start, end),
        headline=cut(collected.headline, HEADLINE_LIMIT) if collected else previous.headline,
        attempts=_attempts(previous, facts, verdict),
        runs=_runs(previous, facts),
        results=collected.results if collected else previous.results,
        gates=tuple(collected.gates) if collected else previous.gates,
    )


def _phase(previous: Status, facts: Facts) -> Phase:
    if facts.phase is not None:
        return facts.phase
    if facts.observation is None:
        return Phase.STARTING if facts.progress else previous.phase
    return PHASE_OF_STATE[facts.observation.state]


Wanted = tuple[ConditionType, bool | None, str, str]


def _conditions(
    previous: Status, facts: Facts, verdict: Verdict | None, phase: Phase
) -> tuple[Condition, ...]:
    wanted = _final(facts, verdict) if verdict else _going(phase, facts.progress)
    return tuple(_condition(previous, facts, *one) for one in wanted)


def _going(phase: Phase, progress: str) -> Iterable[Wanted]:
    yield (ConditionType.FINISHED, False, phase.value, "")
    yield (ConditionType.READY, False, phase.value, "")
    yield (ConditionType.RECONCILING, True, phase.value, progress)


def _final(facts: Facts, verdict: Verdict) -> Iterable[Wanted]:
    succeeded = verdict.phase is Phase.SUCCEEDED
    said = (verdict.reason.value, verdict.message)
    yield (ConditionType.FINISHED, True, *said)
    yield (ConditionType.COMPLETE if succeeded else ConditionType.FAILED, True, *said)
    yield (ConditionType.PROFILE_USABLE, *_usable(facts))
    if facts.collected and facts.collected.gates:
        yield (ConditionType.GATES_PASSED, *_gates_passed(facts.collected.gates, verdict))
    yield (ConditionType.READY, succeeded, *said)
    yield (ConditionType.RECONCILING, False, verdict.reason.value, "")
    yield (ConditionType.STALLED, not succeeded, *said)


def _usable(facts: Facts) -> tuple[bool, str, str]:
    if facts.error:
        reason, message = facts.error
        return False, reason.value, message
    unusable = first_unusable(facts)
    if unusable is None:
        return True, Reason.COMPLETED.value, ""
    return False, why_unusable(unusable).value, told(unusable)


def _gates_passed(gates: Sequence[GateStatus], verdict: Verdict) -> tuple[bool | None, str, str]:
    """False when one was not met; unknown when none could be judged.

    One that was skipped is told: a mistyped measure must not pass in silence.
    """
    missed = [gate.message or gate.measure for gate in gates if gate.verdict == "Failed"]
    if missed:
        return False, Reason.GATE_FAILED.value, "; ".join(missed)
    if verdict.phase is not Phase.SUCCEEDED:
        return None, verdict.reason.value, "the job did not succeed"
    skipped = [gate.message or gate.measure for gate in gates if gate.verdict == "Skipped"]
    holds = True if len(skipped) < len(gates) else None
    said = f"{len(skipped)} of {len(gates)} skipped: {'; '.join(skipped)}" if skipped else ""
    return holds, Reason.COMPLETED.value, said


def _condition(
    previous: Status, facts: Facts, kind: ConditionType, holds: bool | None, *said: str
) -> Condition:
    """The condition, with the time at which its status last changed."""
    reason, message = said
    status = STATUS_OF[holds]
    before = previous.condition(kind)
    since = before.last_transition_time if before and before.status == status else ""
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=cut(message),
        last_transition_time=since or _whole_seconds(facts.now),
        observed_generation=facts.generation,
    )


def _attempts(previous: Status, facts: Facts, verdict: Verdict | None) -> tuple[AttemptStatus, ...]:
    attempt = facts.attempt
    if attempt is None:
        return previous.attempts
    if verdict:
        end = attempt.finished_at or _whole_seconds(facts.now)
        attempt = attempt.model_copy(update={"outcome": verdict.reason.value, "finished_at": end})
    others = [one for one in previous.attempts if one.number != attempt.number]
    return tuple(sorted((*others, attempt), key=lambda one: one.number))


def _runs(previous: Status, facts: Facts) -> tuple[RunStatus, ...]:
    """The runs of this attempt; those of an earlier one are never taken for its own."""
    records = facts.observation.runs if facts.observation else ()
    outcomes = facts.collected.outcomes if facts.collected else ()
    known = {one.number for one in previous.attempts}
    if not records and (facts.attempt is None or facts.attempt.number in known):
        return previous.runs
    return tuple(
        RunStatus(
            index=record.index,
            warmup=record.warmup,
            app=_app(record),
            collectors=outcomes[record.index] if record.index < len(outcomes) else (),
        )
        for record in records
    )


def _app(record: RunRecord) -> AppOutcome:
    return AppOutcome(
        exit_code=record.exit_code,
        signal=record.signal,
        reason=known(record.reason, Reason.LAUNCHER_FAILED).value,
        message=cut(record.message),
        started_at=record.started_at,
        finished_at=record.finished_at,
        timed_out=record.timed_out,
    )


def _started(facts: Facts) -> str:
    started = facts.observation.started if facts.observation else None
    return _whole_seconds(started.started_at) if started else ""


def _whole_seconds(text: str) -> str:
    """RFC 3339 without the fraction: metav1.Time has none."""
    return f"{text.partition('.')[0]}Z" if "." in text else text


def _duration(start: str, end: str) -> str:
    """The time between, as kubectl writes durations; empty while one of the two is missing."""
    if not (start and end):
        return ""
    try:
        between = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    except (ValueError, TypeError):  # a time that somebody else wrote
        return ""
    minutes, seconds = divmod(max(0, int(between.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    words = {"h": hours, "m": minutes, "s": seconds}
    return "".join(f"{number}{unit}" for unit, number in words.items() if number) or "0s"
