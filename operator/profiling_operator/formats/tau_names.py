"""What a name in a TAU profile says: call path, source region, sampling marker, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from profiling_operator.entries import Kind, Source
from profiling_operator.formats.demangling import demangled

ARROW = " => "
THROTTLED = "[THROTTLED]"
UNNAMED = "(no name)"
NAMES_KEPT = 50_000
LONGEST_KEPT = 8192
BYTES_KEPT = 4 << 20
FRAMES_KEPT = 10_000
LONGEST_FRAME_KEPT = 1024

Key = TypeVar("Key")
Value = TypeVar("Value")

# "[UNWIND] app.c.8 [@] warm [{/src/app.c} {9}]": the frame `warm`, which called app.c.8.
MARKER = re.compile(r"\[(SAMPLE|CONTEXT|UNWIND|SUMMARY|INTERMEDIATE)\] ")
# "[{app.c} {10,1}-{20,2}]", "[{app.c} {10, 0}]", "[{app.c} {8}]", "[{} {0}]", "[{app.py}{8}]"
REGION = re.compile(
    r"\[\{([^}]*)\} ?\{(\d{1,9})(?:, ?(\d{1,9}))?\}(?:-\{(\d{1,9})(?:, ?\d{1,9})?\})?\]"
)
# "[{0x401136}-{0x401180}]": where TAU_REGION_ADDRESSES is on.
ADDRESSES = re.compile(r"\[\{(0x[0-9a-fA-F]+)\}-\{(0x[0-9a-fA-F]+)\}\]")
# "[ <size> = <100> ]"
PARAMETER = re.compile(r"<([^<>]*)> = <([^<>]*)>")
# "[GROUP=MAX_MARKER] Message size for broadcast": a copy of an event that set a record.
MARKED_EVENT = re.compile(r"\[GROUP=([^\]]*)\] ")

GPU_COPY = "Memory copy "
"""How names of copies begin that a GPU did; the call that asked for one is `cudaMemcpy`."""

ROLE_OF_GROUP = {
    "TAU_UNWIND": "unwind",
    "TAU_SAMPLE_CONTEXT": "context",
    "TAU_SAMPLE": "sample",
}

# TAU's KB and MB are 1024 and 1024² bytes (TauMemory.cpp divides so), except in bandwidths, which
# are bytes per microsecond. Events without a unit in their name are sizes by TAU's own sources.
UNIT_OF_EVENT = (
    (re.compile(r"\([kK]B\)"), "KiBy"),
    (re.compile(r"\(MB/s\)"), "MBy/s"),
    (re.compile(r"\(MB\)"), "MiBy"),
    (re.compile(r"\(us\)"), "us"),
    (re.compile(r"\(C\)"), "Cel"),
    (re.compile(r"\(MHz\)"), "MHz"),
    (re.compile(r"\(W\)"), "W"),
    (re.compile(r"\(% mW\)"), "mW"),
    (re.compile(r"\(%"), "%"),
    (re.compile(r"(?i)\bbytes\b"), "By"),
    (re.compile(r"^Message size|Heap Allocate|Heap Free|^Memory copied"), "By"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One element of a call path."""

    name: str
    role: str = ""
    source: Source | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shape:
    """All that a line's name and groups say; the same for that name in every file."""

    key: str
    """The whole name, blanks collapsed: equal names in one file are one measurement."""
    name: str
    kind: Kind
    additive: bool
    path: tuple[str, ...] | None
    source: Source | None
    attributes: dict[str, Any]
    leaf: dict[str, Any]
    """The attributes of a timer that called no other, made once."""
    throttled: bool = False
    unit: str = "1"
    """Of user events."""


def collapse(raw: bytes) -> str:
    """The name as text, runs of blanks collapsed: TAU versions differ in them."""
    return " ".join(raw.decode("utf-8", "replace").split())


def frame(text: str) -> Frame:
    """Take one element of a path apart. What is not understood stays in the name."""
    return _kept_frame(text) if len(text) <= LONGEST_FRAME_KEPT else _frame(text)


@lru_cache(maxsize=FRAMES_KEPT)
def _kept_frame(text: str) -> Frame:
    return _frame(text)


def _frame(text: str) -> Frame:
    attributes: dict[str, Any] = {}
    marker = MARKER.match(text)
    role, rest = (marker[1].lower(), text[marker.end() :]) if marker else ("", text)
    if role and " [@] " in rest:
        callee, _, rest = rest.partition(" [@] ")
        attributes["callee"] = callee.strip("[]")
    rest = _cut_parameters(rest, attributes)
    if THROTTLED in rest:
        attributes["throttled"] = True
        rest = " ".join(rest.replace(THROTTLED, "").split())
    rest = _cut_addresses(rest, attributes)
    name, source = _cut_region(rest)
    return Frame(demangled(name) or UNNAMED, role, source, attributes)


def _cut_parameters(text: str, attributes: dict[str, Any]) -> str:
    start = text.find("[ <")
    if start < 0 or not text.endswith("> ]"):
        return text
    attributes["parameters"] = dict(PARAMETER.findall(text, start))
    return text[:start].rstrip()


