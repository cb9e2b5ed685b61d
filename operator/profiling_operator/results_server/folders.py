"""Result folders on the server's disk: `ROOT/NAMESPACE/JOB/UID/ATTEMPT/PATH`.

What the server keeps for itself is below `.profjob` of an attempt: unfinished uploads, and the
checksums of finished files. All of it may block: it is called in threads.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from profiling_operator import store
from profiling_operator.stores import LAST_FILE, BadKeyError, Key, StoredFile, read_key
from profiling_operator.stores.copying import sync_folder
from profiling_operator.stores.keys import RESERVED

PARTIAL, SUMS = f"{RESERVED}/partial", f"{RESERVED}/sums"
DIGITS = 32


@dataclass(frozen=True)
class Attempt:
    """A result folder as retention sees it."""

    key: Key
    size: int
    """Bytes on disk, unfinished uploads included."""
    finished: float | None
    """When report.json came, in seconds since the epoch; None before that."""
    touched: float
    """When anything in it was last written."""


@dataclass(frozen=True)
class Folders:
    """All result folders."""

    root: Path

    def place(self, key: Key, path: str = "") -> Path:
        """Where a result folder is, or a file of it."""
        return self.root / key.namespace / key.job / key.uid / key.attempt / path

    def partial(self, key: Key, path: str, sha256: str) -> Path:
        """Where an upload grows: a file for each content, so that two never mix."""
        return self.place(key, PARTIAL) / f"{short(path)}-{sha256}"

    def is_complete(self, key: Key) -> bool:
        """Whether the report is there: nothing changes any more."""
        return self.place(key, LAST_FILE).is_file()

    def kept(self, key: Key, path: str) -> StoredFile | None:
        """A finished file; None when there is none."""
        place = self.place(key, path)
        try:
            if not place.is_file():
                return None
            return StoredFile(path, place.stat().st_size, self._checksum(key, path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def files(self, key: Key) -> list[StoredFile]:
        """The finished files by path."""
        folder = self.place(key)
        paths = sorted(one.relative_to(folder).as_posix() for one in _walk(folder))
        return [one for path in paths if (one := self.kept(key, path)) is not None]

    def sizes(self, key: Key) -> dict[str, int]:
        """Bytes of finished and unfinished files, by `short(path)`."""
        folder = self.place(key)
        found: dict[str, int] = {}
        with suppress(FileNotFoundError):
            for one in self.place(key, PARTIAL).iterdir():
                found[one.name[:DIGITS]] = one.stat().st_size
        for one in _walk(folder):
            found[short(one.relative_to(folder).as_posix())] = one.stat().st_size
        return found

    def finish(self, key: Key, path: str, sha256: str) -> None:
        """Give a complete upload its name; at no time is there half of it, nor a wrong checksum.

        Raises OSError, as when a folder has that name.
        """
        part, place = self.partial(key, path, sha256), self.place(key, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._note(key, path, sha256, part)
        part.replace(place)
        sync_folder(place.parent)
        if path == LAST_FILE:
            shutil.rmtree(self.place(key, PARTIAL), ignore_errors=True)

    def attempts(self) -> Iterator[Attempt]:
        """Every result folder. Some may go while this is being read."""
        for place in self.root.glob("*/*/*/*"):
            said = place.relative_to(self.root).as_posix()
            with suppress(BadKeyError, FileNotFoundError, NotADirectoryError):
                yield self._attempt(read_key(said))

    def discard(self, key: Key, bin_: Path) -> None:
        """Take a result folder away in one step, into a folder of the same disk."""
        with suppress(FileNotFoundError):
            self.place(key).rename(bin_ / hashlib.sha256(str(key).encode()).hexdigest())

    def prune(self, *parts: str) -> None:
        """Remove a folder above result folders, if it is empty."""
        with suppress(OSError):
            self.root.joinpath(*parts).rmdir()

    def _attempt(self, key: Key) -> Attempt:
        place = self.place(key)
        stats = [one.stat() for one in (*_walk(place), *_walk(place / PARTIAL))]
        report = self.place(key, LAST_FILE)
        return Attempt(
            key,
            size=sum(one.st_size for one in stats),
            finished=report.stat().st_mtime if report.is_file() else None,
            touched=max([place.stat().st_mtime, *(one.st_mtime for one in stats)]),
        )

    def _checksum(self, key: Key, path: str) -> str:
        """As it was noted; made anew for a file that came in another way, as from a backup."""
        place = self.place(key, path)
        with suppress(OSError, ValueError):
            sha256, size, modified = (self.place(key, SUMS) / short(path)).read_text().split()
            stat = place.stat()
            if (int(size), int(modified)) == (stat.st_size, stat.st_mtime_ns):
                return sha256
        sha256 = store.checksum(place)
        with suppress(OSError):  # a disk without room can still be read
            self._note(key, path, sha256, place)
        return sha256

    def _note(self, key: Key, path: str, sha256: str, file: Path) -> None:
        """Size and time tell later whether the checksum is still of this file."""
        sums = self.place(key, SUMS)
        sums.mkdir(parents=True, exist_ok=True)
        stat = file.stat()
        store.write_whole(sums / short(path), f"{sha256} {stat.st_size} {stat.st_mtime_ns}\n")


def short(path: str) -> str:
    """A name of fixed length for a path of any."""
    return hashlib.sha256(path.encode()).hexdigest()[:DIGITS]


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, without our own ones."""
    for here, folders, names in os.walk(folder):
        if RESERVED in folders and Path(here) == folder:
            folders.remove(RESERVED)
        yield from (Path(here) / name for name in names)
