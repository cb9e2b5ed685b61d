"""Nsight Systems: one time line of kernels, copies, CUDA calls, ranges, system calls and samples.

It wraps the command, and loads a library into what it starts. Afterwards its report becomes an
SQLite database, which is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from profiling_operator.captures import (
    Capture,
    Evidence,
    Fate,
    Item,
    Verdict,
    complained,
    first_note,
    judge_common,
)
from profiling_operator.collectors import (
    Collector,
    Facts,
    Impossible,
    StopStep,
    Target,
    Toolchain,
    Wait,
    Wrapper,
    counters_refused,
)
from profiling_operator.entries import GPU_KINDS, NANOSECONDS
from profiling_operator.errors import Reason
from profiling_operator.formats import nsys_complaints, nsys_reading
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import Word

Api = Literal[
    "cuda", "nvtx", "osrt", "cublas", "cudnn", "cusparse", "mpi", "ucx", "oshmem", "openacc",
    "openmp", "opengl", "vulkan", "nvvideo",
]  # fmt: skip
Seconds = Annotated[int, Field(ge=1, le=86_400)]

PARANOID_LIMIT = 2
LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 63, 8000  # 16 ms and 125 us, as nsys has it
EXPORT_SECONDS = 300.0
REPORT = "{run}/nsys/nsys"


class Options(Frozen):
    """What nsys measures."""

    trace: Annotated[tuple[Api, ...], Field(max_length=14)] = ("cuda", "nvtx", "osrt")
    """What is traced: `cuda` kernels, copies and calls; `nvtx` the program's own ranges; `osrt`
    calls of the C library that may block; the others are libraries. None of them: only samples."""
    cuda: Literal["auto", "hw", "sw"] = "auto"
    """How CUDA is traced, by an nsys of 2025 or newer: `sw` by CUPTI's records, `hw` by the GPU
    itself. Set `sw` where a window (duration) brings no kernels with CUDA 13."""
    cuda_graph_trace: Literal["auto", "graph", "node"] = "auto"
    """CUDA graphs as wholes (`graph`: little overhead) or kernel by kernel (`node`); `auto` is
    what nsys takes for the driver."""
    sampling: bool = False
    """Sample the processors' work, too, with call stacks, and trace which thread runs when. Needs
    the system call perf_event_open. nsys 2022.4 was seen to hang at the end on Linux 6.18."""
    frequency: Annotated[int, Field(ge=LOWEST_FREQUENCY, le=HIGHEST_FREQUENCY)] = 1000
    """Samples per second of a thread that runs. Where nsys counts the processor's cycles instead,
    it is more: the time between samples is then found from the samples."""
    call_graph: Literal["fp", "dwarf", "lbr", "none"] = "fp"
    """How callers are found: `fp` by frame pointers, which the program must be compiled with
    (-fno-omit-frame-pointer); `dwarf` without them; `lbr` by some processors' own records."""
    delay: Seconds | None = None
    """Seconds from the application's start until measuring begins."""
    duration: Seconds | None = None
    """Seconds that are measured. The application goes on afterwards. Unset: to its end, which is
    safest: some applications stall when nsys leaves them."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More words for `nsys profile`, such as `--gpu-metrics-device=all`."""


