"""py-spy: samples Python programs from outside. The collector that needs nothing installed.

It wraps the command, or is attached to it, and samples all its Python processes. Time is what was
sampled: with `idle` off, a thread that waits is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from profiling_operator.captures import (
    Capture,
    Complaint,
    Evidence,
    Item,
    Verdict,
    by_file,
    complained,
    judge_common,
    printed,
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
from profiling_operator.errors import Reason
from profiling_operator.formats import py_spy_reading
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import Word

NO_PTRACE = 3
ADMIN_PTRACE = 2
PARENT_PTRACE = 1


class Options(Frozen):
    """Options of py-spy."""

    format: Literal["raw", "speedscope"] = "raw"
    """`raw` adds up equal stacks while it measures; `speedscope` keeps every sample in memory."""
    rate: Annotated[int, Field(ge=1, le=1000)] = 100
    """Samples per second."""
    subprocesses: bool = True
    """Follow child processes. Needed when the command is a script that starts Python. In mode wrap
    they are followed in any case: the launcher stands between py-spy and the command."""
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


SUFFIXES = {
    "raw": py_spy_reading.RAW_SUFFIX, "speedscope": py_spy_reading.SPEEDSCOPE_SUFFIX
}  # fmt: skip
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
        """`py-spy record … --`; it returns 0 whatever the application returned.

        Without --subprocesses it would look at the inner launcher only, which is no Python.
        """
        given = cast(Options, options).model_copy(update={"subprocesses": True})
        words = (*_record_words(given), "--")
        return Wrapper(words=words, hides_exit_code=True, ends_with_app=True, is_impatient=True)

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
        return py_spy_reading.knows(name)

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Each file is whole in itself."""
        return by_file(capture)

    def read(self, capture: Capture) -> Iterator[Item]:
        """A sample entry per stack, then a timer entry per function of each thread."""
        return py_spy_reading.read(capture, cast(Options, capture.options).rate)

    def usable(self, evidence: Evidence) -> Verdict:
        """Something was sampled, or why not."""
        common = judge_common(evidence)
        if common is None:
            return Verdict(True)
        complaint = complained(COMPLAINTS, printed(evidence))
        if complaint or common.reason is Reason.OUTPUT_UNREADABLE:
            return complaint or common
        return Verdict(False, Reason.NOTHING_MEASURED, f"{common.message}; {HINT}")


HINT = (
    "py-spy saw no Python code run: is the command a Python program, did Python start within the "
    "first two seconds, and did it run for at least half a second? With gil: true only threads "
    "that hold the interpreter's lock count, without idle: true only those that run"
)
# What py-spy says where it cannot measure, the reason, and what to do about it.
COMPLAINTS = (
    Complaint(
        re.compile(r"Permission Denied|Operation not permitted|EPERM|Permission denied \(os error"),
        Reason.COUNTERS_NOT_PERMITTED,
        "py-spy has to read the program's memory: the machine's administrator can set "
        "kernel.yama.ptrace_scope to 0 (to attach) or 1 (to wrap), or CAP_SYS_PTRACE can be "
        "granted; a program that runs as another user, or is not dumpable, cannot be read",
    ),
    Complaint(
        re.compile(
            r"Failed to find python version|Failed to find a python interpreter|"
            r"Unsupported version of Python"
        ),
        Reason.COLLECTOR_FAILED,
        "this build of Python is not known to this version of py-spy, or it is no CPython",
    ),
    Complaint(
        re.compile(
            r"Failed to suspend process|Failed to get process executable|"
            r"Failed to open"
        ),
        Reason.COLLECTOR_FAILED,
        "the program ended, or stopped, while py-spy attached to it",
    ),
)


def _record_words(given: Options) -> Iterator[str]:
    suffix = SUFFIXES[given.format]
    yield from ("{tool}/bin/py-spy", "record", "--threads", "--format", given.format)
    yield from ("--rate", str(given.rate), "--output", f"{{run}}/pyspy/profile{suffix}")
    yield from (f"--{name}" for name in SWITCHES if getattr(given, name))
    yield from given.args


COLLECTOR: AttachingCollector = PySpy()
