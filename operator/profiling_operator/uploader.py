"""From an ended attempt's workspace to its result folder: converts, adds up, copies, lists."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from profiling_operator import artifacts, entries, gates, machines, plan, report, store, workspace
from profiling_operator.captures import Capture, FileNote
from profiling_operator.convert import Circumstances, Conversion, Converted
from profiling_operator.errors import ArtifactError
from profiling_operator.executors import Observation
from profiling_operator.gates import Judged
from profiling_operator.machines import Machine
from profiling_operator.settings import Settings
from profiling_operator.status import (
    SUMMARY_LIMIT,
    Collected,
    CollectorOutcome,
    Facts,
    GateStatus,
    Measure,
    Phase,
    Results,
)
from profiling_operator.status.judging import Verdict, judge
from profiling_operator.summary import Measured
from profiling_operator.workspace import RunRecord

ENTRIES_FILE = "entries.jsonl.gz"
LOG_TAIL = 4096
ACCOUNTED_LIMIT = 10_000


@dataclass(frozen=True)
class Converting:
    """One run of one collector, converted."""

    record: RunRecord
    collector: str
    converted: Converted


def collect(
    root: Path,
    planned: plan.Plan,
    seen: Observation,
    folder: Path,
    settings: Settings,
    machine: Machine | None = None,
) -> Collected:
    """Fill an empty folder with the results of an attempt, and say what they are.

    `machine`: where it ran, if not here. Raises OSError when the folder cannot be written; bad
    artifacts never raise.
    """
    scanned = _scan(root)
    with entries.create(folder / ENTRIES_FILE) as writer:
        conversion = Conversion(writer, scratch=folder)
        done = [
            Converting(
                record, one.name, _convert(conversion, scanned, planned, record, one, settings)
            )
            for record in seen.runs
            for one in planned.collectors
        ]
        count = writer.count
    _copy_logs(scanned, seen.runs, folder)
    if planned.output.raw:
        _copy_raw(scanned, folder)
    summary = conversion.numbers.summary
    measured = list(summary.measures(seen.runs, [gate.measure for gate in planned.gates]))
    headline = summary.headline(sum(not record.warmup for record in seen.runs))
    conversion.numbers.stacks.write_folded(folder / "folded.txt")
    conversion.numbers.stacks.write_speedscope(folder / "speedscope.json", planned.key)
    if conversion.numbers.timeline:
        conversion.numbers.timeline.write(folder / "trace.json", planned.key)
    collected = Collected(_outcomes(seen.runs, done), None, headline)
    there = _machine(planned, machine or machines.here())
    ending = judge(Facts(now="", observation=seen, collected=collected))
    judged = _judged(planned, ending, measured, there)
    _write_json(folder / "summary.json", {
        "job": planned.key, "series": planned.series, "uid": planned.uid,
        "headline": headline, "entries": {"total": count, "kinds": dict(summary.kinds)},
        "identity": planned.identity.model_dump(mode="json"), "image": planned.app.image or "",
        "machine": there.model_dump(mode="json"),
        "gates": [one.as_json() for one in judged], **_numbers(conversion, measured),
    })  # fmt: skip
    _write_json(folder / "metadata.json", {
        **_metadata(planned, seen, done, scanned), **_outcome_of(seen, collected, ending),
    })  # fmt: skip
    verdicts = tuple(one.status for one in judged)
    _write_for_others(folder, planned, ending, verdicts, measured)
    report.write_anyhow(folder)
    results = Results(
        files=store.listing(folder, {ENTRIES_FILE: count}),
        summary=_read_first(planned, measured),
        truncated=len(measured) > SUMMARY_LIMIT,
    )
    return replace(collected, results=results, gates=verdicts)


def _write_for_others(
    folder: Path,
    planned: plan.Plan,
    ending: Verdict | None,
    verdicts: Sequence[GateStatus],
    measured: Sequence[Measured],
) -> None:
    """What other tools read: the verdicts, and the numbers of a job that succeeded."""
    if verdicts:
        suite = f"{planned.namespace}.{planned.series}"
        store.write_whole(folder / gates.JUNIT_FILE, gates.junit(suite, verdicts))
    if ending is None or ending.phase is Phase.SUCCEEDED:
        for name, text in gates.benchmarks(planned.gates, measured, SUMMARY_LIMIT).items():
            store.write_whole(folder / name, text)


def _numbers(conversion: Conversion, measured: Sequence[Measured]) -> dict[str, Any]:
    """The numbers of the summary."""
    top = conversion.numbers.summary.top(SUMMARY_LIMIT)
    return {
        "measures": [one.as_json() for one in measured],
        "top": [{"name": name, "nanoseconds": time, "share": share} for name, time, share in top],
        "totals": conversion.numbers.summary.totals(),
        "stacksLeftOut": conversion.numbers.stacks.left_out,
        "timelineLeftOut": conversion.numbers.timeline.left_out,
    }


def _machine(planned: plan.Plan, there: Machine) -> Machine:
    """The machine as the job sees it."""
    product = planned.gpu.product if planned.gpu else None
    return there.narrowed(planned.gpu is not None, product)


def _judged(
    planned: plan.Plan, ending: Verdict | None, measured: Sequence[Measured], there: Machine
) -> tuple[Judged, ...]:
    """What becomes of the gates; numbers of a job that did not succeed are not judged."""
    if ending is not None and ending.phase is not Phase.SUCCEEDED:
        return gates.skip(planned.gates, f"the job did not succeed: {ending.reason}")
    return gates.evaluate(planned.gates, measured, planned.baselines, there)


def _outcome_of(seen: Observation, collected: Collected, ending: Verdict | None) -> dict[str, Any]:
    """How it went: the job as a whole, and each run of the application under its collectors."""
    runs = [
        {
            **msgspec.to_builtins(record),
            "collectors": [one.model_dump(mode="json", exclude_none=True) for one in outcomes],
        }
        for record, outcomes in zip(seen.runs, collected.outcomes, strict=True)
    ]
    told = (
        {"phase": ending.phase, "reason": ending.reason, "message": ending.message}
        if ending
        else {}
    )
    return {"outcome": told, "runs": runs}


def _read_first(planned: plan.Plan, measured: Sequence[Measured]) -> tuple[Measure, ...]:
    """The measures of the status: those that gates are about, then the most telling."""
    first = {one.measure: one for one in (*gates.gated(planned.gates, measured), *measured)}
    return tuple(
        Measure(
            measure=one.measure, unit=one.unit, values=one.values, median=one.as_json()["median"]
        )
        for one in list(first.values())[:SUMMARY_LIMIT]
    )


def _scan(root: Path) -> artifacts.Scan:
    """What the workspace holds; what its copy left out is refused with the rest."""
    scanned = artifacts.scan(root)
    left_out = (artifacts.Refused(one.path, one.reason) for one in workspace.read_left_out(root))
    return artifacts.Scan(scanned.artifacts, (*scanned.refused, *left_out))


def _convert(
    conversion: Conversion,
    scanned: artifacts.Scan,
    planned: plan.Plan,
    record: RunRecord,
    one: plan.PlannedCollector,
    settings: Settings,
) -> Converted:
    collector, options = plan.collector_of(one)
    folder = workspace.run_folder(record.index)
    capture = Capture(
        artifacts=scanned.below(f"{folder}/{one.name}"),
        options=options,
        started=entries.epoch_nanoseconds(record.started_at),
        started_monotonic=record.started_monotonic_ns,
        job=planned.key,
        run=record.index,
        personal=settings.keep_personal,
    )
    around = Circumstances(
        log_tail=_log_tail(scanned, folder),
        tool_exit_code=record.tool_exit_code,
        gpus=planned.gpu.count if planned.gpu else 0,
    )
    return conversion.take(collector, capture, around, counts=not record.warmup)


def _outcomes(
    records: Sequence[RunRecord], done: Sequence[Converting]
) -> tuple[tuple[CollectorOutcome, ...], ...]:
    return tuple(tuple(_outcome(one) for one in done if one.record is record) for record in records)


def _outcome(one: Converting) -> CollectorOutcome:
    verdict = one.converted.verdict
    exit_code = one.record.tool_exit_code
    return CollectorOutcome(
        name=one.collector,
        exit_code=one.record.exit_code if exit_code is None else exit_code,
        usable=verdict.usable,
        entries=one.converted.entries,
        reason="" if verdict.usable else verdict.reason.value,
        message=verdict.message,
    )


def _log_tail(scanned: artifacts.Scan, folder: str) -> str:
    """The last words of a run's log."""
    for log in (one for one in scanned.artifacts if one.path == f"{folder}/{workspace.LOG}"):
        with suppress(ArtifactError), log.open() as stream:
            stream.seek(max(0, log.size - LOG_TAIL))
            return stream.read(LOG_TAIL).decode("utf-8", "replace")
    return ""


