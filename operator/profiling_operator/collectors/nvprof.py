"""nvprof, NVIDIA's profiler of GPUs before Ampere: kernels, copies, CUDA calls and counters.

It wraps the command and has the CUDA driver load its library into each process that uses the GPU.
Its CSV has no wall clock: times count from the start of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field, StringConstraints

from profiling_operator.artifacts import Artifact
from profiling_operator.captures import (
    Capture,
    Evidence,
    Fate,
    FileNote,
    Item,
    Metadata,
    Verdict,
    by_file,
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
)
from profiling_operator.entries import GPU_KINDS, Kind
from profiling_operator.errors import ArtifactError, Reason
from profiling_operator.formats import nvprof_complaints, nvprof_csv, nvprof_entries
from profiling_operator.formats.nvprof_csv import Level, Malformed, Notice, Row, TextTable
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import Word

# dram_read_throughput   all
Counter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=128)]
Counters = Annotated[tuple[Counter, ...], Field(max_length=256)]

NOTES_PER_FILE = 20
# Profiling application: ./a.out 3
PROGRAM = re.compile(r"Profiling application: (.*)")
# nvprof-4711.csv
LOG = re.compile(r"nvprof-\d+\.csv")
# nvprof-tmp-4711-host
TEMPORARY = re.compile(r"nvprof-tmp-.*", re.DOTALL)
KNOWN_MAGIC = {
    b"SQLit": "a profile database of nvprof's: not read yet",
    b"<?xml": "a session of the Visual Profiler: not read",
}
MAGIC_BYTES = 5


class Options(Frozen):
    """What nvprof measures."""

    output: Literal["trace", "summary"] = "trace"
    """`trace`: each kernel and copy by itself, with its time; `summary`: sums by name, which stay
    small however long the run is. nvprof writes one or the other."""
    api: bool = False
    """Calls of the CUDA API, too: their times are the CPU's."""
    metrics: Counters = ()
    """Metrics of kernels, such as `dram_read_throughput`; `all` for all there are. Each kernel is
    run again for each group of them, so times are not those of a run without. Needs the driver's
    permission, and a GPU before Turing."""
    events: Counters = ()
    """Events of kernels, such as `warps_launched`, counted in the same way."""
    args: Annotated[tuple[Word, ...], Field(max_length=64)] = ()
    """More words for nvprof, before those for metrics and events: `--kernels`, `--devices`, ..."""


PRINTS = {
    ("trace", False): ("--print-gpu-trace",),
    ("trace", True): ("--print-gpu-trace", "--print-api-trace"),
    ("summary", False): ("--print-gpu-summary",),
    ("summary", True): ("--print-gpu-summary", "--print-api-summary"),
}


class Nvprof:
    """The collector."""

    name: ClassVar[str] = "nvprof"
    modes: ClassVar[tuple[str, ...]] = ("wrap",)
    formats: ClassVar[tuple[str, ...]] = ("nvprof CSV",)
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
        given = cast(Options, options)
        counters = {"--metrics": given.metrics, "--events": given.events}
        words = (
            *("{tool}/bin/nvprof", "--csv", "--log-file", "{run}/nvprof/nvprof-%p.csv"),
            *("--profile-child-processes", "--normalized-time-unit", "ns"),
            *PRINTS[given.output, given.api],
            *given.args,
            *(word for key, names in counters.items() if names for word in (key, ",".join(names))),
            "--",
        )
        return Wrapper(words, env={"NVPROF_TMPDIR": "{run}/nvprof"}, hides_exit_code=True)

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
        """Nothing is known of the GPU before the start; without one, nvprof itself says so."""
        return []

    def clashes(self, options: Frozen) -> frozenset[str]:
        """CUPTI serves one tool at a time."""
        return frozenset({"cupti"})

    def knows(self, name: str, head: bytes) -> bool:
        """By the banners of nvprof's logs."""
        return nvprof_csv.BANNER_LINE.search(head) is not None

    def split(self, capture: Capture) -> Sequence[Capture]:
        """Each process has a log of its own."""
        return by_file(capture)

    def read(self, capture: Capture) -> Iterator[Item]:
        """Entries of each log, table by table; what nvprof complains of becomes notes."""
        for artifact in capture.artifacts:
            try:
                yield from _Log(capture, artifact).items()
            except (ArtifactError, OSError) as error:
                yield FileNote(artifact.path, Fate.REFUSED, str(error))

    def usable(self, evidence: Evidence) -> Verdict:
        """Something of a GPU was measured, or why not, in nvprof's own words."""
        if any(evidence.kinds.get(kind) for kind in (*GPU_KINDS, Kind.METRIC, Kind.COUNTER)):
            return Verdict(True)
        printed = map(nvprof_csv.BANNER.fullmatch, evidence.log_tail.splitlines())
        said = [note.message for note in evidence.notes]
        said += [banner[2] for banner in printed if banner and banner[2]]
        meaning = nvprof_complaints.meaning(said)
        return Verdict(False, *meaning) if meaning else _without_words(evidence)


