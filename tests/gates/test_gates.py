"""Thresholds on the summary's numbers."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import making
from profiling_operator import gates, pod_refusals
from profiling_operator.plan import build_plan
from profiling_operator.settings import Settings, StoreSettings
from profiling_operator.spec.job import Gate
from profiling_operator.status import GateStatus
from profiling_operator.summary import Measured

HOT = "timer:hot/inclusive"
MEASURES = [
    Measured("app/duration", "ns", (2e9, 4e9, 3e9)),
    Measured("app/peakMemory", "By", (3 << 30,)),
    Measured("timer:hot/exclusive", "ns", (1.0,)),
    Measured(HOT, "ns", (1.31e9,)),
    Measured("timer:cold/inclusive", "ns", (5e6,)),
    Measured("counter:flops/value", "1", (1_234_567,)),
    Measured("counter:occupancy/value", "%", (81.25,)),
    Measured("counter:late/value", "ms", (1500.0,)),
    Measured("counter:read/value", "By/s", (float(2 << 30),)),
]
SOME_WORDS = st.text(st.characters(), max_size=50)  # lone surrogates and control characters too


def evaluate(*given: Any) -> list[GateStatus]:
    """The verdicts alone."""
    return [one.status for one in gates.evaluate(*given)]


def skip(*given: Any) -> list[GateStatus]:
    """The verdicts alone."""
    return [one.status for one in gates.skip(*given)]


def gate(measure: str = HOT, **fields: Any) -> Gate:
    """A gate of a job."""
    return making.job(gates=[{"measure": measure, **fields}]).spec.gates[0]


def verdict(measure: str = HOT, **fields: Any) -> GateStatus:
    """The verdict of a gate that is about one measure."""
    (found,) = evaluate([gate(measure, **fields)], MEASURES)
    return found


@pytest.mark.parametrize(("fields", "word", "message"), [
    ({"max": "1.2s"}, "Failed", "median 1.31 s > max 1.2 s"),
    ({"max": "1310ms"}, "Passed", "median 1.31 s ≤ max 1.31 s"),
    ({"max": 1_310_000_000}, "Passed", "median 1.31 s ≤ max 1.31 s"),
    ({"max": "1.31e9"}, "Passed", "median 1.31 s ≤ max 1.31 s"),
    ({"max": 1_309_999_999}, "Failed", "median 1.31 s > max 1.309999999 s"),
    ({"min": "1m"}, "Failed", "median 1.31 s < min 60 s"),
    ({"min": "1s"}, "Passed", "median 1.31 s ≥ min 1 s"),
    ({"min": "500us", "max": "2s"}, "Passed", "median 1.31 s ≤ max 2 s and ≥ min 500 µs"),
    ({"min": "1s", "max": "1.1s"}, "Failed", "median 1.31 s > max 1.1 s"),
    ({"min": "1.4s", "max": "1.2s"}, "Failed", "median 1.31 s > max 1.2 s and < min 1.4 s"),
], ids=str)  # fmt: skip
def test_limits_are_met_or_not(fields: dict[str, Any], word: str, message: str) -> None:
    """Both limits count, each may be reached exactly, and the message says what was compared."""
    found = verdict(**fields)

    assert (found.measure, found.verdict, found.value) == (HOT, word, 1.31e9)
    assert found.message == f"{HOT} {message}"


def test_the_limit_that_was_not_met_is_told() -> None:
    """In the measure's unit; where both were met, the upper one."""
    assert verdict(min="2s", max="3s").limit == 2e9
    assert verdict(min="1s", max="3s").limit == 3e9


@pytest.mark.parametrize(("measure", "limit", "said"), [
    ("app/peakMemory", "2Gi", "3 GiB > max 2 GiB"),
    ("app/peakMemory", 1000, "3 GiB > max 1000 B"),
    ("app/peakMemory", "3M", "3 GiB > max 2.86 MiB"),
    ("counter:flops/value", "1M", "1234567 > max 1000000"),
    ("counter:flops/value", 1_234_566, "1234567 > max 1234566"),
    ("counter:occupancy/value", 80, "81.2 % > max 80 %"),
    ("counter:late/value", "1.2s", "1.5 s > max 1.2 s"),
    ("counter:late/value", 1200, "1.5 s > max 1.2 s"),
    ("counter:read/value", "1Gi", "2 GiB/s > max 1 GiB/s"),
    ("timer:hot/exclusive", 0, "1 ns > max 0 ns"),
], ids=str)  # fmt: skip
def test_limits_are_read_in_the_measures_unit(measure: str, limit: Any, said: str) -> None:
    """A number is in that unit; durations are for times, quantities for the rest."""
    found = verdict(measure, max=limit)

    assert (found.verdict, found.message) == ("Failed", f"{measure} median {said}")


