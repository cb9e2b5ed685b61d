"""Files of speedscope: those that py-spy writes, and others of the same format.

https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts; py-spy's come from its
src/speedscope.rs: a sampled profile per thread, in seconds, stacks root first.

A profile is read event by event of the JSON, its samples are kept as numbers and its stacks added
up: the text of a profile may be larger than memory.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import ijson  # type: ignore[import-untyped]

from profiling_operator.formats.py_spy import Frame, Malformed, Stack, Thread, made_frame

ERRORS = (ijson.JSONError, ValueError, KeyError, TypeError, OverflowError)
"""What reading a file that is not one may raise."""
UNITS: Mapping[str, tuple[float, str]] = {
    "seconds": (1e9, "ns"), "milliseconds": (1e6, "ns"), "microseconds": (1e3, "ns"),
    "nanoseconds": (1.0, "ns"), "bytes": (1.0, "By"), "none": (1.0, "1"),
}  # fmt: skip
DEEPEST_STACK = 4096
MOST_FRAMES = 1 << 20
MOST_SAMPLES = 1 << 24
STACK_BYTES = 1 << 25
"""How much room the different stacks of a profile may take, as lists of 4-byte numbers."""
# With --threads and --subprocesses, stacks begin with such words instead of frames.
PROCESS_WORD = re.compile(r'process \d+:".*"', re.DOTALL)
THREAD_WORD = re.compile(r"thread \((?:0x[0-9A-Fa-f]+|\d+)\)(?:: (?P<name>.*))?", re.DOTALL)
# Process 67 Thread 68 "MainThread"   Thread 0x7F12 "w"   Thread 68
PROFILE = re.compile(
    r"^(?:Process (?P<process>\d{1,10}) )?Thread (?P<thread>0x[0-9A-Fa-f]{1,16}|\d{1,18})"
    r'(?: "(?P<name>.*)")?$',
    re.DOTALL,
)


def read_frames(stream: BinaryIO) -> list[Frame]:
    """The frames of a file, by index. Raises ValueError when the file is not whole."""
    frames: list[Frame] = []
    for one in ijson.items(stream, "shared.frames.item", use_float=True):
        if len(frames) >= MOST_FRAMES:
            raise ValueError(f"has more than {MOST_FRAMES} frames")
        frames.append(made_frame(str(one["name"]), str(one.get("file") or ""), _line(one)))
    return frames


def read_speedscope(stream: BinaryIO, frames: list[Frame]) -> Iterator[Stack | Malformed]:
    """The stacks of a file, equal ones of a profile added up.

    Raises one of ERRORS for what is no such file, frames that do not exist, and events that do not
    fit together: a part of such a profile would be a wrong number.
    """
    profile = _Profile()
    for prefix, event, value in ijson.parse(stream, use_float=True):
        if prefix == "profiles.item.samples.item.item":  # nearly all of a file
            profile.current.append(value)
        elif prefix.startswith("profiles.item."):
            profile.take(prefix[len("profiles.item.") :], event, value)
        elif prefix == "profiles.item" and event == "end_map":
            yield from profile.stacks(frames)
            profile = _Profile()


class _Profile:
    """One profile, as it is read; its fields may come in any order."""

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}
        self._numbers: dict[bytes, int] = {}
        self._room = STACK_BYTES
        self._samples = array("I")
        self._weights = array("d")
        self.current = array("I")
        """The stack that is being read, or that is open."""
        self._amounts: list[float] = []
        self._counts: list[int] = []
        self._event: dict[str, Any] = {}
        self._at: float | None = None

    def take(self, where: str, event: str, value: Any) -> None:
        """A piece of JSON below the profile."""
        if where == "samples.item" and event == "end_array":
            self._take_sample()
        elif where == "weights.item":
            if len(self._weights) >= MOST_SAMPLES:
                raise ValueError(f"a profile has more than {MOST_SAMPLES} weights")
            self._weights.append(value)
        elif where.startswith("events.item."):
            self._event[where.removeprefix("events.item.")] = value
        elif where == "events.item" and event == "end_map":
            self._take_event(self._event)
            self._event = {}
        elif "." not in where:
            self._facts[where] = value

    def _take_sample(self) -> None:
        if len(self._samples) >= MOST_SAMPLES:
            raise ValueError(f"a profile has more than {MOST_SAMPLES} samples")
        self._samples.append(self._number(self.current))
        del self.current[:]

    def _number(self, stack: array[int]) -> int:
        """The number of a stack among the different ones."""
        key = stack.tobytes()
        number = self._numbers.get(key)
        if number is None:
            self._room -= len(key) + 100
            if self._room < 0 or len(stack) > DEEPEST_STACK:
                raise ValueError("a profile has too many different stacks, or one that is too deep")
            number = self._numbers[key] = len(self._numbers)
            self._amounts.append(0.0)
            self._counts.append(0)
        return number

    def _take_event(self, event: Mapping[str, Any]) -> None:
        """What was open until now has taken the time since the event before."""
        at, frame, kind = float(event["at"]), event["frame"], event["type"]
        if self._at is not None and at < self._at:
            raise ValueError(f"an event at {at:g} comes after one at {self._at:g}")
        self._pass_until(at)
        if kind == "O":
            self.current.append(frame)
        elif kind == "C" and self.current and self.current[-1] == frame:
            self.current.pop()
        else:
            raise ValueError(f"an event at {at:g} closes frame {frame}, which is not the last one")
        if len(self.current) > DEEPEST_STACK:
            raise ValueError(f"more than {DEEPEST_STACK} frames are open")

    def _pass_until(self, at: float) -> None:
        if self._at is not None and at > self._at and self.current:
            number = self._number(self.current)
            self._amounts[number] += at - self._at
            self._counts[number] += 1
        self._at = at

    def stacks(self, frames: list[Frame]) -> Iterator[Stack | Malformed]:
        """What the profile adds up to, once it is whole."""
        name = str(self._facts.get("name", ""))
        scale, unit = UNITS[self._facts["unit"]]
        if self._facts["type"] == "evented":
            yield from self._close(name)
        elif self._facts["type"] == "sampled":
            yield from self._weigh(name)
        else:
            raise ValueError(f"profile {name[:80]!r} is of the type {self._facts['type']!r}")
        thread = _thread_of(name)
        for key, number in self._numbers.items():
            named = [_frame_at(frames, index) for index in array("I", key)]
            thread = _without_words(named, thread)
            amount, count = self._amounts[number] * scale, self._counts[number]
            if count:
                yield Stack(thread, tuple(named), count, amount, unit)

    def _close(self, name: str) -> Iterator[Malformed]:
        """Frames that were not closed last until the end."""
        if self.current:
            end = float(self._facts.get("endValue") or 0)
            message = f"profile {name[:80]!r}: {len(self.current)} frames are open at its end"
            self._pass_until(max(end, self._at or 0.0))
            yield Malformed(0, message)

    def _weigh(self, name: str) -> Iterator[Malformed]:
        samples, weights = len(self._samples), len(self._weights)
        if samples != weights:
            yield Malformed(0, f"profile {name[:80]!r} has {samples} samples, {weights} weights")
        for number, weight in zip(self._samples, self._weights, strict=False):
            self._amounts[number] += weight
            self._counts[number] += 1


def _without_words(frames: list[Frame], thread: Thread) -> Thread:
    """Take the words for process and thread away, which hold command lines; the thread's name."""
    while frames and (found := _word(frames[0])) is not None:
        thread = Thread(thread.process, thread.number, thread.name or found)
        del frames[0]
    return thread


def _word(frame: Frame) -> str | None:
    """The thread's name, perhaps empty, in a word that is no frame; None for a frame."""
    thread = None if frame.file else THREAD_WORD.fullmatch(frame.name)
    if thread:
        return thread["name"] or ""
    return "" if not frame.file and PROCESS_WORD.fullmatch(frame.name) else None


def _frame_at(frames: list[Frame], index: int) -> Frame:
    if index >= len(frames):
        raise ValueError(f"a stack names frame {index} of {len(frames)}")
    return frames[index]


def _line(frame: Mapping[str, object]) -> int | None:
    line = frame.get("line")
    return line if isinstance(line, int) and line > 0 else None


def _thread_of(name: str) -> Thread:
    match = PROFILE.match(name)
    if not match:
        return Thread(name=name)
    process = match["process"]
    number = int(match["thread"], 0)
    return Thread(int(process) if process else None, number, match["name"] or "")
