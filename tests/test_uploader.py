"""From a workspace to a result folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from making import job
from profiling_operator import entries, plan, uploader
from profiling_operator.executors import Observation, State
from profiling_operator.settings import Settings
from profiling_operator.status import SUMMARY_LIMIT, Collected
from profiling_operator.workspace import ExitRecord, Origin, RunRecord

STARTED = "2026-11-23T10:00:00.000000000Z"


def record(index: int, *, warmup: bool = False) -> RunRecord:
    """A run of one second that went well."""
    return RunRecord(
        index=index, warmup=warmup, reason="Completed", origin=Origin.APP, exit_code=0,
        started_at=STARTED, finished_at="2026-11-23T10:00:01.000000000Z",
        started_monotonic_ns=0, finished_monotonic_ns=10**9, tool_exit_code=0,
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace after a warm-up and a run under py-spy."""
    root = tmp_path / "workspace"
    for index, samples in ((0, 7), (1, 40)):
        run = root / f"run-{index}"
        (run / "pyspy").mkdir(parents=True)
        (run / "app.log").write_text(f"run {index}\n")
        (run / "pyspy" / "profile.folded").write_text(f"main (a.py:1);hot (a.py:2) {samples}\n")
    (root / ".run").mkdir()
    (root / ".run" / "exit.json").write_text("{}")
    return root


def collect(root: Path, tmp_path: Path, **changes: Any) -> tuple[Path, Any]:
    """The result folder of a workspace, and what was collected."""
    folder = tmp_path / "results"
    folder.mkdir()
    planned = plan.build_plan(job(warmups=1, repetitions=1, **changes))
    seen = Observation(State.ENDED, runs=(record(0, warmup=True), record(1)), node="here")
    return folder, uploader.collect(root, planned, seen, folder, Settings())


def ended(reason: str = "Completed") -> ExitRecord:
    """The launcher's last word."""
    return ExitRecord(
        protocol=1, reason=reason, origin=Origin.APP, runs=2, exit_code=0,
        started_at=STARTED, finished_at=STARTED,
    )  # fmt: skip


def judged(root: Path, tmp_path: Path, ending: ExitRecord, *gates: Any) -> tuple[Path, Collected]:
    """The result folder of a job with gates, and what was collected."""
    folder = tmp_path / "results"
    folder.mkdir()
    planned = plan.build_plan(job(warmups=1, repetitions=1, gates=list(gates)))
    seen = Observation(State.ENDED, runs=(record(0, warmup=True), record(1)), exit=ending)
    return folder, uploader.collect(root, planned, seen, folder, Settings())


def read(folder: Path, name: str) -> Any:
    """A JSON file of the results."""
    return json.loads((folder / name).read_text())


def test_a_result_folder_is_complete(workspace: Path, tmp_path: Path) -> None:
    """Entries, summary, metadata, pictures and logs; every file is in the listing."""
    folder, collected = collect(workspace, tmp_path)

    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "entries.jsonl.gz", "summary.json", "metadata.json", "speedscope.json", "folded.txt",
        "run-0/app.log", "run-1/app.log", "report.html", "report.css",
    }  # fmt: skip
    assert {file.path for file in collected.results.files} == names
    assert collected.headline == "hot 100 % of 400 ms"
    assert [[one.entries for one in run] for run in collected.outcomes] == [[3], [3]]
    assert all(one.usable for run in collected.outcomes for one in run)


def test_entries_of_all_runs_are_kept_and_warmups_do_not_count(
    workspace: Path, tmp_path: Path
) -> None:
    """The summary is of the measured run alone, and entries say whose they are."""
    folder, collected = collect(workspace, tmp_path)

    kept = list(entries.load(folder / "entries.jsonl.gz"))

    assert {one.run for one in kept} == {0, 1}
    assert {one.time for one in kept} == {STARTED}
    assert {one.job for one in kept} == {"ci/test"}
    measures = {one.measure: one.values for one in collected.results.summary}
    assert measures["timer:hot/inclusive"] == (400_000_000,)
    assert measures["app/duration"] == (10**9,)
    assert (folder / "folded.txt").read_text() == "main (a.py:1);hot (a.py:2) 400000000\n"