@pytest.mark.parametrize(("measure", "limit", "why"), [
    ("app/peakMemory", "1.2s", "max 1.2s is a duration, and the measure is in By"),
    ("counter:flops/value", "5m", "max 5m is a duration, and the measure is a plain number"),
    (HOT, "8Gi", "max 8Gi is no duration, and the measure is in ns"),
    (HOT, "500u", "max 500u is no duration, and the measure is in ns"),
], ids=str)  # fmt: skip
def test_a_limit_in_another_unit_is_skipped(measure: str, limit: str, why: str) -> None:
    """The reason names the field and both; what was measured is told all the same."""
    found = verdict(measure, max=limit)

    assert (found.verdict, found.limit) == ("Skipped", None)
    assert found.message == f"{measure}: {why}"
    assert found.value is not None


def test_a_missed_limit_counts_more_than_one_in_another_unit() -> None:
    """Whatever is wrong with the other one, this one was not met; else nothing is claimed."""
    assert verdict(max="1s", min="8Gi").verdict == "Failed"
    assert verdict(max="2s", min="8Gi").verdict == "Skipped"


@pytest.mark.parametrize(
    ("statistic", "value"), [("median", 3e9), ("min", 2e9), ("mean", 3e9), ("p95", 4e9)]
)
def test_repetitions_become_one_number(statistic: str, value: float) -> None:
    """By the gate's statistic."""
    found = verdict("app/duration", max="10s", statistic=statistic)

    assert found.value == value
    assert f" {statistic} " in found.message


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 2), (19, 19), (20, 19), (40, 38), (41, 39), (100, 95)]
)
def test_p95_is_a_value_that_was_measured(count: int, rank: int) -> None:
    """Of fewer than 20 the largest, then the one that at least 95 % do not exceed."""
    assert gates.p95([float(count - one) for one in range(count)]) == rank


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=100))
def test_p95_is_exceeded_by_at_most_a_twentieth(values: list[float]) -> None:
    """Whatever was measured."""
    found = gates.p95(values)

    assert found in values
    assert sum(one > found for one in values) * 20 <= len(values)


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


def test_baselines_are_refused_by_name_everywhere() -> None:
    """A gate that nobody looks at must not seem to be met; absolute ones are fine."""
    wanted = [
        {"measure": "app/duration", "max": "1s"},
        {"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"},
    ]
    planned = build_plan(making.job(gates=wanted, app={"image": "a", "command": ["b"]}, uid="u"))
    known = Settings(stores={"default": StoreSettings(url="file:///r")})

    (here,) = gates.problems(planned.gates)
    (on_kubernetes,) = pod_refusals.check(planned, known)
    verdicts = evaluate(planned.gates, MEASURES)

    assert str(here) == "spec.gates[1].baseline: this version has no baselines yet"
    assert str(on_kubernetes) == f"{here} (on Kubernetes)"
    assert [one.verdict for one in verdicts] == ["Failed", "Skipped"]


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


def parsed(verdicts: list[GateStatus], suite: str = "ci.nbody") -> ET.Element:
    """The test suite of a JUnit file, which has one case for each verdict."""
    root = ET.fromstring(gates.junit(suite, verdicts).encode())  # noqa: S314 - our own
    assert root.tag == "testsuite"
    assert root.get("tests") == str(len(verdicts)) == str(len(root.findall("testcase")))
    return root


def test_junit_has_a_case_for_each_verdict() -> None:
    """As Jenkins reads it: failed and skipped ones have their element, with the message."""
    given_gates = [gate(max="1.2s"), gate(max="2s"), gate("nothing", max=1)]
    root = parsed(list(evaluate(given_gates, MEASURES)))
    failed, passed, skipped = root

    assert dict(root.attrib) == {
        "name": "ci.nbody", "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    assert {one.get("classname") for one in root} == {"ci.nbody"}
    assert [one.get("name") for one in root] == [HOT, f"{HOT} (2)", "nothing"]
    (failure,) = failed
    assert (failure.tag, failure.get("type")) == ("failure", "GateFailed")
    assert failure.get("message") == failure.text == f"{HOT} median 1.31 s > max 1.2 s"
    assert [one.tag for one in skipped] == ["skipped"]
    assert "nothing of that name" in str(skipped[0].get("message"))
    assert [(one.tag, one.text) for one in passed] == [
        ("system-out", f"{HOT} median 1.31 s ≤ max 2 s")
    ]


@given(SOME_WORDS, SOME_WORDS, st.sampled_from(["Passed", "Failed", "Skipped"]))
def test_hostile_names_give_whole_xml(name: str, message: str, word: Any) -> None:
    """Quotes, brackets, control characters: the application chose the names of its functions."""
    root = parsed([GateStatus(measure=name, verdict=word, message=message)], suite=name)

    (case,) = root
    assert len(case) == 1


@given(SOME_WORDS.filter(bool), st.integers(0, 10**18), st.floats(), st.sampled_from(["ns", "x"]))
def test_every_gate_has_a_verdict(name: str, limit: int, value: float, unit: str) -> None:
    """Of bounded size, whatever the name, the number and the unit are."""
    wanted = Gate.model_construct(measure=name, max=limit)

    found = evaluate([wanted], [Measured(name * 100, unit, (value,))])
    own = evaluate([wanted], [Measured(name, unit, (value,))])

    assert found and own
    for one in (*found, *own):
        assert len(one.message.encode()) <= 1024 and len(one.measure.encode()) <= 1024
