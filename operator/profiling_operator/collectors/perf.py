"""perf, the kernel's own profiler: samples any program, in any language, on every thread.

It wraps the command, or is attached to its processes, and records; afterwards, where the
application's files are, `perf script` turns the recording into text with the functions' names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field, StringConstraints

from profiling_operator.captures import (
    Capture,
    Complaint,
    Evidence,
    Fate,
    Item,
    Verdict,
    complained,
    judge_common,
    printed,
)
from profiling_operator.collectors import (
    ENDS_APP,
    AttachingCollector,
    Attachment,
    Facts,
    Impossible,
    StopStep,
    Toolchain,
    Wrapper,
    counters_refused,
)
from profiling_operator.errors import Reason
from profiling_operator.formats import perf_reading
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import Word

# cpu-clock   cycles:pp   cpu/event=0x3c,umask=0x1/   sched:sched_switch   cpu-clock,cache-misses
Event = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.:/=,-]*$", max_length=512)]

FIELDS = "comm,pid,tid,cpu,time,period,event,ip,sym,dso"
SCRIPT = (
    "{tool}/bin/perf", "--no-pager", "script", "--force", "--header", "--ns", "--no-inline",
    "--show-lost-events",
)  # fmt: skip
READS = ("-F", FIELDS, "-i", "{run}/perf/perf.data")
SCRIPT_SECONDS = 120.0
USER_PARANOID, KERNEL_PARANOID = 2, 1


class Options(Frozen):
    """Options of perf."""

    frequency: Annotated[int, Field(ge=1, le=10_000)] = 99
    """Samples per second of a thread that runs; not a round number, which could go in step with the
    program's own clock."""
    event: Event = "cpu-clock"
    """What is sampled: `cpu-clock` is time and works everywhere; `cycles`, `instructions` and other
    counters of the processor are often missing in virtual machines. Several are parted by commas.
    Headline and flame graph tell of time, so they need `cpu-clock` or `task-clock` among them."""
    call_graph: Literal["fp", "dwarf", "lbr", "none"] = "fp"
    """How callers are found: `fp` by frame pointers, which the program must be compiled with
    (-fno-omit-frame-pointer); `dwarf` without them, with much more data (8 KiB a sample); `lbr` by
    some processors' own records; `none`: functions without their callers."""
    kernel: bool = False
    """Sample the kernel's work for the program, too: needs more rights."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More words for `perf record`."""


