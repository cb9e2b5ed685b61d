"""Sums by name and run, added up while entries pass by, by the million."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from profiling_operator.entries import Entry, Kind, Number

NAMES_LIMIT = 200_000
KEPT_NAMES = 50_000
METRICS_LIMIT = 16
GAUGES_LIMIT = 10_000
MAIN_UNIT = "ns"

# Looked up once: an enumeration's members cost more than the sums.
COUNTER, SAMPLE, METRIC = Kind.COUNTER, Kind.SAMPLE, Kind.METRIC
EVENTS = frozenset({Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET, Kind.API, Kind.OS, Kind.RANGE})
"""Kinds of which each entry has a duration of its own, or the sum of some."""


class Sums:
    """Sums of one number by name and run. Bounded: the smallest names are given up first."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.by_name: dict[str, dict[int, Number]] = {}
        self.truncated = False

    def add(self, name: str, run: int, number: Number) -> None:
        """Add to a name's sum in a run."""
        sums = self.by_name.get(name)
        if sums is None:
            if len(self.by_name) >= NAMES_LIMIT:
                self._prune()
            sums = self.by_name[name] = {}
        sums[run] = sums.get(run, 0) + number

    def merge(self, other: Sums) -> None:
        """Add another's sums."""
        self.truncated = self.truncated or other.truncated
        for name, sums in other.by_name.items():
            for run, number in sums.items():
                self.add(name, run, number)

    def top(self, count: int) -> list[str]:
        """The names with the largest sums over all runs, the largest first."""
        return sorted(self.by_name, key=lambda name: (-self.total(name), name))[:count]

    def total(self, name: str) -> Number:
        """A name's sum over all runs."""
        return sum(self.by_name[name].values()) if name in self.by_name else 0

    def grand_total(self) -> Number:
        """The sum over all names and runs."""
        return sum(sum(sums.values()) for sums in self.by_name.values())

    def values(self, name: str, runs: Sequence[int]) -> tuple[Number, ...]:
        """A name's sum in each run."""
        sums = self.by_name.get(name, {})
        return tuple(sums.get(run, 0) for run in runs)

    def _prune(self) -> None:
        self.truncated = True
        self.by_name = {name: self.by_name[name] for name in self.top(KEPT_NAMES)}


class Levels(Sums):
    """Numbers that are not added up: a run without one has no value, not 0."""

    def values(self, name: str, runs: Sequence[int]) -> tuple[Number, ...]:
        """A name's number in each run that has one."""
        found = self.by_name.get(name, {})
        return tuple(found[run] for run in runs if run in found)


@dataclass
class Gauge:
    """One metric in one run: readings, each of which may stand for several calls."""

    total: Number = 0
    calls: Number = 0
    largest: Number = -math.inf

    def add(self, total: Number, calls: Number, largest: Number) -> None:
        """Add readings."""
        self.total += total
        self.calls += calls
        self.largest = max(self.largest, largest)


class Gauges:
    """Metrics: what is read off, as the share of a GPU that is busy, by name and run.

    A name stands for all kernels and devices. Of two units the first one is told.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.by_name: dict[str, dict[int, Gauge]] = {}
        self.units: dict[str, str] = {}

    def read(self, entry: Entry) -> None:
        """Take an entry's value: the mean of its calls, where it tells how many they are.

        Of a metric that has another name than the entry the value is an amount, as in TAU's series.
        """
        value, calls = entry.value, entry.calls or 1
        if value is None or entry.metric != entry.name or calls < 0:
            return
        gauge = self._of(entry.name, entry.unit or "1", entry.run)
        if gauge is not None:
            gauge.add(value * calls, calls, value if entry.max is None else entry.max)

    def merge(self, other: Gauges) -> None:
        """Add another's readings."""
        for name, runs in other.by_name.items():
            for run, theirs in runs.items():
                gauge = self._of(name, other.units[name], run)
                if gauge is not None:
                    gauge.add(theirs.total, theirs.calls, theirs.largest)

    def means(self) -> Levels:
        """The mean of each metric in each run, where calls count."""
        return self._levels(lambda gauge: gauge.total / gauge.calls)

    def largest(self) -> Levels:
        """The largest reading of each metric in each run."""
        return self._levels(lambda gauge: gauge.largest)

    def _levels(self, of: Callable[[Gauge], Number]) -> Levels:
        found = Levels()
        found.by_name = {
            name: {run: of(gauge) for run, gauge in runs.items()}
            for name, runs in self.by_name.items()
        }
        return found

    def _of(self, name: str, unit: str, run: int) -> Gauge | None:
        """Where a reading goes; None past the limit, or in another unit."""
        runs = self.by_name.get(name)
        if runs is None:
            if len(self.by_name) >= GAUGES_LIMIT:
                return None
            runs = self.by_name[name] = {}
            self.units[name] = unit
        if self.units[name] != unit:
            return None
        return runs.get(run) or runs.setdefault(run, Gauge())


