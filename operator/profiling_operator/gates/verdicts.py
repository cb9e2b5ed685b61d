"""The verdicts on a job's gates, where its numbers are."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from profiling_operator.baselines import Snapshot
from profiling_operator.gates import changes, limits, noise, words
from profiling_operator.gates.noise import Interval
from profiling_operator.gates.parts import WORST_FIRST, Judged, Part, Word
from profiling_operator.machines import Machine
from profiling_operator.spec.job import Gate, Statistic
from profiling_operator.status import GateStatus, cut
from profiling_operator.summary import Measured, matching

UNKNOWN = Machine()
VERDICTS_LIMIT = 20  # of one gate; a pattern may match a thousand measures
NAME_LIMIT = 1024  # bytes of a measure's name, which the application may have chosen
NEAR, NEAR_LENGTH = 3, 200  # comparing takes time with the square of the length


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
    return tuple(judged for gate in gates for judged in _of_gate(gate, known, snapshots, machine))


def skip(gates: Sequence[Gate], why: str) -> tuple[Judged, ...]:
    """The verdicts where there is nothing to judge."""
    return tuple(_skipped(gate, gate.measure, why) for gate in gates)


def value_of(one: Measured, statistic: Statistic) -> float:
    """The one number of all repetitions; infinite where it is too large to compute."""
    try:
        return float(noise.STATISTICS[statistic](one.values))
    except OverflowError:
        return math.inf


def interval_of(one: Measured, statistic: Statistic) -> Interval | None:
    """Where that number is; None for a single repetition, and for what is no number."""
    is_finite = noise.is_finite((value_of(one, statistic), *one.values))
    return noise.interval(one.values, statistic) if is_finite else None


def _of_gate(
    gate: Gate, known: Mapping[str, Measured], snapshots: Sequence[Snapshot], machine: Machine
) -> Sequence[Judged]:
    found = matching(gate.measure, known)
    if not found:
        return [_skipped(gate, gate.measure, _not_found(gate.measure, known))]
    verdicts = [_judged(gate, known[name], snapshots, machine) for name in found]
    return _shortened(gate, verdicts)


def _shortened(gate: Gate, verdicts: list[Judged]) -> list[Judged]:
    if len(verdicts) <= VERDICTS_LIMIT:
        return verdicts
    verdicts.sort(key=lambda one: WORST_FIRST.index(one.status.verdict))
    rest = [one.status.verdict for one in verdicts[VERDICTS_LIMIT - 1 :]]
    count = Counter(rest)
    told = ", ".join(f"{count[word]} {word.lower()}" for word in WORST_FIRST if count[word])
    said = f"{words.short(gate.measure)}: {len(rest)} more measures: {told}"
    last = Judged(_status(gate.measure, rest[0], said), gate.statistic.value)
    return [*verdicts[: VERDICTS_LIMIT - 1], last]


def _judged(gate: Gate, one: Measured, snapshots: Sequence[Snapshot], machine: Machine) -> Judged:
    """The verdict on one measure: the worst of what its limits and its baseline say."""
    value = value_of(one, gate.statistic)
    if not noise.is_finite((value, *one.values)):
        return _skipped(gate, one.measure, f"its {gate.statistic} is {_no_number(value)}", one)
    parts = [
        *limits.judge(gate, value, one.unit),
        *changes.judge(gate, one, value, snapshots, machine),
    ]
    parts.sort(key=lambda part: WORST_FIRST.index(part.word))
    between = interval_of(one, gate.statistic)
    status = _status(one.measure, parts[0].word, _said(one, parts, between))
    beside = next((part for part in parts if part.baseline is not None), Part("Skipped", ""))
    limit = next((part.limit for part in parts if part.limit is not None), None)
    return Judged(
        status.model_copy(update={"value": value, "limit": limit, "baseline": beside.baseline}),
        gate.statistic.value, one.unit, one.values, between, beside.band, beside.compared,
    )  # fmt: skip


def _no_number(value: float) -> str:
    return "of values that are no numbers" if math.isfinite(value) else str(value)


def _said(one: Measured, parts: Sequence[Part], between: Interval | None) -> str:
    """The message: the worst first, and how sure the number is."""
    said = "; ".join(part.said for part in parts)
    told = f"{words.short(one.measure)}{':' if parts[0].word == 'Skipped' else ''} {said}"
    if all(part.word == "Skipped" for part in parts):
        return told
    if between is None:
        return f"{told}; one repetition, so its interval is unknown"
    low, high = (words.shown(end, one.unit) for end in between)
    return f"{told}; 95 % interval {low} to {high}"


def _not_found(wanted: str, known: Iterable[str]) -> str:
    """What to say where no measure has that name: those that hold it, else those that are like it.

    The summary lists those that measured most; a name is found without being there.
    """
    names = [one for one in known if len(one) <= NEAR_LENGTH]
    holding = [one for one in names if wanted.casefold() in one.casefold()][:NEAR]
    near = holding or difflib.get_close_matches(wanted[:NEAR_LENGTH], names, NEAR)
    hint = f"near names: {', '.join(near)}" if near else "summary.json lists those that there are"
    return f"nothing of that name was measured; {hint}"


def _skipped(gate: Gate, measure: str, why: str, one: Measured | None = None) -> Judged:
    status = _status(measure, "Skipped", f"{words.short(measure)}: {why}")
    unit, values = (one.unit, one.values) if one else ("", ())
    return Judged(status, gate.statistic.value, unit, values)


def _status(measure: str, verdict: Word, message: str) -> GateStatus:
    return GateStatus(measure=cut(measure, NAME_LIMIT), verdict=verdict, message=cut(message))
