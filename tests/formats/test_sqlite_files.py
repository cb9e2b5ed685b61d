"""Databases of others: read where they are, however they were made, and in bounded time."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.errors import ArtifactError
from profiling_operator.formats import sqlite_files


def made(path: Path, *statements: str) -> Path:
    """A database made by statements."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for one in statements:
            connection.execute(one)
        connection.commit()
    return path


def test_tables_have_columns_by_name(tmp_path: Path) -> None:
    """A column that is not there is NULL; a name may hold anything, and so may the path."""
    path = made(
        tmp_path / "a b?mode=rw&x#y%41.db",
        'CREATE TABLE "odd ""name"(id INTEGER, "a b" TEXT)',
        """INSERT INTO "odd ""name" VALUES (1, 'x')""",
    )

    with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
        assert sqlite_files.tables(connection) == {'odd "name'}
        assert sqlite_files.columns(connection, 'odd "name') == ("id", "a b")
        found = sqlite_files.select(connection, 'odd "name', ("a b", "absent", "id")).fetchall()
        assert found == [("x", None, 1)]
        assert sqlite_files.columns(connection, "absent") == ()


def test_what_runs_code_is_no_table(tmp_path: Path) -> None:
    """Views and virtual tables are not, computed columns are none."""
    path = made(
        tmp_path / "db",
        "CREATE TABLE t(a, b AS (a + 1), c AS (zeroblob(1000)) STORED)",
        "INSERT INTO t(a) VALUES (1)",
        "CREATE VIEW v AS SELECT randomblob(1000000000) AS a",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
    )

    with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
        assert not {"v", "f"} & sqlite_files.tables(connection)
        assert sqlite_files.columns(connection, "t") == ("a",)
        assert sqlite_files.select(connection, "t", ("a", "b")).fetchall() == [(1, None)]


def test_text_that_is_none_is_shown_so(tmp_path: Path) -> None:
    """Bytes that are no UTF-8."""
    path = made(
        tmp_path / "db", "CREATE TABLE t(a)", "INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))"
    )

    with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
        assert sqlite_files.select(connection, "t", ("a",)).fetchall() == [("a\ufffd",)]


def test_nothing_is_written(tmp_path: Path) -> None:
    """Neither to it nor beside it; a journal that lies there is not looked at."""
    path = made(tmp_path / "db", "CREATE TABLE t(a)")
    (tmp_path / "db-journal").write_bytes(b"\xd9\xd5\x05\xf9 a hot journal")
    before = path.read_bytes()

    with (
        path.open("rb") as stream,
        sqlite_files.connect(stream) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("INSERT INTO t VALUES (1)")

    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["db", "db-journal"]


def test_another_file_in_its_place_is_refused(tmp_path: Path) -> None:
    """SQLite opens by a path: what it got is compared with what was opened before."""
    path = made(tmp_path / "db", "CREATE TABLE t(a)")

    with path.open("rb") as stream:
        path.rename(tmp_path / "moved")
        with sqlite_files.connect(stream) as connection:  # the kernel knows where it went
            assert sqlite_files.tables(connection) == {"t"}
        made(tmp_path / "other", "CREATE TABLE u(a)")
        (tmp_path / "moved").unlink()
        (tmp_path / "other").rename(tmp_path / "moved (deleted)")
        with pytest.raises(ArtifactError, match="replaced"), sqlite_files.connect(stream):
            pass


def test_too_much_work_is_interrupted(tmp_path: Path) -> None:
    """A query may do so much for each byte of the file."""
    path = made(tmp_path / "db", "CREATE TABLE t(a)", "INSERT INTO t VALUES (1), (2), (3), (4)")
    times = ", ".join(f"t AS t{at}" for at in range(12))

    with (
        path.open("rb") as stream,
        sqlite_files.connect(stream) as connection,
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(f"SELECT count(*) FROM {times} WHERE t0.a + t1.a > 1").fetchall()  # noqa: S608


def test_an_endless_schema_is_not_read(tmp_path: Path) -> None:
    """Each table of a schema takes memory."""
    path = made(tmp_path / "db", *(f"CREATE TABLE t{at}(a)" for at in range(2000)))
    with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
        assert len(sqlite_files.tables(connection)) == 2000

    with path.open("rb") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_files, "SCHEMA_STEPS", 20_000 // 20)
        patch.setattr(sqlite_files, "STEPS_AT_ONCE", 100)
        with (
            pytest.raises(sqlite3.OperationalError, match="too large"),
            sqlite_files.connect(stream),
        ):
            pass


def test_a_cut_is_told_and_forgiven(tmp_path: Path) -> None:
    """What the file still holds can be read."""
    path = made(
        tmp_path / "db", "CREATE TABLE t(a)", "INSERT INTO t VALUES (1)", "CREATE TABLE u(a)",
        "INSERT INTO u VALUES (zeroblob(20000))",
    )  # fmt: skip
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-5000])

    with path.open("rb") as stream:
        assert sqlite_files.missing_bytes(stream) == 5000
        with sqlite_files.connect(stream) as connection:
            assert sqlite_files.select(connection, "t", ("a",)).fetchall() == [(1,)]
            with pytest.raises(sqlite3.DatabaseError):
                sqlite_files.select(connection, "u", ("a",)).fetchall()
    path.write_bytes(path.read_bytes() + bytes(size))
    with path.open("rb") as stream:
        assert sqlite_files.missing_bytes(stream) == 0


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", bytes(200)])
def test_what_has_no_head_misses_nothing(content: bytes, tmp_path: Path) -> None:
    """Nobody knows how long it was."""
    (tmp_path / "db").write_bytes(content)

    with (tmp_path / "db").open("rb") as stream:
        assert sqlite_files.missing_bytes(stream) == 0


def test_long_values_end_a_query(tmp_path: Path) -> None:
    """Nothing of that size is a name."""
    path = made(tmp_path / "db", "CREATE TABLE t(a)", "INSERT INTO t VALUES (zeroblob(20000000))")

    with (
        path.open("rb") as stream,
        sqlite_files.connect(stream) as connection,
        pytest.raises(sqlite3.DataError, match="too big"),
    ):
        sqlite_files.select(connection, "t", ("a",)).fetchall()


@given(st.binary(max_size=2000), st.integers(0, 8191), st.integers(0, 2**31))
def test_damaged_files_end_in_an_error_or_rows(data: bytes, at: int, cut: int) -> None:
    """Whatever stands where, and wherever the file ends."""
    whole = bytearray(_sample())
    whole[at : at + len(data)] = data
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole[: 100 + cut % len(whole)])
        file.flush()
        _read_all(Path(file.name))


def _read_all(path: Path) -> None:
    try:
        with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
            for table in sqlite_files.tables(connection):
                for row in sqlite_files.select(connection, table, ("a", "b")):
                    assert len(row) == 2
    except (sqlite3.Error, ArtifactError) as error:
        assert str(error)


def _sample() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t(a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", ((at, "x" * at) for at in range(99)))
        connection.commit()
        return connection.serialize()
