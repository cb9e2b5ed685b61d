"""A thread's files: metrics, and dumps as a time series."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from profiling_operator import artifacts
from profiling_operator.captures import Capture, Fate, FileNote
from profiling_operator.collectors import tau
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import tau_files
from profiling_operator.formats.tau_entries import Families
from profiling_operator.formats.tau_threads import ThreadReader

DUMPS = Path(__file__).parent.parent / "samples/tau/hand-made/incremental-dumps"
SECOND = 1_000_000_000


def read(folder: Path) -> tuple[list[Entry], list[FileNote]]:
    """What a folder with one thread holds."""
    capture = Capture(artifacts.scan(folder).artifacts, tau.Options(), 0)
    [group] = tau_files.arrange(capture.artifacts)[0]
    [thread] = group.threads
    items = [
        item for batch in ThreadReader(capture, thread, Families()).batches() for item in batch
    ]
    return [one for one in items if isinstance(one, Entry)], [
        one for one in items if isinstance(one, FileNote)
    ]


def test_dumps_are_a_series() -> None:
    """By the times in their names, in the zone that the metadata tells; the last state is whole."""
    entries, notes = read(DUMPS)
    pieces = [one for one in entries if one.kind is Kind.METRIC and one.name == "main"]

    assert [(one.time[11:19], one.exclusive) for one in pieces] == [
        ("12:21:04", 1_000_000),
        ("12:21:14", 500_000),
        ("12:21:24", 500_000),
    ]
    assert [(one.kind, one.exclusive) for one in entries if one.additive and one.exclusive] == [
        (Kind.TIMER, 2_000_000),
        (Kind.TIMER, 4_000_000),
    ]
    assert [note.fate for note in notes] == [Fate.CONVERTED] * 3


def test_without_a_zone_dumps_stay_as_they_are(tmp_path: Path) -> None:
    """A time that may be hours wrong is none."""
    for file in DUMPS.iterdir():
        text = file.read_text().replace("+01:00", "")
        (tmp_path / file.name).write_text(text)
    entries, notes = read(tmp_path)

    assert {one.kind for one in entries} == {Kind.TIMER, Kind.COUNTER}
    assert [note.fate for note in notes].count(Fate.RAW) == 2
    assert "unknown zone" in notes[-1].message


@pytest.mark.parametrize("missing", ["profile.0.0.0", "dump__Mon-Nov-23-13:21:24-2026__.0.0.0"])
def test_any_state_may_be_missing(tmp_path: Path, missing: str) -> None:
    """The series goes from one that is there to the next; the last one is the thread's profile."""
    shutil.copytree(DUMPS, tmp_path, dirs_exist_ok=True)
    (tmp_path / missing).unlink()
    entries, _ = read(tmp_path)

    last = [one for one in entries if one.kind is Kind.TIMER and one.name == "work"]
    pieces = [one for one in entries if one.kind is Kind.METRIC and one.name == "work"]
    assert len(last) == 1
    assert len(pieces) == 2
    assert sum(one.exclusive or 0 for one in pieces) == last[0].exclusive


def test_damaged_dumps_do_not_stop_the_series(tmp_path: Path) -> None:
    """Each file has its note."""
    shutil.copytree(DUMPS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "dump__Mon-Nov-23-13:21:14-2026__.0.0.0").write_text("nonsense\n")
    entries, notes = read(tmp_path)

    assert [note.fate for note in notes] == [Fate.REFUSED, Fate.CONVERTED, Fate.CONVERTED]
    assert len([one for one in entries if one.kind is Kind.TIMER]) == 2
