"""What `perf script` prints: samples as text, in the many forms of its versions and options.

    # reference time: 2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.6307 (monotonic)
    app 16800/16803 [000]  1743.702493785:    5025125 cpu-clock:
                        11ad hot+0x44 (/opt/app)
                       891f5 start_thread (/usr/lib/libc.so.6)

Which of the header's fields are there depends on how it was recorded and asked for; frames come
innermost first, an empty line ends the sample. Without call stacks a sample is one line, with its
frame at the end. The printing code is tools/perf/builtin-script.c of the kernel's sources.

The text is read sample by sample, not line by line: of a sample whose header is like one before it,
and whose lines all are frames, few words are looked at. All others are taken line by line.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from profiling_operator.formats.perf_frames import (
    DEEPEST_STACK,
    EMPTY,
    OMITTED,
    Frame,
    Frames,
    Stack,
)
from profiling_operator.formats.perf_head import DECIMALS, HEAD, Fact, facts, nanoseconds

CHUNK = 1 << 20
LONGEST_LINE = 1 << 16
MOST_KNOWN = 4096  # headers' beginnings and ends
PERIOD_DIGITS = 18
MOST_DIGITS = 20  # of a time, with its point

# app 16800/16803 [000]  1743.702493785:    5025125 cpu-clock:u: …   DOM Worker 71 12.5: cycles: …
# The name may hold blanks or be empty; it has at most 15 bytes, more in threads of the kernel. All
# runs are bounded, so that a hostile line takes no longer than another one.
HEADER = re.compile(
    rb"\s{0,64}(?:(?P<comm>\S.{0,63}?)\s{1,64})??"
    rb"(?:(?P<pid>-?\d{1,10})/)?(?P<tid>-?\d{1,10})\s{1,64}"
    rb"(?:\[(?P<cpu>\d{1,6})\]\s{1,64})?"
    rb"(?:(?P<seconds>\d{1,10})\.(?P<fraction>\d{1,9}):\s{1,64})?"
    rb"(?:(?P<period>\d{1,18})\s{1,64})?"
    rb"(?P<event>[^\s\d:(\[]\S{0,255}?):(?:\s(?P<rest>.*))?",
    re.DOTALL,
)
# What stands behind the time of most of them:    5025125 cpu-clock:u:
ENDING = re.compile(
    rb"\s{0,64}(?:(?P<period>\d{1,18})\s{1,64})?(?P<event>[^\s\d:(\[]\S{0,255}?):\s{0,64}"
)
# app 7 [001] 12.5: PERF_RECORD_LOST lost 25          … PERF_RECORD_LOST_SAMPLES lost 25
LOST = re.compile(rb".{1,512}? PERF_RECORD_LOST(?:_SAMPLES)? lost (\d{1,18})\s*", re.DOTALL)
FRAME_LINE = re.compile(rb"\s+[0-9a-f]{1,16} .*\)\s*\n")
INLINE = re.compile(rb"\s*([0-9a-f]{1,16} .*\))\s*", re.DOTALL)


class Origin(NamedTuple):
    """Where samples come from. What the text does not tell is None."""

    command: str
    """The thread's name."""
    process: int | None
    thread: int | None
    cpu: int | None


class Sample(NamedTuple):
    """One sample. What the text does not tell is None."""

    origin: Origin
    time: int | None
    """Nanoseconds of the clock that was recorded with, which is no wall clock."""
    event: str
    period: int | None
    """How much of the event it stands for."""
    stack: Stack


class Lost(NamedTuple):
    """How many samples perf could not write down in time."""

    samples: int


class Malformed(NamedTuple):
    """A line that is not what perf prints."""

    line: int
    message: str


Found = Sample | Fact | Lost | Malformed


def begins(head: bytes) -> bool:
    """Whether a text begins as one of perf's: with its head, or a sample and a frame of it."""
    first, _, rest = head.lstrip(b"\n").partition(b"\n")
    if first.rstrip() == HEAD:
        return b"perf" in rest
    return bool(HEADER.fullmatch(first) and FRAME_LINE.match(rest))


