"""Folded stacks, as a result folder keeps them and as anyone may have written them."""

from __future__ import annotations

from pathlib import Path

import pytest

from made_up_entries import entry
from profiling_operator.exports import Stacks
from profiling_operator.report import folded


def read(path: Path, text: str | bytes) -> dict[tuple[str, ...], float]:
    """The stacks of a file with this content."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folded.read(path)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """By this package: the same stacks, the same weights."""
    stacks = Stacks()
    stacks.add(entry("hot", path=("main", "hot"), exclusive=5.0))
    stacks.add(entry("cold", path=("main", "cold"), exclusive=7.0))
    stacks.write_folded(tmp_path / folded.FILE)

    found = folded.read(tmp_path / folded.FILE)

    assert found == {("main", "hot"): 5.0, ("main", "cold"): 7.0}


def test_no_file_has_no_stacks(tmp_path: Path) -> None:
    """Results of a collector without stacks have none."""
    assert folded.read(tmp_path / folded.FILE) == {}


def test_equal_stacks_are_added_up(tmp_path: Path) -> None:
    """And names may hold blanks."""
    found = read(tmp_path / "f", "a b;c d 1\na b;c d 2.5\n")

    assert found == {("a b", "c d"): 3.5}


@pytest.mark.parametrize(
    "line",
    ["", "no weight", "a;b x", " 5", "a -1", "a 0", "a nan", "a inf", "a;b 1e999", "5"],
)
def test_what_is_no_folded_line_is_passed_over(tmp_path: Path, line: str) -> None:
    """Whoever wrote it."""
    assert read(tmp_path / "f", f"{line}\nmain 2\n") == {("main",): 2.0}


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    """Nor does a last line that was cut."""
    assert read(tmp_path / "f", b"\xff\xfe;b 3\ncut 1") == {("��", "b"): 3.0}


def test_past_the_limits_weight_is_that_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that totals stay what they are; stacks that are known go on."""
    monkeypatch.setattr(folded, "LINES_LIMIT", 2)
    found = read(tmp_path / "f", "a 1\nb 1\nc 1\nd 1\na 1\n")

    assert found == {("a",): 2.0, ("b",): 1.0, folded.OTHERS: 2.0}
    monkeypatch.setattr(folded, "FRAMES_LIMIT", 3)
    assert read(tmp_path / "f", "a;b;c 1\nd 1\n") == {("a", "b", "c"): 1.0, folded.OTHERS: 1.0}


def test_a_line_without_end_is_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never in memory as a whole, and what comes after it is read."""
    monkeypatch.setattr(folded, "LINE_LIMIT", 64)
    found = read(tmp_path / "f", f"{'x' * 1000} 5\nmain 2\n")

    assert found[("main",)] == 2.0
    assert sum(found.values()) <= 7.0


def test_frames_past_the_depth_count_for_the_last(tmp_path: Path) -> None:
    """Ten thousand frames of a recursion are one stack of as many as are read."""
    found = read(tmp_path / "f", f"{';'.join(['f'] * 10_000)} 5\n")

    assert found == {("f",) * folded.DEPTH_LIMIT: 5.0}
