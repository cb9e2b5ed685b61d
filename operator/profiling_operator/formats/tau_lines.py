"""The lines of TAU's text profiles: the head, the grammar, and how they are read in blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, BinaryIO, TypeVar

import msgspec

from profiling_operator.entries import Number

LONGEST_LINE = 1 << 24
BLOCK = 1 << 20
LARGEST_WHOLE = 10**15  # a thousand times of it still fits into 64 bits
METRIC_OF_OLD_HEADER = {
    "templated_functions": "TIME",
    "templated_functions_hw_counters": "Hardware Counter",
}


# 5 templated_functions_MULTI_TIME
COUNT = re.compile(rb"(\d{1,9}) (templated_functions(?:_MULTI_)?)(.{0,1000})$")
NUMBER = rb"([-+.\w]{1,40})"
# "MPI_Init()  " 1 0 17983 17983 0 GROUP="MPI" -- or one number more, SumExclSqr.
TIMER = re.compile(
    rb'"(.*)" %b %b %b %b (?:[^ "]+ )?[^ "]+ GROUP="([^"]*)" ?\r?$' % ((NUMBER,) * 4)
)
AGGREGATES = re.compile(rb"(\d{1,9}) aggregates\s*$")
USER_EVENTS = re.compile(rb"(\d{1,9}) userevents\s*$")

Whole = Annotated[int, msgspec.Meta(ge=0, lt=LARGEST_WHOLE)]
Decimal = (
    Annotated[int, msgspec.Meta(gt=-LARGEST_WHOLE, lt=LARGEST_WHOLE)]
    | Annotated[float, msgspec.Meta(gt=-LARGEST_WHOLE, lt=LARGEST_WHOLE)]
)
FiveNumbers = tuple[int, int, int, int, int]
"""Of a timer: calls, subroutines, exclusive, inclusive, ProfileCalls."""
FiveDecimals = tuple[Number, Number, Number, Number, Number]
"""Of a user event: times, max, min, mean, sum of squares."""
Five = TypeVar("Five")
_five_whole: msgspec.json.Decoder[list[FiveNumbers]] = msgspec.json.Decoder(
    list[tuple[Whole, Whole, Whole, Whole, Whole]]
)
_five_decimals: msgspec.json.Decoder[list[FiveDecimals]] = msgspec.json.Decoder(
    list[tuple[Decimal, Decimal, Decimal, Decimal, Decimal]]
)
ZEROS = b"0 0 0 0 0"


@dataclass(frozen=True)
class Head:
    """The first two lines of a file."""

    timers: int
    metric: str
    """As the count line says; the metadata's "Metric Name" is better."""
    text: bytes = field(repr=False)


def read_head(stream: BinaryIO) -> Head | None:
    """Read the first two lines; None when this is not a text profile."""
    found = COUNT.match(stream.readline(2000))
    if not found:
        return None
    count, header, metric = (part.decode("utf-8", "replace").strip() for part in found.groups())
    return Head(
        int(count),
        METRIC_OF_OLD_HEADER.get(header + metric, metric),
        stream.readline(LONGEST_LINE),
    )


class Lines:
    """Lines without their line feeds, in blocks of about BLOCK bytes; memory stays bounded.

    What is longer than LONGEST_LINE becomes an empty line. What stands behind the last line feed is
    `rest`, known at the end: that line is cut.
    """

    def __init__(self, stream: BinaryIO, first: int) -> None:
        """Read from a stream; its next line has the number `first`."""
        self.rest = b""
        self.number = first
        """Of the next block's first line."""
        self._stream = stream
        self._put_back: list[bytes] = []

    def block(self) -> list[bytes]:
        """The next lines; none at the end."""
        if self._put_back:
            lines, self._put_back = self._put_back, []
        else:
            lines = self._read()
        self.number += len(lines)
        return lines

    def put_back(self, lines: list[bytes]) -> None:
        """These lines, the end of the last block, come again."""
        self._put_back = lines
        self.number -= len(lines)

    def skip(self, count: int) -> None:
        """Leave out lines."""
        while count > 0 and (lines := self.block()):
            if len(lines) > count:
                self.put_back(lines[count:])
            count -= len(lines)

    def _read(self) -> list[bytes]:
        while read := self._stream.read(BLOCK):
            lines = (self.rest + read).split(b"\n")
            self.rest = self._short(lines.pop())
            if lines:
                return lines
        return []

    def _short(self, rest: bytes) -> bytes:
        """The beginning of a line that is not whole yet; nothing of one that is too long."""
        return rest if len(rest) <= LONGEST_LINE else b""


def five_numbers(texts: list[bytes]) -> list[FiveNumbers] | None:
    """The numbers of all lines; None where one has other numbers than five whole ones.

    Nearly all lines of timers have such.
    """
    return _decode(_five_whole, texts)


def five_decimals(texts: list[bytes]) -> list[FiveDecimals] | None:
    """The same with decimals, as user events have; None where one is nan, say."""
    return _decode(_five_decimals, texts)


def _decode(decoder: msgspec.json.Decoder[list[Five]], texts: list[bytes]) -> list[Five] | None:
    """Numbers as JSON: one text for all is five times as fast as `int` of each."""
    text = b"[[" + b"],[".join(texts).replace(b" ", b",") + b"]]"
    try:
        numbers = decoder.decode(text) if texts else []
    except msgspec.DecodeError:
        return None
    return numbers if len(numbers) == len(texts) else None
