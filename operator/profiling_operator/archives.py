"""Tar streams, which is how files get into containers and out of them.

What comes out is hostile: an application wrote it. Members are taken one by one and put below a
descriptor without following anything; links and FIFOs become the same inert things here, so that
whoever lists the copy refuses them as it would have refused the original.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import msgspec

from profiling_operator.artifacts import Limits, printable
from profiling_operator.errors import ExecutorError
from profiling_operator.workspace import CONTROL, REFUSED, LeftOut

PIECE = 1 << 18
HOLE = bytes(PIECE)
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NO_LIMITS = Limits()
OVER = "the time for reading is over; this and the rest is not read"
NOTED, NOTED_PATH = 80, 120  # refusals written down, characters of each path: bounded together


@dataclass(frozen=True)
class Packed:
    """One thing to put into an archive: a file of this machine, some bytes, or a folder."""

    name: str
    source: Path | None = None
    content: bytes | None = None
    link: str = ""
    """Name of a member before it, of which this is another name."""
    mode: int = 0o755


@contextmanager
def pack(things: Iterable[Packed]) -> Iterator[IO[bytes]]:
    """A tar archive of things, all root's, as a file that is gone afterwards."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for thing in things:
                _add(archive, thing)
        file.seek(0)
        yield file


def _add(archive: tarfile.TarFile, thing: Packed) -> None:
    member = tarfile.TarInfo(thing.name)
    member.mode, member.mtime = thing.mode, int(time.time())
    if thing.source is not None:
        with thing.source.open("rb") as stream:
            member.size = os.fstat(stream.fileno()).st_size
            archive.addfile(member, stream)
    elif thing.content is not None:
        member.size = len(thing.content)
        archive.addfile(member, io.BytesIO(thing.content))
    else:
        member.type = tarfile.LNKTYPE if thing.link else tarfile.DIRTYPE
        member.linkname = thing.link
        archive.addfile(member)


