"""One text profile: every line an entry or a problem, and the file's end noticed."""

from __future__ import annotations

import io
import random
from pathlib import Path

import msgspec
import pytest

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import tau_lines, tau_profile
from profiling_operator.formats.tau_entries import Families, Place

MADE = Path(__file__).parent.parent / "samples/tau/hand-made"
TIME = "2026-11-23T12:21:04.427427000Z"


def reading(text: bytes, metric: str = "TIME", folder: str = "") -> tau_profile.Reading:
    """A reading of this text."""
    stream = io.BytesIO(text)
    head = tau_lines.read_head(stream)
    assert head is not None
    place = Place(time=TIME, metric=metric, job="n/j", process=3, folder=folder)
    return tau_profile.Reading(stream, head, place, Families().of(place))


def read(case: str, name: str = "profile.0.0.0") -> tuple[list[Entry], tau_profile.Reading]:
    """Everything of a sample."""
    one = reading((MADE / case / name).read_bytes())
    return list(one.entries()), one


def timers(count: int, *lines: str) -> bytes:
    """A whole file of these lines."""
    body = "".join(f"{line}\n" for line in lines)
    return f"{count} templated_functions_MULTI_TIME\n# Name\n{body}0 aggregates\n".encode()


def test_a_timers_entry() -> None:
    """Every field of one line."""
    line = '"main() C [{m.c} {1,2}-{9,1}]  " 2 7 300 1000 0 GROUP="TAU_USER" '
    entries = list(reading(timers(1, line), folder="a").entries())

    assert len(entries) == 1
    assert entries[0].name == "main()"
    assert (entries[0].metric, entries[0].unit) == ("TIME", "ns")
    assert (entries[0].exclusive, entries[0].inclusive, entries[0].calls) == (300_000, 1_000_000, 2)
    assert (entries[0].time, entries[0].job, entries[0].process) == (TIME, "n/j", 3)
    assert entries[0].attributes == {"group": ["TAU_USER"], "subroutines": 7, "folder": "a"}


def test_counts_are_not_microseconds() -> None:
    """Hardware counters keep their numbers."""
    one = reading(timers(1, '"f" 1 0 4.5E+3 4500 0 GROUP="X" '), metric="PAPI_TOT_CYC")

    assert [(entry.exclusive, entry.unit) for entry in one.entries()] == [(4500, "1")]


def test_throttled() -> None:
    """The entry says so, and the file's summary what it means."""
    entries, one = read("throttled")

    marked = [entry for entry in entries if (entry.attributes or {}).get("throttled")]
    assert [entry.name for entry in marked] == ["int tiny(int)"]
    assert marked[0].additive
    assert "lower bounds" in one.summary()


def test_parameters_are_not_added_to_their_function() -> None:
    """The additive values of the thread give its total."""
    entries, _ = read("parameters")

    assert sum(entry.exclusive or 0 for entry in entries if entry.additive) == 158_000
    assert [
        (entry.attributes or {}).get("parameters") for entry in entries if not entry.additive
    ] == [
        {"size": "100"},
        {"comm": "0 1", "size": "10000"},
    ]


def test_negative_values_become_zero_and_are_told() -> None:
    """With the line and the value."""
    entries, one = read("negative")

    assert [entry.exclusive for entry in entries] == [0, 960_000, 0]
    assert [problem.line for problem in one.problems] == [3, 5, 5]
    assert "-40" in one.problems[0].message


@pytest.mark.parametrize(
    ("name", "count", "summary"),
    [
        ("profile.0.0.0", 2, "truncated: 2 of 4 timers"),
        ("profile.1.0.0", 2, "truncated: 2 of 3 timers"),
        ("profile.2.0.0", 3, "truncated: 1 of 3 user events"),
        ("profile.3.0.0", 1, "truncated: it ends behind its timers; only TAU's own timers"),
        ("profile.5.0.0", 0, "truncated: 0 of 7 timers"),
    ],
)
def test_truncated_files_give_what_is_whole(name: str, count: int, summary: str) -> None:
    """A last line that is cut is no entry and no problem of its own."""
    entries, one = read("truncated", name)

    assert (len(entries), one.summary(), one.problems) == (count, summary, [])
    assert one.found_any == (count > 0)


def test_duplicate_names_add_up() -> None:
    """Timers and events; names that differ in blanks only are equal."""
    entries, one = read("duplicate-names")
    send, event = (
        next(e for e in entries if e.name == name) for name in ("MPI_Send()", "Message size")
    )

    assert (send.calls, send.exclusive, send.inclusive) == (5, 700_500, 900_000)
    assert (event.calls, event.value, event.min, event.max) == (3, 42, 2, 30)
    assert one.summary() == ""


def test_quotes_in_names() -> None:
    """Neither timers nor events lose them."""
    entries, one = read("quote-in-name")

    assert [entry.name for entry in entries[1:]] == ['say("hi" 1 2 3)', 'read "/tmp/x" 5 6']
    assert not one.problems


def test_user_events() -> None:
    """Numbers, units, and what repeats what."""
    entries, one = read("context-events")
    events = [entry for entry in entries if entry.kind is Kind.COUNTER]

    assert [event.additive for event in events] == [True, False, False, False, True, True, True]
    heap, _, _, _, reduce, bandwidth, none = events
    assert (heap.unit, heap.calls, heap.min, heap.max, heap.mean) == ("KiBy", 2, 10, 30, 20)
    assert (heap.value, heap.stddev) == (40, 10.0)
    assert reduce.value == 16484
    assert (bandwidth.unit, bandwidth.value) == ("MBy/s", 2.5)
    assert (none.calls, none.value, none.mean, none.min) == (0, 0, None, None)
    assert one.summary() == ""


