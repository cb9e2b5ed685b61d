"""perf's files, and what becomes of them."""

from __future__ import annotations

import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capabilities import SHARED
from profiling_operator import artifacts
from profiling_operator.captures import Capture, Fate, FileNote, Item, Metadata, Verdict
from profiling_operator.collectors.perf import COLLECTOR, Options
from profiling_operator.convert import Conversion
from profiling_operator.entries import Entry, Kind, Writer
from profiling_operator.errors import Reason
from profiling_operator.formats.perf_reading import NO_SYMBOL

SAMPLES = Path(__file__).parent.parent / "samples" / "perf"
STARTED = 1_790_000_000_000_000_000
HEADER = "app 7/8 [001]  12.500000001:    5025125 cpu-clock: \n"
TEXT = f"{HEADER}\t            11ad hot (/opt/app)\n\t  12f7 main (/opt/app)\n\n"


def capture(folder: Path, **changes: Any) -> Capture:
    """What lies in a folder."""
    given = {"options": Options(), "started": STARTED, **changes}
    return Capture(artifacts.scan(folder).artifacts, **given)


def read(folder: Path, **changes: Any) -> list[Item]:
    """All that is read from a folder."""
    return list(COLLECTOR.read(capture(folder, **changes)))


def entries(items: list[Item]) -> list[Entry]:
    """The entries among them."""
    return [item for item in items if isinstance(item, Entry)]


def notes(items: list[Item]) -> list[FileNote]:
    """The notes among them."""
    return [item for item in items if isinstance(item, FileNote)]


def verdict(folder: Path) -> Verdict:
    """What becomes of a folder in the end."""
    conversion = Conversion(Writer(io.BytesIO()))
    return conversion.take(COLLECTOR, capture(folder)).verdict


def test_a_real_text_becomes_samples_and_timers() -> None:
    """Threads, callers and times of the recorded C program."""
    found = entries(read(SAMPLES / "6.1" / "threads"))

    samples = [one for one in found if one.kind is Kind.SAMPLE]
    timers = [one for one in found if one.additive]
    assert all(one.path == ("start_thread", "work", "warm", "hot") for one in samples)
    assert len({one.thread for one in samples}) == 3
    assert len({one.time for one in samples}) == len(samples)
    assert all(one.time.startswith("2026-11-24T16:44:0") and one.clock is None for one in found)
    assert {one.exclusive for one in samples} == {20_408_163}
    spent = sum(one.exclusive or 0 for one in timers if one.name == "hot")
    assert spent == sum(one.exclusive or 0 for one in samples)
    assert {one.inclusive for one in timers if one.name == "work"} == {
        one.inclusive for one in timers if one.name == "hot"
    }


@pytest.mark.parametrize("case", sorted(path.name for path in (SAMPLES / "6.1").iterdir()))
def test_exclusive_numbers_of_a_thread_add_up_to_its_samples(case: str) -> None:
    """For each event by itself."""
    sums: dict[bool, Counter[Any]] = {True: Counter(), False: Counter()}
    for one in entries(read(SAMPLES / "6.1" / case)):
        sums[one.additive][one.thread, one.metric] += int(one.exclusive or 0)

    assert sums[True] == sums[False]


def test_the_kernels_work_is_told_apart() -> None:
    """A C++ program that reckons, then calls the kernel."""
    found = entries(read(SAMPLES / "6.1" / "cpp-kernel"))

    samples = [one for one in found if one.kind is Kind.SAMPLE]
    timers = {one.name: one.attributes or {} for one in found if one.additive}
    in_kernel = [one for one in samples if (one.attributes or {}).get("kernelFrames")]
    assert 0 < len(in_kernel) < len(samples)
    for one in in_kernel:
        told = one.attributes or {}
        assert told["dso"] == "[kernel.kallsyms]"
        assert one.path and told["kernelFrames"] < len(one.path)
        assert all("kernel" in timers[name] for name in one.path[-told["kernelFrames"] :])
    assert timers["do_sys_openat2"]["kernel"] is True
    assert timers["app::Grid<double>::hot"] == {
        "threadName": "hot",
        "dso": "/opt/app/hot",
    }


def test_names_are_told_as_they_were_written() -> None:
    """Also where perf could not do it."""
    found = entries(read(SAMPLES / "6.1" / "no-demangle"))

    assert {one.name for one in found if one.kind is Kind.SAMPLE} == {
        "app::Grid<double>::hot(int) const"
    }


