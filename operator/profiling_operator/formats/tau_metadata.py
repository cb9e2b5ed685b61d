"""The metadata that TAU writes into a profile's header: XML in name, not always in fact.

Control bytes and bytes that are no UTF-8 are in real files, so an XML parser will not do.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

LONGEST_VALUE = 4096
MOST_VALUES = 1000

CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
PREFIX = re.compile(r"<(/?)tau:")
CONTENT = r"(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))"
# "<name>CPU MHz</name><value>2300</value></attribute>"; nested values and those that belong to one
# timer's call do not match, and are left out.
ATTRIBUTE = re.compile(f"<name>{CONTENT}</name><value>{CONTENT}</value></attribute>", re.DOTALL)
VALUE = re.compile(
    rb"</(?:tau:)?name><(?:tau:)?value>(?:<!\[CDATA\[(.{0,4096}?)\]\]>|([^<]{0,4096}))", re.DOTALL
)

# Everything else can hold a person, a path or a secret: Command Line, CWD, Executable, username,
# Hostname, Node Name, MPI Processor Name, TAU Config, TAU Makefile, and what programs add.
IMPERSONAL = re.compile(
    r"TAU Version|TAU Architecture|TAU_[A-Z0-9_]+|OMP_[A-Z_]+|OpenMP Version( String)?"
    r"|OS (Name|Machine|Release|Version)|CPU (Cores|MHz|Type|Vendor)|CPUs Allowed( List)?"
    r"|Cache Size|Memory Size|GPU\[\d+\] [\w ]+"
    r"|Starting Timestamp|Ending Timestamp|Timestamp|UTC Time|Local Time"
)
# These differ between the files of one run, so they are no facts about the run.
OF_ONE_FILE = frozenset({"Metric Name", "pid", "tid"})

START_KEYS = ("Starting Timestamp", "Timestamp")
EARLIEST = 946_684_800 * 10**6  # the year 2000 in microseconds
LATEST = 4_102_444_800 * 10**6  # the year 2100


def value_of(header: bytes, name: bytes) -> str | None:
    """One attribute's value, found without parsing the others; None when there is none."""
    start = header.find(b"name>" + name + b"</")
    if start < 0:
        return None
    found = VALUE.match(header, start + len(b"name>") + len(name))
    if not found:
        return None
    quoted, plain = found.groups()
    text = CONTROL.sub(b"", plain if quoted is None else quoted).decode("utf-8", "replace")
    return html.unescape(text) if quoted is None else text


def started(header: bytes) -> int | None:
    """When the measurement began, nanoseconds since the Unix epoch; None when it is not told.

    A time that cannot be is taken as none: files of a crashed TAU hold 0.
    """
    told = (value_of(header, name.encode()) for name in START_KEYS)
    return next((time for time in map(nanoseconds, told) if time is not None), None)


def started_by(found: Mapping[str, str]) -> int | None:
    """The same of attributes that are read already."""
    told = (found.get(name) for name in START_KEYS)
    return next((time for time in map(nanoseconds, told) if time is not None), None)


def nanoseconds(text: str | None) -> int | None:
    """Microseconds since the Unix epoch as nanoseconds; None for a time that cannot be."""
    possible = text and text.isascii() and text.isdigit() and EARLIEST <= int(text[:20]) < LATEST
    return int(text) * 1000 if text and possible else None


def attributes(header: bytes) -> dict[str, str]:
    """All simple attributes by name; of equal names the first one."""
    text = PREFIX.sub(r"<\1", CONTROL.sub(b"", header).decode("utf-8", "replace"))
    found: dict[str, str] = {}
    for piece in text.split("<attribute>", MOST_VALUES)[1:]:
        match = ATTRIBUTE.match(piece)
        if match:
            quoted_name, name, quoted, value = match.groups()
            value = html.unescape(value) if quoted is None else quoted
            name = html.unescape(name) if quoted_name is None else quoted_name
            found.setdefault(name, value[:LONGEST_VALUE])
    return found


def of_run(found: Mapping[str, str], personal: bool) -> dict[str, str]:
    """What may be kept of the attributes: all, or those that can hold neither people nor secrets.

    Values of settings that are paths can name a person's folder: they are left out, too.
    """
    return {
        name: value
        for name, value in found.items()
        if name not in OF_ONE_FILE and (personal or _is_impersonal(name, value))
    }


def _is_impersonal(name: str, value: str) -> bool:
    a_path = "/" in value and name.startswith(("TAU_", "OMP_"))
    return bool(IMPERSONAL.fullmatch(name)) and not a_path
