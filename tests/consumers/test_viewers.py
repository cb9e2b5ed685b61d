"""Exported files in the programs that people open them with: they understand what was meant."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from made_up_entries import count, entry, event, sample
from profiling_operator import artifacts, registry
from profiling_operator.captures import Capture
from profiling_operator.collectors import Collector
from profiling_operator.entries import Entry, Kind
from profiling_operator.exports import Stacks, Timeline, timeline

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import consumers  # noqa: E402 - found by the line above

pytestmark = pytest.mark.needs("consumers")

SHARED = ROOT.parent / "shared" / "data"
SAMPLES = ROOT / "tests" / "samples"
CASES = (
    "nvprof/11.8/imported-trace-api",
    "nvprof/11.8/imported-unified-trace",
    "nvprof/11.8/imported-counters",
    "perf/6.1/threads",
    "perf/6.1/two-events",
    "pyspy/0.4.3/threads",
    "tau/2.34/mpi-callpath-comm",
    "tau/2.34/threads-ebs-unwind",
)
STARTED = 1_790_000_000_000_000_000

DEPTH = 8

Stack = tuple[str, ...]


def read(case: str, run: int = 0) -> list[Entry]:
    """The entries of a sample folder."""
    collector: Collector = registry.load("collectors", case.partition("/")[0])
    scanned = artifacts.scan(SAMPLES / case)
    capture = Capture(scanned.artifacts, collector.options(), STARTED, job="ci/x", run=run)
    return [one for one in collector.read(capture) if isinstance(one, Entry)]


def read_shared(name: str, path: Path) -> list[Entry]:
    """The entries of real files: all of a folder, or one alone."""
    collector: Collector = registry.load("collectors", name)
    folder = path if path.is_dir() else path.parent
    found = [
        one for one in artifacts.scan(folder).artifacts if path.is_dir() or one.path == path.name
    ]
    capture = Capture(found, collector.options(), STARTED, job="ci/x")
    return [one for one in collector.read(capture) if isinstance(one, Entry)]


def hostile() -> list[Entry]:
    """Names and numbers that nobody thought of."""
    names = ["", "a;b", "\x00\x1b[1m", "line\nbreak", '"quoted" \\', "x" * 20_000, "f (a.py:3)"]
    odd: dict[str, Any] = {"attributes": {"threadName": '"\n', "nan": float("nan")}, "process": 7}
    return [
        *(sample(at * 10**6, "main", name, thread=1, **odd) for at, name in enumerate(names)),
        *(event(name, at * 1000 + 1, 10**9, **odd) for at, name in enumerate(names)),
        *(count(name, at, at, **odd) for at, name in enumerate(names * 2)),
        event("nan", 0, float("nan")),
        event("negative", 0, -5),
        entry("k", kind=Kind.KERNEL, duration=5.5, device=0, exclusive=float("inf")),
    ]


def nested(seed: int = 7, threads: int = 3) -> list[Entry]:
    """Many ranges within ranges, which begin and end together, of all lengths."""
    found: list[Entry] = []
    for thread in range(threads):
        begin, length = thread * 1_234_567, 10**9 + 7
        for depth in range(DEPTH):
            for part in range(seed):
                each = length // seed
                place = {"process": 7, "thread": thread}
                found.append(event(f"d{depth}", begin + part * each, each, **place))
            begin, length = begin + (depth % 2) * (length // seed), length // seed
    return found


def stacks_of(entries: Sequence[Entry]) -> Stacks:
    """Entries, added."""
    stacks = Stacks()
    for one in entries:
        stacks.add(one)
    return stacks


def timeline_of(entries: Sequence[Entry]) -> Timeline:
    """Entries, added."""
    made = Timeline()
    for one in entries:
        made.add(one)
    return made


def opened(program: str, *files: Path) -> list[dict[str, Any]]:
    """What a viewer understood of files."""
    script = Path(__file__).with_name(f"open_in_{program}.mjs")
    done = subprocess.run(
        ["node", script, consumers.modules(), *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def weights(profile: dict[str, Any], frames: Sequence[dict[str, Any]]) -> dict[Stack, float]:
    """The weight of each stack of a profile that speedscope saved."""
    found: dict[Stack, float] = {}
    if profile["type"] == "sampled":
        for at, weight in zip(profile["samples"], profile["weights"], strict=True):
            stack = tuple(frames[one]["name"] for one in at)
            found[stack] = found.get(stack, 0) + weight
        return found
    stack, since = (), 0
    for one in profile["events"]:
        if one["at"] > since and stack:
            found[stack] = found.get(stack, 0) + one["at"] - since
        since = one["at"]
        stack = (*stack, frames[one["frame"]]["name"]) if one["type"] == "O" else stack[:-1]
    return found


def told(profile: Any) -> dict[Stack, int]:
    """The stacks of a profile, as speedscope shows their frames."""
    found: dict[Stack, int] = {}
    for stack, weight in profile.stacks.items():
        shown = tuple(one.rpartition(" (")[0] or one if one.endswith(")") else one for one in stack)
        found[shown] = found.get(shown, 0) + weight
    return found


@pytest.fixture(scope="module")
def all_stacks() -> dict[str, Stacks]:
    """What speedscope opens, by name; several collectors and runs in one."""
    found = {case.replace("/", "-"): stacks_of(read(case)) for case in CASES}
    found["hostile"] = stacks_of(hostile())
    together = Stacks()
    for run, case in enumerate(CASES):
        together.merge(stacks_of(read(case, run=run // 4)))
    return {**found, "together": together}


@pytest.fixture(scope="module")
def all_timelines() -> dict[str, Timeline]:
    """What is opened as a trace, by name."""
    entries = {case.replace("/", "-"): read(case) for case in CASES}
    made = {name: timeline_of(some) for name, some in entries.items()}
    made |= {"hostile": timeline_of(hostile()), "nested": timeline_of(nested())}
    return {name: one for name, one in made.items() if one}


def test_speedscope_opens_its_files(all_stacks: dict[str, Stacks], tmp_path: Path) -> None:
    """All profiles, by name and unit, with the weight of each stack."""
    for name, stacks in all_stacks.items():
        stacks.write_speedscope(tmp_path / f"{name}.speedscope.json", name)
    found = opened("speedscope", *(tmp_path / f"{name}.speedscope.json" for name in all_stacks))

    for (name, stacks), one in zip(all_stacks.items(), found, strict=True):
        profiles, saved = stacks.profiles(), one["understood"]
        assert one["complaints"] == [], name
        assert [each["name"] for each in saved["profiles"]] == [each.name for each in profiles]
        for mine, its in zip(profiles, saved["profiles"], strict=True):
            assert its["unit"] == ("nanoseconds" if mine.unit == "ns" else "none")
            total = sum(weights(its, saved["shared"]["frames"]).values())
            assert total == pytest.approx(mine.total, rel=1e-12)


def test_speedscope_shows_every_stack(all_stacks: dict[str, Stacks], tmp_path: Path) -> None:
    """With its weight, where names are not cut off."""
    for name in ("perf-6.1-threads", "tau-2.34-mpi-callpath-comm", "pyspy-0.4.3-threads"):
        all_stacks[name].write_speedscope(tmp_path / name, name)
        (found,) = opened("speedscope", tmp_path / name)
        frames = found["understood"]["shared"]["frames"]
        for mine, its in zip(
            all_stacks[name].profiles(), found["understood"]["profiles"], strict=True
        ):
            assert weights(its, frames) == pytest.approx(told(mine))


def test_speedscope_files_are_what_its_schema_asks_for(
    all_stacks: dict[str, Stacks], tmp_path: Path
) -> None:
    """The schema that speedscope publishes with its program."""
    (file,) = (consumers.modules() / "speedscope" / "dist").rglob("file-format-schema.json")
    schema = json.loads(file.read_text())
    for name, stacks in all_stacks.items():
        stacks.write_speedscope(tmp_path / name, name)
        jsonschema.validate(json.loads((tmp_path / name).read_text()), schema)


def test_speedscope_opens_folded_stacks(all_stacks: dict[str, Stacks], tmp_path: Path) -> None:
    """As flame graph tools read them: the total is the entries'."""
    for name, stacks in all_stacks.items():
        stacks.write_folded(tmp_path / f"{name}.folded.txt")
    found = opened("speedscope", *(tmp_path / f"{name}.folded.txt" for name in all_stacks))

    for (name, stacks), one in zip(all_stacks.items(), found, strict=True):
        (its,) = one["understood"]["profiles"]
        total = sum(weights(its, one["understood"]["shared"]["frames"]).values())
        assert one["complaints"] == [], name
        assert total == pytest.approx(sum(each.total for each in stacks.profiles()), rel=1e-12)