class Nsys:
    """The collector."""

    name: ClassVar[str] = "nsys"
    modes: ClassVar[tuple[str, ...]] = ("wrap",)
    formats: ClassVar[tuple[str, ...]] = ("Nsight Systems SQLite export",)
    options: ClassVar[type[Frozen]] = Options
    toolchain: ClassVar[Toolchain] = Toolchain(
        file="bin/nsys",
        program="nsys",
        usual=("/usr/lib/nsight-systems", "/usr/local/cuda"),
        preloads=("target-linux-*/libToolsInjectionProxy64.so",),
        install="NVIDIA's package nsight-systems or nsight-systems-cli, or a CUDA toolkit; Debian: "
        "nsight-systems, in the components contrib and non-free.",
    )

    def wrap(self, options: Frozen) -> Wrapper:
        """`nsys profile …`, and `nsys export` after it.

        Debian's nsys does not find its own importer, and leaves a raw recording: the importer is
        called first, which finds nothing to do for any other nsys. The report is exported here,
        since that needs an nsys of the same version.
        """
        given = cast(Options, options)
        report = (f"--output={REPORT}.sqlite", f"{REPORT}.nsys-rep")
        return Wrapper(
            words=("{tool}/bin/nsys", "profile", *_profile_words(given), *given.args),
            hides_exit_code=True,
            system_calls=("perf_event_open",) if given.sampling else (),
            after=(
                *("{tool}/host-linux-x64/QdstrmImporter", "-i", f"{REPORT}.qdstrm"),
                ";",
                *("{tool}/bin/nsys", "export", "--type=sqlite", "--force-overwrite=true", *report),
            ),
            after_output="{run}/nsys/export.out",
            after_seconds=EXPORT_SECONDS,
        )

    def stop(self, options: Frozen) -> tuple[StopStep, ...]:
        """INT to nsys, which ends the application and writes its report.

        Never the application first: nsys's agent is one of its descendants, and ended with it there
        is no report. What is written in 30 s was written in 6 s.
        """
        return (StopStep("INT", Target.TOOL, Wait.EXIT, 30.0),)

    def preflight(self, facts: Facts, options: Frozen) -> list[Impossible]:
        """Without the right to sample, nsys only warns; impossible where nothing else is asked."""
        given = cast(Options, options)
        only_samples = given.sampling and not given.trace
        return counters_refused(facts, PARANOID_LIMIT) if only_samples else []

    def clashes(self, options: Frozen) -> frozenset[str]:
        """CUPTI serves one tool at a time; the kernel's counters are shared."""
        return frozenset({"cupti"} if "cuda" in cast(Options, options).trace else ())

    def knows(self, name: str, head: bytes) -> bool:
        """By its reports' own words, or a database's name."""
        return nsys_reading.knows(name, head)

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Exports in parts, each with its report."""
        return nsys_reading.split(capture)

    def read(self, capture: Capture) -> Iterator[Item]:
        """Entries of each export; what nsys complains of becomes notes."""
        given = cast(Options, capture.options)
        return nsys_reading.read(capture, NANOSECONDS // given.frequency, "cuda" in given.trace)

    def usable(self, evidence: Evidence) -> Verdict:
        """Something was measured, of the GPU where one was asked for; or why not."""
        if damaged := first_note(evidence, nsys_reading.DAMAGED):
            return Verdict(False, Reason.OUTPUT_TRUNCATED, damaged)
        has_gpu = any(evidence.kinds.get(kind) for kind in GPU_KINDS)
        if evidence.entries and (has_gpu or not _expects_gpu(evidence)):
            return Verdict(True)
        said = [*evidence.log_tail.splitlines(), *(one.message for one in evidence.notes)]
        return complained(nsys_complaints.COMPLAINTS, said) or _without_words(evidence)


ADVICE = (
    "does the application use the GPU, and was it measured while it did? With CUDA 13 and a window "
    "set cuda: sw"
)
EMPTY_ADVICE = "did the application run long enough to be measured, and is it dynamically linked?"


def _expects_gpu(evidence: Evidence) -> bool:
    """A GPU was asked for, and CUDA was traced."""
    return evidence.gpus > 0 and not any(
        nsys_reading.NO_CUDA in one.message for one in evidence.notes
    )


def _without_words(evidence: Evidence) -> Verdict:
    """The verdict where nsys complained of nothing."""
    if evidence.entries:
        return Verdict(False, Reason.NO_GPU_DATA, f"nothing of a GPU was measured; {ADVICE}")
    left = [one for one in evidence.notes if one.fate is Fate.REFUSED]
    if not left and nsys_complaints.hung(evidence.log_tail):
        return Verdict(False, Reason.COLLECTOR_HUNG, nsys_complaints.HUNG)
    reports = [one for one in left if one.path.endswith(nsys_reading.REPORTS)]
    if reports:
        message = f"{reports[0].path}: {reports[0].message}"
        return Verdict(False, Reason.COLLECTOR_FAILED, message)
    common = judge_common(evidence)
    if common and common.reason is not Reason.NOTHING_MEASURED:
        return common
    if _expects_gpu(evidence):
        return Verdict(False, Reason.NO_GPU_DATA, f"nothing was measured; {ADVICE}")
    message = common.message if common else "nothing was measured"
    return Verdict(False, Reason.NOTHING_MEASURED, f"{message}; {EMPTY_ADVICE}")


def _profile_words(options: Options) -> Iterator[str]:
    cuda = "cuda" if options.cuda == "auto" else f"cuda-{options.cuda}"
    traced = [cuda if one == "cuda" else one for one in dict.fromkeys(options.trace)]
    yield f"--trace={','.join(traced) or 'none'}"
    if options.sampling:
        period = NANOSECONDS // options.frequency
        yield from ("--sample=process-tree", f"--sampling-period={period}")
        yield f"--backtrace={options.call_graph}"
    else:
        yield from ("--sample=none", "--cpuctxsw=none")
    if options.cuda_graph_trace != "auto":
        yield f"--cuda-graph-trace={options.cuda_graph_trace}"
    if options.delay:
        yield f"--delay={options.delay}"
    if options.duration:
        yield from (f"--duration={options.duration}", "--kill=none")
    yield from ("--force-overwrite=true", f"--output={REPORT}")


COLLECTOR: Collector = Nsys()
