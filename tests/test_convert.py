"""One pass from a collector's files to entries, sums and a verdict."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profiling_operator import artifacts, convert, entries, parallel
from profiling_operator.captures import (
    Capture,
    Evidence,
    Fate,
    FileNote,
    Item,
    Metadata,
    Verdict,
)
from profiling_operator.collectors import tau
from profiling_operator.convert import Circumstances, Conversion, Converted
from profiling_operator.entries import Entry, Kind, Writer
from profiling_operator.errors import Reason
from profiling_operator.formats import tau_reading
from profiling_operator.frozen import Frozen

TIME = "2026-11-23T10:00:00.000000000Z"


class Fake:
    """A collector that reads what it is given, and remembers what it was asked to judge."""

    def __init__(self, *items: Item) -> None:
        self.items = items
        self.evidence: Evidence | None = None

    def split(self, capture: Capture) -> list[Capture]:
        """One part."""
        return [capture]

    def read(self, capture: Capture) -> Iterator[Item]:
        """The items."""
        yield from self.items

    def usable(self, evidence: Evidence) -> Verdict:
        """Whether there are entries."""
        self.evidence = evidence
        return Verdict(bool(evidence.entries), Reason.NOTHING_MEASURED, "")


def entry(name: str, **more: Any) -> Entry:
    """A timer's entry."""
    given = {"kind": Kind.TIMER, "additive": True, "metric": "TIME", "unit": "ns", "exclusive": 5}
    return Entry(time=TIME, job="", run=0, collector="fake", name=name, **{**given, **more})


CAPTURE = Capture((), Frozen(), 0)


def test_entries_are_written_and_added_up() -> None:
    """Everything that a collector yields goes where it belongs."""
    note = FileNote("a", Fate.CONVERTED)
    fake: Any = Fake(entry("hot"), Metadata({"TAU Version": "2"}), entry("cold"), note)
    stream = io.BytesIO()
    writer = Writer(stream)
    conversion = Conversion(writer)

    converted = conversion.take(fake, CAPTURE, Circumstances("tail", 3, 2))
    writer.finish()

    assert stream.getvalue().count(b"\n") == converted.entries == 2
    assert converted.notes == (note,)
    assert converted.metadata == {"TAU Version": "2"}
    assert converted.verdict.usable
    assert conversion.numbers.summary.kinds == {"timer": 2}
    assert list(conversion.numbers.stacks.chosen().values()) == [{("hot",): 5, ("cold",): 5}]
    assert fake.evidence == Evidence(2, {"timer": 2}, [note], 2, "tail", 3, 2, CAPTURE.options)


def test_warmups_are_written_but_do_not_count() -> None:
    """Their entries are kept, the numbers to read first are without them."""
    fake: Any = Fake(entry("hot"))
    conversion = Conversion(Writer(io.BytesIO()))

    converted = conversion.take(fake, CAPTURE, counts=False)

    assert converted.entries == 1
    assert conversion.numbers.summary.kinds == {}
    assert conversion.numbers.stacks.chosen() == {}


def tau_capture() -> Capture:
    """Four processes, and two files that are none of TAU's."""
    folder = Path(__file__).parent / "samples" / "tau" / "2.34" / "mpi-callpath-comm"
    return Capture(artifacts.scan(folder).artifacts, tau.COLLECTOR.options(), 5, job="ci/x", run=1)


def told(conversion: Conversion, converted: Converted) -> tuple[object, ...]:
    """All that a conversion says but for the entries."""
    summary, stacks = conversion.numbers.summary, conversion.numbers.stacks
    notes = sorted(converted.notes, key=lambda note: (note.path, note.line, note.message))
    measures = [summary.by_collector["tau"].times.inclusive.by_name]
    return (
        converted.entries, converted.verdict, converted.metadata, notes, dict(summary.kinds),
        measures, stacks.chosen(), summary.headline(1),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["entries.jsonl", "entries.jsonl.gz"])
def test_processes_give_what_one_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The same entries in the same order, sums, notes and verdict; their own files are gone."""
    monkeypatch.setattr(tau_reading, "PART_BYTES", 1)
    alone = tmp_path / f"alone-{name}"
    with entries.create(alone) as writer:
        one = Conversion(writer, tmp_path, 1)
        expected = told(one, one.take(tau.COLLECTOR, tau_capture()))

    monkeypatch.setattr(convert, "PARALLEL_BYTES", 0)
    with entries.create(tmp_path / name) as writer:
        many = Conversion(writer, tmp_path, 2)
        found = told(many, many.take(tau.COLLECTOR, tau_capture()))

    assert found == expected
    assert list(entries.load(tmp_path / name)) == list(entries.load(alone))
    assert {one.name for one in tmp_path.iterdir()} == {name, alone.name}


def test_files_of_a_process_that_died_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named; nothing else of the profile is lost, and the verdict knows."""
    monkeypatch.setattr(convert, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(tau_reading, "PART_BYTES", 1)
    monkeypatch.setattr(parallel, "in_order", lambda _, tasks, __: iter([None] * len(tasks)))
    with entries.create(tmp_path / "entries.jsonl") as writer:
        converted = Conversion(writer, tmp_path, 2).take(tau.COLLECTOR, tau_capture())

    assert {note.path for note in converted.notes} == {one.path for one in tau_capture().artifacts}
    assert {note.message for note in converted.notes} == {convert.DIED}
    assert not converted.verdict.usable


def test_warmups_do_not_count_in_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in this one."""
    monkeypatch.setattr(convert, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(tau_reading, "PART_BYTES", 1)
    with entries.create(tmp_path / "entries.jsonl") as writer:
        conversion = Conversion(writer, tmp_path, 2)
        converted = conversion.take(tau.COLLECTOR, tau_capture(), counts=False)

    assert converted.entries
    assert conversion.numbers.summary.kinds == {}
