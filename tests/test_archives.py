"""Archives come from an application's side, by way of an engine, so they are hostile."""

from __future__ import annotations

import io
import os
import random
import resource
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from profiling_operator import archives, artifacts, workspace
from profiling_operator.archives import NOTED, NOTED_PATH, OVER, Packed
from profiling_operator.artifacts import Limits
from profiling_operator.errors import ExecutorError

MADE = 1_700_000_000
DEVICE, FIFO, LINK, HARD_LINK, FOLDER = (
    tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE,
)  # fmt: skip
SECRET = b"nobody may read or change this"

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **fields: Any) -> Member:
    """One member: a regular file, unless `type` says otherwise."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(content), MADE
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def device(name: str) -> Member:
    """A device, which is always left out."""
    return member(name, type=DEVICE, devmajor=1, devminor=5)


def tar(*members: Member) -> bytes:
    """An archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """What an engine sends: pieces of any length, empty ones among them."""
    for start in range(0, len(data), size):
        yield b""
        yield data[start : start + size]


class World:
    """A folder for the copy, and things around it that must stay as they are."""

    def __init__(self, base: Path) -> None:
        self.copy = base / "outer" / "copy"
        self.copy.mkdir(parents=True)
        self.secret = base / "outer" / "secret"
        self.secret.write_bytes(SECRET)
        (base / "outer" / "folder").mkdir()
        self._base = base
        self._around = self.around()

    def around(self) -> dict[str, tuple[int, int, int]]:
        """What is beside the copy: kind, links and size, by path."""
        found = (one for one in self._base.rglob("*") if self.copy not in one.parents)
        return {
            str(path): (status.st_mode, 0 if path.is_dir() else status.st_nlink, status.st_size)
            for path in found
            if path != self.copy
            for status in (path.lstat(),)
        }

    def unpack(self, *members: Member, **options: Any) -> dict[str, str]:
        """Unpack members; the reasons of what was left out by path. Nothing around has changed."""
        archives.unpack(pieces(tar(*members)), self.copy, **options)
        self.check()
        return self.left_out()

    def check(self) -> None:
        """Nothing was made, changed or linked beside the copy."""
        assert self.around() == self._around
        assert self.secret.read_bytes() == SECRET

    def left_out(self) -> dict[str, str]:
        """What the copy says that it does not have."""
        return {one.path: one.reason for one in workspace.read_left_out(self.copy)}

    def names(self) -> set[str]:
        """What the copy has, without the list of what it has not."""
        found = {str(one.relative_to(self.copy)) for one in self.copy.rglob("*")}
        ours = {".run/refused.json"}
        is_made_for_it = not any(name.startswith(".run/") for name in found - ours)
        return found - ours - ({".run"} if ours <= found and is_made_for_it else set())

    def read(self, path: str) -> bytes:
        """A file of the copy."""
        return (self.copy / path).read_bytes()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh one."""
    return World(tmp_path)


# Packing.


def packed(things: list[Packed]) -> tuple[list[tarfile.TarInfo], dict[str, bytes]]:
    """Members of an archive of things, and the files' contents."""
    with archives.pack(things) as file, tarfile.open(fileobj=file) as archive:
        members = archive.getmembers()
        read = {one.name: stream.read() for one in members if (stream := archive.extractfile(one))}
    return members, read


def test_files_contents_links_and_folders_are_packed(tmp_path: Path) -> None:
    """All are root's, whoever has them here, with the mode that was asked for."""
    (tmp_path / "here").write_bytes(b"of this machine")
    os.chmod(tmp_path / "here", 0o600)

    members, read = packed(
        [
            Packed("a", mode=0o2777),
            Packed("a/here", source=tmp_path / "here"),
            Packed("a/note", content=b"some bytes", mode=0o644),
            Packed("a/empty", content=b""),
            Packed("a/again", link="a/note"),
        ]
    )

    assert [(one.name, one.type, one.mode) for one in members] == [
        ("a", FOLDER, 0o2777),
        ("a/here", tarfile.REGTYPE, 0o755),
        ("a/note", tarfile.REGTYPE, 0o644),
        ("a/empty", tarfile.REGTYPE, 0o755),
        ("a/again", HARD_LINK, 0o755),
    ]
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "", "")}
    assert read == {
        "a/here": b"of this machine", "a/note": b"some bytes", "a/empty": b"",
        "a/again": b"some bytes",
    }  # fmt: skip


