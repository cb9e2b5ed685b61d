"""py-spy's files, read without knowing what they are for."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.formats import py_spy
from profiling_operator.formats.py_spy import Frame, Malformed, Stack, Thread


def raw(text: str) -> list[Stack | Malformed]:
    """What a raw file holds."""
    return list(py_spy.read_raw(io.BytesIO(text.encode())))


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


@pytest.mark.parametrize(("word", "name", "file"), [
    ("app::grind<double> (libnat.so)", "app::grind<double>", "libnat.so"),
    ("_ZN3app4coldEv (libnat.so.1.2)", "app::cold()", "libnat.so.1.2"),
    ("0x7f42dafb527c (libz.so.1.2.13)", "[unknown] (libz.so.1.2.13)", "libz.so.1.2.13"),
    ("0x7f42dafb527c (?)", "[unknown]", ""),
    ("0x7f42dafb527c", "[unknown]", ""),
])  # fmt: skip
def test_native_frames_have_a_library(word: str, name: str, file: str) -> None:
    """And addresses are no names: each sample would have another one."""
    frame = py_spy.parse_frame(word)

    assert (frame.name, frame.file, frame.line) == (name, file, None)
    assert frame.is_native is bool(file) or name == "[unknown]"


@pytest.mark.parametrize("word", ["hot (a.py:3)", "main (a.py)", "f (<string>:1)", "g (x.cpp:12)"])
def test_frames_with_a_source_are_not_native(word: str) -> None:
    """Whatever language it is in."""
    assert not py_spy.parse_frame(word).is_native


def test_a_line_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its beginning is, and the lines after it have their numbers."""
    monkeypatch.setattr(py_spy, "LONGEST_STACK", 64)

    found = raw("hot (a.py:1) 3\n" + "x" * 1000 + "\nhot (a.py:2) 4\nnonsense\n")

    assert [one.line for one in found if isinstance(one, Malformed)][-1] == 4
    assert sum(one.samples for one in found if isinstance(one, Stack)) == 7


def test_what_is_kept_of_frames_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is the same."""
    monkeypatch.setattr(py_spy, "KEPT_BYTES", 20)

    found = raw("".join(f"f{n} (a.py:{n}) {n}\n" for n in range(1, 50)))

    assert [one.frames[0].name for one in found if isinstance(one, Stack)] == [
        f"f{n}" for n in range(1, 50)
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_stacks_or_malformed(data: bytes) -> None:
    """Reading raw files never raises, and no line goes without being read."""
    found = list(py_spy.read_raw(io.BytesIO(data)))

    lines = len(data.split(b"\n")) - (data.endswith(b"\n") or not data)
    assert len(found) <= lines
    assert bool(found) == bool(lines)
