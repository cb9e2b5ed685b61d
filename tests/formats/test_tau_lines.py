"""The grammar of single lines."""

from __future__ import annotations

import io
import time

import pytest

from profiling_operator.formats import tau_lines, tau_names


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
    """TAU escapes nothing; the quick way finds the same as the pattern."""
    found = tau_lines.TIMER.match(line)

    assert found is not None
    assert found.groups()[:5] == (name, b"1", b"0", b"17", b"17")
    quick = tau_lines.whole_timer(line)
    assert quick is None or (quick[0][1:], quick[2:]) == (name, (1, 0, 17, 17))
    assert (quick is not None) == line.endswith(b'" \n')


@pytest.mark.parametrize(
    "numbers",
    [b"1 0 -1 5", b"1 0 1.5 5", b"1 0 nan 5", b"1 0 1e3 5", b"1 0 5", b"1 0 " + b"9" * 18 + b" 5"],
)
def test_other_numbers_are_left_to_the_pattern(numbers: bytes) -> None:
    """The quick way takes whole numbers only, and such that stay within 64 bits."""
    assert tau_lines.whole_timer(b'"a" %b 0 GROUP="X" \n' % numbers) is None


def test_an_event_needs_its_line_feed() -> None:
    """Without it the last number may have been cut."""
    assert tau_lines.EVENT.match(b'"a "b" 1" 1 4 4 4 16\n')
    assert not tau_lines.EVENT.match(b'"a" 1 4 4 4 16')


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
    """The patterns do not search again and again from each quote."""
    begin = time.process_time()
    for pattern in (tau_lines.TIMER, tau_lines.EVENT):
        pattern.match(line)

    assert time.process_time() - begin < 5


def test_timers_of_one_name_add_up() -> None:
    """An unknown value counts as nothing."""
    shape = tau_names.timer(b"a", b"MPI")

    added = tau_lines.together((shape, 2, 1, 300, None), (shape, 3, 2, 400, 500))
    assert added == (shape, 5, 3, 700, 500)


def test_events_of_one_name_are_combined() -> None:
    """As if all values had been seen together."""
    shape = tau_names.event(b"a")
    one = tau_lines.Event(shape, 2, 10, 2, 6, 104)
    other = tau_lines.Event(shape, 1, 30, None, 30, 900)

    assert tau_lines.combined(one, other) == (shape, 3, 30, 2, 14, 1004)
    empty = tau_lines.Event(shape, 0, None, None, 0, None)
    assert tau_lines.combined(empty, empty) == (shape, 0, None, None, 0, None)
