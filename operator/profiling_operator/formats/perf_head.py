"""The head of what `perf script --header` prints: what it says of the recording, and its clocks.

# ========
# captured on    : Tue Nov 24 16:29:19 2026
# hostname : node-7
# reference time: 2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.6307 (monotonic)
# ========
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

HEAD = b"# ========"  # before and after it
NANOSECONDS = 10**9
DECIMALS = 9
EARLIEST, LATEST = 1990, 2200  # years; other dates are nonsense

# # captured on    : Tue Nov 24 16:29:19 2026
FACT = re.compile(rb"# (?P<name>[a-z][a-z ]{0,40}?) *: (?P<value>.*)", re.DOTALL)
# 2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.630767667 (monotonic)
REFERENCE = re.compile(
    rb".{0,64} = (\d{1,10})\.(\d{1,9}) \(TOD\) = (\d{1,10})\.(\d{1,9}) \(monotonic\)"
)


class Fact(NamedTuple):
    """A line of the head, such as `hostname`."""

    name: str
    value: str


def facts(line: bytes) -> Sequence[Fact]:
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
    match = REFERENCE.fullmatch(value.encode(errors="replace"))
    if not match:
        return None
    wall, clock = (nanoseconds(*match.group(one, two)) for one, two in ((1, 2), (3, 4)))
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


def nanoseconds(seconds: bytes, fraction: bytes) -> int:
    """Of the two parts of a number of seconds, of which the second one has at most 9 digits."""
    return int(seconds) * NANOSECONDS + int(fraction.ljust(DECIMALS, b"0"))
