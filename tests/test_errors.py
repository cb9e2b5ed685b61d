"""Reasons and the errors that carry them."""

from __future__ import annotations

import re

import pytest

from profiling_operator import errors
from profiling_operator.errors import Problem, ProfilingError, Reason, SpecError

CLASSES = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, ProfilingError) and one is not ProfilingError
]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_meaning(reason: Reason) -> None:
    """docs/reasons.md is made of these."""
    assert errors.MEANING[reason]


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_word_that_conditions_take(reason: Reason) -> None:
    """metav1.Condition wants CamelCase; `AppFailed` reads so in code, too."""
    assert re.fullmatch(r"[A-Z][A-Za-z]{0,62}", reason)
    assert reason.name.replace("_", "").lower() == reason.value.lower()


def made(kind: type[ProfilingError]) -> ProfilingError:
    """An error of a kind."""
    if kind is errors.PreflightError:
        return kind(Reason.COUNTERS_NOT_PERMITTED, "no")
    if issubclass(kind, SpecError):
        return kind([Problem("a", "b")])
    if issubclass(kind, errors.ApiError) and kind is not errors.UnreachableError:
        return kind(500, "InternalError", "no")
    return kind("no")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_carries_a_reason(kind: type[ProfilingError]) -> None:
    """What ends a job can be put on its status."""
    error = made(kind)

    assert isinstance(error.reason, Reason)
    assert isinstance(error.retry, bool)
    assert str(error)


def test_a_spec_error_tells_all_its_problems() -> None:
    """One line each, in their order."""
    error = SpecError([Problem("spec.a", "is required"), Problem("", "is no mapping")])

    assert str(error) == "spec.a: is required\nis no mapping"
    assert error.problems[0].where == "spec.a"
