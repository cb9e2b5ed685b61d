"""Watches an attempt's containers: wakes who waits, passes on what the application prints.

Both are conveniences. Events can be lost, and a stream can end in silence, so who is woken looks
for himself, and who is not looks now and then.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from profiling_operator import engine
from profiling_operator.containers import Attempt
from profiling_operator.engine import FAILURES, Engine
from profiling_operator.errors import ProfilingError

PAUSE_SECONDS = 1.0
LAST_WORDS_SECONDS = 2.0
ACTIONS = ("die", "health_status", "oom", "destroy")


class Watch:
    """Begun before the containers are started, so that nothing is missed."""

    def __init__(self, attempt: Attempt, output: int | None) -> None:
        """Watch from now on; `output` is a descriptor that gets what the application prints."""
        self._attempt = attempt
        self._changed = threading.Event()
        self._closed = threading.Event()
        self._streams: list[Any] = []
        self._threads: list[threading.Thread] = []
        here = engine.connect(seconds=None)  # streams are quiet for as long as they like
        self._begin(self._follow_events, here, _events(here, attempt))
        if output is not None:
            with suppress(ProfilingError, FileNotFoundError):
                self._begin(_pass_on, here.output_of(attempt.name), output)

    def _begin(self, follow: Any, *given: Any) -> None:
        thread = threading.Thread(target=follow, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        """Until something has happened since the last wait, at most so long."""
        self._changed.wait(seconds)
        self._changed.clear()

    def close(self) -> None:
        """Watch no more; called when the containers are gone, so that no word of theirs is lost."""
        self._closed.set()
        self._changed.set()
        for stream in self._streams:
            # NameError: docker-py fails so for streams through ssh; the others: it has just ended.
            with suppress(*FAILURES, NameError, AttributeError, ValueError):
                stream.close()
        for thread in self._threads:
            thread.join(LAST_WORDS_SECONDS)

    def _follow_events(self, here: Engine, stream: Any) -> None:
        """Subscribes again when a stream ends: the engine was restarted, or lost its patience."""
        while True:
            self._streams = [stream] if stream is not None else []
            if self._closed.is_set():  # asked only now, so that `close` finds the stream
                break
            for event in _until_broken(stream):
                if str(event.get("Action", "")).startswith(ACTIONS):
                    self._changed.set()
            self._changed.set()
            self._closed.wait(PAUSE_SECONDS)
            stream = None if self._closed.is_set() else _events(here, self._attempt)
        here.close()


def _events(here: Engine, attempt: Attempt) -> Any:
    with suppress(ProfilingError, FileNotFoundError), here.asked("events"):
        return here.api.events(filters={"label": attempt.label}, decode=True)
    return None


def _until_broken(stream: Any) -> Iterator[dict[str, Any]]:
    with suppress(*FAILURES, ValueError, AttributeError):  # closed under our feet
        yield from stream or ()


def _pass_on(stream: Any, output: int) -> None:
    with suppress(*FAILURES, ValueError, AttributeError):
        for piece in stream:
            os.write(output, piece)
