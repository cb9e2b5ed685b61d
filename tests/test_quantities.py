"""Quantities, durations, percentages and limits."""

from __future__ import annotations

from decimal import Decimal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator import quantities
from profiling_operator.frozen import Frozen
from profiling_operator.quantities import Limit, Percentage, Quantity


class Held(Frozen):
    """A model with one of each."""

    quantity: Quantity | None = None
    percentage: Percentage | None = None
    limit: Limit | None = None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("4", "4"),
        (4, "4"),
        ("250m", "0.25"),
        ("8Gi", "8589934592"),
        ("1.5Gi", "1610612736"),
        (".5", "0.5"),
        ("1E", "1e18"),
        ("1E3", "1000"),
        ("1e-3", "0.001"),
        ("12e+2", "1200"),
        ("7Ei", str(7 * 2**60)),
        ("0.999999999Ei", str(Decimal("0.999999999") * 2**60)),
        ("100n", "1e-7"),
        ("1e-99", "1e-99"),
        ("999999999999999999", "999999999999999999"),
    ],
)
def test_a_quantity_is_the_number_that_kubernetes_reads(text: str | int, number: str) -> None:
    """Suffixes, decimals and exponents count exactly, without rounding."""
    assert quantities.parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "+1", "1 Gi", "1gi", "1GiB", "1e", "1e999", "1e99", "8Ei", "1..2", "1.",
     "\u0661\u0662", "1\n", "NaN", "Infinity", "0x10", "9" * 19, -1, 2**63],
)  # fmt: skip
def test_what_is_no_quantity_is_refused(text: str | int) -> None:
    """Signs, foreign digits, unknown suffixes and what exceeds 64 bits raise ValueError."""
    with pytest.raises(ValueError, match="must be"):
        quantities.parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.2s", "1.2"), ("5m", "300"), ("1m30s", "90"), ("250ms", "0.25"), ("1d", "86400"),
     ("3us", "0.000003"), ("3µs", "0.000003"), ("3μs", "0.000003"), ("7ns", "7e-9"),
     ("1h.5m", "3630")],
)  # fmt: skip
def test_a_duration_is_what_go_reads_and_days(text: str, seconds: str) -> None:
    """Numbers with units add up; both letters for micro are known."""
    assert quantities.parse_duration(text) == Decimal(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1.s", "-1s", "1s ", "1 s", "1w", "\u0661s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit is none, nor is a sign allowed."""
    with pytest.raises(ValueError, match="must be a duration"):
        quantities.parse_duration(text)


@given(
    units=st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from(list(quantities.SECONDS))),
        min_size=1,
        max_size=30,
    )
)
def test_a_duration_adds_up(units: list[tuple[int, str]]) -> None:
    """Whatever is written one after the other is summed exactly."""
    text = "".join(f"{number}{unit}" for number, unit in units)

    expected = sum(Decimal(number) * quantities.SECONDS[unit] for number, unit in units)

    assert quantities.parse_duration(text) == expected


@given(number=st.integers(0, 10**9), suffix=st.sampled_from(list(quantities.SUFFIXES)))
def test_a_quantity_is_its_number_times_its_suffix(number: int, suffix: str) -> None:
    """For all suffixes, as long as the product fits into 64 bits."""
    product = Decimal(number) * quantities.SUFFIXES[suffix]
    if product > quantities.LARGEST:
        with pytest.raises(ValueError, match="must be between"):
            quantities.parse_quantity(f"{number}{suffix}")
    else:
        assert quantities.parse_quantity(f"{number}{suffix}") == product


@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_value_error(text: str) -> None:
    """No text makes a parser fail in another way."""
    parsers = (
        quantities.parse_quantity,
        quantities.parse_duration,
        quantities.parse_percentage,
        quantities.parse_limit,
    )
    for parse in parsers:
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert str(error).startswith("must be")


@given(number=st.decimals(0, 10**9, places=9))
def test_a_percentage_is_a_hundredth(number: Decimal) -> None:
    """The fraction is exact."""
    assert quantities.parse_percentage(f"{number:f}%") * 100 == number


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, "5"), (0.5, "0.5"), ("5", "5"), ("1.2s", "1.2e9"), ("5m", "3e11"), ("8Gi", "8589934592")],
)
def test_a_limit_is_a_number_a_duration_in_nanoseconds_or_a_quantity(
    value: str | float, number: str
) -> None:
    """`5m` is five minutes: of the two meanings the one that a limit of a time has."""
    assert quantities.parse_limit(value) == Decimal(number)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "300000d", "soon", ""])
def test_what_is_no_limit_is_refused(value: str | float) -> None:
    """Negative, endless and meaningless limits raise ValueError."""
    with pytest.raises(ValueError, match="must be"):
        quantities.parse_limit(value)


def test_a_model_keeps_what_was_written() -> None:
    """The value is checked and left as it is, so that it can be shown again."""
    held = Held(quantity="1.50Gi", percentage="5%", limit="1m30s")

    assert (held.quantity, held.percentage, held.limit) == ("1.50Gi", "5%", "1m30s")


def test_a_model_takes_whole_numbers_without_quotes() -> None:
    """As Kubernetes does where an integer or a string may stand."""
    held = Held.model_validate_json('{"quantity": 4, "limit": 5}', strict=True)

    assert (held.quantity, held.limit) == ("4", 5)


@pytest.mark.parametrize("field", ["quantity", "limit"])
def test_a_model_refuses_decimals_without_quotes(field: str) -> None:
    """The API server would refuse them: the same file must do everywhere."""
    with pytest.raises(pydantic.ValidationError, match="in quotes"):
        Held.model_validate_json(f'{{"{field}": 0.5}}', strict=True)


@pytest.mark.parametrize("field", ["quantity", "percentage", "limit"])
@pytest.mark.parametrize("value", ["true", "[]", "{}", '"x"', f'"{"1" * 15}.{"0" * 99}"'])
def test_a_model_refuses_what_is_none(field: str, value: str) -> None:
    """Booleans, lists, mappings, words and what is longer than the API server takes."""
    with pytest.raises(pydantic.ValidationError):
        Held.model_validate_json(f'{{"{field}": {value}}}', strict=True)
