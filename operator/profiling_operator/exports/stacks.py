"""Stacks for viewers: `folded.txt` for flame graph tools, `speedscope.json` for speedscope.

Formats: https://github.com/brendangregg/FlameGraph (stackcollapse) and
https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from profiling_operator.entries import GPU_KINDS, Entry, Kind, Source
from profiling_operator.exports import places, speedscope
from profiling_operator.exports.places import (
    FLAT,
    ON_GPU,
    PATHS,
    RANGES,
    SAMPLED,
    TIME_UNIT,
    Key,
    Place,
    Stack,
)
from profiling_operator.exports.speedscope import Profile

STACKS_LIMIT = 50_000
FRAMES_LIMIT = 1_000_000
"""In all stacks together."""
TEXT_LIMIT = 16 << 20
"""Characters in different names of frames."""
FOLDED_LIMIT = 32 << 20
"""Characters in the folded file, which repeats the names in each stack."""
LARGEST = 10**18
"""Nanoseconds, 31 years: what one entry may weigh."""
LEFT_OUT: Stack = ("[other stacks]",)
"""Where the weight of stacks goes that came after a limit: totals stay what they are."""

# Looked up once: an enumeration's members cost more than all the rest.
WAYS: dict[str, int] = {Kind.SAMPLE: SAMPLED, Kind.TIMER: PATHS, Kind.RANGE: RANGES}
KERNEL, MEMCPY, MEMSET = Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET

NOT_IN_FOLDED = str.maketrans(
    {number: " " for number in (*range(32), 127, 0x85, 0x2028, 0x2029)} | {ord(";"): ":"}
)
"""`;` and line ends have a meaning in a folded line; other control characters upset its readers."""


class Stacks:
    """Takes entries one by one and keeps the stacks that make a flame graph.

    Weights are whole: nanoseconds, or whatever the metric counts, each entry rounded by itself, so
    that the order of adding makes no difference. Bounded: past a limit, the weight of new stacks is
    that of `[other stacks]`.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.left_out = 0
        """Entries whose stack came after a limit, or whose weight is none."""
        self._stacks: dict[Key, dict[Stack, int]] = {}
        self._count = 0
        self._frames = 0
        self._text = 0
        self._names: set[str] = set()
        self._sources: dict[str, tuple[str, int | None] | None] = {}
        """Where a name stands in the program; None where entries disagree."""
        self._located: dict[str, Source] = {}
        """What was last heard of that: mostly the very same, of which there is nothing to learn."""

    def add(self, entry: Entry) -> None:
        """Keep an entry's stack if it has time, or samples, of its own."""
        weight, kind = entry.exclusive, entry.kind
        if not weight:
            if kind is KERNEL or kind is MEMCPY or kind is MEMSET:
                self._add_gpu(entry)
            return
        path = entry.path
        way = WAYS.get(kind) if path else None
        if way is None:
            if not entry.additive:
                return
            way, path = ON_GPU if kind in GPU_KINDS else FLAT, (entry.name,)
        self._keep(entry, way, path or (), weight)

    def _add_gpu(self, entry: Entry) -> None:
        """Of what a GPU does, all time is its own."""
        weight = entry.duration or entry.inclusive
        if weight and entry.additive and entry.unit == TIME_UNIT:
            self._keep(entry, ON_GPU, (entry.name,), weight)

    def _keep(self, entry: Entry, way: int, stack: Stack, weight: float) -> None:
        if not 0 < weight <= LARGEST:  # what is no number, too
            self.left_out += 1
            return
        whole = round(weight)
        if not whole:
            return
        key = _key(entry, way)
        stacks = self._stacks.get(key)
        if stacks is not None and stack in stacks:
            stacks[stack] += whole
        else:
            self._insert(key, stack, whole)
        source, name = entry.source, entry.name
        if source is not None and self._located.get(name) is not source and name == stack[-1]:
            self._locate(name, source)

    def _insert(self, key: Key, stack: Stack, weight: int) -> None:
        """Keep a new stack; past the limits its weight counts for all others."""
        if stack is not LEFT_OUT and not self._makes_room(stack):
            self.left_out += 1
            stack = LEFT_OUT
            key = key if key in self._stacks else places.of_several(key)
        stacks = self._stacks.setdefault(key, {})
        stacks[stack] = stacks.get(stack, 0) + weight

    def _makes_room(self, stack: Stack) -> bool:
        """Count a new stack, if it is within the limits."""
        frames, text = self._frames + len(stack), 0
        if self._count >= STACKS_LIMIT or frames > FRAMES_LIMIT:
            return False
        is_known = self._names.issuperset(stack)  # as nearly always
        if not is_known:
            text = sum(len(name) for name in set(stack) if name not in self._names)
        if self._text + text > TEXT_LIMIT:
            return False
        self._count, self._frames, self._text = self._count + 1, frames, self._text + text
        if not is_known:
            self._names.update(stack)
        return True

    def _locate(self, name: str, source: Source) -> None:
        """Remember where a name stands, if all entries agree; else in which file."""
        if name in self._names:
            self._located[name] = source
            self._agree(name, (source.file, source.line))

    def _agree(self, name: str, place: tuple[str, int | None] | None) -> None:
        known = self._sources.setdefault(name, place)
        if known == place or known is None:
            return
        same_file = place is not None and known[0] == place[0]
        self._sources[name] = (known[0], None) if same_file else None

    def merge(self, other: Stacks) -> None:
        """Add another's stacks: within the limits, as if its entries had been added here."""
        self.left_out += other.left_out
        for key, stacks in other._stacks.items():
            mine = self._stacks.get(key, {})
            rest = {}
            for stack, weight in stacks.items():
                if stack in mine:
                    mine[stack] += weight
                else:
                    rest[stack] = weight
            self._insert_all(key, rest)
        for name, source in other._sources.items():
            if name in self._names:
                self._agree(name, source)

    def _insert_all(self, key: Key, stacks: Mapping[Stack, int]) -> None:
        """Keep new stacks of one place; once all are past the limits, their weight is one sum."""
        if stacks and self._count >= STACKS_LIMIT:
            self.left_out += len(stacks) - (LEFT_OUT in stacks)
            place = key if key in self._stacks else places.of_several(key)
            self._insert(place, LEFT_OUT, sum(stacks.values()))
            return
        for stack, weight in stacks.items():
            self._insert(key, LEFT_OUT if stack == LEFT_OUT else stack, weight)

    def chosen(self) -> Mapping[Place, Mapping[Stack, int]]:
        """The stacks that count, with their weights: all time is there, and none of it twice."""
        return places.chosen(self._stacks)

    def profiles(self) -> list[Profile]:
        """What was chosen, by thread, the one with the most time first."""
        chosen = self.chosen()
        told = places.told_apart(place.thread for place in chosen)
        found = [
            Profile(places.words(place, told), place.unit, stacks)
            for place, stacks in chosen.items()
        ]
        return sorted(found, key=lambda one: (one.unit != TIME_UNIT, -one.total, one.name))

    def write_folded(self, path: Path) -> None:
        """`root;inner;leaf WEIGHT`, a line per stack, all threads and runs together.

        Collectors measure the same time, so where there are several, the root is a collector's
        name. Where lines would be too many, the lightest stacks are `[other stacks]`.
        """
        lines = sorted(_within(FOLDED_LIMIT, self._together()))
        with path.open("w", encoding="utf-8") as file:
            for stack, weight in lines:
                file.write(f"{';'.join(map(_frame, stack))} {weight}\n")

    def _together(self) -> dict[Stack, int]:
        """The weights of all threads."""
        chosen = self.chosen()
        collectors = {place.thread.collector for place in chosen}
        together: dict[Stack, int] = {}
        for place, stacks in chosen.items():
            root = (place.thread.collector,) if len(collectors) > 1 else ()
            for stack, weight in stacks.items():
                together[root + stack] = together.get(root + stack, 0) + weight
        return together

    def write_speedscope(self, path: Path, name: str) -> None:
        """One sampled profile per thread."""
        sources = {at: source for at, source in self._sources.items() if source is not None}
        with path.open("w", encoding="utf-8") as file:
            speedscope.write(file, name, self.profiles(), sources)


def _key(entry: Entry, way: int) -> Key:
    attributes = entry.attributes
    name = attributes.get("threadName", "") if attributes else ""
    return (
        way,
        entry.metric,
        entry.unit or "",
        name if isinstance(name, str) else "",
        (
            entry.run,
            entry.collector,
            entry.host,
            entry.process,
            entry.context,
            None if way == ON_GPU else entry.thread,
            entry.device,
        ),
    )


def _within(limit: int, stacks: Mapping[Stack, int]) -> Iterator[tuple[Stack, int]]:
    """The heaviest stacks, so many characters of them; all others as one."""
    others = 0
    for stack in sorted(stacks, key=lambda one: (-stacks[one], one)):
        limit -= sum(map(len, stack)) + len(stack)
        if limit >= 0:
            yield stack, stacks[stack]
        else:
            others += stacks[stack]
    if others:
        yield LEFT_OUT, others


def _frame(text: str) -> str:
    """A frame as one word of a folded line."""
    return text.translate(NOT_IN_FOLDED)
