"""Documents on a disk: who writes at the same time, who else may write, what is left alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from making import SOURCE_ROOT
from profiling_operator.errors import StoreError
from profiling_operator.stores import StoreConflictError, StoreRefusedError, documents
from profiling_operator.stores.documents import DOCUMENTS, Documents, is_document

NAME = "ci/nbody/main"
WRITER = """
import sys, time
from profiling_operator import stores
url, mark = sys.argv[1:]
store = stores.open_store(url)
for number in range(10):
    add = lambda text: (text or b"") + f"{mark}{number}\\n".encode()
    stores.change_document(store, "ci/nbody/main", add, time.monotonic() + 120, print)
"""
OTHER = WRITER.replace(
    "store =",
    "import os, profiling_operator.stores.folder; os.setgroups([]); os.setgid(4242); "
    "os.setuid(4243)\nstore =",
)


def written(script: str, *words: str) -> subprocess.Popen[bytes]:
    """A process that runs a script."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *words], env={**os.environ, "PYTHONPATH": SOURCE_ROOT}
    )


def test_processes_lose_nothing(tmp_path: Path) -> None:
    """Eight that each read, add and write: the lock is the kernel's."""
    writers = [written(WRITER, tmp_path.as_uri(), mark) for mark in "abcdefgh"]

    assert [one.wait(120) for one in writers] == 8 * [0]
    found = Documents(tmp_path).read(NAME)
    assert found is not None
    wanted = sorted(f"{mark}{number}" for mark in "abcdefgh" for number in range(10))
    assert sorted(found.text.decode().split()) == wanted


def test_a_lock_that_is_held_for_too_long_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a writer that hangs: nobody waits for ever, and nothing is written."""
    place = Documents(tmp_path)
    place.put(NAME, b"a", None)
    monkeypatch.setattr(documents, "LOCK_SECONDS", 0.01)
    with (tmp_path / DOCUMENTS / ".lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"\.lock: is held") as caught:
            place.put(NAME, b"b", documents.version_of(b"a"))

    assert caught.value.retry
    place.put(NAME, b"c", documents.version_of(b"a"))


@pytest.mark.parametrize("mode", [0o2775, 0o755])
def test_the_group_may_what_it_may_with_the_root(mode: int, tmp_path: Path) -> None:
    """On a volume that users of one group share; whatever the umask of the one who wrote first."""
    tmp_path.chmod(mode)
    before = os.umask(0o077)
    try:
        Documents(tmp_path).put(NAME, b"a", None)
    finally:
        os.umask(before)

    place = tmp_path / DOCUMENTS / f"{NAME}.json"
    group = mode & 0o2070
    assert [one.stat().st_mode & 0o2070 for one in list(place.parents)[:5]] == 5 * [group]
    for file in (place, tmp_path / DOCUMENTS / ".lock"):
        assert file.stat().st_mode & 0o077 == group & 0o060


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_user_of_the_group_goes_on() -> None:
    """As an uploader with a uid of its own does."""
    with tempfile.TemporaryDirectory() as folder:  # whose parents let another user in
        root = Path(folder)
        os.chown(root, 0, 4242)
        root.chmod(0o2775)
        Documents(root).put(NAME, b"", None)

        done = written(OTHER, root.as_uri(), "a")

        assert done.wait(120) == 0
        found = Documents(root).read(NAME)
        assert found is not None
        assert len(found.text.split()) == 10
        Documents(root).put(NAME, b"b", found.version)


@pytest.mark.parametrize(
    "link", [".profjob", DOCUMENTS, f"{DOCUMENTS}/ci", f"{DOCUMENTS}/ci/nbody"]
)
def test_links_lead_nowhere(link: str, tmp_path: Path) -> None:
    """Whoever shares the volume has nothing written, read or removed elsewhere."""
    kept, elsewhere = tmp_path / "kept", tmp_path / "elsewhere"
    Documents(elsewhere).put(NAME, b"secret", None)
    (kept / link).parent.mkdir(parents=True)
    (kept / link).symlink_to(elsewhere / link)
    place = Documents(kept)

    for action in (
        lambda: place.read(NAME),
        lambda: place.put(NAME, b"b", documents.version_of(b"secret")),
        lambda: place.drop(NAME),
        lambda: place.names("ci", "nbody"),
    ):
        with pytest.raises(StoreRefusedError, match="symbolic link"):
            action()

    assert (elsewhere / DOCUMENTS / f"{NAME}.json").read_bytes() == b"secret"


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """It could make a file of others writable."""
    (tmp_path / DOCUMENTS).mkdir(parents=True)
    (tmp_path / DOCUMENTS / ".lock").symlink_to(tmp_path / "other")

    with pytest.raises(StoreRefusedError, match=r"\.lock"):
        Documents(tmp_path).put(NAME, b"a", None)

    assert not (tmp_path / "other").exists()


def test_a_document_of_any_size_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have put it there; neither is a pipe."""
    place = Documents(tmp_path)
    place.put(NAME, b"12345", None)
    monkeypatch.setattr(documents, "DOCUMENT_LIMIT", 4)
    os.mkfifo(tmp_path / DOCUMENTS / "ci" / "nbody" / "pipe.json")

    with pytest.raises(StoreRefusedError, match="larger than 4 bytes"):
        place.read(NAME)
    assert place.read("ci/nbody/pipe") is None


def test_what_a_crash_left_does_no_harm(tmp_path: Path) -> None:
    """Half a document is not there, and goes with the next; other files are no documents."""
    folder = tmp_path / DOCUMENTS / "ci" / "nbody"
    folder.mkdir(parents=True)
    (folder / ".main.json.part").write_bytes(b"hal")
    (folder / "Notes.json").write_bytes(b"mine")
    place = Documents(tmp_path)

    assert place.names("ci") == []
    place.put(NAME, b"whole", None)

    assert place.names("ci") == [NAME]
    assert place.sizes() == [5]
    assert sorted(one.name for one in folder.iterdir()) == ["Notes.json", "main.json"]


def test_folders_go_with_their_last_document(tmp_path: Path) -> None:
    """And nothing is made where there is nothing to remove."""
    place = Documents(tmp_path)
    assert not place.drop(NAME)
    assert list(tmp_path.iterdir()) == []
    place.put(NAME, b"a", None)
    place.put("ci/nbody/next", b"b", None)

    assert place.drop("ci/nbody/next")
    assert place.names("ci") == [NAME]
    assert place.drop(NAME)

    assert [one.name for one in (tmp_path / DOCUMENTS).iterdir()] == [".lock"]


def test_one_version_alone_can_be_removed(tmp_path: Path) -> None:
    """What somebody else has written meanwhile stays."""
    place = Documents(tmp_path)
    place.put(NAME, b"a", None)

    with pytest.raises(StoreConflictError, match="somebody else"):
        place.drop(NAME, documents.version_of(b"b"))
    assert place.drop(NAME, documents.version_of(b"a"))


@pytest.mark.parametrize(("path", "is_one"), [
    ("ci/nbody/main.json", True), ("ci/nbody/main", False), ("ci/nbody/.main.json.part", False),
    (".lock", False), ("ci/main.json", False),
])  # fmt: skip
def test_documents_are_told_from_other_files(path: str, is_one: bool) -> None:
    """By their names."""
    assert is_document(path) == is_one
