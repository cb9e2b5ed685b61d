"""Nsight Systems' files: made up ones, damaged ones, and every real export at hand."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import made_up_nsys
from made_up_nsys import SESSION, UTC
from profiling_operator import artifacts
from profiling_operator.captures import Capture, Fate, FileNote, Item, Metadata
from profiling_operator.entries import Entry, Kind, epoch_nanoseconds
from profiling_operator.formats import nsys_reading
from profiling_operator.frozen import Frozen

SAMPLES = Path(__file__).parent.parent / "samples/nsys"
SHARED = Path(__file__).parents[3] / "shared/data/nsys"
EXPORTS = ("lighttransport", "saxpy-mpi-cuda_nsys_perlmutter0")
STARTED = 1_700_000_000_000_000_000

needs_shared = pytest.mark.needs("shared")


class Read:
    """What the reader made of a folder."""

    def __init__(self, folder: Path, **more: Any) -> None:
        found = artifacts.scan(folder).artifacts
        self.capture = Capture(found, Frozen(), STARTED, job="ns/job", run=2, **more)
        self._take(list(nsys_reading.read(self.capture)))

    def _take(self, items: list[Item]) -> None:
        self.entries = [item for item in items if isinstance(item, Entry)]
        self.notes = [item for item in items if isinstance(item, FileNote)]
        self.metadata = [item.values for item in items if isinstance(item, Metadata)]

    @property
    def fates(self) -> dict[str, Fate]:
        """Of every file."""
        return {note.path: note.fate for note in self.notes if note.fate}

    @property
    def kinds(self) -> Counter[str]:
        """How many entries of each kind."""
        return Counter(one.kind.value for one in self.entries)

    def of(self, kind: Kind) -> list[Entry]:
        """Entries of a kind."""
        return [one for one in self.entries if one.kind is kind]


HAS = "SELECT 1 FROM sqlite_master WHERE name = '{}'"
SUMS = 'SELECT count(*), sum("end" - start) FROM {}'
COUNT = "SELECT count(*) FROM {}"
SPAN = "SELECT min(start), max(start) FROM {}"


def query(path: Path, text: str) -> list[tuple[Any, ...]]:
    """Plain SQL on a database."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(text).fetchall()


def total(path: Path, table: str) -> tuple[int, int]:
    """Rows of a table, and the sum of their durations; nothing where it is not there."""
    if not query(path, HAS.format(table)):
        return 0, 0
    count, time = query(path, SUMS.format(table))[0]
    return count, time or 0


def told(entries: list[Entry]) -> tuple[int, float]:
    """How many, and the sum of their durations."""
    return len(entries), sum(one.duration or 0 for one in entries)


TABLES = {
    "CUPTI_ACTIVITY_KIND_KERNEL": Kind.KERNEL,
    "CUPTI_ACTIVITY_KIND_MEMCPY": Kind.MEMCPY,
    "CUPTI_ACTIVITY_KIND_MEMSET": Kind.MEMSET,
    "CUPTI_ACTIVITY_KIND_RUNTIME": Kind.API,
}


def agree(path: Path, read: Read) -> None:
    """Counts, sums and times are those of plain SQL on the tables."""
    for table, kind in TABLES.items():
        assert told(read.of(kind)) == total(path, table), table
    samples, timers = read.of(Kind.SAMPLE), read.of(Kind.TIMER)
    assert len(samples) == total_of(path, "COMPOSITE_EVENTS")
    assert sum(one.calls or 0 for one in timers) == len(samples)
    assert sum(one.exclusive or 0 for one in timers) == sum(one.exclusive or 0 for one in samples)
    utc = query(path, "SELECT utcEpochNs FROM TARGET_INFO_SESSION_START_TIME")[0][0]
    for table, kind in TABLES.items():
        if total(path, table)[0]:
            starts = [epoch_nanoseconds(one.time) - utc for one in read.of(kind)]
            span = query(path, SPAN.format(table))[0]
            assert (min(starts), max(starts)) == span


def total_of(path: Path, table: str) -> int:
    """Rows of a table that may not be there."""
    found = query(path, HAS.format(table))
    return int(query(path, COUNT.format(table))[0][0]) if found else 0


@needs_shared
@pytest.mark.parametrize("name", EXPORTS)
def test_real_exports_agree_with_sql(tmp_path: Path, name: str) -> None:
    """Two releases, two schemas: whatever is in the tables is in the entries."""
    shutil.copy(SHARED / f"{name}.sqlite", tmp_path)

    read = Read(tmp_path)

    agree(tmp_path / f"{name}.sqlite", read)
    assert read.fates == {f"{name}.sqlite": Fate.CONVERTED}
    assert {one.clock for one in read.entries} == {None}


