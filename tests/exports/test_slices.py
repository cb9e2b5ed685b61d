"""Samples as slices."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies

from made_up_entries import SETTINGS
from profiling_operator.exports import slices
from profiling_operator.exports.slices import Sample, Slice

samples = strategies.lists(
    strategies.builds(
        Sample,
        strategies.integers(0, 500),
        strategies.lists(strategies.sampled_from("abc"), max_size=4).map(tuple),
    ),
    max_size=30,
).map(sorted)


def sliced(*given_samples: tuple[int, str]) -> set[Slice]:
    """Slices of stacks whose frames are letters."""
    return set(slices.of_thread([Sample(time, tuple(stack)) for time, stack in given_samples]))


def test_neighbours_share_what_they_have_in_common() -> None:
    """A frame lasts as long as it is on the stack; the last sample lasts as long as usual."""
    assert sliced((0, "ab"), (10, "abc"), (20, "ad"), (30, "ad")) == {
        Slice(0, 40, "a", 4),
        Slice(0, 20, "b", 2),
        Slice(10, 20, "c", 1),
        Slice(20, 40, "d", 2),
    }


def test_a_thread_that_did_not_run_has_a_gap() -> None:
    """Before a long pause a sample lasts as long as usual."""
    assert sliced((0, "a"), (10, "a"), (20, "a"), (500, "a")) == {
        Slice(0, 30, "a", 3),
        Slice(500, 510, "a", 1),
    }


def test_one_sample_is_a_moment() -> None:
    """Nobody knows how long it lasted."""
    assert sliced((7, "ab")) == {Slice(7, 7, "a", 1), Slice(7, 7, "b", 1)}


def test_a_name_that_comes_again_deeper_is_another_slice() -> None:
    """Recursion, and the same name on another level."""
    assert sliced((0, "aa"), (10, "a")) == {Slice(0, 20, "a", 2), Slice(0, 10, "a", 1)}


def test_stacks_are_cut_off_where_they_are_deep() -> None:
    """The outermost frames are there."""
    found = list(slices.of_thread([Sample(0, tuple(map(str, range(500))))]))

    assert [one.name for one in found] == [str(number) for number in range(slices.DEPTH_LIMIT)]


def test_outer_slices_come_before_inner_ones() -> None:
    """Where both begin and end together, order is all that tells them apart."""
    found = list(slices.of_thread([Sample(0, ("a", "b")), Sample(10, ("a", "b"))]))

    assert [one.name for one in found] == ["a", "b"]


@SETTINGS
@given(samples)
def test_each_frame_of_each_sample_is_in_one_slice(given_samples: list[Sample]) -> None:
    """And none lasts beyond the last sample and its usual distance."""
    found = list(slices.of_thread(given_samples))

    assert sum(one.samples for one in found) == sum(len(one.stack) for one in given_samples)
    assert all(one.start <= one.end for one in found)
    if given_samples:
        last = given_samples[-1].time + slices.usual_distance(given_samples)
        assert all(one.end <= last for one in found)


@SETTINGS
@given(samples)
def test_the_usual_distance_is_one_that_occurs(given_samples: list[Sample]) -> None:
    """Between the smallest and the largest; 0 without two moments."""
    distances = [two.time - one.time for one, two in pairwise(given_samples) if two.time > one.time]

    usual = slices.usual_distance(given_samples)

    assert min(distances, default=0) <= usual <= max(distances, default=0)
