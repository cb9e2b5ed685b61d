"""The grammar of single lines."""

from __future__ import annotations

import io
import time

import pytest

from profiling_operator.formats import tau_lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"23 templated_functions_MULTI_TIME\n", (23, "TIME")),
        (b"4 templated_functions_MULTI_PAPI_NATIVE_a::b:c\r\n", (4, "PAPI_NATIVE_a::b:c")),
        (b"4 templated_functions\n", (4, "TIME")),
        (b"4 templated_functions_hw_counters\n", (4, "Hardware Counter")),
    ],
)
def test_heads(line: bytes, expected: tuple[int, str]) -> None:
    """Count and metric, in the new and in both old forms."""
    head = tau_lines.read_head(io.BytesIO(line + b"# Name Calls\nrest"))

    assert head is not None
    assert (head.timers, head.metric, head.text) == (*expected, b"# Name Calls\n")


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"x templated_functions\n", b"3 something\n", b"\x7fELF"]
)
def test_what_is_no_profile_has_no_head(text: bytes) -> None:
    """Anything else is refused at its first line."""
    assert tau_lines.read_head(io.BytesIO(text)) is None


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'"MPI_Init()  " 1 0 17 17 0 GROUP="MPI" \n', b"MPI_Init()  "),
        (b'"a" 1 0 17 17 289 0 GROUP="A|B"\n', b"a"),
        (b'"say("hi" 1 2 3)" 1 0 17 17 0 GROUP="MPI" \n', b'say("hi" 1 2 3)'),
        (b'"x" 1 1 1 1 0 GROUP="Q" y" 1 0 17 17 0 GROUP="" ', b'x" 1 1 1 1 0 GROUP="Q" y'),
    ],
)
def test_a_timers_name_ends_at_its_last_quote(line: bytes, name: bytes) -> None:
    """TAU escapes nothing."""
    found = tau_lines.TIMER.match(line)

    assert found is not None
    assert found.groups()[:5] == (name, b"1", b"0", b"17", b"17")


def test_five_whole_numbers_of_each_line() -> None:
    """Read together, in their order."""
    assert tau_lines.five_numbers([b"1 0 17 17 0", tau_lines.ZEROS]) == [
        (1, 0, 17, 17, 0),
        (0, 0, 0, 0, 0),
    ]
    assert tau_lines.five_numbers([]) == []


@pytest.mark.parametrize(
    "numbers",
    [
        b"1 0 -1 5 0",
        b"1 0 1.5 5 0",
        b"1 0 nan 5 0",
        b"1 0 5 0",
        b"1 0 5 5 0 0",
        b"1 0 " + b"9" * 18 + b" 5 0",
        b"1 0 5 5 0],[1 0 5 5 0",
        b"",
        b"]",
    ],
)
def test_other_numbers_are_left_to_the_pattern(numbers: bytes) -> None:
    """Whole numbers only, such that stay within 64 bits, five in each line."""
    assert tau_lines.five_numbers([tau_lines.ZEROS, numbers]) is None


def lines_of(text: bytes) -> list[tuple[int, bytes]]:
    """Every line with its number, from 3 on, and at last what is left over."""
    lines = tau_lines.Lines(io.BytesIO(text), 3)
    found = []
    while block := lines.block():
        found += list(enumerate(block, lines.number - len(block)))
    return [*found, (lines.number, lines.rest)]


def test_lines_come_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With their numbers, whatever a block cuts; the last one without its line feed apart."""
    monkeypatch.setattr(tau_lines, "BLOCK", 5)

    assert lines_of(b"a\n\nlonger than a block\nrest") == [
        (3, b"a"),
        (4, b""),
        (5, b"longer than a block"),
        (6, b"rest"),
    ]


def test_lines_can_be_put_back_and_left_out() -> None:
    """They come again with their numbers."""
    lines = tau_lines.Lines(io.BytesIO(b"a\nb\nc\nd\n"), 3)

    assert lines.block() == [b"a", b"b", b"c", b"d"]
    lines.put_back([b"b", b"c", b"d"])
    lines.skip(1)
    assert (lines.block(), lines.number) == ([b"c", b"d"], 7)
    lines.skip(10)
    assert lines.block() == []


def test_an_endless_line_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pieces are thrown away; only its end is left."""
    monkeypatch.setattr(tau_lines, "BLOCK", 10)
    monkeypatch.setattr(tau_lines, "LONGEST_LINE", 20)

    found = lines_of(b"a\n" + b"x" * 1005 + b"\nb\n")
    assert [at for at, _ in found] == [3, 4, 5, 6]
    assert len(found[1][1]) < 35


@pytest.mark.parametrize(
    "line",
    [
        b'"' + b'" 1 1 1 1 0 GROUP="' * 50_000 + b"\n",
        b'"' + b'" ' * 500_000 + b"\n",
        b'"a" ' + b"1" * 1_000_000 + b"\n",
        b'"' * 1_000_000,
    ],
)
def test_hostile_lines_take_no_time(line: bytes) -> None:
    """The pattern does not search again and again from each quote."""
    begin = time.process_time()
    tau_lines.TIMER.match(line)

    assert time.process_time() - begin < 5