def test_an_archive_is_a_file_that_is_gone_afterwards() -> None:
    """It can be sent with its length, and leaves nothing behind."""
    with archives.pack([Packed("a", content=b"x")]) as file:
        assert file.tell() == 0
        assert os.fstat(file.fileno()).st_nlink == 0
    assert file.closed


def test_a_file_that_is_not_here_is_no_archive(tmp_path: Path) -> None:
    """It is not left out in silence."""
    with (
        pytest.raises(FileNotFoundError),
        archives.pack([Packed("a", source=tmp_path / "nothing")]),
    ):
        pass


def test_a_whole_folder_is_packed_for_everybody(tmp_path: Path) -> None:
    """Links stay links, programs stay programs, and all may read what only root could."""
    folder = tmp_path / "tool"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "run").write_text("#!")
    (folder / "bin" / "run").chmod(0o700)
    (folder / "data").write_text("data")
    (folder / "data").chmod(0o600)
    (folder / "bin").chmod(0o700)
    (folder / "link").symlink_to("bin/run")

    with (
        archives.pack_folder(folder, "opt/tool") as file,
        tarfile.open(fileobj=file) as archive,
    ):
        members = {one.name: one for one in archive.getmembers()}

    assert {name: (one.type, one.mode) for name, one in members.items() if not one.issym()} == {
        "opt/tool": (FOLDER, folder.stat().st_mode & 0o7777 | 0o555),
        "opt/tool/bin": (FOLDER, 0o755),
        "opt/tool/bin/run": (tarfile.REGTYPE, 0o755),
        "opt/tool/data": (tarfile.REGTYPE, 0o644),
    }
    assert members["opt/tool/link"].linkname == "bin/run"
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members.values()} == {
        (0, 0, "", "")
    }


NAMES = st.text(
    st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=20
).filter(lambda name: name not in {".", "..", ".run"})


@settings(deadline=None, max_examples=60)
@given(
    files=st.dictionaries(NAMES, st.binary(max_size=3000), max_size=6), size=st.integers(1, 5000)
)
def test_what_was_packed_is_unpacked(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], size: int
) -> None:
    """With any names and contents, in pieces of any length."""
    copy = tmp_path_factory.mktemp("copy")
    things = [Packed(f"out/sub/{name}", content=content) for name, content in files.items()]

    with archives.pack([Packed("out"), *things]) as file:
        archives.unpack(iter(lambda: file.read(size), b""), copy)

    assert {one.name: one.read_bytes() for one in copy.glob("sub/*")} == files
    assert workspace.read_left_out(copy) == ()


# Unpacking what is as it should be.


def test_what_a_folder_holds_is_copied(world: World) -> None:
    """Without the folder's name; files keep their bytes and times, and belong to who copies."""
    left_out = world.unpack(
        member("out", type=FOLDER, mode=0o2777),
        member("out/run-0", type=FOLDER),
        member("out/run-0/profile.0.0.0", b"abc", mode=0o000, uid=12345),
        member("out/run-0/empty"),
    )

    status = (world.copy / "run-0/profile.0.0.0").stat()
    assert left_out == {}
    assert world.names() == {"run-0", "run-0/profile.0.0.0", "run-0/empty"}
    assert world.read("run-0/profile.0.0.0") == b"abc"
    assert (status.st_mtime, status.st_uid) == (MADE, os.geteuid())
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_a_folder_s_own_name_can_be_kept(world: World) -> None:
    """As the copy of `.run` alone needs it, to be read as a workspace."""
    world.unpack(member(".run", type=FOLDER), member(".run/started.json", b"{}"), keeps_name=True)

    assert world.names() == {".run", ".run/started.json"}


