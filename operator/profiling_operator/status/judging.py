"""What is known of an attempt, and what it means for the job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from profiling_operator.errors import Reason
from profiling_operator.executors import Observation, State
from profiling_operator.status.resource import (
    AttemptStatus,
    CollectorOutcome,
    GateStatus,
    Phase,
    Results,
)
from profiling_operator.workspace import Origin


@dataclass(frozen=True)
class Collected:
    """What became of the files of an attempt: the third fact beside application and upload."""

    outcomes: Sequence[tuple[CollectorOutcome, ...]]
    """By run, as far as runs have ended."""
    results: Results | None
    headline: str = ""
    lost: str = ""
    """Why the results could not be kept; empty when they were."""
    gates: Sequence[GateStatus] = ()


@dataclass(frozen=True)
class Facts:
    """Everything that a status is made of."""

    now: str
    generation: int = 1
    attempt: AttemptStatus | None = None
    observation: Observation | None = None
    collected: Collected | None = None
    error: tuple[Reason, str] | None = None
    """What kept the attempt from starting."""
    progress: str = ""
    """How starting it goes on, for people."""
    phase: Phase | None = None
    """Where it stands, where the platform tells more of that than an observation has."""


@dataclass(frozen=True)
class Verdict:
    """How the job ended."""

    phase: Phase
    reason: Reason
    message: str


def judge(facts: Facts) -> Verdict | None:
    """How the job ended, or None while it has not. The first thing that went wrong is told."""
    if facts.error:
        return _failed(*facts.error)
    if facts.observation is None or facts.collected is None:
        return None
    lost = facts.collected.lost
    ending = _app_ending(facts.observation)
    if ending is not None:
        also = f"{ending.message}; the results are lost: {lost}".removeprefix("; ")
        return _failed(ending.reason, also if lost else ending.message)
    if lost:
        return _failed(Reason.RESULTS_LOST, lost)
    unusable = first_unusable(facts)
    if unusable is not None:
        return _failed(why_unusable(unusable), told(unusable))
    return Verdict(Phase.SUCCEEDED, Reason.COMPLETED, facts.collected.headline)


def _failed(reason: Reason, message: str) -> Verdict:
    phase = Phase.CANCELLED if reason is Reason.CANCELLED else Phase.FAILED
    return Verdict(phase, reason, message)


def _app_ending(observation: Observation) -> Verdict | None:
    """How the application itself went wrong, by who knows best; None when it did not."""
    if observation.reason not in (None, Reason.COMPLETED):
        return _failed(observation.reason, observation.message)
    record = observation.exit
    if observation.state is State.LOST or record is None:
        message = observation.message or "the launcher ended without leaving an outcome"
        return _failed(Reason.INFRASTRUCTURE_LOST, message)
    if record.reason == Reason.COMPLETED:
        return None
    reason = known(record.reason, Reason.LAUNCHER_FAILED)
    return _failed(reason, record.message or _described(observation))


def known(reason: str, otherwise: Reason) -> Reason:
    """The reason as ours: the application may write below `.run`, and its words do not count."""
    try:
        return Reason(reason)
    except ValueError:
        return otherwise


def _described(observation: Observation) -> str:
    last = observation.runs[-1] if observation.runs else None
    if last is None:
        return ""
    if last.signal is not None and last.origin is Origin.APP:
        return f"run {last.index}: signal {last.signal}"
    return f"run {last.index}: exit code {last.exit_code}" if last.exit_code is not None else ""


def first_unusable(facts: Facts) -> CollectorOutcome | None:
    """The first collector of a measured run that brought nothing. Warm-ups do not count."""
    measured = list(_measured(facts))
    if not measured:
        return _nothing("no measured run ended")
    return next((outcome for outcome in measured if not outcome.usable), None)


def _measured(facts: Facts) -> Iterator[CollectorOutcome]:
    """What the collectors brought in the runs that count; each such run gives at least one."""
    outcomes = facts.collected.outcomes if facts.collected else ()
    records = facts.observation.runs if facts.observation else ()
    warmups = {record.index for record in records if record.warmup}
    for index in range(max(len(outcomes), len(records))):
        if index not in warmups:
            found = outcomes[index] if index < len(outcomes) else ()
            yield from found or (_nothing(f"run {index}: nothing was collected"),)


def _nothing(message: str) -> CollectorOutcome:
    return CollectorOutcome(name="", usable=False, reason=Reason.OUTPUT_MISSING, message=message)


def why_unusable(outcome: CollectorOutcome) -> Reason:
    """The reason of an outcome that is not usable."""
    return known(outcome.reason, Reason.NOTHING_MEASURED)


def told(outcome: CollectorOutcome) -> str:
    """Its message, for people."""
    return f"{outcome.name}: {outcome.message}" if outcome.name else outcome.message
