"""What perf prints, read without knowing what it is for."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities import SHARED
from profiling_operator.formats import perf_script
from profiling_operator.formats.perf_frames import DEEPEST_STACK, EMPTY, OMITTED
from profiling_operator.formats.perf_head import HEAD, Fact
from profiling_operator.formats.perf_script import Found, Lost, Malformed, Sample

HAND_MADE = Path(__file__).parent.parent / "samples" / "perf" / "hand-made"
FRAME = "\t            11ad hot+0x44 (/opt/app)\n"
HEADER = "app 7/8 [001]  12.500000001:    5025125 cpu-clock: \n"


def read(text: str | bytes) -> list[Found]:
    """What a text holds."""
    data = text if isinstance(text, bytes) else text.encode()
    return list(perf_script.read(io.BytesIO(data)))


def samples(text: str | bytes) -> list[Sample]:
    """Its samples."""
    return [one for one in read(text) if isinstance(one, Sample)]


def malformed(text: str | bytes) -> list[tuple[int, str]]:
    """Its malformed lines."""
    return [(one.line, one.message) for one in read(text) if isinstance(one, Malformed)]


def hand_made(case: str) -> list[Found]:
    """What a made-up file holds."""
    return read((HAND_MADE / case / "perf.script").read_bytes())


@pytest.mark.parametrize(("header", "fields"), [
    ("app 7/8 [001]  12.500000001:  5 E: ", ("app", 7, 8, 1, 12_500_000_001, 5)),
    ("app 7/8 12.5:  5 E:", ("app", 7, 8, None, 12_500_000_000, 5)),
    ("app     8 [001]  12.500001:  5 E: ", ("app", None, 8, 1, 12_500_001_000, 5)),
    ("app 8 12.500001: E: ", ("app", None, 8, None, 12_500_001_000, None)),
    ("app 8 E: ", ("app", None, 8, None, None, None)),
    ("app 8 5 E:", ("app", None, 8, None, None, 5)),
    ("app 7/8 E: ", ("app", 7, 8, None, None, None)),
    ("   app   7/8 [001] 0.000001: E: ", ("app", 7, 8, 1, 1000, None)),
    ("DOM Worker 7/8 [001] 12.5: 5 E: ", ("DOM Worker", 7, 8, 1, 12_500_000_000, 5)),
    ("worker 1 8 12.5: 5 E: ", ("worker 1", None, 8, None, 12_500_000_000, 5)),
    ("worker 1 8 5 E: ", ("worker 1", None, 8, None, None, 5)),
    ("a: b 12.5: 7/8 [001] 12.5: 5 E: ", ("a: b 12.5:", 7, 8, 1, 12_500_000_000, 5)),
    ("12 7/8 [001] 12.5: 5 E: ", ("12", 7, 8, 1, 12_500_000_000, 5)),
    ("     7/8 [001] 12.5: 5 E: ", ("", 7, 8, 1, 12_500_000_000, 5)),
    (":-1 -1/-1 [001] 12.5: 5 E: ", (":-1", None, None, 1, 12_500_000_000, 5)),
    ("swapper 0/0 [001] 12.5: 5 E: ", ("swapper", 0, 0, 1, 12_500_000_000, 5)),
    ("kworker/u8:2-events_unbound 7/8 [001] 12.5: 5 E: ",
     ("kworker/u8:2-events_unbound", 7, 8, 1, 12_500_000_000, 5)),
])  # fmt: skip
@pytest.mark.parametrize("event", ["cycles", "cpu-clock:uH", "sched:sched_switch", "cpu/x=0x1,y/u"])
def test_a_header_is_taken_apart(header: str, fields: tuple[object, ...], event: str) -> None:
    """Name, process, thread, processor, time, period: whichever are there.

    Names may hold blanks, numbers and colons.
    """
    (sample,) = samples(f"{header.replace('E', event)}\n{FRAME}\n")

    assert (*sample.origin, sample.time, sample.period) == fields
    assert (sample.event, sample.stack.path) == (event, ("hot",))


def test_stacks_are_turned_root_first() -> None:
    """perf prints the innermost frame first; an empty line or the next header ends a sample."""
    text = f"{HEADER}{FRAME}\t 12f7 main (/opt/app)\n{HEADER}{FRAME}\n{HEADER}\n"

    stacks = [one.stack for one in samples(text)]

    assert [one.path for one in stacks] == [("main", "hot"), ("hot",), ("[no frame]",)]
    assert stacks[-1] is EMPTY


def test_a_sample_without_call_stack_is_one_line() -> None:
    """The frame is at its end, the name is aligned right."""
    line = "      my app 7/8 [001]  12.5: 5 cpu-clock:      55af498dc195 hot (/opt/My App/x)\n"

    found = samples(line * 3)

    assert len(found) == 3 and malformed(line * 3) == []
    assert (found[0].origin.command, found[0].stack.path) == ("my app", ("hot",))
    assert found[0].stack.leaf.module == "/opt/My App/x"


def test_what_a_tracepoint_tells_is_no_frame() -> None:
    """It stands where the frame of a sample without a call stack stands."""
    found = [one for one in hand_made("tracepoints") if isinstance(one, Sample)]

    assert [(one.event, one.stack.path) for one in found] == [
        ("sched:sched_switch", ("wait4", "schedule", "__schedule")),
        ("syscalls:sys_enter_read", EMPTY.path),
        ("syscalls:sys_exit_read", EMPTY.path),
    ]
    assert found[0].stack.kind == ("[kernel.kallsyms]", False, 2)


def test_places_in_the_source_are_passed_over() -> None:
    """With `-F +srcline` a line of its own follows each frame."""
    text = f"{HEADER}{FRAME}  app.c:12\n\t 12f7 main (/opt/app)\n  ??:0\n\n"

    assert [type(one) for one in read(text)] == [Sample]


def test_the_head_tells_facts() -> None:
    """The lines of a command line in it are neither facts nor malformed."""
    found = hand_made("head")

    facts = {one.name: one.value for one in found if isinstance(one, Fact)}
    assert facts["perf version"] == "5.10"
    assert facts["captured on"] == "Wed Feb  4 09:30:00 2026"
    assert Counter(type(one) for one in found)[Malformed] == 0
    assert sum(isinstance(one, Sample) for one in found) == 2


def test_a_rule_later_on_begins_no_head() -> None:
    """Texts that were put together keep their samples."""
    text = f"{HEAD.decode()}\n" * 3 + f"{HEADER}{FRAME}\n"

    assert len(samples(text)) == 1


@pytest.mark.parametrize(("text", "lines"), [
    ("nonsense\n", [1]),
    (FRAME, [1]),
    (f"{HEADER}\thello world\n{FRAME}\n", [2]),
    (f"{HEADER}{FRAME}nonsense\n\n", [3]),
    (f"{HEADER}{FRAME}\t  12f7 main (/op", [3]),
    ("app 7/8 [001] 12.5: 5 cpu-", [1]),
])  # fmt: skip
def test_what_perf_does_not_print_is_malformed(text: str, lines: list[int]) -> None:
    """With the number of its line."""
    assert [line for line, _ in malformed(text)] == lines


def test_a_sample_that_is_cut_off_is_left_out() -> None:
    """The rest of its stack is missing; a last line without its end may still be whole."""
    whole = f"{HEADER}{FRAME}\n{HEADER}{FRAME}"

    assert len(samples(whole.removesuffix("\n"))) == 2
    assert len(samples(whole.removesuffix("app)\n"))) == 1


def test_bad_bytes_are_kept_readable() -> None:
    """NUL and bytes that are no UTF-8 stay in names, ends of line as DOS has them do not."""
    text = b"a\xffb 7/8 12.5: 5 cycles: \r\n\t 11ad h\x00\xfft+0x4 (/opt/app)\r\n\r\n"

    (sample,) = samples(text)

    assert sample.origin.command == "a\ufffdb"
    assert sample.stack.path == ("h\x00\ufffdt",)


def test_deep_stacks_are_bounded() -> None:
    """The innermost frames are kept, and it is told once that there were more."""
    text = HEADER + FRAME * (DEEPEST_STACK + 500) + "\n" + HEADER + FRAME + "\n"

    first, second = samples(text)

    assert len(first.stack.frames) == DEEPEST_STACK + 1
    assert first.stack.frames[0] is OMITTED
    assert len(second.stack.frames) == 1
    assert [line for line, _ in malformed(text)] == [DEEPEST_STACK + 2]


@pytest.mark.parametrize("surplus", [-1, 0, 1, 1 << 20])
def test_long_lines_are_bounded(surplus: int) -> None:
    """They are malformed, and the lines after them keep their numbers."""
    long = "x" * (perf_script.LONGEST_LINE + surplus)

    assert [line for line, _ in malformed(f"{HEADER}{long}\n{FRAME}zz\n\n")] == [2, 4]


def test_lost_samples_are_told() -> None:
    """As `perf script --show-lost-events` has them, between the samples."""
    lost = "app 7/8 [001]  12.5: PERF_RECORD_LOST lost 25\n"

    assert read(f"{HEADER}{FRAME}\n{lost}{HEADER}{FRAME}\n")[1:2] == [Lost(25)]
    assert len(samples(f"{HEADER}{FRAME}\n{lost}{HEADER}{FRAME}\n")) == 2


MANY = [
    f"w {n % 5} 7/{n % 5} [00{n % 2}] {12 + n}.5: {n * 7} {event}: \n"
    f"{'':9}{n:x} f{n % 3}+0x{n:x} (/opt/app)\n\t{'12f7':>16} main (/opt/app)\n\n"
    for n in range(200)
    for event in ("cycles:u", "cpu-clock")
]


@pytest.mark.parametrize("chunk", [64, 500, 1 << 20])
def test_no_chunk_changes_what_is_read(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Nor do samples that were read before, whose headers and stacks are like these."""
    monkeypatch.setattr(perf_script, "CHUNK", chunk)

    together = samples("".join(MANY))
    alone = [sample for text in MANY for sample in samples(text)]

    assert [(*one[:4], one.stack.path) for one in together] == [
        (*one[:4], one.stack.path) for one in alone
    ]
    assert len(together) == len(MANY)


