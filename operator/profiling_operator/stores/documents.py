"""Documents in a folder of this machine: `ROOT/.profjob/baselines/NAMESPACE/SERIES/BASELINE.json`.

Folders as stores have them, and so has the results server: one who becomes the other finds them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from profiling_operator import backoff
from profiling_operator.baselines import DOCUMENT_LIMIT
from profiling_operator.errors import StoreError
from profiling_operator.stores.contract import Document, StoreConflictError, StoreRefusedError
from profiling_operator.stores.copying import explained, sync_folder, without_links
from profiling_operator.stores.keys import (
    RESERVED,
    BadKeyError,
    check_series,
    read_document_name,
)

DOCUMENTS = f"{RESERVED}/baselines"
SUFFIX = ".json"
CHANGED = "somebody else has written it since it was read"
LOCK_SECONDS = 10.0
"""For the lock, which is held as long as one document is written."""
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05  # seconds
GROUP_FOLDER, GROUP_FILE = 0o2070, 0o060


class Documents:
    """All documents. May be used by several threads, processes, users of one group, machines."""

    def __init__(self, root: Path) -> None:
        """`root` may not be there yet."""
        self.root = root

    def read(self, name: str) -> Document | None:
        """A document; its version is its SHA-256. Refused when it is too large to be one."""
        with explained():
            place = self._place(name)
            try:
                text = _read(place)
            except FileNotFoundError:
                return None
        if len(text) > DOCUMENT_LIMIT:
            raise StoreRefusedError(f"{place}: is larger than {DOCUMENT_LIMIT} bytes")
        return Document(text, version_of(text))

    def put(self, name: str, text: bytes, replaces: str | None) -> None:
        """Write a document in the place of a version. Raises StoreConflictError."""
        with explained(), self._locked():
            place = self._place(name)
            self._require(name, replaces)
            self._make(place.parent)
            self._write(place, text)

    def drop(self, name: str, version: str | None = None) -> bool:
        """Remove a document, or one version of it alone. Raises StoreConflictError."""
        if self.read(name) is None:
            return False  # where nothing is to be removed nothing is written, either
        with explained(), self._locked():
            place = self._place(name)
            if version is not None:
                self._require(name, version)
            try:
                place.unlink()
            except FileNotFoundError:
                return False
            sync_folder(place.parent)
            for folder in (place.parent, place.parent.parent):
                with suppress(OSError):  # others are in it
                    folder.rmdir()
        return True

    def names(self, namespace: str, series: str = "") -> list[str]:
        """The names of the documents of a namespace, or of one series, sorted."""
        within = check_series(namespace, series or None)
        with explained():
            without_links(self.root, self._top / within)
            found = [self._said(one) for one in self._files(within)]
        return sorted(one.removesuffix(SUFFIX) for one in found)

    def sizes(self) -> list[int]:
        """Bytes of each document. Raises OSError."""
        found = []
        for one in self._files():
            with suppress(FileNotFoundError):  # removed meanwhile
                found.append(one.stat().st_size)
        return found

    def _files(self, within: str = "") -> Iterator[Path]:
        """Those below a namespace or a series. Some may go while this is being read."""
        for here, _, names in os.walk(self._top / within):
            for one in (Path(here) / name for name in names):
                if is_document(self._said(one)) and one.is_file() and not one.is_symlink():
                    yield one

    @property
    def _top(self) -> Path:
        return self.root / DOCUMENTS

    def _said(self, place: Path) -> str:
        return place.relative_to(self._top).as_posix()

    def _place(self, name: str) -> Path:
        """Where a document is. Links that others put into the folder lead nowhere."""
        place = self._top / f"{read_document_name(name)}{SUFFIX}"
        return without_links(self.root, place)

    def _require(self, name: str, version: str | None) -> None:
        found = self.read(name)
        if (found.version if found else None) != version:
            raise StoreConflictError(f"{self._place(name)}: {CHANGED}")

    def _write(self, place: Path, text: bytes) -> None:
        """As a whole or not at all; nobody else is at it."""
        part = place.with_name(f".{place.name}.part")
        part.unlink(missing_ok=True)
        try:
            with part.open("xb") as file:
                file.write(text)
                file.flush()
                self._share(file.fileno(), GROUP_FILE)
                os.fsync(file.fileno())
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(place.parent)

    def _make(self, folder: Path) -> None:
        """Make a folder, and those above it; whoever may write the root may write them."""
        if folder.is_dir():
            return
        if folder == self.root:
            folder.mkdir(parents=True, exist_ok=True)
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        self._share(folder, GROUP_FOLDER)

    def _share(self, made: Path | int, bits: int) -> None:
        """Give the group the rights that it has on the root: a volume is shared by one group."""
        mode = os.stat(made).st_mode
        wanted = mode | (self.root.stat().st_mode & bits)
        if wanted != mode:
            os.chmod(made, wanted & 0o7777)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else writes a document. Raises StoreError when somebody does for too long."""
        without_links(self.root, self._top)
        self._make(self._top)
        lock = self._top / ".lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(lock, flags, 0o666)
        try:
            with suppress(PermissionError):  # it is another user's, who has done so
                self._share(descriptor, GROUP_FILE)
            _acquire(descriptor, lock)
            yield
        finally:
            os.close(descriptor)


def is_document(path: str) -> bool:
    """Whether what lies below the folder of documents is one: the store may hold more."""
    try:
        read_document_name(path.removesuffix(SUFFIX))
    except BadKeyError:
        return False
    return path.endswith(SUFFIX)


def _read(place: Path) -> bytes:
    """At most one byte too much. Raises FileNotFoundError where there is no file."""
    if not place.is_file():
        raise FileNotFoundError
    with place.open("rb") as file:
        return file.read(DOCUMENT_LIMIT + 1)


def version_of(text: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text).hexdigest()


def _acquire(descriptor: int, lock: Path) -> None:
    """Wait for the lock; the kernel frees it, however its holder ends. Raises StoreError."""
    deadline = time.monotonic() + LOCK_SECONDS
    for seconds in backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreError(f"{lock}: is held by somebody for {LOCK_SECONDS:g} s") from None
            time.sleep(seconds)
        except OSError as error:  # as of file systems without locks, and does not name the file
            raise OSError(error.errno, error.strerror, str(lock)) from error
        else:
            return
