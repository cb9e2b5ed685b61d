"""One pass from a collector's files to entries, sums and a verdict."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from profiling_operator.captures import (
    Capture,
    Evidence,
    Fate,
    FileNote,
    Item,
    Metadata,
    Verdict,
)
from profiling_operator.convert import Circumstances, Conversion
from profiling_operator.entries import Entry, Kind, Writer
from profiling_operator.errors import Reason
from profiling_operator.frozen import Frozen

TIME = "2026-11-23T10:00:00.000000000Z"


class Fake:
    """A collector that reads what it is given, and remembers what it was asked to judge."""

    def __init__(self, *items: Item) -> None:
        self.items = items
        self.evidence: Evidence | None = None

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
    writer.flush()

    assert stream.getvalue().count(b"\n") == converted.entries == 2
    assert converted.notes == (note,)
    assert converted.metadata == {"TAU Version": "2"}
    assert converted.verdict.usable
    assert conversion.summary.kinds == {"timer": 2}
    assert conversion.stacks.chosen() == {(None, None, ""): {("hot",): 5, ("cold",): 5}}
    assert fake.evidence == Evidence(2, {"timer": 2}, [note], 2, "tail", 3, 2)


def test_warmups_are_written_but_do_not_count() -> None:
    """Their entries are kept, the numbers to read first are without them."""
    fake: Any = Fake(entry("hot"))
    conversion = Conversion(Writer(io.BytesIO()))

    converted = conversion.take(fake, CAPTURE, counts=False)

    assert converted.entries == 1
    assert conversion.summary.kinds == {}
    assert conversion.stacks.chosen() == {}
