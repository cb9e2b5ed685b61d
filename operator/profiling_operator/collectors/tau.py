"""TAU: wraps the command in tau_exec, and reads the text profiles that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, BinaryIO, ClassVar

from pydantic import Field, StringConstraints

from profiling_operator import entries
from profiling_operator.artifacts import Artifact
from profiling_operator.collectors import (
    Capture,
    Collector,
    Evidence,
    Facts,
    Fate,
    FileNote,
    Impossible,
    Item,
    Metadata,
    StopStep,
    Toolchain,
    Verdict,
    Wait,
    Wrapper,
    judge_common,
)
from profiling_operator.entries import Kind
from profiling_operator.errors import ArtifactError, Reason
from profiling_operator.formats import tau_files, tau_lines, tau_metadata, tau_profile
from profiling_operator.formats.tau_names import Names
from profiling_operator.frozen import Frozen

Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_+-]+$", max_length=64)]
Metric = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_:.=-]*$", max_length=128)]
Word = Annotated[str, StringConstraints(pattern=r"^-[^-].*$", max_length=1024)]

MOST_METRICS = 25  # TAU_MAX_COUNTERS
PARANOID_LIMIT = 2  # above it, the kernel refuses counters to users without CAP_PERFMON
CUPTI_WORDS = ("cupti", "cuda", "-um", "-sass", "-env")
ONLY_OWN_TIMERS = "only TAU's own timers"


class Options(Frozen):
    """What TAU measures."""

    sampling: bool = True
    """Interrupt the program regularly and note where it is: works with any program."""
    sampling_period: Annotated[int, Field(ge=100, le=60_000_000)] | None = None
    """Microseconds of a thread's time between two samples; TAU's own default is 30000."""
    unwind: bool = False
    """With sampling: note the whole call stack of each sample."""
    callpath_depth: Annotated[int, Field(ge=0, le=200)] = 0
    """How many timers deep call paths are measured; 0 measures timers without their callers."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=MOST_METRICS)] = ("TIME",)
    """TIME, CPU_TIME, PAPI_TOT_CYC, ...; several give one file each per thread."""
    io: bool = False
    """Measure reading and writing files."""
    memory: bool = False
    """Measure allocations of memory."""
    throttle: bool = True
    """Stop measuring functions that are short and called very often."""
    tags: Annotated[tuple[Tag, ...], Field(min_length=1, max_length=16)] = ("serial", "pthread")
    """Which build of TAU is taken (tau_exec -T): mpi, openmp, cupti, ...; without serial, mpi is
    added by tau_exec."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More options for tau_exec, such as -cupti or -ebs_source=PAPI_TOT_INS."""


