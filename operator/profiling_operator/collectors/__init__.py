"""The collector contract. Each module in this folder is one collector.

A collector measures in two halves that meet only in files: before the run it says how the command
is wrapped and how it is stopped; after the run it reads what lies in its folder. It starts nothing
itself, and it never sees which platform runs it.

Words that a wrapper may hold: `{run}` is the run's folder, `{toolchain}` the folder of the
collector's files, `{launcher}` the launcher. A word that begins with `{tool}` is a program of the
toolchain: where that was brought into a foreign image, its own loader stands before it.

Instead of wrapping the command, some tools can be attached to the application once it runs, from a
container beside it. What they leave is read by the same second half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

from profiling_operator.captures import Capture, Evidence, Item, Verdict
from profiling_operator.errors import Reason
from profiling_operator.frozen import Frozen

COUNTER_CAPABILITIES = frozenset({"PERFMON", "SYS_ADMIN"})


class Target(StrEnum):
    """Whom a stop step signals; `mapped=TEXT` is a third one, see docs/launcher.md."""

    TOOL = "tool"
    APP = "app"


class Wait(StrEnum):
    """What a stop step waits for."""

    EXIT = "exit"
    FILES = "files"


@dataclass(frozen=True)
class StopStep:
    """One step of a collector's stop sequence; the launcher walks them in order."""

    signal: str
    target: str
    wait: Wait
    seconds: float


@dataclass(frozen=True)
class Wrapper:
    """What goes in front of the application's command."""

    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    """Folders put in front of the application's PATH."""
    hides_exit_code: bool = False
    """The tool does not return the application's exit code: an inner launcher records it."""
    is_inner: bool = False
    """It loads itself into what it starts, so nothing may stand between it and the application."""
    ends_with_app: bool = False
    """Once the application has ended, by itself or by a signal to it alone, it writes its profile
    and ends: only such tools can stand around the application together."""
    is_impatient: bool = False
    """It gives up where it finds nothing to measure soon, so that other tools stand outside of it,
    which take their time to begin."""
    system_calls: tuple[str, ...] = ()
    """System calls it makes that containers are refused by default."""
    after: tuple[str, ...] = ()
    """A command run after each run where the application ran, since it needs the same files; a word
    `;` parts several, each of which is run whatever became of those before."""
    after_output: str = ""
    """The file that gets its standard output, and with `.log` the one for its errors."""
    after_seconds: float = 60.0
    """How long it may take."""


ENDS_APP = (
    StopStep("TERM", Target.APP, Wait.EXIT, 5.0),
    StopStep("KILL", Target.APP, Wait.EXIT, 5.0),
)
"""For tools that end with the application."""
TELLS_TOOL = StopStep("INT", Target.TOOL, Wait.EXIT, 5.0)


@dataclass(frozen=True)
class Attachment:
    """How a tool measures an application that it has not started.

    It runs in a container of its own, that sees the application's processes and nothing of its
    files but the run's folder.
    """

    words: tuple[str, ...]
    """Its command. Besides a wrapper's stand-ins: `{pid}` is the application's process, `{pids}` it
    and its descendants, parted by commas."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the tool itself."""
    system_calls: tuple[str, ...] = ()
    """System calls it makes that containers are refused by default."""
    stop: StopStep = TELLS_TOOL
    """It ends by itself with the application, or is told to after as many seconds."""
    after: tuple[str, ...] = ()
    """A command run after all runs, once for each; `{root}` is a folder that shows the
    application's files."""
    after_output: str = ""
    """The file that gets its standard output."""
    after_seconds: float = 60.0
    """How long it may take."""


