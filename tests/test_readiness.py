"""Whether a server is ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from profiling_operator import readiness
from profiling_operator.errors import PlaybackError

HOST = "127.0.0.1"


class Handler(BaseHTTPRequestHandler):
    """Ready at the third question; 404 elsewhere."""

    asked = 0

    def do_GET(self) -> None:
        """Answer 503 twice, then 200."""
        type(self).asked += self.path == "/ready"
        good = self.path == "/ready" and self.asked > 2
        self.send_response(200 if good else 503 if self.path == "/ready" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """A server's port."""
    Handler.asked = 0
    with HTTPServer((HOST, 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield http.server_port
        http.shutdown()
        thread.join()


def free() -> int:
    """A port that was free a moment ago."""
    with HTTPServer((HOST, 0), Handler) as http:
        return http.server_port


def test_a_path_is_asked_until_it_answers_well(server: int) -> None:
    """503 means not yet."""
    readiness.wait_until_ready(HOST, server, "/ready", 30, lambda seconds: True)

    assert Handler.asked == 3


def test_a_port_that_accepts_is_enough_without_a_path(server: int) -> None:
    """Nothing is asked."""
    readiness.wait_until_ready(HOST, server, None, 30, lambda seconds: True)

    assert Handler.asked == 0


def test_time_runs_out_with_the_last_answer(server: int) -> None:
    """The message says what the server answered."""
    with pytest.raises(PlaybackError, match=r"PlaybackNotReady.*/no.*answered 404"):
        readiness.wait_until_ready(HOST, server, "/no", 0.2, lambda seconds: True)


def test_a_server_that_has_ended_is_not_waited_for() -> None:
    """However long the limit is."""
    with pytest.raises(PlaybackError, match="ended before it was ready"):
        readiness.wait_until_ready(HOST, free(), None, 3600, lambda seconds: False)


def test_a_server_that_speaks_nonsense_is_not_ready() -> None:
    """An answer that is not HTTP is an answer to wait on."""
    assert readiness.answers(HOST, free(), "/") != ""
