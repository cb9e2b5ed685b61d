"""Every real TAU file at hand, by its numbers: counts, totals, first and last time, units."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from profiling_operator import artifacts
from profiling_operator.captures import Capture
from profiling_operator.collectors import tau
from profiling_operator.entries import GPU_KINDS, Entry, Kind

SAMPLES = Path(__file__).parent.parent / "samples/tau/2.34"
SHARED = Path(__file__).parents[3] / "shared/data/tau"
STARTED = 1_700_000_000_000_000_000

needs_shared = pytest.mark.needs("shared")


class Golden(NamedTuple):
    """What a folder holds."""

    folder: str
    kinds: dict[str, int]
    additive: int
    first: str
    last: str
    units: set[str]
    totals: dict[str, int]
    """Additive exclusive values by metric, over all threads."""


GOLDEN = [
    Golden(
        "hatchet-cpi-mpi",
        {"counter": 8, "timer": 92},
        56,
        "2021-03-01T15:16:01.044783000Z",
        "2021-03-01T15:16:01.048525000Z",
        {"By", "ns"},
        {"TIME": 214_047_000},
    ),
    Golden(
        "made/merged-mpi",
        {"counter": 3, "timer": 27},
        30,
        "2026-11-23T12:21:06.027532000Z",
        "2026-11-23T12:21:06.046153000Z",
        {"By", "ns"},
        {"TIME": 1_562_896_000},
    ),
    Golden(
        "made/mpi-callpath-comm",
        {"counter": 20, "timer": 76},
        56,
        "2026-11-23T12:21:01.750488000Z",
        "2026-11-23T12:21:01.808822000Z",
        {"By", "ns"},
        {"TIME": 3_245_800_000},
    ),
    Golden(
        "made/multi-metric",
        {"timer": 30},
        30,
        "2026-11-23T12:21:03.736365000Z",
        "2026-11-23T12:21:03.736365000Z",
        {"ns"},
        {"CPU_TIME": 3_513_577_000, "GET_TIME_OF_DAY": 1_874_038_000, "TIME": 1_874_027_000},
    ),
    Golden(
        "made/sigusr1",
        {"sample": 4, "timer": 2},
        2,
        "2026-11-23T12:32:05.520891000Z",
        "2026-11-23T12:32:05.520891000Z",
        {"ns"},
        {"TIME": 22_074_850_000},
    ),
    Golden(
        "made/threads-ebs-unwind",
        {"sample": 45, "timer": 10},
        10,
        "2026-11-23T12:21:04.427427000Z",
        "2026-11-23T12:21:04.427427000Z",
        {"ns"},
        {"TIME": 1_890_035_000},
    ),
    Golden(
        "made/trace",
        {"range": 14, "timer": 10},
        10,
        "2026-11-23T12:21:07.528714000Z",
        "2026-11-23T12:21:08.052943000Z",
        {"ns"},
        {"TIME": 1_929_990_000},
    ),
    Golden(
        "made/trace-mpi",
        {"counter": 738, "range": 240},
        618,
        "2026-11-23T12:21:08.482853000Z",
        "2026-11-23T12:21:09.064128000Z",
        {"By", "ns"},
        {"TIME": 1_667_046_000},
    ),
    Golden(
        "rodinia-cuda/b+tree/b+tree-log/tau_exec",
        {"counter": 35, "timer": 12, "kernel": 2, "memcpy": 2},
        29,
        "2021-05-13T23:16:00.172290000Z",
        "2021-05-13T23:16:00.172290000Z",
        {"1", "By", "ns"},
        {"TAUGPU_TIME": 1_910_248_500},
    ),
    Golden(
        "rodinia-cuda/hotspot/hotspot-log/tau_exec/1024",
        {"counter": 26, "timer": 7, "kernel": 1, "memcpy": 2},
        23,
        "2021-05-05T23:17:43.789855000Z",
        "2021-05-05T23:17:43.789855000Z",
        {"1", "By", "ns"},
        {"TAUGPU_TIME": 1_644_207_750},
    ),
    Golden(
        "rodinia-cuda/hotspot/hotspot-log/tau_exec/512",
        {"counter": 26, "timer": 7, "kernel": 1, "memcpy": 2},
        23,
        "2021-05-05T23:17:42.591332000Z",
        "2021-05-05T23:17:42.591332000Z",
        {"1", "By", "ns"},
        {"TAUGPU_TIME": 618_095_250},
    ),
    Golden(
        "rodinia-cuda/hotspot/hotspot-log/tau_exec/64",
        {"counter": 26, "timer": 7, "kernel": 1, "memcpy": 2},
        23,
        "2021-05-05T23:17:41.731532000Z",
        "2021-05-05T23:17:41.731532000Z",
        {"1", "By", "ns"},
        {"TAUGPU_TIME": 274_937_250},
    ),
    Golden(
        "rodinia-openmp-multi",
        {"timer": 54},
        54,
        "2021-05-05T17:22:28.763683000Z",
        "2021-05-05T17:22:28.763683000Z",
        {"1", "ns"},
        {"PAPI_L1_DCM": 1_659_359, "PAPI_TOT_CYC": 5_004_361_820, "TIME": 3_511_472_000},
    ),
    Golden(
        "tau2-merged-xml-metadata",
        {"counter": 3268, "timer": 1812},
        2253,
        "2013-12-05T04:47:51.842346000Z",
        "2013-12-05T21:15:50.784077000Z",
        {"1", "By", "MBy/s", "ns"},
        {"TIME": 358_352_873_000},
    ),
    Golden(
        "tau2-wrap",
        {"timer": 16},
        10,
        "2010-06-03T21:43:17.098061000Z",
        "2010-06-03T21:43:17.099071000Z",
        {"ns"},
        {"TIME": 2_098_700_000},
    ),
    Golden(
        "tau2-xmain_0",
        {"counter": 195, "timer": 216},
        273,
        "2017-06-10T02:57:17.287416000Z",
        "2017-06-10T02:57:17.428843000Z",
        {"1", "By", "ns"},
        {"TIME": 500_091_472_000},
    ),
]


def read(folder: Path, names: Iterable[str] = ()) -> list[Entry]:
    """The entries of a folder, or of some files in it."""
    found = artifacts.scan(folder).artifacts
    wanted = [one for one in found if not names or one.path in names]
    capture = Capture(wanted, tau.Options(), STARTED)
    return [item for item in tau.COLLECTOR.read(capture) if isinstance(item, Entry)]


def by_thread(entries: Iterable[Entry]) -> dict[tuple[Any, ...], list[Entry]]:
    """Additive times of each thread and metric: GPUs' kernels and copies have threads, too."""
    threads = defaultdict(list)
    for one in entries:
        if one.additive and one.kind in {Kind.TIMER, Kind.RANGE, *GPU_KINDS}:
            threads[one.process, one.context, one.thread, one.metric].append(one)
    return threads


