"""Stacks for viewers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiling_operator import exports
from profiling_operator.entries import Entry, Kind
from profiling_operator.exports import Stacks

TIME = "2026-11-23T10:00:00.000000000Z"


def entry(name: str, **more: Any) -> Entry:
    """A timer's entry, unless told otherwise."""
    given: dict[str, Any] = {"kind": Kind.TIMER, "additive": True, "metric": "TIME", "unit": "ns"}
    return Entry(time=TIME, job="", run=0, collector="c", name=name, **{**given, **more})


def folded(tmp_path: Path, *entries: Entry) -> dict[str, int]:
    """The folded file of entries."""
    stacks = Stacks()
    for one in entries:
        stacks.add(one)
    stacks.write_folded(tmp_path / "folded.txt")
    lines = (tmp_path / "folded.txt").read_text().splitlines()
    return {stack: int(time) for stack, _, time in (line.rpartition(" ") for line in lines)}


def test_samples_with_paths_go_before_everything(tmp_path: Path) -> None:
    """Timers count the same time, so they are left out; threads are added up."""
    found = folded(
        tmp_path,
        entry("hot", exclusive=100),
        entry("hot", kind=Kind.SAMPLE, additive=False, exclusive=40, path=("main", "hot")),
        entry("hot", kind=Kind.SAMPLE, additive=False, exclusive=2, path=("main", "hot"), thread=1),
    )

    assert found == {"main;hot": 42}


def test_call_paths_get_the_own_time_of_their_roots(tmp_path: Path) -> None:
    """A root's own time is in its flat timer alone; with it the total is the profile's."""
    found = folded(
        tmp_path,
        entry("main", exclusive=10, inclusive=100),
        entry("hot", exclusive=90, inclusive=90),
        entry("hot", exclusive=90, inclusive=90, additive=False, path=("main", "hot")),
    )

    assert found == {"main": 10, "main;hot": 90}


def test_flat_timers_are_better_than_nothing(tmp_path: Path) -> None:
    """Without any path each timer is a stack of its own."""
    assert folded(tmp_path, entry("a", exclusive=1), entry("b", exclusive=2)) == {"a": 1, "b": 2}


def test_words_with_a_meaning_are_taken_out_of_frames(tmp_path: Path) -> None:
    """A semicolon or a newline in a name does not make two frames or two lines."""
    path = ("operator;", "line\nbreak")

    assert folded(tmp_path, entry("x", exclusive=1, additive=False, path=path)) == {
        "operator:;line break": 1
    }


def test_speedscope_has_a_profile_per_thread(tmp_path: Path) -> None:
    """The file is what speedscope's schema asks for: indexes into shared frames, equal lengths."""
    stacks = Stacks()
    for thread, time in ((1, 5), (2, 7)):
        where = {"thread": thread, "attributes": {"threadName": "w"}, "path": ("main", "hot")}
        stacks.add(entry("hot", kind=Kind.SAMPLE, exclusive=time, additive=False, **where))
    stacks.write_speedscope(tmp_path / "s.json", "ci/x")

    body = json.loads((tmp_path / "s.json").read_text())

    assert body["$schema"] == exports.SPEEDSCOPE_SCHEMA
    assert body["shared"]["frames"] == [{"name": "main"}, {"name": "hot"}]
    assert [profile["name"] for profile in body["profiles"]] == ['Thread 2 "w"', 'Thread 1 "w"']
    for profile in body["profiles"]:
        assert (profile["type"], profile["unit"]) == ("sampled", "nanoseconds")
        assert profile["samples"] == [[0, 1]]
        assert profile["endValue"] == sum(profile["weights"])


def test_an_empty_profile_is_still_a_file(tmp_path: Path) -> None:
    """No stacks give an empty folded file and valid JSON."""
    stacks = Stacks()
    stacks.write_folded(tmp_path / "f")
    stacks.write_speedscope(tmp_path / "s", "x")

    assert (tmp_path / "f").read_text() == ""
    assert json.loads((tmp_path / "s").read_text())["profiles"] == []


def test_stacks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit new stacks are counted as left out; known ones still grow."""
    monkeypatch.setattr(exports, "STACKS_LIMIT", 2)
    stacks = Stacks()
    for name in ("a", "b", "c", "a"):
        stacks.add(entry(name, exclusive=1))

    (chosen,) = stacks.chosen().values()
    assert chosen == {("a",): 2, ("b",): 1}
    assert stacks.left_out == 1


def test_what_a_gpu_did_is_a_stack_per_gpu(tmp_path: Path) -> None:
    """Launches of a kernel are added up; the CPU's call paths stay as they are."""
    kernel: dict[str, Any] = {"kind": Kind.KERNEL, "process": 7, "device": 1}
    entries = (
        entry("k()", duration=5, **kernel),
        entry("k()", inclusive=2, calls=3, **kernel),
        entry("cudaMalloc", kind=Kind.API, duration=90, process=7),
        entry("main", exclusive=10, inclusive=10, process=7, thread=0),
        entry("main", exclusive=10, path=("main",), additive=False, process=7, thread=0),
    )
    stacks = Stacks()
    for one in entries:
        stacks.add(one)

    assert folded(tmp_path, *entries) == {"k()": 7, "main": 10}
    assert stacks.chosen()[7, None, "GPU 1"] == {("k()",): 7}
