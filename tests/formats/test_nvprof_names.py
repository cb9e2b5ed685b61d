"""What the numbers of a database stand for."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

import made_up_nvprof
from profiling_operator.formats import nvprof_names, sqlite_files
from profiling_operator.formats.nvprof_names import Names, Where


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with something of everything."""
    made_up_nvprof.make_all(tmp_path / "db")
    with (tmp_path / "db").open("rb") as stream, sqlite_files.connect(stream) as found:
        yield found


@pytest.mark.parametrize(("kind", "blob", "where"), [
    (1, struct.pack("<I", 4711), Where(4711)),
    (2, struct.pack("<Ii", 4711, -2), Where(4711, 2**32 - 2)),
    (2, made_up_nvprof.thread(), Where(4711, made_up_nvprof.THREAD % 2**32)),
    (3, struct.pack("<III", 1, 2, 7), Where(device=1)),
    (5, struct.pack("<III", 1, 2, 7), Where(device=1, stream=7)),
    (2, b"", Where(0, 0)), (9, bytes(12), Where()), ("x", bytes(12), Where()), (2, "text", Where()),
    (2, None, Where()),
])  # fmt: skip
def test_an_object_tells_whose_something_is(kind: object, blob: object, where: Where) -> None:
    """Twelve bytes, of which nvprof may leave out some."""
    assert nvprof_names.where(kind, blob) == where


@pytest.mark.parametrize(("value", "thread"), [
    (made_up_nvprof.THREAD, 2_814_442_240), (7, 7), ("7", None), (None, None), (7.5, None),
])  # fmt: skip
def test_threads_have_no_sign(value: object, thread: int | None) -> None:
    """As nvprof prints them."""
    assert nvprof_names.thread(value) == thread


def test_names_are_looked_up(connection: sqlite3.Connection) -> None:
    """Demangled where they are functions'; the process and the GPUs are known."""
    names = Names(connection, sqlite_files.tables(connection))

    texts = [names.of(at) for at in range(1, 4)]
    assert texts[0] == "Tesla V100-SXM2-16GB"
    assert names.function(texts.index("_Z6kernelPKfi") + 1).startswith("kernel(")
    assert names.function(10**6) == "(no name)"
    assert (names.of("x"), names.of(None), names.of(10**6)) == ("", "", "")
    assert names.process == made_up_nvprof.PID
    assert names.devices == {0: "Tesla V100-SXM2-16GB", 1: "Tesla V100-SXM2-16GB"}


def test_names_kept_are_bounded(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked up again."""
    monkeypatch.setattr(nvprof_names, "KEPT_CHARACTERS", 10)
    names = Names(connection, sqlite_files.tables(connection))

    assert names.of(1) == names.of(1) != names.of(2) != ""


def test_the_process_may_stand_in_an_object(tmp_path: Path) -> None:
    """Where there is no call."""
    without = frozenset({"RUNTIME", "DRIVER", "UNIFIED_MEMORY_COUNTER"})
    made_up_nvprof.make_all(tmp_path / "db", without=without)

    with (tmp_path / "db").open("rb") as stream, sqlite_files.connect(stream) as found:
        assert Names(found, sqlite_files.tables(found)).process == made_up_nvprof.PID