class Tau:
    """The TAU Performance System."""

    name: ClassVar[str] = "tau"
    modes: ClassVar[tuple[str, ...]] = ("wrap",)
    formats: ClassVar[tuple[str, ...]] = ("TAU text profile",)
    toolchain: ClassVar[Toolchain] = Toolchain(
        file="bin/tau_exec",
        program="tau_exec",
        is_script=True,
        preloads=("lib/shared-*/libTAU.so",),
        install="TAU has no package: name an image or a folder that holds bin/tau_exec, or build "
        "it from https://github.com/UO-OACISS/tau2",
    )
    options: ClassVar[type[Frozen]] = Options

    def wrap(self, options: Frozen) -> Wrapper:
        """`tau_exec -T tags … --` in front of the command; it needs its own bin in PATH."""
        chosen = _options(options)
        flags = {"-ebs": chosen.sampling, "-io": chosen.io, "-memory": chosen.memory}
        words = (
            "{tool}/bin/tau_exec",
            *("-T", ",".join(chosen.tags)),
            *(flag for flag, wanted in flags.items() if wanted),
            *chosen.args,
            "--",
        )
        path = ("{toolchain}/bin",)
        return Wrapper(words, env=_environment(chosen), path=path, is_inner=True)

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """USR1 to what runs with TAU: it writes its profile and goes on. TERM would lose it."""
        return (StopStep("USR1", "mapped=libTAU", Wait.FILES, 10.0),)

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """PAPI metrics need the kernel's permission; everything else needs none."""
        wanted = [one for one in _options(options).metrics if one.startswith("PAPI_")]
        if not wanted or facts.permits_counters(PARANOID_LIMIT):
            return []
        message = (
            f"{', '.join(wanted)}: kernel.perf_event_paranoid is {facts.perf_event_paranoid} here; "
            f"the machine's administrator can set it to {PARANOID_LIMIT}, the operator's settings "
            "can grant CAP_PERFMON"
        )
        return [Impossible(Reason.COUNTERS_NOT_PERMITTED, message)]

    def clashes(self, options: Frozen) -> frozenset[str]:
        """CUPTI serves one tool at a time."""
        chosen = _options(options)
        uses = any(word in one for one in (*chosen.tags, *chosen.args) for word in CUPTI_WORDS)
        return frozenset({"cupti"}) if uses else frozenset()

    def read(self, capture: Capture) -> Iterator[Item]:
        """Entries of the text profiles, thread by thread; one file is open at a time."""
        threads, unused = tau_files.arrange(capture.artifacts)
        names = Names()
        facts: dict[str, str] = {}
        for thread in threads:
            reader = _ThreadReader(capture, thread, names)
            yield from reader.items()
            if not facts:
                found = tau_metadata.attributes(reader.header)
                facts = tau_metadata.of_run(found, capture.personal)
                yield from [Metadata(facts)] if facts else []
        for one in unused:
            yield FileNote(one.artifact.path, Fate.RAW, one.reason)

    def usable(self, evidence: Evidence) -> Verdict:
        """A profile is of use when something besides the whole program was measured."""
        converted = [one.message for one in evidence.notes if one.fate is Fate.CONVERTED]
        truncated = [one for one in evidence.notes if one.message.startswith("truncated")]
        common = judge_common(evidence)
        nothing = bool(converted) and all(ONLY_OWN_TIMERS in one for one in converted)
        more = evidence.kinds.get(Kind.SAMPLE, 0) + evidence.kinds.get(Kind.COUNTER, 0)
        if not common and (more or not (nothing or evidence.names <= 1)):
            return Verdict(True)
        if truncated:
            message = f"{truncated[0].path}: {truncated[0].message}"
            return Verdict(False, Reason.OUTPUT_TRUNCATED, message)
        if not evidence.notes:
            return Verdict(False, Reason.NOTHING_MEASURED, NO_FILE)
        return common or Verdict(False, Reason.NOTHING_MEASURED, NOTHING_MEASURED)


NO_FILE = (
    "the tool left no file: TAU's library must be loaded into the program itself, so it measures "
    "neither static programs nor one that a wrapper script starts anew without it"
)
NOTHING_MEASURED = (
    "only the root timer: the program is not instrumented; set sampling: true, or, where it is, "
    "give it more time than one sampling period"
)


def _options(options: Frozen) -> Options:
    assert isinstance(options, Options)  # noqa: S101 - for mypy: the registry pairs them
    return options


def _environment(options: Options) -> Mapping[str, str]:
    """TAU's settings. What the user's own environment says of them is overridden."""
    always = {
        "PROFILEDIR": "{run}/tau",
        "TAU_PROFILE_FORMAT": "profile",
        "TAU_METRICS": ",".join(options.metrics),
        "TAU_CALLPATH": _switch(options.callpath_depth > 0),
        "TAU_SAMPLING": _switch(options.sampling),
        "TAU_EBS_UNWIND": _switch(options.sampling and options.unwind),
        "TAU_THROTTLE": _switch(options.throttle),
        "TAU_TRACK_MEMORY_FOOTPRINT": _switch(options.memory),
    }
    sometimes = {
        "TAU_CALLPATH_DEPTH": options.callpath_depth,
        "TAU_EBS_PERIOD": options.sampling_period if options.sampling else None,
    }
    return always | {name: str(value) for name, value in sometimes.items() if value}


