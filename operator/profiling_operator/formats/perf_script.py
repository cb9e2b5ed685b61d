"""What `perf script` prints: samples as text, in the many forms of its versions and options.

    # reference time: 2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.6307 (monotonic)
    app 16800/16803 [000]  1743.702493785:    5025125 cpu-clock:
                        11ad hot+0x44 (/opt/app)
                       891f5 start_thread (/usr/lib/libc.so.6)

Which of the header's fields are there depends on how it was recorded and asked for; frames come
innermost first, an empty line ends the sample. Without call stacks a sample is one line, with its
frame at the end. The printing code is tools/perf/builtin-script.c of the kernel's sources.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

LONGEST_LINE = 1 << 16
DEEPEST_STACK = 4096
FRAME_CACHE = 1 << 24  # bytes of text
UNKNOWN = "[unknown]"
INLINED = " (inlined)"
HEAD = b"# ========"  # before and after it
NANOSECONDS = 10**9
DECIMALS = 9
EARLIEST, LATEST = 1990, 2200  # years; other dates are nonsense

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
# # captured on    : Tue Nov 24 16:29:19 2026
FACT = re.compile(rb"# (?P<name>[a-z][a-z ]{0,40}?) *: (?P<value>.*)", re.DOTALL)
# 2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.630767667 (monotonic)
REFERENCE = re.compile(
    rb".{0,64} = (\d{1,10})\.(\d{1,9}) \(TOD\) = (\d{1,10})\.(\d{1,9}) \(monotonic\)"
)
# hot+0x44
OFFSET = re.compile(r"\+0x[0-9a-f]+$")
# 55af498dc195 hot (/opt/app)
ADDRESS = re.compile(rb"[0-9a-f]{1,16}\s")
FRAME_LINE = re.compile(rb"\s+[0-9a-f]{1,16} .*\)\s*\n")
ONE_FRAME = re.compile(rb"\s*[0-9a-f]{1,16} (?P<tail>.*\))\s*", re.DOTALL)


class Frame(NamedTuple):
    """A line of a stack: the function, and the file that it was loaded from."""

    name: str
    """The symbol; without one, `[unknown]` and the last part of the file's path."""
    module: str = ""
    is_resolved: bool = True


class Sample(NamedTuple):
    """One sample. What the text does not tell is None."""

    command: str
    """The thread's name."""
    process: int | None
    thread: int | None
    cpu: int | None
    time: int | None
    """Nanoseconds of the clock that was recorded with, which is no wall clock."""
    event: str
    period: int | None
    """How much of the event it stands for."""
    frames: tuple[Frame, ...]
    """Root first."""


class Fact(NamedTuple):
    """A line of the head, such as `hostname`."""

    name: str
    value: str


class Malformed(NamedTuple):
    """A line that is not what perf prints."""

    line: int
    message: str


Found = Sample | Fact | Malformed
OMITTED = Frame("[more callers]", is_resolved=False)


def begins(head: bytes) -> bool:
    """Whether a text begins as one of perf's: with its head, or a sample and a frame of it."""
    first, _, rest = head.lstrip(b"\n").partition(b"\n")
    if first.rstrip() == HEAD:
        return b"perf" in rest
    return bool(HEADER.fullmatch(first) and FRAME_LINE.match(rest))