NO_FILE = "the tool left no file"
ONLY_API = "nothing but calls of the CUDA API was measured"
ADVICE = "does the application use a GPU, and does the job ask for one (spec.gpu)?"


def _without_words(evidence: Evidence) -> Verdict:
    """The verdict where nvprof complained of nothing."""
    common = judge_common(evidence)
    if common and common.reason is Reason.OUTPUT_UNREADABLE:
        return common
    kept = [f"{one.path}: {one.message}" for one in evidence.notes if one.fate is Fate.RAW]
    found = [ONLY_API] if evidence.entries else kept or [NO_FILE]
    return Verdict(False, Reason.NO_GPU_DATA, f"{found[0]}; {ADVICE}")


class _Log:
    """One file on its way to entries."""

    def __init__(self, capture: Capture, artifact: Artifact) -> None:
        events = frozenset(cast(Options, capture.options).events)
        place = nvprof_entries.Place(
            capture.started, capture.job, capture.run, capture.host, events=events
        )
        self._artifact = artifact
        self._personal = capture.personal
        self._reading = nvprof_entries.Reading(place)
        self._entries = 0
        self._notes = 0
        self._malformed = 0
        self._is_cut = False
        self._is_nvprofs = False
        self._has_text_tables = False

    def items(self) -> Iterator[Item]:
        """The file's entries, and its notes."""
        with self._artifact.open() as stream:
            known = KNOWN_MAGIC.get(stream.read(MAGIC_BYTES))
            if known:
                yield FileNote(self._artifact.path, Fate.RAW, known)
                return
            stream.seek(0)
            for found in nvprof_csv.read(stream):
                yield from self._items_of(found)
        for total in self._reading.totals():
            self._entries += 1
            yield total
        yield self._fate()

    def _items_of(self, found: nvprof_csv.Found) -> Iterator[Item]:
        match found:
            case Row():
                yield from self._made(self._reading.entries(found))
            case Notice():
                self._is_nvprofs = True
                yield from self._of_notice(found)
            case TextTable():
                self._has_text_tables = True
            case Malformed():
                yield from self._of_malformed(found)

    def _made(self, made: Iterator[nvprof_entries.Made]) -> Iterator[Item]:
        self._is_nvprofs = True
        for one in made:
            if isinstance(one, Malformed):
                yield from self._of_malformed(one)
                continue
            self._entries += 1
            yield one

    def _of_notice(self, notice: Notice) -> Iterator[Item]:
        """Complaints become notes; the rest names the command, which may hold secrets."""
        program = PROGRAM.fullmatch(notice.text)
        if program and self._personal:
            yield Metadata({"application": program[1]})
        counted = list(self._reading.page_faults(notice))
        yield from self._made(iter(counted))
        if notice.level is not Level.INFO and not counted:
            words = f"{notice.level}: " if notice.level is not Level.PLAIN else ""
            yield from self._noted(f"{words}{notice.text}", notice.line)

    def _of_malformed(self, found: Malformed) -> Iterator[FileNote]:
        self._is_cut = self._is_cut or found.message == nvprof_csv.CUT
        self._malformed += found.message != nvprof_csv.CUT
        yield from self._noted(found.message, found.line) if self._is_nvprofs else ()

    def _noted(self, message: str, line: int) -> Iterator[FileNote]:
        self._notes += 1
        if self._notes <= NOTES_PER_FILE:
            yield FileNote(self._artifact.path, None, message, line)

    def _fate(self) -> FileNote:
        """What became of the file, now that all of it was read."""
        path = self._artifact.path
        if not self._is_nvprofs:
            return self._foreign()
        if self._has_text_tables and not self._entries:
            return FileNote(
                path, Fate.RAW, "nvprof's tables for people, without --csv: not read yet"
            )
        remarks = {
            nvprof_csv.CUT: self._is_cut,
            f"{self._malformed} malformed lines left out": self._malformed,
            f"{self._notes - NOTES_PER_FILE} more notes": self._notes > NOTES_PER_FILE,
            "holds no measurement": not self._entries,
        }
        message = "; ".join(remark for remark, holds in remarks.items() if holds)
        return FileNote(path, Fate.CONVERTED, message)

    def _foreign(self) -> FileNote:
        """A file without any word of nvprof's; its own log may be empty."""
        path = self._artifact.path
        if TEMPORARY.fullmatch(self._artifact.name):
            return FileNote(path, Fate.RAW, "nvprof's temporary data, which it did not get to read")
        if LOG.fullmatch(self._artifact.name) and (self._is_cut or not self._artifact.size):
            return FileNote(path, Fate.REFUSED, "truncated: it holds no whole line")
        return FileNote(path, Fate.RAW, "not a file of nvprof's")


COLLECTOR: Collector = Nvprof()