def test_lost_samples_and_other_tools_are_told(tmp_path: Path) -> None:
    """In the note of the text."""
    lost = "app 7/8 [001] 12.5: PERF_RECORD_LOST lost 25\n"
    (tmp_path / "perf.script").write_text(TEXT + lost + TEXT.replace("app 7/8", "py-spy 9/9"))

    items = read(tmp_path)

    (note,) = notes(items)
    assert note.message == (
        "25 samples were lost, which perf could not write down in time; "
        "1 samples of other tools left out"
    )
    assert {one.process for one in entries(items)} == {7}


def test_the_summary_names_the_hot_function_and_its_stack() -> None:
    """Headline, flame graph and speedscope's threads come out of the samples."""
    conversion = Conversion(Writer(io.BytesIO()))
    conversion.take(COLLECTOR, capture(SAMPLES / "6.1" / "threads"))

    samples = conversion.numbers.summary.kinds["sample"]
    assert conversion.numbers.summary.headline(1) == f"hot 100 % of {samples * 20.408163:.3g} ms"
    stacks = conversion.numbers.stacks.chosen()
    assert len(stacks) == 3
    assert {stack for each in stacks.values() for stack in each} == {
        ("start_thread", "work", "warm", "hot")
    }
    assert sum(sum(each.values()) for each in stacks.values()) == samples * 20_408_163


def test_of_two_events_the_clock_is_told() -> None:
    """Page faults are counted beside it, and not added to time."""
    conversion = Conversion(Writer(io.BytesIO()))
    conversion.take(COLLECTOR, capture(SAMPLES / "6.1" / "two-events"))

    assert conversion.numbers.summary.headline(1).startswith("hot 100 % of ")
    metrics = {(one.metric, one.unit) for one in entries(read(SAMPLES / "6.1" / "two-events"))}
    assert metrics == {("TIME", "ns"), ("page-faults", "1")}


def test_times_are_those_of_the_launcher(tmp_path: Path) -> None:
    """Its two clocks tell when a sample was taken; a text of another clock is anchored."""
    (tmp_path / "perf.script").write_text(TEXT)

    (exact, *_) = entries(read(tmp_path, started_monotonic=12_000_000_000))
    (anchored, *_) = entries(read(tmp_path))

    assert (exact.time, exact.clock) == ("2026-09-21T14:13:20.500000001Z", None)
    assert (anchored.time, anchored.clock) == ("2026-09-21T14:13:20.000000000Z", "anchored")


@pytest.mark.parametrize(("personal", "names"), [
    (False, {"perf version", "arch"}), (True, {"perf version", "arch", "hostname", "cmdline"}),
])  # fmt: skip
def test_metadata_without_people_or_secrets(personal: bool, names: set[str]) -> None:
    """Unless they are asked for."""
    items = read(SAMPLES / "hand-made" / "head", personal=personal)

    (metadata,) = (item for item in items if isinstance(item, Metadata))
    assert set(metadata.values) == names


def test_the_recording_is_kept_beside_its_text(tmp_path: Path) -> None:
    """It is perf's own format; the log of `perf script` says what it said."""
    (tmp_path / "perf.script").write_text(TEXT)
    (tmp_path / "perf.data").write_bytes(b"PERFILE2")
    (tmp_path / "perf.script.log").write_text("Processed 9 events and lost 1 chunks!\n\nCheck IO\n")

    fates = {note.path: (note.fate, note.message) for note in notes(read(tmp_path))}

    assert fates["perf.script"] == (Fate.CONVERTED, "")
    assert fates["perf.data"][0] is Fate.RAW
    assert fates["perf.script.log"] == (Fate.RAW, "Processed 9 events and lost 1 chunks! Check IO")


@pytest.mark.parametrize("text", [None, ""])
def test_a_recording_without_text_is_told_with_what_perf_said(
    tmp_path: Path, text: str | None
) -> None:
    """Both where there is no text and where it is empty."""
    (tmp_path / "perf.data").write_bytes(b"PERFILE2")
    (tmp_path / "perf.script.log").write_text("incompatible file format (rerun with -v)\n")
    if text is not None:
        (tmp_path / "perf.script").write_text(text)

    found = {note.path: note for note in notes(read(tmp_path))}

    assert found["perf.data"].fate is Fate.REFUSED
    assert "incompatible file format" in found["perf.data"].message
    assert verdict(tmp_path).reason is Reason.OUTPUT_UNREADABLE