def check(golden: Golden, entries: list[Entry]) -> None:
    """The numbers of a folder."""
    totals: Counter[str] = Counter()
    for thread in by_thread(entries).values():
        for one in thread:
            totals[one.metric or ""] += int(one.exclusive or 0)

    assert Counter(one.kind.value for one in entries) == golden.kinds
    assert sum(one.additive for one in entries) == golden.additive
    assert min(one.time for one in entries) == golden.first
    assert max(one.time for one in entries) == golden.last
    assert {one.unit for one in entries} == golden.units
    assert totals == golden.totals


@needs_shared
@pytest.mark.parametrize("golden", GOLDEN, ids=[one.folder for one in GOLDEN])
def test_numbers_of_real_files(golden: Golden) -> None:
    """Counts, additive ones among them, first and last time, units, totals by metric."""
    check(golden, read(SHARED / golden.folder))


OWN = [one for one in GOLDEN if (SAMPLES / one.folder.removeprefix("made/")).is_dir()]


@pytest.mark.parametrize("golden", OWN, ids=[one.folder for one in OWN])
def test_numbers_of_the_samples(golden: Golden) -> None:
    """The same of those that are in the repository."""
    check(golden, read(SAMPLES / golden.folder.removeprefix("made/")))


@needs_shared
def test_no_folder_is_forgotten() -> None:
    """Every folder with files of TAU's is in the table."""
    files = (path for path in SHARED.rglob("*") if path.is_file())
    kept = (path for path in files if path.suffix not in {".c", ".py", ".txt"})
    folders = {str(path.parent.relative_to(SHARED)).split("/MULTI__")[0] for path in kept}

    assert folders == {one.folder for one in GOLDEN}


