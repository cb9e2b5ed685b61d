"""GET and HEAD: ranges, versions, listings, and headers that keep hostile files harmless."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from profiling_operator.stores.digests import to_header
from results_serving import KEY, READER, UPLOADER, until

DATA = os.urandom(3 << 20)
SHA256 = hashlib.sha256(DATA).hexdigest()


def test_a_file_is_given_with_its_checksum(talker: Any) -> None:
    """To people and to the attempt's own uploader; HEAD says the same without the bytes."""
    talker.put("raw/a.bin", DATA)

    given, head = talker.ask("GET", "raw/a.bin"), talker.ask("HEAD", "raw/a.bin")
    own = talker.ask("GET", "raw/a.bin", token=UPLOADER)

    assert given.data == own.data == DATA and head.data == b""
    for one in (given, head):
        assert one.status == 200
        assert one.headers["ETag"] == f'"{SHA256}"'
        assert one.headers["Repr-Digest"] == to_header(SHA256)
        assert one.headers["Content-Length"] == str(len(DATA))
        assert one.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(("asked", "first", "end"), [
    ("bytes=0-0", 0, 1),
    ("bytes=100-199", 100, 200),
    ("bytes=2000000-", 2_000_000, len(DATA)),
    ("bytes=-5", len(DATA) - 5, len(DATA)),
    ("bytes=1-99999999", 1, len(DATA)),
])  # fmt: skip
def test_ranges_are_given(asked: str, first: int, end: int, talker: Any) -> None:
    """With where they are; the checksum is still that of the whole."""
    talker.put("a", DATA)

    given = talker.ask("GET", "a", Range=asked)

    assert given.status == 206
    assert given.data == DATA[first:end]
    assert given.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(DATA)}"
    assert given.headers["Repr-Digest"] == to_header(SHA256)


@pytest.mark.parametrize("headers", [
    {"Range": "bytes=1-2,4-5"}, {"Range": "lines=1-2"}, {"Range": "bytes=b-a"},
    {"Range": "bytes=1-2", "If_Range": '"other"'},
])  # fmt: skip
def test_ranges_that_are_none_get_all(headers: dict[str, str], talker: Any) -> None:
    """Also a range of another version of the file."""
    talker.put("a", b"hello")

    given = talker.ask("GET", "a", **headers)

    assert (given.status, given.data) == (200, b"hello")


def test_a_range_of_this_version_is_given(talker: Any) -> None:
    """If-Range with its ETag."""
    talker.put("a", DATA)

    assert talker.ask("GET", "a", Range="bytes=1-2", If_Range=f'"{SHA256}"').status == 206


def test_a_range_beyond_the_end_is_refused(talker: Any) -> None:
    """With the size."""
    talker.put("a", b"hello")

    given = talker.ask("GET", "a", Range="bytes=5-")

    assert (given.status, given.headers["Content-Range"]) == (416, "bytes */5")


def test_an_empty_file_is_given(talker: Any) -> None:
    """As such."""
    talker.put("a", b"")

    given = talker.ask("GET", "a")

    assert (given.status, given.data, given.headers["Content-Length"]) == (200, b"", "0")


def test_a_version_that_is_known_is_not_given_again(talker: Any) -> None:
    """If-None-Match with its ETag."""
    talker.put("a", DATA)

    assert talker.ask("GET", "a", If_None_Match=f'"{SHA256}"').status == 304
    assert talker.ask("GET", "a", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(("path", "kind", "shown"), [
    ("report.html", "text/html; charset=utf-8", True),
    ("report.css", "text/css; charset=utf-8", True),
    ("summary.json", "application/json", True),
    ("run-0/app.log", "text/plain; charset=utf-8", True),
    ("plot.svg", "image/svg+xml", True),
    ("entries.jsonl.gz", "application/octet-stream", False),
    ("raw/run.exe", "application/octet-stream", False),
    ("raw/profile", "application/octet-stream", False),
])  # fmt: skip
def test_hostile_files_stay_harmless(path: str, kind: str, shown: bool, talker: Any) -> None:
    """Nothing is guessed, no script runs, what is unknown is a download, nothing is decoded."""
    talker.put(path, b"<script>alert(1)</script>")

    given = talker.ask("GET", path, Accept_Encoding="gzip")

    assert given.headers["Content-Type"] == kind
    assert given.headers["X-Content-Type-Options"] == "nosniff"
    assert given.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "Content-Encoding" not in given.headers
    assert given.headers.get("Content-Disposition", "").startswith("attachment") != shown


def test_names_cannot_break_headers(talker: Any) -> None:
    """Quotes, semicolons and other scripts are encoded."""
    talker.put('raw/a"; b=é', b"x")

    given = talker.ask("GET", "raw/a%22%3B%20b=%C3%A9")

    assert (
        given.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%22%3B%20b%3D%C3%A9"
    )


def test_a_folder_lists_its_files(talker: Any) -> None:
    """By path, finished ones only; the report makes it complete."""
    talker.put("b", b"1")
    talker.put("a/c", b"22")
    talker.put("late", b"x", whole=b"xy", Content_Range="bytes 0-0/2")
    before = json.loads(talker.ask("GET").data)
    talker.put("report.json", b"{}")
    after = json.loads(talker.ask("GET").data)

    assert [(one["path"], one["size"]) for one in before["files"]] == [("a/c", 2), ("b", 1)]
    assert before["files"][1]["sha256"] == hashlib.sha256(b"1").hexdigest()
    assert (before["complete"], after["complete"]) == (False, True)


def test_what_is_not_there_is_not_found(talker: Any) -> None:
    """Folders, files, and folders asked for as files."""
    assert talker.ask("GET").status == 404
    talker.put("a/b", b"1")

    assert [talker.ask("GET", path).status for path in ("c", "a", "a/b/c")] == [404, 404, 404]
    assert "there is no c of ci/nbody-1" in talker.message(talker.ask("GET", "c"))


@pytest.mark.parametrize("settings", [{"silence_seconds": 0.2}], indirect=True)
def test_a_reader_that_takes_nothing_is_cut_off(talker: Any) -> None:
    """A place that holds files forever would stop retention."""
    big = os.urandom(24 << 20)
    talker.put("a", big)
    parts = urlsplit(talker.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            f"GET {parts.path}/{KEY}/a HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {READER}\r\n\r\n".encode()
        )

        until(lambda: metric(talker, 'requests_total{code="200",method="GET"}') == 1)

    assert metric(talker, "sent_bytes_total") < len(big)


def metric(talker: Any, name: str) -> float:
    """What the server tells Prometheus."""
    said = talker.pool.request("GET", talker.url.replace("/v1/results", "/metrics")).data.decode()
    found = [line for line in said.splitlines() if line.startswith(f"profjob_results_{name} ")]
    return float(found[0].split()[-1]) if found else 0.0
