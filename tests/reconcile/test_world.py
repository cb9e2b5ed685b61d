"""What is read off a world before anything is decided."""

from __future__ import annotations

from typing import Any

import pytest

from profiling_operator.reconcile import (
    is_finished,
    open_number,
    status_of,
)
from profiling_operator.status import AttemptStatus, Status
from reconciling import (
    decided,
    owner,
    running,
    world,
)
from worlds import (
    RUNNING,
    closed,
    one,
    status,
)


@pytest.mark.parametrize("written", ["text", {"phase": 7}, {"attempts": "all"}, {"foo": 1}])
def test_a_status_that_somebody_else_wrote_is_written_anew(written: Any) -> None:
    """What the cluster shows is enough."""
    body = {**owner(), "status": written if isinstance(written, dict) else {"phase": written}}

    assert status(decided(world(30, body, **one(pods=[running()])))[0]).phase is RUNNING


def test_attempts_count_from_one() -> None:
    """The open one goes on; after one that is closed comes the next."""
    opened = Status(attempts=(*closed("Suspended").attempts, AttemptStatus(number=2)))

    assert open_number(Status()) == 1
    assert open_number(opened) == 2
    assert open_number(closed("Suspended", "InfrastructureLost")) == 3


@pytest.mark.parametrize(
    ("conditions", "is_over"),
    [
        (None, False),
        ([], False),
        ([{"type": "Finished", "status": "False"}], False),
        ([{"type": "Complete", "status": "True"}], False),
        ([{"type": "Finished", "status": "True"}], True),
        ([{"foo": 1}, {"type": "Finished", "status": "True", "bar": 2}], True),
    ],
)
def test_only_one_condition_says_that_it_is_over(conditions: Any, is_over: bool) -> None:
    """Also where the rest of the status cannot be read: what is over is never run again."""
    assert is_finished({"status": {"conditions": conditions, "foo": 1}}) is is_over


def test_nothing_written_is_an_empty_status() -> None:
    """As the API server creates it."""
    assert status_of(owner()) == Status()
    assert status_of({**owner(), "status": None}) == Status()
