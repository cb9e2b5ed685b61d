"""TAU: gets into the program by tau_exec or by preloading, and reads what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from profiling_operator.captures import Capture, Evidence, Item, Verdict
from profiling_operator.collectors import (
    Collector,
    Facts,
    Impossible,
    StopStep,
    Toolchain,
    Wait,
    Wrapper,
    counters_refused,
)
from profiling_operator.formats import tau_reading, tau_verdict
from profiling_operator.frozen import Frozen

Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_+-]+$", max_length=64)]
Metric = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_:.=-]*$", max_length=128)]
Word = Annotated[str, StringConstraints(pattern=r"^-[^-].*$", max_length=1024)]

MOST_METRICS = 25  # TAU_MAX_COUNTERS
PARANOID_LIMIT = 2  # above it, the kernel refuses counters to users without CAP_PERFMON
CUPTI_WORDS = ("cupti", "cuda", "-um", "-sass", "-env")
FILE = r"^[^:(),]+$"  # TAU parses it: name(argument,argument):name(…)
FORMATS = {"text": "profile", "merged": "merged", "snapshot": "snapshot"}
STOP_LIBRARY = "{launcher}-usr1.so"
ONLY_TAU_EXEC = "python and args are for launch: tau_exec"


class Options(Frozen):
    """What TAU measures."""

    launch: Literal["tau_exec", "preload"] = "tau_exec"
    """How TAU gets into the program: by its script tau_exec, which finds the build for the tags and
    needs bash in the image (a static one is brought where there is none), or by preloading the
    libraries of one build, which needs nothing."""
    tags: Annotated[tuple[Tag, ...], Field(min_length=1, max_length=16)] | None = None
    """Which build of TAU is taken (tau_exec -T). Default: serial or mpi; pthread, or ompt with
    openmp; cupti with cuda. Without serial, mpi is added by tau_exec."""
    binding: Tag | None = None
    """The build itself: what follows `shared-` in the name of its folder below lib. Default: by the
    tags; for preloading, and for selectFile, the tags without serial, joined by hyphens."""
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
    format: Literal["text", "merged", "snapshot"] = "text"
    """The profile's files: one of text for each thread and metric; one of XML for all threads; one
    of XML for each thread. At a timeout TAU writes text, whatever was asked for."""
    tracing: bool = False
    """Write a trace as well: each event with its time. What is still in TAU's buffers at a timeout
    is lost."""
    io: bool = False
    """Measure reading and writing files."""
    memory: bool = False
    """Measure allocations of memory."""
    mpi: bool = False
    """Measure calls of MPI: takes a build with MPI, the application's own."""
    openmp: bool = False
    """Measure OpenMP by the interface OMPT, which the compiler's runtime has to offer."""
    cuda: bool = False
    """Measure kernels, copies and calls of CUDA by CUPTI, which only one tool can use."""
    python: bool = False
    """Measure functions of Python: the command is a script and its arguments, without the
    interpreter, or -m and a module; tau_python starts it."""
    throttle: bool = True
    """Stop measuring functions that are short and called very often."""
    throttle_calls: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """With throttle: so many calls are often; TAU's own default is 100000."""
    throttle_microseconds: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """With throttle: fewer microseconds a call are short; TAU's own default is 10."""
    select_file: Annotated[str, StringConstraints(pattern=FILE, max_length=512)] | None = None
    """A file in the application's container that says which timers are measured
    (BEGIN_EXCLUDE_LIST, BEGIN_INCLUDE_LIST)."""
    stop_thread: bool = True
    """Have a thread of our own in the program write the profile at a timeout. Without it, TAU does
    that wherever the program is interrupted, and often hangs in a program that allocates much."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More options for tau_exec, such as -um or -ebs_source=PAPI_TOT_INS."""

    @model_validator(mode="after")
    def _only_what_can_be_preloaded(self) -> Options:
        if self.launch == "preload" and (self.python or self.args):
            raise ValueError(ONLY_TAU_EXEC)
        return self

    @property
    def build_tags(self) -> tuple[str, ...]:
        """The tags that were given, or those that the options ask for."""
        threads = "ompt" if self.openmp else "pthread"
        cuda = ("cupti",) if self.cuda else ()
        return self.tags or ("mpi" if self.mpi else "serial", threads, *cuda)

    @property
    def folder(self) -> str:
        """Where the libraries of the build are."""
        tags = [one for one in self.build_tags if one != "serial"]
        return f"{{toolchain}}/lib/shared-{self.binding or '-'.join(tags)}"


