"""The summary: the few numbers worth reading first, added up while entries pass by.

A measure is named `kind:NAME/what`, as in `timer:hot/inclusive`, or `app/duration`. Its values are
those of the measured repetitions, in their order; warm-ups do not count. Values of equal names are
added up over threads and processes, so a timer's inclusive time may exceed the run's duration.
What is read off, and makes no sense added up, is `metric:NAME/mean` and `metric:NAME/max`: over all
kernels and devices of a run, kernels by their launches. A run without a reading has no value.
"""

from __future__ import annotations

import fnmatch
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from profiling_operator.entries import GPU_KINDS
from profiling_operator.sums import MAIN_UNIT, CollectorSums, Sums, Times, Totals, joined
from profiling_operator.workspace import RunRecord

TOP = 50
WANTED_LIMIT = 1000
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


class Summary(Totals):
    """Takes entries one by one; knows the measures and the headline at the end.

    Where several collectors measured one name, the first of them is told.
    """

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
            if one.measure not in told:
                told.add(one.measure)
                yield one
        yield from islice(self._others(wanted, told, runs), WANTED_LIMIT)

    def _most_telling(
        self, measured: Sequence[RunRecord], runs: Sequence[int]
    ) -> Iterator[Measured]:
        yield from _of_application(measured)
        for one in self.by_collector.values():
            yield from _durations(_activities(one.times), runs)
        for one in self.by_collector.values():
            yield from _timers(one.times, runs)
        for one in self.by_collector.values():
            yield from _durations(_calls(one.times), runs)
        for one in self.by_collector.values():
            for name in one.counters.top(TOP):
                values = one.counters.values(name, runs)
                yield Measured(f"counter:{name}/value", one.units[name], values)
        for one in self.by_collector.values():
            means = _gauges(one)[0]
            yield from chain.from_iterable(
                means.measured(name, runs) for name in islice(means.sums.by_name, TOP)
            )

    def _others(
        self, wanted: Sequence[str], told: set[str], runs: Sequence[int]
    ) -> Iterator[Measured]:
        """What is wanted and not told yet: first what a name means, then what patterns match."""
        families = tuple(self._families())
        exact = [one for name in wanted for one in _named(families, name, runs)]
        known = told | {one.measure for one in exact}
        patterns = [one for one in wanted if one not in known and is_pattern(one)]
        matched = _matched(families, _matcher(patterns), runs) if patterns else ()
        for one in chain(exact, matched):
            if one.measure not in told:
                told.add(one.measure)
                yield one

    def _families(self) -> Iterator[Family]:
        for one in self.by_collector.values():
            times = one.times
            yield from (
                Family(f"{kind}:", "/duration", sums) for kind, sums in times.events.items()
            )
            yield Family("timer:", "/exclusive", times.exclusive)
            yield Family("timer:", "/inclusive", times.inclusive)
            yield Family("sample:", "/exclusive", times.sampled)
            yield Family("counter:", "/value", one.counters, one.units)
            yield from _gauges(one)

    def top(self, count: int) -> list[tuple[str, float, float]]:
        """The names with the most time: name, nanoseconds over all runs, share of the total."""
        return _top(*self._first_told(), count)

    def totals(self) -> dict[str, float]:
        """All time of each kind, over all runs: what shares are parts of.

        Not of kinds that several collectors measured: their times are the same.
        """
        found: dict[str, list[Sums]] = {}
        for one in self.by_collector.values():
            told, kind = _told(one.times)
            for key, sums in {kind: told, **one.times.events}.items():
                if sums.by_name:
                    found.setdefault(key, []).append(sums)
        return {
            kind: several[0].grand_total()
            for kind, several in found.items()
            if len(several) == 1 and not several[0].truncated
        }

    def headline(self, runs: int) -> str:
        """What most of the time went to, as in `hot 81 % of 12.4 s`; empty without times."""
        times, is_of_gpus = self._first_told()
        top = _top(times, is_of_gpus, 1)
        if not top or not top[0][1]:
            return ""
        name, _, share = top[0]
        name = _without_parameters(name) if is_of_gpus else name
        total = times.grand_total() / max(runs, 1)
        return f"{_short(name)} {share:.0%} of {seconds(total)}".replace("%", " %")

    def _first_told(self) -> tuple[Sums, bool]:
        """The times to begin with: whoever measures GPUs wants to know of them first.

        And whether the names have a kind before them. Else it is the first collector with times.
        """
        every = [one.times for one in self.by_collector.values()]
        gpu = next((sums for sums in map(_activities, every) if sums.by_name), None)
        if gpu:
            return gpu, True
        told = [_told(times)[0] for times in every]
        return next((sums for sums in told if sums.by_name), Sums()), False


