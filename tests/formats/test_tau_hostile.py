"""Truncated, flipped and random files of each of TAU's formats: never a crash, never a hang."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiling_operator import artifacts
from profiling_operator.captures import Capture, FileNote
from profiling_operator.collectors import tau
from profiling_operator.entries import Entry
from profiling_operator.formats import tau_ranges, tau_trace
from profiling_operator.formats.tau_definitions import Definition, Use
from profiling_operator.formats.tau_entries import Place
from profiling_operator.formats.tau_names import timer

SAMPLES = Path(__file__).parent.parent / "samples/tau"
CASES = {
    "text": "hand-made/context-events",
    "dumps": "hand-made/incremental-dumps",
    "snapshots": "hand-made/snapshots",
    "packed": "hand-made/merged-packed",
    "trace": "2.34/trace-mpi",
}
CONTENTS = {
    name: {file.name: file.read_bytes()[:8000] for file in sorted((SAMPLES / case).iterdir())[:4]}
    for name, case in CASES.items()
}
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MEMORY = 40 << 20

changes = st.lists(
    st.tuples(st.integers(0, 7999), st.integers(0, 12), st.binary(max_size=12)), max_size=8
)
cuts = st.integers(0, 8000)


def read(files: dict[str, bytes]) -> list[Entry]:
    """Read the files of a folder; each has one fate, and entries are whole."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        capture = Capture(artifacts.scan(Path(folder)).artifacts, tau.Options(), 0)
        items = list(tau.COLLECTOR.read(capture))
    notes = [one for one in items if isinstance(one, FileNote)]
    entries = [one for one in items if isinstance(one, Entry)]
    assert Counter(one.path for one in notes if one.fate) == dict.fromkeys(files, 1)
    assert all(one.path in files for one in notes)
    assert all(one.line >= 0 for one in notes)
    for one in entries:
        assert msgspec.json.decode(msgspec.json.encode(one), type=Entry) == one
    return entries


@pytest.mark.parametrize("case", CASES)
@QUICK
@given(changes=changes, cut=cuts, which=st.integers(0, 3))
def test_damaged_files(
    case: str, changes: list[tuple[int, int, bytes]], cut: int, which: int
) -> None:
    """One file of a set is cut and changed: entries or notes, and a fate for each file."""
    files = dict(CONTENTS[case])
    name = sorted(files)[which % len(files)]
    content = bytearray(files[name][:cut])
    for at, length, more in changes:
        content[at : at + length] = more
    files[name] = bytes(content)

    assert isinstance(read(files), list)


@pytest.mark.parametrize(
    "name",
    [
        *("profile.0.0.0", "snapshot.0.0.0", "tauprofile.xml", "tautrace.0.0.0.trc"),
        *("events.0.edf", "tau.trc", "tau.edf"),
    ],
)
@QUICK
@given(content=st.binary(max_size=4000))
def test_random_files(name: str, content: bytes) -> None:
    """Nothing of them can be measured, beside a complete trace or alone."""
    entries = read({**CONTENTS["trace"], name: content})

    assert all(one.collector == "tau" for one in entries)


@QUICK
@given(
    records=st.lists(
        st.tuples(
            st.sampled_from([1, 2, 8, 60_007, 9999]),
            st.integers(0, 3),
            st.integers(0, 3),
            st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-1, 0, 1]),
            st.integers(1_700_000_000_000_000, 1_700_000_000_100_000) | st.integers(0, 2**64 - 1),
        ),
        max_size=200,
    )
)
def test_random_records(records: list[tuple[int, int, int, int, int]]) -> None:
    """Ranges never last less than nothing, and never have more time of their own than in all."""
    first = (1, 0, 0, 1, 1_700_000_000_000_000)
    content = b"".join(tau_trace.struct.pack("<iHHqQ", *one) for one in [first, *records])
    events = {
        1: Definition(Use.RANGE, timer(b"f", b"")),
        2: Definition(Use.RANGE, timer(b"g", b"")),
        8: Definition(Use.VALUE, timer(b"v", b"")),
        60_007: Definition(Use.MESSAGE, timer(b"m", b"")),
    }
    tree = tau_ranges.CallTree(Place(time="", metric="TIME"), additive=True)
    trace = tau_trace.Trace(events, tree)

    for one in trace.entries(io.BytesIO(content)):
        assert msgspec.json.encode(one)
        assert one.duration is None or 0 <= (one.exclusive or 0) <= one.duration


ENDLESS = {
    "profile.0.0.0": b"9 templated_functions_MULTI_TIME\n# Name\n" + b'"' + b"x" * (48 << 20),
    "snapshot.0.0.0": b"<profile_xml><thread id='" + b"x" * (48 << 20),
    "tauprofile.xml": b"<profile_xml><a>" + b"x y " * (12 << 20),
    "events.0.edf": b"9 dynamic_trace_events\n" + b"x" * (48 << 20),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_memory_is_bounded(name: str, tmp_path: Path) -> None:
    """A line, a tag, a text without end: less is kept than the file has."""
    (tmp_path / name).write_bytes(ENDLESS[name])
    (tmp_path / "tautrace.0.0.0.trc").write_bytes(b"")
    capture = Capture(artifacts.scan(tmp_path).artifacts, tau.Options(), 0)
    tracemalloc.start()
    try:
        items = list(tau.COLLECTOR.read(capture))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(items) < 30
    assert peak < MEMORY
