"""Whether a server is ready: a port that answers, or a path that answers well."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable

from profiling_operator.errors import PlaybackError, Reason

PROBE_SECONDS = 2.0
PAUSE_SECONDS = 0.05
GOOD_FROM, GOOD_TO = 200, 399


def accepts(host: str, port: int) -> bool:
    """Whether somebody listens on a port."""
    try:
        with socket.create_connection((host, port), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


def answers(host: str, port: int, path: str) -> str:
    """Empty when the path answers 200 to 399; otherwise what it did instead."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        code = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if GOOD_FROM <= code <= GOOD_TO else f"answered {code}"


def wait_until_ready(
    host: str, port: int, path: str | None, seconds: float, pause: Callable[[float], bool]
) -> None:
    """Return as soon as the server is ready.

    `pause` waits for some seconds and says whether the server still lives. Raises PlaybackError
    (PlaybackNotReady) when the time is over or the server has ended.
    """
    deadline = time.monotonic() + seconds
    said = "no answer yet"
    while time.monotonic() < deadline:
        if path is None:
            said = "" if accepts(host, port) else "nobody listens"
        else:
            said = answers(host, port, path)
        if not said:
            return
        if not pause(PAUSE_SECONDS):
            raise PlaybackError(f"the playback server ended before it was ready ({said})")
    where = f"port {port}{f' {path}' if path else ''}"
    raise PlaybackError(f"{Reason.PLAYBACK_NOT_READY}: {where} after {seconds:g} s: {said}")
