"""The definitions of a trace's events."""

from __future__ import annotations

import io

import pytest

from profiling_operator.formats import tau_definitions
from profiling_operator.formats.tau_definitions import Definitions, Use
from profiling_operator.formats.tau_names import Names

HEAD = '9 dynamic_trace_events\n# FunctionId Group Tag "Name Type" Parameters\n'


def read(*lines: str) -> Definitions:
    """The definitions in these lines."""
    text = HEAD + "".join(f"{line}\n" for line in lines)
    found = tau_definitions.read(io.BytesIO(text.encode()), Names())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "use", "name"),
    [
        ('1 TAU_DEFAULT 0 ".TAU application " EntryExit', Use.RANGE, ".TAU application"),
        ('4 TAU_USER 0 "f() C [{a.c} {1,2}-{3,4}] " EntryExit', Use.RANGE, "f()"),
        ('4 A 0 "say "hi" " EntryExit', Use.RANGE, 'say "hi"'),
        ('8 TAUEVENT 1 "Heap (KB)" TriggerValue', Use.VALUE, "Heap (KB)"),
        ('60007 TAU_MESSAGE -7 "MESSAGE_SEND" par', Use.MESSAGE, "MESSAGE_SEND"),
        ('60001 TRACER 0 "FLUSH" EntryExit', Use.NOTHING, "FLUSH"),
        ('60005 TRACER 0 "WALL_CLOCK" none', Use.NOTHING, "WALL_CLOCK"),
    ],
)
def test_uses(line: str, use: Use, name: str) -> None:
    """By the parameters, and TAU's own numbers."""
    [found] = read(line).events.values()

    assert (found.use, found.shape.name) == (use, name)


def test_metadata_among_the_events() -> None:
    """Comes back as metadata, not as counters that tell of people."""
    found = read('6 TAUEVENT 0 "Command Line | ./a --key=x | y" TriggerValue')

    assert found.metadata == {"Command Line": "./a --key=x | y"}
    assert found.events[6].use is Use.NOTHING
    assert "key" not in found.events[6].shape.name


def test_bad_lines_are_told() -> None:
    """With their numbers; what is whole is kept."""
    found = read('1 A 0 "f " EntryExit', "nonsense", "", '2 A 0 "g')

    assert list(found.events) == [1]
    assert [line for line, _ in found.problems] == [4, 6]
    assert (found.announced, found.count) == (9, 1)


@pytest.mark.parametrize("text", [b"", b"x\n", b"3 templated_functions_MULTI_TIME\n", b"\0" * 100])
def test_other_files(text: bytes) -> None:
    """Are none of TAU's definitions."""
    assert tau_definitions.read(io.BytesIO(text), Names()) is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number; it is told where reading stopped."""
    monkeypatch.setattr(tau_definitions, "MOST_EVENTS", 3)
    found = read(*(f'{number} A 0 "f{number} " EntryExit' for number in range(1, 10)))

    assert len(found.events) == 3
    assert found.problems == [(6, "too many definitions: the rest is not read")]
