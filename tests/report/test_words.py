"""Numbers, names and times for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings, strategies

from profiling_operator.report import words

NARROW, FIXED = "\u202f", "\u00a0"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1_310_000_000, "ns", "1.31 s"), (999, "ns", "999 ns"), (1500, "ns", "1.5 µs"),
        (0, "ns", "0 ns"), (0.5, "s", "500 ms"), (8 << 30, "By", "8 GiB"), (12.34, "%", "12.3 %"),
        (1500, "1", f"1{NARROW}500"), (2.5e6, "1", "2.5 M"), (3 << 20, "By/s", "3 MiB/s"),
        (125_000, "MHz", f"125{NARROW}000 MHz"), (-2e9, "ns", "-2 s"), (1e300, "MHz", "1e+300 MHz"),
        (1e-9, "W", "1e-09 W"), (None, "ns", "–"), (math.inf, "ns", "inf"), (math.nan, "", "nan"),
    ],
)  # fmt: skip
def test_amounts_fit_their_size(value: float | None, unit: str, expected: str) -> None:
    """Three digits, and a unit that people know."""
    assert words.amount(value, unit).replace(FIXED, " ") == expected


def test_ranges_shares_counts() -> None:
    """With blanks at which no line breaks."""
    assert words.between((1e9, 2e9), "ns").replace(FIXED, " ") == "1 s – 2 s"
    assert words.between((1e9, 1.0001e9), "ns").replace(FIXED, " ") == "1 s"
    assert [words.share(one).replace(FIXED, " ") for one in (0, 1e-9, 0.123, 1, math.nan)] == [
        "0.0 %", "< 0.1 %", "12.3 %", "100.0 %", "–",
    ]  # fmt: skip
    assert words.count(1234567) == f"1{NARROW}234{NARROW}567"
    assert words.counted(1, "entry", "entries") == f"1{FIXED}entry"
    assert words.counted(2, "gate") == f"2{FIXED}gates"


def test_times() -> None:
    """In UTC; what is none stays as it is."""
    assert words.moment("2026-11-23T10:00:00.123456789Z") == "2026-11-23 10:00:00 UTC"
    assert words.moment("2026-11-23T10:00:00Z") == "2026-11-23 10:00:00 UTC"
    assert words.moment("yesterday") == "yesterday"


def test_a_long_name_keeps_its_end() -> None:
    """Which tells overloads and file names apart."""
    name = words.name(f"begin{'x' * 1000}end", 20)

    assert len(name) == 20
    assert name.startswith("begin") and "…" in name and name.endswith("end")


@settings(deadline=None)
@given(strategies.text(), strategies.integers(10, 50))
def test_names_are_bounded_and_steer_nothing(text: str, limit: int) -> None:
    """Whatever they hold."""
    name = words.name(text, limit)

    assert len(name) <= limit
    assert name.isprintable()
    assert name == " ".join(name.split())
    assert words.name(name, limit) == name