def _copy_logs(scanned: artifacts.Scan, records: Sequence[RunRecord], folder: Path) -> None:
    wanted = {f"{workspace.run_folder(record.index)}/{workspace.LOG}" for record in records}
    for one in scanned.artifacts:
        if one.path in wanted:
            _copy(one, folder / one.path)


def _copy_raw(scanned: artifacts.Scan, folder: Path) -> None:
    """The collectors' own files, below `raw/`; the protocol's files and logs are not among them."""
    for one in scanned.artifacts:
        if not one.path.startswith(f"{workspace.CONTROL}/") and one.path.count("/") > 1:
            _copy(one, folder / "raw" / one.path)


def _copy(one: artifacts.Artifact, target: Path) -> None:
    """Copy a file that may be hostile; one that turns out bad is not half there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with one.open() as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except ArtifactError:
        target.unlink(missing_ok=True)


def _metadata(
    planned: plan.Plan, seen: Observation, done: Sequence[Converting], scanned: artifacts.Scan
) -> dict[str, Any]:
    """What ran where, and what became of every file."""
    return {
        "job": planned.key,
        "series": planned.series,
        "uid": planned.uid,
        "attempt": planned.attempt,
        "node": seen.node,
        "image": seen.image,
        "device": seen.device,
        "collectors": [{"name": one.name, "options": one.options} for one in planned.collectors],
        "tools": [
            {"run": one.record.index, "collector": one.collector, **one.converted.metadata}
            for one in done
            if one.converted.metadata
        ],
        "files": [_accounted(one, note) for one in done for note in one.converted.notes][
            :ACCOUNTED_LIMIT
        ],
        "refused": [
            {"path": one.path, "reason": one.reason}
            for one in scanned.refused
            if not one.path.startswith(workspace.CONTROL)
        ][:ACCOUNTED_LIMIT],
        "fates": _fates(done),
    }


def _accounted(one: Converting, note: FileNote) -> dict[str, Any]:
    told: dict[str, Any] = {"run": one.record.index, "path": note.path}
    if note.fate:
        told["fate"] = note.fate.value
    if note.line:
        told["line"] = note.line
    if note.message:
        told["message"] = note.message
    return told


def _fates(done: Sequence[Converting]) -> dict[str, int]:
    fates = Counter(
        note.fate.value for one in done for note in one.converted.notes if note.fate is not None
    )
    return dict(fates)


def _write_json(path: Path, body: dict[str, Any]) -> None:
    store.write_whole(path, f"{json.dumps(body, indent=2, ensure_ascii=False)}\n")
