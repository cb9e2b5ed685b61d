"""What to do about each reason."""

from __future__ import annotations

from profiling_operator.errors import Reason
from profiling_operator.report import advice


def test_every_reason_but_success_has_a_next_step() -> None:
    """A sentence, which ends like one."""
    assert set(advice.ADVICE) == set(Reason) - {Reason.COMPLETED}
    assert all(one.endswith(".") for one in advice.ADVICE.values())


def test_what_is_no_reason_has_none() -> None:
    """Anyone may have written the word."""
    assert advice.for_reason("AppFailed") != ""
    assert [advice.for_reason(one) for one in ("Completed", "", "odd")] == ["", "", ""]
