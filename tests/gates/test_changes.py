"""Limits against a baseline."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gating import FEW, HERE, accepted, gate, snapshot
from profiling_operator import gates
from profiling_operator.baselines import Accepted, Snapshot
from profiling_operator.gates import Judged
from profiling_operator.machines import Machine
from profiling_operator.spec.job import Gate, Statistic
from profiling_operator.summary import Measured

UP = {"baseline": "main", "maxIncrease": "5%"}
DOWN = {"baseline": "main", "maxDecrease": "5%"}
QUIET = (0.99, 1.0, 1.01, 1.0, 1.0)
NOISY = (0.8, 1.0, 1.2, 0.9, 1.15)


def jobs(repetitions: Sequence[float] = QUIET, count: int = 10, level: float = 1e9) -> Snapshot:
    """A baseline of jobs that are all the same."""
    return snapshot(*(accepted([level * one for one in repetitions]) for _ in range(count)))


def judged(values: Sequence[float], known: Snapshot | None, **more: Any) -> Judged:
    """The verdict on `x`."""
    wanted = gate("x", **{**(more.pop("gate", UP)), **more})
    given_ones = [] if known is None else [known]
    (found,) = gates.evaluate([wanted], [Measured("x", "ns", tuple(values))], given_ones, HERE)
    return found


def times(factor: float, repetitions: Sequence[float] = QUIET) -> list[float]:
    """The repetitions of a job at some share of a second."""
    return [1e9 * factor * one for one in repetitions]


@pytest.mark.parametrize(("factor", "given_gate", "word", "said"), [
    (1.2, UP, "Failed", "x median 1.2 s is 20 % above baseline main, 1 s of 10 jobs"),
    (1.04, UP, "Passed", "x median 1.04 s is 4 % above baseline main, 1 s of 10 jobs"),
    (0.8, UP, "Passed", "x median 800 ms is 20 % below baseline main, 1 s of 10 jobs"),
    (1.0, UP, "Passed", "x median 1 s is the same as baseline main, 1 s of 10 jobs"),
    (0.8, DOWN, "Failed", "x median 800 ms is 20 % below baseline main, 1 s of 10 jobs"),
    (1.2, DOWN, "Passed", "x median 1.2 s is 20 % above baseline main, 1 s of 10 jobs"),
    (0.8, {**UP, **DOWN}, "Failed", "x median 800 ms is 20 % below"),
    (1.2, {**UP, **DOWN}, "Failed", "x median 1.2 s is 20 % above"),
], ids=str)  # fmt: skip
def test_a_change_beyond_limit_and_noise_fails(
    factor: float, given_gate: dict[str, Any], word: str, said: str
) -> None:
    """In the direction that the gate is about; how much better it became is told, too."""
    found = judged(times(factor), jobs(), gate=given_gate)

    assert found.status.verdict == word
    assert found.status.message.startswith(said)
    assert (found.status.value, found.status.baseline) == (1e9 * factor, 1e9)


def test_numbers_behind_the_verdict() -> None:
    """Limit, band and count, in the measure's unit."""
    found = judged(times(1.2), jobs())

    assert found.status.limit == 1.05e9
    assert judged(times(0.8), jobs(), gate=DOWN).status.limit == 0.95e9
    assert found.compared == 10
    assert found.band is not None
    assert 0.97e9 < found.band[0] < 1e9 < found.band[1] < 1.03e9
    assert found.interval == (1.188e9, 1.212e9)
    assert "(maxIncrease 5%; noise 1.1 %)" in found.status.message


def test_a_change_within_the_noise_passes_and_says_so() -> None:
    """More than the limit is no proof where repetitions differ by more."""
    found = judged(times(1.1, NOISY), jobs(NOISY))

    assert found.status.verdict == "Passed"
    assert "within the noise; more repetitions would tell" in found.status.message


