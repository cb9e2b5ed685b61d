"""The models of `.status`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.status import AttemptStatus, Condition, ConditionType, Status, cut


def condition(kind: ConditionType, status: str) -> Condition:
    """A condition of a type."""
    return Condition.model_validate(
        {"type": kind, "status": status, "reason": "Why", "lastTransitionTime": "t"}
    )


def test_a_condition_holds_when_it_is_true() -> None:
    """Neither when it is False or Unknown, nor when it is not there."""
    status = Status(
        conditions=(
            condition(ConditionType.FINISHED, "True"),
            condition(ConditionType.FAILED, "False"),
            condition(ConditionType.GATES_PASSED, "Unknown"),
        )
    )

    assert [kind for kind in ConditionType if status.holds(kind)] == [ConditionType.FINISHED]


def test_the_reason_is_that_of_the_end() -> None:
    """Before, there is none."""
    assert Status().reason == ""
    assert Status(conditions=(condition(ConditionType.FINISHED, "False"),)).reason == ""
    assert Status(conditions=(condition(ConditionType.FINISHED, "True"),)).reason == "Why"


def test_a_status_reads_back() -> None:
    """Its JSON has the API server's names."""
    status = Status(attempts=(AttemptStatus(number=1, pod_uid="u"),))
    body = status.model_dump(mode="json", exclude_none=True)

    assert body["observedGeneration"] == 1
    assert body["attempts"][0]["podUID"] == "u"
    assert Status.model_validate(body) == status


@given(text=st.text(st.characters(), max_size=500), limit=st.integers(3, 400))
def test_a_text_is_cut_to_so_many_bytes(text: str, limit: int) -> None:
    """It is then valid UTF-8 without control characters, and its beginning is the text's."""
    result = cut(text, limit)

    assert len(result.encode()) <= limit
    assert all(one.isprintable() or one == "\n" for one in result)
    assert cut(result, limit) == result
    if len(result) == len(text):
        assert result.count("x") == text.count("x")
    else:
        assert result.endswith("…")