def test_chrome_opens_traces(all_timelines: dict[str, Timeline], tmp_path: Path) -> None:
    """Every slice at its time, in microseconds, in threads and processes with their names."""
    for name, made in all_timelines.items():
        made.write(tmp_path / f"{name}.json", name)
    found = opened("chrome", *(tmp_path / f"{name}.json" for name in all_timelines))

    for name, one in zip(all_timelines, found, strict=True):
        events = json.loads((tmp_path / f"{name}.json").read_text())["traceEvents"]
        slices = sorted((e["name"], e["ts"], e["dur"]) for e in events if e["ph"] == "X")
        shown = [tuple(each[:3]) for thread in one["threads"] for each in thread["slices"]]
        assert one["complaints"] == [], name
        assert sorted(shown) == slices, name
        assert {thread["name"] for thread in one["threads"]} == {
            e["args"]["name"] for e in events if e["name"] == "thread_name"
        }
        assert set(one["processes"].values()) == {
            e["args"]["name"] for e in events if e["name"] == "process_name"
        }


def test_chrome_nests_what_is_nested(tmp_path: Path) -> None:
    """To the last digit: ranges that begin and end together lie within each other."""
    timeline_of(nested()).write(tmp_path / "nested.json", "nested")
    (found,) = opened("chrome", tmp_path / "nested.json")

    depths = {(each[0], each[3]) for thread in found["threads"] for each in thread["slices"]}
    assert depths == {(f"d{depth}", depth) for depth in range(DEPTH)}


