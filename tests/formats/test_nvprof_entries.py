"""Rows of nvprof's tables as entries; the collector's tests look at every section."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import nvprof_csv, nvprof_entries
from profiling_operator.formats.nvprof_csv import Branch, Malformed, Notice, Row, Traced

TRACE = '"Start","Duration","Grid X","Size","Device","Context","Stream","Name","Correlation_ID"'
KERNEL = '0.500000,2.250000,16,,"Tesla P100 (0)","1","7","k(int, float)",3'


def entries(text: str, **place: Any) -> list[Entry | Malformed]:
    """What the rows of a log become, summaries last."""
    reading = nvprof_entries.Reading(nvprof_entries.Place(0, **place))
    found = nvprof_csv.read(io.BytesIO(text.encode()))
    made: list[Entry | Malformed] = []
    for one in found:
        if isinstance(one, Traced):
            known = reading.traced(one)
            made += [known] if isinstance(known, Entry) else known
        elif isinstance(one, Row):
            made += reading.entries(one)
        elif isinstance(one, Branch):
            made += reading.branch(one)
    return [*made, *reading.rest()]


def test_equal_lines_become_equal_entries_but_for_their_times() -> None:
    """What is the same in all launches of a kernel is made once."""
    text = f"{TRACE}\nms,us,,,,,,,\n" + "".join(
        f'{start}.000000,2.250000,16,,"Tesla P100 (0)","1","7","k()",{start + 100}\n'
        for start in range(3)
    )

    found = [one for one in entries(text) if isinstance(one, Entry)]

    assert [one.time[-11:-1] for one in found] == [".000000000", ".001000000", ".002000000"]
    assert [(one.attributes or {})["correlationId"] for one in found] == [100, 101, 102]
    assert {(one.name, one.duration, one.device, one.stream) for one in found} == {
        ("k()", 2250, 0, 7)
    }


def test_columns_of_a_job_s_events_are_counters() -> None:
    """In a trace nothing else tells events from metrics."""
    head = '"Device","Context","Stream","Kernel","ipc","warps"'

    found = entries(f'{head}\n"G (0)","1","7","k()",0.5,32\n', events=frozenset({"warps"}))

    assert [(one.kind, one.name, one.additive) for one in found if isinstance(one, Entry)] == [
        (Kind.METRIC, "ipc", False), (Kind.COUNTER, "warps", True),
    ]  # fmt: skip


def test_summaries_that_are_too_long_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are held back until the end of the file."""
    monkeypatch.setattr(nvprof_entries, "HELD_TOTALS", 2)
    head = '"Type","Time(%)","Time","Calls","Avg","Min","Max","Name"\n,%,ns,,ns,ns,ns,\n'

    found = entries(head + '"API calls",1,1,1,1,1,1,"cudaFree"\n' * 3)

    assert [type(one) for one in found] == [Malformed, Entry, Entry]


@pytest.mark.parametrize("start", ["-1.0", "", "x", "1e13", "nan"])
def test_times_that_cannot_be_are_malformed(start: str) -> None:
    """Before the start, none, or in another century."""
    (found,) = entries(f'"Start","Duration","Name"\nms,ms,\n{start},1.0,"cudaFree"\n')

    assert found == Malformed(3, "no usable start and duration")


def test_rows_known_again_are_like_those_taken_apart() -> None:
    """Also where only the correlation id or the times are unlike any before."""
    plain = '0.5,2.25,16,,"Tesla P100 (0)","1","7","k(int, float)",3'
    odd = ["0.5,,16,,\"Tesla P100 (0)\",\"1\",\"7\",\"k(int, float)\",4", "1.0000001,1,,,,,,\"k\",",
           "1.0000001,2.25,16,,\"Tesla P100 (0)\",\"1\",\"7\",\"k(int, float)\",5"]  # fmt: skip
    head = f"{TRACE}\nms,us,,,,,,,\n"

    together = entries("\n".join([head.strip(), plain, plain, *odd, plain, ""]))

    alone = [one for line in [plain, plain, *odd, plain] for one in entries(f"{head}{line}\n")]
    assert together == alone
    assert len(together) == 6


def test_another_table_s_units_count() -> None:
    """The same text below other units is another time."""
    line = '1.000000,1.000000,16,,"Tesla P100 (0)","1","7","k()",3'
    tables = [f"{TRACE}\n{unit},{unit},,,,,,,\n{line}\n{line}\n\n" for unit in ("ms", "us", "s")]

    found = [one.duration for one in entries("".join(tables)) if isinstance(one, Entry)]

    assert found == [10**6] * 2 + [10**3] * 2 + [10**9] * 2


def test_ranges_have_their_ends() -> None:
    """A trace tells of both; a marker is a moment, and what never ended has no duration."""
    lines = [
        *('1,,"[Range start] a (Domain: x)"', '2,,"[Marker] m (Domain: <unnamed>)"'),
        *('3,,"[Range start] b"', '5,,"[Range end] a (Domain: x)"', '6,,"[Range end] c"'),
    ]
    text = '"Start","Duration","Name"\nus,us,\n' + "\n".join([*lines, ""])

    found = [one for one in entries(text) if isinstance(one, Entry)]

    assert [(one.kind, one.name, one.duration, one.attributes) for one in found] == [
        (Kind.RANGE, "m", None, None), (Kind.RANGE, "a", 4000, {"domain": "x"}),
        (Kind.RANGE, "b", None, {"open": True}),
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "count"), [
    ("Total CPU Page faults: 49", 49), ("Total CPU thrashes: 2", 2), ("none", None),
])  # fmt: skip
def test_totals_of_the_cpu_stand_in_a_sentence(words: str, count: int | None) -> None:
    """They are a counter of their process."""
    reading = nvprof_entries.Reading(nvprof_entries.Place(0, job="ci/x", run=2))
    notice = Notice(1, nvprof_csv.Level.PLAIN, words, 41)

    found = [(one.kind, one.value, one.process, one.run) for one in reading.cpu_totals(notice)]

    assert found == ([] if count is None else [(Kind.COUNTER, count, 41, 2)])


HOSTILE = st.lists(
    st.one_of(
        st.sampled_from([TRACE, KERNEL, "ms,us,,,,,,,", "==41== Profiling result:", "", "==",
                         "======== Warning: x", "No kernels were profiled.", ",,,,,,,,",
                         '"Type","Time(%)","Time","Calls","Name"', '"API calls",1,1,1,"x"',
                         '"Device","Count","Total Size","Total Time",""', '"G (0)",1,2B,3ns,"f"',
                         '"Kernel","Invocations","Event Name"', '"k",1,"e"', '"Name","Start",'
                         '"Duration"', '"Start","Duration","Name","Name"', '1e400,-1,"k"',
                         '1e30,1e30,"k"', '"k",1e30,1e25']),
        st.text('0123456789.,"eE-+%()[]<>=:ms kKB/\t\r', max_size=40),
    ),
    max_size=12,
)  # fmt: skip


@given(HOSTILE)
def test_any_lines_become_entries_or_problems(lines: list[str]) -> None:
    """Never an exception, and entries can be written."""
    text = "\n".join(lines)

    for one in entries(text):
        if isinstance(one, Entry):
            assert msgspec.json.decode(msgspec.json.encode(one), type=Entry) == one