def test_lines_have_their_numbers_in_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether samples before them were looked at or known."""
    monkeypatch.setattr(perf_script, "CHUNK", 300)
    text = f"{HEADER}{FRAME}\n" * 20 + f"{HEADER}{FRAME}nonsense\n\n"

    assert malformed(text * 3) == [(64 * n - 1, "is not a frame") for n in (1, 2, 3)]


WORDS = st.sampled_from(
    [HEADER, FRAME, "\n", "\t", " ", "# ", "# ========\n", "app 7/8 ", "[001] ", "12.5: ", "5 ",
     "cycles: ", "11ad ", "hot ", "(/opt/app)", "(", ")", "\x00", "\r\n", "  app.c:3\n"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=60))
def test_pieces_of_perf_text_never_raise(words: list[str]) -> None:
    """Nor do they give a sample without a header."""
    text = "".join(words)

    assert len(samples(text)) <= text.count(": ")


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    """Hostile texts give samples, facts or malformed lines, never an error."""
    lines = len(data.split(b"\n"))

    found = read(data)

    assert len(found) <= lines
    assert all(1 <= one.line <= lines for one in found if isinstance(one, Malformed))


@pytest.mark.parametrize("line", [
    b" " * perf_script.LONGEST_LINE, b"7 " * 30_000, b"a" * 60_000, b"7/8 " * 15_000,
    b"a " * 30_000 + b":", b"a 7 " + b"x:" * 30_000,
])  # fmt: skip
def test_hostile_lines_are_read_to_their_end(line: bytes) -> None:
    """No line makes the header's pattern try again and again: its runs are bounded."""
    assert samples((line[:60_000] + b"\n") * 20) == []


