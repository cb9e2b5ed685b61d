"""NVTX in an export: ranges that programs mark themselves, with their domains and categories.

Event types: 59 a range pushed and popped, which nests in its thread; 60 one that is started and
ended, maybe elsewhere; 34 a mark without an end; 33 a category's name, 75 a domain's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from profiling_operator.entries import Entry, Kind, rfc3339
from profiling_operator.formats.nsys_events import COLLECTOR, LARGEST, SPOILT, TIME, Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_names import BITS, NOWHERE, clean

TABLE = "NVTX_EVENTS"
CATEGORY, MARK, PUSH_POP, START_END, DOMAIN = 33, 34, 59, 60, 75
TOLD = frozenset({MARK, PUSH_POP, START_END})
MOST_NAMED = 10_000
MOST_PLACES = 1 << 15
DEEPEST = 200
FIRST = ("start", "end", "text", "textId")
PAYLOAD = ("uint64Value", "int64Value", "doubleValue", "uint32Value", "int32Value", "floatValue")
STEADY = ("eventType", "globalTid", "domainId", "category")

Path = tuple[str, ...]


class Place(NamedTuple):
    """What ranges of one thread, domain and category have in common."""

    event_type: object
    process: int | None
    thread: int | None
    attributes: dict[str, Any] | None
    open: list[tuple[Any, Path]]
    """Ranges that may not have ended: their ends and paths, the outermost first."""


class Ranges:
    """Reads NVTX_EVENTS of one export."""

    def __init__(self, export: Export, events: Events) -> None:
        """Know the export; spoilt rows are counted with the other events'."""
        self._export = export
        self._events = events
        self._domains: dict[tuple[object, object], str] = {}
        self._categories: dict[tuple[object, object, object], str] = {}
        self._open: dict[tuple[object, object], list[tuple[Any, Path]]] = {}

    def entries(self) -> Iterator[Entry]:
        """The ranges, in the table's order. Raises sqlite3.Error where it is damaged."""
        export, capture = self._export, self._export.capture
        if TABLE not in export.tables:
            return
        self._read_names()
        offset, clock, names = export.clock.offset, export.clock.note, export.names
        places: dict[tuple[object, ...], Place] = {}
        has_payload = any(export.has(TABLE, one) for one in PAYLOAD)
        columns = (*FIRST, *STEADY, *(PAYLOAD if has_payload else ()))
        for row in export.rows(TABLE, columns):
            start, end, text, text_id = row[:4]
            place = places.get(row[4:8]) or self._placed(row[4:8], places)
            if place.event_type not in TOLD:
                continue
            try:
                name = clean(text) if isinstance(text, str) else names[text_id]
                duration = _duration(place, start, end)
                time = rfc3339(start + offset)
                path = _nested(place, name, start, end)
            except SPOILT:
                self._events.spoil(TABLE)
                continue
            attributes = place.attributes
            if duration is None or has_payload:
                attributes = _completed(attributes, row[8:], duration is None)
            yield Entry(
                time=time,
                job=capture.job,
                run=capture.run,
                collector=COLLECTOR,
                kind=Kind.RANGE,
                name=name,
                additive=False,
                path=path,
                host=export.host,
                process=place.process,
                thread=place.thread,
                metric=TIME,
                unit="ns",
                duration=duration,
                clock=clock,
                attributes=attributes,
            )

    def _read_names(self) -> None:
        """Domains and categories, which may be named after their first range."""
        if not all(self._export.has(TABLE, one) for one in ("eventType", "globalTid")):
            return
        wanted = ("domainId", "category", "text", "textId")
        present = (one if self._export.has(TABLE, one) else "NULL" for one in wanted)
        found = self._export.connection.execute(
            f"SELECT eventType, globalTid, {', '.join(present)} FROM {TABLE}"  # noqa: S608
            f" WHERE eventType IN ({CATEGORY}, {DOMAIN}) LIMIT {MOST_NAMED}"
        )
        for kind, thread, domain, category, text, text_id in found:
            name = clean(text) if isinstance(text, str) else self._export.names[text_id]
            process = thread >> BITS if isinstance(thread, int) else None
            if kind == DOMAIN:
                self._domains[process, domain] = name
            else:
                self._categories[process, domain, category] = name

    def _placed(self, steady: tuple[object, ...], known: dict[tuple[object, ...], Place]) -> Place:
        kind, thread, domain, category = steady
        process = thread >> BITS if isinstance(thread, int) else None
        found = self._export.threads[thread] if isinstance(thread, int) else NOWHERE
        attributes = {
            "domain": self._domains.get((process, domain)),
            "category": self._categories.get((process, domain, category)),
        }
        told = {key: value for key, value in attributes.items() if value is not None}
        if len(known) >= MOST_PLACES:
            known.clear()
            self._open.clear()
        started = self._open.setdefault((thread, domain), [])
        place = known[steady] = Place(kind, *found, told or None, started)
        return place


def _duration(place: Place, start: Any, end: Any) -> int | float | None:
    """How long it took; None where it had not ended. Raises one of SPOILT for what is no time."""
    if place.event_type == MARK:
        return 0
    if end is None:
        return None
    duration: int | float = end - start
    if not 0 <= duration <= LARGEST:
        raise ValueError("no duration")
    return duration


def _nested(place: Place, name: str, start: Any, end: Any) -> Path | None:
    """The path of a range that nests: those around it have not ended when it begins."""
    if place.event_type != PUSH_POP:
        return None
    opened = place.open
    while opened and opened[-1][0] is not None and opened[-1][0] <= start:
        opened.pop()
    outer = opened[-1][1] if opened else ()
    path = (*outer, name) if len(outer) < DEEPEST else outer
    opened.append((end, path))
    if len(opened) > DEEPEST:
        del opened[0]
    return path


def _completed(
    attributes: dict[str, Any] | None, values: tuple[object, ...], is_unfinished: bool
) -> dict[str, Any] | None:
    """With the number that the program gave, which has a column for each type."""
    payload = next((one for one in values if isinstance(one, int | float)), None)
    more = {} if payload is None else {"payload": payload}
    if is_unfinished:
        more |= {"unfinished": True}
    return {**(attributes or {}), **more} or None
