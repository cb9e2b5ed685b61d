"""Work shared among processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from profiling_operator import parallel

DIES = "__import__('os')._exit(3)"


@pytest.mark.parametrize(
    ("limit", "count"),
    [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 4), ("nonsense", 4), (None, 4)],
    ids=["one and a half", "half", "none", "nonsense", "no cgroup"],
)
def test_processors_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, count: int
) -> None:
    """A container may be allowed less than the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    if limit is not None:
        (tmp_path / "cpu.max").write_text(limit)

    assert parallel.available(tmp_path / "cpu.max") == count


def test_at_least_one_processor_and_not_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process has memory of its own."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(500)))

    assert 1 <= parallel.available() <= parallel.MOST_PROCESSES


def test_results_come_in_order() -> None:
    """However long each takes."""
    assert list(parallel.in_order(eval, [f"{n} + 1" for n in range(7)], 3)) == list(range(1, 8))


def test_a_process_that_dies_takes_no_other_part_with_it() -> None:
    """The parts after it are done all the same, and it is told which one it was."""
    assert list(parallel.in_order(eval, ["1", DIES, "3", DIES, "5"], 2)) == [1, None, 3, None, 5]


def test_what_is_raised_there_is_raised_here() -> None:
    """An error is no death."""
    with pytest.raises(ZeroDivisionError):
        list(parallel.in_order(eval, ["1", "1 / 0"], 2))


def test_who_stops_asking_ends_the_processes() -> None:
    """Nothing goes on in the background."""
    results = parallel.in_order(eval, [str(n) for n in range(50)], 2)

    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]

    assert list(results) == []
