"""What cells mean: names, kinds, devices."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import pytest

from profiling_operator.entries import Kind
from profiling_operator.formats import nvprof_csv, nvprof_rows
from profiling_operator.formats.nvprof_csv import Row, Traced
from profiling_operator.formats.nvprof_rows import Activities, Activity
from profiling_operator.formats.nvprof_units import Quantity

HEAD = '"Start","Duration","Grid X","Device","Stream","Unified Memory","Name","Correlation_ID"'
OLD_HEAD = '"Start","Duration","Grid X","Device","Stream","Unified Memory","Name"'


def activities(*lines: str, head: str = HEAD) -> list[Activity]:
    """What the lines of a trace are."""
    text = "\n".join([head, *lines, ""])
    read = nvprof_csv.read(io.BytesIO(text.encode()))
    apart = [one.row() if isinstance(one, Traced) else one for one in read]
    found = [one for one in apart if isinstance(one, Row)]
    known = Activities(found[0].table)
    return [known.describe(row) for row in found]


@pytest.mark.parametrize(("line", "kind", "name"), [
    ('0,1,16,"G (0)","7",,"k(  int )",3', Kind.KERNEL, "k( int )"),
    ('0,1,,"G (0)","7",,"[CUDA memcpy HtoD]",3', Kind.MEMCPY, "[CUDA memcpy HtoD]"),
    ('0,1,,"G (0)","7",,"[CUDA memset]",3', Kind.MEMSET, "[CUDA memset]"),
    ('0,1,,,,,"cudaMalloc",3', Kind.API, "cudaMalloc"),
    ('0,1,,"G (0)",,65536.0,"[Unified Memory Memcpy DtoH]",', Kind.MEMCPY,
     "[Unified Memory Memcpy DtoH]"),
    ('0,,,,,"PC 0x1","[Unified Memory CPU page faults]",', Kind.COUNTER,
     "[Unified Memory CPU page faults]"),
    ('0,1,,"G (0)","7",,"",3', Kind.KERNEL, nvprof_rows.NAMELESS),
])  # fmt: skip
def test_an_activity_has_a_kind_and_a_name(line: str, kind: Kind, name: str) -> None:
    """By its columns and its name."""
    (found,) = activities(line)

    assert (found.kind, found.name) == (kind, name)


def test_old_versions_put_the_correlation_behind_the_name() -> None:
    """With a column for it, brackets are the name's own."""
    line = '0,1,16,"G (0)","7",,"k() [12]"'

    (old,) = activities(line, head=OLD_HEAD)
    (new,) = activities(f"{line},3")

    assert (old.name, old.correlation) == ("k()", 12)
    assert (new.name, new.correlation) == ("k() [12]", None)


@pytest.mark.parametrize(("text", "found"), [
    ("Tesla K80 (1)", (1, "Tesla K80")), ("", (None, "")), ("GPU", (None, "GPU")),
])  # fmt: skip
def test_a_device_has_an_ordinal(text: str, found: Any) -> None:
    """Behind its name."""
    assert nvprof_rows.device(text) == found


@pytest.mark.parametrize(("text", "found"), [("7", 7), ("mine (8)", 8), ("", None), ("x", None)])
def test_a_stream_has_a_number(text: str, found: int | None) -> None:
    """Alone, or behind the name that the program gave it."""
    assert nvprof_rows.stream(text) == found


def test_faults_are_counted_and_copies_have_bytes() -> None:
    """Both stand in one column, whose unit is that of the copies."""
    fault, faults, copy = activities(
        "ms,us,,,,KB,,",
        '0,,,,,"PC 0x1","[Unified Memory CPU page faults]",',
        '0,1,,"G (0)",,"21","[Unified Memory GPU page faults]",',
        '0,1,,"G (0)",,64.0,"[Unified Memory Memcpy HtoD]",',
    )

    assert (fault.amount, faults.amount) == (Quantity(1), Quantity(21))
    assert copy.attributes["bytes"] == 65_536
    assert (copy.is_own, faults.is_own) == (False, True)


def test_what_is_kept_of_a_trace_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many different kernels, and the first ones again."""
    monkeypatch.setattr(nvprof_rows, "KEPT_CHARACTERS", 10_000)

    found = activities(*(f'0,1,16,"G (0)","7",,"k{number % 40}()",1' for number in range(120)))

    assert set(Counter(one.name for one in found).values()) == {3}


def test_columns_that_are_not_a_trace_s_are_metrics() -> None:
    """Each has one of its own."""
    text = '"Device","Context","Stream","Kernel","ipc","warps"\n,,,,,\n'
    (row,) = nvprof_csv.read(io.BytesIO(text.encode()))

    assert isinstance(row, Row)
    assert Activities(row.table).extra == ["ipc", "warps"]
