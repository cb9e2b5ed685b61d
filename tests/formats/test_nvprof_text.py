"""Tables for people, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.formats import nvprof_text

TOTALS = "            Type  Time(%)      Time     Calls       Avg       Min       Max  Name"
TRACE = (
    "   Start  Duration       Grid Size      Block Size     Regs*           Device  Stream  Name"
)
EVENTS = (
    "Invocations                           Event Name         Min         Max         Avg  Total"
)
METRICS = (
    "Invocations            Metric Name       Metric Description         Min       Max       Avg"
)
UNIFIED = "   Count  Avg Size  Min Size  Max Size  Total Size  Total Time  Name"


@pytest.mark.parametrize(("head", "columns"), [
    (TOTALS, ("Type", "Time(%)", "Time", "Calls", "Avg", "Min", "Max", "Name")),
    (TRACE, ("Start", "Duration", "Grid X", "Grid Y", "Grid Z", "Block X", "Block Y", "Block Z",
             "Registers Per Thread", "Device", "Stream", "Name")),
    (EVENTS, ("Device", "Kernel", "Invocations", "Event Name", "Min", "Max", "Avg", "Total")),
    (UNIFIED, ("Device", "Count", "Avg Size", "Min Size", "Max Size", "Total Size", "Total Time",
               "")),
])  # fmt: skip
def test_columns_are_those_of_csv(head: str, columns: tuple[str, ...]) -> None:
    """So that the same words lead to the same cells."""
    found = nvprof_text.layout(head)

    assert found is not None and found.columns == columns


@pytest.mark.parametrize("line", [
    "", "hello", "Type  Time", "Start  Duration", "Time(%)  Time  Calls", "x" * 20_000,
    "Device  Context  Stream", "Start of it all, and more Name",
])  # fmt: skip
def test_other_lines_are_no_heads(line: str) -> None:
    """Also those that begin like one."""
    assert nvprof_text.layout(line) is None


@pytest.mark.parametrize(("head", "line", "cells"), [
    (TOTALS, " GPU activities:   39.29%  20.990ms        29  723.78us     900ns  6.1017ms  k(int)",
     ["GPU activities:", "39.29%", "20.990ms", "29", "723.78us", "900ns", "6.1017ms", "k(int)"]),
    (TOTALS, "  21.23%  11.340ms        19  596.84us     900ns  6.1017ms  a  b",
     ["21.23%", "11.340ms", "19", "596.84us", "900ns", "6.1017ms", "a", "b"]),
    (TOTALS, "  21.23%  11.340ms        19  596.84us     900ns  6.1017ms  k()",
     ["API calls:", "21.23%", "11.340ms", "19", "596.84us", "900ns", "6.1017ms", "k()"]),
    (TRACE, "17.8us  -  (4 3 1)  -  30  Tesla V100-SXM2  7  void k<int>(int)  [102]",
     ["17.8us", "", "4", "3", "1", "", "", "", "30", "Tesla V100-SXM2", "7",
      "void k<int>(int)  [102]"]),
    (EVENTS, "          1                            warps_launched          40   40    40    41",
     ["G (0)", "k(int)", "1", "warps_launched", "40", "40", "40", "41"]),
    (METRICS, "       1    dram_utilization    Device  Memory    Low (1)    Low (2)    Low (3)",
     ["G (0)", "k(int)", "1", "dram_utilization", "Device  Memory", "Low (1)", "Low (2)",
      "Low (3)"]),
    (UNIFIED, "       1  8.0KB  8.0KB  8.0KB  8.0KB         20ns  Host To Device",
     ["G (0)", "1", "8.0KB", "8.0KB", "8.0KB", "8.0KB", "20ns", "Host To Device"]),
    (TRACE, "17.8us  20us", None), (EVENTS, "hello", None),
])  # fmt: skip
def test_a_line_has_the_cells_of_csv(head: str, line: str, cells: list[str] | None) -> None:
    """What stands once above several lines is in each of them; a name may hold two blanks."""
    found = nvprof_text.layout(head, "G (0)")
    assert found is not None
    found = found.told("    Kernel: k(int)") or found

    told = replace(found, type="API calls:").cells(line)

    assert told == cells


def test_units_stand_below_the_ends_of_titles() -> None:
    """With a normalized unit they are no part of the cells; a size has three columns."""
    found = nvprof_text.layout(TRACE)
    assert found is not None

    assert found.units("      ns        ns") == {"Start": "ns", "Duration": "ns"}
    assert found.units(" 17.8us  38.240us") is None
    assert found.units("     ns") is None
    assert found.units("") is None


@given(
    st.sampled_from([TOTALS, TRACE, EVENTS, METRICS, UNIFIED]),
    st.text(" -()0123.msu|", max_size=80),
)
def test_any_line_has_as_many_cells_as_columns(head: str, line: str) -> None:
    """Or it is none of the table's."""
    found = nvprof_text.layout(head)
    assert found is not None

    cells = found.cells(line)

    assert cells is None or len(cells) == len(found.columns)
