"""The application as a whole: routes, health, metrics, and how it stops."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from profiling_operator.results_server import server
from profiling_operator.results_server.reviews import Identity
from profiling_operator.stores.digests import to_header
from results_serving import KEY, READER, STRANGER, UPLOADER, Apart, FakeReviews, serving, until

DATA = os.urandom(4 << 20)


def site(talker: Any, path: str) -> urllib3.BaseHTTPResponse:
    """An answer of a path beside the results."""
    answer: urllib3.BaseHTTPResponse = talker.pool.request(
        "GET", talker.url.replace("/v1/results", path)
    )
    return answer


def test_all_of_it_needs_a_token(talker: Any) -> None:
    """But health and metrics."""
    for method, path in (("GET", ""), ("GET", "a"), ("HEAD", "a"), ("PUT", "a")):
        answer = talker.ask(method, path, token="")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert site(talker, "/healthz").status == 200
    assert site(talker, "/metrics").status == 200


def test_long_tokens_are_read(talker: Any) -> None:
    """People's tokens can name hundreds of groups; what is longer than any is refused."""
    for size, status in ((12_000, 200), (17_000, 401)):
        token = "t" * size
        talker.reviews.tokens[token, ""] = Identity("jane")
        talker.put("a", b"1")
        assert talker.ask("GET", "a", token=token).status == status


@pytest.mark.parametrize(("method", "path", "status"), [
    ("POST", "a", 405), ("DELETE", "a", 405), ("PUT", "", 405), ("PATCH", "", 405),
])  # fmt: skip
def test_other_methods_are_refused(method: str, path: str, status: int, talker: Any) -> None:
    """Nobody removes results this way."""
    answer = talker.ask(method, path)

    assert answer.status == status
    assert "GET, HEAD" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/results/x", "/v1/results"])
def test_other_addresses_are_not_found(path: str, talker: Any) -> None:
    """As JSON."""
    answer = site(talker, path)

    assert answer.status == 404
    assert talker.message(answer) == "Not Found"


@pytest.mark.parametrize("key", ["ci", "ci/a/b", "CI/a/b/1", "ci/a/b/zero", "../../etc/passwd"])
def test_bad_keys_are_refused(key: str, talker: Any) -> None:
    """Before anybody is asked who that is."""
    answer = talker.ask("GET", key=key)

    assert answer.status in {400, 404}
    assert talker.reviews.asked == []


def test_who_may_not_is_told_so(talker: Any) -> None:
    """403 with a name; nothing of the results."""
    talker.put("a", b"1")

    answer = talker.ask("GET", "a", token=STRANGER)

    assert answer.status == 403
    assert talker.message(answer).startswith("joe may not get profilingjobs.profiling.dev nbody-1")
    assert talker.put("b", b"1", token=READER).status == 403


def test_an_api_server_that_is_down_is_503(talker: Any) -> None:
    """With when to ask again."""
    talker.reviews.down = True

    answer = talker.put("a", b"1")

    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


def test_metrics_count_what_happened(talker: Any) -> None:
    """Requests for results only."""
    talker.put("a", DATA)
    talker.ask("GET", "a", Range="bytes=0-9")
    talker.ask("GET", "b")
    site(talker, "/healthz")

    said = site(talker, "/metrics")

    lines = said.data.decode().splitlines()
    assert said.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    (received,) = [
        line for line in lines if line.startswith("profjob_results_received_bytes_total")
    ]
    assert float(received.split()[1]) == len(DATA)
    assert "profjob_results_sent_bytes_total 10.0" in lines
    assert 'profjob_results_requests_total{code="201",method="PUT"} 1.0' in lines
    assert 'profjob_results_requests_total{code="404",method="GET"} 1.0' in lines
    assert not any("healthz" in line for line in lines)


