"""The lines of nvprof's CSV, read without knowing what they are for."""

from __future__ import annotations

import io
import re
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities import SHARED
from profiling_operator.formats import nvprof_csv
from profiling_operator.formats.nvprof_csv import (
    Branch,
    Found,
    Level,
    Malformed,
    Notice,
    Row,
    Shape,
    Traced,
)

TRACE = '"Start","Duration","Grid X","Size","Device","Context","Stream","Name","Correlation_ID"'
KERNEL = '0.500000,2.250000,16,,"Tesla P100 (0)","1","7","k(int, float)",3'


def read(text: str) -> list[Found]:
    """Everything in a log."""
    return list(nvprof_csv.read(io.BytesIO(text.encode())))


def rows(text: str) -> list[Row]:
    """The rows of a log, those of traces taken apart."""
    found = [one.row() if isinstance(one, Traced) else one for one in read(text)]
    return [one for one in found if isinstance(one, Row)]


@pytest.mark.parametrize(("text", "cells"), [
    ("", [""]),
    (",,", ["", "", ""]),
    ('1,,"n"', ["1", "", "n"]),
    ('"a, b",1,', ["a, b", "1", ""]),
    ('"f("x")",2', ['f("x")', "2"]),
    ('"operator"" _km(int)","7"', ['operator"" _km(int)', "7"]),
    ('"_Z1k, "quoted"",106', ['_Z1k, "quoted"', "106"]),
    ('"a",""', ["a", ""]),
    ('",""a"', [',""a']),
    ('"open, 1', ['"open', " 1"]),
    ('"', ['"']),
])  # fmt: skip
def test_a_line_is_cells(text: str, cells: list[str]) -> None:
    """A quoted cell ends at a quote before a comma or the line's end: nvprof escapes none."""
    assert nvprof_csv.split(text) == cells


@given(st.lists(st.text('a,"', max_size=5), min_size=1, max_size=6))
def test_quoted_cells_come_back(cells: list[str]) -> None:
    """Whatever they hold, but for what ends a cell: a quote before a comma, or at either end."""
    plain = [re.sub('"+,', ",", cell).strip('"') for cell in cells]

    assert nvprof_csv.split(",".join(f'"{cell}"' for cell in plain)) == plain


def test_hostile_lines_take_no_time() -> None:
    """Quotes that nothing closes are not looked for again and again."""
    began = time.monotonic()
    for line in ('"x,' * 300_000, '"x"y,' * 200_000, '"' * 1_000_000):
        nvprof_csv.split(line)

    assert time.monotonic() - began < 5


def test_columns_are_found_by_name_and_units_by_column() -> None:
    """In one order or another."""
    (one,) = rows(f"==41== Profiling result:\n{TRACE}\nms,us,,KB,,,,,\n{KERNEL}\n")
    (other,) = rows('"Name","Duration","Start"\n,ms,s\n"k",1.5,2.5\n')

    assert one.table.units == {"Start": "ms", "Duration": "us", "Size": "KB"}
    assert (one.table.shape, one.table.process, one.line) == (Shape.TRACE, 41, 4)
    assert (one.cells["Start"], one.cells["Name"]) == ("0.500000", "k(int, float)")
    assert other.cells == {"Name": "k", "Duration": "1.5", "Start": "2.5"}
    assert other.table.units == {"Duration": "ms", "Start": "s"}


def test_a_first_row_is_no_row_of_units() -> None:
    """Files without units exist, and a row may be nearly empty."""
    found = rows('"Start","Duration","Name"\n0,,"k"\n,,\n')

    assert [one.cells["Name"] for one in found] == ["k", ""]


@pytest.mark.parametrize(("head", "shape"), [
    ('"Start","Duration","Name","Correlation_ID"', Shape.TRACE),
    ('"Device","Context","Stream","Kernel","ipc"', Shape.TRACE),
    ('"Type","Time(%)","Time","Calls","Avg","Min","Max","Name"', Shape.TOTALS),
    ('"Time(%)","Time","Calls","Avg","Min","Max","Name"', Shape.TOTALS),
    ('"Device","Kernel","Invocations","Event Name","Min","Max","Avg","Total"', Shape.EVENTS),
    ('"Device","Kernel","Invocations","Metric Name","Metric Description","Min","Max","Avg"',
     Shape.METRICS),
    ('"Device","Count","Avg Size","Min Size","Max Size","Total Size","Total Time",""',
     Shape.UNIFIED),
])  # fmt: skip
def test_tables_are_known_by_their_heads(head: str, shape: Shape) -> None:
    """Each section has its own columns."""
    (row,) = rows(f"{head}\n{',' * head.count(',')}\n")

    assert row.table.shape is shape


def test_several_sections_and_processes_share_a_file() -> None:
    """A banner, a blank line or words end a table; banners name the process."""
    text = (
        f"==41== Profiling result:\n{TRACE}\n{KERNEL}\n\n{KERNEL}\n"
        f"==42== API calls:\n{TRACE}\n{KERNEL}\nNo kernels were profiled.\n{KERNEL}\n"
    )

    assert [(one.table.process, one.table.title, one.line) for one in rows(text)] == [
        (41, "Profiling result:", 3), (42, "API calls:", 8),
    ]  # fmt: skip


