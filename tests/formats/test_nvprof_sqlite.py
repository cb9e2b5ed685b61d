"""Databases of nvprof's as entries."""

from __future__ import annotations

import csv
import io
import sqlite3
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up_nvprof
from made_up_nvprof import PID, STARTED, VERSION
from profiling_operator.entries import Entry, Kind, epoch_nanoseconds
from profiling_operator.formats import nvprof_sqlite
from profiling_operator.formats.nvprof_entries import Place
from profiling_operator.formats.nvprof_sqlite import Reading


def read(path: Path) -> tuple[list[Entry], Reading]:
    """A database's entries, and what is known at the end."""
    reading = Reading(Place(10**18, job="ci/x", run=2))
    with path.open("rb") as stream:
        return list(reading.entries(stream)), reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database goes."""
    return tmp_path / "nvprof-4711.nvprof"


@pytest.mark.parametrize("version", [11, VERSION])
def test_everything_is_read(path: Path, version: int) -> None:
    """Whatever columns a version has; at the time of the wall clock, to the nanosecond."""
    made_up_nvprof.make_all(path, version)

    found, reading = read(path)

    assert Counter(one.kind for one in found) == {
        Kind.KERNEL: 1, Kind.MEMCPY: 11, Kind.MEMSET: 1, Kind.API: 4, Kind.RANGE: 7,
        Kind.COUNTER: 3, Kind.METRIC: 2,
    }  # fmt: skip
    kernel = next(one for one in found if one.kind is Kind.KERNEL)
    assert epoch_nanoseconds(kernel.time) == STARTED + 11_000
    assert (kernel.duration, kernel.unit, kernel.device, kernel.stream) == (1500, "ns", 1, 13)
    assert (kernel.attributes or {})["correlationId"] == 5
    assert {one.process for one in found} == {PID}
    assert {(one.clock, one.job, one.run) for one in found} == {(None, "ci/x", 2)}
    assert not any(one.additive for one in found if one.kind in {Kind.RANGE, Kind.METRIC})
    assert (reading.count, reading.damage) == (len(found), "")


def test_rows_without_a_time_are_counted(path: Path) -> None:
    """0, or another century, or no number."""
    made_up_nvprof.make_all(path)
    with sqlite3.connect(path) as more:
        made_up_nvprof.insert(more, "MEMSET", [
            {"start": start, "end": end}
            for start, end in ((1, 2), (STARTED, STARTED - 1), (2**62, 2**62), ("x", "y"))
        ], VERSION)  # fmt: skip
        made_up_nvprof.insert(more, "OVERHEAD", [{"start": 0, "end": 0}], VERSION)
    more.close()

    _, reading = read(path)

    assert list(reading.problems()) == [
        "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: 1 rows without a usable time left out",
        "CUPTI_ACTIVITY_KIND_MEMSET: 4 rows without a usable time left out",
        "CUPTI_ACTIVITY_KIND_OVERHEAD: 1 rows without a usable time left out",
    ]


def test_tables_that_are_not_read_are_named(path: Path) -> None:
    """If there is anything in them."""
    made_up_nvprof.make_all(path)
    with sqlite3.connect(path) as more:
        made_up_nvprof.insert(more, "SYNCHRONIZATION", [{"type": 1}], VERSION)
    more.close()

    _, reading = read(path)

    assert list(reading.problems())[-1] == "tables that are not read: SYNCHRONIZATION"


def test_other_databases_are_none_of_nvprof_s(path: Path) -> None:
    """Also one that shares some tables."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL(start, end, shortName)")
        connection.execute("CREATE TABLE StringIds(id, value)")
    connection.close()

    found, reading = read(path)

    assert (found, reading.is_nvprofs, reading.damage) == ([], False, "")