def test_health_fails_with_the_disk(talker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says why; a moment later it is asked again."""

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server, "PROBED_FOR", 0.0)
    monkeypatch.setattr(server, "_write_probe", full)
    bad = site(talker, "/healthz")
    monkeypatch.undo()

    assert bad.status == 503
    assert bad.data == b"the disk cannot be written: No space left on device\n"
    until(lambda: site(talker, "/healthz").status == 200)


def test_a_disk_that_hangs_is_not_healthy(talker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe does not hang with it."""
    hangs = threading.Event()
    monkeypatch.setattr(server, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(server, "_write_probe", lambda _: hangs.wait(60))

    answer = site(talker, "/healthz")
    hangs.set()

    assert answer.status == 503
    assert b"more than 0.1 s" in answer.data


def test_retention_runs(tmp_path: Path) -> None:
    """From the start on, beside the requests."""
    old = tmp_path / "kept" / KEY
    old.mkdir(parents=True)
    (old / "report.json").write_text("{}")
    os.utime(old / "report.json", (1, 1))

    with serving(tmp_path / "kept", FakeReviews(), rules=server.Rules(seconds=60)):
        until(lambda: not old.exists())


def test_a_stopped_server_lets_an_upload_end(tmp_path: Path) -> None:
    """TERM: nothing new is taken, what is going on may end within the grace."""
    with Apart.start(tmp_path / "kept") as apart:
        parts = urlsplit(apart.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
            connection.sendall(
                f"PUT {parts.path}/{KEY}/a HTTP/1.1\r\nHost: x\r\nContent-Length: {len(DATA)}\r\n"
                f"Authorization: Bearer {UPLOADER}\r\n"
                f"Repr-Digest: {to_header(hashlib.sha256(DATA).hexdigest())}\r\n\r\n".encode()
                + DATA[:-1]
            )
            until(lambda: apart.received() >= 3 << 20)
            apart.process.send_signal(signal.SIGTERM)

            def is_deaf() -> bool:
                try:
                    socket.create_connection((parts.hostname, parts.port), timeout=5).close()
                except (ConnectionRefusedError, ConnectionResetError):  # or just closing
                    return True
                return False

            until(is_deaf)
            connection.sendall(DATA[-1:])
            said = connection.recv(4096)

        assert b" 201 " in said.splitlines()[0]
        assert apart.end(signal.SIGTERM) == 0
        assert (apart.root / KEY / "a").read_bytes() == DATA


def test_a_stopped_server_cuts_off_what_takes_too_long(tmp_path: Path) -> None:
    """What came is kept, and the next server goes on with it."""
    said = to_header(hashlib.sha256(DATA).hexdigest())
    head = {"Authorization": f"Bearer {UPLOADER}", "Repr-Digest": said}
    with serving(tmp_path / "kept", grace_seconds=0.1) as url:
        parts = urlsplit(url)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
        lines = [f"PUT {parts.path}/{KEY}/a HTTP/1.1", "Host: x", f"Content-Length: {len(DATA)}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + DATA[: 3 << 20])
        until(lambda: sum(one.stat().st_size for one in tmp_path.rglob("partial/*")) >= 2 << 20)
    with connection, serving(tmp_path / "kept") as url, urllib3.PoolManager() as pool:
        offset = pool.request("HEAD", f"{url}/{KEY}/a", headers=head).headers["Upload-Offset"]

    assert 2 << 20 <= int(offset) < len(DATA)


def test_what_it_cannot_use_is_told(tmp_path: Path) -> None:
    """A port that is taken, a folder that cannot be made, a certificate that is none."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        _start(tmp_path / "file" / "kept")
    with pytest.raises(OSError, match="no-such"):
        _start(tmp_path / "kept", tls_cert=str(tmp_path / "no-such.crt"))
    with pytest.raises(OSError, match="no certificate with its key") as caught:
        _start(tmp_path / "kept", tls_cert=str(tmp_path / "file"))
    assert caught.value.filename == str(tmp_path / "file")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            _start(tmp_path / "kept", port=taken.getsockname()[1])


def _start(root: Path, **settings: Any) -> None:
    async def main() -> None:
        how = server.Serving(root, host="127.0.0.1", **settings)
        async with server.running(how, FakeReviews()):
            raise AssertionError("it runs")

    asyncio.run(main())
