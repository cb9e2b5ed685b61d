"""The TAU collector reads: samples of TAU's files, damaged ones, and every real file at hand."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profiling_operator import artifacts
from profiling_operator.captures import Capture, Evidence, Fate, FileNote, Metadata
from profiling_operator.collectors import tau
from profiling_operator.entries import GPU_KINDS, Entry, Kind
from profiling_operator.errors import Reason

SAMPLES = Path(__file__).parent.parent / "samples/tau"
SHARED = Path(__file__).parents[3] / "shared/data/tau"
STARTED = 1_700_000_000_000_000_000
TAU = tau.COLLECTOR

needs_shared = pytest.mark.needs("shared")


class Read:
    """What the collector made of a folder."""

    def __init__(self, folder: Path, **more: Any) -> None:
        found = artifacts.scan(folder).artifacts
        capture = Capture(found, tau.Options(), STARTED, job="ns/job", run=2, **more)
        items = list(TAU.read(capture))
        self.artifacts = found
        self.entries = [item for item in items if isinstance(item, Entry)]
        self.notes = [item for item in items if isinstance(item, FileNote)]
        self.metadata = [item.values for item in items if isinstance(item, Metadata)]

    @property
    def fates(self) -> dict[str, Fate]:
        """Of every file."""
        return {note.path: note.fate for note in self.notes if note.fate}

    @property
    def evidence(self) -> Evidence:
        """As the uploader gathers it."""
        return Evidence(
            entries=len(self.entries),
            kinds=Counter(entry.kind for entry in self.entries),
            notes=self.notes,
            names=len({entry.name for entry in self.entries if entry.additive}),
        )

    def named(self, name: str) -> list[Entry]:
        """Entries of a name."""
        return [entry for entry in self.entries if entry.name == name]


def test_call_paths_and_messages_of_mpi_ranks() -> None:
    """A real set: four ranks, call paths, events per message."""
    read = Read(SAMPLES / "2.34/mpi-callpath-comm", host="node1")

    assert {entry.process for entry in read.entries} == {0, 1, 2, 3}
    assert {(entry.run, entry.job, entry.host) for entry in read.entries} == {
        (2, "ns/job", "node1")
    }
    path = (".TAU application", "taupreload_main", "MPI_Sendrecv()")
    assert {entry.additive for entry in read.entries if entry.path == path} == {False}
    sent = [entry for entry in read.named("Message size sent to all nodes") if entry.additive]
    assert [(entry.value, entry.calls, entry.unit) for entry in sent] == [(480, 60, "By")] * 4
    assert set(read.fates.values()) == {Fate.CONVERTED}


def test_several_metrics() -> None:
    """Each metric's entries are named after it; all have the run's one start."""
    read = Read(SAMPLES / "2.34/multi-metric")

    assert {(e.metric, e.unit) for e in read.entries} == {
        ("TIME", "ns"),
        ("CPU_TIME", "ns"),
        ("GET_TIME_OF_DAY", "ns"),
    }
    roots = [entry.inclusive for entry in read.named(".TAU application") if entry.thread == 0]
    assert roots == [941_354_000, 513_859_000, 513_856_000]
    assert len({entry.time for entry in read.entries if entry.thread == 0}) == 1
    assert len(read.metadata) == 1


def test_samples_with_their_stacks() -> None:
    """Samples overlap timers; stacks are readable paths."""
    read = Read(SAMPLES / "2.34/threads-ebs-unwind")
    samples = [entry for entry in read.entries if entry.kind is Kind.SAMPLE]

    assert not any(entry.additive for entry in samples)
    assert {(e.attributes or {})["role"] for e in samples} == {"sample", "context", "unwind"}
    assert not any("[SAMPLE]" in part for e in samples for part in (e.name, *(e.path or ())))
    flat = [e for e in samples if not e.path and (e.attributes or {})["role"] == "sample"]
    assert sum(entry.calls or 0 for entry in flat if entry.thread == 1) == 15


def test_profile_of_a_program_stopped_by_a_signal() -> None:
    """The timestamp is TAU's own; people and commands are not in the metadata."""
    read = Read(SAMPLES / "2.34/sigusr1")

    assert {entry.time for entry in read.entries} == {"2026-11-23T12:32:05.520891000Z"}
    assert {entry.clock for entry in read.entries} == {None}
    assert read.metadata[0]["TAU Version"] == "2.34-git"
    assert "Command Line" not in read.metadata[0]
    verdict = TAU.usable(read.evidence)
    assert verdict.usable or "no sample has a name" in verdict.message


