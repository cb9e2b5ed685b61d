"""What is special about folders as stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profiling_operator.stores import StoredFile, StoreRefusedError
from profiling_operator.stores.folder import FolderStore
from results_serving import KEY

Made = Callable[..., StoredFile]


@pytest.mark.parametrize("url", ["file://server/share", "file:relative", "file://"])
def test_only_absolute_folders_of_this_machine(url: str) -> None:
    """Said before anything is sent."""
    with pytest.raises(StoreRefusedError, match="absolute path"):
        FolderStore(url)


def test_links_lead_nowhere(tmp_path: Path, source: Path, made: Made) -> None:
    """Whoever shares the volume cannot have files written, or read, elsewhere."""
    place = FolderStore((tmp_path / "kept").as_uri())
    (tmp_path / "kept" / KEY).mkdir(parents=True)
    (tmp_path / "kept" / KEY / "raw").symlink_to(tmp_path / "elsewhere")
    one = made("raw/a")

    with pytest.raises(StoreRefusedError, match="symbolic link"):
        place.put(KEY, one.path, source / one.path, str(one.sha256))
    with pytest.raises(StoreRefusedError, match="symbolic link"):
        place.read(KEY, "raw/a", 10)

    assert not (tmp_path / "elsewhere").exists()


def test_a_link_to_the_whole_store_is_fine(tmp_path: Path, source: Path, made: Made) -> None:
    """Whoever set up the store may have put it elsewhere."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "kept").symlink_to(tmp_path / "disk")
    one = made("a")

    FolderStore((tmp_path / "kept").as_uri()).put(KEY, "a", source / "a", str(one.sha256))

    assert (tmp_path / "disk" / KEY / "a").read_bytes() == b"hello\n"


def test_unfinished_files_are_not_listed(tmp_path: Path, source: Path, made: Made) -> None:
    """Nor what the results server keeps for itself, if the folder is one's."""
    one = made("a")
    place = FolderStore((tmp_path / "kept").as_uri())
    place.put(KEY, "a", source / "a", str(one.sha256))
    folder = tmp_path / "kept" / KEY
    (folder / f".profjob-{'0' * 32}.part").touch()
    (folder / ".profjob").mkdir()
    (folder / ".profjob" / "note").touch()

    assert place.files(KEY) == [StoredFile("a", 6)]


def test_a_place_that_cannot_be_written_is_refused(source: Path, made: Made) -> None:
    """Trying again would not help."""
    one = made("a")

    with pytest.raises(StoreRefusedError, match="/proc"):
        FolderStore("file:///proc/1").put(KEY, "a", source / "a", str(one.sha256))