def read(stream: BinaryIO) -> Iterator[Found]:
    """What a text holds, one sample in memory at a time. Never raises for bad content."""
    reader = _Reader()
    for number, line in enumerate(_lines(stream), 1):
        if line.startswith(b"\t"):  # nearly all lines, so this is all that is done for them
            frame = reader.frames.get(line.lstrip().partition(b" ")[2])
            if frame and line.endswith(b"\n") and reader.adds(frame):
                continue
        yield from reader.take(number, line)
    yield from reader.close()


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is too long, its beginning without an end of line."""
    while line := stream.readline(LONGEST_LINE):
        yield line
        while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE)


class _Reader:
    """Puts samples together; knows the frames that it has seen."""

    def __init__(self) -> None:
        self.frames: dict[bytes, Frame] = {}
        """By what stands behind the address."""
        self._kept = 0
        self._rules = 0  # how many lines of HEAD have passed: between the first two is the head
        self._header: re.Match[bytes] | None = None
        self._stack: list[Frame] = []

    def adds(self, frame: Frame) -> bool:
        """Put a frame on the open sample's stack, unless there is none or it is full."""
        if self._header is None or len(self._stack) >= DEEPEST_STACK:
            return False
        self._stack.append(frame)
        return True

    def take(self, number: int, line: bytes) -> Sequence[Found]:
        """What a line of any kind completes."""
        if flaw := self._flaw(line):
            return [Malformed(number, flaw)]
        if line.startswith(b"#"):
            self._rules += line.rstrip() == HEAD
            return _facts(line)
        if self._rules == 1 or line.isspace():  # the head has a command line, line feeds included
            return self.close()
        if line.startswith(b"\t") or not (header := HEADER.fullmatch(line)):
            return self._part(number, line)
        closed = self.close()
        self._header = header
        return closed

    def _flaw(self, line: bytes) -> str:
        """What is wrong with a line of any kind."""
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            return f"is longer than {LONGEST_LINE} bytes"
        if line.endswith((b"\n", b")")):
            return ""
        self._header = None  # what is missing may be a part of its stack
        self._stack.clear()
        return "the file is cut off here"

    def _part(self, number: int, line: bytes) -> Sequence[Malformed]:
        """A frame, or the place in the source that may follow one."""
        words = line.lstrip()
        is_frame = ADDRESS.match(words) is not None
        if self._header is None:
            return [Malformed(number, "is neither a sample nor a part of one")]
        if not is_frame:
            return [] if line.startswith(b"  ") else [Malformed(number, "is not a frame")]
        if self.adds(self._frame(words.partition(b" ")[2])) or len(self._stack) > DEEPEST_STACK:
            return []
        self._stack.append(OMITTED)  # told once, too: now it is longer
        return [Malformed(number, f"the stack is deeper than {DEEPEST_STACK} frames")]

    def _frame(self, tail: bytes) -> Frame:
        if self._kept > FRAME_CACHE:
            self.frames.clear()
            self._kept = 0
        frame = self.frames[tail] = parse_frame(tail.decode("utf-8", "replace"))
        self._kept += len(tail)
        return frame

    def close(self) -> Sequence[Sample]:
        """The sample that was open, if there was one."""
        header, self._header = self._header, None
        if header is None:
            return ()
        if not self._stack and (inline := ONE_FRAME.fullmatch(header["rest"] or b"")):
            self._stack.append(self._frame(inline["tail"]))
        frames = tuple(reversed(self._stack))
        self._stack.clear()
        return (_sample(header, frames),)


def _sample(header: re.Match[bytes], frames: tuple[Frame, ...]) -> Sample:
    command, pid, tid, cpu, seconds, fraction, period, event, _ = header.groups()
    time = _nanoseconds(seconds, fraction) if seconds else None
    return Sample(
        _text(command or b""), _number(pid), _number(tid), _number(cpu), time, _text(event),
        _number(period), frames,
    )  # fmt: skip


@functools.lru_cache(maxsize=1024)  # the same few threads and events, again and again
def _text(text: bytes) -> str:
    return " ".join(text.decode("utf-8", "replace").split())


def _number(text: bytes | None) -> int | None:
    """What is not told is None, as is -1: perf's own word for it."""
    return int(text) if text and not text.startswith(b"-") else None


def parse_frame(text: str) -> Frame:
    """What stands behind a frame's address: `hot+0x44 (/opt/app)`, `hot (inlined)`, `hot`."""
    words = " ".join(text.split())
    symbol, module = _split(words.removesuffix(INLINED))
    symbol = OFFSET.sub("", symbol)
    if symbol and symbol != UNKNOWN:
        return Frame(symbol, module)
    if module in {"", UNKNOWN}:
        return Frame(UNKNOWN, is_resolved=False)
    return Frame(f"{UNKNOWN} ({module.rpartition('/')[2]})", module, is_resolved=False)


def _split(words: str) -> tuple[str, str]:
    """The symbol and the file, which is in the last pair of parentheses; both may hold others."""
    depth = 0
    for at in range(len(words) - 1, -1, -1):
        depth += (words[at] == ")") - (words[at] == "(")
        if depth == 0:
            opens = words[at] == "(" and (at == 0 or words[at - 1] == " ")
            return (words[:at].rstrip(), words[at + 1 : -1]) if opens else (words, "")
    return words, ""


def _facts(line: bytes) -> Sequence[Fact]:
    """A line of the head, if it is one that tells something."""
    match = FACT.fullmatch(line.rstrip())
    if not match:
        return ()
    name, value = (one.decode("utf-8", "replace") for one in match.groups())
    return (Fact(name, value),)


def reference(value: str) -> tuple[int, int] | None:
    """The wall clock and the recorded clock at one moment, by the fact `reference time`.

    It is there where the recording was told its clock (`-k CLOCK_MONOTONIC`).
    """
    match = REFERENCE.fullmatch(value.encode())
    if not match:
        return None
    wall, clock = (_nanoseconds(*match.group(one, two)) for one, two in ((1, 2), (3, 4)))
    return wall, clock


def captured(value: str) -> int | None:
    """The fact `captured on` in nanoseconds since the Unix epoch; it names no zone: UTC."""
    try:
        moment = datetime.strptime(value, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None
    if not EARLIEST <= moment.year < LATEST:
        return None
    return int(moment.timestamp()) * NANOSECONDS


def _nanoseconds(seconds: bytes, fraction: bytes) -> int:
    return int(seconds) * NANOSECONDS + int(fraction.ljust(DECIMALS, b"0"))
