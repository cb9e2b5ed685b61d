"""Repetitions as dots."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given, settings, strategies

import made_up_results as made
from profiling_operator.report import dots
from profiling_operator.report.dots import Dots
from profiling_operator.report.results import Summary


def told(**more: object) -> Summary:
    """A summary."""
    return msgspec.convert(made.summary(**more), Summary)


def test_gated_measures_come_before_others() -> None:
    """Those are what the page is opened for; each is drawn once."""
    gate = made.gate("timer:cold/exclusive", "Passed", value=100.0, limit=150.0)
    summary = told(gates=[gate, gate])

    assert [one.title for one in dots.plots(summary)] == ["timer:cold/exclusive"]


def test_without_gates_the_most_telling_measures_are_drawn() -> None:
    """The application's, then those that come first."""
    assert [one.title for one in dots.plots(told())] == [
        "app/duration", "app/peakMemory", "timer:hot/exclusive", "timer:hot/inclusive",
    ]  # fmt: skip


def test_a_single_repetition_is_not_drawn() -> None:
    """A dot by itself tells nothing."""
    assert dots.plots(told(measures=[made.measured("app/duration", 1e9)])) == ()


def test_the_legend_tells_all_that_is_drawn() -> None:
    """For those who do not see it."""
    found = dots.plot(
        Dots("app/duration", "ns", (1e9, 1.1e9, 1.2e9), "median", 1.1e9, interval=(1e9, 1.2e9),
             band=(0.9e9, 1.1e9), baseline=1e9, compared=12, limit=1.15e9)
    )  # fmt: skip

    assert [one.replace("\u00a0", " ") for one in found.legend] == [
        "3 repetitions", "median 1.1 s (95 % interval 1 s – 1.2 s)",
        "baseline 1 s of 12 accepted jobs", "band of no change 900 ms – 1.1 s", "limit 1.15 s",
    ]  # fmt: skip
    assert found.picture.count("<circle") == 3
    assert all(f'class="{one}"' in found.picture for one in
               ("band", "interval", "baseline", "limit", "statistic"))  # fmt: skip
    assert "repetition 2: 1.1\u00a0s" in found.picture
    assert found.values == ("1\u00a0s", "1.1\u00a0s", "1.2\u00a0s")


def test_a_far_limit_is_told_and_not_drawn() -> None:
    """The dots would be one."""
    found = dots.plot(Dots("a", "ns", (1.0, 2.0), "median", 1.5, limit=1000.0))

    assert 'class="limit"' not in found.picture
    assert found.legend[-1].endswith("beyond this picture")


numbers = strategies.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(deadline=None)
@given(
    strategies.lists(numbers, min_size=2, max_size=400).map(tuple),
    strategies.none() | strategies.tuples(numbers, numbers).map(lambda pair: tuple(sorted(pair))),
    strategies.none() | numbers,
)
def test_everything_is_within_the_picture(
    values: tuple[float, ...], band: tuple[float, float] | None, limit: float | None
) -> None:
    """Whatever the numbers."""
    one = Dots("m", "1", values, "median", values[0], band=band, limit=limit)
    low, high = one.range

    assert low < high and math.isfinite(high - low)
    assert all(low <= value <= high for value in (*values, *(band or ())))
    assert "nan" not in dots.plot(one).picture
