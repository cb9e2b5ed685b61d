"""CPU samples of Nsight Systems."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import made_up_nsys
from made_up_nsys import GLOBAL_PID, PID, SESSION
from profiling_operator.captures import Capture
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import nsys_samples
from profiling_operator.formats.nsys_events import Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_samples import Samples
from profiling_operator.frozen import Frozen

TID = GLOBAL_PID + PID
NAMES = ("main", "outer", "leaf", "/lib/libx.so", "[Broken backtraces]", "worker")
MAIN, OUTER, LEAF, LIBRARY, BROKEN, WORKER = range(len(NAMES))
ASKED = 1_000_000


def sample(number: int, start: Any, thread: Any = TID) -> dict[str, Any]:
    """A row of COMPOSITE_EVENTS."""
    return {"id": number, "start": start, "cpu": 1, "globalTid": thread}


def frames(number: int, *symbols: int, unresolved: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Rows of SAMPLING_CALLCHAINS, the innermost first."""
    return [
        {
            "id": number, "symbol": one, "module": LIBRARY, "stackDepth": depth,
            "unresolved": 1 if depth in unresolved else None,
        }
        for depth, one in enumerate(symbols)
    ]  # fmt: skip


def export(
    path: Path, rows: Sequence[dict[str, Any]], chains: Sequence[dict[str, Any]], indexed: bool
) -> Export:
    """An export with these samples."""
    made_up_nsys.write(
        path / "a.sqlite",
        TARGET_INFO_SESSION_START_TIME=SESSION,
        StringIds=made_up_nsys.strings(*NAMES),
        ThreadNames=[{"nameId": WORKER, "globalTid": TID}],
        COMPOSITE_EVENTS=rows,
        **({"SAMPLING_CALLCHAINS": chains} if chains else {}),
    )
    connection = sqlite3.connect(path / "a.sqlite")
    if indexed:
        connection.execute("CREATE UNIQUE INDEX one ON SAMPLING_CALLCHAINS (id, stackDepth)")
    return Export(connection, Capture((), Frozen(), 0))


def read(found: Export, asked: int = ASKED) -> tuple[list[Entry], list[Entry]]:
    """Samples and timers."""
    samples = Samples(found, Events(found), asked)
    return list(samples.entries()), list(samples.timers())


CHAINS = [
    *frames(1, LEAF, OUTER, MAIN),
    *frames(2, LEAF, OUTER, MAIN),
    *frames(4, 9, MAIN, BROKEN, unresolved=(0,)),
]
ROWS = [sample(1, 100), sample(2, 200), sample(3, 300), sample(4, 400)]


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not indexed"])
@pytest.mark.parametrize("shuffled", [True, False], ids=["shuffled", "in order"])
def test_stacks_go_to_their_samples(tmp_path: Path, indexed: bool, shuffled: bool) -> None:
    """Root first; a sample may have no stack; a frame without a symbol tells its file."""
    found = export(tmp_path, ROWS, CHAINS[::-1] if shuffled else CHAINS, indexed)

    told, _ = read(found)

    assert [one.path for one in told] == [
        ("main", "outer", "leaf"),
        ("main", "outer", "leaf"),
        ("[no frame]",),
        ("main", "[unknown] (libx.so)"),
    ]
    assert {(one.kind, one.exclusive, one.calls, one.unit) for one in told} == {
        (Kind.SAMPLE, ASKED, 1, "ns")
    }
    assert told[0].attributes == {"threadName": "worker", "cpu": 1}
    assert (told[0].process, told[0].thread) == (PID, PID)


def test_timers_are_what_samples_add_up_to(tmp_path: Path) -> None:
    """Each function once per stack; their own times are the samples' number of periods."""
    found = export(tmp_path, [*ROWS, sample(5, 500)], [*CHAINS, *frames(5, MAIN, MAIN)], True)

    told, timers = read(found)

    sums = {one.name: (one.inclusive, one.exclusive, one.calls) for one in timers}
    assert sums == {
        "main": (4 * ASKED, ASKED, 1),
        "outer": (2 * ASKED, 0, 0),
        "leaf": (2 * ASKED, 2 * ASKED, 2),
        "[no frame]": (ASKED, ASKED, 1),
        "[unknown] (libx.so)": (ASKED, ASKED, 1),
    }
    assert all(one.additive and one.time == told[0].time for one in timers)
    assert sum(one.exclusive or 0 for one in timers) == len(told) * ASKED


@pytest.mark.parametrize(
    ("gaps", "period"),
    [
        pytest.param([250_000, 251_000, 249_500] * 5 + [90_000_000] * 9, 250_000, id="with waits"),
        pytest.param([1_000_300, 999_900] * 9, ASKED, id="as asked, but for jitter"),
        pytest.param([250_000] * 3, ASKED, id="too few"),
    ],
)
def test_the_period_is_found(tmp_path: Path, gaps: list[int], period: int) -> None:
    """From the times between samples: waits are longer."""
    starts = [sum(gaps[:number]) for number in range(len(gaps) + 1)]
    rows = [sample(number + 1, start) for number, start in enumerate(starts)]

    told, _ = read(export(tmp_path, rows, CHAINS, False))

    assert {one.exclusive for one in told} == {period}


def test_limits_keep_totals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit functions are those of `[other functions]`; the sum stays."""
    monkeypatch.setattr(nsys_samples, "MOST_FUNCTIONS", 1)
    monkeypatch.setattr(nsys_samples, "MOST_STACKS", 1)
    monkeypatch.setattr(nsys_samples, "KEPT_FRAMES", 1)

    told, timers = read(export(tmp_path, ROWS, CHAINS, True))

    assert "[other functions]" in {one.name for one in timers}
    assert sum(one.exclusive or 0 for one in timers) == len(told) * ASKED


def test_spoilt_samples(tmp_path: Path) -> None:
    """Times that are none are left out and counted; threads that are none are not told."""
    rows = [sample(1, "x"), sample(2, 5, "thread"), sample(3, None)]
    found = export(tmp_path, rows, [], False)
    events = Events(found)

    (only,) = Samples(found, events).entries()

    assert (only.path, only.thread) == (("[no frame]",), None)
    assert events.spoilt == {"COMPOSITE_EVENTS": 2}


def test_no_samples(tmp_path: Path) -> None:
    """An export without any."""
    made_up_nsys.write(tmp_path / "a.sqlite", TARGET_INFO_SESSION_START_TIME=SESSION)

    found = Export(sqlite3.connect(tmp_path / "a.sqlite"), Capture((), Frozen(), 0))

    assert read(found) == ([], [])