def read(stream: BinaryIO) -> Iterator[Found]:
    """What a text holds, about a chunk of it in memory. Never raises for bad content."""
    reader = _Reader()
    known = reader.known
    begin = 1  # the line that a chunk begins with
    for chunk in _chunks(stream):
        *blocks, last = chunk.split(b"\n\n")
        line, passed = begin, 0
        for number, block in enumerate(blocks):  # after each of them there is an empty line
            sample = known(block)
            if sample is not None:
                yield sample
                continue
            line += sum(one.count(b"\n") + 2 for one in blocks[passed:number])
            passed = number
            yield from reader.take_all(line, block + b"\n")
            yield from reader.close()
        begin += chunk.count(b"\n")
        yield from reader.take_all(begin - last.count(b"\n"), last)
    yield from reader.close()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The text in pieces that end with an empty line, or where there is none, with a line."""
    rest = b""
    while more := stream.read(CHUNK):
        rest += more
        end = rest.rfind(b"\n\n") + 2
        if end < len(b"\n\n"):
            end = rest.rfind(b"\n") + 1 if len(rest) > CHUNK else 0
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > CHUNK:  # of a line that is too long, its beginning tells that
            rest = rest[: LONGEST_LINE + 1]
    if rest:
        yield rest


class _Reader:
    """Puts samples together; knows the frames, stacks and headers that it has seen."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._origins: dict[bytes, Origin] = {}
        self._endings: dict[bytes, tuple[str, int | None]] = {}
        self._events: dict[bytes, str] = {}
        self._rules = 0  # how many lines of HEAD have passed: between the first two is the head
        self._header: re.Match[bytes] | None = None
        self._open: list[Frame] = []

    def known(self, block: bytes) -> Sample | None:
        """A whole sample whose header begins like one before; None where it is to be looked at.

        Nearly all samples are such, so this is all that is done for them.
        """
        first, _, lines = block.partition(b"\n")
        head, _, tail = first.partition(b": ")
        beginning, _, time = head.rpartition(b" ")
        origin = self._origins.get(beginning)
        ending = self._endings.get(tail) or self._new_ending(tail)
        if origin is None or ending is None or self._header is not None or len(time) > MOST_DIGITS:
            return None
        seconds, _, fraction = time.partition(b".")
        if not (seconds.isdigit() and fraction.isdigit() and len(fraction) <= DECIMALS):
            return None
        stack = self._frames.stack(lines) if lines else EMPTY
        if stack is None:
            return None
        moment = int(seconds + fraction.ljust(DECIMALS, b"0"))
        return Sample(origin, moment, ending[0], ending[1], stack)

    def _new_ending(self, tail: bytes) -> tuple[str, int | None] | None:
        """Event and period, where that is all that stands behind a header's time."""
        words = tail.split()
        if len(words) == len(("period", "event:")) and words[1] in self._events:
            period = words[0]
            if period.isdigit() and len(period) <= PERIOD_DIGITS:  # they may all be different
                return self._events[words[1]], int(period)
        match = ENDING.fullmatch(tail)
        if match is None:
            return None
        if len(self._endings) >= MOST_KNOWN:
            self._endings.clear()
            self._events.clear()
        event = self._events[match["event"] + b":"] = _text(match["event"])
        ending = self._endings[tail] = (event, _number(match["period"]))
        return ending

    def take_all(self, number: int, text: bytes) -> Iterator[Found]:
        """What the lines of a text complete, of which the first one has a number."""
        *lines, last = text.split(b"\n")
        for at, line in enumerate(lines, number):
            yield from self._take(at, line + b"\n")
        if last:
            yield from self._take(number + len(lines), last)

    def _take(self, number: int, line: bytes) -> Sequence[Found]:
        """What a line of any kind completes."""
        if flaw := self._flaw(line):
            return [Malformed(number, flaw)]
        if line.startswith(b"#"):
            self._rules += line.rstrip() == HEAD
            return facts(line)
        if self._rules == 1 or line.isspace():  # the head has a command line, line feeds included
            return self.close()
        if b"PERF_RECORD_LOST" in line and (lost := LOST.fullmatch(line)):
            return [*self.close(), Lost(int(lost[1]))]
        if line.startswith(b"\t") or not (header := HEADER.fullmatch(line)):
            return self._part(number, line)
        closed = self.close()
        self._header = header
        return closed

    def _flaw(self, line: bytes) -> str:
        """What is wrong with a line of any kind."""
        if len(line) > LONGEST_LINE:
            return f"is longer than {LONGEST_LINE} bytes"
        if line.endswith((b"\n", b")")):
            return ""
        self._header = None  # what is missing may be a part of its stack
        self._open.clear()
        return "the file is cut off here"

    def _part(self, number: int, line: bytes) -> Sequence[Malformed]:
        """A frame, or the place in the source that may follow one."""
        frame = self._frames.frame(line.removesuffix(b"\n"))
        if self._header is None:
            return [Malformed(number, "is neither a sample nor a part of one")]
        if frame is None:
            return [] if line.startswith(b"  ") else [Malformed(number, "is not a frame")]
        if len(self._open) < DEEPEST_STACK:
            self._open.append(frame)
            return []
        if len(self._open) > DEEPEST_STACK:
            return []
        self._open.append(OMITTED)  # told once, too: now it is longer
        return [Malformed(number, f"the stack is deeper than {DEEPEST_STACK} frames")]

    def close(self) -> Sequence[Sample]:
        """The sample that was open, if there was one."""
        header, self._header = self._header, None
        if header is None:
            return ()
        if not self._open and (rest := INLINE.fullmatch(header["rest"] or b"")):
            frame = self._frames.frame(b"\t" + rest[1])
            self._open += [frame] if frame else []
        stack = self._frames.put_together(self._open)
        self._open.clear()
        _, _, _, _, seconds, fraction, period, event, _ = header.groups()
        time = nanoseconds(seconds, fraction) if seconds else None
        return (Sample(self._origin(header), time, _text(event), _number(period), stack),)

    def _origin(self, header: re.Match[bytes]) -> Origin:
        """Where a sample comes from; from now on, headers that begin like this one are known."""
        start = max(header.start("seconds"), 0)
        beginning, blank = header.string[: start - 1], header.string[start - 1 : start]
        known = self._origins.get(beginning) if start else None
        if known:
            return known
        pid, tid, cpu = (_number(header[one]) for one in ("pid", "tid", "cpu"))
        origin = Origin(_text(header["comm"] or b""), pid, tid, cpu)
        if start and blank == b" " and b": " not in header.string[:start]:
            if len(self._origins) >= MOST_KNOWN:
                self._origins.clear()
            self._origins[beginning] = origin
        return origin


@functools.lru_cache(maxsize=1024)  # the same few threads and events, again and again
def _text(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _number(text: bytes | None) -> int | None:
    """What is not told is None, as is -1: perf's own word for it."""
    return int(text) if text and not text.startswith(b"-") else None
