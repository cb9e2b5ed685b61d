"""Result folders on disk: checksums that can be trusted, and names only for whole files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from profiling_operator.results_server.folders import Folders, short
from profiling_operator.stores import Key, StoredFile

KEY = Key("ci", "nbody-1", "0b7b", "1")


def sha256(data: bytes) -> str:
    """Its checksum."""
    return hashlib.sha256(data).hexdigest()


def keep(folders: Folders, path: str, data: bytes, key: Key = KEY) -> None:
    """Finish an upload."""
    part = folders.partial(key, path, sha256(data))
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data)
    folders.finish(key, path, sha256(data))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """An empty disk."""
    return Folders(tmp_path / "kept")


def test_a_finished_file_has_its_checksum(folders: Folders) -> None:
    """It is listed; what we keep for ourselves is not."""
    keep(folders, "run-0/app.log", b"hello")

    assert folders.files(KEY) == [StoredFile("run-0/app.log", 5, sha256(b"hello"))]
    assert folders.kept(KEY, "run-0") is None
    assert folders.kept(KEY, "run-0/app.log/x") is None


def test_a_noted_checksum_is_used(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files are not read for each listing."""
    keep(folders, "a", b"hello")
    monkeypatch.setattr("profiling_operator.store.checksum", None)

    assert folders.kept(KEY, "a") == StoredFile("a", 5, sha256(b"hello"))


def test_a_file_from_elsewhere_gets_a_checksum(folders: Folders) -> None:
    """From a backup, or changed behind our back: the note is of another file then."""
    keep(folders, "a", b"hello")
    place = folders.place(KEY, "a")
    place.write_bytes(b"HELLO")
    os.utime(place, ns=(1, 1))

    assert folders.kept(KEY, "a") == StoredFile("a", 5, sha256(b"HELLO"))


def test_a_report_completes_and_tidies(folders: Folders) -> None:
    """What is unfinished then never will be."""
    keep(folders, "a", b"1")
    part = folders.partial(KEY, "b", "0" * 64)
    part.touch()
    assert not folders.is_complete(KEY)

    keep(folders, "report.json", b"{}")

    assert folders.is_complete(KEY)
    assert not part.exists()


def test_sizes_are_of_finished_and_unfinished_files(folders: Folders) -> None:
    """By the short form of the path."""
    keep(folders, "a", b"12345")
    folders.partial(KEY, "b", "0" * 64).parent.mkdir(exist_ok=True)
    folders.partial(KEY, "b", "0" * 64).write_bytes(b"123")

    assert folders.sizes(KEY) == {short("a"): 5, short("b"): 3}
    assert folders.sizes(Key("ci", "x", "y", "1")) == {}


def test_attempts_are_found(folders: Folders) -> None:
    """With size and times; what is no result folder is passed over."""
    keep(folders, "a", b"12345")
    keep(folders, "report.json", b"{}")
    other = Key("ci", "nbody-1", "0b7b", "2")
    keep(folders, "a", b"1", other)
    (folders.root / "lost+found" / "x" / "y" / "z").mkdir(parents=True)
    (folders.root / "a" / "b" / "c" / "file").parent.mkdir(parents=True)
    (folders.root / "a" / "b" / "c" / "file").touch()

    found = {one.key: one for one in folders.attempts()}

    assert set(found) == {KEY, other}
    assert (found[KEY].size, found[other].size) == (7, 1)
    assert found[KEY].finished is not None and found[other].finished is None
    assert found[other].touched > 0


def test_a_discarded_folder_is_gone_at_once(folders: Folders, tmp_path: Path) -> None:
    """Into the bin; again is no error."""
    keep(folders, "a", b"1")
    (tmp_path / "bin").mkdir()

    folders.discard(KEY, tmp_path / "bin")
    folders.discard(KEY, tmp_path / "bin")
    folders.prune("ci", "nbody-1", "0b7b")

    assert folders.files(KEY) == []
    assert len(list((tmp_path / "bin").iterdir())) == 1
    assert not folders.place(KEY).parent.exists()
