"""TAU: wraps the command in tau_exec, and reads the text profiles that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from profiling_operator.captures import (
    Capture,
    Evidence,
    Fate,
    Item,
    Verdict,
    judge_common,
)
from profiling_operator.collectors import (
    Collector,
    Facts,
    Impossible,
    StopStep,
    Toolchain,
    Wait,
    Wrapper,
)
from profiling_operator.entries import Kind
from profiling_operator.errors import Reason
from profiling_operator.formats import tau_reading
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

    def knows(self, name: str, head: bytes) -> bool:
        """By how TAU names files, and the first line of its text profiles."""
        return tau_reading.knows(name, head)

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Threads are read apart from each other; all files of one stay together."""
        return tau_reading.split(capture)

    def read(self, capture: Capture) -> Iterator[Item]:
        """Entries of what TAU left; one file is open at a time."""
        return tau_reading.read(capture)

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


COLLECTOR: Collector = Tau()
