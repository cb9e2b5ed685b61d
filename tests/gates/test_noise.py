"""How far numbers differ without a change."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gating import FEW
from profiling_operator.gates import noise
from profiling_operator.spec.job import Statistic


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 2), (19, 19), (20, 19), (40, 38), (41, 39), (100, 95)]
)
def test_p95_is_a_value_that_was_measured(count: int, rank: int) -> None:
    """Of fewer than 20 the largest, then the one that at least 95 % do not exceed."""
    assert noise.p95([float(count - one) for one in range(count)]) == rank


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=100))
def test_p95_is_exceeded_by_at_most_a_twentieth(values: list[float]) -> None:
    """Whatever was measured."""
    found = noise.p95(values)

    assert found in values
    assert sum(one > found for one in values) * 20 <= len(values)


VALUES = st.lists(st.floats(0.5, 2), min_size=1, max_size=8)
WINDOWS = st.lists(VALUES, min_size=5, max_size=8)


@pytest.mark.parametrize("statistic", Statistic)
@FEW
@given(values=VALUES)
def test_an_interval_holds_the_statistic(statistic: Statistic, values: list[float]) -> None:
    """It lies within what was measured; a single value has none."""
    found = noise.interval(values, statistic)

    if len(values) == 1:
        assert found is None
    else:
        assert found is not None
        low, high = found
        value = noise.STATISTICS[statistic](values)
        assert min(values) * 0.999999 <= low <= high <= max(values) * 1.000001
        assert statistic is Statistic.MIN or low <= value * 1.000001
        assert statistic is Statistic.P95 or high >= value * 0.999999


def test_more_repetitions_narrow_the_interval() -> None:
    """With the root of their number, about."""
    few = [1.0, 1.1, 0.9, 1.05, 0.95]

    (low, high), (lower, higher) = (
        found for values in (few, few * 8)
        if (found := noise.interval(values, Statistic.MEAN)) is not None
    )  # fmt: skip

    assert (higher - lower) * 2 < high - low


@pytest.mark.parametrize("count", [3, 5, 20])
def test_intervals_hold_the_truth_mostly(count: int) -> None:
    """Of the mean of normal values: of 3 repetitions somewhat less often than 95 %."""
    normal = statistics.NormalDist(10, 1)
    made = [normal.samples(count, seed=f"{number}") for number in range(400)]

    found = [noise.interval(values, Statistic.MEAN) for values in made]

    held = sum(one is not None and one[0] <= 10 <= one[1] for one in found)
    assert held / len(made) > {3: 0.7, 5: 0.8, 20: 0.9}[count]


@pytest.mark.parametrize("statistic", Statistic)
@FEW
@given(window=WINDOWS, new=VALUES)
def test_the_order_does_not_matter(
    statistic: Statistic, window: list[list[float]], new: list[float]
) -> None:
    """Neither that of jobs nor that of repetitions; and the band holds the center."""
    found = noise.of_window(window, new, statistic)
    turned = noise.of_window([one[::-1] for one in window[::-1]], new[::-1], statistic)

    assert found == turned
    assert found.band[0] <= found.center <= found.band[1]


def test_numbers_that_never_vary_have_no_noise() -> None:
    """Counts of instructions, say."""
    found = noise.of_window([[7.0, 7.0]] * 10, [9.0, 9.0], Statistic.MEDIAN)

    assert (found.center, found.below, found.above) == (7, 0, 0)


def test_jobs_that_vary_are_noise_beyond_their_repetitions() -> None:
    """Repetitions agree, jobs do not, as on machines that differ."""
    alike = noise.of_window([[1.0, 1.01, 0.99]] * 10, [1.0, 1.01, 0.99], Statistic.MEDIAN)
    levels = [0.9, 1.1, 0.95, 1.05, 1.0, 0.9, 1.1, 0.95, 1.05, 1.0]
    vary = noise.of_window(
        [[one, one + 0.01, one - 0.01] for one in levels], [1.0, 1.01, 0.99], Statistic.MEDIAN
    )

    assert alike.above < 0.02
    assert vary.above > 0.15


def test_a_few_jobs_tell_less_than_many() -> None:
    """The same spread is wider noise where five jobs showed it."""
    levels = [0.95, 0.98, 1.0, 1.02, 1.05]
    few, many = (
        noise.of_window([[one] for one in levels * times], [1.0], Statistic.MEDIAN)
        for times in (1, 4)
    )

    assert few.above > many.above


def test_fewer_repetitions_do_not_look_like_a_slower_minimum() -> None:
    """The smallest of 3 is larger than that of 20, although nothing changed."""
    normal = statistics.NormalDist(1, 0.05)
    window = [normal.samples(20, seed=f"{number}") for number in range(20)]

    found = noise.of_window(window, normal.samples(3, seed="new"), Statistic.MIN)

    assert found.above > 0.1


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=20), st.integers(-900, 900))
def test_numbers_are_scaled_without_rounding(values: list[float], power: int) -> None:
    """However large they are, and what comes back is what was there."""
    large = noise.scaled(values, power)
    exponent = noise.exponent(large)
    small = noise.scaled(large, -exponent)

    assert all(abs(one) <= 1 for one in small)
    assert noise.scaled(small, exponent) == large


@pytest.mark.parametrize(
    "values", [[float("nan")], [1, float("inf")], [10**400]], ids=["nan", "inf", "int"]
)
def test_some_values_are_no_numbers(values: list[float]) -> None:
    """Nor are integers that no float holds."""
    assert not noise.is_finite(values)
    assert noise.is_finite([1, 2.5])


def test_two_jobs_tell_of_themselves_alone() -> None:
    """Steady ones of little noise, wild ones of much; of two repetitions more is to be expected."""
    steady = noise.of_pair(
        [1.0, 1.01, 0.99, 1.0, 1.0], [1.2, 1.21, 1.19, 1.2, 1.2], Statistic.MEDIAN
    )
    wild = noise.of_pair([0.6, 1.5, 1.0, 0.8, 1.3], [1.2, 0.7, 1.9, 1.2, 1.4], Statistic.MEDIAN)
    few = noise.of_pair([1.0, 1.01], [1.2, 1.21], Statistic.MEDIAN)

    assert steady.center == 1.0
    assert steady.below <= 0 <= steady.above < 0.2 < wild.above
    assert few.above > steady.above