def test_what_never_varies_is_compared_exactly() -> None:
    """As counts of instructions: 5 % may be reached, and one more fails."""
    known = snapshot(*(accepted([100.0] * 4) for _ in range(5)))

    assert judged([105.0] * 4, known).status.verdict == "Passed"
    assert judged([106.0] * 4, known).status.verdict == "Failed"


@pytest.mark.parametrize(("known", "why"), [
    (None, "baseline main was not looked up"),
    (snapshot(problem="the store does not answer"),
     "baseline main is not known: the store does not answer"),
    (snapshot(),
     "baseline main has no accepted job yet; to accept one: profjob baseline accept"),
    (snapshot(others="3 jobs with another command"),
     "baseline main has no job that this one can be compared with; "
     "left out: 3 jobs with another command"),
    (jobs(count=4), "baseline main has 4 jobs to compare with, 5 are needed"),
    (jobs((1.0, 1.0), count=8), "baseline main has 16 repetitions in 8 jobs, 20 are needed"),
    (jobs(level=0), "baseline main is 0, and there is no percentage of it: use max or min"),
], ids=["none", "problem", "empty", "others", "jobs", "repetitions", "zero"])  # fmt: skip
def test_without_enough_to_compare_it_is_skipped(known: Snapshot | None, why: str) -> None:
    """With the reason: what is there, and what is needed."""
    found = judged(times(2), known)

    assert (found.status.verdict, found.status.message) == ("Skipped", f"x: {why}")


def test_nothing_is_compared_across_devices_in_silence() -> None:
    """Those left out are named behind the verdict."""
    other = Machine(gpus=("NVIDIA A100",), driver="570.1")
    both = [*(accepted(times(1)) for _ in range(5)), accepted(times(9), machine=other)]

    found = judged(times(1), snapshot(*both))

    assert (found.status.verdict, found.compared) == ("Passed", 5)
    assert "left out: 1 job on NVIDIA A100 (this is NVIDIA H100)" in found.status.message


def test_an_unknown_device_is_told() -> None:
    """It is compared with unknown ones."""
    nowhere = Machine()
    known = snapshot(*(accepted(times(1), machine=nowhere) for _ in range(5)))

    (found,) = gates.evaluate(
        [gate("x", **UP)], [Measured("x", "ns", tuple(times(1)))], [known], nowhere
    )

    assert "the device is unknown, here and there" in found.status.message
    assert found.status.verdict == "Passed"


def test_limits_and_baseline_are_both_judged() -> None:
    """The worst counts, and both are told, the worst first."""
    failed = judged(times(1.2), jobs(), max="10s")
    missed = judged(times(1.0), jobs(), max="500ms")
    new = judged(times(1.0), snapshot(), max="10s")

    assert failed.status.verdict == "Failed"
    assert failed.status.limit == 1.05e9
    assert "; median 1.2 s ≤ max 10 s; 95 %" in failed.status.message
    assert (missed.status.verdict, missed.status.limit) == ("Failed", 5e8)
    assert missed.status.message.startswith("x median 1 s > max 500 ms; median 1 s is the same")
    assert (new.status.verdict, new.status.limit) == ("Skipped", 1e10)
    assert new.status.message.startswith("x: baseline main has no accepted job yet; ")
    assert "median 1 s ≤ max 10 s" in new.status.message


def test_zero_stays_zero() -> None:
    """Nothing is measured there and here: nothing changed."""
    known = jobs(level=0)

    assert judged([0.0, 0.0], known).status.verdict == "Passed"


def test_negative_numbers_have_sides_too() -> None:
    """Above is nearer to zero."""
    known = jobs(level=-1e9)

    assert judged(times(-0.8), known).status.verdict == "Failed"
    assert judged(times(-1.2), known).status.verdict == "Passed"


LEVELS = st.floats(0.5, 2)
REPEATED = st.lists(LEVELS, min_size=4, max_size=6)
WINDOWS = st.lists(REPEATED, min_size=5, max_size=7)


def known_of(window: list[list[float]], factor: float = 1) -> Snapshot:
    """A baseline of these jobs."""
    return snapshot(*(accepted([factor * value for value in one]) for one in window))


