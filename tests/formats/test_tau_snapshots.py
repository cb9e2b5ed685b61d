"""States become entries: the last one as a text profile's, all of them as a series."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from profiling_operator.captures import Capture, Fate, FileNote
from profiling_operator.collectors import tau
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats.tau_entries import Families
from profiling_operator.formats.tau_snapshots import Snapshots, XmlFile

SAMPLES = Path(__file__).parent.parent / "samples/tau"
SNAPSHOT = (SAMPLES / "hand-made/snapshots/snapshot.0.0.0").read_bytes()
MERGED = (SAMPLES / "2.34/merged-mpi/tauprofile.xml").read_bytes()


def read(text: bytes, **more: Any) -> tuple[list[Entry], list[FileNote], Snapshots]:
    """Entries and notes of a text."""
    personal = more.pop("personal", False)
    capture = Capture((), tau.Options(), 0, job="n/j", host="node1", personal=personal)
    reading = Snapshots(XmlFile("a.xml", len(text), **more), capture, Families())
    return list(reading.entries(io.BytesIO(text))), list(reading.notes()), reading


def test_a_merged_profile() -> None:
    """Every rank with its own beginning; the sums over ranks are left out."""
    entries, notes, reading = read(MERGED)

    assert Counter(one.process for one in entries) == {0: 10, 1: 10, 2: 10}
    [root] = [e for e in entries if e.name == ".TAU application" and e.process == 1]
    assert (root.inclusive, root.exclusive, root.calls) == (509_960_000, 232_000, 1)
    assert (root.time, root.unit, root.host) == ("2026-11-23T12:21:06.046153000Z", "ns", "node1")
    assert reading.threads == {(0, 0, 0), (1, 0, 0), (2, 0, 0)}
    assert [(note.fate, note.message) for note in notes] == [
        (Fate.CONVERTED, "7 statistics over the threads are left out")
    ]


@pytest.mark.parametrize("rank", range(3))
def test_additive_values_give_the_root_timer(rank: int) -> None:
    """As in text profiles."""
    timers = [e for e in read(MERGED)[0] if e.kind is Kind.TIMER and e.process == rank]

    assert sum(e.exclusive or 0 for e in timers if e.additive) == pytest.approx(
        max(e.inclusive or 0 for e in timers), rel=1e-5
    )


def test_the_last_state_is_what_a_text_profile_would_tell() -> None:
    """In every metric, user events once."""
    entries = [e for e in read(SNAPSHOT)[0] if e.kind is not Kind.METRIC]

    assert [(e.metric, e.name, e.calls, e.exclusive, e.additive) for e in entries] == [
        ("TIME", "main", 1, 650_150_000, True),
        ("TIME", "std::vector<int>::push_back()", 9, 2_499_850_250, True),
        ("TIME", "write()", 4, 9000, False),
        ("PAPI_TOT_INS", "main", 1, 20, True),
        ("PAPI_TOT_INS", "std::vector<int>::push_back()", 9, 888, True),
        ("PAPI_TOT_INS", "write()", 4, 2, False),
        (None, "Message size for all-reduce", 3, None, True),
    ]
    assert {e.time for e in entries} == {"2026-11-23T12:21:06.000000000Z"}


def test_the_series_adds_up_to_the_last_state() -> None:
    """Each piece begins where the one before ended."""
    entries = read(SNAPSHOT)[0]
    pieces = [e for e in entries if e.kind is Kind.METRIC and e.metric == "TIME"]

    assert [
        (e.time[17:19], (e.attributes or {})["state"], e.exclusive)
        for e in pieces
        if e.name == "main"
    ] == [
        ("06", "iteration 1", 100_000),
        ("07", "iteration 2", 50_000),
        ("08", "final", 650_000_000),
    ]
    for last in (e for e in entries if e.kind is Kind.TIMER and e.metric == "TIME"):
        same = [e for e in pieces if e.name == last.name]
        assert sum(e.exclusive or 0 for e in same) == last.exclusive
        assert sum(e.calls or 0 for e in same) == last.calls
    assert not any(e.additive for e in pieces)


def test_a_text_profile_beside_it_holds_the_last_state() -> None:
    """Only the series is taken."""
    entries, notes, _ = read(SNAPSHOT, profiled={(0, 0, 0)})

    assert {e.kind for e in entries} == {Kind.METRIC}
    assert notes[-1].message == "1 threads are in other profiles as well"


def test_the_same_threads_again_are_left_out() -> None:
    """In another file beside it; those of another process are others."""
    seen: set[str] = set()
    first, _, _ = read(MERGED, seen=seen)
    again, _, _ = read(MERGED, seen=seen)
    other, _, _ = read(MERGED.replace(b".0.0.26", b".0.0.36"), seen=seen)

    assert (len(first), len(again), len(other)) == (30, 0, 30)


def test_hosts_are_told_when_asked_for() -> None:
    """TAU's own name of it."""
    assert {e.host for e in read(MERGED, personal=True)[0]} == {"vm"}


def test_what_is_cut_off_says_so() -> None:
    """With the line, and all that is whole."""
    entries, notes, _ = read(MERGED[: MERGED.index(b"4 1 0 1 1 ")])

    assert len(entries) == 4
    assert notes[-1].fate is Fate.CONVERTED
    assert notes[-1].message == "truncated"
    assert (notes[0].message, notes[0].line > 300) == (
        "truncated: it ends within <interval_data>",
        True,
    )


@pytest.mark.parametrize("text", [b"", b"<html></html>", b"nonsense"])
def test_no_profile(text: bytes) -> None:
    """It is refused."""
    entries, notes, _ = read(text)

    assert entries == []
    assert notes[-1].fate is Fate.REFUSED
    assert notes[-1].message == "no profile in it"


def test_odd_numbers() -> None:
    """Negative times are 0, what is no number is absent, what never happened is left out."""
    text = (
        '<definitions thread="*"><metric id="0"><name>TIME</name></metric>'
        '<event id="0"><name>f</name></event><userevent id="0"><name>a</name></userevent>'
        '<userevent id="1"><name>CUDA b</name></userevent></definitions>'
        '<profile thread="0.0.0"><interval_data metrics="0 ">0 1 0 -5 nan</interval_data>'
        "<atomic_data>0 0 0 0 0 0\n1 0 0 0 0 0</atomic_data></profile>"
    )
    timer, event = read(text.encode())[0]

    assert (timer.exclusive, timer.inclusive, timer.clock) == (0, None, "anchored")
    assert (event.name, event.value) == ("CUDA b", 0)