@pytest.mark.parametrize("first", ["out", ".", "", "a b", "\udcff"])
def test_the_folder_s_name_may_be_any(world: World, first: str) -> None:
    """`/out/.` is an output path, too; its archive's names begin with a dot."""
    world.unpack(member(first or "/", type=FOLDER), member(f"{first}/file", b"x"))

    assert world.names() == {"file"}


def test_folders_are_made_where_the_archive_does_not_name_them(world: World) -> None:
    """Their members come before them, or without them."""
    world.unpack(member("out/a/b/c", b"x"), member("out/a", type=FOLDER))

    assert world.read("a/b/c") == b"x"


def fill(root: Path) -> None:
    """A workspace with everything in it that an application can make, but devices and sockets."""
    (root / ".run").mkdir()
    (root / ".run" / "exit.json").write_text("{}")
    os.mkfifo(root / ".run" / "alive")
    for folder in ("run-0", "run-0/tau", "run-0/empty"):
        (root / folder).mkdir()
    for number in (2, 10):
        (root / "run-0/tau" / f"profile.{number}.0.0").write_bytes(b"x" * number)
    (root / "run-0/first").write_text("two names")
    (root / "run-0/tau/second").hardlink_to(root / "run-0/first")
    (root / "run-0/link").symlink_to("/etc/passwd")
    (root / "run-0/link-to-link").symlink_to("link")
    (root / "run-0/second-link").hardlink_to(root / "run-0/link")
    (root / "run-0/to-folder").symlink_to("/etc")
    (root / "run-0/dangling").symlink_to("nowhere")
    os.mkfifo(root / "run-0/fifo")
    (root / "run-0" / ("é" * 100)).write_text("long")
    deep = root / "/".join("d" * 1 for _ in range(20))
    deep.mkdir(parents=True)
    (deep / "file").touch()
    with open(os.path.join(os.fsencode(root), b"run-0/\xff\xfe"), "wb") as file:
        file.write(b"no UTF-8")


