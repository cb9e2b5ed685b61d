"""What py-spy writes as `--format raw`: folded stacks, and what all its formats have in common.

From src/flamegraph.rs of py-spy 0.4. A raw line is

    process 67:"sh run";process 68:"python a.py";thread (68): Main;main (a.py:9);hot (a.py:3) 41

with as many `process` words as there are processes on the way down, and the number of samples
after the last blank. Command lines stand there as they are, line feeds included, so such a stack
takes several lines of the file. Frames name the function, the file and the line that was running;
those of C and C++ the function as it was written, and the library where no line is known:

    app::grind<double> (nat.cpp:4)     work (libnat.so)     0x7f42dafb527c (libz.so.1.2.13)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from profiling_operator.formats.demangling import demangled

# process 68:"python a.py"
PROCESS = re.compile(r'(?:^|;)process (\d{1,10}):"')
LONGEST_STACK = 1 << 20
KEPT_BYTES = 1 << 22  # of frames' words
WITH_COUNT = re.compile(rb" \d{1,18}\n\Z")
MOST_DIGITS = 15
# ;thread (68): MainThread;   ;thread (0x7F12);
THREAD = re.compile(r"(?:^|;)thread \((0x[0-9A-Fa-f]{1,16}|\d{1,18})\)(?:: ([^;]*))?(?=;|$)")
# hot (a.py:3)   main (a.py)
FRAME = re.compile(r"^(?P<name>.*) \((?P<file>.*?)(?::(?P<line>\d{1,9}))?\)$", re.DOTALL)
ADDRESS = re.compile(r"0x[0-9a-f]{1,16}")
LIBRARY = re.compile(r".*\.(?:so(?:\.[0-9.]+)?|dylib|dll|pyd)")
UNKNOWN = "[unknown]"


class Frame(NamedTuple):
    """One line of a stack."""

    name: str
    """The function; `[unknown]` and the last part of the file's path where it has no symbol."""
    file: str = ""
    """Of the source, or without a line the library or program that the function is in."""
    line: int | None = None

    def __str__(self) -> str:
        """As py-spy prints it."""
        if not self.file or self.name.startswith(UNKNOWN):
            return self.name
        return f"{self.name} ({self.file}{'' if self.line is None else f':{self.line}'})"

    @property
    def is_native(self) -> bool:
        """Whether its file is no source, but what was built of it."""
        return self.line is None and bool(
            self.name.startswith(UNKNOWN) or LIBRARY.fullmatch(self.file)
        )


class Thread(NamedTuple):
    """Where a stack was seen."""

    process: int | None = None
    number: int | None = None
    name: str = ""


class Stack(NamedTuple):
    """A stack, root first, with its weight: a number of samples, and an amount where it is told."""

    thread: Thread
    frames: tuple[Frame, ...]
    samples: int
    amount: float | None = None
    """In the unit."""
    unit: str = "ns"


class Malformed(NamedTuple):
    """A line or an element that is not what py-spy writes."""

    line: int
    message: str


def read_raw(stream: BinaryIO) -> Iterator[Stack | Malformed]:
    """The stacks of a raw file, one per line; py-spy has added up equal ones already."""
    frames: dict[str, Frame] = {}
    room = KEPT_BYTES
    for number, line in _whole_stacks(stream):
        stack, _, count = line.decode("utf-8", "replace").removesuffix("\n").rpartition(" ")
        if not line.endswith(b"\n"):
            yield Malformed(number, "the last line is cut off")
        elif not stack or not (count.isascii() and count.isdigit()) or len(count) > MOST_DIGITS:
            yield Malformed(number, "is not a stack with a number of samples")
        else:
            thread, words = _split(stack)
            for word in words:
                if word not in frames:
                    frames[word] = parse_frame(word)
                    room -= len(word)
            yield Stack(thread, tuple([frames[word] for word in words]), int(count))
            if room < 0:
                frames.clear()
                room = KEPT_BYTES


def _whole_stacks(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Stacks with the number of their first line; what is left open at the end comes as it is.

    A command line that began has ended when the thread comes after it, or, where there are no
    threads, when its quote is closed and the line ends in a count.
    """
    begun: list[bytes] = []
    at = number = quotes = size = 0
    while line := stream.readline(LONGEST_STACK):
        at += 1
        number, quotes, size = (number, quotes, size) if begun else (at, 0, 0)
        begun.append(line)
        quotes += line.count(b'"')
        size += len(line)
        closed = quotes % 2 == 0 and WITH_COUNT.search(line) is not None
        open_command = begun[0].startswith(b"process ") and b'";thread (' not in line
        if not open_command or closed or size > LONGEST_STACK:
            yield number, b"".join(begun)
            begun.clear()
            at -= not line.endswith(b"\n")  # the rest of a line that is too long
    if begun:
        yield number, b"".join(begun).rstrip(b"\n")


def _split(stack: str) -> tuple[Thread, list[str]]:
    """The thread and the frames' words of a raw line.

    A process' command line may hold anything, blanks and semicolons included, so the frames are
    what follows the first word that is a thread's.
    """
    thread = THREAD.search(stack)
    head, tail = (stack[: thread.start()], stack[thread.end() :]) if thread else ("", stack)
    processes = PROCESS.findall(head)
    words = [word for word in tail.split(";") if word]
    if not thread:
        return Thread(), words
    return (
        Thread(
            process=int(processes[-1]) if processes else None,
            number=int(thread.group(1), 0),
            name=thread.group(2) or "",
        ),
        words,
    )


def parse_frame(word: str) -> Frame:
    """`hot (a.py:3)` taken apart; other words are a name without a file."""
    match = FRAME.match(word)
    if not match:
        return made_frame(word)
    line = match["line"]
    return made_frame(match["name"], match["file"], int(line) if line else None)


def made_frame(name: str, file: str = "", line: int | None = None) -> Frame:
    """A frame of what py-spy tells of it; an address is no name: each sample has its own."""
    if ADDRESS.fullmatch(name):
        module = file.rpartition("/")[2]
        return Frame(f"{UNKNOWN} ({module})" if module.strip("?") else UNKNOWN, file.strip("?"))
    return Frame(" ".join(demangled(name).split()) or UNKNOWN, file, line)
