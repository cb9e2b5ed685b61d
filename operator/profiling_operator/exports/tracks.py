"""Where on a time line something is drawn: processes hold threads, and a thread holds lanes.

GPUs are processes of their own, whose threads are streams. On one thread viewers draw only what
lies side by side or within another; what overlaps otherwise goes to a further lane, as a thread
beside it. Numbers of processes and threads are made up, since those of hosts and runs may be the
same; the real ones are in the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from profiling_operator.exports.places import Thread, told_apart

LANES_LIMIT = 32
NAME_SHOWN = 250
INSIDE = 2


class Track(NamedTuple):
    """What spans are drawn together for."""

    thread: Thread
    stream: int | None
    name: str
    """The thread's."""
    on_gpu: bool
    way: str = ""
    """What is drawn apart from other things of this thread: `samples`."""

    @classmethod
    def of(cls, plain: tuple[tuple[Any, ...], int | None, str, bool, str]) -> Track:
        """A track that was kept as plain tuples."""
        return cls(Thread(*plain[0]), *plain[1:])


class Span(NamedTuple):
    """From a moment to another one, nanoseconds since the Unix epoch."""

    start: int
    end: int
    name: str
    category: str
    attributes: bytes
    """As JSON; empty: none."""


class Lane(NamedTuple):
    """A thread of the file."""

    process: int
    thread: int


def lanes(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """Spans with the number of their lane, by their start; those beyond the last lane are missing.

    In one lane, each two spans are apart or one holds the other. Viewers calculate with rounded
    numbers, and take what sticks out or touches for damage: what ends with what holds it ends
    INSIDE nanoseconds before it, and what ends where another begins, a nanosecond.
    """
    filled: list[list[_Open]] = []
    placed: list[tuple[int, Span]] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        for touching in _ended(span, filled):
            number, before = placed[touching]
            placed[touching] = number, before._replace(end=max(before.start, before.end - 1))
        number = _lane_for(span, filled)
        if number < LANES_LIMIT:
            if number == len(filled):
                filled.append([])
            held = _held(span, filled[number])
            filled[number].append(_Open(span.end, held.start, held.end, len(placed)))
            placed.append((number, held))
    return placed


class _Open(NamedTuple):
    end: int
    drawn_start: int
    drawn_end: int
    number: int


def _ended(span: Span, filled: Iterable[list[_Open]]) -> Iterator[int]:
    """Close what ended before a span; the numbers of those that end where it begins."""
    for lane in filled:
        while lane and lane[-1].end <= span.start:
            closed = lane.pop()
            if closed.drawn_end == span.start:
                yield closed.number


def _lane_for(span: Span, filled: Sequence[Sequence[_Open]]) -> int:
    """The first lane where it has room; the number of lanes where none has."""
    room = (at for at, lane in enumerate(filled) if not lane or lane[-1].end >= span.end)
    return next(room, len(filled))


def _held(span: Span, lane: Sequence[_Open]) -> Span:
    """It, within what is open."""
    if not lane or span.end <= lane[-1].drawn_end - INSIDE:
        return span
    end = max(lane[-1].drawn_start, lane[-1].drawn_end - INSIDE)
    return span._replace(start=min(span.start, end), end=end)


class Names:
    """Gives numbers to tracks, and knows the events that name them."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        """Number processes in the order of runs and numbers, GPUs after them."""
        self._told = told_apart(track.thread for track in tracks)
        self._processes: dict[tuple[Any, ...], int] = {}
        self._threads: dict[tuple[Any, ...], int] = {}
        self._events: list[dict[str, Any]] = []

    def process(self, track: Track) -> int:
        """The number of its process."""
        thread = track.thread
        one = thread.device if track.on_gpu else thread.process
        key = (thread.run, thread.host, track.on_gpu, one)
        number = self._processes.get(key)
        if number is None:
            number = self._processes[key] = self._next()
            self._name("process", number, number, self._process_words(track))
        return number

    def lane(self, track: Track, number: int) -> Lane:
        """A lane of a track."""
        process = self.process(track)
        key = (track, number)
        thread = self._threads.get(key)
        if thread is None:
            thread = self._threads[key] = self._next()
            words = self.thread_words(track) + (f" ({number + 1})" if number else "")
            self._name("thread", process, thread, words)
        return Lane(process, thread)

    def events(self) -> Iterator[dict[str, Any]]:
        """The metadata events that name what was asked for."""
        yield from self._events

    def _next(self) -> int:
        """No thread has a process' number: Perfetto would take it for its main thread."""
        return 1 + len(self._processes) + len(self._threads)

    def _name(self, what: str, process: int, thread: int, words: str) -> None:
        where = {"cat": "__metadata", "ph": "M", "ts": 0, "pid": process, "tid": thread}
        name, order = f"{what}_name", f"{what}_sort_index"
        self._events.append({"name": name, **where, "args": {"name": words[:NAME_SHOWN]}})
        self._events.append({"name": order, **where, "args": {"sort_index": thread}})

    def _process_words(self, track: Track) -> str:
        thread, told = track.thread, self._told
        one = thread.device if track.on_gpu else thread.process
        kind = "GPU" if track.on_gpu else "Process"
        words = [
            f"Run {thread.run}" if "run" in told else "",
            thread.host or "" if "host" in told else "",
            kind if one is None else f"{kind} {one}",
        ]
        return " ".join(filter(None, words))

    def thread_words(self, track: Track) -> str:
        """What a thread is called."""
        thread, told = track.thread, self._told
        number = track.stream if track.on_gpu else thread.thread
        kind = "Stream" if track.on_gpu else "Thread"
        process = thread.process if track.on_gpu and "process" in told else None
        context = thread.context if "context" in told else None
        words = [
            kind if number is None else f"{kind} {number}",
            f'"{track.name}"' if track.name else "",
            "" if process is None else f"Process {process}",
            "" if context is None else f"Context {context}",
            thread.collector if "collector" in told else "",
            track.way,
        ]
        return " ".join(filter(None, words))


def order(track: Track) -> tuple[Any, ...]:
    """Runs one after the other; in each, processes and then GPUs; what is not known first."""
    thread = track.thread
    one = thread.device if track.on_gpu else thread.process
    numbers = (one, thread.context, track.stream, thread.thread, thread.process)
    known = [-1 if number is None else number for number in numbers]
    names = (thread.collector, track.name, track.way)
    return thread.run, track.on_gpu, thread.host or "", known, names
