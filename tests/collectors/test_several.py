"""Several collectors at once, for real: perf, py-spy and what is inside the application."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import made_up_tau
from making import job
from profiling_operator import artifacts, plan, workspace
from profiling_operator.captures import Capture
from profiling_operator.entries import Entry, Kind, epoch_nanoseconds
from profiling_operator.executors.process import Process
from profiling_operator.workspace import RunRecord

BUSY = """
import signal, sys, time
def hot():
    return sum(i * i for i in range(20000))
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.time() + float(sys.argv[1])
while time.time() < end: hot()
sys.exit(int(sys.argv[2]))
"""
SECOND = 10**9


class Outcome(NamedTuple):
    """What a run left: its record, and the entries of each collector."""

    record: RunRecord
    entries: dict[str, list[Entry]]


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """An executor whose attempts are removed in the end."""
    monkeypatch.setenv("PROFJOB_STATE_DIR", str(tmp_path / "state"))
    executor = Process()
    yield executor
    for attempt in executor.attempts():
        executor.remove(attempt)


def outcome(process: Process, names: list[str], *words: str, **changes: Any) -> Outcome:
    """Run a busy Python under several collectors."""
    wanted = job(
        uid=uuid.uuid4().hex, collectors=[{"name": name} for name in names],
        app={"command": [sys.executable, "-c", BUSY, *words]}, **changes,
    )  # fmt: skip
    planned = plan.build_plan(wanted)
    process.start(planned)
    process.wait(planned.name, 120)
    with process.workspace(planned.name) as root:
        record = workspace.read_run(root, 0)
        assert record is not None
        scanned = artifacts.scan(root)
        entries = {}
        for one in planned.collectors:
            collector, options = plan.collector_of(one)
            found = scanned.below(f"run-0/{one.name}")
            capture = Capture(
                found, options, epoch_nanoseconds(record.started_at),
                started_monotonic=record.started_monotonic_ns,
            )  # fmt: skip
            items = collector.read(capture)
            entries[one.name] = [item for item in items if isinstance(item, Entry)]
        return Outcome(record, entries)


def assert_on_one_time_line(found: Outcome) -> None:
    """All entries lie within the run; what has times of its own goes forward."""
    began, ended = map(epoch_nanoseconds, (found.record.started_at, found.record.finished_at))
    for name, entries in found.entries.items():
        assert entries, name
        times = [epoch_nanoseconds(one.time) for one in entries]
        assert all(began - SECOND // 100 <= time <= ended for time in times), name
    samples = [one for one in found.entries["perf"] if one.kind is Kind.SAMPLE]
    assert len({one.time for one in samples}) > 1
    for thread in {one.thread for one in samples}:
        of_thread = [one.time for one in samples if one.thread == thread]
        assert of_thread == sorted(of_thread)
    assert {one.clock for one in samples} == {None}


@pytest.mark.needs("perf")
@pytest.mark.parametrize("code", [0, 3])
def test_both_profiles_are_there_when_the_application_ends(process: Process, code: int) -> None:
    """However it ends; its exit code is its own, and py-spy is no part of it."""
    found = outcome(process, ["pyspy", "perf"], "2", str(code))

    assert (found.record.exit_code, found.record.timed_out) == (code, False)
    assert_on_one_time_line(found)
    assert any(one.name == "hot" for one in found.entries["pyspy"])
    names = {(one.attributes or {}).get("threadName") for one in found.entries["perf"]}
    assert "py-spy" not in names


@pytest.mark.needs("perf")
@pytest.mark.parametrize("deaf", [False, True])
def test_both_profiles_are_there_when_the_limit_is_reached(process: Process, deaf: bool) -> None:
    """The application alone is told to end, or killed; the tools end after it, by themselves."""
    words = ["60", "0", *["deaf"] * deaf]

    found = outcome(process, ["perf", "pyspy"], *words, timeoutSeconds=3)

    assert (found.record.reason, found.record.timed_out) == ("AppTimedOut", True)
    assert_on_one_time_line(found)
    assert any(one.name == "hot" for one in found.entries["pyspy"])


@pytest.mark.needs("perf")
def test_what_is_inside_the_application_is_measured_beside(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TAU's profile has the times of its own run, so only perf's are within this one."""
    monkeypatch.setenv("PROFJOB_TOOLCHAINS__TAU__PATH", str(made_up_tau.make(tmp_path / "tau")))

    found = outcome(process, ["tau", "perf"], "1", "0")

    assert found.record.exit_code == 0
    perf = found.entries["perf"]
    assert_on_one_time_line(found._replace(entries={"perf": perf}))
