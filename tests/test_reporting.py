"""What an uploader tells of its attempt: as a file, and as a termination message."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator import reporting
from profiling_operator.observation import State
from profiling_operator.reporting import ESSENCE_LIMIT, NO_OUTCOME, Report, Spent
from profiling_operator.status import (
    Collected,
    CollectorOutcome,
    GateStatus,
    Measure,
    ResultFile,
    Results,
)
from profiling_operator.workspace import ExitRecord, Origin, RunRecord, Started

BEGIN, END = "2026-11-23T10:00:00.000000001Z", "2026-11-23T10:00:01.000000001Z"
LARGEST = 2**63 - 1


def run(index: int, *, warmup: bool = False) -> RunRecord:
    """A run that went well."""
    return RunRecord(
        index=index, warmup=warmup, reason="Completed", origin=Origin.APP, exit_code=0,
        started_at=BEGIN, finished_at=END, started_monotonic_ns=1, finished_monotonic_ns=2,
    )  # fmt: skip


def ended(**changes: Any) -> ExitRecord:
    """An outcome: that of an application that went well."""
    usual: dict[str, Any] = {
        "protocol": 1, "reason": "Completed", "origin": Origin.APP, "runs": 2, "exit_code": 0,
        "started_at": BEGIN, "finished_at": END,
    }  # fmt: skip
    return ExitRecord(**{**usual, **changes})


def outcome(usable: bool = True, **more: Any) -> CollectorOutcome:
    """What a collector brought."""
    bad = {} if usable else {"reason": "NothingMeasured", "message": "no samples"}
    return CollectorOutcome(name="pyspy", usable=usable, **{"entries": 3, **bad, **more})


RESULTS = Results(
    url="https://there/ci/test/uid-1/1",
    files=(ResultFile(path="entries.jsonl.gz", size=7, sha256="0" * 64, count=3),),
    summary=(Measure(measure="timer:hot/inclusive", unit="ns", values=(1.5,), median=1.5),),
)
REPORT = Report(
    job="ci/test",
    uid="uid-1",
    attempt=2,
    pod_uid="pod-1",
    collected=Collected(
        ((outcome(),), (outcome(entries=4),)), RESULTS, "hot 81 % of 12 s", "",
        (GateStatus(measure="app/duration", value=1.0, limit=2.0, verdict="Passed"),),
    ),
    started=Started(
        protocol=1, pid=7, started_at=BEGIN, started_monotonic_ns=1, runs=2, warmups=1
    ),
    exit=ended(),
    runs=(run(0, warmup=True), run(1)),
    stop_requested=True,
    spent=Spent(convert_seconds=1.5, upload_seconds=2.5, upload_bytes=7),
)  # fmt: skip


def with_collected(report: Report, **changes: Any) -> Report:
    """A report with other results."""
    return replace(report, collected=replace(report.collected, **changes))


def told(report: Report) -> Report:
    """What a report's essence tells."""
    text = reporting.essence(report)
    assert len(text.encode()) <= ESSENCE_LIMIT
    found = reporting.from_essence(text, report.job, report.uid)
    assert found is not None
    return found


def test_a_report_survives_being_a_file() -> None:
    """Everything of it."""
    assert reporting.from_json(reporting.to_json(REPORT).encode()) == REPORT


def test_a_report_without_outcome_survives_being_a_file() -> None:
    """With the words on why there is none."""
    report = replace(
        with_collected(REPORT, outcomes=(), results=None, gates=(), lost="down"),
        exit=None, started=None, runs=(), message="not started within 600 s",
    )  # fmt: skip

    assert reporting.from_json(reporting.to_json(report).encode()) == report


def _spoiled(**changes: Any) -> bytes:
    return json.dumps({**json.loads(reporting.to_json(REPORT)), **changes}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000,
        _spoiled(collected=None), _spoiled(collected={"outcomes": 1}), _spoiled(attempt="x"),
        _spoiled(attempt=float("inf")), _spoiled(exit={"reason": "Completed"}), _spoiled(runs=3),
        _spoiled(runs=[{"index": -1}]), _spoiled(spent={"uploadBytes": "x"}), _spoiled(started=7),
    ],
)  # fmt: skip
def test_what_is_no_report_is_none(text: bytes) -> None:
    """Whoever wrote it: the operator goes on."""
    assert reporting.from_json(text) is None


