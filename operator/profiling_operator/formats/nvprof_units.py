"""Units of nvprof's CSV, in a row of their own or glued to the cells; bytes have binary multiples.

100.000000%   12.3GB/s   48.000000KB   800ns   458752   "Low (1)"   "<OVERFLOW>"   "<INVALID>"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from profiling_operator.entries import Number
from profiling_operator.formats.tau_numbers import LARGEST, number

BYTES = "By"
RATE = "By/s"
NANOSECONDS = "ns"
ONE = "1"
FLAWS = {"<OVERFLOW>": "overflow", "<INVALID>": "invalid"}
LONGEST = 100
MOST_DIGITS = 18  # fit into 64 bits
TENS = tuple(10**count for count in range(MOST_DIGITS + 1))
# 12.3GB/s   100.000000%   1.5e+10   800ns   inf
CELL = re.compile(r"([-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf))([A-Za-z]*(?:/s)?|%)")
# Low (1)   Idle (0)
LEVEL = re.compile(r"(\w[\w ]*) \((\d{1,9})\)")


@dataclass(frozen=True)
class Unit:
    """A unit in UCUM, and by what the file's numbers are multiplied."""

    ucum: str
    scale: int = 1


UNITS: dict[str, Unit] = {
    "": Unit(ONE),
    "%": Unit("%"),
    "s": Unit(NANOSECONDS, 10**9), "ms": Unit(NANOSECONDS, 10**6),
    "us": Unit(NANOSECONDS, 10**3), "ns": Unit(NANOSECONDS),
    "B": Unit(BYTES), "KB": Unit(BYTES, 1 << 10), "MB": Unit(BYTES, 1 << 20),
    "GB": Unit(BYTES, 1 << 30), "TB": Unit(BYTES, 1 << 40),
    "B/s": Unit(RATE), "KB/s": Unit(RATE, 1 << 10), "MB/s": Unit(RATE, 1 << 20),
    "GB/s": Unit(RATE, 1 << 30), "TB/s": Unit(RATE, 1 << 40),
}  # fmt: skip


class Quantity(NamedTuple):
    """What a cell says; no value where nvprof has none, or it is no finite number."""

    value: Number | None
    unit: str = ONE
    level: str = ""
    """The word in front of a rating: `Low`."""
    flaw: str = ""
    """Why there is no value: `overflow`, `invalid`."""


def read(cell: str, unit: str = "") -> Quantity | None:
    """A cell's number in UCUM; its own unit counts more than the column's. None for other text."""
    if len(cell) > LONGEST:
        return None
    found = CELL.fullmatch(cell)
    if found:
        known = UNITS.get(found[2] or unit)
        return _scaled(found[1], known) if known else None
    if cell in FLAWS:
        return Quantity(None, flaw=FLAWS[cell])
    rated = LEVEL.fullmatch(cell)
    return Quantity(int(rated[2]), level=rated[1]) if rated else None


def read_metric(name: str, cell: str, unit: str = "") -> Quantity | None:
    """A metric's value; nvprof gives no unit where the name tells of bytes."""
    found = read(cell, unit)
    counts_bytes = found is not None and found.unit == ONE and name.endswith("_bytes")
    return found._replace(unit=BYTES) if found and counts_bytes else found


def _scaled(text: str, unit: Unit) -> Quantity:
    """Bytes are whole: of 16000000 the file only says 15.258789 MB."""
    value = number(text.encode(), unit.scale)
    if value is not None and unit.ucum in (BYTES, RATE) and abs(value) <= LARGEST:
        value = round(value)
    return Quantity(value, unit.ucum)


def time(cell: str, scale: int) -> int | None:
    """A number with six decimals or none, as traces have them, in whole nanoseconds.

    None for any other text, and where it is no whole number.
    """
    whole_part, _, fraction = cell.partition(".")
    digits = whole_part + fraction
    if not (digits.isascii() and digits.isdigit()) or len(digits) > MOST_DIGITS:
        return None
    count, rest = divmod(int(digits) * scale, TENS[len(fraction)])
    return None if rest else count


def value(cell: str, unit: str = "") -> Number | None:
    """The number alone; None where there is none."""
    found = read(cell, unit)
    return found.value if found else None


def whole(cell: str) -> int | None:
    """A count such as a grid's or a stream's; None for other text."""
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= MOST_DIGITS else None
