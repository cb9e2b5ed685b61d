"""Stacks for viewers."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from made_up_entries import SETTINGS, any_entries, entry, event, parts, sample
from profiling_operator import artifacts, registry
from profiling_operator.captures import Capture
from profiling_operator.collectors import Collector
from profiling_operator.entries import GPU_KINDS, Entry, Kind, Source
from profiling_operator.exports import stacks as kept_stacks
from profiling_operator.exports.stacks import LEFT_OUT, Stacks

SAMPLES = Path(__file__).parents[1] / "samples"
CASES = sorted(path for path in SAMPLES.glob("*/*/*") if path.is_dir())


def stacks_of(entries: Iterable[Entry]) -> Stacks:
    """Entries, added."""
    stacks = Stacks()
    for one in entries:
        stacks.add(one)
    return stacks


def folded(tmp_path: Path, *entries: Entry) -> dict[str, int]:
    """The folded file of entries."""
    return read_folded(tmp_path, stacks_of(entries))


def read_folded(tmp_path: Path, stacks: Stacks) -> dict[str, int]:
    """The folded file, as flame graph tools read it: lines with equal stacks are added."""
    stacks.write_folded(tmp_path / "folded.txt")
    found: Counter[str] = Counter()
    for line in (tmp_path / "folded.txt").read_text().split("\n")[:-1]:
        stack, _, weight = line.rpartition(" ")
        found[stack] += int(weight)
    return dict(found)


def read_speedscope(tmp_path: Path, stacks: Stacks) -> Any:
    """The speedscope file."""
    stacks.write_speedscope(tmp_path / "s.json", "ci/x")
    return json.loads((tmp_path / "s.json").read_text())


def read_sample(case: Path) -> list[Entry]:
    """The entries of a sample folder."""
    collector: Collector = registry.load("collectors", case.relative_to(SAMPLES).parts[0])
    capture = Capture(artifacts.scan(case).artifacts, collector.options(), 1_790_000_000 * 10**9)
    return [one for one in collector.read(capture) if isinstance(one, Entry)]


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


def test_what_a_timer_has_beyond_its_paths_is_its_own(tmp_path: Path) -> None:
    """A function that is called from others, and as the first one too."""
    found = folded(
        tmp_path,
        entry("hot", exclusive=90),
        entry("hot", exclusive=70, additive=False, path=("main", "hot")),
    )

    assert found == {"hot": 20, "main;hot": 70}


def test_flat_timers_are_better_than_nothing(tmp_path: Path) -> None:
    """Without any path each timer is a stack of its own."""
    assert folded(tmp_path, entry("a", exclusive=1), entry("b", exclusive=2)) == {"a": 1, "b": 2}


def test_each_thread_has_its_own_best_way(tmp_path: Path) -> None:
    """Samples of one thread do not hide the timers of another one."""
    found = folded(
        tmp_path,
        entry("hot", exclusive=9, process=1, thread=0),
        sample(0, "main", "hot", process=1, thread=0, exclusive=8),
        entry("waits", exclusive=7, process=1, thread=1),
    )

    assert found == {"main;hot": 8, "waits": 7}


def test_sums_of_no_thread_repeat_what_threads_have(tmp_path: Path) -> None:
    """What a collector could not tell apart is no time beside its samples."""
    found = folded(
        tmp_path,
        sample(0, "main", process=1, thread=1, exclusive=8),
        entry("[other functions]", exclusive=5),
    )

    assert found == {"main": 8}


def test_collectors_stand_beside_each_other(tmp_path: Path) -> None:
    """They measured the same time: neither hides the other, and nobody adds them up unawares."""
    found = folded(
        tmp_path,
        sample(0, "main", collector="perf", exclusive=8),
        entry("main", collector="tau", exclusive=9),
    )

    assert found == {"perf;main": 8, "tau;main": 9}


def test_one_metric_of_a_collector_counts(tmp_path: Path) -> None:
    """The first that is a time; or the first, where none is."""
    cycles = {"metric": "cycles", "unit": "1"}
    found = folded(
        tmp_path,
        sample(0, "main", collector="tau", exclusive=3, **cycles),
        sample(0, "main", collector="tau", exclusive=8),
        sample(0, "main", collector="perf", exclusive=5, **cycles),
        sample(0, "main", collector="perf", exclusive=6, metric="faults", unit="1"),
    )

    assert found == {"tau;main": 8, "perf;main": 5}


def test_words_with_a_meaning_are_taken_out_of_frames(tmp_path: Path) -> None:
    """A semicolon or a newline in a name does not make two frames or two lines."""
    path = ("operator;", "line\nbreak", "\x00\x1b[1m\u2028")

    assert folded(tmp_path, entry("x", exclusive=1, additive=False, path=path)) == {
        "operator:;line break;  [1m ": 1
    }


def test_speedscope_has_a_profile_per_thread(tmp_path: Path) -> None:
    """Indexes into shared frames, equal lengths; the thread with the most time is first."""
    where: dict[str, Any] = {"attributes": {"threadName": "w"}}
    stacks = stacks_of(
        sample(0, "main", "hot", thread=thread, exclusive=time, **where)
        for thread, time in ((1, 5), (2, 7))
    )

    body = read_speedscope(tmp_path, stacks)

    assert body["shared"]["frames"] == [{"name": "main"}, {"name": "hot"}]
    assert [profile["name"] for profile in body["profiles"]] == ['Thread 2 "w"', 'Thread 1 "w"']
    for profile in body["profiles"]:
        assert (profile["type"], profile["unit"]) == ("sampled", "nanoseconds")
        assert profile["samples"] == [[0, 1]]
        assert profile["endValue"] == sum(profile["weights"])


def test_speedscope_names_runs_and_collectors_where_there_are_several(tmp_path: Path) -> None:
    """And what is counted where that is no time."""
    stacks = stacks_of(
        [
            sample(0, "main", run=0, collector="perf", process=7),
            sample(0, "main", run=1, collector="tau", process=7, metric="cycles", unit="1"),
        ]
    )

    body = read_speedscope(tmp_path, stacks)

    assert [(profile["name"], profile["unit"]) for profile in body["profiles"]] == [
        ("Run 0 perf Process 7", "nanoseconds"),
        ("Run 1 tau Process 7 (cycles)", "none"),
    ]


def test_frames_say_where_they_are(tmp_path: Path) -> None:
    """From their entries' sources: without a line where entries disagree, without any where they
    disagree about the file."""
    found = [
        entry("one", exclusive=1, source=Source(file="a.c", line=3)),
        *(entry("two", exclusive=1, source=Source(file="a.c", line=at)) for at in (3, 4)),
        *(entry("three", exclusive=1, source=Source(file=at)) for at in ("a.c", "b.c")),
    ]

    body = read_speedscope(tmp_path, stacks_of(found))

    assert {frame.pop("name"): frame for frame in body["shared"]["frames"]} == {
        "one": {"file": "a.c", "line": 3},
        "two": {"file": "a.c"},
        "three": {},
    }


def test_an_empty_profile_is_still_a_file(tmp_path: Path) -> None:
    """No stacks give an empty folded file and valid JSON."""
    assert read_folded(tmp_path, Stacks()) == {}
    assert read_speedscope(tmp_path, Stacks())["profiles"] == []


@pytest.mark.parametrize("limit", ["STACKS_LIMIT", "FRAMES_LIMIT", "TEXT_LIMIT"])
def test_stacks_are_bounded(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Past a limit, new stacks are counted together; known ones still grow, the total is whole."""
    monkeypatch.setattr(kept_stacks, limit, 2)
    stacks = stacks_of(entry(name, exclusive=1) for name in ("a", "b", "c", "a", "d"))

    (chosen,) = stacks.chosen().values()
    assert chosen == {("a",): 2, ("b",): 1, LEFT_OUT: 2}
    assert stacks.left_out == 2


