"""The verdicts on gates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gating import HOT, MEASURES, SOME_WORDS, evaluate, gate, skip, verdict
from profiling_operator import gates
from profiling_operator.spec.job import Gate, Statistic
from profiling_operator.summary import Measured


@pytest.mark.parametrize(
    ("statistic", "value"), [("median", 3e9), ("min", 2e9), ("mean", 3e9), ("p95", 4e9)]
)
def test_repetitions_become_one_number(statistic: str, value: float) -> None:
    """By the gate's statistic."""
    found = verdict("app/duration", max="10s", statistic=statistic)

    assert found.value == value
    assert f" {statistic} " in found.message


def test_a_pattern_has_a_verdict_for_each_measure() -> None:
    """In the order of the summary, whether they were met or not."""
    found = evaluate([gate("timer:*/inclusive", max="1s")], MEASURES)

    assert [(one.measure, one.verdict) for one in found] == [
        (HOT, "Failed"), ("timer:cold/inclusive", "Passed"),
    ]  # fmt: skip


def test_a_name_is_no_pattern_where_it_is_a_measure() -> None:
    """Functions have `*` and `[` in their names."""
    name = "timer:int main(int, char **) [{a.c} {1,1}]/inclusive"
    measures = [Measured(name, "ns", (1.0,)), Measured(name.replace("**", "*x*"), "ns", (1.0,))]

    (found,) = evaluate([gate(name, max=1)], measures)

    assert (found.measure, found.verdict) == (name, "Passed")


def test_the_worst_of_many_are_listed() -> None:
    """No verdict is lost: the last one stands for the rest."""
    measures = [Measured(f"timer:f{n}/inclusive", "ns", (float(n),)) for n in range(100)]

    few = evaluate([gate("timer:*", max=89)], measures)
    many = evaluate([gate("timer:*", max=59)], measures)

    assert len(few) == len(many) == gates.VERDICTS_LIMIT
    assert [one.verdict for one in few] == ["Failed"] * 10 + ["Passed"] * 10
    assert few[-1].message == "timer:*: 81 more measures: 81 passed"
    assert {one.verdict for one in many} == {"Failed"}
    assert many[-1].message == "timer:*: 81 more measures: 21 failed, 60 passed"


@pytest.mark.parametrize(("wanted", "hint"), [
    ("timer:hto/inclusive", "near names: timer:hot/inclusive, timer:cold/inclusive, timer:hot"),
    ("hot", "near names: timer:hot/exclusive, timer:hot/inclusive"),
    ("App/Duration", "near names: app/duration"),
    ("kernel:*/duration", "near names: "),
    ("xyz", "summary.json lists those that there are"),
], ids=str)  # fmt: skip
def test_a_measure_that_is_not_there_is_skipped(wanted: str, hint: str) -> None:
    """With names that may have been meant."""
    found = verdict(wanted, max=1)

    assert (found.measure, found.verdict, found.value) == (wanted, "Skipped", None)
    assert found.message.startswith(f"{wanted}: nothing of that name was measured; {hint}")


def test_no_number_is_no_verdict() -> None:
    """A sum that has become infinite is above every limit and yet no measurement."""
    (found,) = evaluate([gate("x", max=1)], [Measured("x", "1", (float("inf"),))])

    assert (found.verdict, found.value) == ("Skipped", None)


def test_gates_of_a_failed_job_are_skipped() -> None:
    """Each has a verdict that says why."""
    (found,) = skip([gate(max=1)], "the job did not succeed: AppFailed")

    assert (found.measure, found.verdict) == (HOT, "Skipped")
    assert found.message == f"{HOT}: the job did not succeed: AppFailed"


def test_measures_that_gates_are_about() -> None:
    """Each once, in the order of the gates."""
    wanted = [gate("timer:*/inclusive", max=1), gate("app/duration", max=1), gate(max=1)]

    found = gates.gated(wanted, MEASURES)

    assert [one.measure for one in found] == [HOT, "timer:cold/inclusive", "app/duration"]


@settings(deadline=None)
@given(SOME_WORDS.filter(bool), st.integers(0, 10**18), st.floats(), st.sampled_from(["ns", "x"]))
def test_every_gate_has_a_verdict(name: str, limit: int, value: float, unit: str) -> None:
    """Of bounded size, whatever the name, the number and the unit are."""
    wanted = Gate.model_construct(measure=name, max=limit)

    found = evaluate([wanted], [Measured(name * 100, unit, (value,))])
    own = evaluate([wanted], [Measured(name, unit, (value,))])

    assert found and own
    for one in (*found, *own):
        assert len(one.message.encode()) <= 1024 and len(one.measure.encode()) <= 1024


def test_the_message_tells_how_sure_the_number_is() -> None:
    """An interval of 95 %, which is beside the verdict for files and pictures, too."""
    (found,) = gates.evaluate([gate("app/duration", max="10s")], MEASURES)
    (alone,) = gates.evaluate([gate(max="10s")], MEASURES)

    assert found.interval == (2e9, 4e9)
    assert found.status.message.endswith("median 3 s ≤ max 10 s; 95 % interval 2 s to 4 s")
    assert alone.interval is None
    assert alone.status.message.endswith("; one repetition, so its interval is unknown")


@pytest.mark.parametrize("values", [
    (1e308, 1.7e308, 1.7e308), (10**400, 1), (float("nan"), 1.0, 2.0), (1.0, float("inf"), 1.0),
], ids=["overflow", "int", "nan", "inf"])  # fmt: skip
@pytest.mark.parametrize("statistic", Statistic)
def test_values_out_of_this_world_raise_nothing(
    statistic: Statistic, values: tuple[float, ...]
) -> None:
    """Sums that overflow, integers that no float holds, and what is no number."""
    gates_ = [
        gate("x", max=1, statistic=statistic),
        gate("x", baseline="main", maxIncrease="1%", statistic=statistic),
    ]

    found = gates.evaluate(gates_, [Measured("x", "1", values)])

    assert {one.status.verdict for one in found} <= {"Skipped", "Failed"}
    assert gates.benchmarks(gates_, [Measured("x", "1", values)], 1).keys() <= {"benchmark.json"}
