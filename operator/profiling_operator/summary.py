"""The summary: the few numbers worth reading first, added up while entries pass by.

A measure is named `kind:NAME/what`, as in `timer:hot/inclusive`, or `app/duration`. Its values are
those of the measured repetitions, in their order; warm-ups do not count. Values of equal names are
added up over threads and processes, so a timer's inclusive time may exceed the run's duration.
"""

from __future__ import annotations

import fnmatch
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from profiling_operator.entries import GPU_KINDS, Entry, Kind
from profiling_operator.workspace import RunRecord

NAMES_LIMIT = 200_000
KEPT_NAMES = 50_000
TOP = 50
WANTED_LIMIT = 1000
MAIN_UNIT = "ns"
NANOSECONDS_PER_SECOND = 1e9
MOSTLY = 0.5
NAME_SHOWN = 60


@dataclass(frozen=True)
class Measured:
    """One measure with its values over the repetitions."""

    measure: str
    unit: str
    values: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """With the statistics that people look for."""
        return {
            "measure": self.measure,
            "unit": self.unit,
            "values": list(self.values),
            "median": statistics.median(self.values),
            "min": min(self.values),
            "max": max(self.values),
            "mean": statistics.fmean(self.values),
        }


class Sums:
    """Sums of one number by name and run. Bounded: the smallest names are given up first."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.by_name: dict[str, Counter[int]] = {}
        self.truncated = False

    def add(self, name: str, run: int, number: float) -> None:
        """Add to a name's sum in a run."""
        sums = self.by_name.get(name)
        if sums is None:
            if len(self.by_name) >= NAMES_LIMIT:
                self._prune()
            sums = self.by_name[name] = Counter()
        sums[run] += number  # type: ignore[assignment]

    def top(self, count: int) -> list[str]:
        """The names with the largest sums over all runs, the largest first."""
        return sorted(self.by_name, key=lambda name: (-self.total(name), name))[:count]

    def total(self, name: str) -> float:
        """A name's sum over all runs."""
        return sum(self.by_name[name].values()) if name in self.by_name else 0

    def grand_total(self) -> float:
        """The sum over all names and runs."""
        return sum(sum(sums.values()) for sums in self.by_name.values())

    def values(self, name: str, runs: Sequence[int]) -> tuple[float, ...]:
        """A name's sum in each run."""
        sums = self.by_name.get(name, Counter())
        return tuple(sums[run] for run in runs)

    def _prune(self) -> None:
        self.truncated = True
        self.by_name = {name: self.by_name[name] for name in self.top(KEPT_NAMES)}