@dataclass(frozen=True)
class Toolchain:
    """Where a collector's files are found: a prefix below which `file` exists."""

    file: str
    """Path below the prefix of the file that must exist, as in `bin/tau_exec`."""
    program: str
    """The program to look for in PATH where no prefix is set."""
    usual: tuple[str, ...] = ()
    """Prefixes where installers put it, looked at before PATH."""
    bundled: bool = False
    """It comes with this package's own installation."""
    files: tuple[str, ...] = ()
    """Patterns below the prefix of what has to be brought elsewhere; empty: all of it, to the same
    path, since the files name it."""
    preloads: tuple[str, ...] = ()
    """Patterns of libraries that it loads into the application, whose C library must do for them;
    what else they need must stand beside them."""
    is_script: bool = False
    """Its program is a script for bash, which an image may lack."""
    is_dynamic: bool = False
    """Its program needs shared libraries: elsewhere it comes with them, and with their loader."""
    loads: tuple[str, ...] = ()
    """Patterns of libraries that it loads by itself, which stand beside those that it is linked
    with."""
    install: str = ""
    """What to do where it is missing."""


@dataclass(frozen=True)
class Facts:
    """What is known of a place before the start."""

    machine: str = ""
    """As `uname -m` says."""
    uid: int = 0
    ptrace_scope: int | None = None
    """Yama's /proc/sys/kernel/yama/ptrace_scope; None where there is none."""
    perf_event_paranoid: int | None = None
    gpus: int = 0
    capabilities: frozenset[str] = frozenset()
    attaches: bool = False
    """The tool comes to an application that it has not started."""
    gpu_models: tuple[str, ...] = ()
    """As the driver names them (`NVIDIA H100 80GB HBM3`), or the label by which GPUs are chosen
    (`NVIDIA-H100-80GB-HBM3`): those that a job may get; empty where nobody knows."""
    gpu_counters_admin_only: bool | None = None
    """The driver keeps the GPUs' counters for administrators (RmProfilingAdminOnly)."""

    def permits_counters(self, limit: int) -> bool:
        """Whether the kernel lets us count, by kernel.perf_event_paranoid as far as it is known."""
        held = {one.upper().removeprefix("CAP_") for one in self.capabilities}
        paranoid = self.perf_event_paranoid
        return paranoid is None or paranoid <= limit or bool(held & COUNTER_CAPABILITIES)


@dataclass(frozen=True)
class Impossible:
    """A preflight's finding: measuring cannot work here."""

    reason: Reason
    message: str


def counters_refused(facts: Facts, limit: int, what: str = "") -> list[Impossible]:
    """A preflight's finding where the kernel lets us count nothing, or not `what`."""
    if facts.permits_counters(limit):
        return []
    message = (
        f"{what}kernel.perf_event_paranoid is {facts.perf_event_paranoid} here; the machine's "
        f"administrator can set it to {limit}, the operator's settings can grant CAP_PERFMON"
    )
    return [Impossible(Reason.COUNTERS_NOT_PERMITTED, message)]


class Collector(Protocol):
    """What each module offers as `COLLECTOR`."""

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]]
    formats: ClassVar[tuple[str, ...]]
    toolchain: ClassVar[Toolchain]
    options: ClassVar[type[Frozen]]

    def wrap(self, options: Frozen) -> Wrapper:
        """What goes in front of the command."""
        ...

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """How the tool is made to write its profile before the application is ended."""
        ...

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """What makes measuring impossible in a place; no I/O."""
        ...

    def clashes(self, options: Frozen) -> frozenset[str]:
        """Exclusive things it needs, such as `cupti`: two collectors with a common one clash."""
        ...

    def knows(self, name: str, head: bytes) -> bool:
        """Whether a file is surely one that it reads, by its name and its first HEAD_BYTES."""
        ...

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Parts, in order, that can be read apart from each other and together give the same.

        What is small stays together: each part may get a process of its own.
        """
        ...

    def read(self, capture: Capture) -> Iterator[Item]:
        """Entries of what was left; every artifact gets a note with its fate. Streams.

        Bad content never raises: it becomes a note that names the file and the line.
        """
        ...

    def usable(self, evidence: Evidence) -> Verdict:
        """Whether something was measured at all."""
        ...


class AttachingCollector(Collector, Protocol):
    """A collector that has the mode `attach`, too."""

    def attach(self, options: Frozen) -> Attachment:
        """How its tool is started beside an application that runs."""
        ...
