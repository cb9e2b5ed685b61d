"""What names say: the readable part stays in the name, the rest goes to its own field."""

from __future__ import annotations

import pytest

from profiling_operator.entries import Kind, Source
from profiling_operator.formats import tau_names


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        ("MPI_Init()", "MPI_Init()", None),
        (
            "int main(int, char **) C [{main.c} {5,1}-{17,2}]",
            "int main(int, char **)",
            Source(file="main.c", line=5, endLine=17, column=1),
        ),
        ("main [{/a/hotspot.cpp} {276,0}]", "main", Source(file="/a/hotspot.cpp", line=276)),
        ("region f [{a.cpp} {69, 3}]", "region f", Source(file="a.cpp", line=69, column=3)),
        ("[PTHREAD] th [{/app/app} {0, 0}]", "[PTHREAD] th", Source(file="/app/app")),
        ("hot [{app.c} {8}]", "hot", Source(file="app.c", line=8)),
        ("run [{app.py}{8}]", "run", Source(file="app.py", line=8)),
        ("x [{} {0}]", "x", None),
        ("[{libm.so} {0}]", "libm.so", Source(file="libm.so")),
        ("Class C", "Class C", None),
        ("operator[] [{", "operator[] [{", None),
        ("f [{a} {1}] tail", "f [{a} {1}] tail", None),
    ],
)
def test_region_becomes_source(text: str, name: str, source: Source | None) -> None:
    """All forms of a source region; 0 means unknown; only before a region is " C" a type."""
    frame = tau_names.frame(text)

    assert (frame.name, frame.source) == (name, source)


def test_flat_timer_is_additive() -> None:
    """Blanks are collapsed, groups split in both of TAU's spellings."""
    shape = tau_names.timer(b"MPI  Collective Sync  ", b"MPI | TAU_USER|")

    assert shape.name == shape.key == "MPI Collective Sync"
    assert (shape.kind, shape.additive, shape.path) == (Kind.TIMER, True, None)
    assert shape.attributes == {"group": ["MPI", "TAU_USER"]}
    assert shape.leaf == {"group": ["MPI", "TAU_USER"], "subroutines": 0}


def test_call_path_is_root_first_and_not_additive() -> None:
    """Its name and source are those of the last component."""
    shape = tau_names.timer(b"main C [{m.c} {1,1}-{9,1}]  => MPI_Init()  ", b"TAU_CALLPATH|MPI")

    assert shape.path == ("main", "MPI_Init()")
    assert (shape.name, shape.source, shape.additive) == ("MPI_Init()", None, False)


@pytest.mark.parametrize(
    ("raw", "group", "name", "role"),
    [
        (b"[SAMPLE] hot [{a.c} {8}]", b"TAU_SAMPLE", "hot", "sample"),
        (b"[SAMPLE] UNRESOLVED /app/app", b"TAU_SAMPLE", "UNRESOLVED /app/app", "sample"),
        (b"[CONTEXT] main", b"TAU_SAMPLE_CONTEXT", "main", "context"),
        (b"[UNWIND] a.c.9 [@] warm [{a.c} {9}]", b"TAU_UNWIND", "warm", "unwind"),
        (b"[SUMMARY] hot [{a.c}]", b"TAU_SAMPLE", "hot [{a.c}]", "summary"),
        (b"[INTERMEDIATE] loop", b"TAU_SAMPLE", "loop", "intermediate"),
        (b"hot", b"TAU_SAMPLE|TAU_CALLPATH", "hot", "sample"),
    ],
)
def test_sampling_rows_overlap_timers(raw: bytes, group: bytes, name: str, role: str) -> None:
    """They are samples, never additive; what they were is in the attributes."""
    shape = tau_names.timer(raw, group)

    assert (shape.name, shape.kind, shape.additive) == (name, Kind.SAMPLE, False)
    assert shape.attributes["role"] == role


def test_path_of_a_sample_reads_without_markers() -> None:
    """The context repeats its timer, so it is one frame; the called frame is kept aside."""
    shape = tau_names.timer(
        b"main  => [CONTEXT] main  => [UNWIND] x.1 [@] warm [{a.c} {9}]"
        b" => [SAMPLE] hot [{a.c} {8}]",
        b"TAU_UNWIND|TAU_SAMPLE|TAU_CALLPATH",
    )

    assert shape.path == ("main", "warm", "hot")
    assert shape.attributes["role"] == "sample"
    callee = tau_names.timer(b"[UNWIND] [x.1] [@] UNRESOLVED /app", b"TAU_UNWIND")
    assert (callee.name, callee.attributes["callee"]) == ("UNRESOLVED /app", "x.1")


