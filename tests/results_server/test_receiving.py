"""PUT: resumed, verified, bounded; a file is there as a whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from profiling_operator.results_server import quotas, receiving
from profiling_operator.results_server.quotas import Limits
from profiling_operator.stores.digests import to_header
from results_serving import KEY, UPLOADER, until

DATA = os.urandom(3 << 20)
HALF = len(DATA) // 2
DIGEST = to_header(hashlib.sha256(DATA).hexdigest())


def rest(offset: int, total: int = len(DATA)) -> str:
    """Content-Range of the bytes from an offset on."""
    return f"bytes {offset}-{total - 1}/{total}"


def begin(talker: Any, path: str, data: bytes, sent: int, *more: str) -> socket.socket:
    """Send the head of a request and a part of its body, and leave it so."""
    parts = urlsplit(talker.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    head = [
        f"PUT {parts.path}/{KEY}/{path} HTTP/1.1", f"Host: {parts.netloc}",
        f"Authorization: Bearer {UPLOADER}", f"Content-Length: {len(data)}",
        f"Repr-Digest: {to_header(hashlib.sha256(data).hexdigest())}", *more, "", "",
    ]  # fmt: skip
    connection.sendall("\r\n".join(head).encode() + data[:sent])
    return connection


def partial(talker: Any) -> int:
    """Bytes of unfinished uploads."""
    return sum(one.stat().st_size for one in talker.root.rglob(".profjob/partial/*"))


def test_a_file_gets_its_name_with_its_checksum(talker: Any) -> None:
    """The answer confirms it; sent again it is there already."""
    first, second = talker.put("raw/a", DATA), talker.put("raw/a", DATA)

    assert (first.status, second.status) == (201, 200)
    assert first.headers["Repr-Digest"] == second.headers["Repr-Digest"] == DIGEST
    assert (talker.root / KEY / "raw/a").read_bytes() == DATA
    assert partial(talker) == 0


def test_pieces_make_a_file(talker: Any) -> None:
    """Each says where it belongs; what is missing is said by HEAD."""
    first = talker.put(
        "a", DATA[:HALF], whole=DATA, Content_Range=f"bytes 0-{HALF - 1}/{len(DATA)}"
    )
    asked = talker.ask("HEAD", "a", token=UPLOADER, Repr_Digest=DIGEST)
    other = talker.ask("HEAD", "a", token=UPLOADER, Repr_Digest=to_header("0" * 64))
    seen = talker.ask("GET", "a")
    second = talker.put("a", DATA[HALF:], whole=DATA, Content_Range=rest(HALF))

    assert (first.status, first.headers["Upload-Offset"]) == (202, str(HALF))
    assert (asked.status, asked.headers["Upload-Offset"]) == (404, str(HALF))
    assert (other.status, "Upload-Offset" in other.headers) == (404, False)
    assert seen.status == 404
    assert second.status == 201
    assert (talker.root / KEY / "a").read_bytes() == DATA


def test_a_wrong_offset_is_answered_with_the_right_one(talker: Any) -> None:
    """Nothing is written."""
    talker.put("a", DATA[:HALF], whole=DATA, Content_Range=f"bytes 0-{HALF - 1}/{len(DATA)}")

    answer = talker.put("a", DATA[100:], whole=DATA, Content_Range=rest(100))

    assert (answer.status, answer.headers["Upload-Offset"]) == (409, str(HALF))
    assert partial(talker) == HALF


def test_an_upload_that_has_all_bytes_can_be_ended(talker: Any) -> None:
    """As after a server that was killed between the last byte and the name."""
    talker.put("a", b"x", whole=DATA, Content_Range=f"bytes 0-0/{len(DATA)}")
    (part,) = talker.root.rglob(".profjob/partial/*")
    part.write_bytes(DATA)

    answer = talker.put("a", b"", whole=DATA, Content_Range=f"bytes */{len(DATA)}")

    assert answer.status == 201
    assert (talker.root / KEY / "a").read_bytes() == DATA


def test_what_arrives_damaged_is_thrown_away(talker: Any) -> None:
    """So that the next try begins anew."""
    answer = talker.put("a", DATA[:-1] + b"x", whole=DATA)

    assert answer.status == 422
    assert "instead of" in talker.message(answer)
    assert partial(talker) == 0
    assert not (talker.root / KEY / "a").exists()
    assert talker.put("a", DATA).status == 201


def test_a_new_content_begins_anew(talker: Any) -> None:
    """What is left of the earlier one goes."""
    talker.put("a", DATA[:HALF], whole=DATA, Content_Range=f"bytes 0-{HALF - 1}/{len(DATA)}")

    assert talker.put("a", b"other").status == 201
    assert talker.put("a", b"third").status == 201
    assert (talker.root / KEY / "a").read_bytes() == b"third"
    assert partial(talker) == 0


def test_nothing_changes_after_the_report(talker: Any) -> None:
    """Neither other contents nor other files; the same again is fine."""
    talker.put("a", b"one")
    talker.put("report.json", b"{}")

    changed, more = talker.put("a", b"two"), talker.put("b", b"new")

    assert (changed.status, more.status) == (409, 409)
    assert "report.json" in talker.message(changed)
    assert talker.put("report.json", b"{ }").status == 409
    assert (talker.put("a", b"one").status, talker.put("report.json", b"{}").status) == (200, 200)


def test_two_uploads_of_a_file_do_not_mix(talker: Any) -> None:
    """One wins, the other is told to wait; other files are not concerned."""
    with begin(talker, "a", DATA, HALF):
        until(lambda: partial(talker) > 0)

        second, other = talker.put("a", DATA), talker.put("b", DATA)

    assert (second.status, second.headers["Retry-After"]) == (423, "1")
    assert other.status == 201
    until(lambda: talker.put("a", DATA).status in {200, 201})


def test_a_connection_that_breaks_leaves_what_came(talker: Any) -> None:
    """All that was read of it, and the lock goes."""
    with begin(talker, "a", DATA, HALF):
        until(lambda: partial(talker) > 0)

    def resumed() -> bool:
        asked = talker.ask("HEAD", "a", token=UPLOADER, Repr_Digest=DIGEST)
        offset = int(asked.headers["Upload-Offset"])
        answer = talker.put("a", DATA[offset:], whole=DATA, Content_Range=rest(offset))
        return bool(answer.status == 201 and 1 << 20 <= offset <= HALF)

    until(resumed)

    assert (talker.root / KEY / "a").read_bytes() == DATA


@pytest.mark.parametrize("settings", [{"silence_seconds": 0.2}], indirect=True)
def test_a_silent_client_is_cut_off(talker: Any) -> None:
    """With a word, and with what it sent kept for its next try."""
    with begin(talker, "a", DATA, HALF) as connection:
        said = connection.recv(4096)

    assert b" 408 " in said.splitlines()[0]
    assert partial(talker) == HALF


def test_a_client_that_asks_first_sends_only_what_is_wanted(talker: Any) -> None:
    """`Expect: 100-continue`, as curl has it."""
    talker.put("a", DATA)
    with begin(talker, "a", DATA, 0, "Expect: 100-continue") as connection:
        there = connection.recv(4096)
    with begin(talker, "b", DATA, 0, "Expect: 100-continue") as connection:
        wanted = connection.recv(4096)

    assert there.startswith(b"HTTP/1.1 200 ")
    assert wanted == b"HTTP/1.1 100 Continue\r\n\r\n"


SMALL = {"limits": Limits(file_bytes=100, attempt_bytes=150, files=2)}


@pytest.mark.parametrize("settings", [SMALL], indirect=True)
def test_an_attempt_is_bounded(talker: Any) -> None:
    """Bytes of a file, bytes and files of an attempt; other attempts are not concerned."""
    assert talker.put("a", b"x" * 101).status == 413
    assert talker.put("a", b"x" * 100).status == 201
    assert talker.put("b", b"x" * 51).status == 413
    assert talker.put("b", b"x" * 50).status == 201
    assert talker.put("c", b"").status == 413
    assert talker.put("b", b"y" * 50).status == 201
    assert "at most 2 files" in talker.message(talker.put("c", b""))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told(code: int, talker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As 507, which is worth another try: retention may make room."""

    def full(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(receiving, "_write", full)
    answer = talker.put("a", DATA)

    assert (answer.status, answer.headers["Retry-After"]) == (507, "30")
    assert talker.message(answer) == "the disk is full"


def test_no_room_is_told_before_anything_is_sent(
    talker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how much there is."""
    monkeypatch.setattr(quotas, "SPARE_BYTES", 1 << 60)

    answer = talker.put("a", DATA)

    assert answer.status == 507
    assert "has room for 0 bytes more" in talker.message(answer)


def test_a_disk_that_fails_is_no_word_about_the_disk(
    talker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500, and the details in the log."""

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "secret path")

    monkeypatch.setattr(receiving, "_write", fail)
    answer = talker.put("a", DATA)

    assert answer.status == 500
    assert "secret" not in talker.message(answer)


def test_files_and_folders_do_not_share_names(talker: Any) -> None:
    """Told as a conflict."""
    talker.put("a", b"1")
    talker.put("b/c", b"2")

    assert (talker.put("a/b", b"3").status, talker.put("b", b"4").status) == (409, 409)
    assert (talker.root / KEY / "b/c").read_bytes() == b"2"


@pytest.mark.parametrize("headers", [
    {"Repr_Digest": ""},
    {"Repr_Digest": "sha-256=:AA==:"},
    {"Content_Range": "bytes=0-1"},
    {"Content_Range": "bytes 0-9/5"},
    {"Content_Range": "bytes 3-2/5"},
    {"Content_Range": "bytes 0-1/100"},
    {"Content_Range": "bytes */5"},
    {"Content_Range": f"bytes 0-{'9' * 30}/{'9' * 31}"},
])  # fmt: skip
def test_what_says_too_little_or_wrong_is_refused(headers: dict[str, str], talker: Any) -> None:
    """Nothing is written."""
    answer = talker.put("a", b"hello", **headers)

    assert answer.status == 400
    assert next(iter(headers)).replace("_", "-") in talker.message(answer)
    assert list(talker.root.rglob("a")) == []


def test_a_body_of_unknown_length_is_refused(talker: Any) -> None:
    """411: room is made before the bytes come."""
    said = talker.pool.request(
        "PUT", f"{talker.url}/{KEY}/a", body=iter([b"x"]),
        headers={"Authorization": f"Bearer {UPLOADER}", "Repr-Digest": DIGEST},
    )  # fmt: skip

    assert said.status == 411


@pytest.mark.parametrize("path", [
    "%2e%2e/a", "a/..%2fb", "%2Fetc", ".profjob/sums/a", "a%00", "a%0a", "a//b", "a" * 256,
])  # fmt: skip
def test_bad_paths_are_refused(path: str, talker: Any) -> None:
    """However they are written."""
    answer = talker.put(path, b"x")

    assert answer.status in {400, 403}
    assert [one for one in talker.root.rglob("*") if one.is_file()] == []


def test_bytes_are_written_where_their_attempt_is(talker: Any, tmp_path: Path) -> None:
    """And nowhere else below the server's folder."""
    talker.put("run-0/é.log", b"x")

    files = [one for one in talker.root.rglob("*") if one.is_file()]
    assert all(one.is_relative_to(talker.root / KEY) for one in files)
    assert (talker.root / KEY / "run-0/é.log").read_bytes() == b"x"
