"""Files of different kinds that belong together: nothing is counted twice, nothing goes unnamed."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from profiling_operator import artifacts
from profiling_operator.captures import Capture, Fate, FileNote, Metadata
from profiling_operator.collectors import tau
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import tau_reading

SAMPLES = Path(__file__).parent.parent / "samples/tau"


def capture(folder: Path) -> Capture:
    """A folder as a capture."""
    return Capture(artifacts.scan(folder).artifacts, tau.Options(), 0)


def read(folder: Path) -> tuple[list[Entry], dict[str, tuple[Fate, str]], list[FileNote]]:
    """Entries, the fates of files, and all notes."""
    items = list(tau_reading.read(capture(folder)))
    notes = [one for one in items if isinstance(one, FileNote)]
    fates = {one.path: (one.fate, one.message) for one in notes if one.fate}
    return [one for one in items if isinstance(one, Entry)], fates, notes


def test_ranges_are_additive_where_no_profile_is(tmp_path: Path) -> None:
    """Thread by thread."""
    shutil.copytree(SAMPLES / "2.34/trace", tmp_path, dirs_exist_ok=True)
    (tmp_path / "profile.0.0.2").unlink()
    ranges = [one for one in read(tmp_path)[0] if one.kind is Kind.RANGE]

    assert {one.thread for one in ranges if one.additive} == {2}
    assert {one.thread for one in ranges} == {0, 1, 2, 3}


def test_a_merged_trace(tmp_path: Path) -> None:
    """tau.trc with tau.edf holds what the traces of all nodes hold."""
    traces = SAMPLES / "2.34/trace-mpi"
    files = sorted(traces.glob("*.trc"))
    (tmp_path / "tau.trc").write_bytes(b"".join(file.read_bytes() for file in files))
    shutil.copy(traces / "events.0.edf", tmp_path / "tau.edf")

    merged, fates, _ = read(tmp_path)
    assert merged == read(traces)[0]
    assert {fate for fate, _ in fates.values()} == {Fate.CONVERTED}


def test_a_merged_profile_beside_text_profiles(tmp_path: Path) -> None:
    """Of its threads only those are taken that have no text profile."""
    shutil.copy(SAMPLES / "2.34/merged-mpi/tauprofile.xml", tmp_path)
    shutil.copy(SAMPLES / "2.34/mpi-callpath-comm/profile.1.0.0", tmp_path)
    entries, fates, _ = read(tmp_path)

    assert Counter(one.process for one in entries if one.name == "MPI_Init()") == {0: 1, 1: 2, 2: 1}
    assert "1 threads are in other profiles" in fates["tauprofile.xml"][1]


def test_a_trace_beside_a_merged_profile_is_not_additive(tmp_path: Path) -> None:
    """The profile holds its sums."""
    shutil.copytree(SAMPLES / "2.34/trace-mpi", tmp_path, dirs_exist_ok=True)
    shutil.copy(SAMPLES / "2.34/merged-mpi/tauprofile.xml", tmp_path)

    assert {one.kind for one in read(tmp_path)[0] if one.additive} == {Kind.TIMER, Kind.COUNTER}
    ranges = [one for one in read(tmp_path)[0] if one.kind is Kind.RANGE]
    assert {one.additive for one in ranges} == {False}


def test_missing_and_unneeded_definitions() -> None:
    """A trace names the file that it lacks."""
    _, fates, _ = read(SAMPLES / "hand-made/trace-without-definitions")

    assert fates == {
        "tautrace.3.0.0.trc": (
            Fate.REFUSED,
            "the definitions of its events are missing: events.3.edf",
        ),
        "events.4.edf": (Fate.RAW, "definitions of a trace that is not there"),
    }


def test_processes_that_overwrote_each_other() -> None:
    """Told once, by the file of the other process; ranks are processes of their own."""
    _, _, notes = read(SAMPLES / "hand-made/overwritten")

    [note] = [one for one in notes if one.fate is None]
    assert (note.path, note.message.startswith("overwritten")) == ("profile.0.0.1", True)
    assert "11" in note.message and "12" in note.message


def test_samples_without_names() -> None:
    """Said of the file, and of all."""
    _, fates, notes = read(SAMPLES / "hand-made/unresolved")

    assert fates["profile.0.0.0"][1] == "no sample has a name"
    assert [one.message.partition(":")[0] for one in notes if one.fate is None] == [
        "no sample has a name"
    ]


@pytest.mark.parametrize(
    "case", ["2.34/trace", "2.34/trace-mpi", "2.34/merged-mpi", "hand-made/snapshots"]
)
def test_secrets_are_left_out(case: str) -> None:
    """TAU writes its metadata among the events of a trace, and of the profile beside it."""
    items = list(tau_reading.read(capture(SAMPLES / case)))
    facts = [one.values for one in items if isinstance(one, Metadata)]

    assert len(facts) == 1
    assert "TAU Version" in facts[0]
    for hidden in ("Command Line", "CWD", "Executable", "Hostname"):
        assert hidden not in facts[0]
        assert not any(isinstance(one, Entry) and hidden in one.name for one in items)


def test_parts_keep_together_what_belongs_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node's profiles, dumps, traces and definitions are in one part, in whatever order."""
    monkeypatch.setattr(tau_reading, "PART_BYTES", 1)
    shutil.copytree(SAMPLES / "2.34/trace-mpi", tmp_path / "a")
    shutil.copytree(SAMPLES / "2.34/mpi-callpath-comm", tmp_path / "a", dirs_exist_ok=True)
    shutil.copytree(SAMPLES / "hand-made/incremental-dumps", tmp_path / "b")
    shutil.copytree(SAMPLES / "hand-made/snapshots", tmp_path / "c")
    (tmp_path / "notes.txt").write_text("hello\n")
    whole = capture(tmp_path)
    parts = tau_reading.split(whole)

    read_apart = [
        item for part in parts for item in tau_reading.read(part) if isinstance(item, Entry)
    ]
    assert len(parts) == 6
    assert read_apart == [item for item in tau_reading.read(whole) if isinstance(item, Entry)]


@pytest.mark.parametrize(
    ("name", "head", "known"),
    [
        ("tauprofile.xml", b"<profile_xml>", True),
        ("mine-tauprofile.xml.gz", b"\x1f\x8b", True),
        ("snapshot.0.0.0", b"<profile_xml>", True),
        ("tautrace.0.0.0.trc", b"", True),
        ("events.0.edf", b"", True),
        ("trial.ppk", b"", True),
        ("profile.0.0.0", b"3 templated_functions_MULTI_TIME\n", True),
        ("profile.0.0.0", b"nonsense", False),
        ("events.json", b"", False),
        ("snapshot.json", b"", False),
    ],
)
def test_what_is_known(name: str, head: bytes, known: bool) -> None:
    """By name; text profiles by their first line, too."""
    assert tau_reading.knows(name, head) == known