def _switch(wanted: bool) -> str:
    return "1" if wanted else "0"


class _ThreadReader:
    """Reads one thread's files, one per metric."""

    def __init__(self, capture: Capture, thread: tau_files.Thread, names: Names) -> None:
        self.header = b""
        self._capture = capture
        self._thread = thread
        self._names = names
        self._metrics: set[str] = set()

    def items(self) -> Iterator[Item]:
        """Entries and notes of every file.

        Of several metrics' files only one may tell when the run began, so all are asked before.
        """
        if len(self._thread.files) > 1:
            self.header = b"".join(_header(file) for file in self._thread.files)
        for file in self._thread.files:
            yield from self._file(file)

    def _file(self, file: Artifact) -> Iterator[Item]:
        """One file's entries, then its notes: whether it was whole is only known then."""
        begun: tau_profile.Reading | FileNote | None = None
        broken = ""
        try:
            with file.open() as stream:
                with_events = not self._metrics
                begun = self._begin(file, stream)
                if isinstance(begun, tau_profile.Reading):
                    yield from begun.entries(with_events)
        except (ArtifactError, OSError) as error:
            broken = str(error)
        if isinstance(begun, tau_profile.Reading):
            yield from self._notes(file, begun, broken)
        else:
            yield begun or FileNote(file.path, Fate.REFUSED, broken)

    def _begin(self, file: Artifact, stream: BinaryIO) -> tau_profile.Reading | FileNote:
        """Read the head; a note when the file is none to be read."""
        head = tau_lines.read_head(stream)
        if head is None:
            return _not_a_profile(file)
        metric = tau_metadata.value_of(head.text, b"Metric Name") or head.metric
        if metric in self._metrics:
            return FileNote(file.path, Fate.RAW, f"repeats {metric} of the same thread")
        self._metrics.add(metric)
        self.header = self.header or head.text
        return tau_profile.Reading(stream, head, self._place(metric), self._names)

    def _place(self, metric: str) -> tau_profile.Place:
        capture, thread = self._capture, self._thread
        start = tau_metadata.started(self.header)
        host = tau_metadata.value_of(self.header, b"Hostname") if capture.personal else None
        return tau_profile.Place(
            time=entries.rfc3339(capture.started if start is None else start),
            clock="anchored" if start is None else None,
            metric=metric,
            job=capture.job,
            run=capture.run,
            host=host or capture.host,
            process=thread.node,
            context=thread.context,
            thread=thread.thread,
            folder=thread.folder,
        )

    def _notes(self, file: Artifact, read: tau_profile.Reading, broken: str) -> Iterator[FileNote]:
        for problem in read.problems:
            yield FileNote(file.path, None, problem.message, problem.line)
        unranked = "TAU did not know the process's rank" if self._thread.node < 0 else ""
        message = "; ".join(filter(None, (broken, read.summary(), unranked)))
        yield FileNote(file.path, Fate.CONVERTED if read.found_any else Fate.REFUSED, message)


def _header(file: Artifact) -> bytes:
    """A file's metadata; nothing where it cannot be read, which is reported when it is read."""
    try:
        with file.open() as stream:
            head = tau_lines.read_head(stream)
    except (ArtifactError, OSError):
        return b""
    return head.text if head else b""


def _not_a_profile(file: Artifact) -> FileNote:
    if not tau_files.is_surely_tau(file.name):
        return FileNote(file.path, Fate.RAW, tau_files.FOREIGN)
    message = "the first line is not that of a profile" if file.size else "truncated: it is empty"
    return FileNote(file.path, Fate.REFUSED, message, 1)


COLLECTOR: Collector = Tau()
