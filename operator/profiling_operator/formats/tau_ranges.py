"""The call tree of a trace: the path of each range, and the entry that its measurements go into.

A path is made once for each place in the tree, an entry without numbers once for each event.
"""

from __future__ import annotations

from dataclasses import replace

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats.tau_definitions import Definition, Use
from profiling_operator.formats.tau_entries import COLLECTOR, NO_MOULD, Place
from profiling_operator.formats.tau_names import Shape

LONGEST_PATH = 64
"""Of deeper paths the innermost elements are told."""
MOST_PLACES = 50_000


class CallPlace:
    """A place in the call tree."""

    __slots__ = ("inner", "path", "template", "told")

    def __init__(self, path: tuple[str, ...], template: Entry) -> None:
        """A place without anything below it; `template` lacks the path."""
        self.path = path
        self.told = path if len(path) > 1 else None
        """The path of entries."""
        self.template = template
        self.inner: dict[int, CallPlace] = {}


class CallTree:
    """The call tree of one trace, all threads together."""

    def __init__(self, place: Place, additive: bool) -> None:
        """An empty tree; `additive` unless a profile counts the same."""
        self.root = CallPlace((), NO_MOULD.template)
        self._place = replace(place, metric="TIME")
        self._additive = additive
        self._count = 0
        self._counters: dict[int, Entry] = {}
        self._ranges: dict[int, Entry] = {}

    def below(self, outer: CallPlace, event: int, shape: Shape) -> CallPlace:
        """The place of an event that begins within another one."""
        template = self._ranges.get(event)
        if template is None:
            template = self._ranges[event] = self._range(shape)
        made = CallPlace((*outer.path, shape.name)[-LONGEST_PATH:], template)
        if self._count < MOST_PLACES:
            self._count += 1
            outer.inner[event] = made
        return made

    def counter(self, event: int, definition: Definition) -> Entry:
        """The entry of a user event or a message, without its number."""
        made = self._counters.get(event)
        if made is None:
            shape, is_message = definition.shape, definition.use is Use.MESSAGE
            made = self._counters[event] = self._entry(
                kind=Kind.COUNTER,
                shape=shape,
                additive=self._additive and shape.additive and not is_message,
                path=shape.path,
                unit="By" if is_message else shape.unit,
                metric=None,
            )
        return made

    def _range(self, shape: Shape) -> Entry:
        return self._entry(
            kind=Kind.RANGE,
            shape=shape,
            additive=self._additive,
            path=None,
            unit="ns",
            metric=self._place.metric,
        )

    def _entry(
        self,
        kind: Kind,
        shape: Shape,
        additive: bool,
        path: tuple[str, ...] | None,
        unit: str,
        metric: str | None,
    ) -> Entry:
        place = self._place
        extra = {"folder": place.folder} if place.folder else {}
        return Entry(
            time=place.time,
            job=place.job,
            run=place.run,
            collector=COLLECTOR,
            kind=kind,
            name=shape.name,
            additive=additive,
            path=path,
            source=shape.source,
            host=place.host,
            context=place.context,
            metric=metric,
            unit=unit,
            attributes={**shape.attributes, **extra} or None,
        )