def test_tables_may_be_absent_or_views(path: Path) -> None:
    """A view is not asked."""
    made_up_nvprof.make_all(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE CUPTI_ACTIVITY_KIND_MARKER")
        connection.execute("DROP TABLE CUPTI_ACTIVITY_KIND_MEMCPY")
        connection.execute("DROP TABLE CUPTI_ACTIVITY_KIND_DEVICE")
        connection.execute(
            "CREATE VIEW CUPTI_ACTIVITY_KIND_MEMCPY AS SELECT 1 FROM CUPTI_ACTIVITY_KIND_RUNTIME"
        )
    connection.close()

    found, reading = read(path)

    assert Counter(one.kind for one in found)[Kind.MEMCPY] == 3
    assert reading.damage == ""


def test_many_kernels_are_what_plain_sql_counts(path: Path) -> None:
    """Rows, and the sum of their durations; a table's order stays."""
    made_up_nvprof.make(path, kernels=2000, seed=3)
    with sqlite3.connect(path) as plain:
        sums = {
            kind: plain.execute(
                f"SELECT count(*), sum(end - start), min(start) FROM CUPTI_ACTIVITY_KIND_{table}"  # noqa: S608
            ).fetchone()
            for kind, table in (("kernel", "CONCURRENT_KERNEL"), ("memcpy", "MEMCPY"),
                                ("memset", "MEMSET"), ("api", "RUNTIME"))
        }  # fmt: skip
    plain.close()

    found, _ = read(path)

    for kind, (count, total, first) in sums.items():
        mine = [one for one in found if one.kind == kind]
        assert (len(mine), sum(one.duration or 0 for one in mine)) == (count, total)
        assert min(epoch_nanoseconds(one.time) for one in mine) == first


def test_what_is_kept_of_launches_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries are the same."""
    made_up_nvprof.make(path, kernels=300, seed=4)
    whole, _ = read(path)
    monkeypatch.setattr(nvprof_sqlite, "KEPT", 2)

    assert read(path)[0] == whole


@pytest.mark.needs("nvprof")
def test_nvprof_s_own_csv_of_it_tells_the_same(path: Path) -> None:
    """Times, durations, names of calls and copies, sizes, as nvprof 11.8 imports the database."""
    made_up_nvprof.make(path, kernels=300, seed=5)
    words = ["--print-gpu-trace", "--print-api-trace", "--csv", "--normalized-time-unit", "ns"]
    said = subprocess.run(["nvprof", "-i", path, *words], capture_output=True, text=True)
    lines = [line for line in csv.reader(io.StringIO(said.stderr)) if line]
    head = next(line for line in lines if line[0] == "Start")
    rows = [dict(zip(head, line, strict=True)) for line in lines if len(line) == len(head)][2:]
    theirs = Counter(_theirs(row) for row in rows if not row["Name"].startswith("[Range"))

    found = [one for one in read(path)[0] if one.kind is not Kind.RANGE]

    origin = min(epoch_nanoseconds(one.time) for one in found)
    assert Counter(_ours(one, origin) for one in found) == theirs


def _theirs(row: dict[str, str]) -> tuple[object, ...]:
    name = row["Name"].partition("(")[0].split("<")[0]
    sizes = [row[f"{what} {axis}"] for what in ("Grid", "Block") for axis in "XYZ"]
    return (
        round(float(row["Start"])), round(float(row["Duration"])), name, row["Stream"],
        row["Correlation_ID"], *sizes, row["SrcMemType"], row["Device"][-3:],
    )  # fmt: skip


def _ours(one: Entry, origin: int) -> tuple[object, ...]:
    known = one.attributes or {}
    stream, device = ("" if at is None else str(at) for at in (one.stream, one.device))
    sizes = [str(at) for at in known.get("grid", [""] * 3) + known.get("block", [""] * 3)]
    name = one.name.partition("(")[0].split("<")[0]
    return (
        epoch_nanoseconds(one.time) - origin, one.duration, name, stream,
        str(known["correlationId"]), *sizes, known.get("srcMemType", ""),
        device and f"({device})",
    )  # fmt: skip


def _sample() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made_up_nvprof.make_all(Path(folder, "db"))
        return Path(folder, "db").read_bytes()


SAMPLE = _sample()


def _readings(data: bytes) -> Iterator[tuple[list[Entry], Reading]]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield read(Path(file.name))


@given(st.integers(100, len(SAMPLE) - 1))
def test_a_database_that_is_cut_off_says_so(at: int) -> None:
    """Wherever it is cut."""
    ((found, reading),) = _readings(SAMPLE[:at])

    assert reading.damage == f"damaged: the last {len(SAMPLE) - at} bytes are cut off"
    assert reading.count == len(found)


def test_what_is_before_a_cut_is_kept(path: Path) -> None:
    """Each table as far as it goes."""
    made_up_nvprof.make(path, kernels=2000, seed=6)
    whole, _ = read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    found, reading = read(path)

    assert 0 < len(found) < len(whole)
    assert Counter(map(msgspec.json.encode, found)) <= Counter(map(msgspec.json.encode, whole))
    assert "cut off" in reading.damage


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=40))
def test_flipped_bytes_never_raise(flips: list[tuple[int, int]]) -> None:
    """And what is read can be written."""
    data = bytearray(SAMPLE)
    for at, value in flips:
        data[at] = value

    ((found, _),) = _readings(bytes(data))

    for one in found:
        assert msgspec.json.decode(msgspec.json.encode(one), type=Entry) == one
