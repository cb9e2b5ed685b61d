"""What py-spy writes: folded stacks (`--format raw`) and speedscope's JSON.

Both come from src/flamegraph.rs and src/speedscope.rs of py-spy 0.4. A raw line is

    process 67:"sh run";process 68:"python a.py";thread (68): Main;main (a.py:9);hot (a.py:3) 41

with as many `process` words as there are processes on the way down, and the number of samples
after the last blank. Command lines stand there as they are, line feeds included, so such a stack
takes several lines of the file. Frames name the function, the file and the line that was running.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import ijson  # type: ignore[import-untyped]

ERRORS = (ijson.JSONError, ValueError, KeyError, TypeError)
"""What reading a speedscope file that is not one may raise."""

# process 68:"python a.py"
PROCESS = re.compile(r'(?:^|;)process (\d+):"')
LONGEST_STACK = 1 << 20
WITH_COUNT = re.compile(rb" \d+\n\Z")
# ;thread (68): MainThread;   ;thread (0x7F12);
THREAD = re.compile(r"(?:^|;)thread \((0x[0-9A-Fa-f]+|\d+)\)(?:: ([^;]*))?(?=;|$)")
# hot (a.py:3)   main (a.py)
FRAME = re.compile(r"^(?P<name>.*) \((?P<file>.*?)(?::(?P<line>\d+))?\)$")
# With --threads and --subprocesses, speedscope stacks begin with such words instead of frames.
PROCESS_WORD = re.compile(r'process \d+:".*"', re.DOTALL)
THREAD_WORD = re.compile(r"thread \((?:0x[0-9A-Fa-f]+|\d+)\)(?:: (?P<name>.*))?", re.DOTALL)
# Process 67 Thread 68 "MainThread"   Thread 0x7F12 "w"   Thread 68
PROFILE = re.compile(
    r'^(?:Process (?P<process>\d+) )?Thread (?P<thread>0x[0-9A-Fa-f]+|\d+)(?: "(?P<name>.*)")?$',
    re.DOTALL,
)


@dataclass(frozen=True)
class Frame:
    """One line of a stack."""

    name: str
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """As py-spy prints it."""
        if not self.file:
            return self.name
        return f"{self.name} ({self.file}{'' if self.line is None else f':{self.line}'})"


@dataclass(frozen=True)
class Thread:
    """Where a stack was seen."""

    process: int | None = None
    number: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Stack:
    """A stack, root first, with its weight: a number of samples, or seconds."""

    thread: Thread
    frames: tuple[Frame, ...]
    samples: int
    seconds: float | None = None


@dataclass(frozen=True)
class Malformed:
    """A line or an element that is not what py-spy writes."""

    line: int
    message: str


def read_raw(lines: BinaryIO) -> Iterator[Stack | Malformed]:
    """The stacks of a raw file, one per line; py-spy has added up equal ones already."""
    frames: dict[str, Frame] = {}
    for number, line in _whole_stacks(lines):
        text = line.decode("utf-8", "replace").rstrip("\n")
        stack, _, count = text.rpartition(" ")
        if not line.endswith(b"\n"):
            yield Malformed(number, "the last line is cut off")
        elif not stack or not count.isdigit():
            yield Malformed(number, "is not a stack with a number of samples")
        else:
            thread, words = _split(stack)
            parsed = tuple(frames.setdefault(word, parse_frame(word)) for word in words)
            yield Stack(thread, parsed, int(count))


def _whole_stacks(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Stacks with the number of their first line; what is left open at the end comes as it is.

    A command line that began has ended when the thread comes after it, or, where there are no
    threads, when its quote is closed and the line ends in a count.
    """
    begun: list[bytes] = []
    number = quotes = size = 0
    for at, line in enumerate(lines, 1):
        number, quotes, size = (number, quotes, size) if begun else (at, 0, 0)
        begun.append(line)
        quotes += line.count(b'"')
        size += len(line)
        closed = quotes % 2 == 0 and WITH_COUNT.search(line) is not None
        open_command = begun[0].startswith(b"process ") and b'";thread (' not in line
        if not open_command or closed or size > LONGEST_STACK:
            yield number, b"".join(begun)
            begun.clear()
    if begun:
        yield number, b"".join(begun).rstrip(b"\n")