# Samples, periods of all, first and last time, all by plain text tools.
GOLDEN = {
    "forks.linux-perf.txt": (
        561,
        "cpu-clock",
        561_561_561,
        203_265_377_019_000,
        203_265_517_098_000,
    ),
    "one-sample.linux-perf.txt": (
        1,
        "cpu-clock",
        1_001_001,
        198_792_736_893_000,
        198_792_736_893_000,
    ),
    "rust-mangled.linux-perf.txt": (
        96,
        "task-clock:ppp",
        1_627_118_592,
        150_520_991_529_000,
        150_522_601_749_000,
    ),
    "simple-with-header.linux-perf.txt": (
        136,
        "cpu-clock",
        136_136_136,
        198_789_478_194_000,
        198_789_613_576_000,
    ),
    "simple-with-pid.linux-perf.txt": (
        137,
        "cpu-clock",
        0,
        198_791_127_353_000,
        198_791_263_815_000,
    ),
    "simple.linux-perf.txt": (1, "cpu-clock", 1_001_001, 198_792_736_893_000, 198_792_736_893_000),
    "system-wide.linux-perf.txt": (
        556,
        "cpu-clock",
        556_556_556,
        202_513_231_785_000,
        202_513_370_040_000,
    ),
}


@pytest.mark.needs("shared")
@pytest.mark.parametrize("name", GOLDEN)
def test_real_texts_are_read_whole(name: str) -> None:
    """Every header and every frame of them, and no line is malformed."""
    data = (SHARED / "perf" / name).read_bytes()
    lines = data.split(b"\n")

    found = samples(data)

    assert malformed(data) == []
    assert {one.event for one in found} == {GOLDEN[name][1]}
    times = [one.time or 0 for one in found]
    periods = sum(one.period or 0 for one in found)
    assert (len(found), periods, times[0], times[-1]) == (GOLDEN[name][0], *GOLDEN[name][2:])
    frames = sum(len(one.stack.frames) for one in found if one.stack is not EMPTY)
    assert frames == sum(line.startswith(b"\t") for line in lines)
