"""py-spy: samples Python programs from outside. The collector that needs nothing installed.

It wraps the command, or is attached to it, and samples all its Python processes. Time is what was
sampled: with `idle` off, a thread that waits is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from profiling_operator.artifacts import Artifact
from profiling_operator.captures import (
    ATTACH_LOG,
    Capture,
    Evidence,
    Fate,
    FileNote,
    Item,
    Verdict,
    attach_note,
    by_file,
    judge_common,
)
from profiling_operator.collectors import (
    AttachingCollector,
    Attachment,
    Facts,
    Impossible,
    StopStep,
    Target,
    Toolchain,
    Wait,
    Wrapper,
)
from profiling_operator.entries import NANOSECONDS, Entry, Kind, Source, rfc3339
from profiling_operator.errors import ArtifactError, Reason
from profiling_operator.formats import py_spy
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import Word

RAW_SUFFIX = ".folded"
SPEEDSCOPE_SUFFIX = ".speedscope.json"
NO_PTRACE = 3
ADMIN_PTRACE = 2
PARENT_PTRACE = 1
NOTES_PER_FILE = 20
NO_FRAME = "(no Python frame)"
"""A thread that runs while its interpreter starts or ends."""


class Options(Frozen):
    """Options of py-spy."""

    format: Literal["raw", "speedscope"] = "raw"
    """`raw` adds up equal stacks while it measures; `speedscope` keeps every sample in memory."""
    rate: Annotated[int, Field(ge=1, le=1000)] = 100
    """Samples per second."""
    subprocesses: bool = True
    """Follow child processes. Needed when the command is a script that starts Python."""
    idle: bool = False
    """Count waiting threads too."""
    gil: bool = False
    """Count only threads that hold the interpreter's lock."""
    native: bool = False
    """Frames of C, C++ and Cython as well."""
    nonblocking: bool = False
    """Do not pause the program while sampling: less disturbance, some wrong stacks."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More words for `py-spy record`."""


SWITCHES = ("subprocesses", "idle", "gil", "native", "nonblocking")