@dataclass(frozen=True)
class Family:
    """Measures whose names differ in the middle only."""

    before: str
    after: str
    sums: Sums
    units: Mapping[str, str] = field(default_factory=dict)

    def measure(self, name: str) -> str:
        """The measure of a name."""
        return f"{self.before}{name}{self.after}"

    def measured(self, name: str, runs: Sequence[int]) -> Iterator[Measured]:
        """The measure of a name with its values; none where no run has one."""
        values = self.sums.values(name, runs)
        if values:
            yield Measured(self.measure(name), self.units.get(name, MAIN_UNIT), values)


def _gauges(one: CollectorSums) -> tuple[Family, Family]:
    """Metrics: their means first."""
    gauges = one.gauges
    return (
        Family("metric:", "/mean", gauges.means(), gauges.units),
        Family("metric:", "/max", gauges.largest(), gauges.units),
    )


def _named(families: Sequence[Family], measure: str, runs: Sequence[int]) -> Iterator[Measured]:
    """What a name means."""
    for family in families:
        name = measure.removeprefix(family.before).removesuffix(family.after)
        if name in family.sums.by_name and measure == family.measure(name):
            yield from family.measured(name, runs)


def _matched(
    families: Sequence[Family], matches: Callable[[str], object], runs: Sequence[int]
) -> Iterator[Measured]:
    """What a pattern matches."""
    for family in families:
        for name in family.sums.by_name:
            if matches(family.measure(name)):
                yield from family.measured(name, runs)


def _top(times: Sums, is_prefixed: bool, count: int) -> list[tuple[str, float, float]]:
    """The names with the most time, without the kind before them; their time, and its share."""
    total = times.grand_total()
    return [
        (
            name.partition(":")[2] if is_prefixed else name,
            times.total(name),
            times.total(name) / total if total else 0.0,
        )
        for name in times.top(count)
    ]


def _activities(times: Times) -> Sums:
    """What GPUs did, by `kind:name`."""
    return joined({kind: sums for kind, sums in times.events.items() if kind in GPU_KINDS})


def _calls(times: Times) -> Sums:
    """Other events, by `kind:name`: calls of GPUs' APIs and of the system, ranges."""
    return joined({kind: sums for kind, sums in times.events.items() if kind not in GPU_KINDS})


def _told(times: Times) -> tuple[Sums, str]:
    """The times to tell of: the timers, or the samples where the timers tell nothing.

    Under a sampling TAU the only timers are roots such as `.TAU application`.
    """
    total = times.exclusive.grand_total()
    top = times.exclusive.top(1)
    if times.sampled.by_name and top and times.exclusive.total(top[0]) > MOSTLY * total:
        return times.sampled, "sample"
    return times.exclusive, "timer"


def _timers(times: Times, runs: Sequence[int]) -> Iterator[Measured]:
    """The times of functions."""
    sums, kind = _told(times)
    for name in sums.top(TOP):
        yield Measured(f"{kind}:{name}/exclusive", MAIN_UNIT, sums.values(name, runs))
        if kind == "timer":
            values = times.inclusive.values(name, runs)
            yield Measured(f"timer:{name}/inclusive", MAIN_UNIT, values)


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
