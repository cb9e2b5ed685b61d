"""Files that come from the application's side are hostile."""

from __future__ import annotations

import os
import random
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiling_operator import artifacts
from profiling_operator.artifacts import Artifact, Limits
from profiling_operator.errors import ArtifactError

WIDE = Limits()


def refused(root: Path, limits: Limits = WIDE) -> dict[str, str]:
    """What is not used of a folder, and why."""
    return {one.path: one.reason for one in artifacts.scan(root, limits).refused}


def paths(root: Path, limits: Limits = WIDE) -> list[str]:
    """What is used of a folder."""
    return [one.path for one in artifacts.scan(root, limits).artifacts]


def only(root: Path) -> Artifact:
    """The only artifact of a folder."""
    (artifact,) = artifacts.scan(root).artifacts
    return artifact


def content(artifact: Artifact) -> bytes:
    """All bytes of an artifact."""
    with artifact.open() as stream:
        return stream.read()


def test_regular_files_are_listed_and_read(tmp_path: Path) -> None:
    """With path, size and time of change."""
    (tmp_path / "run-0" / "tau").mkdir(parents=True)
    (tmp_path / "run-0" / "tau" / "profile.0.0.0").write_bytes(b"abc")

    artifact = only(tmp_path)

    assert artifact.path == "run-0/tau/profile.0.0.0"
    assert artifact.name == "profile.0.0.0"
    assert artifact.size == 3
    assert abs(artifact.modified - time.time_ns()) < 60 * 10**9
    assert content(artifact) == b"abc"


def test_files_of_one_folder_are_those_below_it(tmp_path: Path) -> None:
    """`run-1` is not in `run-10`."""
    for folder in ("run-1", "run-10"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").touch()

    assert [one.path for one in artifacts.scan(tmp_path).below("run-1")] == ["run-1/a"]


def test_numbers_sort_by_value(tmp_path: Path) -> None:
    """profile.10 comes after profile.2, in folders too."""
    for name in ("profile.10.0.0", "profile.2.0.0", "profile.2.0.10", "profile.2.0.9"):
        (tmp_path / name).touch()

    assert paths(tmp_path) == ["profile.2.0.0", "profile.2.0.9", "profile.2.0.10", "profile.10.0.0"]


@settings(deadline=None)
@given(names=st.lists(st.text(max_size=20), max_size=10))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    """Into the same order, however they came."""
    shuffled = random.Random(0).sample(names, len(names))

    assert sorted(shuffled, key=lambda one: (artifacts.natural(one), one)) == sorted(
        names, key=lambda one: (artifacts.natural(one), one)
    )


@settings(deadline=None)
@given(numbers=st.lists(st.integers(0, 10**30), min_size=1))
def test_names_with_numbers_sort_as_the_numbers(numbers: list[int]) -> None:
    """Whatever their length."""
    names = [f"profile.{number}.x" for number in numbers]

    assert sorted(names, key=artifacts.natural) == [f"profile.{n}.x" for n in sorted(numbers)]


def link(path: Path) -> None:
    """A symbolic link to a file of the host."""
    path.symlink_to("/etc/passwd")


def link_to_folder(path: Path) -> None:
    """A symbolic link to a folder of the host."""
    path.symlink_to("/etc")


def hard_link(path: Path) -> None:
    """A second name of a file."""
    (path.parent / "first").touch()
    path.hardlink_to(path.parent / "first")


def fifo(path: Path) -> None:
    """A FIFO, on which a reader would wait for ever."""
    os.mkfifo(path)


def local_socket(path: Path) -> None:
    """A socket."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def device(path: Path) -> None:
    """/dev/zero, which never ends."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (link, "a symbolic link"),
        (link_to_folder, "a symbolic link"),
        (hard_link, "a second hard link to a file"),
        (fifo, "a FIFO"),
        (local_socket, "a socket"),
        pytest.param(device, "a device", marks=pytest.mark.needs("root")),
    ],
)
def test_what_is_no_plain_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    """By name; it is neither followed nor opened."""
    make(tmp_path / "x")

    assert refused(tmp_path)["x"] == reason
    assert "x" not in paths(tmp_path)


@pytest.mark.parametrize("name", [b"\xff", b"a\xc3", b"\xed\xa0\x80"])
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, name: bytes) -> None:
    """It can stand in no JSON; in folders as well."""
    folder = os.path.join(os.fsencode(tmp_path), name)
    os.mkdir(folder)
    with open(os.path.join(folder, b"file"), "wb"):
        pass

    (reason,) = refused(tmp_path).values()

    assert reason == "the name is not UTF-8"
    assert paths(tmp_path) == []


def test_too_large_files_are_refused(tmp_path: Path) -> None:
    """One by one, and together."""
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 10)

    assert refused(tmp_path, Limits(file_bytes=9)).keys() == {"a", "b", "c"}
    assert len(refused(tmp_path, Limits(total_bytes=20))) == 1
    assert paths(tmp_path, Limits(file_bytes=10, total_bytes=30)) == ["a", "b", "c"]


