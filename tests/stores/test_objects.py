"""What is special about object stores."""

from __future__ import annotations

import hashlib
import http.server
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from profiling_operator.errors import StoreError
from profiling_operator.stores import (
    StoreConflictError,
    StoredFile,
    StoreRefusedError,
    objects,
    open_store,
    put_all,
)
from results_serving import KEY

Made = Callable[..., StoredFile]


@pytest.mark.parametrize(("url", "options", "named"), [
    ("s3://bucket", {"regoin": "x"}, "regoin"),
    ("gs://bucket", {"endpoint": "x"}, "endpoint"),
    ("s3://", {}, "s3://"),
])  # fmt: skip
def test_bad_urls_and_options_are_refused(url: str, options: dict[str, str], named: str) -> None:
    """By name, before anything is sent."""
    with pytest.raises(StoreRefusedError, match=named):
        open_store(url, options=options)


@pytest.mark.needs("s3")
def test_wrong_credentials_are_refused(s3: Any, source: Path, made: Made) -> None:
    """Waiting does not make them right."""
    one = made("a")
    place = open_store(s3.url, options={**s3.options, "secret_access_key": "wrong"})

    with pytest.raises(StoreRefusedError, match="s3://results/profiles"):
        place.put(KEY, "a", source / "a", str(one.sha256))


@pytest.mark.needs("s3")
def test_a_bucket_that_is_not_there_is_refused(s3: Any, source: Path, made: Made) -> None:
    """And named."""
    one = made("a")
    place = open_store("s3://elsewhere", options=s3.options)

    with pytest.raises(StoreRefusedError, match="s3://elsewhere"):
        place.put(KEY, "a", source / "a", str(one.sha256))


@pytest.mark.needs("s3")
def test_an_outage_is_survived(s3: Any, source: Path, made: Made, tmp_path: Path) -> None:
    """The store comes back in time; what was there before is not sent again."""
    files = [made("a", 20 << 20), made("b", 1000), made("report.json")]
    place = open_store(s3.url, options=s3.options)
    place.put(KEY, "a", source / "a", str(files[0].sha256))
    s3.stop()
    told: list[str] = []

    def back(_: float) -> None:
        s3.start()

    sent = put_all(place, KEY, source, files, time.monotonic() + 120, told.append, pause=back)

    assert sent == 1006
    assert len(told) == 1
    assert [one.path for one in place.files(KEY)] == ["a", "b", "report.json"]


class Old(http.server.BaseHTTPRequestHandler):
    """An S3 server without conditional writes: it refuses them, as Amazon's did until 2024."""

    kept: ClassVar[dict[str, tuple[bytes, str]]] = {}
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Keep an object."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["If-Match"] or self.headers["If-None-Match"]:
            self._say(501, b"<Error><Code>NotImplemented</Code></Error>")
            return
        self.kept[self.path] = (body, self.headers["x-amz-meta-sha256"])
        self._say(200)

    def do_GET(self) -> None:
        """Give it."""
        if self.path not in self.kept:
            self._say(404)
            return
        body, said = self.kept[self.path]
        etag = hashlib.sha256(body).hexdigest()
        date = "Mon, 30 Nov 2026 00:00:00 GMT"
        self._say(200, body, ETag=f'"{etag}"', Last_Modified=date, x_amz_meta_sha256=said)

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"ETag": '"1"', **headers, "Content-Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Hasty(Old):
    """A server that refuses without reading what is sent: the answer goes with the connection."""

    def do_PUT(self) -> None:
        """Keep an object where there is none; otherwise hang up."""
        if self.path in self.kept:
            linger = struct.pack("ii", 1, 0)  # reset at close
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.kept[self.path] = (body, self.headers["x-amz-meta-sha256"])
        self._say(200)


@pytest.fixture
def old() -> Iterator[dict[str, str]]:
    """Options that lead to one without conditions."""
    yield from _serving(Old)


@pytest.fixture
def hasty() -> Iterator[dict[str, str]]:
    """Options that lead to one that hangs up."""
    yield from _serving(Hasty)


def _serving(kind: type[Old]) -> Iterator[dict[str, str]]:
    how = type("How", (kind,), {"kept": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), how) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield {"endpoint": f"http://127.0.0.1:{server.server_port}", "region": "x",
               "access_key_id": "a", "secret_access_key": "b"}  # fmt: skip
        server.shutdown()
        thread.join()


def test_a_store_without_conditions_is_told(old: dict[str, str]) -> None:
    """With the option that does without, and what that costs."""
    place = open_store("s3://bucket", options=old)

    with pytest.raises(StoreRefusedError, match="conditional_put: disabled"):
        place.put_document("ci/nbody/main", b"a", None)

    assert place.document("ci/nbody/main") is None


def test_a_refusal_that_gets_lost_is_a_conflict(hasty: dict[str, str]) -> None:
    """A look tells; what broke with the version still there is tried again."""
    place, name = open_store("s3://bucket", options=hasty), "ci/a/b"
    place.put_document(name, b"a", None)
    first = place.document(name)
    assert first is not None

    with pytest.raises(StoreConflictError):
        place.put_document(name, b"b" * (1 << 20), None)
    with pytest.raises(StoreError) as caught:
        place.put_document(name, b"b" * (1 << 20), first.version)

    assert not isinstance(caught.value, StoreConflictError)
    assert caught.value.retry


def test_without_conditions_there_is_a_look_before_the_write(old: dict[str, str]) -> None:
    """So what was written in good time is seen."""
    place, name = open_store("s3://bucket", options=old | {"conditional_put": "disabled"}), "ci/a/b"
    place.put_document(name, b"a", None)
    first = place.document(name)
    assert first is not None

    with pytest.raises(StoreConflictError):
        place.put_document(name, b"b", None)
    place.put_document(name, b"c", first.version)
    with pytest.raises(StoreConflictError):
        place.put_document(name, b"d", first.version)

    found = place.document(name)
    assert found is not None
    assert found.text == b"c"


@pytest.mark.needs("s3")
def test_a_document_that_does_not_fit_its_checksum_may_pass(s3: Any) -> None:
    """Read in the middle of a write, where a store keeps the two apart."""
    place = open_store(s3.url, options=s3.options)
    place.put_document("ci/nbody/main", b"whole", None)
    (kept,) = (s3.folder / "data").rglob("main.json")
    kept.write_bytes(b"other")

    with pytest.raises(StoreError, match="checksum") as caught:
        place.document("ci/nbody/main")

    assert caught.value.retry


@pytest.mark.needs("s3")
def test_a_document_of_any_size_is_not_read(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none of ours; nor are other objects there."""
    place = open_store(s3.url, options=s3.options)
    place.put_document("ci/nbody/main", b"12345", None)
    monkeypatch.setattr(objects, "DOCUMENT_LIMIT", 4)
    (kept,) = (s3.folder / "data").rglob("main.json")
    (kept.parent / "Notes.json").touch()

    with pytest.raises(StoreRefusedError, match="larger than 4 bytes"):
        place.document("ci/nbody/main")
    assert place.documents("ci") == ["ci/nbody/main"]


def test_nobody_there_may_pass() -> None:
    """A store that does not answer is worth another try."""
    options = {"endpoint": "http://127.0.0.1:9", "region": "x", "access_key_id": "a",
               "secret_access_key": "b"}  # fmt: skip

    with pytest.raises(StoreError) as caught:
        open_store("s3://bucket", options=options).read(KEY, "report.json", 10)

    assert caught.value.retry
