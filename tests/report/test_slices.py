"""Reading trace.json."""

from __future__ import annotations

from pathlib import Path

import pytest

import made_up_results as made
from made_up_entries import event
from profiling_operator.entries import Kind
from profiling_operator.exports.timeline import Timeline
from profiling_operator.report import slices
from profiling_operator.report.slices import Slice, Track


def test_what_the_exporter_writes_is_read(tmp_path: Path) -> None:
    """GPUs first, tracks by name, microseconds; samples are left to the flame graph."""
    timeline = Timeline()
    timeline.add(event("step", 0, 9000, process=5, thread=6))
    timeline.add(event("gemm", 1000, 2000, kind=Kind.KERNEL, device=0, stream=7))
    timeline.add(event("copy", 4000, 1000, kind=Kind.MEMCPY, device=0, stream=7))
    timeline.write(tmp_path / "trace.json", "ci/x")

    found = slices.read(tmp_path / "trace.json")

    assert [(one.process, one.name) for one in found.tracks] == [
        ("GPU 0", "Stream 7"), ("Process 5", "Thread 6"),
    ]  # fmt: skip
    assert found.tracks[0].slices == [
        Slice(1.0, 3.0, "gemm", "kernel"), Slice(4.0, 5.0, "copy", "memcpy"),
    ]  # fmt: skip
    assert found.tracks[0].busy == pytest.approx(3.0)
    assert not found.is_cut


def test_there_need_not_be_a_file(tmp_path: Path) -> None:
    """Most collectors have no time line."""
    assert slices.read(tmp_path / "trace.json") == slices.Trace()


def test_what_is_no_slice_is_passed_over(tmp_path: Path) -> None:
    """The others are there."""
    path = made.trace(
        tmp_path / "trace.json", "[]", "{", '{"ph": 3}', '{"ph":"X","ts":-1,"cat":"a,kernel"}',
        made.slice_line("s", "sample", 0, 1), made.slice_line("far", "kernel", 1e308, 1e308),
        '{"ph":"X","cat":"a,kernel","name":"' + "x" * (1 << 17) + '"}',
        made.slice_line("good", "kernel", 0, 1),
    )  # fmt: skip

    (track,) = slices.read(path).tracks

    assert [one.name for one in track.slices] == ["good"]


def test_so_many_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, which come last, all the same."""
    monkeypatch.setattr(slices, "SLICES_LIMIT", 3)
    lines = (made.slice_line("k", "kernel", at, 1) for at in range(5))
    found = slices.read(made.trace(tmp_path / "trace.json", *lines))

    assert found.is_cut
    assert [(one.name, len(one.slices)) for one in found.tracks] == [("Stream 7", 3)]


def test_the_first_run_of_several() -> None:
    """They ran one after the other."""
    tracks = [Track(process=one) for one in ("Run 2 GPU 0", "Run 1 GPU 0", "Run 1 host Process 5")]

    assert slices.first_run(tracks) == tracks[1:]
    assert slices.first_run([Track(process="GPU 0")]) == [Track(process="GPU 0")]
    assert slices.first_run([]) == []
