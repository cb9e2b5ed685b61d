"""Gates: thresholds on the summary's numbers, judged where the results are made. No I/O.

Limits are absolute. A gate that names a baseline is refused before anything starts: see `problems`.
"""

from __future__ import annotations

import difflib
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from xml.etree import ElementTree as ET

from profiling_operator import quantities
from profiling_operator.baselines import Snapshot
from profiling_operator.errors import Problem
from profiling_operator.machines import Machine
from profiling_operator.spec.job import Gate, Statistic
from profiling_operator.status import GateStatus, cut
from profiling_operator.summary import Measured, matching

Word = Literal["Passed", "Failed", "Skipped"]
Field = Literal["max", "min"]

UNKNOWN = Machine()
JUNIT_FILE = "junit.xml"
NO_BASELINES = "this version has no baselines yet"
VERDICTS_LIMIT = 20  # of one gate; a pattern may match a thousand measures
NAME_LIMIT = 1024  # bytes of a measure's name, which the application may have chosen
NAME_SHOWN = 200  # characters of it in a message
NEAR, NEAR_LENGTH = 3, 200  # comparing takes time with the square of the length
WORST_FIRST: tuple[Word, ...] = ("Failed", "Skipped", "Passed")
DIGITS = range(3, 18)  # 17 tell any two floats apart
PLAIN = re.compile(rf"(?:{quantities.NUMBER})(?:{quantities.EXPONENT})?")
DURATION = re.compile(quantities.DURATION)
NANOSECONDS_IN = {"ns": Decimal(1), "us": Decimal(10**3), "ms": Decimal(10**6), "s": Decimal(10**9)}
TIMES = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
BYTES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
RATES = tuple((factor, f"{word}/s") for factor, word in BYTES)
SCALES = {**dict.fromkeys(NANOSECONDS_IN, TIMES), "By": BYTES, "By/s": RATES, "1": ((1, ""),)}


@dataclass(frozen=True)
class Judged:
    """A verdict with the numbers behind it, for files and pictures."""

    status: GateStatus
    statistic: str = "median"
    unit: str = ""
    values: tuple[float, ...] = ()
    """One for each repetition."""
    interval: tuple[float, float] | None = None
    """Where the statistic is, with 95 % confidence."""
    band: tuple[float, float] | None = None
    """Where the baseline's jobs would have it without a change."""
    compared: int = 0
    """Jobs of the baseline that it was compared with."""

    def as_json(self) -> dict[str, Any]:
        """As summary.json has it."""
        told = {
            "statistic": self.statistic, "unit": self.unit, "values": list(self.values),
            "interval": self.interval and list(self.interval),
            "band": self.band and list(self.band), "compared": self.compared,
        }  # fmt: skip
        return {**self.status.model_dump(exclude_none=True), **told}


def p95(values: Sequence[float]) -> float:
    """The smallest value that at least 95 % of all do not exceed (nearest rank).

    It is always one of the values: of fewer than 20, the largest.
    """
    return sorted(values)[math.ceil(len(values) * 95 / 100) - 1]


STATISTICS: Mapping[Statistic, Callable[[Sequence[float]], float]] = {
    Statistic.MEDIAN: statistics.median,
    Statistic.MIN: min,
    Statistic.MEAN: statistics.fmean,
    Statistic.P95: p95,
}


def problems(gates: Sequence[Gate]) -> list[Problem]:
    """Why a job with these gates is refused: one that nobody looks at must not seem to be met."""
    return [
        Problem(f"spec.gates[{index}].baseline", NO_BASELINES)
        for index, gate in enumerate(gates)
        if gate.baseline is not None
    ]


def gated(gates: Sequence[Gate], measures: Sequence[Measured]) -> list[Measured]:
    """The measures that gates are about, each once, in the order of the gates."""
    known = {one.measure: one for one in measures}
    found = dict.fromkeys(name for gate in gates for name in matching(gate.measure, known))
    return [known[name] for name in found]


def evaluate(
    gates: Sequence[Gate],
    measures: Sequence[Measured],
    snapshots: Sequence[Snapshot] = (),
    machine: Machine = UNKNOWN,
) -> tuple[Judged, ...]:
    """The verdicts, gate by gate: one for each measure that its name or pattern means.

    `snapshots`: of the baselines that gates name; `machine`: where the measures are from.

    Of a pattern that means more than VERDICTS_LIMIT the worst are listed, and the last verdict
    stands for the rest.
    """
    known = {one.measure: one for one in measures}
    return tuple(
        Judged(verdict, gate.statistic.value) for gate in gates for verdict in _of_gate(gate, known)
    )


def skip(gates: Sequence[Gate], why: str) -> tuple[Judged, ...]:
    """The verdicts where there is nothing to judge."""
    return tuple(Judged(_skipped(gate.measure, why)) for gate in gates)


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


def _of_gate(gate: Gate, known: Mapping[str, Measured]) -> Sequence[GateStatus]:
    found = matching(gate.measure, known)
    if not found:
        return [_skipped(gate.measure, _not_found(gate.measure, known))]
    return _shortened(gate.measure, [_judged(gate, known[name]) for name in found])


def _shortened(pattern: str, verdicts: list[GateStatus]) -> list[GateStatus]:
    if len(verdicts) <= VERDICTS_LIMIT:
        return verdicts
    verdicts.sort(key=lambda one: WORST_FIRST.index(one.verdict))
    rest = verdicts[VERDICTS_LIMIT - 1 :]
    count = Counter(one.verdict for one in rest)
    said = ", ".join(f"{count[word]} {word.lower()}" for word in WORST_FIRST if count[word])
    last = _verdict(pattern, rest[0].verdict, f"{len(rest)} more measures: {said}")
    return [*verdicts[: VERDICTS_LIMIT - 1], last]