class Perf:
    """The collector."""

    name: ClassVar[str] = "perf"
    modes: ClassVar[tuple[str, ...]] = ("wrap", "attach")
    formats: ClassVar[tuple[str, ...]] = ("perf script text",)
    options: ClassVar[type[Frozen]] = Options
    toolchain: ClassVar[Toolchain] = Toolchain(
        file="bin/perf",
        program="perf",
        files=("bin/perf",),
        is_dynamic=True,
        install="Debian: `apt-get install linux-perf`; Ubuntu: linux-tools-generic; Fedora: perf. "
        "Version 5.1 or newer.",
    )

    def wrap(self, options: Frozen) -> Wrapper:
        """`perf record … --`, and `perf script` after it.

        CLOCK_MONOTONIC is the clock that the launcher reads, too. The text is made without looking
        for inlined functions: that would start the image's addr2line, if any, for each file.
        """
        return Wrapper(
            words=(*_record_words(cast(Options, options)), "--"),
            env={"PERF_CONFIG": "/dev/null"},  # instead of ~/.perfconfig and /etc/perfconfig
            hides_exit_code=True,
            ends_with_app=True,
            system_calls=("perf_event_open",),
            after=(*SCRIPT, *READS),
            after_output="{run}/perf/perf.script",
            after_seconds=SCRIPT_SECONDS,
        )

    def attach(self, options: Frozen) -> Attachment:
        """`perf record … -p`, which ends with the processes, and `perf script` after all runs.

        What is there when it starts is named process by process, children that come later it
        follows by itself. The symbols are those of the application's files, not of perf's image.
        """
        return Attachment(
            words=(*_record_words(cast(Options, options)), "-p", "{pids}"),
            env={"PERF_CONFIG": "/dev/null"},
            system_calls=("perf_event_open",),
            after=(*SCRIPT, "--symfs", "{root}", *READS),
            after_output="{run}/perf/perf.script",
            after_seconds=SCRIPT_SECONDS,
        )

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """The application ends, then perf does so by itself, 0.1 to 0.2 s later.

        INT to perf would make it TERM its child, which is the inner launcher, that stays: then perf
        waits for it. KILL of perf would lose the recording, so the application is killed before the
        launcher ends all that is left.
        """
        return ENDS_APP

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """The kernel's rule for those without the right to measure everything."""
        limit = KERNEL_PARANOID if cast(Options, options).kernel else USER_PARANOID
        return counters_refused(facts, limit)

    def clashes(self, options: Frozen) -> frozenset[str]:
        """Nothing: counters are shared, and perf does not trace processes as py-spy does."""
        return frozenset()

    def knows(self, name: str, head: bytes) -> bool:
        """By perf's magic number, or a first line as `perf script` prints it."""
        return perf_reading.knows(name, head)

    def split(self, capture: Capture) -> Sequence[Capture]:
        """One part: a recording, its text and what was said of it belong together."""
        return [capture]

    def read(self, capture: Capture) -> Iterator[Item]:
        """A sample entry per sample, then a timer entry per function of each thread and event."""
        return perf_reading.read(capture, cast(Options, capture.options).frequency)

    def usable(self, evidence: Evidence) -> Verdict:
        """Something was sampled that has a name, or why not."""
        common = judge_common(evidence)
        if common:
            return complained(COMPLAINTS, printed(evidence)) or _with_hint(common)
        converted = [note for note in evidence.notes if note.fate is Fate.CONVERTED]
        if converted and all(perf_reading.NO_SYMBOL in note.message for note in converted):
            return Verdict(False, Reason.NOTHING_MEASURED, STRIPPED)
        return Verdict(True)


HINT = (
    "did the program use the processor for longer than one sampling period? The kernel's own work "
    "is only sampled with kernel: true"
)
STRIPPED = (
    f"{perf_reading.NO_SYMBOL}: program and libraries hold no symbols (compile without -s, do not "
    "strip), or their files could not be read after the run"
)
# What perf says where it cannot record, the reason, and what to do about it.
COMPLAINTS = (
    Complaint(
        re.compile(
            r"event syntax error|not supported|doesn't support|unknown option|"
            r"Usage: perf"
        ),
        Reason.COLLECTOR_FAILED,
        "choose another event or callGraph: cpu-clock with fp or none works in virtual machines",
    ),
    Complaint(
        re.compile(
            r"No permission to enable|perf_event_open|"
            r"Access to performance monitoring|Permission error|"
            r"Operation not permitted"
        ),
        Reason.COUNTERS_NOT_PERMITTED,
        "perf needs the system call perf_event_open: a seccomp profile that allows it, and "
        "kernel.perf_event_paranoid at most 2 (kernel: true: 1) or CAP_PERFMON",
    ),
)


def _with_hint(common: Verdict) -> Verdict:
    if common.reason is not Reason.NOTHING_MEASURED:
        return common
    return Verdict(False, common.reason, f"{common.message}; {HINT}")


def _record_words(options: Options) -> Iterator[str]:
    yield from ("{tool}/bin/perf", "--no-pager", "record", "-k", "CLOCK_MONOTONIC")
    yield from ("-F", str(options.frequency), "-e", options.event)
    if not options.kernel:
        yield "--all-user"
    if options.call_graph != "none":
        yield from ("--call-graph", options.call_graph)
    # Every sample has all fields that are asked for later.
    yield from ("--timestamp", "--period", "--sample-cpu")
    # At its end perf would read all it wrote again for build ids, copy files to ~/.debug (there may
    # be no home), and wait up to 1 s for a thread that looks after BPF programs.
    yield from ("--no-buildid", "--no-buildid-cache", "--no-bpf-event")
    yield from ("-o", "{run}/perf/perf.data", *options.args)


COLLECTOR: AttachingCollector = Perf()
