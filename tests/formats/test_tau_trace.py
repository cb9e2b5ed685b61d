"""Traces: every range and counter at its time."""

from __future__ import annotations

import io
import struct

import pytest

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import tau_names, tau_trace
from profiling_operator.formats.tau_definitions import Definition, Use
from profiling_operator.formats.tau_entries import Place
from profiling_operator.formats.tau_ranges import CallTree
from profiling_operator.formats.tau_trace import Trace

T = 1_795_436_467_000_000
EVENTS = {
    1: Definition(Use.RANGE, tau_names.timer(b"main", b"TAU_USER")),
    2: Definition(Use.RANGE, tau_names.timer(b"f", b"TAU_USER")),
    8: Definition(Use.VALUE, tau_names.event(b"Message size")),
    9: Definition(Use.NOTHING, tau_names.event(b"metadata")),
    60_007: Definition(Use.MESSAGE, tau_names.event(b"MESSAGE_SEND")),
}


def record(event: int, parameter: int, after: int, node: int = 0, thread: int = 0) -> bytes:
    """A record, so many microseconds after T."""
    return struct.pack("<iHHqQ", event, node, thread, parameter, T + after)


def read(*records: bytes) -> tuple[list[Entry], Trace]:
    """Every entry of a trace."""
    place = Place(time="", metric="TIME", job="n/j", context=0)
    trace = Trace(EVENTS, CallTree(place, additive=True))
    return list(trace.entries(io.BytesIO(b"".join(records)))), trace


def test_nested_ranges() -> None:
    """Durations, the part outside of inner ranges, paths and times."""
    inner, outer = read(
        record(1, 1, 0), record(2, 1, 250_000), record(2, -1, 1_000_000), record(1, -1, 1_500_000)
    )[0]

    assert (inner.name, inner.path) == ("f", ("main", "f"))
    assert (inner.duration, inner.exclusive) == (750_000_000, 750_000_000)
    assert (outer.duration, outer.exclusive) == (1_500_000_000, 750_000_000)
    assert (outer.time, inner.time) == (
        "2026-11-23T12:21:07.000000000Z",
        "2026-11-23T12:21:07.250000000Z",
    )
    assert {(one.kind, one.unit, one.metric) for one in (inner, outer)} == {
        (Kind.RANGE, "ns", "TIME")
    }


def test_recursion() -> None:
    """Exclusive parts add up to the duration of the outermost."""
    entries, _ = read(*(record(2, 1, at) for at in (0, 10, 30)), *(record(2, -1, 50),) * 3)

    assert [one.duration for one in entries] == [20_000, 40_000, 50_000]
    assert sum(one.exclusive or 0 for one in entries) == 50_000


def test_threads_of_a_merged_trace() -> None:
    """Each has its own stack; node 65535 is none."""
    entries, _ = read(
        record(1, 1, 0, 3, 1),
        record(2, 1, 5, 65535, 0),
        record(1, -1, 10, 3, 1),
        record(2, -1, 20, 65535, 0),
    )

    assert [(one.process, one.thread, one.path) for one in entries] == [(3, 1, None), (-1, 0, None)]


def test_big_endian() -> None:
    """The times tell the byte order."""
    little = [record(1, 1, 0), record(1, -1, 7)]
    big = [struct.pack(">iHHqQ", *struct.unpack("<iHHqQ", one)) for one in little]

    assert read(*big)[0] == read(*little)[0]


@pytest.mark.parametrize(
    ("parameters", "values"),
    [((0, 8, 0), [8]), ((0, 0, 0), [0]), ((0, 8, 0, 0, 9, 0), [8, 9]), ((5, 6), [5, 6])],
    ids=["value", "zero", "twice", "without-zeros"],
)
def test_values_stand_between_zeros(parameters: tuple[int, ...], values: list[int]) -> None:
    """As TAU draws them; other writers write the value alone."""
    entries, _ = read(*(record(8, one, 1) for one in parameters))

    assert [one.value for one in entries] == values


def test_messages() -> None:
    """Bytes, peer, tag and communicator from one number; high and low halves."""
    length, peer, tag, communicator = 0x12345, 0x0203, 0x0405, 5
    packed = (
        (length >> 16) << 32
        | (tag >> 8) << 48
        | (peer >> 8) << 56
        | (length & 0xFFFF)
        | (tag & 0xFF) << 16
        | (peer & 0xFF) << 24
        | communicator << 42
    )
    [entry] = read(record(60_007, packed, 3))[0]

    assert (entry.value, entry.unit, entry.additive) == (length, "By", False)
    assert entry.attributes == {"peer": peer, "tag": tag, "communicator": communicator}


def test_what_is_not_left_ends_with_the_trace() -> None:
    """A program that was killed."""
    entries, trace = read(record(1, 1, 0), record(2, 1, 10), record(8, 5, 30))

    assert [(one.name, one.duration) for one in entries if one.kind is Kind.RANGE] == [
        ("f", 20_000),
        ("main", 30_000),
    ]
    assert all((one.attributes or {})["unfinished"] for one in entries if one.duration)
    assert trace.summary() == "2 ranges end with the trace"


def test_what_is_left_out_of_order() -> None:
    """Inner ranges end with an outer one; what was not entered is not left."""
    entries, trace = read(
        record(1, 1, 0), record(2, 1, 10), record(1, -1, 30), record(2, -1, 40), record(9, 1, 50)
    )

    assert [
        (one.name, one.duration, "unfinished" in (one.attributes or {})) for one in entries
    ] == [
        ("f", 20_000, True),
        ("main", 30_000, False),
    ]
    assert trace.summary() == "ranges end with an outer one; ranges left, but not entered"


def test_events_without_a_definition_are_counted() -> None:
    """As are impossible times."""
    entries, trace = read(record(1, 1, 0), record(77, 1, 0), record(1, -1, -T), record(1, -1, 5))

    assert [one.duration for one in entries] == [5000]
    assert "records of events without a definition" in trace.summary()
    assert "records with an impossible time or thread" in trace.summary()


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        (record(1, 1, 0) + record(1, -1, 5) + b"abc", "truncated: it ends within a record"),
        (b"x" * 240, "the first record has no time in microseconds since 1970"),
        (b"abc", "the first record has no time in microseconds since 1970"),
        (b"", "truncated: it is empty"),
        (record(1, 1, 0) + record(1, -1, 5), ""),
    ],
    ids=["cut", "foreign", "short", "empty", "whole"],
)
def test_files_that_are_not_whole(content: bytes, summary: str) -> None:
    """They say so."""
    _, trace = read(content)

    assert trace.summary() == summary
    assert trace.is_whole == (not summary)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By open ranges and threads; a deep stack is not searched for what is not in it."""
    monkeypatch.setattr(tau_trace, "MOST_OPEN", 3)
    monkeypatch.setattr(tau_trace, "MOST_THREADS", 2)
    entries, trace = read(
        *(record(1, 1, at) for at in range(10)), *(record(2, 1, 20, at) for at in range(10))
    )

    assert len(entries) == 3
    assert "9 ranges past 3 open ones" in trace.summary()
    assert "8 records with an impossible time or thread" in trace.summary()
