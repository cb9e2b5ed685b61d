"""Slices of `trace.json`, as `exports.trace` writes it: an event a line, so reading is bounded."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

FILE = "trace.json"
SLICES_LIMIT = 200_000
LINE_LIMIT = 1 << 16
"""Bytes; a longer line is none of ours."""
RUN = re.compile(r"Run (\d{1,9}) ")
"""How the names of processes begin where there are several runs: see `exports.tracks`."""
DRAWN = frozenset({"kernel", "memcpy", "memset", "range", "api", "os", "timer"})
"""Kinds. Samples are in the flame graph, which tells more of them."""


class Slice(NamedTuple):
    """From a moment to another one, microseconds since the beginning."""

    start: float
    end: float
    name: str
    kind: str


@dataclass
class Track:
    """What is drawn in one line: a stream of a GPU, a thread."""

    process: str = ""
    name: str = ""
    order: float = math.inf
    slices: list[Slice] = field(default_factory=list)

    @property
    def is_of_gpu(self) -> bool:
        """GPUs come first."""
        return any(one.kind in {"kernel", "memcpy", "memset"} for one in self.slices[:1])

    @property
    def kinds(self) -> Counter[str]:
        """How many slices there are of each kind."""
        return Counter(one.kind for one in self.slices)

    @property
    def busy(self) -> float:
        """Microseconds in which something went on."""
        total, until = 0.0, -math.inf
        for one in self.slices:
            total += max(0.0, one.end - max(one.start, until))
            until = max(until, one.end)
        return total


@dataclass(frozen=True)
class Trace:
    """What there is to draw."""

    tracks: tuple[Track, ...] = ()
    """GPUs first; the slices of each by their start."""
    is_cut: bool = False
    """There were more slices than are read."""


class _Event(msgspec.Struct, frozen=True):
    ph: str
    name: str = ""
    cat: str = ""
    ts: float = 0.0
    dur: float = 0.0
    pid: int = 0
    tid: int = 0
    args: msgspec.Raw = msgspec.Raw()


_event = msgspec.json.Decoder(_Event).decode
_args = msgspec.json.Decoder(dict[str, Any]).decode


def read(path: Path) -> Trace:
    """The slices of a file; none where there is no such file. Raises OSError.

    Anyone may have written it: what is no event of ours is passed over.
    """
    tracks: dict[tuple[int, int], Track] = {}
    processes: dict[int, str] = {}
    count = 0
    for event in _events(path):
        key = (event.pid, event.tid)
        if event.ph == "M":
            _name(event, processes, tracks)
            continue
        kind = event.cat.rpartition(",")[2]
        if event.ph != "X" or kind not in DRAWN or not _is_drawable(event):
            continue
        count += 1
        if count > SLICES_LIMIT:
            continue  # names of tracks come last
        one = Slice(event.ts, event.ts + event.dur, event.name, kind)
        tracks.setdefault(key, Track()).slices.append(one)
    return Trace(tuple(_sorted(tracks, processes)), count > SLICES_LIMIT)


def first_run(tracks: Sequence[Track]) -> list[Track]:
    """The tracks of the first run, where there are several: they ran one after the other."""
    runs = [int(found[1]) if (found := RUN.match(one.process)) else 0 for one in tracks]
    return [one for one, run in zip(tracks, runs, strict=True) if run == min(runs)]


def _events(path: Path) -> Iterator[_Event]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        while line := file.readline(LINE_LIMIT):
            if line.startswith(b"{"):
                try:
                    yield _event(line.rstrip(b",\n"))
                except (msgspec.DecodeError, RecursionError):
                    continue


def _is_drawable(event: _Event) -> bool:
    return math.isfinite(event.ts + event.dur) and event.ts >= 0 and event.dur >= 0


def _name(event: _Event, processes: dict[int, str], tracks: dict[tuple[int, int], Track]) -> None:
    """What a process or a thread is called, and which comes before which."""
    try:
        told = _args(event.args)
    except msgspec.DecodeError:
        return
    name, order = told.get("name"), told.get("sort_index")
    track = tracks.get((event.pid, event.tid))
    if event.name == "process_name" and isinstance(name, str):
        processes[event.pid] = name
    elif event.name == "thread_name" and isinstance(name, str) and track:
        track.name = name
    elif event.name == "thread_sort_index" and isinstance(order, int) and track:
        track.order = order


def _sorted(tracks: dict[tuple[int, int], Track], processes: dict[int, str]) -> Iterator[Track]:
    for (process, _), track in tracks.items():
        track.process = processes.get(process, "")
        track.slices.sort(key=lambda one: (one.start, -one.end))
    yield from sorted(tracks.values(), key=lambda one: (not one.is_of_gpu, one.order))