class Summary:
    """Takes entries one by one; knows the measures and the headline at the end."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.kinds: Counter[str] = Counter()
        self.inclusive = Sums()
        self.exclusive = Sums()
        self.sampled = Sums()
        self.activities = Sums()
        """What GPUs did, by `kind:name`."""
        self.calls = Sums()
        """Calls of GPUs' APIs, by `api:name`."""
        self.counters = Sums()
        self._counter_units: dict[str, str] = {}
        self._main_metric: dict[str, str | None] = {}

    def add(self, entry: Entry) -> None:
        """Count an entry, and add up its main number."""
        self.kinds[entry.kind.value] += 1
        if entry.kind is Kind.COUNTER:
            self._add_counter(entry)
        elif entry.unit == MAIN_UNIT and self._is_main(entry):
            self._add_time(entry)

    def _add_time(self, entry: Entry) -> None:
        if entry.kind in GPU_KINDS or entry.kind is Kind.API:
            self._add_event(entry)
        elif entry.additive:
            self.exclusive.add(entry.name, entry.run, entry.exclusive or entry.duration or 0)
            self.inclusive.add(entry.name, entry.run, entry.inclusive or entry.duration or 0)
        elif entry.kind is Kind.SAMPLE and entry.path is None:
            self.sampled.add(entry.name, entry.run, entry.exclusive or 0)

    def _add_event(self, entry: Entry) -> None:
        """Add what has a duration, or a sum of durations."""
        sums = self.activities if entry.kind in GPU_KINDS else self.calls
        if entry.additive:
            time = entry.duration or entry.inclusive or 0
            sums.add(f"{entry.kind.value}:{entry.name}", entry.run, time)

    def _add_counter(self, entry: Entry) -> None:
        if entry.additive and entry.value is not None:
            self.counters.add(entry.name, entry.run, entry.value)
            self._counter_units[entry.name] = entry.unit or "1"

    def _is_main(self, entry: Entry) -> bool:
        """Several metrics measure the same timers: the first one of a collector is told."""
        return self._main_metric.setdefault(entry.collector, entry.metric) == entry.metric

    def measures(
        self, records: Sequence[RunRecord], wanted: Sequence[str] = ()
    ) -> Iterator[Measured]:
        """The measures, the most telling first; then those wanted that are not among them.

        What is wanted are names, and patterns as `matching` takes them: a name is found however
        little it measures, but at most WANTED_LIMIT measures are added.
        """
        measured = [record for record in records if not record.warmup]
        runs = [record.index for record in measured]
        if not runs:
            return
        told: set[str] = set()
        for one in self._most_telling(measured, runs):
            told.add(one.measure)
            yield one
        yield from islice(self._others(wanted, told, runs), WANTED_LIMIT)

    def _most_telling(
        self, measured: Sequence[RunRecord], runs: Sequence[int]
    ) -> Iterator[Measured]:
        yield from _of_application(measured)
        yield from _durations(self.activities, runs)
        times, kind = self._told()
        for name in times.top(TOP):
            yield Measured(f"{kind}:{name}/exclusive", MAIN_UNIT, times.values(name, runs))
            if kind == "timer":
                values = self.inclusive.values(name, runs)
                yield Measured(f"timer:{name}/inclusive", MAIN_UNIT, values)
        yield from _durations(self.calls, runs)
        for name in self.counters.top(TOP):
            values = self.counters.values(name, runs)
            yield Measured(f"counter:{name}/value", self._counter_units[name], values)

    def _others(
        self, wanted: Sequence[str], told: set[str], runs: Sequence[int]
    ) -> Iterator[Measured]:
        """What is wanted and not told yet: first what a name means, then what patterns match."""
        exact = [one for name in wanted for one in self._named(name, runs)]
        known = told | {one.measure for one in exact}
        patterns = [one for one in wanted if one not in known and is_pattern(one)]
        matched = self._matching(_matcher(patterns), runs) if patterns else ()
        for one in chain(exact, matched):
            if one.measure not in told:
                told.add(one.measure)
                yield one

    def _named(self, measure: str, runs: Sequence[int]) -> Iterator[Measured]:
        for before, after, sums in self._families():
            name = measure.removeprefix(before).removesuffix(after)
            if name in sums.by_name and measure == f"{before}{name}{after}":
                yield Measured(measure, self._unit(sums, name), sums.values(name, runs))

    def _matching(
        self, matches: Callable[[str], object], runs: Sequence[int]
    ) -> Iterator[Measured]:
        for before, after, sums in self._families():
            for name in sums.by_name:
                measure = f"{before}{name}{after}"
                if matches(measure):
                    yield Measured(measure, self._unit(sums, name), sums.values(name, runs))

    def _families(self) -> Sequence[tuple[str, str, Sums]]:
        """What stands before and after a name, by which sums are measures."""
        return (
            ("", "/duration", self.activities),
            ("timer:", "/exclusive", self.exclusive),
            ("timer:", "/inclusive", self.inclusive),
            ("sample:", "/exclusive", self.sampled),
            ("", "/duration", self.calls),
            ("counter:", "/value", self.counters),
        )

    def _unit(self, sums: Sums, name: str) -> str:
        return self._counter_units[name] if sums is self.counters else MAIN_UNIT

    def _told(self) -> tuple[Sums, str]:
        """The times to tell of: the timers, or the samples where the timers tell nothing.

        Under a sampling TAU the only timers are roots such as `.TAU application`.
        """
        total = self.exclusive.grand_total()
        top = self.exclusive.top(1)
        if self.sampled.by_name and top and self.exclusive.total(top[0]) > MOSTLY * total:
            return self.sampled, "sample"
        return self.exclusive, "timer"

    def top(self, count: int) -> list[tuple[str, float, float]]:
        """The names with the most time: name, nanoseconds over all runs, share of the total."""
        times = self._first_told()
        total = times.grand_total()
        return [
            (self._shown(name), times.total(name), times.total(name) / total if total else 0.0)
            for name in times.top(count)
        ]

    def headline(self, runs: int) -> str:
        """What most of the time went to, as in `hot 81 % of 12.4 s`; empty without times."""
        top = self.top(1)
        if not top or not top[0][1]:
            return ""
        name, _, share = top[0]
        name = _without_parameters(name) if self._tells_of_gpus() else name
        total = self._first_told().grand_total() / max(runs, 1)
        return f"{_short(name)} {share:.0%} of {seconds(total)}".replace("%", " %")

    def _tells_of_gpus(self) -> bool:
        """Whoever measures GPUs wants to know of them first."""
        return bool(self.activities.by_name)

    def _first_told(self) -> Sums:
        return self.activities if self._tells_of_gpus() else self._told()[0]

    def _shown(self, name: str) -> str:
        """A name without the kind before it."""
        return name.partition(":")[2] if self._tells_of_gpus() else name


def is_pattern(text: str) -> bool:
    """Whether a measure's name may be a pattern as well: names of functions hold `*` and `[`."""
    return any(one in text for one in "*?[")


def matching(wanted: str, measures: Iterable[str]) -> list[str]:
    """The measures that are meant: the one of that very name, else those that the pattern matches.

    Patterns are those of fnmatch: `*` any text, `?` one character, `[abc]` one of them.
    """
    known = list(measures)
    if wanted in known:
        return [wanted]
    matches = _matcher([wanted])
    return [one for one in known if matches(one)] if is_pattern(wanted) else []


def _matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(map(fnmatch.translate, patterns))).match


def _durations(sums: Sums, runs: Sequence[int]) -> Iterator[Measured]:
    for name in sums.top(TOP):
        yield Measured(f"{name}/duration", MAIN_UNIT, sums.values(name, runs))


def _of_application(measured: Sequence[RunRecord]) -> Iterator[Measured]:
    yield Measured("app/duration", "ns", tuple(record.nanoseconds for record in measured))
    cpu = (record.user_seconds + record.system_seconds for record in measured)
    yield Measured("app/cpu", "ns", tuple(round(one * NANOSECONDS_PER_SECOND) for one in cpu))
    memory = tuple(record.peak_memory_bytes for record in measured)
    yield Measured("app/peakMemory", "By", memory)


def seconds(nanoseconds: float) -> str:
    """Nanoseconds as people read them: `12.4 s`, `310 ms`."""
    if nanoseconds >= NANOSECONDS_PER_SECOND:
        return f"{nanoseconds / NANOSECONDS_PER_SECOND:.3g} s"
    return f"{nanoseconds / 1e6:.3g} ms"


def _without_parameters(name: str) -> str:
    """`vectorAdd` of `vectorAdd(float const *, int)`."""
    open_parentheses = 0
    for at in reversed(range(len(name))):
        open_parentheses += (name[at] == ")") - (name[at] == "(")
        if not open_parentheses:
            return name[:at] if at and name[at] == "(" else name
    return name


def _short(name: str) -> str:
    return name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"