def tarred(folder: Path) -> bytes:
    """As an engine does it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(folder, arcname="out")
    return stream.getvalue()


def seen(root: Path, limits: Limits) -> tuple[list[tuple[str, int]], list[artifacts.Refused]]:
    """What a reader takes of a folder, and what not."""
    scan = artifacts.scan(root, limits)
    return [(one.path, one.size) for one in scan.artifacts], list(scan.refused)


@pytest.mark.parametrize("limits", [Limits(), Limits(depth=40)], ids=["deep", "all"])
def test_a_copy_is_listed_as_its_original_is(world: World, tmp_path: Path, limits: Limits) -> None:
    """The same files are taken, and the same refused, for the same reasons."""
    original = tmp_path / "original"
    original.mkdir()
    fill(original)

    archives.unpack(pieces(tarred(original)), world.copy, Limits(depth=40))

    assert seen(world.copy, limits) == seen(original, limits)
    assert {one.reason for one in artifacts.scan(world.copy).refused} >= {
        "a symbolic link", "a FIFO", "a second hard link to a file", "the name is not UTF-8",
        "deeper than 16 folders",
    }  # fmt: skip


def test_many_small_files_are_copied(world: World) -> None:
    """More than one buffer holds."""
    contents = {f"f{number}": random.Random(number).randbytes(997) for number in range(600)}

    world.unpack(*(member(f"out/{name}", content) for name, content in contents.items()))

    assert {name: world.read(name) for name in world.names()} == contents


@pytest.mark.parametrize("end", [b"", b"x", bytes(1000)], ids=["hole", "byte", "zeros"])
def test_holes_stay_holes(world: World, end: bytes) -> None:
    """Archives have them as zeros; the copy has the same bytes, and takes less of the disk."""
    content = b"x" * archives.PIECE + bytes(8 * archives.PIECE) + end

    world.unpack(member("out/sparse", content), limits=Limits(total_bytes=len(content)))

    assert world.read("sparse") == content
    assert (world.copy / "sparse").stat().st_blocks * 512 < len(content) // 2


# Unpacking what is not.


@pytest.mark.parametrize("keeps_name", [False, True], ids=["inner", "whole"])
@pytest.mark.parametrize(
    "name",
    [
        "../secret", "out/../../secret", "out/../secret", "/etc/x", "//etc/x", "out//etc/x", "..",
        "../..", "out/..", "out/../..", "/", "../../outer/secret", "a/../../../../x", "./../x",
        "out/a/../../../x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, FOLDER, LINK, FIFO])
def test_no_name_leads_out_of_the_folder(
    world: World, name: str, kind: bytes, keeps_name: bool
) -> None:
    """It lands in the folder or is left out; never anywhere else."""
    info = member(name, b"x" if kind == tarfile.REGTYPE else b"", type=kind, linkname="x")

    left_out = world.unpack(info, member("out/good", b"y"), keeps_name=keeps_name)

    assert set(left_out.values()) <= {"its name leads elsewhere"}
    assert any(path.endswith("good") for path in world.names())


@pytest.mark.parametrize("target", ["/", "..", "../folder", "../secret", "."])
def test_nothing_is_written_through_a_link(world: World, target: str) -> None:
    """What comes after a link, as if it were a folder or the file itself, is left out."""
    where = str(world.secret.parent / target.removeprefix("../")) if target[1:] else target

    left_out = world.unpack(
        member("out/link", type=LINK, linkname=where),
        member("out/link", b"overwritten"),
        member("out/link/file", b"written"),
        member("out/link/folder", type=FOLDER),
        member("out/link", type=FOLDER),
        member("out/link/fifo", type=FIFO),
        member("out/link/copy/deep", b"written"),
    )

    assert world.names() == {"link"}
    assert os.readlink(world.copy / "link") == where
    assert left_out.keys() == {
        "link", "link/file", "link/folder", "link/fifo", "link/copy/deep",
    }  # fmt: skip


@pytest.mark.parametrize("keeps_name", [False, True], ids=["inner", "whole"])
@pytest.mark.parametrize(
    "target",
    [
        "out/../secret", "out/../../outer/secret", "../secret", "../../secret", "out/a/../../../x",
        "{secret}", "/{secret}", "out/{secret}", "out//{secret}", "out/link", "out/up/secret",
        "out/up/../secret", "", "out", "/", "..", "out/..",
    ],
)  # fmt: skip
def test_a_hard_link_names_nothing_outside(world: World, target: str, keeps_name: bool) -> None:
    """Neither by its name, nor by way of a symbolic link: the file there would get our name."""
    left_out = world.unpack(
        member("out/link", type=LINK, linkname=str(world.secret)),
        member("out/up", type=LINK, linkname=".."),
        member("out/stolen", type=HARD_LINK, linkname=target.format(secret=world.secret)),
        keeps_name=keeps_name,
    )

    stolen = world.copy / ("out/stolen" if keeps_name else "stolen")
    assert not stolen.exists() or stolen.is_symlink()
    assert left_out or stolen.is_symlink()


def test_a_hard_link_before_its_target_is_left_out(world: World) -> None:
    """It cannot be made; the target is copied all the same."""
    left_out = world.unpack(
        member("out/second", type=HARD_LINK, linkname="out/a/first"),
        member("out/a/first", b"x"),
    )

    assert left_out == {"second": "No such file or directory"}
    assert world.read("a/first") == b"x"


def test_devices_are_left_out(world: World) -> None:
    """Nobody wants them, and making them needs rights."""
    block = member("out/block", type=tarfile.BLKTYPE, devmajor=7)

    assert world.unpack(device("out/zero"), block) == {"zero": "a device", "block": "a device"}


def test_a_kind_that_is_not_known_is_left_out(world: World) -> None:
    """Not in silence."""
    assert world.unpack(member("out/door", b"content", type=b"D"), member("out/a")) == {
        "door": "of an unknown kind"
    }
    assert world.names() == {"a"}


def test_the_first_of_two_of_a_name_stays(world: World) -> None:
    """Whatever kind the second one has."""
    left_out = world.unpack(
        member("out/a", b"first"),
        member("out/a", b"second"),
        member("out/b", type=FOLDER),
        member("out/b", b"second"),
        member("out/c", type=FIFO),
        member("out/c", type=LINK, linkname="x"),
        member("out/d", b"first"),
        member("out/d", type=FOLDER),
        member("out/d/e", b"below a file"),
    )

    assert world.read("a") == b"first"
    assert world.names() == {"a", "b", "c", "d"}
    assert left_out == {
        "a": "File exists", "b": "File exists", "c": "File exists", "d": "Not a directory",
        "d/e": "Not a directory",
    }  # fmt: skip


def test_a_name_that_is_not_utf8_is_copied_as_it_is(world: World) -> None:
    """Whoever lists the copy refuses it; what is left out is noted so that JSON takes it."""
    left_out = world.unpack(member("out/\udcff\udcfe", b"x"), device("out/\udcffdevice"))

    assert sorted(os.listdir(os.fsencode(world.copy))) == [b".run", b"\xff\xfe"]
    assert left_out == {"\ufffddevice": "a device"}


@pytest.mark.parametrize(
    "name", ["out/" + "n" * 300, "out/" + "é" * 128, "out/a\0b", "out/" + "x/" * 3000 + "y"]
)
def test_a_name_that_no_file_system_takes_is_left_out(world: World, name: str) -> None:
    """Too long, too deep, or with a NUL in it."""
    info, content = member("x", b"x")
    info.pax_headers = {"path": name}

    left_out = world.unpack((info, content), member("out/good"))

    assert "good" in world.names()
    assert len(left_out) == 1


@pytest.mark.parametrize("when", ["nan", "inf", "-inf", "1e300", "9999999999999999999", "-1.5"])
def test_any_time_of_change_is_taken(world: World, when: str) -> None:
    """A file whose time exists only there is copied, too."""
    info, content = member("out/a", b"x")
    info.pax_headers = {"mtime": when}

    assert world.unpack((info, content)) == {}
    assert world.read("a") == b"x"


def test_files_beyond_the_limit_are_left_out(world: World) -> None:
    """Reading goes on behind them."""
    left_out = world.unpack(
        member("out/a", b"x" * 10), member("out/b", b"x" * 11), member("out/c", b"x"),
        limits=Limits(file_bytes=10),
    )  # fmt: skip

    assert left_out == {"b": "larger than 10 bytes"}
    assert world.names() == {"a", "c"}


def test_files_beyond_the_limit_of_all_are_left_out(world: World) -> None:
    """Smaller ones behind them still fit."""
    left_out = world.unpack(
        member("out/a", b"x" * 10), member("out/b", b"x" * 11), member("out/c", b"x" * 10),
        limits=Limits(total_bytes=20),
    )  # fmt: skip

    assert left_out == {"b": "past 20 bytes in all"}
    assert world.names() == {"a", "c"}


def sparse(name: str, size: int) -> bytes:
    """A member that is `size` long and has nothing in it, as GNU tar writes it."""
    info, _ = member(name, type=tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:398] = block[398:410] = b"00000000000\0"  # one piece of no bytes
    block[483:495] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_a_sparse_file_counts_with_its_length(world: World) -> None:
    """It costs nothing to send and would fill our disk."""
    archives.unpack(pieces(sparse("out/sparse", 1 << 40) + tar(member("out/a"))), world.copy)

    assert world.left_out() == {"sparse": f"larger than {Limits().file_bytes} bytes"}
    assert world.names() == {"a"}


def test_names_past_the_limit_are_not_read(world: World) -> None:
    """Reading ends, which is noted once, with the first one."""
    left_out = world.unpack(
        member("out", type=FOLDER), *(member(f"out/{number}") for number in range(10)),
        limits=Limits(count=4),
    )  # fmt: skip

    assert left_out == {"4": "past 4 names; this and the rest is not read"}
    assert world.names() == {"0", "1", "2", "3"}


def test_folders_past_the_depth_are_left_out(world: World) -> None:
    """A file may lie in the deepest folder that is allowed."""
    left_out = world.unpack(
        member("out/1/2/file"), member("out/1/2/3/file"), member("out/1/2/3/4", type=FOLDER),
        limits=Limits(depth=2),
    )  # fmt: skip

    assert left_out.keys() == {"1/2/3/file", "1/2/3/4"}
    assert set(left_out.values()) == {"deeper than 2 folders"}
    assert "1/2/file" in world.names()


class Clock:
    """Says that the time is over from the n-th question on."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def __call__(self) -> bool:
        """Whether it is over."""
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("questions", range(45))
def test_reading_ends_when_its_time_is_over(world: World, questions: int) -> None:
    """Wherever that is: what is there is whole, and that the rest is missing is noted."""
    content = random.Random(0).randbytes(3000)
    members = [member(f"out/{number}", content) for number in range(4)]

    archives.unpack(pieces(tar(*members)), world.copy, is_over=Clock(questions))

    is_whole = world.names() == {"0", "1", "2", "3"}
    assert {world.read(name) for name in world.names()} <= {content}
    assert is_whole or set(world.left_out().values()) == {OVER}
    world.check()