@needs_shared
def test_the_mpi_program_of_the_collection(tmp_path: Path) -> None:
    """Golden numbers of a real export: CUDA, NVTX, samples, scheduling."""
    shutil.copy(SHARED / f"{EXPORTS[1]}.sqlite", tmp_path)

    read = Read(tmp_path)

    assert read.kinds == {
        "kernel": 5, "memcpy": 15, "api": 95, "range": 22, "os": 1635, "sample": 5451, "timer": 99,
    }  # fmt: skip
    assert sum(one.duration or 0 for one in read.of(Kind.API)) == 1_087_784_268
    first = read.of(Kind.KERNEL)[0]
    assert (first.name, first.time, first.duration) == (
        "saxpy(double *, double *, double *, double, int)",
        "2023-06-26T21:00:58.562219690Z",
        17_704_808,
    )
    saxpy = [one.duration for one in read.of(Kind.RANGE) if one.name == "saxpy"]
    assert saxpy == [59_054, 47_452, 41_921, 41_711, 41_110]
    assert [one["nsys version"] for one in read.metadata] == ["2022.2.1.31"]


@pytest.mark.parametrize("schema", ["old", "new"])
def test_made_up_exports_agree_with_sql(tmp_path: Path, schema: str) -> None:
    """Names, values and kinds vary; columns stand in another order in each schema."""
    made = made_up_nsys.make(tmp_path / "a.sqlite", schema=schema, kernels=300, seed=7)

    read = Read(tmp_path)

    agree(tmp_path / "a.sqlite", read)
    assert told(read.of(Kind.KERNEL)) == (300, made.kernel_nanoseconds)
    assert len(read.of(Kind.METRIC)) == made.rows["GPU_METRICS"]
    assert len(read.of(Kind.RANGE)) == made.rows["NVTX_EVENTS"] - 1
    assert [one.message for one in read.notes if one.fate is None] == []
    assert epoch_nanoseconds(read.of(Kind.KERNEL)[0].time) > UTC


def test_a_recording_of_a_program_without_a_gpu() -> None:
    """As nsys 2022.4 wrote it, but for what it had taken of the machine."""
    read = Read(SAMPLES / "2022.4/os-and-samples")

    assert read.kinds == {"os": 176, "sample": 92, "timer": 42}
    usleep = [one for one in read.of(Kind.OS) if one.name == "usleep"]
    assert told(usleep) == (10, 14_108_276)
    path = next(one.path or () for one in read.of(Kind.SAMPLE) if one.name == "leaf")
    assert path[-3:] == ("work", "outer", "leaf")
    assert {one.exclusive for one in read.of(Kind.SAMPLE)} == {1_000_000}
    assert read.fates == {
        "export.out": Fate.RAW, "export.out.log": Fate.RAW, "nsys.sqlite": Fate.CONVERTED,
    }  # fmt: skip


def test_several_exports(tmp_path: Path) -> None:
    """One of each rank; a report beside its export is kept, one without is refused."""
    for rank in range(3):
        made_up_nsys.make(tmp_path / f"rank{rank}.sqlite", kernels=5, seed=rank)
        (tmp_path / f"rank{rank}.nsys-rep").write_bytes(b"NVIDIA Tegra Profiler Report 1.\n")

    whole = Read(tmp_path)
    parts = nsys_reading.split(whole.capture)

    assert len(whole.of(Kind.KERNEL)) == 15
    assert Counter(whole.fates.values()) == {Fate.CONVERTED: 3, Fate.RAW: 3}
    items = [item for part in parts for item in nsys_reading.read(part)]
    assert [one for one in items if isinstance(one, Entry)] == whole.entries