def test_a_sparse_file_counts_with_its_size(tmp_path: Path) -> None:
    """It costs nothing to make, and would to read."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)

    assert "larger than" in refused(tmp_path)["sparse"]


def test_names_past_the_limit_are_not_looked_at(tmp_path: Path) -> None:
    """Noted once, also from within folders."""
    for folder in ("a", "b"):
        (tmp_path / folder / "inner").mkdir(parents=True)
        for number in range(20):
            (tmp_path / folder / "inner" / str(number)).touch()

    notes = refused(tmp_path, Limits(count=10))

    assert len(notes) == 1
    assert "past 10 names" in next(iter(notes.values()))
    assert len(paths(tmp_path, Limits(count=10))) <= 10


def test_folders_past_the_depth_are_not_entered(tmp_path: Path) -> None:
    """A deep tree cannot overflow the stack."""
    deep = tmp_path / "/".join("d" * 1 for _ in range(40))
    deep.mkdir(parents=True)
    (deep / "file").touch()

    assert list(refused(tmp_path, Limits(depth=3)).values()) == ["deeper than 3 folders"]
    assert paths(tmp_path, Limits(depth=40)) == ["d/" * 40 + "file"]


def test_long_names_are_refused(tmp_path: Path) -> None:
    """In bytes, which is what file systems count."""
    (tmp_path / ("é" * 50)).touch()

    assert list(refused(tmp_path, Limits(name_bytes=99)).values()) == ["name longer than 99 bytes"]


@pytest.mark.parametrize("kind", ["missing", "link", "file"])
def test_a_root_that_is_no_folder_is_an_error(tmp_path: Path, kind: str) -> None:
    """A link in its place would lead anywhere."""
    root = tmp_path / "root"
    if kind == "link":
        root.symlink_to("/etc")
    elif kind == "file":
        root.touch()

    with pytest.raises(ArtifactError, match="root"):
        artifacts.scan(root)


def grow(path: Path) -> None:
    """Write more."""
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    """Another file of the same size under the name."""
    other = path.with_name("other")
    other.write_bytes(b"x" * path.stat().st_size)
    other.rename(path)


def to_link(path: Path) -> None:
    """A link to a file of the host."""
    path.unlink()
    path.symlink_to("/etc/passwd")


def to_fifo(path: Path) -> None:
    """A FIFO."""
    path.unlink()
    os.mkfifo(path)


def to_folder(path: Path) -> None:
    """A folder."""
    path.unlink()
    path.mkdir()


def to_hard_link(path: Path) -> None:
    """A second name."""
    path.with_name("second").hardlink_to(path)


def remove(path: Path) -> None:
    """Nothing any more."""
    path.unlink()


def parent_to_link(path: Path) -> None:
    """The folder on the way is swapped for a link to one that has such a file."""
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to("elsewhere")


CHANGES = [grow, replace, to_link, to_fifo, to_folder, to_hard_link, remove, parent_to_link]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_that_changed_since_the_scan_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """It is never something else that is read, and no descriptor is left open."""
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    artifact = only(tmp_path)
    change(path)
    open_before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(ArtifactError, match="folder/file"):
        content(artifact)

    assert len(os.listdir("/proc/self/fd")) == open_before


def rewrite_and_set_back(path: Path) -> None:
    """Other bytes of the same length, and the time of before."""
    before = path.stat()
    path.write_bytes(b"xyz")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [grow, rewrite_and_set_back], ids=lambda one: one.__name__)
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Half of one state and half of another is no profile, even if the time was set back."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    artifact = only(tmp_path)

    def read_while_it_changes() -> None:
        with artifact.open() as stream:
            stream.read(1)
            time.sleep(0.02)  # the kernel's clock of file times ticks in up to 10 ms
            change(path)

    with pytest.raises(ArtifactError, match="changed while it was read"):
        read_while_it_changes()


def test_an_error_of_the_reader_stays_its_own(tmp_path: Path) -> None:
    """It is not covered by one of ours."""
    (tmp_path / "file").write_bytes(b"abc")
    artifact = only(tmp_path)

    def fail() -> None:
        with artifact.open():
            grow(tmp_path / "file")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()


SAFE_NAMES = st.text(
    st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=30
).filter(lambda name: name not in {".", ".."})


@settings(deadline=None)
@given(names=st.sets(SAFE_NAMES, max_size=8))
def test_every_name_is_either_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    """Nothing is passed over in silence."""
    root = tmp_path_factory.mktemp("names")
    for name in names:
        (root / name).touch()

    scan = artifacts.scan(root)

    assert {one.path for one in scan.artifacts} | {one.path for one in scan.refused} == names