@dataclass(frozen=True)
class _Limit:
    """One limit of a gate, in the unit of the measure."""

    field: Field
    number: Decimal

    def is_met(self, value: float) -> bool:
        exact = Decimal(value)
        return exact <= self.number if self.field == "max" else exact >= self.number

    def relation(self, value: float) -> str:
        """The sign between a value and this limit."""
        below, above = ("≤", ">") if self.field == "max" else ("<", "≥")
        return below if self.is_met(value) == (self.field == "max") else above


def _judged(gate: Gate, one: Measured) -> GateStatus:
    """The verdict on one measure. A limit that is not met counts more than one without sense."""
    value = STATISTICS[gate.statistic](one.values)
    if not math.isfinite(value):
        return _skipped(one.measure, f"its {gate.statistic} is {value}")
    limits, senseless = _limits(gate, one.unit)
    missed = [limit for limit in limits if not limit.is_met(value)]
    if senseless and not missed:
        return _skipped(one.measure, "; ".join(senseless), value)
    told = missed or limits
    return GateStatus(
        measure=cut(one.measure, NAME_LIMIT),
        value=value,
        limit=float(told[0].number),
        verdict="Failed" if missed else "Passed",
        message=cut(f"{_short(one.measure)} {gate.statistic} {_compared(value, told, one.unit)}"),
    )


def _limits(gate: Gate, unit: str) -> tuple[list[_Limit], list[str]]:
    """The gate's limits, and what is wrong with those that cannot be compared."""
    limits: list[_Limit] = []
    senseless = [NO_BASELINES] if gate.baseline is not None else []
    pairs: tuple[tuple[Field, str | int | None], ...] = (("max", gate.max), ("min", gate.min))
    for field, written in pairs:
        if written is not None:
            try:
                limits.append(_Limit(field, in_unit(written, unit)))
            except ValueError as error:
                senseless.append(f"{field} {error}")
    return limits, senseless


def in_unit(written: str | int, unit: str) -> Decimal:
    """A limit as a number in the unit of a measure.

    Raises ValueError for what cannot be compared: a duration with what is no time, and a quantity
    with a suffix, such as `8Gi` or `500u`, with a time.
    """
    text, factor = str(written), NANOSECONDS_IN.get(unit)
    number = quantities.parse_limit(written)
    if PLAIN.fullmatch(text):
        return number
    if (factor is not None) == (DURATION.fullmatch(text) is not None):
        return number if factor is None else quantities.EXACT.divide(number, factor)
    measured = "a plain number" if unit == "1" else f"in {unit}"
    kind = "a duration" if factor is None else "no duration"
    raise ValueError(f"{text} is {kind}, and the measure is {measured}")


def _compared(value: float, limits: Sequence[_Limit], unit: str) -> str:
    """`1.31 s > max 1.2 s`: with so many digits that different numbers look different."""
    numbers = {Decimal(value), *(limit.number for limit in limits)}
    digits = next(
        (one for one in DIGITS if len({_shown(n, unit, one) for n in numbers}) == len(numbers)),
        DIGITS[-1],
    )
    sides = (
        f"{limit.relation(value)} {limit.field} {_shown(limit.number, unit, digits)}"
        for limit in limits
    )
    return f"{_shown(Decimal(value), unit, digits)} {' and '.join(sides)}"


def _shown(number: Decimal, unit: str, digits: int) -> str:
    """A number for people, in a unit that fits its size: `1.31 s`, `8 GiB`, `12 %`."""
    scaled = float(number * NANOSECONDS_IN.get(unit, 1))
    scales = SCALES.get(unit, ((1, unit),))
    factor, word = next((one for one in scales if one[0] <= abs(scaled)), scales[-1])
    return f"{_rounded(scaled / factor, digits)} {word}".rstrip()


def _rounded(number: float, digits: int) -> str:
    """With so many significant digits, but always those before the point."""
    whole = len(str(int(abs(number))))
    text = f"{number:.{max(digits, min(whole, DIGITS[-1]))}g}"
    return f"{Decimal(text):f}" if whole <= DIGITS[-1] else text


def _not_found(wanted: str, known: Iterable[str]) -> str:
    """What to say where no measure has that name: those that hold it, else those that are like it.

    The summary lists those that measured most; a name is found without being there.
    """
    names = [one for one in known if len(one) <= NEAR_LENGTH]
    holding = [one for one in names if wanted.casefold() in one.casefold()][:NEAR]
    near = holding or difflib.get_close_matches(wanted[:NEAR_LENGTH], names, NEAR)
    hint = f"near names: {', '.join(near)}" if near else "summary.json lists those that there are"
    return f"nothing of that name was measured; {hint}"


def _skipped(measure: str, why: str, value: float | None = None) -> GateStatus:
    return _verdict(measure, "Skipped", why, value)


def _verdict(measure: str, verdict: Word, words: str, value: float | None = None) -> GateStatus:
    return GateStatus(
        measure=cut(measure, NAME_LIMIT),
        value=value,
        verdict=verdict,
        message=cut(f"{_short(measure)}: {words}"),
    )


def _short(name: str) -> str:
    """A name of bounded length that keeps its end, which says what is measured."""
    half = NAME_SHOWN // 2
    return name if len(name) <= NAME_SHOWN else f"{name[:half]}…{name[1 - half :]}"
