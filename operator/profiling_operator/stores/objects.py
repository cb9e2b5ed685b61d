"""`s3://bucket/prefix`, `gs://bucket/prefix`, `az://account/container/prefix`: object stores.

A file that was interrupted is sent anew (objects appear as a whole); files that are there are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import from_url

from profiling_operator.baselines import DOCUMENT_LIMIT
from profiling_operator.errors import StoreError
from profiling_operator.stores import copying
from profiling_operator.stores.contract import (
    PIECE,
    Document,
    Progress,
    StoreConflictError,
    StoredFile,
    StoreRefusedError,
)
from profiling_operator.stores.documents import CHANGED, DOCUMENTS, SUFFIX, is_document, version_of
from profiling_operator.stores.keys import check_path, check_series, read_document_name, read_key

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta

CHECKSUM = "sha256"
"""Metadata of our objects: the checksum in hexadecimal."""
NO_CONDITIONS = "501 Not Implemented"
UNCONDITIONAL = (
    "the store takes no conditional writes; with the option conditional_put: disabled baselines "
    "are written without (of two writes at the same moment one is lost then)"
)
PART_BYTES = 8 << 20  # S3 allows 10,000 parts: enough for 80 GiB
PARTS_AT_ONCE = 4
RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}
LASTING = (
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)


class ObjectsStore:
    """A bucket. Credentials come from the environment, as the store's own tools have them."""

    def __init__(self, url: str, ca: str = "", options: Mapping[str, str] | None = None) -> None:
        """`options` are obstore's for the store, as in `endpoint`, `region`.

        Raises StoreRefusedError for a URL or an option that is none.
        """
        chosen = dict(options or {})
        client: Any = {
            "allow_http": chosen.get("endpoint", "").startswith("http://"),
            "timeout": "300s",  # of one request, thus of one part
            **({"root_certificate": ca} if ca else {}),
        }
        config: Any = chosen
        if urlsplit(url).scheme == "s3":
            config = {"checksum_algorithm": "SHA256", **chosen}
        self._url = url.rstrip("/")
        try:
            self._store = from_url(
                self._url, config=config, client_options=client, retry_config=RETRIES
            )
        except (BaseError, ValueError, TypeError) as error:
            raise StoreRefusedError(f"{url}: {error}") from error

    def url_of(self, key: str, path: str = "") -> str:
        """As the store's own tools take it."""
        address = f"{self._url}/{read_key(key)}"
        return f"{address}/{quote(check_path(path))}" if path else address

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Send a file, unless it is there."""
        name = _name(key, path)
        with copying.explained():
            size = source.stat().st_size
        with self._explained(name):
            if self._found(name) == (size, sha256):
                return 0
            pieces = _Pieces(source, size, sha256)
            obstore.put(
                self._store, name, iter(pieces), attributes={CHECKSUM: sha256},
                use_multipart=size > PART_BYTES, chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )  # fmt: skip
            if self._found(name) != (size, sha256):
                raise StoreError(f"{self._url}/{name}: is not there as it was sent")
        return size

    def read(self, key: str, path: str, limit: int) -> bytes | None:
        """A small file."""
        name = _name(key, path)
        with self._explained(name):
            found = self._small(name, limit)
            return None if found is None else bytes(found.bytes())

    def files(self, key: str) -> list[StoredFile]:
        """The files of a result folder, without checksums: a listing does not have them."""
        prefix = f"{read_key(key)}/"
        with self._explained(prefix):
            found = [
                StoredFile(one["path"].removeprefix(prefix), one["size"])
                for page in obstore.list(self._store, prefix=prefix)
                for one in page
            ]
        return sorted(found, key=lambda one: one.path)

    def fetch(
        self,
        key: str,
        path: str,
        target: Path,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Bring a file, going on where an interrupted download ended."""
        name = _name(key, path)
        with self._explained(name):
            found = self._found(name)
            if found is None:
                raise StoreRefusedError(f"{self._url}/{name}: there is no such object")
            size, said = found
            wanted = sha256 or said or None
            copying.bring(target, wanted, lambda at: self._pieces(name, at, size), progress)

    def document(self, name: str) -> Document | None:
        """A document; its version is what the store tells of the object."""
        place = _document(name)
        with self._explained(place):
            found = self._small(place, DOCUMENT_LIMIT)
            if found is None:
                return None
            text, said = bytes(found.bytes()), found.attributes.get(CHECKSUM)
        if said and said != version_of(text):  # stores that keep both apart show them so, for once
            raise StoreError(f"{self._url}/{place}: does not have the checksum that it should have")
        return Document(text, _version(found.meta))

    def _small(self, name: str, limit: int) -> GetResult | None:
        """An object of at most so many bytes; None when it is not there."""
        try:
            found = obstore.get(self._store, name)
        except FileNotFoundError:
            return None
        if found.meta["size"] > limit:
            raise StoreRefusedError(f"{self._url}/{name}: is larger than {limit} bytes")
        return found

    def put_document(self, name: str, text: bytes, replaces: str | None) -> None:
        """Write a document under the condition that the version is still there."""
        place = _document(name)
        mode: Any = "create" if replaces is None else json.loads(replaces)
        with self._explained(place):
            try:
                self._write(place, text, mode)
            except (AlreadyExistsError, PreconditionError) as error:
                raise StoreConflictError(f"{self._url}/{place}: {CHANGED}") from error
            except NotImplementedError:  # conditional_put=disabled among the options
                self._put_after_a_look(name, text, replaces)
            except GenericError as error:
                if NO_CONDITIONS in str(error):
                    raise StoreRefusedError(f"{self._url}/{place}: {UNCONDITIONAL}") from error
                self._require_version(name, replaces, error)
                raise

    def _put_after_a_look(self, name: str, text: bytes, replaces: str | None) -> None:
        """For stores that know no conditions: whoever writes between look and write loses that."""
        self._require_version(name, replaces)
        self._write(_document(name), text, "overwrite")

    def _require_version(
        self, name: str, replaces: str | None, error: BaseException | None = None
    ) -> None:
        """Raises StoreConflictError where a version is not there any more.

        After an error: a server that refuses the condition need not read a large body to its end,
        and its answer may get lost with the connection. So may the one that says it was written.
        """
        found = self.document(name)
        if (found.version if found else None) != replaces:
            raise StoreConflictError(f"{self._url}/{_document(name)}: {CHANGED}") from error

    def _write(self, place: str, text: bytes, mode: Any) -> None:
        said = {CHECKSUM: version_of(text)}
        obstore.put(self._store, place, text, attributes=said, mode=mode, use_multipart=False)

    def drop_document(self, name: str) -> bool:
        """Remove a document."""
        place = _document(name)
        with self._explained(place):
            try:
                obstore.head(self._store, place)
            except FileNotFoundError:
                return False
            obstore.delete(self._store, place)
        return True

    def documents(self, namespace: str, series: str = "") -> list[str]:
        """The names of documents."""
        prefix = f"{DOCUMENTS}/{check_series(namespace, series or None)}/"
        with self._explained(prefix):
            paths = [
                one["path"].removeprefix(f"{DOCUMENTS}/")
                for page in obstore.list(self._store, prefix=prefix)
                for one in page
            ]
        return sorted(path.removesuffix(SUFFIX) for path in paths if is_document(path))

    def _found(self, name: str) -> tuple[int, str] | None:
        """Size and checksum of an object as its sender told it; None without one."""
        try:
            found = obstore.get(self._store, name, options={"head": True})
        except FileNotFoundError:
            return None
        return found.meta["size"], found.attributes.get(CHECKSUM, "")

    def _pieces(self, name: str, offset: int, size: int) -> Iterator[bytes]:
        if offset >= size:  # no store gives an empty range
            return
        found = obstore.get(self._store, name, options={"range": {"offset": offset}})
        for piece in found.stream(min_chunk_size=PIECE):
            yield bytes(piece)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:  # also what obstore says of a bucket that is not there
            raise StoreRefusedError(f"{self._url}/{name}: {_first(error)}") from error
        except (BaseError, ValueError) as error:
            kind = StoreRefusedError if isinstance(error, LASTING) else StoreError
            raise kind(f"{self._url}/{name}: {_first(error)}") from error


class _Pieces:
    """The bytes of a file, refused at the end when they are not those that were listed.

    The store shows no object then: it is finished only after its last piece.
    """

    def __init__(self, source: Path, size: int, sha256: str) -> None:
        self._source, self._size, self._sha256 = source, size, sha256

    def __iter__(self) -> Iterator[bytes]:
        digest, seen = hashlib.sha256(), 0
        for piece in copying.read_from(self._source, 0):
            digest.update(piece)
            seen += len(piece)
            yield piece
        if (seen, digest.hexdigest()) != (self._size, self._sha256):
            raise StoreRefusedError(f"{self._source}: changed after it was listed")


def _document(name: str) -> str:
    return f"{DOCUMENTS}/{read_document_name(name)}{SUFFIX}"


def _version(meta: ObjectMeta) -> str:
    """S3 and Azure compare `e_tag`, Google's store `version`."""
    said = {key: meta[key] for key in ("e_tag", "version") if meta.get(key)}
    return json.dumps(said)


def _name(key: str, path: str) -> str:
    return f"{read_key(key)}/{check_path(path)}"


def _first(error: BaseException) -> str:
    """The first line: obstore's errors go on with everything they know."""
    return (str(error).splitlines() or [type(error).__name__])[0]