TEXTS = [one for one in GOLDEN if "xml" not in one.folder and "trace-mpi" not in one.folder]


@needs_shared
@pytest.mark.parametrize("golden", TEXTS, ids=[one.folder for one in TEXTS])
def test_flat_totals_agree_with_root_timers(golden: Golden) -> None:
    """The additive exclusive values of a thread are its root timer's inclusive value.

    In every file at hand, within a microsecond for each timer: TAU rounds each of them.
    """
    for thread, timers in by_thread(read(SHARED / golden.folder)).items():
        root = max(one.inclusive or 0 for one in timers)
        added = sum(one.exclusive or 0 for one in timers)
        assert abs(added - root) <= 1000 * len(timers), thread


@needs_shared
@pytest.mark.parametrize(
    "path",
    [
        "made/merged-mpi/tauprofile.xml",
        "tau2-merged-xml-metadata/tauprofile.xml",
        "tau2-merged-xml-metadata/tauprofile-weighted.xml",
        "tau2-merged-xml-metadata/tauprofile-unweighted.xml",
    ],
)
def test_merged_files_agree_with_their_own_total(path: str) -> None:
    """TAU's derived entity `total` is the sum over the ranks, timer by timer."""
    file = SHARED / path
    entries = [one for one in read(file.parent, [file.name]) if one.kind is Kind.TIMER]
    text = file.read_text(errors="replace")
    names = re.findall(r'<event id="(\d+)"><name>(.*?)</name>', text)
    total = text.partition('<derivedprofile derivedentity="total">')[2]
    rows = total.partition("</derivedinterval_data>")[0].split('"0 ">')[1].split("\n")[1:-1]
    expected = {row.split()[0]: [round(float(one)) for one in row.split()[1:]] for row in rows}
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in entries:
        sums = found[one.name]
        for index, number in enumerate((one.calls, one.exclusive, one.inclusive)):
            sums[index] += int(number or 0)

    assert len(expected) == len(found)
    for number, name in names:
        calls, _, exclusive, inclusive = expected[number]
        key = " ".join(name.split())
        assert found[key] == [calls, exclusive * 1000, inclusive * 1000], name


def test_ranges_agree_with_the_profile_of_the_same_run() -> None:
    """Calls, inclusive and exclusive times of each timer of each thread, to the microsecond."""
    entries = read(SAMPLES / "trace")
    added: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in entries:
        if one.kind is Kind.RANGE:
            sums = added[one.process, one.thread, one.name]
            for index, number in enumerate((1, one.duration, one.exclusive)):
                sums[index] += int(number or 0)
    profile = {
        (one.process, one.thread, one.name): [one.calls, one.inclusive, one.exclusive]
        for one in entries
        if one.kind is Kind.TIMER
    }

    assert len(profile) == 10
    assert added == profile
    assert not any(one.additive for one in entries if one.kind is Kind.RANGE)


def test_exclusive_parts_of_a_trace_add_up() -> None:
    """To the outermost range of each thread; messages balance."""
    entries = read(SAMPLES / "trace-mpi")

    for thread, ranges in by_thread(entries).items():
        outer = [one.duration or 0 for one in ranges if one.path is None]
        assert sum(one.exclusive or 0 for one in ranges) == sum(outer), thread
    messages = Counter(one.name for one in entries if "peer" in (one.attributes or {}))
    assert messages == {"MESSAGE_SEND": 180, "MESSAGE_RECV": 180}
    assert {(one.attributes or {})["peer"] for one in entries if one.name == "MESSAGE_SEND"} == {
        *range(3)
    }


def test_a_merged_profile_is_like_text_profiles() -> None:
    """The same program in text: names, units, groups and additivity are the same."""

    def shapes(folder: str) -> set[tuple[Any, ...]]:
        return {
            (one.name, one.kind, one.unit, one.metric, one.additive, *(one.attributes or {}))
            for one in read(SAMPLES / folder)
            if one.path is None and one.name.startswith(("MPI_S", "MPI_I", ".TAU", "taupreload"))
        }

    assert shapes("merged-mpi") == shapes("mpi-callpath-comm")
