"""TAU's numbers: exact where they can be, absent where they are none."""

from __future__ import annotations

import pytest

from profiling_operator.formats import tau_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"362", 362_000),
        (b"362.75", 362_750),
        (b"11725.5", 11_725_500),
        (b"4.25146E+11", 425_146_000_000_000),
        (b"9007199254740993", 9_007_199_254_740_993_000),
        (b"0.0001", 0.1),
        (b"-5", -5000),
        (b"0", 0),
    ],
)
def test_microseconds_become_nanoseconds_exactly(text: bytes, expected: float) -> None:
    """Whole nanoseconds are ints, even where a float could not hold them."""
    value = tau_numbers.number(text, 1000)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("text", [b"nan", b"-nan", b"inf", b"-INF", b"1x2", b"", b"1e400"])
def test_what_is_no_number_is_none(text: bytes) -> None:
    """JSON has no word for these."""
    assert tau_numbers.number(text) is None


@pytest.mark.parametrize("text", [b"1e308", b"99999999999999999999", b"1e-320", b"1e-99999999"])
def test_extreme_numbers_stay_finite_and_cheap(text: bytes) -> None:
    """Nothing beyond 64 bits becomes an int: the JSON encoder refuses it."""
    value = tau_numbers.number(text)

    assert value is not None
    assert not (isinstance(value, int) and abs(value) >= 2**63)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("TIME", ("ns", 1000)),
        ("TAUGPU_TIME", ("ns", 1000)),
        ("P_WALL_CLOCK_TIME", ("ns", 1000)),
        ("PAPI_TOT_CYC", ("1", 1)),
        ("ENERGY", ("1", 1)),
    ],
)
def test_units_of_metrics(metric: str, expected: tuple[str, int]) -> None:
    """TAU's clocks count microseconds; everything else is a count."""
    assert tau_numbers.unit_of_metric(metric) == expected


def test_total_undoes_the_rounding_of_the_mean() -> None:
    """101 values with this mean add up to a whole number of bytes."""
    assert tau_numbers.total(101, 8765971.405940594) == 885363112
    assert tau_numbers.total(3, 0.5) == 1.5
    assert tau_numbers.total(10**300, 1e300) is None


def test_sums_treat_unknown_as_nothing_and_stay_encodable() -> None:
    """Two unknown values stay unknown."""
    assert tau_numbers.plus(None, 2) == 2
    assert tau_numbers.plus(2, None) == 2
    assert tau_numbers.plus(None, None) is None
    assert isinstance(tau_numbers.plus(2**62, 2**62), float)
    assert tau_numbers.plus(1e308, 1e308) is None


def test_deviation() -> None:
    """From the sum of squares; rounding must not make it imaginary, nor absence a number."""
    assert tau_numbers.deviation(2, 20, 1000) == 10.0
    assert tau_numbers.deviation(3, 0.1, 0.03) == 0.0
    assert tau_numbers.deviation(0, 0, 0) is None
    assert tau_numbers.deviation(2, 1, None) is None
    assert tau_numbers.deviation(2, 1e308, 1e308) is None
