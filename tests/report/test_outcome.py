"""How the job ended, as the page tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import made_up_results as made
from profiling_operator.report import outcome, results
from profiling_operator.report.outcome import Banner
from profiling_operator.report.results import Results


def read(folder: Path, **files: Any) -> Results:
    """A result folder."""
    return results.read(made.make(folder / "r", **files))


def ended(phase: str, reason: str = "", message: str = "") -> dict[str, Any]:
    """metadata.json of a job that ended so."""
    return made.metadata(outcome={"phase": phase, "reason": reason, "message": message})


def test_a_success_counts_its_gates(tmp_path: Path) -> None:
    """All passed, or how many of which."""
    passed, skipped = made.gate("a", "Passed"), made.gate("b", "Skipped")
    summaries = [made.summary(gates=gates) for gates in ([], [passed], [passed, skipped, passed])]
    said = [outcome.banner(read(tmp_path, summary=one)).said for one in summaries]
    plain = [one.replace("\u00a0", " ") for one in said]

    assert plain == ["", "1 gate passed", "3 gates: 1 skipped, 2 passed"]


def test_a_failed_gate_is_the_outcome(tmp_path: Path) -> None:
    """With the first message."""
    gates = [made.gate("a", "Failed", message="a: too slow"), made.gate("b", "Failed")]
    found = outcome.banner(read(tmp_path, summary=made.summary(gates=gates)))

    assert (found.kind, found.reason) == ("bad", "GateFailed")
    assert found.title == "2\u00a0gates were not met"
    assert found.said == "a: too slow (and 1 more)"
    assert "profjob baseline accept" in found.advice


@pytest.mark.parametrize(
    ("told", "kind", "sign"),
    [(("Failed", "AppTimedOut", "m"), "bad", "✗"), (("Cancelled", "Cancelled", "m"), "bad", "–"),
     (("Running", "", "m"), "open", "–"), (("Odd<", "Odder", "m"), "open", "–")],
)  # fmt: skip
def test_other_endings(tmp_path: Path, told: tuple[str, str, str], kind: str, sign: str) -> None:
    """Whatever the words are."""
    found = outcome.banner(read(tmp_path, metadata=ended(*told)))

    assert (found.kind, found.sign, found.title) == (kind, sign, told[0])
    assert (found.reason, found.said) == told[1:]
    assert bool(found.advice) == bool(found.meaning) == (kind == "bad")


def test_nothing_is_known_of_old_folders(tmp_path: Path) -> None:
    """It is not said that they went well."""
    found = outcome.banner(read(tmp_path, metadata=None))

    assert found == Banner("open", "?", "How it ended is not known", "", "", "", "")


def test_the_status_knows_what_came_after(tmp_path: Path) -> None:
    """Results that were lost on their way."""
    condition = {
        "type": "Finished", "status": "True", "reason": "UploadFailed", "message": "store is full",
        "lastTransitionTime": "",
    }  # fmt: skip
    status = {"status": {"phase": "Failed", "conditions": [condition]}}
    found = outcome.banner(read(tmp_path, status=status))

    assert (found.title, found.reason, found.said) == ("Failed", "UploadFailed", "store is full")


def test_verdicts_are_told_worst_first_with_their_units(tmp_path: Path) -> None:
    """A gate of an older summary has its unit from the measure."""
    gates = [
        made.gate("app/duration", "Passed", unit="", value=1.1e9, limit=2e9,
                  interval=[1e9, 1.2e9]),
        made.gate("app/peakMemory", "Failed", unit="By", value=4 << 20, limit=1 << 20),
        made.gate("odd", "Skipped"),
    ]  # fmt: skip
    found = read(tmp_path, summary=made.summary(gates=gates))

    told = list(outcome.verdicts(outcome.gates(found), found))

    assert [(one.verdict, one.sign) for one in told] == [
        ("Failed", "✗"), ("Skipped", "–"), ("Passed", "✓"),
    ]  # fmt: skip
    assert (told[0].value, told[0].limit, told[0].baseline) == ("4\u00a0MiB", "1\u00a0MiB", "–")
    assert (told[1].value, told[1].statistic) == ("–", "")
    assert (told[2].value, told[2].interval) == ("1.1\u00a0s", "1\u00a0s – 1.2\u00a0s")


def test_runs_are_told(tmp_path: Path) -> None:
    """How each ended, what it took, what its collectors brought."""
    bad = {"name": "perf", "usable": False, "entries": 0, "reason": "NothingMeasured",
           "message": "ran 3 ms"}  # fmt: skip
    runs = [
        made.run(0, warmup=True),
        made.run(1, reason="AppKilled", exitCode=None, signal=11, collectors=[bad]),
    ]
    found = read(tmp_path, metadata=made.metadata(runs=runs))

    warmup, killed = outcome.tell_runs(outcome.runs(found), found)

    assert (warmup.title, warmup.ended, warmup.is_bad) == (
        "warm-up 0", "Completed, exit code 0", False,
    )  # fmt: skip
    assert (warmup.duration, warmup.cpu, warmup.memory) == (
        "1\u00a0s", "750\u00a0ms", "3\u00a0MiB",
    )  # fmt: skip
    assert (killed.title, killed.ended, killed.is_bad) == ("run 1", "AppKilled, signal 11", True)
    (brought,) = killed.collectors
    assert (brought.reason, brought.message) == ("NothingMeasured", "ran 3 ms")


def test_the_last_words_are_those_of_the_run_that_failed(tmp_path: Path) -> None:
    """Whole lines, without what steers a terminal."""
    runs = [made.run(0), made.run(1, reason="AppFailed", exitCode=1)]
    folder = made.make(tmp_path / "r", metadata=made.metadata(runs=runs))
    assert outcome.last_words(results.read(folder)) == ("", "")
    (folder / "run-1").mkdir()
    (folder / "run-1" / "app.log").write_bytes(
        b"x" * 9000 + b"\n\tone\x1b[31m\x1b[0m\r\n\xff\x07two\n\n"
    )

    assert outcome.last_words(results.read(folder)) == ("run 1", "        one\n\ufffd two")


def test_the_headline_is_the_summarys_else_that_of_the_status(tmp_path: Path) -> None:
    """An older summary has none."""
    status = {"status": {"headline": "from the status"}}
    found = read(tmp_path, summary=made.summary(headline=""), status=status)

    assert outcome.headline(found) == "from the status"
    assert outcome.headline(read(tmp_path)) == "hot 80 % of 1 s"
