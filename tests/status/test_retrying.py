"""Whether another attempt is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from profiling_operator.errors import Reason
from profiling_operator.spec.job import Retries
from profiling_operator.status.retrying import OF_APP, OF_INFRASTRUCTURE, retry_is_due

OUTCOMES = some.sampled_from(sorted(Reason)) | some.just("Suspended")
LOST, APP = Reason.INFRASTRUCTURE_LOST, Reason.APP_FAILED


@pytest.mark.parametrize(
    ("outcome", "earlier", "infrastructure", "app", "is_due"),
    [
        (LOST, [], 3, 0, True),
        (LOST, [LOST] * 2, 3, 0, True),
        (LOST, [LOST] * 3, 3, 0, False),
        (LOST, [], 0, 10, False),
        (APP, [], 3, 0, False),
        (APP, [], 0, 1, True),
        (APP, [APP], 0, 1, False),
        (APP, [LOST] * 3, 3, 1, True),
        (LOST, [APP] * 3, 1, 3, True),
        (LOST, ["Suspended"] * 9, 1, 0, True),
        (Reason.RESULTS_LOST, [LOST], 2, 0, True),
        (Reason.RESULTS_LOST, [LOST], 1, 0, False),
        (Reason.APP_OOM_KILLED, [APP], 0, 2, True),
        (Reason.APP_KILLED, [Reason.APP_OOM_KILLED], 0, 1, False),
    ],
)
def test_each_budget_counts_its_own_kind(
    outcome: str, earlier: list[str], infrastructure: int, app: int, is_due: bool
) -> None:
    """A suspension counts against none."""
    budget = Retries(infrastructure=infrastructure, app=app)

    assert retry_is_due(outcome, earlier, budget) is is_due


@pytest.mark.parametrize("outcome", sorted(set(Reason) - OF_APP - OF_INFRASTRUCTURE))
def test_what_would_be_so_again_is_not_tried_again(outcome: Reason) -> None:
    """A job that is wrong, a measurement that is empty, a time limit, somebody's wish."""
    assert not retry_is_due(outcome, [], Retries(infrastructure=10, app=10))


def test_by_default_only_the_infrastructure_is_given_another_chance() -> None:
    """To run a benchmark again because it failed would hide that it fails."""
    assert retry_is_due(LOST, [], Retries())
    assert not retry_is_due(APP, [], Retries())


@given(some.lists(OUTCOMES, min_size=40, max_size=60), some.integers(0, 10), some.integers(0, 10))
def test_attempts_are_bounded(outcomes: list[str], infrastructure: int, app: int) -> None:
    """Whatever happens, in whatever order: one, and as many more as the budgets allow."""
    budget = Retries(infrastructure=infrastructure, app=app)
    earlier: list[str] = []
    for outcome in outcomes:
        if not retry_is_due(outcome, earlier, budget):
            break
        earlier.append(outcome)

    assert len(earlier) <= infrastructure + app
