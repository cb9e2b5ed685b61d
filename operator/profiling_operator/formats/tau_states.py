"""The elements of TAU's XML as states: what each timer and event of a thread had come to at a time.

    <profile_xml>
    <thread id="0.0.0.26820" node="0" context="0" thread="0"><metadata>...</metadata></thread>
    <definitions thread="*"> <metric id="0"><name>TIME</name></metric>
      <event id="0"><name>main</name><group>TAU_USER</group></event>
      <userevent id="0"><name>Message size</name></userevent> </definitions>
    <profile thread="0.0.0.26820"> <name>...</name> <timestamp>microseconds</timestamp>
      <interval_data metrics="0 "> id calls subroutines (exclusive inclusive){metric} LF ...
      <atomic_data> id times max min mean sumsqr LF ... </profile>
    </profile_xml>

Definitions of one thread come bit by bit, before the first state that needs them; those of `*` are
for all threads. Derived entities (total, mean_all, ...) repeat the threads: they are only named.

Writers: tau2 src/Profile/TauSnapshot.cpp and TauProfileMerge.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from profiling_operator.formats.tau_lines import LARGEST_WHOLE
from profiling_operator.formats.tau_metadata import LONGEST_VALUE, MOST_VALUES
from profiling_operator.formats.tau_numbers import SHORT
from profiling_operator.formats.tau_xml import BrokenXmlError, Parser

MOST_METRICS = 64
MOST_NUMBERS = 2_000_000  # in one state
MOST_NAME_BYTES = 1 << 25  # in all definitions
MOST_PROBLEMS = 20
LINES = {"interval_data", "atomic_data"}
EVENT_WORDS = 6
LONGEST_NUMBER = 40
ALL_THREADS = "*"

Token = int | bytes
"""A number of the file; as it is written where it is no whole one."""


@dataclass
class ThreadFacts:
    """What a file says of a thread besides its states."""

    id: str
    """node.context.thread.pid"""
    node: int = 0
    context: int = 0
    thread: int = 0
    metadata: dict[str, str] = field(default_factory=dict)


class TimerRow(NamedTuple):
    """A timer: calls, subroutines, then exclusive and inclusive value of each metric."""

    name: bytes
    groups: bytes
    numbers: list[Token]


class EventRow(NamedTuple):
    """A user event: times, max, min, mean, sum of squares."""

    name: bytes
    numbers: list[Token]


@dataclass
class State:
    """One thread at one time; all numbers count from its beginning."""

    facts: ThreadFacts
    name: str = ""
    microseconds: str = ""
    """When, since the Unix epoch."""
    metrics: list[str] = field(default_factory=list)
    timers: list[TimerRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)


class States:
    """The states of one file; afterwards, what else there is to be said of it."""

    def __init__(self) -> None:
        """Nothing read yet."""
        self.problems: list[tuple[int, str]] = []
        """Line and message."""
        self.unlisted = 0
        """How many more problems there were."""
        self.derived: list[str] = []
        """Entities such as `mean_all`, which are left out."""
        self._parser = Parser(self)
        self._found: list[State] = []
        self._shared: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._own: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._owner = ""
        self._room = MOST_NAME_BYTES
        self._facts = ThreadFacts("")
        self._state: State | None = None
        self._numbers = 0
        self._of = ALL_THREADS
        self._id = self._name = self._group = self._key = ""

    def read(self, stream: BinaryIO, size: int) -> Iterator[State]:
        """Every state as soon as it is whole.

        A text that breaks off ends with a problem; the state that it broke off in comes last.
        """
        try:
            for _ in self._parser.parse(stream, size):
                yield from self._found
                self._found.clear()
        except BrokenXmlError as broken:
            self.problem(broken.line, str(broken))
        yield from self._found
        if self._state:
            yield self._state

    def start(self, path: list[str], attributes: dict[str, str]) -> None:
        """Begin an element."""
        name = path[-1]
        if name == "thread":
            self._facts = _facts(attributes)
        elif name == "definitions":
            self._define_for(attributes.get("thread", ALL_THREADS))
        elif name in {"metric", "event", "userevent"}:
            self._id, self._name, self._group = attributes.get("id", ""), "", ""
        elif name == "profile":
            self._begin_state(attributes.get("thread", ""))
        elif name == "interval_data" and self._state:
            ids = attributes.get("metrics", "").split()[:MOST_METRICS]
            self._state.metrics = [self._metric(one) for one in ids]
        elif name == "derivedentity" and len(self.derived) < MOST_PROBLEMS:
            self.derived.append(attributes.get("id", "")[:40])
        elif name == "timer_context":
            self._key = ""

    def end(self, path: list[str], text: str) -> None:
        """End an element."""
        name, outer = path[-1], path[-2] if len(path) > 1 else ""
        if name == "name":
            self._named(outer, text)
        elif name == "group":
            self._group = text
        elif name == "value" and outer == "attribute":
            self._add_metadata(text)
        elif name == "timestamp" and outer == "profile" and self._state:
            self._state.microseconds = text
        elif name in {"metric", "event", "userevent"}:
            self._define(name)
        elif name == "profile" and self._state:
            self._found.append(self._state)
            self._state = None

    def wants_lines(self, name: str) -> bool:
        """The numbers of a state."""
        return name in LINES and self._state is not None

    def lines(self, name: str, lines: list[str]) -> None:
        """Take the numbers of timers or events."""
        state, of_timers = self._state, name == "interval_data"
        if state is None:
            return
        kind = "event" if of_timers else "userevent"
        length = 3 + 2 * len(state.metrics) if of_timers else EVENT_WORDS
        for at, line in enumerate(lines, self._parser.line - len(lines)):
            words = line.split()
            definition = self._definition(kind, words[0]) if words else None
            if words and (definition is None or len(words) != length):
                self.problem(at, "not a timer" if of_timers else "not a user event")
            elif definition and self._has_room(length):
                numbers = _tokens(words[1:])
                if of_timers:
                    state.timers.append(TimerRow(*definition, numbers))
                else:
                    state.events.append(EventRow(definition[0], numbers))

    def _has_room(self, numbers: int) -> bool:
        self._numbers += numbers
        if self._numbers > MOST_NUMBERS:
            self.problem(self._parser.line, f"past {MOST_NUMBERS} numbers of one state")
        return self._numbers <= MOST_NUMBERS

    def _begin_state(self, of: str) -> None:
        if self._facts.id != of:
            self._facts = _facts({"id": of})
        self._state = State(self._facts)
        self._numbers = 0

    def _named(self, outer: str, text: str) -> None:
        if outer == "attribute":
            self._key = text
        elif outer == "profile" and self._state:
            self._state.name = text[:LONGEST_VALUE]
        else:
            self._name = text

    def _add_metadata(self, text: str) -> None:
        known = self._facts.metadata
        if self._key and len(known) < MOST_VALUES:
            known.setdefault(self._key[:LONGEST_VALUE], text[:LONGEST_VALUE])
        self._key = ""

    def _define_for(self, of: str) -> None:
        """Definitions for one thread follow: those of another one are not needed any more."""
        if of not in {ALL_THREADS, self._owner}:
            self._own, self._owner = {}, of
        self._of = of

    def _define(self, kind: str) -> None:
        name, group = self._name.encode(), self._group.encode()
        self._room -= len(name) + len(group)
        if self._room > 0:
            names = self._shared if self._of == ALL_THREADS else self._own
            names[kind, self._id] = name, group
        else:
            self.problem(self._parser.line, f"past {MOST_NAME_BYTES} bytes of names")

    def _definition(self, kind: str, number: str) -> tuple[bytes, bytes] | None:
        return self._own.get((kind, number)) or self._shared.get((kind, number))

    def _metric(self, number: str) -> str:
        name = self._definition("metric", number)
        return name[0].decode() if name else f"metric {number[:20]}"

    def problem(self, line: int, message: str) -> None:
        """Note something wrong; only the first ones are listed."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((line, message))
        else:
            self.unlisted += 1


def _facts(attributes: dict[str, str]) -> ThreadFacts:
    """Of `id="1.0.0.26846" node="1" context="0" thread="0"`; of the id alone where it must be."""
    given = attributes.get("id", "")[:100]
    parts = dict(zip(("node", "context", "thread"), given.split("."), strict=False))
    node, context, thread = (
        _whole(attributes.get(one, parts.get(one, ""))) for one in ("node", "context", "thread")
    )
    return ThreadFacts(given, node, context, thread)


def _whole(text: str) -> int:
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 10 else 0  # noqa: PLR2004


def _tokens(words: list[str]) -> list[Token]:
    try:
        numbers = list(map(int, words))
    except ValueError:
        return [_token(one) for one in words]
    is_plain = min(numbers) >= 0 and max(numbers) < LARGEST_WHOLE
    return numbers if is_plain else [_token(one) for one in words]  # type: ignore[return-value]


def _token(word: str) -> Token:
    return int(word) if word.isdecimal() and len(word) <= SHORT else word.encode()[:LONGEST_NUMBER]