def test_speedscope_opens_traces(all_timelines: dict[str, Timeline], tmp_path: Path) -> None:
    """A second reader of the format: it complains of what does not nest."""
    for name, made in all_timelines.items():
        made.write(tmp_path / f"{name}.json", name)
    found = opened("speedscope", *(tmp_path / f"{name}.json" for name in all_timelines))

    assert {one["file"]: one["complaints"] for one in found} == {
        str(tmp_path / f"{name}.json"): [] for name in all_timelines
    }


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    ("collector", "path"),
    [
        ("tau", "tau/made/trace-mpi"),
        ("nsys", "nsys/saxpy-mpi-cuda_nsys_perlmutter0.sqlite"),
        ("nvprof", "nvprof/BlackScholes_gpu_trace.csv"),
        ("perf", "perf/rust-mangled.linux-perf.txt"),
    ],
    ids=lambda value: value.rpartition("/")[2],
)
def test_real_traces_are_opened(tmp_path: Path, collector: str, path: str) -> None:
    """Nothing is missing, and neither viewer complains."""
    made = timeline_of(read_shared(collector, SHARED / path))
    made.write(tmp_path / "real.json", path)
    (in_chrome,) = opened("chrome", tmp_path / "real.json")
    (in_speedscope,) = opened("speedscope", tmp_path / "real.json")

    body = json.loads((tmp_path / "real.json").read_text())
    count_of_slices = sum(one["ph"] == "X" for one in body["traceEvents"])
    assert count_of_slices
    assert body["otherData"]["leftOut"] == {}
    assert sum(len(thread["slices"]) for thread in in_chrome["threads"]) == count_of_slices
    assert (in_chrome["complaints"], in_speedscope["complaints"]) == ([], [])


def test_the_largest_trace_is_opened(tmp_path: Path) -> None:
    """As many events as are ever written, of which Jenkins keeps the file."""
    made = Timeline()
    limit = timeline.EVENTS_LIMIT
    for number in range(limit + limit // 2):
        name, at = f"kernel_{number % 300}(float const *, float *, int)", number * 10_000
        where = {"process": 7, "device": 0, "stream": number % 4}
        attributes = {"grid": [number, 1, 1], "block": [128, 1, 1], "correlationId": number}
        for kind in (Kind.KERNEL, Kind.MEMCPY, Kind.API):
            more = {"kind": kind, "attributes": attributes, **where}
            made.add(event(name, at, 500 + number % 9000, **more))
    made.write(tmp_path / "large.json", "large")
    (found,) = opened("chrome", tmp_path / "large.json")

    assert sum(len(thread["slices"]) for thread in found["threads"]) == 3 * limit
    assert made.left_out == 3 * (limit // 2)
    assert (tmp_path / "large.json").stat().st_size < 32 << 20