def test_personal_facts_when_asked_for() -> None:
    """The command line and TAU's own host name."""
    read = Read(SAMPLES / "2.34/sigusr1", host="pod", personal=True)

    assert read.metadata[0]["Command Line"] == "/app/forever"
    assert {entry.host for entry in read.entries} == {"vm"}


def test_without_metadata_the_run_start_is_taken() -> None:
    """And the entries say so."""
    read = Read(SAMPLES / "hand-made/old-header")

    assert {(entry.time, entry.clock) for entry in read.entries} == {
        ("2023-11-14T22:13:20.000000000Z", "anchored")
    }
    assert read.metadata == []


def test_metadata_is_gathered_over_metrics(tmp_path: Path) -> None:
    """Only one metric's file tells the start; both metrics get it. Events are taken once."""
    for metric in ("TIME", "PAPI_TOT_INS"):
        folder = tmp_path / f"MULTI__{metric}"
        shutil.copytree(SAMPLES / "hand-made/context-events", folder)
        file = folder / "profile.0.0.0"
        file.write_bytes(file.read_bytes().replace(b"TIME", metric.encode()))
    first = tmp_path / "MULTI__PAPI_TOT_INS/profile.0.0.0"
    first.write_bytes(first.read_bytes().replace(b"Starting", b"Ending"))
    read = Read(tmp_path)

    assert {entry.time for entry in read.entries} == {"2026-11-23T12:21:04.427427000Z"}
    assert {(e.metric, e.unit) for e in read.named("main")} == {
        ("TIME", "ns"),
        ("PAPI_TOT_INS", "1"),
    }
    assert len(read.named("Heap Memory Used (KB) at Entry")) == 2
    assert not [note for note in read.notes if note.message]


def test_dumps() -> None:
    """The final profile is read; the dump that it supersedes says so; other dumps are read."""
    read = Read(SAMPLES / "hand-made/dumps")

    assert read.fates == {
        "profile.0.0.0": Fate.CONVERTED,
        "dump.0.0.1": Fate.CONVERTED,
        "dump.0.0.0": Fate.RAW,
    }
    assert {(entry.thread, entry.name) for entry in read.entries} >= {(0, "a"), (1, "b")}


def test_foreign_files() -> None:
    """What is TAU's but not read, what is not TAU's, and what only seems so."""
    read = Read(SAMPLES / "hand-made/foreign")
    messages = {note.path: (note.fate, note.message) for note in read.notes}

    assert read.entries == []
    assert {messages[one][0] for one in ("tautrace.0.0.0.trc", "snapshot.0.0.0")} == {Fate.REFUSED}
    assert "events.0.edf" in messages["tautrace.0.0.0.trc"][1]
    assert messages["core"] == messages["libfoo.so.1.2.3"] == (Fate.RAW, "not a file of TAU's")
    assert messages["profile.0.0.0"][0] is Fate.REFUSED
    assert TAU.usable(read.evidence).reason is Reason.OUTPUT_UNREADABLE


def test_truncated_files() -> None:
    """What is whole is kept; where nothing is, the file is refused; the verdict is good."""
    read = Read(SAMPLES / "hand-made/truncated")
    refused = {path for path, fate in read.fates.items() if fate is Fate.REFUSED}

    assert refused == {"profile.4.0.0", "profile.5.0.0"}
    assert all(note.message.startswith("truncated") for note in read.notes)
    assert TAU.usable(read.evidence).usable


def test_a_negative_node_is_kept() -> None:
    """TAU's Java reader drops it."""
    read = Read(SAMPLES / "hand-made/negative-node")

    assert {entry.process for entry in read.entries} == {-1}
    assert "rank" in read.notes[0].message


def test_the_same_metric_twice_is_counted_once(tmp_path: Path) -> None:
    """A folder in which a run with one metric followed one with two."""
    shutil.copytree(SAMPLES / "hand-made/negative", tmp_path / "MULTI__TIME")
    shutil.copy(SAMPLES / "hand-made/negative/profile.0.0.0", tmp_path)
    read = Read(tmp_path)

    assert Counter(read.fates.values()) == {Fate.CONVERTED: 1, Fate.RAW: 1}
    assert len(read.named("a")) == 1