@contextmanager
def pack_folder(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """A whole folder of this machine under a name, links as links, all root's."""

    def rooted(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode |= 0o444 | (0o111 if member.mode & 0o111 or member.isdir() else 0)
        return member

    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(folder, arcname=name, filter=rooted)
        file.seek(0)
        yield file


class _Stream(io.RawIOBase):
    """Chunks as a file to read from, which ends when the time for it is over."""

    def __init__(self, chunks: Iterable[bytes], is_over: Callable[[], bool]) -> None:
        self._chunks = iter(chunks)
        self._is_over = is_over
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = None if self._is_over() else next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def unpack(
    chunks: Iterable[bytes],
    folder: Path,
    limits: Limits = NO_LIMITS,
    is_over: Callable[[], bool] = lambda: False,
    *,
    keeps_name: bool = False,
) -> None:
    """Copy what the folder in an archive holds into `folder`, which is empty.

    `keeps_name`: the folder itself is copied, with what it holds.

    What is left out is written to `.run/refused.json` of the copy, with the reason. Reading ends
    when `is_over` says so: the rest is refused. Raises ExecutorError where the stream breaks off.
    """
    root = os.open(folder, FOLDER_FLAGS)
    taking = _Taking(root, limits, is_over, skips_name=not keeps_name)
    try:
        reader = io.BufferedReader(cast(io.RawIOBase, _Stream(chunks, is_over)), PIECE)
        with tarfile.open(fileobj=reader, mode="r|", bufsize=PIECE) as archive:
            for member in archive:
                taking.take(archive, member)
                if taking.is_full:
                    break
            else:
                _require_end(archive)
    except (tarfile.TarError, EOFError) as error:
        if not is_over():
            raise ExecutorError(f"the copy of the workspace broke off: {error}") from error
        taking.refuse("", OVER)
    finally:
        taking.write_refused()
        os.close(root)


def _require_end(archive: tarfile.TarFile) -> None:
    """Raises where it just stops: tarfile takes anything but a member for the end.

    An archive ends with two empty blocks, the first of which has been read.
    """
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("there is no end of the archive")


class _Taking:
    """Takes members into a folder."""

    def __init__(
        self, root: int, limits: Limits, is_over: Callable[[], bool], skips_name: bool
    ) -> None:
        self._root = root
        self._limits = limits
        self._is_over = is_over
        self._skips_name = skips_name
        self._left_out: list[LeftOut] = []
        self._count = 0
        self._total = 0
        self.is_full = False

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """One member; what cannot be taken is noted."""
        path = self._below(member.name)
        self._count += 1
        reason = self._objection(member, path)
        if not reason and path.parts:
            try:
                self._put(archive, member, path)
            except OSError as error:
                reason = error.strerror or str(error)
            except ValueError as error:  # a NUL in a name
                reason = str(error)
        if reason:
            self.refuse(str(path), reason)

    def refuse(self, path: str, reason: str) -> None:
        """Note what is left out."""
        self._left_out.append(LeftOut(printable(path)[:NOTED_PATH], reason))

    def _below(self, name: str) -> PurePosixPath:
        """The path below our folder: archives begin with the name of theirs."""
        return PurePosixPath(name.partition("/")[2] if self._skips_name else name)

    def _objection(self, member: tarfile.TarInfo, path: PurePosixPath) -> str:
        limits = self._limits
        is_over, too_many = self._is_over(), self._count > limits.count + 1
        self.is_full = is_over or too_many
        objections = {
            OVER: is_over,
            f"past {limits.count} names; this and the rest is not read": too_many,
            "its name leads elsewhere": _leads_elsewhere(path),
            "its target is elsewhere":
                member.islnk() and _leads_elsewhere(self._below(member.linkname)),
            "its name is that of this list": path.parts[:2] == (CONTROL, REFUSED),
            "a name of the launcher's folder": path.parts == (CONTROL,) and not member.isdir(),
            f"deeper than {limits.depth} folders": len(path.parts) > limits.depth + 1,
            "a device": member.ischr() or member.isblk(),
            "of an unknown kind": member.type not in tarfile.SUPPORTED_TYPES,
            f"larger than {limits.file_bytes} bytes": member.size > limits.file_bytes,
            f"past {limits.total_bytes} bytes in all":
                self._total + member.size > limits.total_bytes,
        }  # fmt: skip
        return next((reason for reason, holds in objections.items() if holds), "")

    def _put(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: PurePosixPath) -> None:
        folder = _open_folder(self._root, path.parts if member.isdir() else path.parent.parts)
        try:
            if member.issym():
                os.symlink(member.linkname, path.name, dir_fd=folder)
            elif member.isfifo():
                os.mkfifo(path.name, 0o600, dir_fd=folder)
            elif member.islnk():
                self._link(member, path.name, folder)
            elif member.isreg():
                self._write(archive, member, path.name, folder)
        finally:
            os.close(folder)

    def _link(self, member: tarfile.TarInfo, name: str, folder: int) -> None:
        """A second name here, too: both are refused by whoever lists the copy."""
        target = self._below(member.linkname)
        source = _open_folder(self._root, target.parent.parts)
        try:
            os.link(target.name, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(source)

    def _write(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, folder: int
    ) -> None:
        """All of a file or nothing: half of one would be taken for a whole."""
        stream = archive.extractfile(member)
        descriptor = os.open(name, FILE_FLAGS, 0o600, dir_fd=folder)
        try:
            with open(descriptor, "wb") as file:
                while stream is not None and (piece := stream.read(PIECE)):
                    if piece == HOLE:  # archives have none, and copies need not fill them
                        file.seek(PIECE, os.SEEK_CUR)
                    else:
                        file.write(piece)
                    self._total += len(piece)
                file.truncate()
                with suppress(OverflowError, ValueError, OSError):  # times that exist only there
                    os.utime(descriptor, (member.mtime, member.mtime))
        except (OSError, tarfile.TarError):
            os.unlink(name, dir_fd=folder)
            raise

    def write_refused(self) -> None:
        """Note what was left out; nothing else gets into the place of the note."""
        if not self._left_out:
            return
        folder = _open_folder(self._root, (CONTROL,))
        try:
            with open(os.open(REFUSED, FILE_FLAGS, 0o600, dir_fd=folder), "wb") as file:
                file.write(msgspec.json.encode(self._left_out[:NOTED]))
        finally:
            os.close(folder)


def _leads_elsewhere(path: PurePosixPath) -> bool:
    return ".." in path.parts or path.is_absolute()


def _open_folder(root: int, parts: Iterable[str]) -> int:
    """A folder below another one, made where it is not there; never through a link."""
    here = os.dup(root)
    for part in parts:
        try:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=here)
            inner = os.open(part, FOLDER_FLAGS, dir_fd=here)
        finally:
            os.close(here)
        here = inner
    return here
