"""Stacks for viewers: `folded.txt` for flame graph tools, `speedscope.json` for speedscope.

Formats: https://github.com/brendangregg/FlameGraph (stackcollapse) and
https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from profiling_operator.entries import GPU_KINDS, Entry, Kind, Number

STACKS_LIMIT = 200_000
SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"

Place = tuple[int | None, int | None, str]
Stack = tuple[str, ...]


class Stacks:
    """Takes entries one by one and keeps the stacks that make a flame graph.

    Of the three ways in which time appears, the best one there is is used, never two of them, since
    they count the same time: sampled stacks, else call paths of timers, else timers without a path.
    Bounded: past the limit, new stacks are counted as left out.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.left_out = 0
        self._count = 0
        self._sampled: dict[Place, dict[Stack, int]] = {}
        self._paths: dict[Place, dict[Stack, int]] = {}
        self._flat: dict[Place, dict[Stack, int]] = {}
        self._main_metric: dict[str, str | None] = {}

    def add(self, entry: Entry) -> None:
        """Keep an entry's stack if it has time of its own."""
        if entry.unit != "ns" or not _time_of(entry):
            return
        if self._main_metric.setdefault(entry.collector, entry.metric) != entry.metric:
            return
        if entry.path is not None and entry.kind in {Kind.SAMPLE, Kind.TIMER}:
            kept = self._sampled if entry.kind is Kind.SAMPLE else self._paths
            self._keep(kept, entry, entry.path)
        elif entry.additive:
            self._keep(self._flat, entry, (entry.name,))

    def _keep(self, kept: dict[Place, dict[Stack, int]], entry: Entry, stack: Stack) -> None:
        name = str((entry.attributes or {}).get("threadName", _gpu_of(entry)))
        stacks = kept.setdefault((entry.process, entry.thread, name), {})
        if stack not in stacks and self._count >= STACKS_LIMIT:
            self.left_out += 1
            return
        self._count += stack not in stacks
        stacks[stack] = stacks.get(stack, 0) + round(_time_of(entry))

    def chosen(self) -> dict[Place, dict[Stack, int]]:
        """The stacks by thread, with their nanoseconds."""
        if self._sampled:
            return self._sampled
        return self._with_roots() if self._paths else self._flat

    def _with_roots(self) -> dict[Place, dict[Stack, int]]:
        """Call paths, and the timers that begin one: their own time has no path of its own."""
        merged = {place: dict(stacks) for place, stacks in self._paths.items()}
        for place, stacks in self._flat.items():
            roots = {stack[0] for stack in self._paths.get(place, {})}
            reached = {stack[-1] for stack in self._paths.get(place, {})}
            for stack, time in stacks.items():
                if stack[0] in roots - reached or not roots:
                    merged.setdefault(place, {})[stack] = time
        return merged

    def write_folded(self, path: Path) -> None:
        """`root;inner;leaf NANOSECONDS`, a line per stack, all threads together."""
        together: dict[Stack, int] = {}
        for stacks in self.chosen().values():
            for stack, time in stacks.items():
                together[stack] = together.get(stack, 0) + time
        with path.open("w", encoding="utf-8") as file:
            for stack, time in sorted(together.items()):
                file.write(f"{';'.join(map(_frame, stack))} {time}\n")

    def write_speedscope(self, path: Path, name: str) -> None:
        """One sampled profile per thread, in nanoseconds."""
        frames: dict[str, int] = {}
        with path.open("w", encoding="utf-8") as file:
            _write_profiles(file, self.chosen(), frames, name)


def _time_of(entry: Entry) -> Number:
    """Time of its own: of what a GPU does, all of it is."""
    if entry.kind in GPU_KINDS:
        return entry.duration or entry.inclusive or 0
    return entry.exclusive or 0


def _gpu_of(entry: Entry) -> str:
    return "" if entry.device is None else f"GPU {entry.device}"


def _write_profiles(
    file: TextIO, chosen: dict[Place, dict[Stack, int]], frames: dict[str, int], name: str
) -> None:
    """Written piece by piece: the whole text is never in memory."""
    head = {"$schema": SPEEDSCOPE_SCHEMA, "name": name, "exporter": "profiling-operator"}
    file.write(json.dumps(head)[:-1] + ', "activeProfileIndex": 0, "profiles": [')
    for number, (place, stacks) in enumerate(sorted(chosen.items(), key=_by_time)):
        file.write("," * (number > 0) + json.dumps(_profile(place, stacks, frames)))
    listed = [{"name": frame} for frame in frames]
    file.write(f'], "shared": {{"frames": {json.dumps(listed)}}}}}\n')


def _by_time(item: tuple[Place, dict[Stack, int]]) -> int:
    return -sum(item[1].values())


def _profile(place: Place, stacks: dict[Stack, int], frames: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "sampled",
        "name": " ".join(_place_words(place)),
        "unit": "nanoseconds",
        "startValue": 0,
        "endValue": sum(stacks.values()),
        "samples": [[frames.setdefault(frame, len(frames)) for frame in stack] for stack in stacks],
        "weights": list(stacks.values()),
    }


def _place_words(place: Place) -> Iterator[str]:
    process, thread, name = place
    if process is not None:
        yield f"Process {process}"
    if thread is not None:
        yield f"Thread {thread}"
    if name:
        yield f'"{name}"'
    if place == (None, None, ""):
        yield "all"


def _frame(text: str) -> str:
    """A frame as one word of a folded line, where `;` and newlines have a meaning."""
    return text.replace(";", ":").replace("\n", " ")
