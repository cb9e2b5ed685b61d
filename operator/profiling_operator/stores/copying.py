"""Bringing a file to a folder of this machine: resumed, verified, seen as a whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from profiling_operator import store
from profiling_operator.errors import StoreError
from profiling_operator.stores import digests
from profiling_operator.stores.contract import PIECE, Progress, StoreRefusedError

UNFINISHED = re.compile(r"\.profjob-[0-9a-f]{32}\.part")
MAY_PASS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN}

Pieces = Callable[[int], Iterator[bytes]]
"""The bytes of a file from an offset on."""


def bring(
    target: Path, sha256: str | None, pieces: Pieces, progress: Progress | None = None
) -> int:
    """Fill `target` and return how many bytes that took; 0 when it is there already.

    What an earlier call left is used where the checksum is known. Raises StoreError when the
    checksum turns out wrong: what came is thrown away. Raises StoreRefusedError.
    """
    with explained():
        if sha256 and target.is_file() and store.checksum(target) == sha256:
            return 0
        target.parent.mkdir(parents=True, exist_ok=True)
        part = unfinished(target, sha256)
        taken, found = _take(part, pieces, progress)
        if sha256 and found != sha256:
            part.unlink()
            raise StoreError(f"{target}: has checksum {found} instead of {sha256}")
        part.replace(target)
        sync_folder(target.parent)
    return taken


def unfinished(target: Path, sha256: str | None) -> Path:
    """Where the bytes are until they are complete: another file for each content."""
    said = f"{target.name}\n{sha256}".encode(errors="surrogatepass")
    part = target.with_name(f".profjob-{hashlib.sha256(said).hexdigest()[:32]}.part")
    if sha256 is None:
        part.unlink(missing_ok=True)
    return part


def _take(part: Path, pieces: Pieces, progress: Progress | None) -> tuple[int, str]:
    """Append what is missing; returns the bytes that came, and the checksum of the whole."""
    digest = digests.begin(part)
    with part.open("ab") as file:
        begun = file.tell()
        for piece in pieces(begun):
            file.write(piece)
            digest.update(piece)
            if progress:
                progress(file.tell())
        file.flush()
        os.fsync(file.fileno())
        return file.tell() - begun, digest.hexdigest()


def read_from(path: Path, offset: int) -> Iterator[bytes]:
    """The bytes of a file of this machine from an offset on."""
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(PIECE):
            yield piece


def sync_folder(folder: Path) -> None:
    """Make sure that names in a folder outlive a crash of the machine. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def without_links(root: Path, place: Path) -> Path:
    """The place itself. Refused where links lead elsewhere that others put below the root."""
    if place.resolve() != root.resolve() / place.relative_to(root):
        raise StoreRefusedError(f"{place}: there is a symbolic link on the way")
    return place


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of the file system into ours: a full disk may get room, a bad name never will."""
    try:
        yield
    except OSError as error:
        kind = StoreError if error.errno in MAY_PASS else StoreRefusedError
        raise kind(f"{error.filename}: {error.strerror or error}") from error