class Tau:
    """The TAU Performance System."""

    name: ClassVar[str] = "tau"
    modes: ClassVar[tuple[str, ...]] = ("wrap",)
    formats: ClassVar[tuple[str, ...]] = (
        "TAU text profile",
        "TAU merged profile (XML)",
        "TAU snapshot (XML)",
        "TAU trace",
    )
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
        """tau_exec, which needs its own bin in PATH, or what is preloaded in front of the command.

        In both ways only the application gets the libraries, not what stands around it.
        """
        chosen = _options(options)
        if chosen.launch == "preload":
            return Wrapper(_preloading(chosen), env=_environment(chosen), is_inner=True)
        words = _tau_exec(chosen)
        path = ("{toolchain}/bin",)
        return Wrapper(words, env=_environment(chosen), path=path, is_inner=True)

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """USR1 to what runs with TAU: it writes its profile and goes on. TERM would lose it."""
        return (StopStep("USR1", "mapped=libTAU", Wait.FILES, 10.0),)

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """PAPI metrics need the kernel's permission; everything else needs none."""
        wanted = [one for one in _options(options).metrics if one.startswith("PAPI_")]
        what = f"{', '.join(wanted)}: "
        return counters_refused(facts, PARANOID_LIMIT, what) if wanted else []

    def clashes(self, options: Frozen) -> frozenset[str]:
        """CUPTI serves one tool at a time."""
        chosen = _options(options)
        said = (*chosen.build_tags, chosen.binding or "", *chosen.args)
        uses = chosen.cuda or any(word in one for one in said for word in CUPTI_WORDS)
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
        return tau_verdict.usable(evidence)


def _options(options: Frozen) -> Options:
    assert isinstance(options, Options)  # noqa: S101 - for mypy: the registry pairs them
    return options


def _tau_exec(options: Options) -> tuple[str, ...]:
    """The words of tools/src/tau_exec. What -loadlib names is preloaded behind libTAU.so."""
    program = "tau_python" if options.python else "tau_exec"
    build = (
        (f"-XrunTAUsh-{options.binding}",)
        if options.binding
        else ("-T", ",".join(options.build_tags))
    )
    flags = {
        "-ebs": options.sampling,
        "-io": options.io,
        "-memory": options.memory,
        "-ompt": options.openmp,
        "-cupti": options.cuda,
        f"-loadlib={STOP_LIBRARY}": options.stop_thread,
    }
    wanted = (flag for flag, is_wanted in flags.items() if is_wanted)
    return (f"{{tool}}/bin/{program}", *build, *wanted, *options.args, "--")


def _preloading(options: Options) -> tuple[str, ...]:
    """The launcher becomes the command, with the libraries that tau_exec would preload.

    In its order; LD_LIBRARY_PATH as there, since libTAU.so's own libraries stand beside it.
    """
    wraps = {
        **dict.fromkeys(("-CudaQP", "-CUpti", "-CUact"), options.cuda),
        "-memorywrap": options.memory,
        "-iowrap": options.io,
        "-pthread": bool({"pthread", "tbb"} & set(options.build_tags)),
        "": True,
    }
    libraries = [f"{options.folder}/libTAU{one}.so" for one, wanted in wraps.items() if wanted]
    libraries += [STOP_LIBRARY] if options.stop_thread else []
    preloaded = ":".join([*libraries, f"{options.folder}/libTAU-preload.so"])
    search = f"LD_LIBRARY_PATH={options.folder}"
    return (
        *("{launcher}", "--exec", "--prepend", f"LD_PRELOAD={preloaded}"),
        *("--prepend", search, "--"),
    )


def _environment(options: Options) -> Mapping[str, str]:
    """TAU's settings (src/Profile/TauEnv.cpp). What the user's own environment says is overridden.

    TAU_TRACE alone would end profiling. TAU_SELECT_FILE is cut off after 7 bytes there, so what it
    stands for is said itself.
    """
    always = {
        "PROFILEDIR": "{run}/tau",
        "TRACEDIR": "{run}/tau",
        "TAU_PROFILE": "1",
        "TAU_PROFILE_FORMAT": FORMATS[options.format],
        "TAU_TRACE": _switch(options.tracing),
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
        "TAU_THROTTLE_NUMCALLS": options.throttle_calls,
        "TAU_THROTTLE_PERCALL": options.throttle_microseconds,
        **(_selection(options) if options.select_file else {}),
        **(_as_tau_exec_would(options) if options.launch == "preload" else {}),
    }
    return always | {name: str(value) for name, value in sometimes.items() if value}


def _selection(options: Options) -> Mapping[str, str]:
    return {
        "TAU_PLUGINS": f"libTAU-filter-plugin.so({options.select_file})",
        "TAU_PLUGINS_PATH": options.folder,
    }


def _as_tau_exec_would(options: Options) -> Mapping[str, str]:
    """What tau_exec sets for what is measured, but LD_AUDIT (for libraries opened later)."""
    gpu_metrics = ["TAUGPU_TIME" if one == "TIME" else one for one in options.metrics]
    library = f"{options.folder}/libTAU.so"
    sets = {
        "TAU_TRACK_HEAP": ("1", options.memory),
        "TAU_TRACK_MEMORY_LEAKS": ("1", options.memory),
        "OMP_TOOL": ("enabled", options.openmp),
        "OMP_TOOL_LIBRARIES": (library, options.openmp),
        "TAU_METRICS": (",".join(gpu_metrics), options.cuda),
        "NVTX_INJECTION64_PATH": (f"{options.folder}/libTAU-CUpti.so", options.cuda),
    }
    return {name: value for name, (value, wanted) in sets.items() if wanted}


def _switch(wanted: bool) -> str:
    return "1" if wanted else "0"


COLLECTOR: Collector = Tau()