def test_warnings_may_take_several_lines() -> None:
    """The lines after the first have no banner; a blank line or a banner ends them."""
    text = (
        "======== Warning: not supported.\n      Use something else.\n\nhello\n"
        "==41== Error: one\ntwo\n==41== Profiling application: x\n"
    )

    assert read(text) == [
        Notice(1, Level.WARNING, "not supported. Use something else."),
        Notice(5, Level.ERROR, "one two", 41),
        Notice(7, Level.INFO, "Profiling application: x", 41),
    ]


def test_plain_words_are_told() -> None:
    """They stand without a banner."""
    text = "==41== Profiling result:\nNo API activities were profiled.\nTotal CPU Page faults: 4\n"

    assert [one.text for one in read(text) if isinstance(one, Notice)][1:] == [
        "No API activities were profiled.", "Total CPU Page faults: 4",
    ]  # fmt: skip


def test_rows_of_a_trace_are_taken_apart_when_asked() -> None:
    """What a trace repeats is in one piece, by which rows are known again."""
    head = f"==41== Profiling result:\n{TRACE}\nms,us,,KB,,,,,\n"
    other = TRACE.replace('"Correlation_ID"', '"Correlation_ID","ipc"')

    one, two = [found for found in read(f"{head}{KERNEL}\n1,2,bad\n") if isinstance(found, Traced)]

    assert (one.start, one.duration, one.rest.rpartition(",")[2]) == ("0.500000", "2.250000", "3")
    assert isinstance(two.row(), Malformed)
    assert not any(
        isinstance(found, Traced) for found in read(f"{other}\nms,us,,,,,,,,\n{KERNEL},1\n")
    )


def test_tables_for_people_give_the_same_rows() -> None:
    """What nvprof prints without --csv, units glued to the cells."""
    text = (
        "==1== Profiling result:\n   Start  Duration  Grid Size  Name\n1.0ms  2.0us  (1 2 3)  k()\n"
    )

    (row,) = rows(text)

    assert (row.table.shape, row.table.process, row.line) == (Shape.TRACE, 1, 3)
    assert row.cells == {
        "Start": "1.0ms", "Duration": "2.0us", "Grid X": "1", "Grid Y": "2", "Grid Z": "3",
        "Name": "k()",
    }  # fmt: skip


def test_trees_are_read_line_by_line() -> None:
    """With the thread that a banner between them names, until a blank line."""
    head = "======== CPU profiling result (top down):\nTime(%)      Time  Name\n"
    text = f"{head}======== Thread 7\n 50.00%     1s  main\nhello\n\n 50.00%     1s  main\n"

    found = read(text)

    assert [type(one) for one in found] == [Notice, Notice, Branch, Malformed]
    branch = found[2]
    assert isinstance(branch, Branch)
    assert (branch.mode, branch.thread, branch.node.name) == ("top down", 7, "main")


def test_what_is_not_nvprofs_goes_unmentioned() -> None:
    """An application's output between its lines, outside the tables."""
    assert read('hello\n"quoted", and more\n1,2,3\n') == []


def test_a_line_that_is_no_row_is_malformed() -> None:
    """With its number; the table goes on."""
    found = read(f"{TRACE}\n{KERNEL}\nDone, all of it\n{KERNEL}\n")

    assert [type(one) for one in found] == [Row, Malformed, Row]
    assert found[1] == Malformed(3, "2 cells below 9 columns")


@pytest.mark.parametrize("end", ["", "0.500000,2.25", KERNEL, '0.5,2.2,16,,"Tesla'])
def test_a_line_without_its_end_is_cut_off(end: str) -> None:
    """Even where it could be a row: its last number may be part of a larger one."""
    found = read(f"{TRACE}\n{KERNEL}\n{end}")

    assert found[1:] == ([Malformed(3, nvprof_csv.CUT)] if end else [])


def test_carriage_returns_are_no_part_of_a_cell() -> None:
    """A log may have been copied by way of Windows."""
    (row,) = rows(f"{TRACE}\r\n{KERNEL}\r\n")

    assert row.cells["Correlation_ID"] == "3"


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    """To the end, with ascending numbers of lines."""
    found = list(nvprof_csv.read(io.BytesIO(data)))

    assert [one.line for one in found if not isinstance(one, Row)] == sorted(
        one.line for one in found if not isinstance(one, Row)
    )


GOLDEN = {
    "rodinia-b+tree-default.log": {Shape.EVENTS: 164, Shape.METRICS: 352},
    "rodinia-hotspot-512.log": {Shape.EVENTS: 82, Shape.METRICS: 176},
    "BlackScholes_gpu_trace.csv": {Shape.TRACE: 517},
    "BlackScholes_metrics.csv": {Shape.METRICS: 120},
    "conjugateGradient_gpu_trace.csv": {Shape.TRACE: 99},
    "events_metrics.csv": {Shape.EVENTS: 6, Shape.METRICS: 4},
}


@pytest.mark.needs("shared")
@pytest.mark.parametrize("name", GOLDEN)
def test_every_line_of_real_files_is_read(name: str) -> None:
    """As many rows as lines that are neither banners, heads, units nor blank; nothing malformed."""
    read = list(nvprof_csv.read(io.BytesIO((SHARED / "nvprof" / name).read_bytes())))
    found = [one.row() if isinstance(one, Traced) else one for one in read]

    assert Counter(one.table.shape for one in found if isinstance(one, Row)) == GOLDEN[name]
    assert {type(one) for one in found} == {Row, Notice}
    assert {one.level for one in found if isinstance(one, Notice)} == {Level.INFO}