class PySpy:
    """The collector."""

    name: ClassVar[str] = "pyspy"
    modes: ClassVar[tuple[str, ...]] = ("wrap", "attach")
    formats: ClassVar[tuple[str, ...]] = ("py-spy raw", "speedscope")
    options: ClassVar[type[Frozen]] = Options
    toolchain: ClassVar[Toolchain] = Toolchain(
        file="bin/py-spy",
        program="py-spy",
        bundled=True,
        files=("bin/py-spy",),
        install="It comes with `pip install profiling-operator`, or `pip install py-spy`.",
    )

    def wrap(self, options: Frozen) -> Wrapper:
        """`py-spy record … --`; it returns 0 whatever the application returned."""
        words = (*_record_words(cast(Options, options)), "--")
        return Wrapper(words=words, hides_exit_code=True)

    def attach(self, options: Frozen) -> Attachment:
        """`py-spy record … --pid`; it writes its file when the process has ended."""
        return Attachment(words=(*_record_words(cast(Options, options)), "--pid", "{pid}"))

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """INT makes py-spy write its file; measured: 20 to 41 ms."""
        return (StopStep("INT", Target.TOOL, Wait.EXIT, 5.0),)

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """py-spy reads another process' memory, which Yama may forbid, above all of no child."""
        scope = facts.ptrace_scope or 0
        free = PARENT_PTRACE if facts.attaches else ADMIN_PTRACE
        if scope < free or (scope < NO_PTRACE and "SYS_PTRACE" in facts.capabilities):
            return []
        other = "; mode: wrap needs no more than 1" if facts.attaches else ""
        message = (
            f"kernel.yama.ptrace_scope is {scope}: reading another process' memory is not "
            f"permitted; the machine's administrator can set it to {free - 1}, or to 2 with "
            f"CAP_SYS_PTRACE granted{other}"
        )
        return [Impossible(Reason.COUNTERS_NOT_PERMITTED, message)]

    def clashes(self, options: Frozen) -> frozenset[str]:
        """Only one tool can trace a process."""
        return frozenset({"ptrace"})

    def knows(self, name: str, head: bytes) -> bool:
        """By the suffixes that its options give: the formats are others', too."""
        return name.endswith((RAW_SUFFIX, SPEEDSCOPE_SUFFIX))

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Each file is whole in itself."""
        return by_file(capture)

    def read(self, capture: Capture) -> Iterator[Item]:
        """A sample entry per stack, then a timer entry per function of each thread."""
        for artifact in capture.artifacts:
            if artifact.name == ATTACH_LOG:
                yield attach_note(artifact)
                continue
            reading = _Reading(capture, artifact)
            try:
                yield from reading.items()
            except (ArtifactError, *py_spy.ERRORS) as error:
                yield FileNote(artifact.path, Fate.REFUSED, str(error))

    def usable(self, evidence: Evidence) -> Verdict:
        """Something was sampled, or why not."""
        common = judge_common(evidence)
        if common is None:
            return Verdict(True)
        if common.reason is Reason.OUTPUT_UNREADABLE:
            return common
        hint = (
            "py-spy saw no Python code run: is the command a Python program, did Python start "
            "within the first two seconds, and did it run for at least half a second?"
        )
        return Verdict(False, Reason.NOTHING_MEASURED, f"{common.message}; {hint}")


def _record_words(given: Options) -> Iterator[str]:
    suffix = RAW_SUFFIX if given.format == "raw" else SPEEDSCOPE_SUFFIX
    yield from ("{tool}/bin/py-spy", "record", "--threads", "--format", given.format)
    yield from ("--rate", str(given.rate), "--output", f"{{run}}/pyspy/profile{suffix}")
    yield from (f"--{name}" for name in SWITCHES if getattr(given, name))
    yield from given.args


# What tells threads apart: process and number, or the name where there is no number.
ThreadKey = tuple[int | None, int | str]


class _Reading:
    """One file on its way to entries."""

    def __init__(self, capture: Capture, artifact: Artifact) -> None:
        self._capture = capture
        self._artifact = artifact
        self._time = rfc3339(capture.started)
        self._rate = cast(Options, capture.options).rate
        self._functions: dict[tuple[ThreadKey, str, str], list[int]] = {}
        self._threads: dict[ThreadKey, py_spy.Thread] = {}

    def items(self) -> Iterator[Item]:
        """The file's entries, and its note."""
        if self._artifact.name.endswith(RAW_SUFFIX):
            found: Iterator[py_spy.Stack | py_spy.Malformed] = self._raw()
        elif self._artifact.name.endswith(SPEEDSCOPE_SUFFIX):
            found = self._speedscope()
        else:
            yield FileNote(self._artifact.path, Fate.RAW, "not a file of py-spy's")
            return
        malformed = 0
        for one in found:
            if isinstance(one, py_spy.Stack):
                yield self._sample(one)
                continue
            malformed += 1
            if malformed <= NOTES_PER_FILE:
                yield FileNote(self._artifact.path, None, one.message, one.line)
        yield from self._timers()
        yield self._note(malformed)

    def _note(self, malformed: int) -> FileNote:
        if malformed and not self._functions:
            return FileNote(self._artifact.path, Fate.REFUSED, "holds no stack of py-spy's")
        message = f"{malformed} malformed lines left out" if malformed else ""
        return FileNote(self._artifact.path, Fate.CONVERTED, message)

    def _raw(self) -> Iterator[py_spy.Stack | py_spy.Malformed]:
        with self._artifact.open() as stream:
            yield from py_spy.read_raw(stream)

    def _speedscope(self) -> Iterator[py_spy.Stack]:
        with self._artifact.open() as stream:
            frames = py_spy.read_frames(stream)
            stream.seek(0)
            yield from py_spy.read_speedscope(stream, frames)

    def _nanoseconds(self, stack: py_spy.Stack) -> int:
        if stack.seconds is not None:
            return round(stack.seconds * NANOSECONDS)
        return stack.samples * NANOSECONDS // self._rate

    def _sample(self, stack: py_spy.Stack) -> Entry:
        time = self._nanoseconds(stack)
        self._count(stack, time)
        leaf = stack.frames[-1] if stack.frames else py_spy.Frame(NO_FRAME)
        return Entry(
            time=self._time,
            job=self._capture.job,
            run=self._capture.run,
            collector="pyspy",
            kind=Kind.SAMPLE,
            name=leaf.name,
            additive=False,
            path=tuple(str(frame) for frame in stack.frames) or (leaf.name,),
            source=Source(file=leaf.file, line=leaf.line) if leaf.file else None,
            host=self._capture.host,
            process=stack.thread.process,
            thread=stack.thread.number,
            metric="TIME",
            unit="ns",
            exclusive=time,
            calls=stack.samples,
            clock="anchored",
            attributes=_attributes(stack.thread),
        )

    def _count(self, stack: py_spy.Stack, time: int) -> None:
        """Add a stack to its functions: to each once, however often it is on the stack."""
        thread = _key(stack.thread)
        if stack.thread.name or thread not in self._threads:  # its name may come only later
            self._threads[thread] = stack.thread
        functions = [(frame.name, frame.file) for frame in stack.frames] or [(NO_FRAME, "")]
        for name, file in dict.fromkeys(functions):
            sums = self._functions.setdefault((thread, name, file), [0, 0, 0])
            sums[0] += time
        leaf = self._functions[(thread, *functions[-1])]
        leaf[1] += time
        leaf[2] += stack.samples

    def _timers(self) -> Iterator[Entry]:
        for (key, name, file), (inclusive, exclusive, samples) in self._functions.items():
            thread = self._threads[key]
            yield Entry(
                time=self._time,
                job=self._capture.job,
                run=self._capture.run,
                collector="pyspy",
                kind=Kind.TIMER,
                name=name,
                additive=True,
                source=Source(file=file) if file else None,
                host=self._capture.host,
                process=thread.process,
                thread=thread.number,
                metric="TIME",
                unit="ns",
                inclusive=inclusive,
                exclusive=exclusive,
                calls=samples,
                clock="anchored",
                attributes=_attributes(thread),
            )


def _key(thread: py_spy.Thread) -> ThreadKey:
    return thread.process, thread.name if thread.number is None else thread.number


def _attributes(thread: py_spy.Thread) -> dict[str, str] | None:
    return {"threadName": thread.name} if thread.name else None


COLLECTOR: AttachingCollector = PySpy()
