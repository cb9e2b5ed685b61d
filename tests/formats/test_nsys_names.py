"""Names and places of Nsight Systems' exports."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import made_up_nsys
from profiling_operator.formats import nsys_names
from profiling_operator.formats.nsys_names import NOWHERE, UNKNOWN, Names, Threads, clean


def names(path: Path, *texts: str) -> Names:
    """The names of an export that has these."""
    made_up_nsys.write(path / "a.sqlite", StringIds=made_up_nsys.strings(*texts))
    return Names(sqlite3.connect(path / "a.sqlite"), is_there=True)


def test_a_name_is_looked_up(tmp_path: Path) -> None:
    """Blanks collapsed, and as it was written in C++."""
    known = names(tmp_path, "cudaMalloc", "a\n  b", "_ZN3foo3barEv")

    assert [known[0], known[1], known[2]] == ["cudaMalloc", "a b", "foo::bar()"]


@pytest.mark.parametrize("number", [99, -1, None, "0", 1.5, b"0"])
def test_what_is_no_name(tmp_path: Path, number: object) -> None:
    """A number that is none's, and what is no number at all."""
    assert names(tmp_path, "only")[number] == UNKNOWN


def test_no_table_of_names() -> None:
    """Trimmed exports may lack it."""
    assert Names(sqlite3.connect(":memory:"), is_there=False)[1] == UNKNOWN


def test_names_are_forgotten_when_they_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by characters, and what was forgotten is looked up again."""
    monkeypatch.setattr(nsys_names, "KEPT_CHARACTERS", 500)
    known = names(tmp_path, *(f"name {number}" for number in range(50)))

    assert [known[number] for number in range(50)] == [f"name {number}" for number in range(50)]
    assert len(known) < 6
    assert known[0] == "name 0"


def test_a_long_name_is_cut() -> None:
    """No name is endless, and none is empty."""
    assert len(clean("x" * 10**6)) == nsys_names.LONGEST_NAME
    assert clean(" \n ") == UNKNOWN


def test_process_and_thread_of_a_global_number() -> None:
    """24 bits each, as NVIDIA's examples compute them."""
    threads = Threads()

    assert threads[302119224788637] == (1230493, 1230493)
    assert threads[302119223558144] == (1230493, 0)
    assert threads[None] == threads["x"] == NOWHERE
