"""Ranges of a trace, whose beginnings and ends stand apart."""

from __future__ import annotations

import pytest

from profiling_operator.formats import nvprof_ranges
from profiling_operator.formats.nvprof_ranges import Ranges


def test_of_equal_names_the_last_begun_ends_first() -> None:
    """As calls do; each process has its own."""
    ranges = Ranges()
    for time, what, process in ((1, "start", 1), (2, "start", 1), (3, "start", 2)):
        assert not list(ranges.take(f"[Range {what}] a", time, process))

    ended = [one for time in (5, 9) for one in ranges.take("[Range end] a", time, 1)]

    assert [(one["duration"], one["process"]) for one in ended] == [(3, 1), (8, 1)]
    assert [(one["process"], one["attributes"]) for one in ranges.open()] == [(2, {"open": True})]
    assert not list(ranges.open())


def test_other_names_and_unknown_ends_are_nothing() -> None:
    """What began before measuring did cannot be told."""
    ranges = Ranges()

    assert not list(ranges.take("[Range end] a", 1, None))
    assert not list(ranges.take("k()", 1, None))


def test_open_ranges_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile trace may begin one after the other."""
    monkeypatch.setattr(nvprof_ranges, "MOST_OPEN", 2)
    ranges = Ranges()

    for at in range(5):
        assert not list(ranges.take(f"[Range start] {at}", at, None))

    assert [one["name"] for one in ranges.open()] == ["0", "1"]
