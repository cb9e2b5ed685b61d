"""py-spy's files, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiling_operator import artifacts
from profiling_operator.captures import Capture, Fate, FileNote
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import py_spy_reading
from profiling_operator.frozen import Frozen

SAMPLES = Path(__file__).parent.parent / "samples" / "pyspy"


def read(folder: Path, rate: int = 100) -> tuple[list[Entry], list[FileNote]]:
    """Entries and notes of a folder."""
    capture = Capture(artifacts.scan(folder).artifacts, Frozen(), started=10**18)
    items = list(py_spy_reading.read(capture, rate))
    entries = [item for item in items if isinstance(item, Entry)]
    return entries, [item for item in items if isinstance(item, FileNote)]


def told(folder: Path, text: str | bytes, name: str = "profile.folded") -> Any:
    """Entries and notes of a file."""
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return read(folder)


CASES = sorted(path for path in SAMPLES.glob("*/*") if path.is_dir())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_additive_exclusive_values_add_up_to_the_samples(case: Path) -> None:
    """Of each thread and unit."""
    sums: dict[bool, Counter[Any]] = {True: Counter(), False: Counter()}
    for one in read(case)[0]:
        assert (one.kind is Kind.TIMER) is one.additive
        sums[one.additive][one.process, one.thread, one.unit] += int(one.exclusive or 0)

    assert sums[True] == sums[False]
    assert sum(sums[True].values()) > 0


def test_native_frames_tell_their_library() -> None:
    """Those of C++ with their names, those without a name once for each library."""
    entries, _ = read(SAMPLES / "0.4.3" / "native")

    timers = {one.name: one for one in entries if one.additive}
    grind = [one for one in entries if one.name == "app::grind<double>" and one.additive]
    assert {(one.attributes or {}).get("dso") for one in grind} == {None, "libnodebug.so"}
    assert {one.source.file for one in grind if one.source} == {"nat.cpp"}
    unknown = timers["[unknown] (libz.so.1.2.13)"]
    assert (unknown.source, (unknown.attributes or {})["dso"]) == (None, "libz.so.1.2.13")
    assert not any("0x" in frame for one in entries for frame in (one.name, *(one.path or ())))


def test_events_of_speedscope_become_samples() -> None:
    """With their time, and what is wrong with the second profile."""
    entries, notes = read(SAMPLES / "hand-made" / "evented")

    timers = {(one.name, one.unit): one for one in entries if one.additive}
    assert timers["hot", "ns"].exclusive == 3_000_000
    assert timers["main", "ns"].inclusive == 5_000_000
    assert timers["app::cold()", "ns"].attributes == {"threadName": "one", "dso": "/opt/app/lib.so"}
    assert (timers["hot", "1"].exclusive, timers["hot", "1"].metric) == (6, "WEIGHT")
    assert [note.fate for note in notes] == [None, Fate.CONVERTED]


def test_bytes_are_no_time() -> None:
    """Others profile memory in the same format."""
    entries, notes = read(SAMPLES / "hand-made" / "bytes")

    assert {(one.metric, one.unit) for one in entries} == {("BYTES", "By")}
    assert {one.name: one.exclusive for one in entries if one.additive} == {"main": 16, "grow": 64}
    assert "3 samples, 2 weights" in notes[0].message


def test_functions_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes past the limit is added up under one name, so the total stays right."""
    monkeypatch.setattr(py_spy_reading, "FUNCTION_BYTES", 3 * py_spy_reading.ROOM_OF_FUNCTION)

    entries, _ = told(tmp_path, "".join(f"f{n} (a.py:1) 1\n" for n in range(100)))

    timers = {one.name: one.calls for one in entries if one.additive}
    assert timers.pop("[other functions]") == 100 - len(timers) > 90
    assert sum(timers.values()) == len(timers)


@pytest.mark.parametrize("text", ["{", "[]", "\x00", '{"shared": 3', '{"profiles": [{}]}'])
def test_what_is_no_speedscope_file_has_no_entries(tmp_path: Path, text: str) -> None:
    """It is refused with what is wrong, or holds nothing."""
    entries, notes = told(tmp_path, text, "profile.speedscope.json")

    assert entries == []
    assert [note.fate for note in notes] in ([Fate.REFUSED], [Fate.CONVERTED])


def test_what_was_read_before_an_error_is_kept(tmp_path: Path) -> None:
    """The file is refused, and what it adds up to is told."""
    whole = (SAMPLES / "hand-made" / "evented" / "profile.speedscope.json").read_text()
    broken = whole.replace('"frame": 1, "at": 4', '"frame": 1, "at": -4')

    entries, notes = told(tmp_path, broken, "profile.speedscope.json")

    assert sum(one.exclusive or 0 for one in entries if one.additive) == 5_000_000
    assert notes[-1].fate is Fate.REFUSED and "comes after" in notes[-1].message


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=400), st.sampled_from([".folded", ".speedscope.json"]))
def test_any_bytes_get_one_fate(tmp_path: Path, data: bytes, suffix: str) -> None:
    """Whatever they are, nothing is raised."""
    for old in tmp_path.iterdir():
        old.unlink()

    _, notes = told(tmp_path, data, f"profile{suffix}")

    assert sum(note.fate is not None for note in notes) == 1
