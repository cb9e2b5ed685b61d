"""Result folders: as a whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from profiling_operator import store
from profiling_operator.errors import StoreError
from profiling_operator.store import FileStore


def fill(folder: Path, text: str = "{}") -> None:
    """Make a folder a result."""
    (folder / store.STATUS_FILE).write_text(text)
    (folder / "run-0").mkdir()
    (folder / "run-0" / "app.log").write_text("hello")


def test_a_staged_folder_becomes_the_results(tmp_path: Path) -> None:
    """Nothing is to be seen before the end, and no scratch folder after it."""
    target = tmp_path / "deep" / "results"
    with FileStore(target).staged() as folder:
        fill(folder)
        assert not target.exists()

    assert (target / "run-0" / "app.log").read_text() == "hello"
    assert [one.name for one in target.parent.iterdir()] == ["results"]


def test_an_earlier_result_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """No file of the earlier one is left among the new ones."""
    target = tmp_path / "results"
    with FileStore(target).staged() as folder:
        fill(folder)
        (folder / "old").touch()

    with FileStore(target).staged() as folder:
        fill(folder, "new")

    assert (target / store.STATUS_FILE).read_text() == "new"
    assert not (target / "old").exists()


def test_an_error_leaves_the_earlier_result(tmp_path: Path) -> None:
    """What fails half-way is as if it had never begun."""
    target = tmp_path / "results"
    with FileStore(target).staged() as folder:
        fill(folder, "good")

    with pytest.raises(RuntimeError), FileStore(target).staged() as folder:
        fill(folder, "bad")
        raise RuntimeError

    assert (target / store.STATUS_FILE).read_text() == "good"
    assert [one.name for one in tmp_path.iterdir()] == ["results"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """A folder that is no earlier result is refused, at the start and at the end."""
    target = tmp_path / "results"
    target.mkdir()
    waiting = FileStore(target)
    (target / "thesis.tex").write_text("years of work")

    with pytest.raises(StoreError, match=r"results.*left alone"):
        FileStore(target)
    with pytest.raises(StoreError), waiting.staged() as folder:
        fill(folder)

    assert (target / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """The results need a folder."""
    (tmp_path / "results").write_text("")

    with pytest.raises(StoreError, match="is not a folder"):
        FileStore(tmp_path / "results")


@pytest.mark.parametrize("place", ["file/results", "/proc/1/results"])
def test_a_place_that_cannot_be_written_is_told_at_once(place: str, tmp_path: Path) -> None:
    """Not only after the run whose results it would have taken."""
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="no folder can be made"):
        FileStore(tmp_path / place)


def test_the_listing_tells_size_checksum_and_count(tmp_path: Path) -> None:
    """Every file is in it, by its path below the folder."""
    fill(tmp_path)

    listed = {one.path: one for one in store.listing(tmp_path, {"run-0/app.log": 3})}

    assert sorted(listed) == ["run-0/app.log", "status.json"]
    log = listed["run-0/app.log"]
    assert (log.size, log.count) == (5, 3)
    assert log.sha256 == hashlib.sha256(b"hello").hexdigest()


def test_a_file_is_written_as_a_whole(tmp_path: Path) -> None:
    """Writing replaces, and leaves no temporary file."""
    store.write_whole(tmp_path / "a", "one")
    store.write_whole(tmp_path / "a", "two")

    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "two"
