"""Where the boxes of a flame graph are."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.report import boxes
from profiling_operator.report.boxes import Box, Layout, Sorted

names = st.sampled_from("abcde")
weights = st.floats(0, 1e12, allow_nan=False)
one_sided = st.dictionaries(
    st.lists(names, min_size=1, max_size=6).map(tuple), weights, max_size=40
)
EXACT = 1e-9


def one(stacks: dict[tuple[str, ...], float], **limits: int) -> Layout:
    """The layout of stacks of one profile."""
    return boxes.lay_out(Sorted({stack: (weight,) for stack, weight in stacks.items()}), **limits)


def found(layout: Layout) -> list[tuple[str, int, float, float]]:
    """Name, row, left and width of each box."""
    return [(box.name, box.row, round(box.left, 6), round(box.width, 6)) for box in layout.boxes]


def test_children_lie_below_their_caller_the_widest_first() -> None:
    """And a frame is as wide as what it called and its own time together."""
    layout = one({("main",): 1, ("main", "cold"): 2, ("main", "hot"): 5, ("other",): 2})

    assert found(layout) == [
        ("all", 0, 0, 1),
        ("main", 1, 0, 0.8), ("other", 1, 0.8, 0.2),
        ("hot", 2, 0, 0.5), ("cold", 2, 0.5, 0.2),
    ]  # fmt: skip
    assert (layout.rows, layout.frames, layout.drawn, layout.is_cut) == (3, 4, 4, False)
    assert [box.of_parent for box in layout.boxes if box.name == "hot"] == [pytest.approx(0.625)]


def test_nothing_has_no_boxes() -> None:
    """Nor has what weighs nothing."""
    assert one({}).boxes == one({("a",): 0.0}).boxes == ()


def test_what_is_too_narrow_stands_together() -> None:
    """Right of its siblings, if it is wide enough then; one alone keeps its name."""
    narrow = {("main", f"f{number}"): 1.0 for number in range(10)}
    layout = one({("main", "hot"): 99_990.0, **narrow})

    assert [box.name for box in layout.boxes] == ["all", "main", "hot"]
    many = {("main", f"f{number}"): 1.0 for number in range(100)}
    merged = one({("main", "hot"): 9_900.0, **many}).boxes[-1]
    assert (merged.name, merged.merged, round(merged.width, 4)) == ("100 more", 100, 0.01)
    alone = one({("main", "hot"): 9.0, ("main", "f"): 1.0}, most=2).boxes[-1]
    assert (alone.name, alone.merged) == ("f", 1)


def test_the_heaviest_are_drawn_where_there_are_too_many() -> None:
    """Whatever row they are in."""
    stacks = {(f"f{number:03}", "g"): float(number + 1) for number in range(100)}
    layout = one(stacks, most=10)

    assert layout.drawn == 10
    assert {box.name for box in layout.boxes if not box.merged} == {
        "all", "g", "f099", "f098", "f097", "f096", "f095",
    }  # fmt: skip
    assert layout.frames == 200


def test_a_thin_tower_makes_no_tall_picture() -> None:
    """Deep rows are drawn where there is much in them."""
    deep = ("f",) * 60
    thin = one({("main",): 96.0, deep: 4.0})
    broad = one({("main",): 50.0, deep: 50.0})

    assert thin.rows == 1 + boxes.ROWS_ALWAYS and thin.is_cut
    assert broad.rows == 61 and not broad.is_cut


def test_a_recursion_of_ten_thousand_frames_is_cut() -> None:
    """Without one of our own."""
    layout = one({("f",) * 10_000: 1.0})

    assert layout.rows == 1 + boxes.ROWS
    assert layout.is_cut and layout.frames == 10_000


def test_a_box_is_as_wide_as_both_sides_of_a_comparison() -> None:
    """What is new and what is gone are both there."""
    stacks = {("main", "gone"): (2.0, 0.0), ("main", "new"): (0.0, 1.0), ("main",): (1.0, 4.0)}
    layout = boxes.lay_out(Sorted(stacks, 2))

    assert found(layout)[2:] == [("gone", 2, 0, 0.25), ("new", 2, 0.25, 0.125)]
    assert layout.totals == (3.0, 5.0)


@given(one_sided, st.integers(0, 50), st.integers(1, 6))
def test_boxes_never_overlap_and_stay_within_their_callers(
    stacks: dict[tuple[str, ...], float], most: int, rows: int
) -> None:
    """Whatever is drawn, and all weight is there."""
    layout = one(stacks, most=most, rows=rows)
    by_row: dict[int, list[Box]] = {}
    for box in layout.boxes:
        by_row.setdefault(box.row, []).append(box)

    assert layout.drawn <= most
    for row, some in by_row.items():
        ordered = sorted(some, key=lambda box: (box.left, box.width))
        for left, right in pairwise(ordered):
            assert left.left + left.width <= right.left + EXACT
        for box in some if row else ():
            assert any(
                above.left <= box.left + EXACT
                and box.left + box.width <= above.left + above.width + EXACT
                for above in by_row[row - 1]
            )
    if layout.boxes:
        assert sum(layout.totals) == pytest.approx(sum(stacks.values()))


@given(one_sided)
def test_without_limits_each_box_weighs_what_its_stacks_do(
    stacks: dict[tuple[str, ...], float],
) -> None:
    """Compared with adding up by hand."""
    total = sum(stacks.values())
    least = boxes.NARROWEST * total
    wanted: dict[int, float] = {}
    for stack, weight in stacks.items():
        for row in range(1, len(stack) + 1):
            wanted[row] = wanted.get(row, 0.0) + weight
    drawn: dict[int, float] = {}
    for box in one(stacks).boxes[1:]:
        drawn[box.row] = drawn.get(box.row, 0.0) + sum(box.sides)

    for row, weight in drawn.items():
        assert weight <= wanted[row] * (1 + EXACT) + EXACT * total
        assert weight >= wanted[row] - least * len(stacks) * row - EXACT * total


def test_fifty_thousand_stacks_cost_what_is_drawn() -> None:
    """They are sorted once, and only boxes that are drawn are looked into."""
    stacks = {
        tuple(f"function {number * 7919 % 10**size}" for size in range(1, 20)): 1.0 + number
        for number in range(50_000)
    }
    begun = time.process_time()
    layout = one(stacks)

    assert 0 < layout.drawn <= boxes.MOST < layout.frames
    assert time.process_time() - begun < 30  # it takes half a second
