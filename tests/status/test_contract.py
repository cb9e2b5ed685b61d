"""What holds of every status, whatever happens."""

from __future__ import annotations

import jsonschema
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facts import LATER, NOON, RESULTS, STARTED, ended, gate, run
from profiling_operator import crd
from profiling_operator.errors import Reason
from profiling_operator.executors import Observation, State
from profiling_operator.status import (
    AttemptStatus,
    Collected,
    CollectorOutcome,
    ConditionType,
    Facts,
    Phase,
    Status,
    fit,
    next_status,
)

SCHEMA = crd.build()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
TEXTS = st.text(st.characters(), max_size=3000)
REASONS = st.sampled_from([*Reason]) | st.text(max_size=5)
OUTCOMES = st.builds(
    CollectorOutcome, name=st.text(max_size=9), usable=st.booleans(), reason=REASONS.map(str)
)
RUNS = st.lists(
    st.builds(run, warmup=st.booleans(), reason=REASONS, message=TEXTS), max_size=4
).map(
    lambda runs: tuple(msgspec.structs.replace(one, index=index) for index, one in enumerate(runs))
)
OBSERVATIONS = st.builds(
    Observation,
    state=st.sampled_from(State),
    started=st.none() | st.just(STARTED),
    runs=RUNS,
    exit=st.none() | st.builds(lambda reason: ended(reason=reason).exit, REASONS),
    reason=st.none() | st.sampled_from(Reason),
    message=TEXTS,
)
COLLECTED = st.builds(
    Collected,
    outcomes=st.lists(st.lists(OUTCOMES, max_size=2).map(tuple), max_size=4),
    results=st.none() | st.just(RESULTS),
    headline=TEXTS,
    lost=st.just("") | TEXTS,
    gates=st.lists(st.sampled_from(["Passed", "Failed", "Skipped"]).map(gate), max_size=2),
)
FACTS = st.builds(
    Facts,
    now=st.sampled_from([NOON, LATER, "2026-01-31T12:00:00.123456789Z"]),
    generation=st.integers(1, 3),
    attempt=st.none() | st.builds(AttemptStatus, number=st.integers(1, 3)),
    observation=st.none() | OBSERVATIONS,
    collected=st.none() | COLLECTED,
    error=st.none() | st.none() | st.tuples(st.sampled_from(Reason), TEXTS),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=st.lists(FACTS, max_size=5))
def test_whatever_happens_the_contract_holds(sequence: list[Facts]) -> None:
    """At most one of Complete and Failed, never flipping; a finished job never changes again."""
    status = Status()
    for facts in sequence:
        before = status
        status = next_status(before, facts)
        finished = status.holds(ConditionType.FINISHED)

        assert next_status(before, facts) == status
        if before.holds(ConditionType.FINISHED):
            assert status is before
        assert status.holds(ConditionType.COMPLETE) + status.holds(ConditionType.FAILED) == finished
        assert finished == (status.phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})
        assert status.holds(ConditionType.READY) == status.holds(ConditionType.COMPLETE)
        assert status.holds(ConditionType.RECONCILING) != finished
        assert len({one.type for one in status.conditions}) == len(status.conditions)
        for condition in status.conditions:
            same = before.condition(condition.type)
            if same and same.status == condition.status:
                assert condition.last_transition_time == same.last_transition_time
        jsonschema.validate(fit(status), SCHEMA)