def test_events_can_be_left_out() -> None:
    """The second metric's file repeats them; it is not taken for truncated."""
    one = reading((MADE / "context-events/profile.0.0.0").read_bytes())

    assert {entry.kind for entry in one.entries(with_events=False)} == {Kind.TIMER}
    assert one.summary() == ""


def test_values_that_are_no_numbers_are_absent() -> None:
    """The rest of the line is kept; an event without a mean is left out, and not truncated."""
    entries, one = read("not-finite")
    by_name = {entry.name: entry for entry in entries}

    assert by_name[".TAU application"].inclusive == 425_146_000_000_000
    assert (by_name["a"].exclusive, by_name["a"].inclusive, by_name["a"].calls) == (None, None, 1)
    assert (by_name["b"].exclusive, by_name["b"].inclusive) == (None, 5000)
    assert (by_name["c"].exclusive, by_name["c"].inclusive) == (500, 1)
    assert (by_name["Load"].value, by_name["Load"].max, by_name["Load"].stddev) == (6, None, None)
    assert "Broken" not in by_name
    assert [problem.line for problem in one.problems] == [4, 4, 5, 10, 11]
    assert one.summary() == ""


def test_old_header_with_one_column_more() -> None:
    """SumExclSqr is skipped; calls may be decimal."""
    entries, one = read("old-header")

    assert [(entry.name, entry.calls, entry.inclusive) for entry in entries] == [
        (".TAU application", 1, 1_000_000),
        ("a", 2.5, 100_000),
    ]
    assert not one.problems


def test_malformed_lines_become_problems() -> None:
    """Each with its line; what is well-formed is kept."""
    entries, one = read("malformed")

    assert [entry.name for entry in entries] == [".TAU application", "a"]
    assert [problem.line for problem in one.problems] == [4, 5, 6, 7]


def test_problems_are_bounded() -> None:
    """A file of nonsense is told in a few lines."""
    one = reading(timers(5, *["nonsense"] * 1000))

    assert list(one.entries()) == []
    assert len(one.problems) == tau_profile.MOST_PROBLEMS + 1
    assert one.problems[-1] == tau_profile.Problem(0, "980 more problems in this file")


def test_phases_are_paths_two_deep() -> None:
    """A phase itself is a timer."""
    entries, _ = read("phases")

    assert sum(entry.exclusive or 0 for entry in entries if entry.additive) == 1_000_000
    assert [entry.path for entry in entries if entry.path] == [
        ("iteration 1", "solve"),
        ("main", "iteration 1"),
    ]


def test_only_own_timers_are_told() -> None:
    """A program that is not instrumented."""
    _, one = read("only-root")

    assert one.summary() == "only TAU's own timers"


def test_more_timers_than_announced_are_kept() -> None:
    """The count is only a hint; aggregates, which TAU never writes, are skipped."""
    line = '"{}" 1 0 1 1 0 GROUP="X" \n'
    text = b"1 templated_functions_MULTI_TIME\n# Name\n" + "".join(map(line.format, "abc")).encode()
    text += b'2 aggregates\nx\ny\n1 userevents\n# eventname\n"e" 1 1 1 1 1\n'
    one = reading(text)

    assert [entry.name for entry in one.entries()] == ["a", "b", "c", "e"]
    assert one.summary() == "3 timers, 1 announced"
    assert not one.problems


def test_a_missing_column_line_is_told() -> None:
    """It may be that TAU was cut off, or that it is another format."""
    one = reading(b'1 templated_functions_MULTI_TIME\n"a" 1 0 1 1 0 GROUP="X" \n')

    assert list(one.entries()) == []
    assert one.problems[0].line == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a limit timers are given out before the end: all are there, in order."""
    monkeypatch.setattr(tau_profile, "HELD_TIMERS", 3)
    monkeypatch.setattr(tau_lines, "BLOCK", 64)
    lines = [f'"f{index}" 1 0 1 1 0 GROUP="X" ' for index in range(10)]
    one = reading(
        timers(10, *lines)
        + b"9 userevents\n"
        + b"".join(b'"e%d" 1 1 1 1 1\n' % index for index in range(9))
    )

    assert len({entry.name for entry in one.entries()}) == 19
    assert one.summary() == ""


def test_a_line_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are read in pieces: an endless one is a problem, not an end of memory."""
    monkeypatch.setattr(tau_lines, "LONGEST_LINE", 100)
    monkeypatch.setattr(tau_lines, "BLOCK", 64)
    one = reading(timers(2, '"a" 1 0 1 1 0 GROUP="X" ', "x" * 1000, '"b" 1 0 1 1 0 GROUP="X" '))

    assert [entry.name for entry in one.entries()] == ["a", "b"]
    assert len(one.problems) == 1


TOKENS = (b'"', b" ", b"\n", b"nan", b"-", b"1e308", b"9" * 30, b" => ", b"[{", b'GROUP="', b"\0")


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_never_raise(seed: int) -> None:
    """Whatever is left in a file, its entries are valid and its problems are told."""
    random_ = random.Random(seed)
    for file in sorted(MADE.glob("*/profile.*")):
        text = bytearray(file.read_bytes())
        for _ in range(random_.randint(1, 10)):
            at = random_.randint(0, len(text))
            text[at : at + random_.randint(0, 9)] = random_.choice(TOKENS)
        stream = io.BytesIO(bytes(text))
        head = tau_lines.read_head(stream)
        if head:
            place = Place(time=TIME, metric="TIME")
            one = tau_profile.Reading(stream, head, place, Families().of(place))
            for entry in one.entries():
                assert msgspec.json.decode(msgspec.json.encode(entry), type=Entry) == entry
            assert isinstance(one.summary(), str)