def test_a_page_that_cannot_be_made_loses_no_results(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so itself, and is a file like the others."""

    def fails(folder: Path) -> None:
        raise LookupError("odd")

    monkeypatch.setattr(uploader.report, "write", fails)
    folder, collected = collect(workspace, tmp_path)

    assert "LookupError: odd" in (folder / "report.html").read_text()
    assert "report.html" in {one.path for one in collected.results.files}


def test_every_file_is_accounted_for(workspace: Path, tmp_path: Path) -> None:
    """Converted, kept raw, or refused: the metadata names each."""
    tools = workspace / "run-1" / "pyspy"
    (tools / "notes.txt").write_text("")
    (tools / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(tools / "fifo")

    folder, _ = collect(workspace, tmp_path)

    metadata = read(folder, "metadata.json")
    fates = {(one["run"], Path(one["path"]).name): one.get("fate") for one in metadata["files"]}
    assert fates == {
        (0, "profile.folded"): "converted", (1, "profile.folded"): "converted",
        (1, "notes.txt"): "raw",
    }  # fmt: skip
    assert {(Path(one["path"]).name, one["reason"]) for one in metadata["refused"]} == {
        ("passwd", "a symbolic link"), ("fifo", "a FIFO"),
    }  # fmt: skip


def test_raw_files_are_left_out_unless_asked_for(workspace: Path, tmp_path: Path) -> None:
    """With output.raw the collectors' own files are there too; links never are."""
    (workspace / "run-1" / "pyspy" / "passwd").symlink_to("/etc/passwd")

    folder, _ = collect(workspace, tmp_path, output={"raw": True})

    raw = {path.relative_to(folder).as_posix() for path in (folder / "raw").rglob("*.*")}
    assert raw == {"raw/run-0/pyspy/profile.folded", "raw/run-1/pyspy/profile.folded"}


def test_a_collector_that_brought_nothing_is_not_usable(workspace: Path, tmp_path: Path) -> None:
    """Its outcome carries the reason and a message."""
    (workspace / "run-1" / "pyspy" / "profile.folded").unlink()

    _, collected = collect(workspace, tmp_path)

    (outcome,) = collected.outcomes[1]
    assert (outcome.usable, outcome.reason) == (False, "NothingMeasured")
    assert outcome.message


def test_an_attempt_without_runs_has_empty_results(tmp_path: Path) -> None:
    """A launcher that could start nothing leaves files that are still whole."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "results").mkdir()
    planned = plan.build_plan(job())

    collected = uploader.collect(
        tmp_path / "workspace", planned, Observation(State.ENDED), tmp_path / "results", Settings()
    )

    assert collected.outcomes == ()
    assert read(tmp_path / "results", "summary.json")["measures"] == []
    assert list(entries.load(tmp_path / "results" / "entries.jsonl.gz")) == []


def test_gates_are_judged_where_the_results_are_made(workspace: Path, tmp_path: Path) -> None:
    """Verdicts, and a test case for each in a file that is among the results."""
    folder, collected = judged(
        workspace, tmp_path, ended(), {"measure": "app/duration", "max": "2s"},
        {"measure": "timer:h?t/inclusive", "statistic": "p95", "max": "100ms"},
        {"measure": "timer:hto/inclusive", "max": 1},
    )  # fmt: skip

    assert [(one.measure, one.verdict, one.value, one.limit) for one in collected.gates] == [
        ("app/duration", "Passed", 1e9, 2e9), ("timer:hot/inclusive", "Failed", 4e8, 1e8),
        ("timer:hto/inclusive", "Skipped", None, None),
    ]  # fmt: skip
    root = ET.parse(folder / "junit.xml").getroot()  # noqa: S314 - our own
    assert [one.get("name") for one in root] == [one.measure for one in collected.gates]
    assert root.get("name") == "ci.test"
    assert collected.results is not None
    assert "junit.xml" in {one.path for one in collected.results.files}


def test_gates_of_a_failed_job_are_not_judged(workspace: Path, tmp_path: Path) -> None:
    """Whatever the numbers are; its measures are told all the same."""
    folder, collected = judged(
        workspace, tmp_path, ended("AppFailed"), {"measure": "app/duration", "max": 1}
    )

    assert [(one.verdict, one.message) for one in collected.gates] == [
        ("Skipped", "app/duration: the job did not succeed: AppFailed")
    ]
    assert "<skipped" in (folder / "junit.xml").read_text()


def test_gates_of_an_unusable_profile_are_not_judged(workspace: Path, tmp_path: Path) -> None:
    """A timer that was not measured must not seem to be fast."""
    (workspace / "run-1" / "pyspy" / "profile.folded").unlink()

    _, collected = judged(workspace, tmp_path, ended(), {"measure": "timer:*", "max": 1})

    assert [one.verdict for one in collected.gates] == ["Skipped"]
    assert "NothingMeasured" in collected.gates[0].message


def test_what_gates_are_about_is_in_the_summary(workspace: Path, tmp_path: Path) -> None:
    """Of the status, which has room for 20, and in the file, which has 50 of a kind."""
    lines = (f"main (a.py:1);f{number} (a.py:2) {number + 1}" for number in range(200))
    (workspace / "run-1" / "pyspy" / "profile.folded").write_text("\n".join([*lines, ""]))

    folder, collected = judged(
        workspace, tmp_path, ended(), {"measure": "timer:f0/inclusive", "max": "1ms"}
    )

    assert collected.results is not None
    told = collected.results.summary
    assert len(told) == SUMMARY_LIMIT
    assert (told[0].measure, told[0].values) == ("timer:f0/inclusive", (10_000_000,))
    assert told[1].measure == "app/duration"
    measures = read(folder, "summary.json")["measures"]
    assert [one["measure"] for one in measures].count("timer:f0/inclusive") == 1
    assert [one.verdict for one in collected.gates] == ["Failed"]


@pytest.mark.parametrize(("reason", "names"), [
    ("Completed", ["benchmark.json"]), ("AppFailed", []),
])  # fmt: skip
def test_numbers_for_trends_are_of_jobs_that_succeeded(
    workspace: Path, tmp_path: Path, reason: str, names: list[str]
) -> None:
    """What a gate is about, or the measures of the status; and they are in the listing."""
    folder, collected = judged(
        workspace, tmp_path, ended(reason), {"measure": "app/duration", "max": "1s"}
    )

    listed = [one.path for one in collected.results.files if one.path.startswith("benchmark")]
    assert listed == names
    assert [read(folder, name)[0]["name"] for name in names] == ["app/duration (median)"] * len(
        names
    )
