"""Numbers with units, as nvprof writes them."""

from __future__ import annotations

import pytest

from profiling_operator.formats import nvprof_units
from profiling_operator.formats.nvprof_units import Quantity


@pytest.mark.parametrize(("cell", "unit", "quantity"), [
    ("458752", "", Quantity(458752)),
    ("0.035999", "ms", Quantity(35_999, "ns")),
    ("1391000.000000", "ns", Quantity(1_391_000, "ns")),
    ("1.234567", "s", Quantity(1_234_567_000, "ns")),
    ("2.5", "us", Quantity(2500, "ns")),
    ("800ns", "", Quantity(800, "ns")),
    ("15.258789", "MB", Quantity(16_000_000, "By")),
    ("48.000000KB", "", Quantity(49_152, "By")),
    ("4.000000", "GB", Quantity(1 << 32, "By")),
    ("100.000000%", "", Quantity(100, "%")),
    ("12.5GB/s", "MB/s", Quantity(13_421_772_800, "By/s")),
    ("1.5e+3", "", Quantity(1500)),
    ("Low (1)", "", Quantity(1, level="Low")),
    ("<OVERFLOW>", "", Quantity(None, flaw="overflow")),
    ("<INVALID>", "%", Quantity(None, flaw="invalid")),
    ("nan", "%", Quantity(None, "%")),
    ("-inf", "", Quantity(None)),
    ("", "", None), ("12 apples", "", None), ("7parsecs", "", None), ("1" * 200, "", None),
    ("x" * 100_000, "", None),
])  # fmt: skip
def test_a_cell_is_a_number_with_a_unit(cell: str, unit: str, quantity: Quantity | None) -> None:
    """Of its own, or of its column; nanoseconds and bytes are whole."""
    assert nvprof_units.read(cell, unit) == quantity


@pytest.mark.parametrize(("name", "unit"), [("dram_read_bytes", "By"), ("inst_executed", "1")])
def test_bytes_are_told_by_the_metrics_name(name: str, unit: str) -> None:
    """nvprof gives them no unit."""
    assert nvprof_units.read_metric(name, "7") == Quantity(7, unit)
    assert nvprof_units.read_metric(name, "7%") == Quantity(7, "%")


@pytest.mark.parametrize(("text", "count"), [
    ("0", 0), ("1024", 1024), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("", None), ("-1", None),
    ("1.5", None), ("\u0663", None), ("Default", None),
])  # fmt: skip
def test_counts_are_whole(text: str, count: int | None) -> None:
    """And fit into 64 bits."""
    assert nvprof_units.whole(text) == count