def test_the_essence_tells_what_a_status_needs() -> None:
    """Outcome, usability, headline, where the results are, what it took."""
    found = told(REPORT)

    assert found.exit == REPORT.exit
    assert (found.attempt, found.pod_uid) == (2, "pod-1")
    assert (found.stop_requested, found.spent) == (True, REPORT.spent)
    ((one,),) = found.collected.outcomes
    assert (one.usable, one.entries, one.reason) == (True, 7, "")
    assert found.collected.headline == "hot 81 % of 12 s"
    assert found.collected.results == Results(url=RESULTS.url, truncated=True)
    assert found.observation().state is State.ENDED


@pytest.mark.parametrize(
    "record",
    [
        ended(runs=0, reason="CannotStart", origin=Origin.LAUNCHER, exit_code=127, message="no x"),
        ended(runs=0, exit_code=0),
        ended(exit_code=None, signal=9, reason="AppKilled"),
        ended(exit_code=None, timed_out=True, reason="AppTimedOut", origin=Origin.LAUNCHER),
    ],
    ids=["never-run", "zeros", "signal", "timeout"],
)
def test_an_outcome_is_the_same_afterwards(record: ExitRecord) -> None:
    """0 is not nothing: neither no runs nor a good exit code are left out."""
    assert told(replace(REPORT, exit=record)).exit == record


def test_the_first_measured_run_that_is_not_usable_is_told() -> None:
    """Warm-ups do not count."""
    cold = ((outcome(usable=False),), (outcome(),))
    bad = ((outcome(),), (outcome(usable=False),))

    ((fine,),) = told(with_collected(REPORT, outcomes=cold)).collected.outcomes
    ((not_fine,),) = told(with_collected(REPORT, outcomes=bad)).collected.outcomes

    assert fine.usable
    assert (not_fine.usable, not_fine.reason, not_fine.message) == (
        False, "NothingMeasured", "no samples",
    )  # fmt: skip


def test_an_attempt_without_runs_is_not_usable() -> None:
    """There is nothing to read."""
    ((one,),) = told(with_collected(REPORT, outcomes=())).collected.outcomes

    assert (one.usable, one.reason) == (False, "OutputMissing")


def test_lost_results_have_no_place() -> None:
    """And the reason."""
    found = told(with_collected(REPORT, lost="the store is full")).collected

    assert (found.lost, found.results) == ("the store is full", None)


def test_no_outcome_has_words() -> None:
    """The uploader's, or the usual ones."""
    assert told(replace(REPORT, exit=None)).observation().message == NO_OUTCOME
    late = told(replace(REPORT, exit=None, message="did not end")).observation()
    assert (late.state, late.message) == (State.LOST, "did not end")


WORST = '"\\\n\x00é€𝄞' * 2000


@pytest.mark.parametrize("text", [WORST, "x" * 9000, '"' * 9000, "𝄞" * 3000])
def test_the_essence_fits_whatever_the_report_holds(text: str) -> None:
    """What the application chose is cut; who and how it ended is not."""
    record = ended(
        reason=text[:8000], message=text[:8000], exit_code=-(2**63), signal=LARGEST, runs=LARGEST,
        protocol=LARGEST, timed_out=True,
    )  # fmt: skip
    bad = outcome(usable=False, entries=LARGEST, reason=text, message=text)
    spent = Spent(convert_seconds=1e300, upload_seconds=1e-300, upload_bytes=LARGEST)
    report = replace(
        REPORT, exit=record, pod_uid="u" * 36, message=text, spent=spent,
        collected=Collected(((bad,),) * 9, Results(url=f"https://{text}"), text, text),
    )  # fmt: skip

    found = told(report)

    assert found.exit is not None
    assert (found.exit.exit_code, found.pod_uid) == (-(2**63), "u" * 36)


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_any_words_fit(words: str, others: str) -> None:
    """And can be read again."""
    told(with_collected(replace(REPORT, exit=None, message=words), headline=others, lost=words))


@pytest.mark.parametrize(
    "text",
    [
        "", "Killed", "{}", "[]", '{"attempt": 1}', '{"attempt": 1, "podUid": "p", "more": 1}',
        '{"attempt": 1, "podUid": "p", "exit": {"reason": "Completed"}}', "[" * 4000,
    ],
)  # fmt: skip
def test_what_is_no_essence_is_none(text: str) -> None:
    """A container may die with other words, or none."""
    assert reporting.from_essence(text, "ci/test", "uid-1") is None


def test_the_platform_may_tell_an_outcome() -> None:
    """Where the launcher's own word is gone."""
    record = reporting.ending("AppFailed", 3, BEGIN, END)

    assert (record.reason, record.exit_code, record.finished_at) == ("AppFailed", 3, END)