def test_a_stream_that_never_ends_is_left_when_the_time_is_over(world: World) -> None:
    """Also in the middle of one file, which is then not there: half of it is no file."""

    def endless() -> Iterator[bytes]:
        info, _ = member("out/endless")
        info.size = 1 << 33
        yield info.tobuf()
        while True:
            yield bytes(1 << 16)

    archives.unpack(endless(), world.copy, is_over=Clock(50))

    assert world.names() == set()
    assert set(world.left_out().values()) == {OVER}


WHOLE = tar(
    member("out", type=FOLDER), member("out/a", b"x" * 700), member("out/" + "b" * 200, b"y"),
    member("out/c", type=LINK, linkname="a"),
)  # fmt: skip
END = len(WHOLE.rstrip(b"\0")) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE + tarfile.BLOCKSIZE


@settings(deadline=None)
@given(length=st.integers(0, END + tarfile.BLOCKSIZE))
@example(length=tarfile.BLOCKSIZE)
@example(length=END)
def test_a_stream_that_breaks_off_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    """Also between two members, where tarfile would see an end."""
    copy = tmp_path_factory.mktemp("copy")

    with pytest.raises(ExecutorError, match="broke off"):
        archives.unpack(pieces(WHOLE[:length], 333), copy)

    assert all(one.stat().st_size in {0, 1, 700} for one in copy.rglob("*") if one.is_file())


