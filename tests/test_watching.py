"""Watching containers: who waits is woken, and what the application prints is passed on."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from profiling_operator import engine, watching
from profiling_operator.containers import Attempt
from profiling_operator.engine import Engine
from profiling_operator.errors import ExecutorError
from profiling_operator.watching import Watch

ATTEMPT = Attempt("a-1")
PATIENCE = 60
"""Nothing here takes so long; a test that fails does."""


class Stream:
    """A stream of events that the test feeds."""

    def __init__(self, close_error: Exception | None = None) -> None:
        self.closed = threading.Event()
        self._close_error = close_error
        self._fed: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()

    def feed(self, action: str) -> None:
        """An event; returns when it has been dealt with."""
        self._fed.put({"Type": "container", "Action": action})
        self._fed.join()

    def end(self, how: Exception | None = None) -> None:
        """No more events, with an error or without."""
        self._fed.put(how)

    def close(self) -> None:
        """As clients do it; some cannot."""
        self.closed.set()
        if self._close_error:
            raise self._close_error
        self.end()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while isinstance(item := self._fed.get(), dict):
            yield item
            self._fed.task_done()
        if item is not None:
            raise item


class Api:
    """The client's part that has to do with events."""

    def __init__(self) -> None:
        self.streams: queue.Queue[Stream | Exception] = queue.Queue()
        self.filters: list[dict[str, str]] = []
        self.closed = threading.Event()

    def events(self, filters: dict[str, str], decode: bool) -> Stream:
        """The next stream; waits for the test to have one."""
        assert decode
        self.filters.append(filters)
        stream = self.streams.get(timeout=PATIENCE)
        if isinstance(stream, Exception):
            raise stream
        return stream

    def close(self) -> None:
        """Let go."""
        self.closed.set()


