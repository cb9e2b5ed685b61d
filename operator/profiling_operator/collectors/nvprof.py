"""nvprof, NVIDIA's profiler of GPUs before Ampere: kernels, copies, CUDA calls and counters.

It wraps the command and has the CUDA driver load its library into each process that uses the GPU;
attached, it does so for processes that begin to use it (not tried on a GPU). Its logs have no wall
clock: times count from the start of the run; `output: database` has one. It measures GPUs of
compute capability 7.x and older. Its sampling of the CPU knows no child processes and fails with
glibc 2.34 and newer, so there is no option for it: perf does that. Logs that hold it are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field, StringConstraints

from profiling_operator.captures import (
    Capture,
    Evidence,
    Fate,
    Item,
    Verdict,
    attached_words,
    by_file,
    complained,
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
from profiling_operator.entries import GPU_KINDS, Kind
from profiling_operator.errors import Reason
from profiling_operator.formats import (
    nvprof_complaints,
    nvprof_csv,
    nvprof_gpus,
    nvprof_reading,
)
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import Word

# dram_read_throughput   all
Counter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=128)]
Counters = Annotated[tuple[Counter, ...], Field(max_length=256)]


class Options(Frozen):
    """What nvprof measures."""

    output: Literal["trace", "summary", "database"] = "trace"
    """`trace`: each kernel and copy by itself, with its time; `summary`: sums by name, which stay
    small however long the run is; `database`: each by itself with the wall clock's time, NVTX
    ranges and the tool's own overhead, in a file that the Visual Profiler opens, too. There, events
    and metrics have numbers instead of names. nvprof writes one of the three."""
    api: bool = False
    """Calls of the CUDA API, too: their times are the CPU's."""
    metrics: Counters = ()
    """Metrics of kernels, such as `dram_read_throughput`; `all` for all there are. Each kernel is
    run again for each group of them, so times are not those of a run without. Needs the driver's
    permission, and a GPU before Turing."""
    events: Counters = ()
    """Events of kernels, such as `warps_launched`, counted in the same way."""
    unified_memory: bool = True
    """Copies and page faults of unified memory, where the GPU has it."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More words for nvprof, before those for metrics and events: `--kernels`, `--devices`, ..."""


LOG = ("--log-file", "{run}/nvprof/nvprof-%p.csv")
PRINTS = {
    ("trace", False): ("--print-gpu-trace",),
    ("trace", True): ("--print-gpu-trace", "--print-api-trace"),
    ("summary", False): ("--print-gpu-summary",),
    ("summary", True): ("--print-gpu-summary", "--print-api-summary"),
}


class Nvprof:
    """The collector."""

    name: ClassVar[str] = "nvprof"
    modes: ClassVar[tuple[str, ...]] = ("wrap", "attach")
    formats: ClassVar[tuple[str, ...]] = ("nvprof CSV", "nvprof text", "nvprof database (SQLite)")
    options: ClassVar[type[Frozen]] = Options
    toolchain: ClassVar[Toolchain] = Toolchain(
        file="bin/nvprof",
        program="nvprof",
        usual=("/usr/local/cuda", "/usr/lib/nvidia-cuda-toolkit"),
        files=(
            "bin/nvprof",
            "targets/*/lib/libcuinj64.so*",
            "targets/*/lib/libaccinj64.so*",
            "targets/*/lib/libcupti.so*",
            "extras/CUPTI/lib64/libcupti.so*",
        ),
        is_dynamic=True,
        loads=("libcuinj64.so*", "libaccinj64.so*"),
        install="It comes with CUDA toolkits up to 12 (/usr/local/cuda, images nvidia/cuda:*-devel)"
        "; Debian: nvidia-profiler, in the components contrib and non-free.",
    )

    def wrap(self, options: Frozen) -> Wrapper:
        """`nvprof … --`; of an application's failure it returns a code of its own.

        Temporary files go to the run's folder: it can be written to where /tmp cannot.
        """
        words = (
            *("{tool}/bin/nvprof", "--profile-child-processes"),
            *_measured(cast(Options, options)),
            "--",
        )
        return Wrapper(words, env=TEMPORARY, hides_exit_code=True)

    def attach(self, options: Frozen) -> Attachment:
        """`nvprof --profile-all-processes`, which measures what its user starts, until INT.

        Not tried on a GPU. It has the CUDA driver load its library into processes that use CUDA for
        the first time while it runs: application and tool need one /dev/shm, and the toolkit at the
        same path. It is told no process; the application's is the name of what it measures.
        """
        words = (
            *("{tool}/bin/nvprof", "--profile-all-processes", "--process-name", "{pid}"),
            *_measured(cast(Options, options)),
        )
        stop = StopStep("INT", Target.TOOL, Wait.EXIT, 5.0)
        return Attachment(words, env=TEMPORARY, stop=stop)

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """The application ends first; then nvprof writes its log, and ends by itself.

        nvprof's library answers INT in the application: it hands over what it has, and exits.
        nvprof itself may get no signal, only time: INT and TERM kill it, without a log, once the
        application has ended.
        """
        return (
            StopStep("INT", Target.APP, Wait.EXIT, 20.0),
            StopStep("TERM", Target.APP, Wait.EXIT, 5.0),
            StopStep("KILL", Target.APP, Wait.EXIT, 5.0),
            StopStep("NONE", Target.TOOL, Wait.EXIT, 20.0),
        )

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """By the GPUs' names, if they are known; without a GPU, nvprof itself says so."""
        given = cast(Options, options)
        wants_counters = bool(given.metrics or given.events)
        found = [*_too_new(facts.gpu_models, wants_counters)]
        if wants_counters and facts.gpu_counters_admin_only and not _is_admin(facts):
            found.append(Impossible(Reason.COUNTERS_NOT_PERMITTED, ADMINS_ONLY))
        return found

    def clashes(self, options: Frozen) -> frozenset[str]:
        """CUPTI serves one tool at a time."""
        return frozenset({"cupti"})

    def knows(self, name: str, head: bytes) -> bool:
        """By the banners of nvprof's logs."""
        return nvprof_reading.knows(name, head)

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Each process has a log of its own."""
        return by_file(capture)

    def read(self, capture: Capture) -> Iterator[Item]:
        """Entries of each log, table by table; what nvprof complains of becomes notes."""
        return nvprof_reading.read(capture, frozenset(cast(Options, capture.options).events))

    def usable(self, evidence: Evidence) -> Verdict:
        """Something of a GPU was measured, or why not, in nvprof's own words."""
        if any(evidence.kinds.get(kind) for kind in (*GPU_KINDS, Kind.METRIC, Kind.COUNTER)):
            return Verdict(True)
        if not evidence.gpus and any(map(evidence.kinds.get, (Kind.TIMER, Kind.SAMPLE))):
            return Verdict(True)  # the CPU was sampled, and no GPU asked for
        printed = map(nvprof_csv.BANNER.fullmatch, evidence.log_tail.splitlines())
        said = [note.message for note in evidence.notes]
        said += [banner[2] for banner in printed if banner and banner[2]]
        said += attached_words(evidence).splitlines()
        return complained(nvprof_complaints.COMPLAINTS, said) or _without_words(evidence)