def _split(stack: str) -> tuple[Thread, list[str]]:
    """The thread and the frames' words of a raw line.

    A process' command line may hold anything, blanks and semicolons included, so the frames are
    what follows the first word that is a thread's.
    """
    thread = THREAD.search(stack)
    head, tail = (stack[: thread.start()], stack[thread.end() :]) if thread else ("", stack)
    processes = PROCESS.findall(head)
    words = [word for word in tail.split(";") if word]
    if not thread:
        return Thread(), words
    return (
        Thread(
            process=int(processes[-1]) if processes else None,
            number=int(thread.group(1), 0),
            name=thread.group(2) or "",
        ),
        words,
    )


def parse_frame(word: str) -> Frame:
    """`hot (a.py:3)` taken apart; other words are a name without a file."""
    match = FRAME.match(word)
    if not match:
        return Frame(word)
    line = match["line"]
    return Frame(match["name"], match["file"], int(line) if line else None)


UNIT_SECONDS: dict[str, float] = {
    "seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9, "none": 1.0,
}  # fmt: skip


def read_frames(stream: BinaryIO) -> list[Frame]:
    """The frames of a speedscope file, by index. Raises ValueError when the file is not whole."""
    found = ijson.items(stream, "shared.frames.item", use_float=True)
    return [Frame(str(one["name"]), str(one.get("file", "")), _line(one)) for one in found]


def read_speedscope(stream: BinaryIO, frames: list[Frame]) -> Iterator[Stack]:
    """The stacks of a speedscope file, equal ones of a thread added up.

    One profile, that is one thread, is in memory at a time. Raises ValueError for what py-spy does
    not write: evented profiles, weights that do not fit the samples, frames that do not exist.
    """
    for profile in ijson.items(stream, "profiles.item", use_float=True):
        samples, weights = profile["samples"], profile["weights"]
        if profile["type"] != "sampled" or len(samples) != len(weights):
            raise ValueError(f"profile {profile['name']!r} is not sampled, or its weights are cut")
        unit = UNIT_SECONDS[profile["unit"]]
        counted: dict[tuple[int, ...], list[float]] = {}
        for sample, weight in zip(samples, weights, strict=True):
            counted.setdefault(tuple(sample), []).append(weight)
        yield from _stacks(_thread_of(str(profile["name"])), counted, frames, unit)


def _stacks(
    thread: Thread, counted: Mapping[tuple[int, ...], list[float]], frames: list[Frame], unit: float
) -> Iterator[Stack]:
    """A thread's stacks without the words for process and thread, which hold command lines."""
    merged: dict[tuple[Frame, ...], list[float]] = {}
    for stack, weighed in counted.items():
        named = [_frame_at(frames, index) for index in stack]
        while named and (found := _word(named[0])) is not None:
            thread = Thread(thread.process, thread.number, thread.name or found)
            del named[0]
        merged.setdefault(tuple(named), []).extend(weighed)
    for pure, weighed in merged.items():
        yield Stack(thread, pure, len(weighed), math.fsum(weighed) * unit)


def _word(frame: Frame) -> str | None:
    """The thread's name, perhaps empty, in a word that is no frame; None for a frame."""
    thread = None if frame.file else THREAD_WORD.fullmatch(frame.name)
    if thread:
        return thread["name"] or ""
    return "" if not frame.file and PROCESS_WORD.fullmatch(frame.name) else None


def _frame_at(frames: list[Frame], index: int) -> Frame:
    if not 0 <= index < len(frames):
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