def _cut_addresses(text: str, attributes: dict[str, Any]) -> str:
    start = text.rfind("[{0x")
    found = ADDRESSES.fullmatch(text, start) if start >= 0 else None
    if not found:
        return text
    attributes["addresses"] = list(found.groups())
    return text[:start].rstrip()


def _cut_region(text: str) -> tuple[str, Source | None]:
    """Separate the source region; " C" before it is the type that TAU gives to C functions."""
    start = text.rfind("[{")
    found = REGION.fullmatch(text, start) if start >= 0 else None
    if not found:
        return text, None
    name = text[:start].rstrip().removesuffix(" C").rstrip()
    file = found[1].strip()
    line, column, end = (int(number or 0) or None for number in found.groups()[1:])
    source = Source(file=file, line=line, endLine=end, column=column) if file else None
    return name or file, source


def _path(frames: list[Frame]) -> tuple[str, ...]:
    """The names root first. `main => [CONTEXT] main` is one frame, not two."""
    kept = [frames[0].name]
    kept += [
        after.name
        for before, after in pairwise(frames)
        if after.role != "context" or after.name != before.name
    ]
    return tuple(kept)


class Kept(dict[Key, Value]):
    """What was made of names, within bounds: by number, and by the bytes of the names."""

    def __init__(self) -> None:
        """Nothing kept."""
        super().__init__()
        self._room = BYTES_KEPT

    def keep(self, key: Key, value: Value, length: int) -> bool:
        """Keep what was made of a name of this length; whether all others were given up for it."""
        if length > LONGEST_KEPT:
            return False
        is_full = len(self) >= NAMES_KEPT or length > self._room
        if is_full:
            self.clear()
            self._room = BYTES_KEPT
        self._room -= length
        self[key] = value
        return is_full


class Names:
    """Remembers what names mean: the same ones return in the files of thousands of ranks."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._timers: Kept[tuple[bytes, bytes], Shape] = Kept()
        self._events: Kept[bytes, Shape] = Kept()

    def timer(self, raw: bytes, groups: bytes) -> Shape:
        """The shape of a timer's line, with or without the quotes around its name and groups."""
        shape = self._timers.get((raw, groups))
        if shape is None:
            shape = timer(raw.removeprefix(b'"'), groups.rstrip(b'" \r\n'))
            self._timers.keep((raw, groups), shape, len(raw))
        return shape

    def event(self, raw: bytes) -> Shape:
        """The shape of a user event's line."""
        shape = self._events.get(raw)
        if shape is None:
            shape = event(raw)
            self._events.keep(raw, shape, len(raw))
        return shape


def timer(raw: bytes, groups: bytes) -> Shape:
    """Read a timer's name: flat, call path, sample, parameter profile or throttled."""
    key = collapse(raw)
    names = [group.strip() for group in groups.decode("utf-8", "replace").split("|")]
    frames = [frame(part) for part in key.split(ARROW) if part.strip()] or [Frame(UNNAMED)]
    last = frames[-1]
    role = last.role or next((ROLE_OF_GROUP[one] for one in names if one in ROLE_OF_GROUP), "")
    attributes = {"group": [name for name in names if name], **last.attributes}
    if role:
        attributes["role"] = role
    return Shape(
        key=key,
        name=last.name,
        kind=Kind.SAMPLE if role else _kind_of_timer(key, names),
        additive=not (role or ARROW in key or "parameters" in attributes),
        path=_path(frames) if ARROW in key else None,
        source=last.source,
        attributes=attributes,
        leaf={**attributes, "subroutines": 0},
        throttled="throttled" in attributes,
    )


def _kind_of_timer(key: str, groups: list[str]) -> Kind:
    """What GPUs did has threads of its own; on the processor's, too, are calls of that group."""
    if ARROW not in key and "TAU_GPU_KERNEL" in groups:
        return Kind.KERNEL
    is_copy = "TAU_GPU_MEMORY_COPY" in groups and key.startswith(GPU_COPY)
    return Kind.MEMCPY if is_copy and ARROW not in key else Kind.TIMER


def event(raw: bytes) -> Shape:
    """Read a user event's name: `EVENT` or, repeating it for one context, `EVENT : A => B`."""
    key = collapse(raw)
    marker = MARKED_EVENT.match(key)
    rest = key[marker.end() :] if marker else key
    name, colon, context = rest.partition(" : ")
    attributes = {"group": [marker[1]]} if marker else {}
    return Shape(
        key=key,
        name=name or UNNAMED,
        kind=Kind.COUNTER,
        additive=not (marker or colon),
        path=(*_contexts(context), name) if colon else None,
        source=None,
        attributes=attributes,
        leaf=attributes,
        unit=unit_of_event(name),
    )


def _contexts(text: str) -> Iterator[str]:
    return (frame(part).name for part in text.split(ARROW) if part.strip())


def unit_of_event(name: str) -> str:
    """The unit that an event's name tells; `1` where it tells none."""
    return next((unit for pattern, unit in UNIT_OF_EVENT if pattern.search(name)), "1")