def test_the_folded_file_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The heaviest stacks are there, the total is whole."""
    monkeypatch.setattr(kept_stacks, "FOLDED_LIMIT", 5)
    found = folded(tmp_path, *(entry(name, exclusive=at + 1) for at, name in enumerate("abcd")))

    assert found == {"d": 4, "c": 3, "[other stacks]": 3}


def test_threads_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Past the limit, new threads have one place together."""
    monkeypatch.setattr(kept_stacks, "STACKS_LIMIT", 2)
    stacks = stacks_of(entry("a", exclusive=1, process=number) for number in range(9))

    assert len(stacks.chosen()) == 3
    assert read_folded(tmp_path, stacks) == {"a": 2, "[other stacks]": 7}


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1, 2e18])
def test_what_weighs_nothing_is_left_out(weight: float) -> None:
    """No number, less than nothing, or more than a life."""
    stacks = stacks_of([entry("a", exclusive=weight), entry("b", exclusive=1)])

    assert stacks.left_out == 1
    assert [dict(one) for one in stacks.chosen().values()] == [{("b",): 1}]


def test_what_a_gpu_did_is_a_stack_per_gpu(tmp_path: Path) -> None:
    """Launches of a kernel are added up; the CPU's call paths stay as they are."""
    kernel: dict[str, Any] = {"kind": Kind.KERNEL, "process": 7, "device": 1}
    stacks = stacks_of(
        [
            event("k()", 0, 5, **kernel),
            entry("k()", inclusive=2, calls=3, **kernel),
            event("cudaMalloc", 0, 90, kind=Kind.API, process=7),
            entry("main", exclusive=10, inclusive=10, process=7, thread=0),
            entry("main", exclusive=10, path=("main",), additive=False, process=7, thread=0),
        ]
    )

    assert read_folded(tmp_path, stacks) == {"k()": 7, "main": 10}
    assert [profile.name for profile in stacks.profiles()] == [
        "Process 7 Thread 0",
        "Process 7 GPU 1",
    ]


