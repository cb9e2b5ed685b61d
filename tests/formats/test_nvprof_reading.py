"""nvprof's files, told apart; the collector's tests look at what is read of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import made_up_nvprof
from profiling_operator import artifacts
from profiling_operator.captures import ATTACH_LOG, Capture, Fate, FileNote
from profiling_operator.entries import Entry
from profiling_operator.formats import nvprof_reading
from profiling_operator.frozen import Frozen

SESSION = b'<?xml version="1.0"?>\n<session version="2" name="x">'
DATABASE = b"SQLite format 3\0" + bytes(84)


def notes(folder: Path) -> dict[str, FileNote]:
    """The fates of a folder's files."""
    capture = Capture(artifacts.scan(folder).artifacts, Frozen(), 10**18)
    found = [one for one in nvprof_reading.read(capture) if isinstance(one, FileNote)]
    return {one.path: one for one in found if one.fate}


@pytest.mark.parametrize(("name", "head", "is_known"), [
    ("nvprof-1.csv", b"==1== Profiling result:\n", True),
    ("any.log", b"hello\n======== Warning: x\n", True),
    ("a.nvprof", DATABASE, True), ("a.nvvp", DATABASE, True), ("a.sqlite", DATABASE, False),
    ("a.nvvp", SESSION, True), ("a.xml", SESSION, False), ("a.nvvp", b"<?xml?><x>", False),
    ("nvprof-1.csv", b"", False), ("nvprof.txt", b"== 1 ==\n", False),
])  # fmt: skip
def test_files_are_known_by_what_only_nvprof_writes(name: str, head: bytes, is_known: bool) -> None:
    """Databases and sessions by their names as well: others write such files, too."""
    assert nvprof_reading.knows(name, head) is is_known


def test_each_file_has_its_fate(tmp_path: Path) -> None:
    """A log, a database, a session, what an attached nvprof said, and what is cut off."""
    (tmp_path / "nvprof-1.csv").write_text("==1== Profiling result:\nNo kernels were profiled.\n")
    made_up_nvprof.make_all(tmp_path / "nvprof-2.nvprof")
    whole = (tmp_path / "nvprof-2.nvprof").read_bytes()
    (tmp_path / "nvprof-3.nvprof").write_bytes(whole[:9000])
    (tmp_path / "nvprof-4.nvprof").touch()
    (tmp_path / "nvprof-5.nvvp").write_bytes(SESSION)
    (tmp_path / ATTACH_LOG).write_text("======== Warning: No CUDA application was profiled\n")

    found = notes(tmp_path)

    assert {path: one.fate for path, one in found.items()} == {
        "nvprof-1.csv": Fate.CONVERTED, "nvprof-2.nvprof": Fate.CONVERTED,
        "nvprof-3.nvprof": Fate.REFUSED, "nvprof-4.nvprof": Fate.REFUSED,
        "nvprof-5.nvvp": Fate.RAW, ATTACH_LOG: Fate.RAW,
    }  # fmt: skip
    assert found["nvprof-3.nvprof"].message.startswith("damaged: ")
    assert found["nvprof-4.nvprof"].message == "truncated: it holds nothing whole"
    assert "No CUDA application" in found[ATTACH_LOG].message


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """After what was read of it."""
    path = tmp_path / "nvprof-2.nvprof"
    made_up_nvprof.make_all(path)
    capture = Capture(artifacts.scan(tmp_path).artifacts, Frozen(), 10**18)

    items = nvprof_reading.read(capture)
    assert isinstance(next(items), Entry)
    path.chmod(0o600)

    last = list(items)[-1]
    assert isinstance(last, FileNote)
    assert (last.fate, "changed" in last.message) == (Fate.REFUSED, True)
