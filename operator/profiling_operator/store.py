"""The store: where a result folder goes, as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from profiling_operator.errors import StoreError
from profiling_operator.status import ResultFile

STATUS_FILE = "status.json"
"""Written by us into every result folder, so it also tells that a folder is one."""


class Store(Protocol):
    """Takes one result folder."""

    @property
    def url(self) -> str:
        """Where people find the results."""
        ...

    def staged(self) -> Iterator[Path]:
        """An empty folder to fill, as a context; it becomes the result folder at its end."""
        ...


class FileStore:
    """A folder of this machine. An earlier result is replaced at the very end, never mixed."""

    def __init__(self, folder: Path) -> None:
        """`folder` becomes the result folder.

        Raises StoreError if it holds something else, or cannot be written: better now than after
        the run.
        """
        self.folder = folder.absolute()
        above = next(one for one in self.folder.parents if one.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise StoreError(f"{above}: no folder can be made in it")
        if self.folder.is_dir() and any(self.folder.iterdir()):
            self._require_results()
        elif self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder}: is not a folder")

    @property
    def url(self) -> str:
        """A file URL."""
        return self.folder.as_uri()

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A folder beside the final one. On an error it goes away and the earlier result stays."""
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", dir=self.folder.parent))
            scratch.chmod(0o755)
        except OSError as error:
            raise StoreError(f"{error.filename}: {error.strerror}") from error
        try:
            yield scratch
            self._swap(scratch)
        except OSError as error:
            raise StoreError(f"{error.filename}: {error.strerror}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _swap(self, scratch: Path) -> None:
        """Put the new folder in the old one's place; only a rename lies between them."""
        old = scratch.with_name(f"{scratch.name}.old")
        if self.folder.exists():
            self._require_results()
            self.folder.rename(old)
        scratch.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def _require_results(self) -> None:
        """Only our own results are ever replaced."""
        if any(self.folder.iterdir()) and not (self.folder / STATUS_FILE).is_file():
            raise StoreError(
                f"{self.folder}: holds files that are no earlier results (no {STATUS_FILE}); "
                "they are left alone: name another folder for the results"
            )


def listing(folder: Path, counts: dict[str, int]) -> tuple[ResultFile, ...]:
    """Every file below a folder, with size and checksum; `counts` tells of entries."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    return tuple(
        ResultFile(
            path=name, size=path.stat().st_size, sha256=checksum(path), count=counts.get(name)
        )
        for name, path in zip(names, files, strict=True)
    )


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it: never half of it is to be seen."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