def joined(sums: Mapping[str, Sums]) -> Sums:
    """All sums in one, each name with its key before it: `kernel:vectorAdd`."""
    all_of_them = Sums()
    for key, one in sums.items():
        all_of_them.by_name.update({f"{key}:{name}": each for name, each in one.by_name.items()})
    return all_of_them


@dataclass
class Times:
    """What was measured in one metric of time."""

    inclusive: Sums = field(default_factory=Sums)
    exclusive: Sums = field(default_factory=Sums)
    sampled: Sums = field(default_factory=Sums)
    """Samples that name a function and no path: they overlap the timers."""
    events: dict[str, Sums] = field(default_factory=dict)
    """Durations by kind."""

    def add(self, kind: Kind, entry: Entry) -> None:
        """Add up an entry in this metric."""
        name, run = entry.name, entry.run
        if kind in EVENTS:
            if entry.additive or kind is Kind.RANGE:
                sums = self.events.get(kind) or self.events.setdefault(kind.value, Sums())
                sums.add(name, run, entry.duration or entry.inclusive or 0)
        elif entry.additive:
            self.exclusive.add(name, run, entry.exclusive or entry.duration or 0)
            self.inclusive.add(name, run, entry.inclusive or entry.duration or 0)
        elif kind is SAMPLE and entry.path is None:
            self.sampled.add(name, run, entry.exclusive or 0)

    def merge(self, other: Times) -> None:
        """Add another's sums."""
        self.inclusive.merge(other.inclusive)
        self.exclusive.merge(other.exclusive)
        self.sampled.merge(other.sampled)
        for kind, sums in other.events.items():
            self.events.setdefault(kind, Sums()).merge(sums)


class CollectorSums:
    """What one collector measured: times by metric, the first one first, counters, and metrics."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.by_metric: dict[str | None, Times] = {}
        self.counters = Sums()
        self.units: dict[str, str] = {}
        """Of counters."""
        self.gauges = Gauges()

    @property
    def times(self) -> Times:
        """Several metrics measure the same: the first one is told."""
        return next(iter(self.by_metric.values()), Times())

    def of_metric(self, metric: str | None) -> Times | None:
        """The times in a metric; None past the limit, beyond which nothing is told of them."""
        times = self.by_metric.get(metric)
        if times is None and len(self.by_metric) < METRICS_LIMIT:
            times = self.by_metric[metric] = Times()
        return times

    def count(self, entry: Entry) -> None:
        """Add up a counter."""
        if entry.additive and entry.value is not None:
            self.counters.add(entry.name, entry.run, entry.value)
            self.units.setdefault(entry.name, entry.unit or "1")

    def merge(self, other: CollectorSums) -> None:
        """Add another's sums."""
        for metric, times in other.by_metric.items():
            mine = self.of_metric(metric)
            if mine is not None:
                mine.merge(times)
        self.counters.merge(other.counters)
        self.gauges.merge(other.gauges)
        self.units = {**other.units, **self.units}


class Totals:
    """Takes entries one by one; sums by collector, in the order in which they came."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.kinds: Counter[str] = Counter()
        self.by_collector: dict[str, CollectorSums] = {}

    def add(self, entry: Entry) -> None:
        """Count an entry, and add up its main number."""
        kind = entry.kind
        self.kinds[kind] += 1
        sums = self.by_collector.get(entry.collector)
        if sums is None:
            sums = self.by_collector[entry.collector] = CollectorSums()
        if kind is COUNTER:
            sums.count(entry)
        elif kind is METRIC:
            sums.gauges.read(entry)
        elif entry.unit == MAIN_UNIT:
            times = sums.by_metric.get(entry.metric) or sums.of_metric(entry.metric)
            if times is not None:
                times.add(kind, entry)

    def merge(self, other: Totals) -> None:
        """Add another's sums, as if its entries had come after these."""
        self.kinds.update(other.kinds)
        for name, sums in other.by_collector.items():
            self.by_collector.setdefault(name, CollectorSums()).merge(sums)
