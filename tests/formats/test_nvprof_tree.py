"""Profiles of the CPU, line by line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.entries import Kind, Source
from profiling_operator.formats import nvprof_tree
from profiling_operator.formats.nvprof_tree import Node, Tree


@pytest.mark.parametrize(("line", "node"), [
    (" 70.00%     700ms  dot", Node(0, 700_000_000, "ns", "dot")),
    (" 70.00%     700ms  |   main(int, char**)", Node(2, 700_000_000, "ns", "main(int, char**)")),
    ("100.00%        1s    | solve", Node(2, 10**9, "ns", "solve")),
    (" 23.19%  62.5323s  velocity", Node(0, 62_532_300_000, "ns", "velocity")),
    ("99.87% main", Node(0, 99.87, "%", "main")),
    ("| 81.12% matvec(matrix const &)", Node(1, 81.12, "%", "matvec(matrix const &)")),
    ("|   0.03% munmap", Node(2, 0.03, "%", "munmap")),
    (" 5.00%  50ms  f (a b.c:10 0x4)",
     Node(0, 50_000_000, "ns", "f", Source(file="a b.c", line=10))),
    (" 5.00%  50ms  ??? (0x400a49)", Node(0, 50_000_000, "ns", "???")),
    ("Time(%)      Time  Name", None), ("...", None), ("", None), (" 5.00%  50ms", None),
    (" 5.00%  50ms  " + "| " * 300 + "deep", None),
])  # fmt: skip
def test_a_line_is_a_node(line: str, node: Node | None) -> None:
    """With times or shares alone; two characters are a level."""
    assert nvprof_tree.node(line) == node


def fields(mode: str, *nodes: tuple[int, int, str]) -> list[dict[str, Any]]:
    """What a tree gives."""
    tree = Tree(mode, thread=7)
    found = []
    for depth, value, name in nodes:
        taken = tree.take(Node(depth, value, "ns", name))
        assert taken is not None
        found += taken
    return [*found, *tree.end()]


def test_what_lies_below_is_taken_off() -> None:
    """Top down, a function's own time is what those it calls leave, but for what was rounded."""
    found = fields(
        "top down", (0, 1_000_000, "main"), (1, 899_999, "f"), (2, 300_000, "g"), (1, 100_000, "h")
    )

    told = [(one["path"], one["inclusive"], one["exclusive"]) for one in found]
    assert told == [
        (("main", "f", "g"), 300_000, 300_000), (("main", "f"), 899_999, 599_999),
        (("main", "h"), 100_000, 100_000), (("main",), 1_000_000, 0),
    ]  # fmt: skip
    assert {one["thread"] for one in found} == {7}


def test_ways_bottom_up_begin_with_the_caller() -> None:
    """A timer has a function's time; samples tell the ways to it, also those cut short."""
    found = fields(
        "bottom up", (0, 100, "f"), (1, 60, "a"), (2, 60, "main"), (1, 30, "b"), (0, 50, "main")
    )

    samples = {one["path"]: one["exclusive"] for one in found if one["kind"] is Kind.SAMPLE}
    assert samples == {("main", "a", "f"): 60, ("b", "f"): 30, ("f",): 10, ("main",): 50}
    timers = {one["name"]: one["exclusive"] for one in found if one["kind"] is Kind.TIMER}
    assert timers == {"f": 100, "main": 50}


def test_a_line_cannot_be_deeper_than_it_may() -> None:
    """One level below the line before it, at most."""
    assert Tree("top down").take(Node(1, 1, "ns", "f")) is None


@given(
    st.sampled_from(["top down", "bottom up", "flat"]),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10**6)), max_size=30),
)
def test_any_tree_ends(mode: str, lines: list[tuple[int, int]]) -> None:
    """Nothing has less than no time, and no way is longer than the tree is deep."""
    tree = Tree(mode)
    found: list[dict[str, Any]] = []
    for depth, value in lines:
        found += tree.take(Node(depth, value, "ns", "f")) or ()
    found += tree.end()

    assert all(one["exclusive"] >= 0 for one in found)
    assert all(len(one.get("path", ())) <= 6 for one in found)
