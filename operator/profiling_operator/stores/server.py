"""`http(s)://…/v1/results`: the client of the results server. docs/stores.md has the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from profiling_operator import store
from profiling_operator.baselines import DOCUMENT_LIMIT
from profiling_operator.errors import StoreError
from profiling_operator.stores import copying, digests
from profiling_operator.stores.contract import (
    PIECE,
    Document,
    Progress,
    StoreConflictError,
    StoredFile,
    StoreRefusedError,
)
from profiling_operator.stores.keys import check_path, check_series, read_document_name, read_key

CONNECT_SECONDS, ANSWER_SECONDS = 30.0, 120.0
RESULTS = "results"
"""Last part of a URL."""
OFFSET = "Upload-Offset"
LISTING_LIMIT = 64 << 20
MESSAGE_LIMIT = 64 << 10
OK, PARTIAL, NOT_FOUND, CONFLICT, CHANGED, PAST_END, BAD_DIGEST = (
    200, 206, 404, 409, 412, 416, 422,
)  # fmt: skip
SERVER_ERROR = 500
MAY_PASS = {408, 423, 425, 429}
Answer = urllib3.BaseHTTPResponse


class ServerStore:
    """A results server."""

    def __init__(self, url: str, token_file: str = "", token: str = "", ca: str = "") -> None:
        """`token_file` is read for each request, since such tokens are renewed.

        `ca`: certificates in PEM that sign the server's; default: those of this machine.

        Raises StoreRefusedError for a URL that is none.
        """
        try:
            host = urllib3.util.parse_url(url).host
        except LocationParseError:
            host = None
        if not host:
            raise StoreRefusedError(f"{url}: is not the URL of a results server")
        self._url = url.rstrip("/")
        self._token_file = Path(token_file) if token_file else None
        self._token = token
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, ca_cert_data=ca or None)

    def url_of(self, key: str, path: str = "") -> str:
        """The address of a file, or of the folder's listing."""
        address = f"{self._url}/{read_key(key)}"
        return f"{address}/{quote(check_path(path))}" if path else address

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Send what the server does not have yet."""
        url = self.url_of(key, check_path(path))
        with copying.explained():
            size = source.stat().st_size
        offset = self._offset(url, size, sha256)
        if offset is None:
            return 0
        headers = {digests.HEADER: digests.to_header(sha256), "Content-Length": str(size - offset)}
        if offset:
            sent = f"{offset}-{size - 1}" if offset < size else "*"
            headers["Content-Range"] = f"bytes {sent}/{size}"
        with self._answer("PUT", url, headers, _exactly(source, offset, size)) as answer:
            self._require_kept(answer, url, source, sha256)
        return size - offset

    def read(self, key: str, path: str, limit: int) -> bytes | None:
        """A small file."""
        return self._read(self.url_of(key, check_path(path)), limit)

    def files(self, key: str) -> list[StoredFile]:
        """The listing of a result folder, with checksums."""
        url = self.url_of(key)
        body = self._read(url, LISTING_LIMIT)
        if body is None:
            return []
        try:
            return [
                StoredFile(check_path(str(one["path"])), int(one["size"]), str(one["sha256"]))
                for one in json.loads(body)["files"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreRefusedError(f"{url}: answers with no listing of files") from error

    def fetch(
        self,
        key: str,
        path: str,
        target: Path,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Bring a file, going on where an interrupted download ended."""
        url = self.url_of(key, check_path(path))
        wanted = sha256 or self._checksum(url)
        copying.bring(target, wanted, lambda offset: self._pieces(url, offset, wanted), progress)

    def document(self, name: str) -> Document | None:
        """A baseline; its version is its ETag."""
        url = self._baselines(str(read_document_name(name)))
        with self._answer("GET", url) as answer:
            text = _whole(answer, url, DOCUMENT_LIMIT)
            version = answer.headers.get("ETag", "")
        if text is None:
            return None
        if not version:
            raise StoreRefusedError(f"{url}: answers without an ETag")
        return Document(text, version)

    def put_document(self, name: str, text: bytes, replaces: str | None) -> None:
        """Send a baseline under the condition that the version is still there."""
        url = self._baselines(str(read_document_name(name)))
        condition = {"If-None-Match": "*"} if replaces is None else {"If-Match": replaces}
        headers = {"Content-Type": "application/json", "Content-Length": str(len(text))}
        with self._answer("PUT", url, condition | headers, iter((text,))) as answer:
            if answer.status == CHANGED:
                raise StoreConflictError(f"{url}: somebody else has written it since it was read")
            if not _is_good(answer):
                raise _error(answer, url)

    def drop_document(self, name: str) -> bool:
        """Remove a baseline."""
        url = self._baselines(str(read_document_name(name)))
        with self._answer("DELETE", url) as answer:
            if answer.status != NOT_FOUND and not _is_good(answer):
                raise _error(answer, url)
            return answer.status != NOT_FOUND

    def documents(self, namespace: str, series: str = "") -> list[str]:
        """The listing of baselines."""
        url = self._baselines(check_series(namespace, series or None))
        body = self._read(url, LISTING_LIMIT)
        if body is None:
            raise StoreRefusedError(f"{url}: the results server keeps no baselines: it is too old")
        try:
            names = [str(read_document_name(str(one))) for one in json.loads(body)["baselines"]]
        except (ValueError, KeyError, TypeError, StoreRefusedError) as error:
            raise StoreRefusedError(f"{url}: answers with no listing of baselines") from error
        return sorted(names)

    def _baselines(self, below: str) -> str:
        """Where baselines are: beside the results."""
        above, _, last = self._url.rpartition("/")
        if last != RESULTS:
            raise StoreRefusedError(
                f"{self._url}: must end with /{RESULTS}: baselines are beside it"
            )
        return f"{above}/baselines/{below}"

    def _offset(self, url: str, size: int, sha256: str) -> int | None:
        """From where on to send; None when the file is there already."""
        with self._answer("HEAD", url, {digests.HEADER: digests.to_header(sha256)}) as answer:
            if answer.status not in {OK, NOT_FOUND}:
                raise _error(answer, url)
            there = answer.status == OK and answer.headers.get("Content-Length") == str(size)
            if there and digests.from_header(answer.headers.get(digests.HEADER, "")) == sha256:
                return None
            told = answer.headers.get(OFFSET, "0")
            offset = int(told) if told.isascii() and told.isdigit() else 0
            return offset if offset <= size else 0

    def _require_kept(self, answer: Answer, url: str, source: Path, sha256: str) -> None:
        if answer.status == BAD_DIGEST:
            with copying.explained():
                changed = store.checksum(source) != sha256
            if changed:
                raise StoreRefusedError(f"{source}: changed after it was listed")
            raise StoreError(f"{url}: arrived damaged")
        if not _is_good(answer):
            raise _error(answer, url)
        if digests.from_header(answer.headers.get(digests.HEADER, "")) != sha256:
            raise StoreError(f"{url}: the server does not confirm the checksum")

    def _checksum(self, url: str) -> str | None:
        with self._answer("HEAD", url) as answer:
            if not _is_good(answer):
                raise _error(answer, url)
            return digests.from_header(answer.headers.get(digests.HEADER, "")) or None

    def _pieces(self, url: str, offset: int, sha256: str | None) -> Iterator[bytes]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and sha256:
            headers["If-Range"] = f'"{sha256}"'
        with self._answer("GET", url, headers) as answer:
            if answer.status == PAST_END:
                return
            if not _is_good(answer):
                raise _error(answer, url)
            if offset and answer.status != PARTIAL:
                _skip(answer, offset)
            yield from answer.stream(PIECE, decode_content=False)

    def _read(self, url: str, limit: int) -> bytes | None:
        with self._answer("GET", url) as answer:
            return _whole(answer, url, limit)

    @contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: Iterator[bytes] | None = None,
    ) -> Iterator[Answer]:
        """An answer, not read yet. Errors on the way, also while it is read, are StoreErrors."""
        try:
            answer = self._pool.request(
                method, url, headers={**self._authorization(), **(headers or {})}, body=body,
                preload_content=False, redirect=False,
            )  # fmt: skip
            try:
                yield answer
                answer.drain_conn()
                answer.release_conn()
            finally:
                answer.close()  # and its connection, where it was not read to its end
        except HTTPError as error:
            # A certificate that nobody knows stays so; everything else may pass.
            lasting = "CERTIFICATE_VERIFY_FAILED" in str(error)
            raise (StoreRefusedError if lasting else StoreError)(f"{url}: {error}") from error

    def _authorization(self) -> dict[str, str]:
        token = self._token
        if self._token_file is not None:
            with copying.explained():
                token = self._token_file.read_text().strip()
        return {"Authorization": f"Bearer {token}"} if token else {}


