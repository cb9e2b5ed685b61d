"""launch --probe: a health check for containers that hold nothing else."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Probe = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def probe(launcher: Path) -> Probe:
    """Runs launch --probe with these words."""

    def probe(*words: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [launcher, "--probe", *map(str, words)], capture_output=True, timeout=30
        )

    return probe


@contextlib.contextmanager
def listening(backlog: int = 8) -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        yield server, server.getsockname()[1]


@contextlib.contextmanager
def answering(*parts: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers one request, part by part, and keeps what it was asked."""
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            while not b"".join(asked).endswith(b"\r\n\r\n"):
                asked.append(connection.recv(1000))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in parts:
                connection.sendall(part)

    with listening() as (server, port):
        thread = threading.Thread(target=answer)
        thread.start()
        yield port, asked
        thread.join()


def test_port_that_accepts(probe: Probe) -> None:
    """Somebody listens: 0, and nothing is said."""
    with listening() as (_, port):
        done = probe(port)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("path", [(), ("--probe-path", "/ready")])
def test_port_that_refuses(probe: Probe, path: tuple[str, ...]) -> None:
    """Nobody listens: 1, and a line says so."""
    with listening() as (_, port):
        pass
    done = probe(port, *path)

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"nobody listens on port %d\n" % port


@pytest.mark.parametrize("status", [200, 204, 302, 399])
def test_good_status(probe: Probe, status: int) -> None:
    """A status from 200 to 399 is good; the request is plain HTTP/1.0."""
    answer = b"HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\nok" % status
    with answering(answer) as (port, asked):
        done = probe(port, "--probe-path", "/ready?now=1")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert b"".join(asked) == (
        b"GET /ready?now=1 HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("status", [100, 199, 400, 404, 503])
def test_bad_status(probe: Probe, status: int) -> None:
    """Any other status: 1, and a line names it."""
    with answering(b"HTTP/1.0 %d No\r\n\r\n" % status) as (port, _):
        done = probe(port, "--probe-path", "/ready")

    assert (done.returncode, done.stderr) == (1, b"/ready answered %d\n" % status)


def test_answer_in_pieces(probe: Probe) -> None:
    """The status line may arrive byte by byte."""
    pieces = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\n\r\n"]
    with answering(*pieces) as (port, _):
        assert probe(port, "--probe-path", "/").returncode == 0


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 ", b"HTTP/x 200 OK\r\n"])
def test_no_http(probe: Probe, answer: bytes) -> None:
    """An answer that is not HTTP, or none at all, has the status 0."""
    with answering(answer) as (port, _):
        done = probe(port, "--probe-path", "/")

    assert (done.returncode, done.stderr) == (1, b"/ answered 0\n")


def test_no_answer(probe: Probe) -> None:
    """A server that accepts and stays silent is given up."""
    with listening() as (_, port):
        done = probe(port, "--probe-path", "/ready")

    assert (done.returncode, done.stderr) == (1, b"no answer within 2 s\n")


def test_no_connection(probe: Probe) -> None:
    """A full backlog, in which a connection hangs, is given up as well."""
    with contextlib.ExitStack() as open_sockets:
        _, port = open_sockets.enter_context(listening(backlog=0))
        for _ in range(4):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        done = probe(port)

    assert (done.returncode, done.stderr) == (1, b"no answer within 2 s\n")


@pytest.mark.parametrize(
    "words",
    [("0",), ("65536",), ("x",), (), ("80", "--", "true"), ("80", "--probe-path")],
)
def test_not_understood(probe: Probe, words: tuple[str, ...]) -> None:
    """No port, or a command as well: 125."""
    done = probe(*words)

    assert done.returncode == 125
    assert b"not understood" in done.stderr


def test_without_a_port(launcher: Path) -> None:
    """A path alone is no form of the launcher."""
    assert subprocess.run([launcher, "--probe-path", "/"], capture_output=True).returncode == 125
