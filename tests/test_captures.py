"""What a collector left, part by part, and the part of a verdict that is the same for all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profiling_operator import artifacts
from profiling_operator.captures import (
    ATTACH_LOG,
    Capture,
    Complaint,
    Evidence,
    Fate,
    FileNote,
    Verdict,
    attach_note,
    attached_words,
    by_file,
    complained,
    judge_common,
)
from profiling_operator.errors import Reason
from profiling_operator.frozen import Frozen


def capture(folder: Path) -> Capture:
    """A folder's capture."""
    return Capture(artifacts.scan(folder).artifacts, Frozen(), 0, job="a/b")


def test_a_part_for_each_file(tmp_path: Path) -> None:
    """In their order, with all else as it is; a capture without files is one part."""
    (tmp_path / "b").touch()
    (tmp_path / "a").touch()

    parts = by_file(capture(tmp_path))

    assert [[one.path for one in part.artifacts] for part in parts] == [["a"], ["b"]]
    assert {part.job for part in parts} == {"a/b"}
    assert len(by_file(Capture((), Frozen(), 0))) == 1


def test_an_attached_tools_last_words_are_told(tmp_path: Path) -> None:
    """They are what the verdict has where the tool left nothing else."""
    (tmp_path / ATTACH_LOG).write_text("x" * 5000 + "\nno such process\n")
    (log,) = capture(tmp_path).artifacts

    note = attach_note(log)
    evidence = Evidence(entries=0, kinds={}, notes=[note])
    verdict = judge_common(evidence)

    assert note.fate is Fate.RAW and len(note.message) <= 2048
    assert attached_words(evidence).endswith("no such process")
    assert verdict is not None and verdict.message.startswith("the tool left no file: ")


@pytest.mark.parametrize(
    ("notes", "verdict"),
    [
        ([], Verdict(False, Reason.NOTHING_MEASURED, "the tool left no file")),
        (
            [FileNote("a", Fate.REFUSED, "is cut", 3)],
            Verdict(False, Reason.OUTPUT_UNREADABLE, "a, line 3: is cut"),
        ),
        (
            [FileNote("a", Fate.CONVERTED)],
            Verdict(False, Reason.NOTHING_MEASURED, "the profile holds no measurement"),
        ),
    ],
    ids=["nothing", "refused", "empty"],
)
def test_without_entries_there_is_a_reason(notes: list[FileNote], verdict: Verdict) -> None:
    """No file, none that can be read, none that holds anything."""
    assert judge_common(Evidence(entries=0, kinds={}, notes=notes)) == verdict
    assert judge_common(Evidence(entries=1, kinds={"timer": 1}, notes=notes)) is None


def test_what_a_tool_says_of_itself_is_the_verdict() -> None:
    """The first complaint that is known, wherever it was said: its words, and what to do."""
    known = [
        Complaint(re.compile("no GPU"), Reason.NO_GPU_DATA, "ask for one"),
        Complaint(re.compile("failed"), Reason.COLLECTOR_FAILED, "look"),
    ]

    verdict = complained(known, ["it  failed.", "there is\tno GPU."])

    assert verdict == Verdict(False, Reason.NO_GPU_DATA, "there is no GPU; ask for one")
    assert complained(known, ["all is well"]) is None