def test_parameters_are_a_breakdown() -> None:
    """The name is the function's, the parameters are apart, and the entry is not additive."""
    shape = tau_names.timer(
        b"f(int) C [{f.c} {5,1}-{11,1}]   [ <comm> = <0 1> <size> = <100> ]  ", b"TAU_PARAM | MPI"
    )

    assert (shape.name, shape.additive) == ("f(int)", False)
    assert shape.attributes["parameters"] == {"comm": "0 1", "size": "100"}
    assert shape.source == Source(file="f.c", line=5, endLine=11, column=1)


def test_throttled_timer() -> None:
    """The mark goes to the attributes."""
    shape = tau_names.timer(b"tiny() [THROTTLED]", b"TAU_DISABLE")

    assert (shape.name, shape.throttled, shape.additive) == ("tiny()", True, True)
    assert shape.attributes["throttled"] is True


def test_addresses() -> None:
    """Addresses of a region are kept apart from the name."""
    shape = tau_names.timer(b"f() [{0x401136}-{0x401180}]", b"TAU_USER")

    assert shape.name == "f()"
    assert shape.attributes["addresses"] == ["0x401136", "0x401180"]


@pytest.mark.parametrize("raw", [b"", b"  ", b" => ", b"[SAMPLE] "])
def test_no_name(raw: bytes) -> None:
    """A name is never empty."""
    assert tau_names.timer(raw, b"").name


def test_names_that_are_not_utf8_are_readable() -> None:
    """A wrong byte is one replacement character."""
    assert tau_names.timer(b"caf\xe9", b"").name == "caf�"


@pytest.mark.parametrize(
    ("raw", "name", "path", "additive"),
    [
        (b"Message size", "Message size", None, True),
        (b"Size : a => b()  ", "Size", ("a", "b()", "Size"), False),
        (b"Size : m [{m.c} {1,1}-{2,1}]", "Size", ("m", "Size"), False),
        (b"[GROUP=MAX_MARKER] Size", "Size", None, False),
        (b"[GROUP=MAX_MARKER] Size : a", "Size", ("a", "Size"), False),
    ],
)
def test_user_events(raw: bytes, name: str, path: tuple[str, ...] | None, additive: bool) -> None:
    """An event in a context, and the copy of a record value, repeat the plain event."""
    shape = tau_names.event(raw)

    assert (shape.name, shape.path, shape.additive) == (name, path, additive)
    assert shape.kind is Kind.COUNTER


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Bytes copied from Host to Device", "By"),
        ("Shared Static Memory (bytes)", "By"),
        ("MPI-IO Bytes Written", "By"),
        ("Message size for all-reduce", "By"),
        ('Heap Allocate <file="a.c", line=3>', "By"),
        ("Heap Memory Used (KB) at Entry", "KiBy"),
        ("Memory Footprint (VmRSS) (KB)", "KiBy"),
        ("Memory Headroom Left (MB)", "MiBy"),
        ("WRITE Bandwidth (MB/s)", "MBy/s"),
        ("Time in Queue (us)", "us"),
        ("GPU Temperature (C)", "Cel"),
        ("GPU SM Frequency (MHz)", "MHz"),
        ("GPU Power Utilization (% mW)", "mW"),
        ("GPU Fan Speed (% max)", "%"),
        ("GPU Occupancy (Warps)", "1"),
        ("Threads", "1"),
    ],
)
def test_units_of_events(name: str, unit: str) -> None:
    """Names of real events, and the unit that they tell."""
    assert tau_names.unit_of_event(name) == unit


def test_names_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object returns; endless different or huge names do not fill the memory."""
    monkeypatch.setattr(tau_names, "NAMES_KEPT", 3)
    names = tau_names.Names()

    first = names.timer(b"a", b"MPI")
    assert names.timer(b"a", b"MPI") is first
    assert names.timer(b'"a', b'MPI" \n').key == "a"
    assert names.event(b"e") is names.event(b"e")
    for index in range(10):
        names.timer(b"f%d" % index, b"")
    assert names.timer(b"a", b"MPI") is not first


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, by the length of a name, and by the bytes of all."""
    monkeypatch.setattr(tau_names, "NAMES_KEPT", 3)
    monkeypatch.setattr(tau_names, "BYTES_KEPT", 100)
    kept: tau_names.Kept[int, str] = tau_names.Kept()

    assert [kept.keep(index, "made", 5) for index in range(4)] == [False, False, False, True]
    assert list(kept) == [3]
    assert kept.keep(4, "made", 96)
    assert not kept.keep(5, "made", tau_names.LONGEST_KEPT + 1)
    assert list(kept) == [4]


def test_mangled_names_are_read() -> None:
    """As TAU writes those of samples."""
    assert tau_names.timer(b"[SAMPLE] _ZN3foo3barEv [{a.cpp} {3}]", b"").name == "foo::bar()"