def test_malformed_lines_are_named_and_the_rest_is_kept() -> None:
    """Up to a limit, each with its number; the file's own note counts them all."""
    found = notes(read(SAMPLES / "hand-made" / "damaged"))

    assert [(note.line, note.fate) for note in found] == [
        (15, None), (16, None), (19, None), (22, None), (0, Fate.CONVERTED),
    ]  # fmt: skip
    assert found[-1].message == "4 malformed lines left out"


def test_malformed_lines_are_not_told_without_end(tmp_path: Path) -> None:
    """A file of nonsense has a few notes, then the one that refuses it."""
    (tmp_path / "perf.script").write_text("nonsense\n" * 1000)

    found = notes(read(tmp_path))

    assert len(found) == 21
    assert (found[-1].fate, found[-1].message) == (Fate.REFUSED, "holds no sample of perf's")


@pytest.mark.parametrize(("case", "usable", "reason", "said"), [
    ("6.1/threads", True, Reason.COMPLETED, ""),
    ("6.1/flat", True, Reason.COMPLETED, ""),
    ("6.1/dwarf", True, Reason.COMPLETED, ""),
    ("6.1/stripped", False, Reason.NOTHING_MEASURED, NO_SYMBOL),
    ("6.1/idle", False, Reason.NOTHING_MEASURED, "kernel: true"),
    ("6.1/not-supported", False, Reason.OUTPUT_UNREADABLE, "zero-sized data"),
    ("hand-made/no-time", True, Reason.COMPLETED, ""),
    ("hand-made/damaged", True, Reason.COMPLETED, ""),
])  # fmt: skip
def test_a_profile_is_usable_with_samples_that_have_names(
    case: str, usable: bool, reason: Reason, said: str
) -> None:
    """And where it is not, it is said why."""
    found = verdict(SAMPLES / case)

    assert (found.usable, found.reason) == (usable, reason)
    assert said in found.message


def test_a_text_that_is_cut_off_is_told(tmp_path: Path) -> None:
    """What was whole is kept."""
    (tmp_path / "perf.script").write_text((TEXT * 3)[:-30])

    items = read(tmp_path)

    assert [(note.line, note.message) for note in notes(items)] == [
        (10, "the file is cut off here"), (0, "1 malformed lines left out"),
    ]  # fmt: skip
    assert sum(one.kind is Kind.SAMPLE for one in entries(items)) == 2


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32), st.integers(0, 100))
def test_damaged_texts_get_one_fate(tmp_path: Path, seed: int, share: int) -> None:
    """Cut and with other bits: samples and notes, never an error."""
    chance = random.Random(seed)
    data = bytearray((SAMPLES / "6.1" / "cpp-kernel" / "perf.script").read_bytes())
    del data[len(data) * share // 100 :]
    for _ in range(min(len(data), 50)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    (tmp_path / "perf.script").write_bytes(data)

    found = notes(read(tmp_path))

    assert sum(note.fate is not None for note in found) == 1


@pytest.mark.needs("shared")
def test_rust_is_told_as_it_was_written(tmp_path: Path) -> None:
    """Names of the new mangling, which this perf did not know."""
    source = SHARED / "perf" / "rust-mangled.linux-perf.txt"
    (tmp_path / source.name).write_bytes(source.read_bytes())

    names = {one.name for one in entries(read(tmp_path))}

    assert "trace::multiply_matrices" in names
    assert not [name for name in names if name.startswith("_R")]


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    "path", sorted((SHARED / "perf").glob("*.txt")), ids=lambda path: path.name
)
def test_other_peoples_texts_are_converted(path: Path, tmp_path: Path) -> None:
    """As they are, under the names that they have: no line is malformed."""
    (tmp_path / path.name).write_bytes(path.read_bytes())

    items = read(tmp_path)

    assert [(note.fate, note.message) for note in notes(items)] == [(Fate.CONVERTED, "")]
    samples = [one for one in entries(items) if one.kind is Kind.SAMPLE]
    assert samples and all(one.clock == "anchored" for one in samples)
    assert verdict(tmp_path).usable
