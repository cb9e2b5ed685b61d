"""What may look changed by chance, where many measures are looked at."""

from __future__ import annotations

import math

import pytest

from profiling_operator.report import chance


@pytest.mark.parametrize(
    ("share", "freedom", "value"),
    [
        (0.99, 1, 31.8205), (0.975, 2, 4.3027), (0.95, 3, 2.3534), (0.99, 4, 3.7469),
        (0.975, 5, 2.5706), (0.999, 9, 4.2968), (0.99, 30, 2.4573), (0.75, 7, 0.7111),
    ],
)  # fmt: skip
def test_students_quantiles_are_those_of_the_tables(
    share: float, freedom: int, value: float
) -> None:
    """To the digits that tables print."""
    assert chance.quantile(share, freedom) == pytest.approx(value, abs=6e-5)
    assert chance.distribution(value, freedom) == pytest.approx(share, abs=3e-5)


def test_of_many_measures_more_is_asked() -> None:
    """The more, the fewer repetitions there are."""
    assert chance.strictness(1, 5) == chance.strictness(0, 5) == pytest.approx(1)
    assert 1 < chance.strictness(3, 5) < chance.strictness(100, 5) < chance.strictness(1000, 5)
    assert chance.strictness(100, 20) < chance.strictness(100, 5) < chance.strictness(100, 2)
    assert math.isfinite(chance.strictness(100_000, 2))


@pytest.mark.parametrize(
    ("lower", "higher", "expected"),
    [
        ((1, 2), (3, 4), True), ((1, 3), (2, 4), False), ((1, 1), (1, 1), False),
        ((1, 2, 3, 4, 99), (0, 5, 6, 7, 8), True), ((1, 2, 3, 98, 99), (5, 6, 7, 8, 9), False),
    ],
)  # fmt: skip
def test_repetitions_are_apart_but_for_outliers(
    lower: tuple[float, ...], higher: tuple[float, ...], expected: bool
) -> None:
    """One in five may lie anywhere."""
    assert chance.is_apart(lower, higher) is expected
