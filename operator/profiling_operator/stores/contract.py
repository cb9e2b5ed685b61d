"""What every store offers, and the words that callers and stores share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from profiling_operator.errors import StoreError

PIECE = 1 << 20
"""Bytes that are read, hashed and written at once."""

Progress = Callable[[int], None]
"""Called with the bytes of a file that are there so far."""


class StoreRefusedError(StoreError):
    """The store says no, and would say so again."""

    retry: ClassVar[bool] = False


class StoreConflictError(StoreRefusedError):
    """Somebody else has written the document since it was read: read it again."""


@dataclass(frozen=True)
class Document:
    """A small file that changes, such as a baseline."""

    text: bytes
    version: str
    """Of this text, as the store tells it: what `put_document` wants to replace."""


class Listed(Protocol):
    """A file of a result folder: `status.ResultFile` is one."""

    @property
    def path(self) -> str:
        """Below the folder, with `/` between the parts."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def sha256(self) -> str:
        """In hexadecimal."""
        ...


@dataclass(frozen=True)
class StoredFile:
    """A file as a store lists it."""

    path: str
    size: int
    sha256: str | None = None
    """None where the store does not know it without reading the file."""


class ResultStore(Protocol):
    """Result folders by key: `NAMESPACE/JOB/UID/ATTEMPT`. May be used by several threads.

    Beside them documents by name, `NAMESPACE/SERIES/BASELINE`: small, replaced as a whole.

    Every method raises StoreError where trying again may help, otherwise StoreRefusedError.
    """

    def url_of(self, key: str, path: str = "") -> str:
        """Where people find a result folder, or a file of it."""
        ...

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Send a file and return how many bytes that took.

        Goes on with what an interrupted `put` left, and sends nothing where the file is there
        already with this size and checksum. At the end the file is there as a whole.
        """
        ...

    def read(self, key: str, path: str, limit: int) -> bytes | None:
        """A small file; None when it is not there. Refused when it is larger than `limit` bytes."""
        ...

    def files(self, key: str) -> list[StoredFile]:
        """The files of a result folder by path, unfinished ones left out; empty without any."""
        ...

    def fetch(
        self,
        key: str,
        path: str,
        target: Path,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Bring a file to `target`, which is replaced as a whole once the checksum is right.

        Goes on with what an interrupted `fetch` left. Refused when the file is not in the store.
        """
        ...

    def document(self, name: str) -> Document | None:
        """A document; None when it is not there."""
        ...

    def put_document(self, name: str, text: bytes, replaces: str | None) -> None:
        """Write a document in the place of the version `replaces`; None: there must be none yet.

        Raises StoreConflictError when another one is there.
        """
        ...

    def drop_document(self, name: str) -> bool:
        """Remove a document; whether there was one."""
        ...

    def documents(self, namespace: str, series: str = "") -> list[str]:
        """The names of the documents of a namespace, or of one series, sorted."""
        ...
