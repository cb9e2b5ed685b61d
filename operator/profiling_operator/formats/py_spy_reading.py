"""py-spy's files on their way to entries: a sample entry per stack, then sums for each function."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from profiling_operator.artifacts import Artifact
from profiling_operator.captures import ATTACH_LOG, Capture, Fate, FileNote, Item, attach_note
from profiling_operator.entries import NANOSECONDS, Entry, Kind, Number, Source, rfc3339
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import py_spy, py_spy_speedscope
from profiling_operator.formats.py_spy import Frame, Malformed, Stack, Thread

COLLECTOR = "pyspy"
RAW_SUFFIX = ".folded"
SPEEDSCOPE_SUFFIX = ".speedscope.json"
NOTES_PER_FILE = 20
FUNCTION_BYTES = 1 << 25
"""How much room there is for functions; what comes then is added up under one name."""
ROOM_OF_FUNCTION = 400
LARGEST = 2**63 - 1
NO_FRAME = Frame("(no Python frame)")
"""A thread that runs while its interpreter starts or ends."""
OTHERS = Frame("[other functions]")
METRICS = {"ns": "TIME", "By": "BYTES", "1": "WEIGHT"}

# What tells threads apart: process and number, or the name where there is no number.
ThreadKey = tuple[int | None, int | str]
FunctionKey = tuple[ThreadKey, str, str, str]


def knows(name: str) -> bool:
    """By the suffixes that the options give: the formats are others', too."""
    return name.endswith((RAW_SUFFIX, SPEEDSCOPE_SUFFIX))


def read(capture: Capture, rate: int) -> Iterator[Item]:
    """A sample entry per stack, then a timer entry per function of each thread.

    `rate`: samples per second, which raw files do not tell.
    """
    for artifact in capture.artifacts:
        if artifact.name == ATTACH_LOG:
            yield attach_note(artifact)
        elif not knows(artifact.name):
            yield FileNote(artifact.path, Fate.RAW, "not a file of py-spy's")
        else:
            yield from _Reading(capture, artifact, rate).items()


class Function:
    """What the stacks of a thread add up to for one function."""

    __slots__ = ("exclusive", "frame", "inclusive", "samples", "unit")

    def __init__(self, frame: Frame, unit: str) -> None:
        self.frame = frame
        self.unit = unit
        self.inclusive = self.exclusive = self.samples = 0


class Weighed(NamedTuple):
    """A stack with its weight as a number of the unit."""

    stack: Stack
    frames: tuple[Frame, ...]
    amount: int


