"""`file:///folder`: result folders below a folder, as on a volume that several pods share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from profiling_operator import store
from profiling_operator.stores import copying
from profiling_operator.stores.contract import (
    Document,
    Progress,
    StoredFile,
    StoreRefusedError,
)
from profiling_operator.stores.documents import Documents
from profiling_operator.stores.keys import RESERVED, check_path, read_key


class FolderStore:
    """A folder with a result folder for each key."""

    def __init__(self, url: str) -> None:
        """`url` is `file://` and an absolute path. Raises StoreRefusedError for another."""
        parts = urlsplit(url)
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise StoreRefusedError(f"{url}: a folder is file:// and an absolute path")
        self.root = Path(unquote(parts.path))
        self._documents = Documents(self.root)

    def url_of(self, key: str, path: str = "") -> str:
        """A file URL."""
        place = self.root / str(read_key(key))
        return (place / check_path(path) if path else place).as_uri()

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Copy a file into the folder."""
        with copying.explained():
            place = self._place(key, check_path(path))
            if store.checksum(source) != sha256:
                raise StoreRefusedError(f"{source}: changed after it was listed")
        return copying.bring(place, sha256, lambda offset: copying.read_from(source, offset))

    def read(self, key: str, path: str, limit: int) -> bytes | None:
        """A small file."""
        with copying.explained():
            place = self._place(key, check_path(path))
            if not place.is_file():
                return None
            with place.open("rb") as file:
                found = file.read(limit + 1)
        if len(found) > limit:
            raise StoreRefusedError(f"{place}: is larger than {limit} bytes")
        return found

    def files(self, key: str) -> list[StoredFile]:
        """The files of a result folder, without checksums."""
        with copying.explained():
            place = self._place(key)
            return sorted(_below(place), key=lambda one: one.path)

    def fetch(
        self,
        key: str,
        path: str,
        target: Path,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Copy a file out of the folder."""
        with copying.explained():
            place = self._place(key, check_path(path))
            if not place.is_file():
                raise StoreRefusedError(f"{place}: there is no such file")
        copying.bring(target, sha256, lambda at: copying.read_from(place, at), progress)

    def document(self, name: str) -> Document | None:
        """A document."""
        return self._documents.read(name)

    def put_document(self, name: str, text: bytes, replaces: str | None) -> None:
        """Write a document, under a lock that all processes with this folder heed."""
        self._documents.put(name, text, replaces)

    def drop_document(self, name: str) -> bool:
        """Remove a document."""
        return self._documents.drop(name)

    def documents(self, namespace: str, series: str = "") -> list[str]:
        """The names of documents."""
        return self._documents.names(namespace, series)

    def _place(self, key: str, path: str = "") -> Path:
        """Where a file is. Links that others put into the folder lead nowhere."""
        return copying.without_links(self.root, self.root / str(read_key(key)) / path)


def _below(folder: Path) -> Iterator[StoredFile]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != RESERVED]
        for name in names:
            path = Path(here) / name
            if not copying.UNFINISHED.fullmatch(name) and not path.is_symlink():
                said = path.relative_to(folder).as_posix()
                yield StoredFile(said, path.stat().st_size)
