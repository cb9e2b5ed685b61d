"""What measured most, by kind: the tables of the page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from profiling_operator.report import words
from profiling_operator.report.results import Measured, Summary

TITLES = {
    "kernel": ("Kernels", "duration"),
    "memcpy": ("Copies", "duration"),
    "memset": ("Memory sets", "duration"),
    "timer": ("Timers", "exclusive"),
    "sample": ("Samples", "exclusive"),
    "range": ("Ranges", "duration"),
    "api": ("Calls of the GPU's API", "duration"),
    "os": ("Calls of the system", "duration"),
    "counter": ("Counters", "value"),
    "metric": ("Metrics", "mean"),
}
"""By kind: the table's title, and the number that comes first. In the order of the page."""
TIMED = frozenset(TITLES) - {"counter", "metric"}
APPLICATION = {
    "app/duration": "Duration", "app/cpu": "Processor time", "app/peakMemory": "Peak memory",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A name with its numbers, as they are told."""

    name: str
    numbers: tuple[str, ...]
    share: str
    bar: float
    """Length of its bar: 1 is the longest."""


@dataclass(frozen=True)
class Table:
    """The names of one kind, the largest first."""

    kind: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    has_shares: bool
    has_bars: bool
    """Other numbers have units of their own."""


@dataclass
class _Named:
    """What was measured of a name, by what it is."""

    name: str
    numbers: dict[str, Measured] = field(default_factory=dict)


def tables(summary: Summary) -> tuple[Table, ...]:
    """A table for each kind that was measured."""
    by_kind: dict[str, dict[str, _Named]] = {}
    for one in summary.measures:
        kind, name, what = parts(one.measure)
        if kind in TITLES and _finite(one.values):
            names = by_kind.setdefault(kind, {})
            names.setdefault(name, _Named(name)).numbers[what] = one
    return tuple(
        _table(kind, list(by_kind[kind].values()), summary.totals)
        for kind in TITLES
        if kind in by_kind
    )


def parts(measure: str) -> tuple[str, str, str]:
    """Kind, name and what is measured of `kind:NAME/what`; names hold colons and slashes."""
    kind, _, rest = measure.partition(":")
    name, _, what = rest.rpartition("/")
    return kind, name, what


def application(summary: Summary) -> tuple[tuple[str, str, str], ...]:
    """What the application took as a whole: words, median, range."""
    known = {one.measure: one for one in summary.measures}
    return tuple(
        (title, _median(known[measure]), _range(known[measure]))
        for measure, title in APPLICATION.items()
        if measure in known and _finite(known[measure].values)
    )


def _table(kind: str, named: list[_Named], totals: Mapping[str, float]) -> Table:
    title, first = TITLES[kind]
    whats = sorted({what for one in named for what in one.numbers}, key=lambda what: what != first)
    main = whats[0]
    named.sort(key=lambda one: (-_sum(one, main), one.name))
    total = totals.get(kind, 0.0) if kind in TIMED else 0.0
    longest = max((_sum(one, main) for one in named), default=0.0) if kind in TIMED else 0.0
    repeated = any(len(one.values) > 1 for each in named for one in each.numbers.values())
    rows = tuple(_row(one, whats, repeated, total, longest) for one in named)
    return Table(
        kind,
        title,
        tuple(_columns(whats, repeated)),
        rows,
        has_shares=total > 0,
        has_bars=longest > 0,
    )


def _columns(whats: Sequence[str], repeated: bool) -> Iterator[str]:
    for number, what in enumerate(whats):
        title = words.name(what, 40).capitalize()
        yield f"{title}, median" if repeated else title
        if repeated and not number:
            yield "Range"


def _row(one: _Named, whats: Sequence[str], repeated: bool, total: float, longest: float) -> Row:
    numbers = []
    for number, what in enumerate(whats):
        measured = one.numbers.get(what, Measured())
        numbers.append(_median(measured))
        if repeated and not number:
            numbers.append(_range(measured))
    part = _sum(one, whats[0])
    share = words.share(part / total) if total > 0 else ""
    return Row(
        words.name(one.name),
        tuple(numbers),
        share,
        max(0.0, part / longest) if longest > 0 else 0.0,
    )


def _sum(one: _Named, what: str) -> float:
    measured = one.numbers.get(what)
    return sum(_finite(measured.values)) if measured else 0.0


def _finite(values: Sequence[float]) -> list[float]:
    return [one for one in values if math.isfinite(one)]


def _median(one: Measured) -> str:
    values = _finite(one.values)
    return words.amount(statistics.median(values), one.unit) if values else words.UNKNOWN


def _range(one: Measured) -> str:
    """From the smallest to the largest value; nothing where there is only one."""
    values = _finite(one.values)
    if len(values) < 2:  # noqa: PLR2004
        return words.UNKNOWN
    return words.between((min(values), max(values)), one.unit)
