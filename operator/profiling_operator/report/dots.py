"""Repetitions as dots, in the order in which they ran: the noise, a drift, an odd one are seen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from profiling_operator.report import svg, words
from profiling_operator.report.results import Gate, Measured, Summary

PLOTS_LIMIT = 12
DOTS_LIMIT = 200
TELLING = ("app/duration", "app/peakMemory")
MORE_TELLING = 2
"""Measures beside those."""
HEIGHT, TOP, BOTTOM = 150.0, 12.0, 22.0
LEFT, RIGHT = 0.17, 0.84
"""Where the dots are, between the axis' words and the lines' names."""
RADIUS = 4
APART = 13.0
"""Pixels between names of lines."""
FAR = 1.0
"""A limit that is farther away than this part of the value is told, not drawn."""
ROOM = 0.08


@dataclass(frozen=True)
class Plot:
    """A picture, and the same in words."""

    title: str
    picture: Markup
    legend: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Dots:
    """What is drawn."""

    measure: str
    unit: str
    values: tuple[float, ...]
    statistic: str
    value: float
    interval: tuple[float, float] | None = None
    band: tuple[float, float] | None = None
    baseline: float | None = None
    compared: int = 0
    limit: float | None = None

    @property
    def lines(self) -> dict[str, float]:
        """What is drawn across, by name."""
        told = {self.statistic: self.value, "baseline": self.baseline, "limit": self.near_limit}
        return {key: one for key, one in told.items() if one is not None}

    @property
    def near_limit(self) -> float | None:
        """The limit, if the dots can still be told apart beside it."""
        if self.limit is None or abs(self.limit - self.value) > FAR * abs(self.value):
            return None
        return self.limit

    @property
    def range(self) -> tuple[float, float]:
        """From the lowest thing that is drawn to the highest."""
        strips = (*(self.interval or ()), *(self.band or ()))
        everything = [*self.values, *self.lines.values(), *strips]
        low, high = min(everything), max(everything)
        room = (high - low) * ROOM or abs(high) * ROOM or 1.0
        return low - room, high + room


def plots(summary: Summary) -> tuple[Plot, ...]:
    """Those of gated measures, else of the most telling ones; none of a single repetition."""
    gated = _distinct(_of_gates(summary))
    shown = gated or _distinct(_most_telling(summary.measures))
    return tuple(plot(one) for one in shown[:PLOTS_LIMIT])


def _distinct(several: Iterable[Dots]) -> list[Dots]:
    return list({(one.measure, one.statistic, one.limit): one for one in several}.values())


def _of_gates(summary: Summary) -> Iterator[Dots]:
    known = {one.measure: one for one in summary.measures}
    for gate in summary.gates:
        measured = known.get(gate.measure, Measured())
        values = _finite(gate.values or measured.values)
        if len(values) > 1 and gate.value is not None and math.isfinite(gate.value):
            yield _of_gate(gate, values, gate.unit or measured.unit)


def _of_gate(gate: Gate, values: tuple[float, ...], unit: str) -> Dots:
    return Dots(
        gate.measure, unit, values, gate.statistic or "median", gate.value or 0.0,
        interval=_pair(gate.interval), band=_pair(gate.band), baseline=_number(gate.baseline),
        compared=gate.compared, limit=_number(gate.limit),
    )  # fmt: skip


def _most_telling(measures: Sequence[Measured]) -> Iterator[Dots]:
    known = {one.measure: one for one in measures}
    others = [name for name in known if not name.startswith("app/")][:MORE_TELLING]
    for name in (*TELLING, *others):
        values = _finite(known[name].values) if name in known else ()
        if len(values) > 1:
            yield Dots(name, known[name].unit, values, "median", statistics.median(values))


def _finite(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(one for one in values if math.isfinite(one))


def _pair(pair: tuple[float, float] | None) -> tuple[float, float] | None:
    return pair if pair and all(map(math.isfinite, pair)) else None


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def plot(dots: Dots) -> Plot:
    """The plot of one measure."""
    label = f"{words.name(dots.measure)}: {words.counted(len(dots.values), 'repetition')}"
    picture = svg.element(
        "svg", *_drawn(dots), class_="dots", role="img", aria_label=label,
        width="100%", height=HEIGHT,
    )  # fmt: skip
    values = tuple(words.amount(one, dots.unit) for one in dots.values[:DOTS_LIMIT])
    return Plot(words.name(dots.measure), picture, tuple(_legend(dots)), values)


def _drawn(dots: Dots) -> Iterator[Markup]:
    low, high = dots.range
    height = HEIGHT - TOP - BOTTOM

    def at(value: float) -> float:
        return TOP + height * (high - value) / (high - low)

    told = {words.amount(one, dots.unit): one for one in svg.ticks(low, high, 4)}
    for label, tick in told.items():
        yield _across("grid", at(tick))
        yield svg.element(
            "text", label, class_="axis", x=svg.percent(LEFT - 0.015),
            y=at(tick) + 4, text_anchor="end",
        )  # fmt: skip
    for name, pair in (("band", dots.band), ("interval", dots.interval)):
        if pair:
            yield _strip(name, at(pair[1]), at(pair[0]))
    heights = {name: at(value) for name, value in dots.lines.items()}
    for name, y in heights.items():
        yield _across(_kind(name), y)
    for name, y in _apart(heights).items():
        yield svg.element("text", name, class_="line", x=svg.percent(RIGHT + 0.012), y=y + 4)
    yield from _points(dots, at)
    yield from _numbers(len(dots.values))


def _kind(name: str) -> str:
    return name if name in {"baseline", "limit"} else "statistic"


def _across(kind: str, y: float) -> Markup:
    left, right = svg.percent(LEFT), svg.percent(RIGHT)
    return svg.element("line", class_=kind, x1=left, x2=right, y1=y, y2=y)


def _strip(kind: str, top: float, bottom: float) -> Markup:
    left, width = svg.percent(LEFT), svg.percent(RIGHT - LEFT)
    return svg.element("rect", class_=kind, x=left, width=width, y=top, height=max(1, bottom - top))


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Names of lines, so far from each other that all can be read."""
    found: dict[str, float] = {}
    last = -math.inf
    for name, y in sorted(heights.items(), key=lambda one: one[1]):
        found[name] = last = max(y, last + APART)
    over = max(0.0, last - (HEIGHT - 6))
    return {name: y - over for name, y in found.items()}