TEMPORARY = {"NVPROF_TMPDIR": "{run}/nvprof"}
ADMINS_ONLY = (
    "the driver keeps counters for administrators (RmProfilingAdminOnly: 1): load its module with "
    "NVreg_RestrictProfilingToAdminUsers=0, or grant CAP_SYS_ADMIN by the operator's settings"
)


def _measured(given: Options) -> Iterator[str]:
    """What nvprof measures, and where it writes that."""
    if given.output == "database":
        yield from ("--export-profile", "{run}/nvprof/nvprof-%p.nvprof", *LOG)
        yield from () if given.api else ("--profile-api-trace", "none")
    else:
        yield from ("--csv", *LOG, "--normalized-time-unit", "ns")
        yield from PRINTS[given.output, given.api]
    yield from () if given.unified_memory else ("--unified-memory-profiling", "off")
    yield from given.args
    for key, names in (("--metrics", given.metrics), ("--events", given.events)):
        yield from (key, ",".join(names)) if names else ()


def _too_new(models: Sequence[str], wants_counters: bool) -> Iterator[Impossible]:
    """GPUs that nvprof does not know; only if the job can get no other."""
    limit = nvprof_gpus.NO_COUNTERS if wants_counters else nvprof_gpus.NO_TRACE
    known = [nvprof_gpus.capability(model) for model in models]
    newer = [one for one in known if one is not None and one >= limit]
    if not models or len(newer) < len(models):
        return
    what = "events and metrics of " if newer[0] < nvprof_gpus.NO_TRACE else ""
    other = "ncu for these" if what else "nsys"
    words = (
        f"{models[0]} has compute capability {newer[0][0]}.{newer[0][1]}; nvprof measures {what}"
        f"GPUs below {limit[0]}.{limit[1]} only: use {other}"
    )
    yield Impossible(Reason.TOOLCHAIN_INCOMPATIBLE, words)


def _is_admin(facts: Facts) -> bool:
    held = {one.upper().removeprefix("CAP_") for one in facts.capabilities}
    return "SYS_ADMIN" in held


NO_FILE = "the tool left no file"
ONLY_API = "nothing but calls of the CUDA API was measured"
ONLY_CPU = "nothing but the CPU's work was measured"
ADVICE = "does the application use a GPU, and does the job ask for one (spec.gpu)?"


def _without_words(evidence: Evidence) -> Verdict:
    """The verdict where nvprof complained of nothing."""
    common = judge_common(evidence)
    if common and common.reason is Reason.OUTPUT_UNREADABLE:
        return common
    kept = [f"{one.path}: {one.message}" for one in evidence.notes if one.fate is Fate.RAW]
    only = ONLY_API if evidence.kinds.get(Kind.API) else ONLY_CPU
    found = [only] if evidence.entries else kept or [NO_FILE]
    return Verdict(False, Reason.NO_GPU_DATA, f"{found[0]}; {ADVICE}")


COLLECTOR: AttachingCollector = Nvprof()
