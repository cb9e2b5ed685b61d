"""Files for other tools."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gating import HOT, MEASURES, SOME_WORDS, evaluate, gate
from profiling_operator import gates
from profiling_operator.spec.job import Gate
from profiling_operator.status import GateStatus
from profiling_operator.summary import Measured


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
    assert failure.get("message") == failure.text
    assert str(failure.text).startswith(f"{HOT} median 1.31 s > max 1.2 s; one repetition")
    assert [one.tag for one in skipped] == ["skipped"]
    assert "nothing of that name" in str(skipped[0].get("message"))
    assert [one.tag for one in passed] == ["system-out"]
    assert str(passed[0].text).startswith(f"{HOT} median 1.31 s ≤ max 2 s; one repetition")


@given(SOME_WORDS, SOME_WORDS, st.sampled_from(["Passed", "Failed", "Skipped"]))
def test_hostile_names_give_whole_xml(name: str, message: str, word: Any) -> None:
    """Quotes, brackets, control characters: the application chose the names of its functions."""
    root = parsed([GateStatus(measure=name, verdict=word, message=message)], suite=name)

    (case,) = root
    assert len(case) == 1


def listed(given_gates: list[Gate], measures: list[Measured] = MEASURES) -> dict[str, Any]:
    """The files for github-action-benchmark, read."""
    found = gates.benchmarks(given_gates, measures, 3)
    return {name: json.loads(text) for name, text in found.items()}


def test_benchmarks_are_what_gates_are_about() -> None:
    """Each once for each statistic, with value, unit and interval, smaller ones being better."""
    duration = gate("app/duration", max="1s")
    again = gate("app/duration", baseline="main", maxIncrease="5%")

    found = listed([duration, again, gate(max="1s"), gate("app/duration", max=1, statistic="min")])

    assert list(found) == ["benchmark.json"]
    first, second, third = found["benchmark.json"]
    assert first == {
        "name": "app/duration (median)", "unit": "ns", "value": 3e9,
        "range": "2e+09 to 4e+09", "extra": "median of 3; range: 95 %",
    }  # fmt: skip
    assert second == {
        "name": f"{HOT} (median)", "unit": "ns", "value": 1.31e9, "extra": "median of 1",
    }  # fmt: skip
    assert third["name"] == "app/duration (min)"


def test_what_should_be_large_has_a_file_of_its_own() -> None:
    """Only where a gate knows lower limits and no upper one."""
    found = listed([
        gate("counter:flops/value", min=1),
        gate("counter:occupancy/value", baseline="main", maxDecrease="5%"),
        gate("app/peakMemory", min=1, max="1Gi"),
    ])  # fmt: skip

    names = {file: [one["name"] for one in content] for file, content in found.items()}
    assert names == {
        "benchmark.json": ["app/peakMemory (median)"],
        "benchmark-bigger.json": [
            "counter:flops/value (median)", "counter:occupancy/value (median)",
        ],
    }  # fmt: skip


@pytest.mark.parametrize("given_gates", [[], [gate("nothing", max=1)]], ids=["none", "unknown"])
def test_without_gates_the_first_measures_are_benchmarks(given_gates: list[Gate]) -> None:
    """As many as the status has."""
    (found,) = listed(given_gates).values()

    assert [one["name"] for one in found] == [
        "app/duration (median)", "app/peakMemory (median)", "timer:hot/exclusive (median)",
    ]  # fmt: skip


def test_benchmarks_are_numbers() -> None:
    """JSON has no word for what is none; and nothing measured is no file."""
    assert listed([], [Measured("x", "1", (float("inf"),))]) == {}
    assert listed([], []) == {}
