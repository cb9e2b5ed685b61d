"""The flame graph of two profiles."""

from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_up_results import HOSTILE, Page
from profiling_operator.report import differential, words
from profiling_operator.report.differential import Profile, Scale

TOLD = partial(words.amount, unit="ns")
Stacks = dict[tuple[str, ...], float]


def drawn(
    before: Stacks, after: Stacks, scale: Scale = Scale.RUN, runs: tuple[int, int] = (1, 1)
) -> differential.Differential:
    """What two profiles give."""
    left, right = Profile(before, runs[0], TOLD), Profile(after, runs[1], TOLD)
    found = differential.draw(left, right, scale)
    if found.picture.svg:
        Page(found.picture.svg).check_policy()
    return found


def tooltips(found: differential.Differential) -> dict[str, tuple[str, str]]:
    """Class and words of each box, by name."""
    boxes = re.findall(r'<svg class="(\w+)" [^>]*><title>(.*?): (.*?)</title>', found.picture.svg)
    return {name: (style, said.replace("\xa0", " ")) for style, name, said in boxes}


BEFORE: Stacks = {("main", "hot"): 60e6, ("main", "cold"): 40e6, ("main", "gone"): 10e6}
AFTER: Stacks = {("main", "hot"): 90e6, ("main", "cold"): 39.9e6, ("main", "new"): 1.5e6}


def test_each_box_tells_what_became_of_it() -> None:
    """By colour, by sign, and in words."""
    found = drawn(BEFORE, AFTER)

    assert tooltips(found) == {
        "all": ("up4", "110 ms before, 131 ms after, +21.4 ms (+19.5 %)"),
        "main": ("up4", "110 ms before, 131 ms after, +21.4 ms (+19.5 %)"),
        "hot": ("up4", "60 ms before, 90 ms after, +30 ms (+50.0 %)"),
        "cold": ("same", "40 ms before, 39.9 ms after, −100 µs (−0.2 %)"),
        "gone": ("down3", "10 ms before, 0 ns after, gone"),
        "new": ("up2", "0 ns before, 1.5 ms after, new"),
    }
    for label in ("+ hot 30\xa0ms", "− gone<", ">cold<"):
        assert label in found.picture.svg


def test_frames_are_told_in_words_too() -> None:
    """Those whose own time changed most come first, wherever they were called from."""
    shifts = drawn({**BEFORE, ("hot",): 1e6}, AFTER).shifts

    assert [(one.name, one.difference) for one in shifts] == [
        ("hot", 29e6), ("gone", -10e6), ("new", 1.5e6), ("cold", pytest.approx(-0.1e6)),
    ]  # fmt: skip


def test_times_are_those_of_one_run() -> None:
    """Twice as many runs of the same are no change."""
    double = {stack: 2 * weight for stack, weight in BEFORE.items()}

    assert {style for style, _ in tooltips(drawn(BEFORE, double, runs=(3, 6))).values()} == {"same"}
    assert drawn(BEFORE, double, runs=(3, 6)).shifts == ()


def test_shares_are_those_of_the_own_total() -> None:
    """A program that does twice as much of everything has not changed its shape."""
    double = {stack: 2 * weight for stack, weight in BEFORE.items()}
    found = drawn(BEFORE, double, Scale.TOTAL)

    assert found.totals == (pytest.approx(1), pytest.approx(1))
    assert tooltips(found)["hot"] == ("same", "54.5 % before, 54.5 % after, no change")


def test_one_profile_alone_is_all_new_or_gone() -> None:
    """And two empty ones have no picture."""
    assert tooltips(drawn({}, AFTER))["hot"][1].endswith("new")
    assert tooltips(drawn(BEFORE, {}, Scale.TOTAL))["hot"][1].endswith("gone")
    assert drawn({}, {}).picture.svg == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_others_do_nothing(name: str) -> None:
    """As in any flame graph."""
    assert len(drawn({(name,): 1e6}, {(name, name): 2e6}).picture.svg) < 6000


stacks = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple), st.floats(0, 1e15)
)


@given(stacks, stacks, st.sampled_from(Scale))
def test_totals_are_those_of_the_profiles(before: Stacks, after: Stacks, scale: Scale) -> None:
    """Whatever is drawn of them."""
    totals = drawn(before, after, scale).totals

    for total, one in zip(totals, (before, after), strict=True):
        whole = sum(one.values())
        wanted = whole if scale is Scale.RUN else float(whole > 0)
        assert total == pytest.approx(wanted)