@pytest.mark.parametrize("case", sorted(path.name for path in (SAMPLES / "hand-made").iterdir()))
def test_every_sample_is_read_without_raising(case: str) -> None:
    """Each file has one fate, each entry is valid JSON of the schema."""
    read = Read(SAMPLES / "hand-made" / case)

    check_fates(read)
    for entry in read.entries:
        assert msgspec.json.decode(msgspec.json.encode(entry), type=Entry) == entry


def test_hint_for_a_program_that_is_not_instrumented() -> None:
    """A real case: no sampling, nothing instrumented."""
    verdict = TAU.usable(Read(SAMPLES / "hand-made/only-root").evidence)

    assert verdict.reason is Reason.NOTHING_MEASURED
    assert "sampling: true" in verdict.message


def check_fates(read: Read) -> None:
    """Every file has exactly one note with a fate."""
    counted = Counter(note.path for note in read.notes if note.fate)
    assert counted == {artifact.path: 1 for artifact in read.artifacts}


def by_thread(entries: Iterable[Entry]) -> dict[tuple[Any, ...], list[Entry]]:
    """Additive times of each thread and metric: GPUs' kernels and copies have threads, too."""
    threads = defaultdict(list)
    for entry in entries:
        if entry.additive and entry.kind in {Kind.TIMER, *GPU_KINDS}:
            folder = (entry.attributes or {}).get("folder")
            key = (folder, entry.process, entry.context, entry.thread, entry.metric)
            threads[key].append(entry)
    return threads


def real_folders() -> list[str]:
    """Every folder of shared data with text profiles in it."""
    if not SHARED.is_dir():
        return []
    files = [path for path in SHARED.rglob("profile.*.*.*") if path.is_file()]
    folders = {str(path.parent.relative_to(SHARED)).split("/MULTI__")[0] for path in files}
    return sorted(folders)


@needs_shared
@pytest.mark.parametrize("folder", real_folders())
def test_additive_values_give_the_total_of_each_thread(folder: str) -> None:
    """Summing what is additive neither loses time nor counts it twice."""
    read = Read(SHARED / folder)
    check_fates(read)

    assert by_thread(read.entries)
    for thread, entries in by_thread(read.entries).items():
        total = max(entry.inclusive or 0 for entry in entries)
        added = sum(entry.exclusive or 0 for entry in entries)
        assert added == pytest.approx(total, rel=0.001), thread


@needs_shared
@pytest.mark.parametrize("folder", real_folders())
def test_user_events_keep_their_totals(folder: str) -> None:
    """Summed over the lines of the first metric, read here in the plainest way."""
    read = Read(SHARED / folder)
    files = sorted((SHARED / folder).glob("profile.*.*.*"))
    expected: dict[str, float] = defaultdict(float)
    for file in files or sorted((SHARED / folder).glob("MULTI__PAPI_L1_DCM/profile.*")):
        _, _, events = file.read_text(errors="replace").partition("# eventname")
        for line in events.splitlines()[1:]:
            name, numbers = line[1:].rsplit('" ', 1)
            times, _, _, mean, _ = (float(number) for number in numbers.split())
            if not any(mark in name for mark in (" : ", "[GROUP=", " | ")):
                expected[" ".join(name.split())] += times * mean
    found: dict[str, float] = defaultdict(float)
    for entry in read.entries:
        if entry.kind is Kind.COUNTER and entry.additive:
            found[entry.name] += entry.value or 0

    assert found == pytest.approx(expected, rel=1e-12)


@needs_shared
def test_units_of_all_real_metrics() -> None:
    """Clocks are nanoseconds, counters have no unit."""
    read = Read(SHARED)
    check_fates(read)

    assert {(entry.metric, entry.unit) for entry in read.entries if entry.metric} == {
        ("TIME", "ns"),
        ("CPU_TIME", "ns"),
        ("GET_TIME_OF_DAY", "ns"),
        ("TAUGPU_TIME", "ns"),
        ("PAPI_L1_DCM", "1"),
        ("PAPI_TOT_CYC", "1"),
    }
    skipped = [note for note in read.notes if note.fate not in {Fate.CONVERTED, None}]
    assert all(note.message for note in skipped)
    assert not any(Path(note.path).name.startswith("profile.") for note in skipped)
