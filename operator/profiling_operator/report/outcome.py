"""How the job ended, in a glance: the banner of the page, its verdicts, its runs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
from pydantic import BaseModel

from profiling_operator.errors import MEANING, Reason
from profiling_operator.report import advice, words
from profiling_operator.report.results import Brought, Gate, Outcome, Results, Run
from profiling_operator.status import ConditionType, Phase, Status, cut
from profiling_operator.workspace import LOG, run_folder

Shape = TypeVar("Shape")

WORST_FIRST = ("Failed", "Skipped", "Passed")
SIGNS = {"Passed": "✓", "Failed": "✗", "Skipped": "–"}
MANY = 100
"""Verdicts, and runs, that are listed."""
TAIL = 4096
"""Bytes of a log that are shown."""
TERMINAL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class Banner:
    """The answer that the page is opened for."""

    kind: str
    """Class: good, bad, open."""
    sign: str
    title: str
    reason: str
    said: str
    meaning: str
    advice: str


@dataclass(frozen=True)
class Verdict:
    """A gate, as it is told."""

    verdict: str
    sign: str
    measure: str
    statistic: str
    value: str
    interval: str
    limit: str
    baseline: str
    message: str


@dataclass(frozen=True)
class RunTold:
    """A run, as it is told."""

    title: str
    ended: str
    is_bad: bool
    message: str
    started: str
    duration: str
    cpu: str
    memory: str
    collectors: tuple[CollectorTold, ...]
    log: str
    """Where its log is; empty where it is not in the folder."""


@dataclass(frozen=True)
class CollectorTold:
    """What a collector brought, as it is told."""

    name: str
    entries: str
    reason: str
    message: str


def banner(results: Results) -> Banner:
    """How the job ended, and what it means."""
    ended = _ended(results)
    failed = [one for one in results.summary.gates if one.verdict == "Failed"]
    if not ended.phase:
        return Banner("open", "?", "How it ended is not known", "", "", "", "")
    if ended.phase != Phase.SUCCEEDED:
        return _of_failed(ended)
    if failed:
        count = words.counted(len(failed), "gate was not met", "gates were not met")
        told = advice.for_reason(Reason.GATE_FAILED)
        return Banner("bad", "✗", count, Reason.GATE_FAILED, _first(failed), "", told)
    return Banner("good", "✓", "Succeeded", "", _counted(results.summary.gates), "", "")


def _of_failed(ended: Outcome) -> Banner:
    is_over = ended.phase in {Phase.FAILED, Phase.CANCELLED}
    meaning = MEANING.get(Reason(ended.reason), "") if ended.reason in set(Reason) else ""
    return Banner(
        kind="bad" if is_over else "open",
        sign="✗" if ended.phase == Phase.FAILED else "–",
        title=words.name(ended.phase, 40),
        reason=words.name(ended.reason, 60),
        said=words.message(ended.message),
        meaning=f"{meaning[:1].upper()}{meaning[1:]}." if meaning else "",
        advice=advice.for_reason(ended.reason),
    )


def _ended(results: Results) -> Outcome:
    """By the status, which knows of what came after the results; else as they say themselves."""
    told = results.metadata.outcome
    status = results.status
    if status is None or (told.phase and status.phase == told.phase):
        return told
    finished = status.condition(ConditionType.FINISHED)
    is_over = finished is not None and finished.status == "True"
    if finished is None or not is_over:
        return told if told.phase else Outcome(phase=status.phase)
    return Outcome(phase=status.phase, reason=finished.reason, message=finished.message)


def _first(failed: Sequence[Gate]) -> str:
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{words.message(failed[0].message)}{more}"


def _counted(gates: Sequence[Gate]) -> str:
    """`3 gates: 2 passed, 1 skipped`."""
    if not gates:
        return ""
    count = Counter(one.verdict for one in gates)
    if count["Passed"] == len(gates):
        return f"{words.counted(len(gates), 'gate')} passed"
    told = ", ".join(f"{count[word]} {word.lower()}" for word in WORST_FIRST if count[word])
    return f"{words.counted(len(gates), 'gate')}: {told}"


def headline(results: Results) -> str:
    """What most of the time went to."""
    status = results.status
    return words.message(results.summary.headline or (status.headline if status else ""))


def gates(results: Results) -> tuple[Gate, ...]:
    """The verdicts of the summary, else those of the status, which tells less."""
    told = results.summary.gates
    if not told and results.status:
        told = tuple(_as(Gate, one) for one in results.status.gates)
    order = {word: number for number, word in enumerate(WORST_FIRST)}
    return tuple(sorted(told, key=lambda one: order.get(one.verdict, 0)))


def verdicts(several: Sequence[Gate], results: Results) -> Iterator[Verdict]:
    """Each gate in words."""
    units = {one.measure: one.unit for one in results.summary.measures}
    for one in several:
        unit = one.unit or units.get(one.measure, "")
        pair = one.interval
        yield Verdict(
            verdict=words.name(one.verdict, 20),
            sign=SIGNS.get(one.verdict, "?"),
            measure=words.name(one.measure),
            statistic="" if one.value is None else words.name(one.statistic, 20),
            value=words.amount(one.value, unit),
            interval=words.between(pair, unit) if pair else "",
            limit=words.amount(one.limit, unit),
            baseline=words.amount(one.baseline, unit),
            message=words.message(one.message),
        )


def runs(results: Results) -> tuple[Run, ...]:
    """The runs of the metadata, else of the status, which tells less."""
    return results.metadata.runs or (_of_status(results.status) if results.status else ())


def _of_status(status: Status) -> tuple[Run, ...]:
    return tuple(
        Run(
            index=one.index, warmup=one.warmup, reason=one.app.reason, message=one.app.message,
            started_at=one.app.started_at, exit_code=one.app.exit_code, signal=one.app.signal,
            timed_out=one.app.timed_out,
            collectors=tuple(_as(Brought, each) for each in one.collectors),
        )
        for one in status.runs
    )  # fmt: skip


def _as(shape: type[Shape], one: BaseModel) -> Shape:
    """A part of the status as the summary or the metadata would have it."""
    return msgspec.convert(one.model_dump(mode="json", exclude_none=True), shape)


def tell_runs(several: Sequence[Run], results: Results) -> Iterator[RunTold]:
    """Each run in words."""
    for one in several:
        log = f"{run_folder(one.index)}/{LOG}"
        yield RunTold(
            title=f"warm-up {one.index}" if one.warmup else f"run {one.index}",
            ended=_ending(one),
            is_bad=one.reason not in {"", Reason.COMPLETED},
            message=words.message(one.message),
            started=words.moment(one.started_at) if one.started_at else words.UNKNOWN,
            duration=words.amount(one.nanoseconds or None, "ns"),
            cpu=words.amount((one.user_seconds + one.system_seconds) or None, "s"),
            memory=words.amount(one.peak_memory_bytes or None, "By"),
            collectors=tuple(map(_brought, one.collectors)),
            log=quote(log) if results.has(log) else "",
        )


def last_words(results: Results) -> tuple[str, str]:
    """The run in which the application failed, and the end of its log; empty where none did."""
    failed = [one for one in runs(results) if one.reason not in {"", Reason.COMPLETED}]
    for one in failed[-1:]:
        log = f"{run_folder(one.index)}/{LOG}"
        if results.has(log):
            return f"run {one.index}", _tail(results.folder / log)
    return "", ""


def _tail(path: Path) -> str:
    """The last lines of a log, without what steers a terminal."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        text = file.read(TAIL).decode("utf-8", "replace")
    if size > TAIL:
        text = text.partition("\n")[2] or text
    lines = TERMINAL.sub("", text).expandtabs().splitlines()
    return "\n".join(cut(one, TAIL).rstrip() for one in lines).strip("\n")


def _ending(run: Run) -> str:
    reason = words.name(run.reason, 40)
    if run.signal is not None:
        return f"{reason}, signal {run.signal}"
    return reason if run.exit_code is None else f"{reason}, exit code {run.exit_code}"


def _brought(one: Brought) -> CollectorTold:
    return CollectorTold(
        name=words.name(one.name, 40),
        entries=words.counted(one.entries, "entry", "entries"),
        reason="" if one.usable else words.name(one.reason, 60) or "not usable",
        message=words.message(one.message),
    )