def _exactly(source: Path, offset: int, size: int) -> Iterator[bytes]:
    """The bytes of a file from an offset on. Refused when it got shorter or longer meanwhile."""
    left = size - offset
    for piece in copying.read_from(source, offset):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise StoreRefusedError(f"{source}: changed after it was listed")


def _whole(answer: Answer, url: str, limit: int) -> bytes | None:
    """The body; None when there is no such thing. Refused when it is too large."""
    if answer.status == NOT_FOUND:
        return None
    if not _is_good(answer):
        raise _error(answer, url)
    found = bytearray()
    for piece in answer.stream(PIECE, decode_content=False):  # tells when it ends early
        found += piece
        if len(found) > limit:
            raise StoreRefusedError(f"{url}: is larger than {limit} bytes")
    return bytes(found)


def _skip(answer: Answer, count: int) -> None:
    while count and (piece := answer.read(min(PIECE, count), decode_content=False)):
        count -= len(piece)


def _is_good(answer: Answer) -> bool:
    return OK <= answer.status < 300  # noqa: PLR2004 - HTTP


def _error(answer: Answer, url: str) -> StoreError:
    """What the server says, as an error of the right kind."""
    text = answer.read(MESSAGE_LIMIT, decode_content=True).decode("utf-8", "replace")
    try:
        said = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        said = text.strip()[:200]
    continues = answer.status == CONFLICT and OFFSET in answer.headers
    passing = answer.status in MAY_PASS or answer.status >= SERVER_ERROR or continues
    kind = StoreError if passing else StoreRefusedError
    return kind(f"{url}: HTTP {answer.status}{f': {said}' if said else ''}")
