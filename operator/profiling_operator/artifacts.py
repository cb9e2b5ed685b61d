"""The files that collectors left. They come from the application's side, so they are hostile:

links, FIFOs, devices, endless folders and files that change while they are read are refused by
name, never followed and never waited for.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from profiling_operator.errors import ArtifactError

OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Limits:
    """How much of a folder is looked at."""

    count: int = 100_000
    depth: int = 16
    name_bytes: int = 255
    file_bytes: int = 16 << 30
    total_bytes: int = 64 << 30


@dataclass(frozen=True)
class Refused:
    """Something in the folder that is not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Artifact:
    """A regular file below a folder, as it was when the folder was scanned."""

    root: Path = field(repr=False)
    path: str
    size: int
    modified: int
    """Nanoseconds since the Unix epoch."""
    inode: int = field(repr=False)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file's bytes. Raises ArtifactError when it is not, or not any more, what was scanned.

        Each folder on the way is opened without following links, so nothing outside is reached.
        """
        descriptor = _open_below(self.root, PurePosixPath(self.path))
        try:
            before = os.fstat(descriptor)
            self._refuse_other(before)
            with io.open(descriptor, "rb", buffering=1 << 16, closefd=False) as stream:  # noqa: UP020
                yield stream
            if _version(os.fstat(descriptor)) != _version(before):
                raise ArtifactError(f"{self.path}: changed while it was read")
        finally:
            os.close(descriptor)

    def _refuse_other(self, now: os.stat_result) -> None:
        if not stat.S_ISREG(now.st_mode) or now.st_ino != self.inode or now.st_nlink > 1:
            raise ArtifactError(f"{self.path}: was replaced after the folder was listed")
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified):
            raise ArtifactError(f"{self.path}: changed after the folder was listed")


def _version(status: os.stat_result) -> tuple[int, int, int]:
    """What no writer can leave as it was: the change time cannot be set back."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True)
class Scan:
    """What a folder holds: the usable files by path, and what was refused."""

    artifacts: tuple[Artifact, ...]
    refused: tuple[Refused, ...]

    def below(self, folder: str) -> tuple[Artifact, ...]:
        """The artifacts in one folder of the scan."""
        return tuple(one for one in self.artifacts if one.path.startswith(f"{folder}/"))


def scan(root: Path, limits: Limits = Limits()) -> Scan:
    """List a folder: files by path, everything else refused. Never follows a link.

    Raises ArtifactError when the folder itself cannot be read or is a link.
    """
    found = _Findings(root, limits)
    try:
        descriptor = os.open(root, OPEN_FLAGS | os.O_DIRECTORY)
        try:
            _walk(descriptor, "", 0, found)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ArtifactError(f"{root}: {error.strerror}") from error
    by_path = sorted(found.artifacts, key=lambda one: (natural(one.path), one.path))
    return Scan(tuple(by_path), tuple(sorted(found.refused, key=lambda one: one.path)))


def natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts numbers by value, so that profile.10.0.0 comes after profile.2.0.0."""
    parts: list[tuple[int, int | str]] = []
    digits = ""
    for character in f"{text}\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits)))
            digits = ""
        parts.append((1, character))
    return tuple(parts)


class _Findings:
    """Collects while walking; knows when a limit is reached."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self.limits = limits
        self.artifacts: list[Artifact] = []
        self.refused: list[Refused] = []
        self.seen = 0
        self.total = 0
        self.full = False

    def refuse(self, path: str, reason: str) -> None:
        self.refused.append(Refused(printable(path), reason))

    def take(self, path: str) -> bool:
        """Count a name; False, and noted once, when there are too many."""
        if self.full:
            return False
        self.seen += 1
        self.full = self.seen > self.limits.count
        if self.full:
            self.refuse(path, f"past {self.limits.count} names; this and the rest is not read")
        return not self.full

    def add(self, path: str, status: os.stat_result) -> None:
        reason = self._objection(path, status)
        if reason:
            self.refuse(path, reason)
            return
        self.total += status.st_size
        self.artifacts.append(
            Artifact(self.root, path, status.st_size, status.st_mtime_ns, status.st_ino)
        )

    def _objection(self, path: str, status: os.stat_result) -> str:
        limits = self.limits
        objections = {
            "a symbolic link": stat.S_ISLNK(status.st_mode),
            "a FIFO": stat.S_ISFIFO(status.st_mode),
            "a socket": stat.S_ISSOCK(status.st_mode),
            "a device": stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode),
            "a second hard link to a file": status.st_nlink > 1,
            "the name is not UTF-8": path != printable(path),
            f"larger than {limits.file_bytes} bytes": status.st_size > limits.file_bytes,
            f"past {limits.total_bytes} bytes in all": (
                self.total + status.st_size > limits.total_bytes
            ),
        }
        return next((reason for reason, holds in objections.items() if holds), "")


def printable(path: str) -> str:
    """The path as it may stand in JSON: bytes that are not UTF-8 as U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def _walk(descriptor: int, prefix: str, depth: int, found: _Findings) -> None:
    """Visit one open folder, its subfolders included."""
    with os.scandir(descriptor) as children:
        for child in children:
            path = f"{prefix}{child.name}"
            if not found.take(path):
                return
            if len(os.fsencode(child.name)) > found.limits.name_bytes:
                found.refuse(path, f"name longer than {found.limits.name_bytes} bytes")
                continue
            _visit(descriptor, child.name, path, depth, found)


def _visit(parent: int, name: str, path: str, depth: int, found: _Findings) -> None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            found.add(path, status)
        elif depth >= found.limits.depth:
            found.refuse(path, f"deeper than {found.limits.depth} folders")
        else:
            descriptor = os.open(name, OPEN_FLAGS | os.O_DIRECTORY, dir_fd=parent)
            try:
                _walk(descriptor, f"{path}/", depth + 1, found)
            finally:
                os.close(descriptor)
    except OSError as error:
        found.refuse(path, error.strerror or str(error))


def _open_below(root: Path, path: PurePosixPath) -> int:
    """Open a file below a folder, link by link without following any."""
    here = -1
    try:
        here = os.open(root, OPEN_FLAGS | os.O_DIRECTORY)
        for part in path.parent.parts:
            inner = os.open(part, OPEN_FLAGS | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(path.name, OPEN_FLAGS, dir_fd=here)
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    finally:
        if here >= 0:
            os.close(here)