@FEW
@given(WINDOWS, REPEATED, st.integers(0, 50), st.integers(0, 50))
def test_a_wider_limit_is_never_stricter(
    window: list[list[float]], new: list[float], limit: int, more: int
) -> None:
    """Whoever passes 5 % passes 6 %."""
    strict = judged(new, known_of(window), maxIncrease=f"{limit}%")
    wide = judged(new, known_of(window), maxIncrease=f"{limit + more}%")

    assert strict.status.verdict == "Failed" or wide.status.verdict == "Passed"


@pytest.mark.parametrize("statistic", Statistic)
@FEW
@given(window=WINDOWS, new=REPEATED, power=st.integers(-300, 300))
def test_the_unit_does_not_matter(
    statistic: Statistic, window: list[list[float]], new: list[float], power: int
) -> None:
    """Times a power of two, which rounds nothing, the verdict is the same."""
    factor = 2.0**power
    plain = judged(new, known_of(window), statistic=statistic)
    scaled = judged([factor * one for one in new], known_of(window, factor), statistic=statistic)

    assert scaled.status.verdict == plain.status.verdict
    assert scaled.band == tuple(factor * end for end in plain.band or ())


@FEW
@given(WINDOWS, REPEATED, st.randoms(use_true_random=False))
def test_order_does_not_matter(window: list[list[float]], new: list[float], random: Random) -> None:
    """Of jobs, and of repetitions; and a second look says the same."""
    shuffled = [random.sample(one, len(one)) for one in random.sample(window, len(window))]

    one = judged(new, known_of(window))
    other = judged(random.sample(new, len(new)), known_of(shuffled))

    assert one.status == other.status


ANY = st.floats() | st.integers(-(10**300), 10**300)
MACHINES = st.sampled_from([HERE, Machine(), Machine(cpu="AMD")])
HOSTILE_JOBS = st.builds(
    lambda values, unit, measure, machine: accepted(
        values, unit=unit, measure=measure, machine=machine
    ),
    st.lists(ANY, max_size=6), st.sampled_from(["ns", "", "\x00"]),
    st.sampled_from(["x", "y"]), MACHINES,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(HOSTILE_JOBS, max_size=12), st.lists(ANY, min_size=1, max_size=6), MACHINES,
    st.sampled_from(Statistic), st.text(max_size=20),
)  # fmt: skip
def test_hostile_snapshots_raise_nothing(
    given_jobs: list[Accepted], values: list[float], machine: Machine, statistic: Statistic,
    others: str,
) -> None:  # fmt: skip
    """A document of a store may hold anything; the verdict is of bounded size."""
    wanted = [
        Gate(measure="x", baseline="main", max_increase="5%", statistic=statistic),
        Gate(measure="x", baseline="main", max_decrease="5%", statistic=statistic, max=1),
    ]
    known = snapshot(*given_jobs, others=others)

    found = gates.evaluate(wanted, [Measured("x", "ns", tuple(values))], [known], machine)

    assert len(found) == 2
    for one in found:
        assert len(one.status.message.encode()) <= 1024
        for pair in (one.interval, one.band):
            assert pair is None or all(map(math.isfinite, pair))


def test_the_most_verdicts_of_a_job_are_quick() -> None:
    """32 gates with 20 verdicts each, by 20 jobs of 20 repetitions: seconds of one core."""
    random = Random(1)
    window = [[random.gauss(1, 0.05) for _ in range(20)] for _ in range(20)]
    measures = [Measured(f"x{n}", "ns", tuple(window[n])) for n in range(20)]
    known = snapshot(*(
        Accepted(
            job="j", uid="u", machine=HERE,
            measures={name: accepted(one).measures["x"] for name in (m.measure for m in measures)},
        )
        for one in window
    ))  # fmt: skip
    began = time.process_time()

    found = gates.evaluate([gate("x*", **UP)] * 32, measures, [known], HERE)

    assert len(found) == 640
    assert time.process_time() - began < 60
