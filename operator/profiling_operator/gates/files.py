"""The verdicts as JUnit XML, and the numbers as github-action-benchmark reads them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from profiling_operator.gates.verdicts import NAME_LIMIT, interval_of, value_of
from profiling_operator.spec.job import Gate, Statistic
from profiling_operator.status import GateStatus, cut
from profiling_operator.summary import Measured, matching

JUNIT_FILE = "junit.xml"
SMALLER_FILE = "benchmark.json"
"""For its tool `customSmallerIsBetter`."""
BIGGER_FILE = "benchmark-bigger.json"
"""For its tool `customBiggerIsBetter`."""
BENCHMARKS_LIMIT = 200


def junit(suite: str, verdicts: Sequence[GateStatus]) -> str:
    """The verdicts as JUnit XML, a test case each: what Jenkins' JUnit plugin reads.

    `suite` is also the class name, under which Jenkins follows a test case from build to build.
    """
    count = Counter(one.verdict for one in verdicts)
    root = ET.Element("testsuite", {
        "name": cut(suite), "tests": str(len(verdicts)), "failures": str(count["Failed"]),
        "errors": "0", "skipped": str(count["Skipped"]),
    })  # fmt: skip
    names = _told_apart(one.measure for one in verdicts)
    for name, one in zip(names, verdicts, strict=True):
        case = ET.SubElement(root, "testcase", {"classname": cut(suite), "name": name})
        _tell(case, one)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def benchmarks(
    gates: Sequence[Gate], measures: Sequence[Measured], otherwise: int
) -> dict[str, str]:
    """Files for github-action-benchmark, by name; those that would be empty are absent.

    They hold what gates are about, or so many of the first measures where no gate means any.
    """
    smaller: dict[str, Any] = {}
    bigger: dict[str, Any] = {}
    for gate, one in _of_gates(gates, measures):
        told = _benchmark(one, gate.statistic)
        if told:
            (bigger if _wants_more(gate) else smaller).setdefault(told["name"], told)
    if not smaller and not bigger:
        plain = (_benchmark(one, Statistic.MEDIAN) for one in measures[:otherwise])
        smaller = {told["name"]: told for told in plain if told}
    files = {SMALLER_FILE: smaller, BIGGER_FILE: bigger}
    return {name: _listed(found.values()) for name, found in files.items() if found}


def _of_gates(
    gates: Sequence[Gate], measures: Sequence[Measured]
) -> Iterator[tuple[Gate, Measured]]:
    known = {one.measure: one for one in measures}
    for gate in gates:
        for name in matching(gate.measure, known):
            yield gate, known[name]


def _wants_more(gate: Gate) -> bool:
    """Whether a gate knows lower limits only."""
    upper, lower = (gate.max, gate.max_increase), (gate.min, gate.max_decrease)
    return any(one is not None for one in lower) and all(one is None for one in upper)


def _benchmark(one: Measured, statistic: Statistic) -> dict[str, Any] | None:
    """None for what is no number: JSON has no word for it."""
    value, between = value_of(one, statistic), interval_of(one, statistic)
    if not math.isfinite(value):
        return None
    return {
        "name": cut(f"{one.measure} ({statistic})", NAME_LIMIT),
        "unit": one.unit,
        "value": value,
        **({"range": f"{between[0]:.6g} to {between[1]:.6g}"} if between else {}),
        "extra": f"{statistic} of {len(one.values)}" + ("; range: 95 %" if between else ""),
    }


def _listed(found: Iterable[dict[str, Any]]) -> str:
    return f"{json.dumps(list(found)[:BENCHMARKS_LIMIT], indent=2, ensure_ascii=False)}\n"


def _tell(case: ET.Element, one: GateStatus) -> None:
    """The verdict below its test case. `cut` leaves no character that XML cannot have."""
    message = cut(one.message)
    if one.verdict == "Failed":
        failure = ET.SubElement(case, "failure", {"message": message, "type": "GateFailed"})
        failure.text = message  # Jenkins shows it where stack traces stand, and the message above
    elif one.verdict == "Skipped":
        ET.SubElement(case, "skipped", {"message": message})
    else:
        ET.SubElement(case, "system-out").text = message


def _told_apart(measures: Iterable[str]) -> Iterator[str]:
    """Names of test cases: two gates may be about one measure."""
    seen: Counter[str] = Counter()
    for measure in measures:
        name = cut(measure, NAME_LIMIT)
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name} ({seen[name]})"
