"""The elements of TAU's XML as states of threads."""

from __future__ import annotations

import io

import pytest

from profiling_operator.formats import tau_states
from profiling_operator.formats.tau_states import State, States

DEFINITIONS = b"""<definitions thread="*"><metric id="0"><name>TIME</name></metric>
<event id="0"><name>main </name><group>A | B</group></event>
<userevent id="0"><name>size</name></userevent></definitions>"""


def read(text: bytes) -> tuple[list[State], States]:
    """Every state of a text."""
    states = States()
    return list(states.read(io.BytesIO(text), len(text))), states


def profile(thread: str, rows: str, events: str = "", more: str = "") -> bytes:
    """One state."""
    return (
        f'<profile thread="{thread}">{more}<interval_data metrics="0 ">\n{rows}\n</interval_data>'
        f"<atomic_data>\n{events}\n</atomic_data></profile>"
    ).encode()


def test_a_state() -> None:
    """Names by their definitions; whole numbers as such, others as they are written."""
    [state], states = read(
        b'<thread id="1.2.3.99" node="1" context="2" thread="3"><metadata><attribute><name>K</name>'
        b"<value>V</value></attribute></metadata></thread>"
        + DEFINITIONS
        + profile("1.2.3.99", "0 1 2 3.5 nan", "0 1 8 8 8 64", "<timestamp>17</timestamp>")
    )

    assert (state.facts.node, state.facts.context, state.facts.thread) == (1, 2, 3)
    assert state.facts.metadata == {"K": "V"}
    assert (state.metrics, state.microseconds) == (["TIME"], "17")
    assert state.timers == [(b"main", b"A | B", [1, 2, b"3.5", b"nan"])]
    assert state.events == [(b"size", [1, 8, 8, 8, 64])]
    assert not states.problems


def test_definitions_of_one_thread_come_first() -> None:
    """And are gone with the next thread."""
    own = b'<definitions thread="0.0.0.1"><event id="0"><name>own</name></event></definitions>'
    other = b'<definitions thread="1.0.0.2"></definitions>'
    first, second = read(
        DEFINITIONS
        + own
        + profile("0.0.0.1", "0 1 0 1 1")
        + other
        + profile("1.0.0.2", "0 1 0 1 1")
    )[0]

    assert [first.timers[0].name, second.timers[0].name] == [b"own", b"main"]
    assert (second.facts.node, second.facts.id) == (1, "1.0.0.2")


def test_metadata_of_one_call_and_nested_values_are_left_out() -> None:
    """As in text profiles."""
    attributes = (
        b"<attribute><name>step</name><timer_context>f</timer_context><value>1</value></attribute>"
        b"<attribute><name>outer</name><value><attribute><name>inner</name><value>2</value>"
        b"</attribute></value></attribute>"
    )
    text = b'<thread id="0.0.0.1"><metadata>' + attributes + b"</metadata></thread>"
    [state], _ = read(text + DEFINITIONS + profile("0.0.0.1", ""))

    assert "step" not in state.facts.metadata
    assert "outer" not in state.facts.metadata


def test_derived_entities_are_only_named() -> None:
    """They repeat the threads."""
    text = (
        b'<derivedentity id="total"></derivedentity><derivedprofile derivedentity="total">'
        b'<derivedinterval_data metrics="0 ">\n0 1 1 1 1\n</derivedinterval_data></derivedprofile>'
    )
    found, states = read(DEFINITIONS + text)

    assert (found, states.derived) == ([], ["total"])


@pytest.mark.parametrize("row", ["7 1 0 1 1", "0 1 0 1", "0 1 0 1 1 1", "x"])
def test_rows_that_cannot_be(row: str) -> None:
    """Without a definition, or with too few or many numbers: a problem with its line."""
    [state], states = read(DEFINITIONS + b"\n" + profile("0.0.0.1", row))

    assert state.timers == []
    assert states.problems == [(5, "not a timer")]


def test_a_state_that_breaks_off_is_kept() -> None:
    """With what is whole, and a problem."""
    text = DEFINITIONS + profile("0.0.0.1", "0 1 0 1 1\n0 1")[:90]
    [state], states = read(text)

    assert len(state.timers) == 1
    assert states.problems[-1][1].startswith("truncated")


def test_numbers_beyond_64_bits_are_kept_as_written() -> None:
    """As are negative ones and those with more digits than Python reads."""
    rows = f"0 1 0 -5 {'9' * 20}\n0 1 0 {'9' * 5000} 1"
    [state], _ = read(DEFINITIONS + profile("0.0.0.1", rows))

    assert state.timers[0].numbers == [1, 0, b"-5", b"9" * 20]
    assert state.timers[1].numbers == [1, 0, b"9" * tau_states.LONGEST_NUMBER, 1]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the numbers of a state, the bytes of names and the problems that are listed."""
    monkeypatch.setattr(tau_states, "MOST_NUMBERS", 12)
    monkeypatch.setattr(tau_states, "MOST_NAME_BYTES", 40)
    many = b"".join(b'<event id="%d"><name>abcdefgh</name></event>' % n for n in range(1, 100))
    rows = "\n".join(["0 1 0 1 1"] * 100)
    text = DEFINITIONS + b"<definitions>" + many + b"</definitions>" + profile("0.0.0.1", rows)
    [state], states = read(text)

    assert len(state.timers) == 2
    assert len(states.problems) == tau_states.MOST_PROBLEMS
    assert states.unlisted > 100