def _points(dots: Dots, at: Callable[[float], float]) -> Iterator[Markup]:
    shown = dots.values[:DOTS_LIMIT]
    for index, value in enumerate(shown):
        title = svg.element("title", f"repetition {index + 1}: {words.amount(value, dots.unit)}")
        yield svg.element(
            "circle", title, class_="dot", cx=svg.percent(_place(index, len(shown))),
            cy=at(value), r=RADIUS,
        )  # fmt: skip


def _place(index: int, count: int) -> float:
    return LEFT + (RIGHT - LEFT) * (index + 0.5) / count


def _numbers(count: int) -> Iterator[Markup]:
    """The first and the last repetition's."""
    shown = min(count, DOTS_LIMIT)
    for index in {0, shown - 1}:
        yield svg.element(
            "text", str(index + 1), class_="axis", x=svg.percent(_place(index, shown)),
            y=HEIGHT - 5, text_anchor="middle",
        )  # fmt: skip


def _legend(dots: Dots) -> Iterator[str]:
    """What is to be seen, in words."""
    unit = dots.unit
    count = words.counted(len(dots.values), "repetition")
    more = len(dots.values) - DOTS_LIMIT
    yield f"{count}, the first {DOTS_LIMIT} are drawn" if more > 0 else count
    within = f" (95 % interval {words.between(dots.interval, unit)})" if dots.interval else ""
    yield f"{dots.statistic} {words.amount(dots.value, unit)}{within}"
    if dots.baseline is not None:
        of = f" of {words.counted(dots.compared, 'accepted job')}" if dots.compared else ""
        yield f"baseline {words.amount(dots.baseline, unit)}{of}"
    if dots.band:
        yield f"band of no change {words.between(dots.band, unit)}"
    if dots.limit is not None:
        beyond = "" if dots.near_limit is not None else ", beyond this picture"
        yield f"limit {words.amount(dots.limit, unit)}{beyond}"