def test_a_whole_stream_is_none() -> None:
    """The two empty blocks are the end, with what fills the record or without."""
    assert set(WHOLE[END:]) == {0}


@settings(deadline=None)
@given(garbage=st.binary(max_size=3000))
def test_garbage_is_an_error(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    """Of ours, whatever it is."""
    with pytest.raises(ExecutorError, match="broke off"):
        archives.unpack([garbage], tmp_path_factory.mktemp("copy"))


def test_an_error_that_an_engine_writes_into_the_stream_is_an_error(world: World) -> None:
    """It has begun to answer when it fails, and puts its words where a member should be."""
    words = b'{"message":"no space left on device"}\n'

    with pytest.raises(ExecutorError, match="broke off"):
        archives.unpack([tar(member("out/a", b"x"))[:1024], words], world.copy)


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Files larger than that cannot be written; stands for a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_on_the_disk_is_left_out_whole(world: World) -> None:
    """Half of a profile would be read as one."""
    data = tar(member("out/a", b"x" * 100_000), member("out/b", b"x"))

    with small_disk(50_000):
        archives.unpack(pieces(data), world.copy)

    assert world.left_out() == {"a": "File too large"}
    assert world.names() == {"b"}


# The list of what was left out.


def a_file(name: str) -> list[Member]:
    """A list that the application wrote."""
    return [member(name, b'[{"path":"forged","reason":"forged"}]')]


def a_link(name: str) -> list[Member]:
    """A link to a file of ours."""
    return [member(name, type=LINK, linkname="../../secret")]


def a_folder(name: str) -> list[Member]:
    """A folder that is not empty."""
    return [member(name, type=FOLDER), member(f"{name}/inner", b"x")]


def a_fifo(name: str) -> list[Member]:
    """A FIFO, on which a writer would wait."""
    return [member(name, type=FIFO)]


def a_second_name(name: str) -> list[Member]:
    """A second name of a file."""
    return [member("out/first", b"x"), member(name, type=HARD_LINK, linkname="out/first")]


@pytest.mark.parametrize("make", [a_file, a_link, a_folder, a_fifo, a_second_name])
@pytest.mark.parametrize("place", ["out/.run/refused.json", "out/.run"])
def test_the_list_is_ours_alone(
    world: World, make: Callable[[str], list[Member]], place: str
) -> None:
    """Whatever the application put in its place, or in place of its folder."""
    left_out = world.unpack(device("out/zero"), *make(place), device("out/null"))

    assert left_out["zero"] == left_out["null"] == "a device"
    assert "forged" not in left_out
    assert (world.copy / ".run").is_dir() and not (world.copy / ".run").is_symlink()


def test_a_list_of_the_application_is_not_believed(world: World) -> None:
    """Not even where nothing else was left out."""
    left_out = world.unpack(member("out/.run", type=FOLDER), *a_file("out/.run/refused.json"))

    assert left_out == {".run/refused.json": "its name is that of this list"}


def test_nothing_is_noted_where_nothing_is_left_out(world: World) -> None:
    """A copy of a good workspace is the workspace."""
    assert world.unpack(member("out/a")) == {}
    assert world.names() == {"a"}


@settings(deadline=None, max_examples=30)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="/\0", codec="utf-8"), max_size=400), max_size=150
    )
)
@example(names=["\x01" * 400] * 150)
@example(names=["\U0001f600" * 400] * 150)
@example(names=['"' * 400] * 150)
def test_the_list_can_always_be_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """However many names there are, and however long they get as JSON: the first ones are told."""
    copy = tmp_path_factory.mktemp("copy")

    archives.unpack(pieces(tar(*(device(f"out/{name}x") for name in names))), copy)

    noted = workspace.read_left_out(copy)
    assert len(noted) == min(len(names), NOTED)
    assert [one.path for one in noted] == [f"{name}x"[:NOTED_PATH] for name in names[:NOTED]]


PARTS = st.sampled_from(["", ".", "..", "a", "b", ".run", "refused.json", "link", "out", "\udcff"])
PATHS = st.lists(PARTS, max_size=5).map("/".join)
MEMBERS = st.builds(
    lambda name, kind, target, content: member(
        name, content if kind == tarfile.REGTYPE else b"", type=kind, linkname=target
    ),
    PATHS,
    st.sampled_from([tarfile.REGTYPE, FOLDER, LINK, HARD_LINK, FIFO, DEVICE]),
    PATHS,
    st.binary(max_size=10),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=st.lists(MEMBERS, max_size=12), keeps_name=st.booleans())
def test_no_archive_leads_out_of_the_folder(
    tmp_path_factory: pytest.TempPathFactory, members: list[Member], keeps_name: bool
) -> None:
    """Whatever its members, in whatever order; and each is there, or on the list."""
    world = World(tmp_path_factory.mktemp("world"))

    left_out = world.unpack(*members, keeps_name=keeps_name)

    for info, _ in members:
        name = info.name if keeps_name else info.name.partition("/")[2]
        path = PurePosixPath(name)
        told = artifacts.printable(str(path))
        assert told in left_out or os.path.lexists(world.copy / path)