class _Reading:
    """One file on its way to entries."""

    def __init__(self, capture: Capture, artifact: Artifact, rate: int) -> None:
        self._capture = capture
        self._artifact = artifact
        self._time = rfc3339(capture.started)
        self._rate = rate
        self._malformed = 0
        self._room = FUNCTION_BYTES
        self._functions: dict[FunctionKey, Function] = {}
        self._threads: dict[ThreadKey, Thread] = {}

    def items(self) -> Iterator[Item]:
        """The file's entries, and its notes; what is wrong with a whole file refuses it."""
        is_raw = self._artifact.name.endswith(RAW_SUFFIX)
        broken = ""
        try:
            with self._artifact.open() as stream:
                found = py_spy.read_raw(stream) if is_raw else _speedscope(stream)
                for one in found:
                    if isinstance(one, Stack):
                        yield self._sample(one)
                    else:
                        yield from self._told(one)
        except (ArtifactError, OSError, *py_spy_speedscope.ERRORS) as error:
            broken = " ".join(str(error).split())[:200] or type(error).__name__
        yield from self._timers()
        yield self._note(broken)

    def _told(self, one: Malformed) -> Iterator[FileNote]:
        self._malformed += 1
        if self._malformed <= NOTES_PER_FILE:
            yield FileNote(self._artifact.path, None, one.message, one.line)

    def _note(self, broken: str) -> FileNote:
        path, any_read = self._artifact.path, bool(self._functions)
        if not any_read and (broken or self._malformed):
            return FileNote(path, Fate.REFUSED, broken or "holds no stack of py-spy's")
        message = f"{self._malformed} malformed lines left out" if self._malformed else ""
        if broken:
            return FileNote(path, Fate.REFUSED, f"{broken}; what was read before it is kept")
        return FileNote(path, Fate.CONVERTED, message)

    def _weighed(self, stack: Stack) -> Weighed:
        amount = stack.amount
        if amount is None:
            whole = stack.samples * NANOSECONDS // self._rate
        elif math.isfinite(amount):
            whole = round(amount)
        else:
            raise ValueError("a weight is no finite number")
        return Weighed(stack, stack.frames or (NO_FRAME,), min(whole, LARGEST))

    def _sample(self, stack: Stack) -> Entry:
        weighed = self._weighed(stack)
        self._count(weighed)
        leaf = weighed.frames[-1]
        return Entry(
            time=self._time,
            job=self._capture.job,
            run=self._capture.run,
            collector=COLLECTOR,
            kind=Kind.SAMPLE,
            name=leaf.name,
            additive=False,
            path=(*map(str, weighed.frames[:-1]), str(leaf)),
            source=_source(leaf, leaf.line),
            host=self._capture.host,
            process=stack.thread.process,
            thread=stack.thread.number,
            metric=METRICS[stack.unit],
            unit=stack.unit,
            exclusive=weighed.amount,
            calls=stack.samples,
            clock="anchored",
            attributes=_attributes(stack.thread, leaf),
        )

    def _count(self, weighed: Weighed) -> None:
        """Add a stack to its functions: to each once, however often it is on the stack."""
        stack = weighed.stack
        thread = _key(stack.thread)
        if stack.thread.name or thread not in self._threads:  # its name may come only later
            self._threads[thread] = stack.thread
        functions = {
            (frame.name, frame.file): self._function(thread, frame, stack.unit)
            for frame in weighed.frames
        }
        for one in set(functions.values()):
            one.inclusive += weighed.amount
        leaf = functions[weighed.frames[-1].name, weighed.frames[-1].file]
        leaf.exclusive += weighed.amount
        leaf.samples += stack.samples

    def _function(self, thread: ThreadKey, frame: Frame, unit: str) -> Function:
        key = (thread, frame.name, frame.file, unit)
        found = self._functions.get(key)
        if found is None and self._room < 0:
            key, frame = ((None, ""), OTHERS.name, "", unit), OTHERS
            self._threads.setdefault((None, ""), Thread())
            found = self._functions.get(key)
        if found is None:
            self._room -= len(frame.name) + len(frame.file) + ROOM_OF_FUNCTION
            found = self._functions[key] = Function(frame, unit)
        return found

    def _timers(self) -> Iterator[Entry]:
        for (key, name, *_), one in self._functions.items():
            thread = self._threads[key]
            yield Entry(
                time=self._time,
                job=self._capture.job,
                run=self._capture.run,
                collector=COLLECTOR,
                kind=Kind.TIMER,
                name=name,
                additive=True,
                source=_source(one.frame, None),
                host=self._capture.host,
                process=thread.process,
                thread=thread.number,
                metric=METRICS[one.unit],
                unit=one.unit,
                inclusive=_bounded(one.inclusive),
                exclusive=_bounded(one.exclusive),
                calls=_bounded(one.samples),
                clock="anchored",
                attributes=_attributes(thread, one.frame),
            )


def _speedscope(stream: BinaryIO) -> Iterator[Stack | Malformed]:
    frames = py_spy_speedscope.read_frames(stream)
    stream.seek(0)
    yield from py_spy_speedscope.read_speedscope(stream, frames)


def _bounded(value: int) -> Number:
    return min(value, LARGEST)


def _source(frame: Frame, line: int | None) -> Source | None:
    return Source(file=frame.file, line=line) if frame.file and not frame.is_native else None


def _key(thread: Thread) -> ThreadKey:
    return thread.process, thread.name if thread.number is None else thread.number


def _attributes(thread: Thread, frame: Frame) -> dict[str, str] | None:
    told = {"threadName": thread.name} if thread.name else {}
    if frame.file and frame.is_native:
        told["dso"] = frame.file
    return told or None
