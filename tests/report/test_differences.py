"""What changed between two jobs, and whether that is more than noise."""

from __future__ import annotations

import json
import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiling_operator.report import differences
from profiling_operator.report.differences import Change, Side, Verdict
from profiling_operator.report.results import Measured

BEFORE = (100.0, 101.0, 99.0, 100.5, 99.5)


def measured(measure: str, unit: str, values: tuple[float, ...]) -> Measured:
    """One measure of a job."""
    return Measured(measure=measure, unit=unit, values=values)


def change(before: tuple[float, ...], after: tuple[float, ...], unit: str = "ns") -> Change:
    """What became of one measure."""
    found = differences.changes([measured("m", unit, before)], [measured("m", unit, after)])
    return found[0]


def times(factor: float, values: tuple[float, ...] = BEFORE) -> tuple[float, ...]:
    """All of them, longer."""
    return tuple(one * factor for one in values)


@pytest.mark.parametrize(
    ("factor", "unit", "verdict"),
    [
        (1.3, "ns", Verdict.SLOWER), (0.7, "ns", Verdict.FASTER),
        (1.3, "By", Verdict.MORE), (0.7, "1", Verdict.LESS),
        (1.001, "ns", Verdict.NOISE), (1.0, "By", Verdict.NOISE),
    ],
)  # fmt: skip
def test_a_change_beyond_noise_has_a_direction(factor: float, unit: str, verdict: Verdict) -> None:
    """Times become slower or faster, everything else more or less."""
    assert change(BEFORE, times(factor), unit).verdict is verdict


def test_a_change_is_told_in_numbers() -> None:
    """With medians, intervals and the band, for people and for programs."""
    found = change(BEFORE, times(1.3))

    assert found.difference == pytest.approx(30)
    assert found.relative == pytest.approx(0.3)
    assert found.told == "+30.0\xa0%"
    assert found.before is not None and found.before.told.startswith("100\xa0ns ±")
    assert found.band is not None and found.band[0] < 100 < found.band[1] < 130
    told = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert (told["measure"], told["verdict"], told["sure"]) == ("m", "slower", True)
    assert told["before"]["values"] == list(BEFORE)


def test_noise_hides_what_it_is_larger_than() -> None:
    """The same difference of the medians, among wilder repetitions."""
    wild = (60.0, 140.0, 100.0, 75.0, 125.0)

    assert change(wild, times(1.2, wild)).verdict is Verdict.NOISE


def test_one_repetition_tells_nothing() -> None:
    """And why is said."""
    found = change((100.0,), (200.0,))

    assert (found.verdict, found.told) == (Verdict.UNTOLD, "+100.0\xa0%")
    assert found.why == "1\xa0repetition and 1\xa0repetition: each job needs 2 at least"
    assert not found.is_slower_by(0.05)
    assert found.may_be_slower_by(0.05) and not found.may_be_slower_by(2)


def test_an_interval_that_is_all_over_the_place_is_said_so() -> None:
    """A percentage of thousands tells no more."""
    assert Side("ns", (1.0, 1.0, 500.0, 900.0, 1.0)).told == "1\xa0ns ±>100\xa0%"


def test_other_units_are_not_subtracted() -> None:
    """It is said which they are."""
    left, right = measured("m", "ns", BEFORE), measured("m", "By", BEFORE)
    found = differences.changes([left], [right])[0]

    assert (found.verdict, found.why, found.told) == (Verdict.UNITS, "ns is not By", "–")


def test_what_only_one_measured_is_named() -> None:
    """With what it was there."""
    found = differences.changes([measured("old", "ns", BEFORE)], [measured("new", "ns", BEFORE)])

    assert {one.measure: one.verdict for one in found} == {
        "old": Verdict.GONE, "new": Verdict.NEW,
    }  # fmt: skip
    assert [one.difference for one in found] == [None, None]


def test_nothing_before_has_no_percentage() -> None:
    """The difference itself is told."""
    found = change((0.0, 0.0, 0.0), (5.0, 5.0, 5.0))

    assert (found.told, found.verdict) == ("+5\xa0ns", Verdict.SLOWER)
    assert found.is_slower_by(1000)
    assert Side("ns", (0.0, 0.0)).told == "0\xa0ns"


def test_times_come_first_by_what_they_changed() -> None:
    """Then other units by their share, then what is the same."""
    before = [
        measured("same", "ns", BEFORE), measured("memory", "By", BEFORE),
        measured("little", "ns", BEFORE), measured("much", "ns", times(10)),
        measured("gone", "ns", times(2)),
    ]  # fmt: skip
    after = [
        measured("same", "ns", BEFORE), measured("memory", "By", times(9)),
        measured("little", "ns", times(1.5)), measured("much", "ns", times(13)),
    ]  # fmt: skip

    found = [one.measure for one in differences.changes(before, after)]

    assert found == ["much", "gone", "little", "memory", "same"]


def test_what_is_no_number_was_not_measured() -> None:
    """Nor was what sums cannot hold."""
    for bad in (math.nan, math.inf, 1e305):
        assert change(BEFORE, (1.0, bad)).verdict is Verdict.GONE
    assert differences.changes([measured("m", "ns", ())], []) == []


def test_of_measures_without_a_change_hardly_any_is_surely_slower() -> None:
    """Twenty comparisons of a hundred measures each."""
    random, surely, seeming = Random(11), 0, 0
    for _ in range(20):
        jobs = [
            [measured(f"m{at}", "ns", tuple(random.gauss(100, 5) for _ in range(5)))
             for at in range(100)]
            for _ in range(2)
        ]  # fmt: skip
        found = differences.changes(*jobs)
        surely += any(one.is_slower_by(0) for one in found)
        seeming += sum(one.verdict is Verdict.SLOWER for one in found)

    assert surely <= 1
    assert seeming <= 40


def test_a_real_change_among_many_is_found() -> None:
    """A fifth more, with noise of a hundredth."""
    random = Random(3)
    jobs = [
        [measured(f"m{at}", "ns", tuple(random.gauss(100 * (1 + 0.2 * job * (at == 7)), 1)
                                        for _ in range(5))) for at in range(100)]
        for job in range(2)
    ]  # fmt: skip

    assert [one.measure for one in differences.changes(*jobs) if one.is_slower_by(0.05)] == ["m7"]


values = st.lists(st.floats(allow_nan=True), max_size=6).map(tuple)
measures = st.lists(
    st.builds(measured, st.sampled_from("abc"), st.sampled_from(["ns", "By"]), values), max_size=4
)


@settings(deadline=None, max_examples=50)
@given(measures, measures)
def test_nothing_that_files_say_upsets_it(before: list[Measured], after: list[Measured]) -> None:
    """Whatever the numbers are, all of it can be told."""
    for one in differences.changes(before, after):
        json.dumps(one.as_json(), allow_nan=False)
        assert one.told and one.verdict in set(Verdict)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(1, 1e6), min_size=2, max_size=6).map(tuple), st.randoms())
def test_the_same_job_has_not_changed(found: tuple[float, ...], random: Random) -> None:
    """In whatever order its repetitions are."""
    shuffled = list(found)
    random.shuffle(shuffled)

    assert change(found, tuple(shuffled)).verdict is Verdict.NOISE
