"""py-spy's files, read without knowing what they are for."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.formats import py_spy
from profiling_operator.formats.py_spy import Frame, Malformed, Stack, Thread


def raw(text: str) -> list[Stack | Malformed]:
    """What a raw file holds."""
    return list(py_spy.read_raw(io.BytesIO(text.encode())))


def speedscope(body: Any) -> list[Stack]:
    """What a speedscope file holds."""
    data = json.dumps(body).encode()
    frames = py_spy.read_frames(io.BytesIO(data))
    return list(py_spy.read_speedscope(io.BytesIO(data), frames))


def file(*profiles: Any) -> dict[str, Any]:
    """A speedscope file with two frames."""
    frames = [{"name": "main", "file": "a.py", "line": 9}, {"name": "hot", "line": 0}]
    return {"profiles": list(profiles), "shared": {"frames": frames}}


def profile(**more: Any) -> dict[str, Any]:
    """A profile of three samples."""
    return {
        "type": "sampled", "name": 'Process 7 Thread 0x8 "w"', "unit": "seconds",
        "samples": [[0, 1], [0], [0, 1]], "weights": [0.01, 0.01, 0.02], **more,
    }  # fmt: skip


@pytest.mark.parametrize(("line", "thread", "frames"), [
    ("main (a.py:9);hot (a.py:3) 4", Thread(), 2),
    ('process 7:"a";thread (8): Main;main (a.py:9) 4', Thread(7, 8, "Main"), 1),
    ('process 7:"a;b";process 9:"c \\" d";thread (0xA);f (x) 4', Thread(9, 10), 1),
    ('process 7:"a";thread (8): Main 4', Thread(7, 8, "Main"), 0),
    ("thread (8) 4", Thread(None, 8), 0),
])  # fmt: skip
def test_a_raw_line_is_taken_apart(line: str, thread: Thread, frames: int) -> None:
    """Processes on the way down, the thread, the frames, the count."""
    (stack,) = raw(f"{line}\n")

    assert isinstance(stack, Stack)
    assert (stack.thread, len(stack.frames), stack.samples) == (thread, frames, 4)


def test_a_command_line_may_take_several_lines() -> None:
    """`python -c` with a program in it: the program's lines are no stacks."""
    program = 'process 7:"python -c \nx = 5\nprint("y", 6)\n"'
    text = f"{program};thread (8): Main;hot (a.py:1) 4\n{program};thread (9);hot (a.py:2) 5\n"

    found = [one for one in raw(text) if isinstance(one, Stack)]

    assert len(found) == len(raw(text)) == 2
    assert [(one.thread, one.samples) for one in found] == [
        (Thread(7, 8, "Main"), 4), (Thread(7, 9), 5),
    ]  # fmt: skip


def test_a_command_line_without_end_is_malformed() -> None:
    """The file is cut off; the line is that where it began."""
    text = 'hot (a.py:1) 3\nprocess 7:"python -c \nx = 5\ny 6\n'

    assert [(type(one), getattr(one, "line", 0)) for one in raw(text)] == [
        (Stack, 0), (Malformed, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("word", "frame"), [
    ("hot (a.py:3)", Frame("hot", "a.py", 3)),
    ("<listcomp> (a b/c.py:3)", Frame("<listcomp>", "a b/c.py", 3)),
        ("std::function<void (int)> (x.h:3)", Frame("std::function<void (int)>", "x.h", 3)),
    ("main (a.py)", Frame("main", "a.py", None)),
    ("operator() (x.cpp:12)", Frame("operator()", "x.cpp", 12)),
    ("hot", Frame("hot")),
])  # fmt: skip
def test_a_frame_is_name_file_and_line(word: str, frame: Frame) -> None:
    """And is written again as it was."""
    assert py_spy.parse_frame(word) == frame
    assert str(frame) == word


@pytest.mark.parametrize("line", ["", "hot", "hot x", " 4", "hot -1"])
def test_a_line_that_is_no_stack_is_malformed(line: str) -> None:
    """With its number."""
    assert [type(one) for one in raw(f"hot (a.py:1) 3\n{line}\n")] == [Stack, Malformed]


def test_a_line_that_is_cut_off_is_malformed() -> None:
    """Its count may be a part of a larger one."""
    assert [type(one) for one in raw("hot (a.py:1) 3")] == [Malformed]


def test_equal_samples_of_a_thread_are_added_up() -> None:
    """With their weights in seconds."""
    stacks = {one.frames: one for one in speedscope(file(profile()))}

    main, hot = Frame("main", "a.py", 9), Frame("hot")
    assert stacks[(main, hot)].samples == 2
    assert stacks[(main, hot)].seconds == pytest.approx(0.03)
    assert stacks[(main,)].samples == 1
    assert {one.thread for one in stacks.values()} == {Thread(7, 8, "w")}


def test_words_for_process_and_thread_are_no_frames() -> None:
    """With threads and subprocesses py-spy puts them at the root, command lines included."""
    body = file(profile(name='Process 7 Thread 8 ""', samples=[[2, 3, 0], [2, 4, 0], [2, 4]]))
    body["shared"]["frames"] += [
        {"name": 'process 7:"python a.py\n--token=SECRET"', "file": "", "line": 0},
        {"name": "thread (8)", "file": "", "line": 0},
        {"name": "thread (8): worker", "file": "", "line": 0},
    ]

    stacks = speedscope(body)

    assert {one.frames: one.samples for one in stacks} == {(Frame("main", "a.py", 9),): 2, (): 1}
    assert {one.thread for one in stacks} == {Thread(7, 8, "worker")}


@pytest.mark.parametrize("unit", ["milliseconds", "microseconds", "nanoseconds"])
def test_units_are_obeyed(unit: str) -> None:
    """Other writers of the format have other units."""
    total = sum(one.seconds or 0 for one in speedscope(file(profile(unit=unit))))

    assert total == pytest.approx(0.04 * py_spy.UNIT_SECONDS[unit])


@pytest.mark.parametrize("more", [
    {"type": "evented"}, {"weights": [1]}, {"unit": "bytes"}, {"samples": [[5], [0], [0]]},
    {"samples": None}, {"samples": [["x"], [0], [0]]}, {"weights": ["x", 1, 1]},
])  # fmt: skip
def test_what_py_spy_does_not_write_is_an_error(more: dict[str, Any]) -> None:
    """Never a wrong number."""
    with pytest.raises(py_spy.ERRORS):
        speedscope(file(profile(**more)))


@given(st.binary(max_size=300))
def test_any_bytes_are_stacks_or_malformed(data: bytes) -> None:
    """Reading raw files never raises, and no line goes without being read."""
    found = list(py_spy.read_raw(io.BytesIO(data)))

    lines = len(data.split(b"\n")) - (data.endswith(b"\n") or not data)
    assert len(found) <= lines
    assert bool(found) == bool(lines)