def test_large_exports_are_parts_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its report, which is kept there as in the whole."""
    monkeypatch.setattr(nsys_reading, "PART_BYTES", 1)
    for rank in range(3):
        made_up_nsys.make(tmp_path / f"rank{rank}.sqlite", kernels=2, seed=rank)
        (tmp_path / f"rank{rank}.qdstrm").write_bytes(b"x")
    whole = Read(tmp_path)

    parts = nsys_reading.split(whole.capture)

    assert [[one.path for one in part.artifacts] for part in parts] == [
        [f"rank{rank}.qdstrm", f"rank{rank}.sqlite"] for rank in range(3)
    ]
    notes = [one for part in parts for one in nsys_reading.read(part) if isinstance(one, FileNote)]
    assert notes == whole.notes


def test_reports_without_an_export() -> None:
    """What to do, and what nsys said when it tried."""
    read = Read(SAMPLES / "hand-made/reports-alone")
    messages = {one.path: one.message for one in read.notes if one.fate is Fate.REFUSED}

    assert "nsys export --type sqlite" in messages["one.nsys-rep"]
    assert all("nsys said: Importer error status" in one for one in messages.values())
    assert set(messages) == {"one.nsys-rep", "left.qdstrm"}
    assert len(nsys_reading.split(read.capture)) == 1


def test_the_words_of_an_export_are_told_without_its_progress(tmp_path: Path) -> None:
    """Its bar is one line of many carriage returns."""
    (tmp_path / "a.nsys-rep").write_bytes(b"")
    (tmp_path / "export.out.log").write_bytes(
        b"Exporting: [1%  ]\rExporting: [=50%=]\rExportation error: no space\nno space\n"
    )

    (note, _) = Read(tmp_path).notes

    assert note.message.endswith("nsys said: Exportation error: no space; no space")


@pytest.mark.parametrize(
    ("content", "fate", "message"),
    [
        (b"", Fate.REFUSED, "truncated or damaged: it is empty"),
        (b"hello", Fate.REFUSED, "not an SQLite database"),
        (b"SQLite format 3\0" + b"\xff" * 200, Fate.REFUSED, "truncated or damaged: "),
    ],
    ids=["empty", "text", "only the magic"],
)
def test_databases_that_are_none(tmp_path: Path, content: bytes, fate: Fate, message: str) -> None:
    """A full disk leaves an empty file behind, and nsys says nothing."""
    (tmp_path / "nsys.sqlite").write_bytes(content)

    (note,) = Read(tmp_path).notes

    assert note.fate is fate
    assert note.message.startswith(message)


def test_a_database_of_others_is_kept(tmp_path: Path) -> None:
    """Under whatever name; and an export under another name is read."""
    made_up_nsys.write(tmp_path / "shop.sqlite", orders=[{"start": 1, "end": 2}])
    made_up_nsys.make(tmp_path / "export.db", kernels=2)

    read = Read(tmp_path)

    assert read.fates == {"shop.sqlite": Fate.RAW, "export.db": Fate.CONVERTED}


def test_a_damaged_table_does_not_hide_the_others(tmp_path: Path) -> None:
    """Its pages are junk; what was read before is there, and the file is not whole."""
    path = tmp_path / "a.sqlite"
    made_up_nsys.make(path, kernels=2000)
    page = query(path, "PRAGMA page_size")[0][0]
    root = query(path, "SELECT rootpage FROM sqlite_master WHERE name = 'NVTX_EVENTS'")[0][0]
    content = bytearray(path.read_bytes())
    content[(root - 1) * page : root * page] = b"\xff" * page
    path.write_bytes(content)

    read = Read(tmp_path)

    assert (len(read.of(Kind.KERNEL)), len(read.of(Kind.RANGE))) == (2000, 0)
    assert len(read.of(Kind.SAMPLE)) == 500
    (note,) = [one for one in read.notes if one.fate]
    assert note.message.startswith("truncated or damaged: NVTX_EVENTS: ")


def test_a_cut_database_is_read_as_far_as_it_goes() -> None:
    """The tables that are there become entries, and it is told that it is not whole."""
    read = Read(SAMPLES / "hand-made/cut")

    assert read.fates == {"empty.sqlite": Fate.REFUSED, "nsys.sqlite": Fate.CONVERTED}
    assert len(read.of(Kind.KERNEL)) == 41
    assert all(
        note.message.startswith("truncated or damaged: ") for note in read.notes if note.fate
    )


def test_complaints_and_spoilt_rows_are_notes(tmp_path: Path) -> None:
    """Besides the file's fate."""
    tables: dict[str, Any] = {
        "TARGET_INFO_SESSION_START_TIME": SESSION,
        "StringIds": made_up_nsys.strings("poll"),
        "OSRT_API": [{"start": 5, "end": 1, "globalTid": 1, "nameId": 0}],
        "DIAGNOSTIC_EVENT": [{"severity": 2, "text": "No CUDA events collected."}],
    }
    made_up_nsys.write(tmp_path / "a.sqlite", **tables)

    notes = Read(tmp_path).notes

    assert [one.message for one in notes] == [
        "warning: No CUDA events collected.",
        "OSRT_API: 1 rows left out, whose values cannot be",
        "holds no measurement",
    ]


