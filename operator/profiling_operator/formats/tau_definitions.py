"""TAU's event definitions, `events.<node>.edf` and `tau.edf`: what the numbers in a trace mean.

    88 dynamic_trace_events
    # FunctionId Group Tag "Name Type" Parameters
    1 TAU_DEFAULT 0 ".TAU application " EntryExit
    8 TAUEVENT 0 "Message size sent to all nodes" TriggerValue
    60007 TAU_MESSAGE -7 "MESSAGE_SEND" par

A tracing TAU adds its metadata as events named `KEY | VALUE`: here they become metadata again.

Writer: tau2 src/Profile/Tracer.cpp, TauTraceDumpEDF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import BinaryIO

from profiling_operator.formats.tau_metadata import LONGEST_VALUE, MOST_VALUES
from profiling_operator.formats.tau_names import Names, Shape

LONGEST_LINE = 1 << 16
MOST_EVENTS = 200_000
MOST_NAME_BYTES = 1 << 25
MOST_PROBLEMS = 20

HEAD = re.compile(rb"(\d{1,9}) dynamic_trace_events")
LINE = re.compile(rb'(\d{1,10}) ([^ "]+) (-?\d{1,9}) "(.*)" (\w+)\s*$')
FIXED = 60_000
"""From this number on, events are TAU's own: marks of the writer, and messages."""
SEND, RECEIVE = 60_007, 60_008


class Use(Enum):
    """What the records of an event tell."""

    RANGE = auto()
    VALUE = auto()
    MESSAGE = auto()
    NOTHING = auto()
    """Marks of the writer, metadata."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One event."""

    use: Use
    shape: Shape


@dataclass
class Definitions:
    """All events of a file by number."""

    events: dict[int, Definition] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    announced: int = 0
    count: int = 0
    """Those read."""
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Line and message."""


def read(stream: BinaryIO, names: Names) -> Definitions | None:
    """The definitions of a file; None when it is none of TAU's."""
    head = HEAD.match(stream.readline(LONGEST_LINE))
    if not head:
        return None
    found = Definitions(announced=int(head[1]))
    room = MOST_NAME_BYTES
    lines = iter(lambda: stream.readline(LONGEST_LINE), b"")
    for at, line in enumerate(lines, 2):
        room -= len(line)
        if room < 0 or len(found.events) >= MOST_EVENTS:
            found.problems.append((at, "too many definitions: the rest is not read"))
            break
        match = LINE.match(line)
        if match:
            found.count += 1
            _define(found, match, names)
        elif not line.startswith(b"#") and line.strip() and len(found.problems) < MOST_PROBLEMS:
            found.problems.append((at, "not a definition of an event"))
    return found


def _define(found: Definitions, match: re.Match[bytes], names: Names) -> None:
    number, group, _, name, parameters = match.groups()
    if parameters == b"TriggerValue" and b" | " in name:
        key, _, value = name.decode("utf-8", "replace").partition(" | ")
        if len(found.metadata) < MOST_VALUES:
            found.metadata.setdefault(key[:LONGEST_VALUE], value[:LONGEST_VALUE])
        use, shape = Use.NOTHING, names.event(b"metadata")
    elif parameters == b"EntryExit" and int(number) < FIXED:
        use, shape = Use.RANGE, names.timer(name, group)
    elif parameters == b"TriggerValue":
        use, shape = Use.VALUE, names.event(name)
    else:
        is_message = int(number) in {SEND, RECEIVE}
        use, shape = (Use.MESSAGE if is_message else Use.NOTHING), names.event(name)
    found.events[int(number)] = Definition(use, shape)
