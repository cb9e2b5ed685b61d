"""Numbers and names in messages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from profiling_operator.gates import words


@pytest.mark.parametrize(("number", "unit", "said"), [
    (1.31e9, "ns", "1.31 s"), (0, "ns", "0 ns"), (1500, "ms", "1.5 s"), (1 << 33, "By", "8 GiB"),
    (-2e6, "ns", "-2 ms"), (1234567, "1", "1234567"), (81.25, "%", "81.2 %"),
], ids=str)  # fmt: skip
def test_numbers_have_a_unit_that_fits(number: float, unit: str, said: str) -> None:
    """With three digits, but always those before the point."""
    assert words.shown(number, unit) == said


def test_different_numbers_look_different() -> None:
    """With as many digits as that needs."""
    numbers = (Decimal(1_310_000_000), Decimal(1_309_999_999))

    assert words.telling_digits(numbers, "ns") == 10


@pytest.mark.parametrize(
    ("share", "said"), [(0.12, "12 %"), (0.0257, "2.6 %"), (0, "0 %"), (12.3456, "1235 %")]
)
def test_shares_are_percentages(share: float, said: str) -> None:
    """With two digits, but always those before the point."""
    assert words.percent(share) == said


def test_long_names_keep_their_end() -> None:
    """Which says what is measured."""
    found = words.short(f"timer:{'x' * 1000}/inclusive")

    assert len(found) == words.NAME_SHOWN
    assert found.startswith("timer:xxx") and found.endswith("xxx/inclusive")


def test_counts_have_their_word() -> None:
    """One job, two jobs."""
    assert [words.counted(count, "job") for count in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