class Watched(Engine):
    """An engine whose container prints what the test says."""

    def __init__(self) -> None:
        super().__init__("U", Api())
        self.output: Callable[[], Iterator[bytes]] = lambda: iter(())
        self.attached: list[str] = []

    def output_of(self, container: str) -> Iterator[bytes]:
        """The test's pieces."""
        self.attached.append(container)
        return self.output()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """The engine that is found; no thread is left when the test is over."""
    before = set(threading.enumerate())
    watched = Watched()

    def connect(seconds: float | None) -> Engine:
        assert seconds is None, "streams may be quiet"
        return watched

    monkeypatch.setattr(engine, "connect", connect)
    monkeypatch.setattr(watching, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(watching, "LAST_WORDS_SECONDS", PATIENCE)
    yield watched
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def stream(here: Watched) -> Stream:
    """The first stream of events."""
    first = Stream()
    here.api.streams.put(first)
    return first


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where the application's output goes."""
    reader, writer = os.pipe()
    yield reader, writer
    for one in (reader, writer):
        try:
            os.close(one)
        except OSError:
            assert one in {reader, writer}  # the test has closed it


class Waiter:
    """Somebody who waits for long."""

    def __init__(self, watch: Watch) -> None:
        self._thread = threading.Thread(target=watch.wait, args=(10 * PATIENCE,), daemon=True)
        self._thread.start()

    def is_waiting(self) -> bool:
        """Still."""
        return self._thread.is_alive()

    def is_woken(self) -> bool:
        """Before the time is over."""
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()


@pytest.mark.parametrize("action", ["die", "oom", "destroy", "health_status: healthy"])
def test_who_waits_is_woken_by_what_matters(here: Watched, stream: Stream, action: str) -> None:
    """The end, memory, removal, and a server's getting ready; of this attempt's containers only."""
    watch = Watch(ATTEMPT, None)
    waiter = Waiter(watch)

    stream.feed("start")
    stream.feed("exec_create: sh")
    assert waiter.is_waiting()
    stream.feed(action)

    assert waiter.is_woken()
    assert here.api.filters == [{"label": "profiling.dev/attempt=a-1"}]
    watch.close()


def test_what_happened_before_the_wait_counts(here: Watched, stream: Stream) -> None:
    """Nothing is missed between two looks; and it counts once."""
    watch = Watch(ATTEMPT, None)
    stream.feed("die")

    watch.wait(10 * PATIENCE)

    waiter = Waiter(watch)
    assert waiter.is_waiting()
    watch.close()
    assert waiter.is_woken()


def test_a_wait_has_an_end(here: Watched, stream: Stream) -> None:
    """Events can be lost."""
    watch = Watch(ATTEMPT, None)

    watch.wait(0)

    assert not watch._changed.is_set()
    watch.close()


def test_an_event_without_a_word_is_passed_over(here: Watched, stream: Stream) -> None:
    """Engines tell of images and plugins in other forms."""
    watch = Watch(ATTEMPT, None)
    waiter = Waiter(watch)
    stream._fed.put({"status": "pull"})

    stream.feed("die")

    assert waiter.is_woken()
    watch.close()


@pytest.mark.parametrize(
    "how",
    [None, requests.ConnectionError("reset"), OSError("closed"), ValueError("no JSON"),
     AttributeError("closed under our feet")],
)  # fmt: skip
def test_a_stream_that_ends_is_begun_again(
    here: Watched, stream: Stream, how: Exception | None
) -> None:
    """Who waits looks for himself in between, since something may have been missed."""
    second = Stream()
    watch = Watch(ATTEMPT, None)
    waiter = Waiter(watch)

    stream.end(how)
    assert waiter.is_woken()
    here.api.streams.put(second)
    waiter = Waiter(watch)
    second.feed("die")

    assert waiter.is_woken()
    assert here.api.filters == [{"label": ATTEMPT.label}] * 2
    watch.close()


def test_an_engine_that_is_restarted_is_watched_again(here: Watched) -> None:
    """It refuses for a while: also at the very beginning."""
    last = Stream()
    for _ in range(3):
        here.api.streams.put(requests.ConnectionError("refused"))
    here.api.streams.put(last)
    watch = Watch(ATTEMPT, None)

    last.feed("die")

    assert len(here.api.filters) == 4
    watch.wait(10 * PATIENCE)
    watch.close()


def test_what_the_application_prints_is_passed_on(
    here: Watched, stream: Stream, pipe: tuple[int, int]
) -> None:
    """As it comes, byte for byte."""
    pieces = [b"first\n", b"", b"\xff\x00", b"last"]
    here.output = lambda: iter(pieces)

    watch = Watch(ATTEMPT, pipe[1])
    watch.close()

    os.close(pipe[1])
    with open(pipe[0], "rb", closefd=False) as read:
        assert read.read() == b"".join(pieces)
    assert here.attached == ["a-1"]


def test_nobody_s_output_is_not_asked_for(here: Watched, stream: Stream) -> None:
    """It would be sent for nothing."""
    Watch(ATTEMPT, None).close()

    assert here.attached == []


def test_last_words_are_waited_for(here: Watched, stream: Stream, pipe: tuple[int, int]) -> None:
    """The containers are gone then, and the end of what they printed is still on its way."""

    def late() -> Iterator[bytes]:
        assert stream.closed.wait(PATIENCE)
        yield b"last words"

    here.output = late
    watch = Watch(ATTEMPT, pipe[1])
    stream.feed("start")

    watch.close()

    assert os.read(pipe[0], 100) == b"last words"


def breaking() -> Iterator[bytes]:
    """An output that breaks off."""
    yield b"begun"
    raise requests.ConnectionError("reset")


def test_an_output_that_breaks_off_breaks_nothing_else(
    here: Watched, stream: Stream, pipe: tuple[int, int]
) -> None:
    """What came is passed on, and events still wake."""
    here.output = breaking
    watch = Watch(ATTEMPT, pipe[1])

    assert os.read(pipe[0], 100) == b"begun"
    waiter = Waiter(watch)
    stream.feed("die")

    assert waiter.is_woken()
    watch.close()


def test_a_reader_that_goes_away_breaks_nothing_else(
    here: Watched, stream: Stream, pipe: tuple[int, int]
) -> None:
    """As `profjob run --follow | head` does it."""
    os.close(pipe[0])
    here.output = lambda: iter([b"nobody reads"] * 3)
    watch = Watch(ATTEMPT, pipe[1])
    waiter = Waiter(watch)

    stream.feed("die")

    assert waiter.is_woken()
    watch.close()


@pytest.mark.parametrize("error", [ExecutorError("gone"), FileNotFoundError("no container")])
def test_an_output_that_is_not_to_be_had_breaks_nothing_else(
    here: Watched, stream: Stream, pipe: tuple[int, int], error: Exception
) -> None:
    """It is a convenience."""

    def refuse() -> Iterator[bytes]:
        raise error

    here.output = refuse
    watch = Watch(ATTEMPT, pipe[1])
    waiter = Waiter(watch)

    stream.feed("die")

    assert waiter.is_woken()
    watch.close()


def test_closing_ends_everything(here: Watched, stream: Stream) -> None:
    """Threads, streams and connections; closing again is the same."""
    before = threading.active_count()
    watch = Watch(ATTEMPT, None)
    stream.feed("start")

    watch.close()
    watch.close()

    assert threading.active_count() == before
    assert stream.closed.is_set()
    assert here.api.closed.is_set()


@pytest.mark.parametrize(
    "error",
    [
        NameError("sock"),
        AttributeError("_sock"),
        OSError(107, "not connected"),
        ValueError("closed"),
    ],
)
def test_a_stream_that_cannot_be_closed_is_left(
    here: Watched, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Clients have none for some transports; nobody waits for it for ever."""
    stubborn = Stream(close_error=error)
    here.api.streams.put(stubborn)
    monkeypatch.setattr(watching, "LAST_WORDS_SECONDS", 0.0)
    watch = Watch(ATTEMPT, None)
    stubborn.feed("start")

    watch.close()

    assert stubborn.closed.is_set()
    stubborn.end()  # so that no thread is left


def test_without_an_engine_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is told before anything is started."""

    def connect(seconds: float | None) -> Engine:
        raise ExecutorError("no Docker engine answers")

    monkeypatch.setattr(engine, "connect", connect)

    with pytest.raises(ExecutorError, match="no Docker engine answers"):
        Watch(ATTEMPT, None)