@pytest.mark.parametrize(
    ("name", "head", "known"),
    [
        ("nsys.sqlite", b"SQLite format 3\0...", True),
        ("app.db", b"SQLite format 3\0...", False),
        ("a.nvvp", b"SQLite format 3\0...", False),
        ("report1.nsys-rep", b"NVIDIA Tegra Profiler Report 1.\n", True),
        ("left.qdstrm", b"U3w[END]NVIDIA Nsight Systems Stream 2022", True),
        ("notes.sqlite", b"hello", False),
    ],
)
def test_whose_file_it_is(name: str, head: bytes, known: bool) -> None:
    """A database could be anyone's, so its name tells as well."""
    assert nsys_reading.knows(name, head) is known


WHOLE = (SAMPLES / "hand-made/gpu-new/nsys.sqlite").read_bytes()


def survives(content: bytes) -> None:
    """Entries that encode or notes, one fate for the file, and no error."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nsys.sqlite").write_bytes(content)
        read = Read(Path(folder))
    assert len(read.fates) == 1
    for entry in read.entries:
        assert msgspec.json.decode(msgspec.json.encode(entry), type=Entry) == entry


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(WHOLE)))
def test_truncated(size: int) -> None:
    """At any byte."""
    survives(WHOLE[:size])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 200))
def test_bits_flipped(chance: random.Random, count: int) -> None:
    """Anywhere behind the file's first line."""
    content = bytearray(WHOLE)
    for _ in range(count):
        content[chance.randrange(100, len(content))] ^= 1 << chance.randrange(8)
    survives(bytes(content))


VALUES = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=20),
    st.binary(max_size=20), st.integers(0, 10),
)  # fmt: skip
COLUMNS = (
    *("start", "end", "globalTid", "globalPid", "deviceId", "streamId", "nameId", "textId", "text"),
    *("eventType", "id", "symbol", "module", "unresolved", "stackDepth", "cpu", "isSchedIn"),
    *("demangledName", "gridX", "bytes", "value", "metricId", "typeId", "timestamp", "domainId"),
)
FILLED = (
    *TABLES, "NVTX_EVENTS", "OSRT_API", "SCHED_EVENTS", "COMPOSITE_EVENTS", "SAMPLING_CALLCHAINS",
    "GPU_METRICS", "TARGET_INFO_GPU_METRICS", "StringIds", "ThreadNames", "DIAGNOSTIC_EVENT",
    "CUDA_UM_GPU_PAGE_FAULT_EVENTS", "TARGET_INFO_GPU", "CUBLAS_EVENTS",
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_databases(data: st.DataObject) -> None:
    """Any values in any columns, whatever their types should be."""
    row = st.dictionaries(st.sampled_from(COLUMNS), VALUES, min_size=1, max_size=12)
    rows = st.lists(row, min_size=1, max_size=5)
    names = data.draw(st.sets(st.sampled_from(FILLED), max_size=6))
    tables = {name: data.draw(rows) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        made_up_nsys.write(
            Path(folder) / "a.sqlite", TARGET_INFO_SESSION_START_TIME=SESSION,
            META_DATA_EXPORT=[{"name": "a", "value": "b"}],
            **{"StringIds": [{"id": 0, "value": "a"}], **tables},
        )  # fmt: skip
        survives((Path(folder) / "a.sqlite").read_bytes())


def test_views_are_not_asked(tmp_path: Path) -> None:
    """A view runs code: one that never ends would be named like a table."""
    path = tmp_path / "a.sqlite"
    made_up_nsys.make(path, kernels=2)
    endless = (
        "CREATE VIEW CUBLAS_EVENTS AS WITH RECURSIVE n(start) AS (SELECT 1 UNION ALL SELECT start"
        ' FROM n) SELECT start, start AS "end", 4711 AS globalTid, 0 AS nameId FROM n'
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(endless)

    assert Read(tmp_path).kinds["kernel"] == 2


def test_reading_is_a_stream(tmp_path: Path) -> None:
    """The first entry comes before the table's end is reached."""
    made_up_nsys.make(tmp_path / "a.sqlite", kernels=50)
    found = artifacts.scan(tmp_path).artifacts

    items: Iterator[Item] = nsys_reading.read(Capture(found, Frozen(), STARTED))

    assert isinstance(next(items), Entry)
