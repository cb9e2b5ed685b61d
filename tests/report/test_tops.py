"""The tables of what measured most."""

from __future__ import annotations

import math

import msgspec

import made_up_results as made
from profiling_operator.report import tops
from profiling_operator.report.results import Summary


def told(*measures: object, **more: object) -> Summary:
    """A summary with these measures."""
    return msgspec.convert(made.summary(measures=list(measures), **more), Summary)


def test_names_hold_what_separates() -> None:
    """Kind and what is measured are at the ends."""
    assert tops.parts("kernel:a::b<c/d>(x)/duration") == ("kernel", "a::b<c/d>(x)", "duration")
    assert tops.parts("app/duration") == ("app/duration", "", "")


def test_kinds_have_their_order_and_names_their_sums() -> None:
    """Kernels first; the largest name first; shares of the kind's total."""
    found = tops.tables(told(
        made.measured("timer:small/exclusive", 1, 1), made.measured("timer:big/exclusive", 5, 7),
        made.measured("timer:big/inclusive", 8, 8), made.measured("kernel:k/duration", 3, 3),
        made.measured("odd:x/y", 1), made.measured("counter:bytes/value", 4096, 8192, unit="By"),
        totals={"timer": 20.0},
    ))  # fmt: skip

    assert [one.title for one in found] == ["Kernels", "Timers", "Counters"]
    timers = found[1]
    assert timers.columns == ("Exclusive, median", "Range", "Inclusive, median")
    assert [(one.name, one.share, one.bar) for one in timers.rows] == [
        ("big", "60.0\u00a0%", 1.0), ("small", "10.0\u00a0%", 2 / 12),
    ]  # fmt: skip
    assert timers.rows[0].numbers == ("6\u00a0ns", "5\u00a0ns – 7\u00a0ns", "8\u00a0ns")
    assert timers.rows[1].numbers[2] == "–"
    assert not found[0].has_shares and found[0].has_bars and not found[2].has_bars


def test_a_single_run_has_no_median() -> None:
    """Nor a range."""
    (table,) = tops.tables(told(made.measured("timer:a/exclusive", 5)))

    assert table.columns == ("Exclusive",)


def test_numbers_that_are_none_do_not_count() -> None:
    """Nor names that have no other."""
    odd = made.measured("timer:a/exclusive", math.nan, 5)
    (table,) = tops.tables(told(odd, made.measured("timer:b/exclusive", math.inf)))

    assert [(one.name, one.numbers[0]) for one in table.rows] == [("a", "5\u00a0ns")]


def test_the_application_as_a_whole() -> None:
    """Its three numbers, as far as they were measured."""
    found = tops.application(
        told(made.measured("app/cpu", 1e9), made.measured("app/duration", 2e9))
    )

    assert [one[:2] for one in found] == [
        ("Duration", "2\u00a0s"), ("Processor time", "1\u00a0s"),
    ]  # fmt: skip
