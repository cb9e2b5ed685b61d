"""Pieces of SVG."""

from __future__ import annotations

import math

from hypothesis import given, settings, strategies
from markupsafe import Markup

from profiling_operator.report import svg


def test_elements_escape_what_is_no_markup() -> None:
    """In attributes and between tags."""
    title = svg.element("title", '<"a">')
    made = svg.element("rect", title, class_="k", aria_label='"<', x=1.50, fill_opacity=None)

    assert made == Markup(
        '<rect class="k" aria-label="&#34;&lt;" x="1.5"><title>&lt;&#34;a&#34;&gt;</title></rect>'
    )
    assert svg.element("line") == Markup("<line/>")


def test_numbers_have_few_digits() -> None:
    """A picture has pixels, not atoms."""
    assert [svg.number(one) for one in (1.0, 0.333333, 100, 0.001)] == ["1", "0.33", "100", "0"]
    assert svg.percent(0.1234567) == "12.35%"


@settings(deadline=None)
@given(strategies.floats(-1e12, 1e12), strategies.floats(1e-6, 1e12))
def test_ticks_are_within_and_few(low: float, length: float) -> None:
    """Whatever is between."""
    found = list(svg.ticks(low, low + length, 5))

    slack = 1e-6 * length + 1e-6 * abs(low)
    assert len(found) <= 11
    assert all(low - slack <= one <= low + length + slack for one in found)


def test_there_are_no_ticks_of_nothing() -> None:
    """Nor between what are no numbers."""
    assert [*svg.ticks(1, 1, 5), *svg.ticks(0, math.inf, 5), *svg.ticks(0, math.nan, 5)] == []
    assert list(svg.ticks(0, 10, 5)) == [0, 2, 4, 6, 8, 10]