@SETTINGS
@given(any_entries)
def test_every_total_is_the_entries(entries: list[Entry]) -> None:
    """In each way, what is kept of a metric is the sum of its entries, each one rounded."""
    expected: Counter[tuple[Any, ...]] = Counter()
    for one in entries:
        weight = one.duration if one.kind in GPU_KINDS else one.exclusive
        if weight is not None and 0 < weight <= kept_stacks.LARGEST and round(weight):
            seen = one.kind if one.path or one.kind in GPU_KINDS else "flat"
            way = "GPU" if seen in GPU_KINDS else seen
            expected[one.run, one.collector, one.metric, way] += round(weight)
    names = ("sample", "timer", "range", "flat", "GPU")

    kept: Counter[tuple[Any, ...]] = Counter()
    for (way, metric, *_, thread), each in stacks_of(entries)._stacks.items():
        kept[thread[0], thread[1], metric, names[way]] += sum(each.values())

    assert kept == expected


@SETTINGS
@given(parts)
def test_parts_merged_are_the_whole(several: list[list[Entry]]) -> None:
    """Whatever each process has added up, also after it went through a pipe."""
    merged = Stacks()
    for part in several:
        merged.merge(pickle.loads(pickle.dumps(stacks_of(part))))  # noqa: S301
    whole = stacks_of(one for part in several for one in part)

    assert merged.profiles() == whole.profiles()
    assert merged.left_out == whole.left_out
    assert merged._sources == whole._sources


@SETTINGS
@given(any_entries)
def test_files_agree_with_what_was_chosen(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]
) -> None:
    """Folded lines and speedscope's weights add up to it, per thread too."""
    tmp_path, stacks = tmp_path_factory.mktemp("files"), stacks_of(entries)
    chosen = stacks.chosen()
    total = sum(sum(each.values()) for each in chosen.values())

    body = read_speedscope(tmp_path, stacks)

    assert sum(read_folded(tmp_path, stacks).values()) == total
    assert sum(sum(profile["weights"]) for profile in body["profiles"]) == total
    assert sorted(profile["endValue"] for profile in body["profiles"]) == sorted(
        sum(each.values()) for each in chosen.values()
    )
    count = len(body["shared"]["frames"])
    assert all(
        0 <= at < count for one in body["profiles"] for stack in one["samples"] for at in stack
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case.relative_to(SAMPLES).parts))
def test_samples_of_all_collectors_are_counted_once(tmp_path: Path, case: Path) -> None:
    """A collector's time is that of its sampled stacks, or of its additive entries; GPUs' is
    beside it."""
    entries = read_sample(case)
    stacks = stacks_of(entries)

    found = read_folded(tmp_path, stacks)

    assert stacks.left_out == 0
    assert sum(found.values()) == _expected(entries)


def _expected(entries: list[Entry]) -> int:
    """The time of a collector, by its entries alone.

    A thread's is that of its sampled stacks; or of each function, where paths may tell more.
    """
    metric = next((one.metric for one in entries if one.unit == "ns" and one.exclusive), None)
    if metric is None:
        metric = next((one.metric for one in entries if one.exclusive), None)
    sampled: Counter[tuple[Any, ...]] = Counter()
    own: Counter[tuple[Any, ...]] = Counter()
    ends: Counter[tuple[Any, ...]] = Counter()
    gpu = 0
    for one in entries:
        thread = (one.host, one.process, one.context, one.thread)
        if one.kind in GPU_KINDS:
            gpu += round((one.duration or one.inclusive or 0) if one.additive else 0)
        elif one.metric == metric and one.exclusive:
            if one.path and one.kind is Kind.SAMPLE:
                sampled[thread] += round(one.exclusive)
            elif one.path and one.kind in {Kind.TIMER, Kind.RANGE}:
                ends[thread, one.name] += round(one.exclusive)
            elif one.additive:
                own[thread, one.name] += round(one.exclusive)
    counted = [max(own[key], ends[key]) for key in {*own, *ends} if key[0] not in sampled]
    return gpu + sum(sampled.values()) + sum(counted)
