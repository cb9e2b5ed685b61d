"""One thread's text profiles on their way to entries: a file per metric, and the dumps before it.

One file is open at a time. Dumps with a time in their names are states of a time series, as
snapshots are (see `tau_series`). The names tell the machine's local time; its zone is in the
metadata, and without it the dumps stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from profiling_operator import entries
from profiling_operator.artifacts import Artifact
from profiling_operator.captures import Capture, Fate, FileNote, Item
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import tau_entries, tau_files, tau_lines, tau_metadata
from profiling_operator.formats.tau_entries import Families, Place
from profiling_operator.formats.tau_files import Thread
from profiling_operator.formats.tau_profile import Reading
from profiling_operator.formats.tau_series import Piece, Series, Span

ZONE = re.compile(r"([-+])(\d\d):(\d\d)$")
NO_ZONE = "an earlier state of the same thread; its name tells the local time of an unknown zone"


@dataclass
class _Metric:
    """One metric of a thread while its files are read one after the other."""

    with_events: bool
    """User events are the same in all metrics: they are taken of the first one."""
    is_series: bool
    began: int = 0
    """When the next piece of the series begins."""
    name: str | None = None
    series: Series | None = None


class ThreadReader:
    """Reads one thread's files."""

    def __init__(self, capture: Capture, thread: Thread, families: Families) -> None:
        """Nothing is open yet."""
        self.header = b""
        """The metadata of the first file that is read, of all files where there are several."""
        self.samples = 0
        """Names of samples."""
        self.nameless = 0
        """Those of them that belong to no known function."""
        self._capture = capture
        self._thread = thread
        self._families = families
        self._names: set[str] = set()

    def batches(self) -> Iterator[Iterable[Item]]:
        """Entries and notes of every file, in iterables: each layer of generators costs time.

        Of several files only one may tell when the run began, so all are asked before.
        """
        thread = self._thread
        if len(thread.files) + len(thread.earlier) > 1:
            self.header = b"".join(_header(file) for file in (*thread.files, *thread.earlier))
        zone = _zone(self.header) if thread.earlier else None
        for file in thread.files:
            dumps = [] if zone is None else _beside(file, thread.earlier)
            metric = _Metric(not self._names, bool(dumps))
            if dumps:
                metric.began = tau_metadata.started(self.header) or self._capture.started
            for one in (*dumps, file):
                yield from self._file(one, metric, zone or 0, is_last=one is file)
        if zone is None:
            yield [FileNote(file.path, Fate.RAW, NO_ZONE) for file in thread.earlier]

    def _file(
        self, file: Artifact, metric: _Metric, zone: int, *, is_last: bool
    ) -> Iterator[Iterable[Item]]:
        """One file's entries, then its notes: whether it was whole is only known then."""
        begun: Reading | FileNote | None = None
        broken = ""
        try:
            with file.open() as stream:
                begun = self._begin(file, stream, metric)
                if isinstance(begun, Reading):
                    series = self._series(file, begun.place, metric, zone)
                    yield from begun.batches(metric.with_events, is_last, series)
        except (ArtifactError, OSError) as error:
            broken = str(error)
        if isinstance(begun, Reading):
            self.samples += begun.remarks.samples
            self.nameless += begun.remarks.nameless
            yield self._notes(file, begun, broken)
        else:
            yield [begun or FileNote(file.path, Fate.REFUSED, broken)]

    def _begin(self, file: Artifact, stream: BinaryIO, metric: _Metric) -> Reading | FileNote:
        """Read the head; a note when the file is none to be read."""
        head = tau_lines.read_head(stream)
        if head is None:
            return _not_a_profile(file)
        name = tau_metadata.value_of(head.text, b"Metric Name") or head.metric
        if name in self._names and name != metric.name:
            return FileNote(file.path, Fate.RAW, f"repeats {name} of the same thread")
        self._names.add(name)
        metric.name = metric.name or name
        self.header = self.header or head.text
        place = self._place(name)
        return Reading(stream, head, place, self._families.of(place))

    def _series(self, file: Artifact, place: Place, metric: _Metric, zone: int) -> Piece | None:
        """The piece of the time series that a file is, if it is one."""
        if not metric.is_series:
            return None
        metric.series = metric.series or Series(place)
        when = tau_files.written(file)
        until = file.modified if when is None else (int(when) - zone) * entries.NANOSECONDS
        piece = Piece(metric.series, Span(metric.began, max(metric.began, until)))
        metric.began = piece.span.end
        return piece

    def _place(self, metric: str) -> Place:
        thread = self._thread
        return tau_entries.place_of(
            self._capture,
            (thread.node, thread.context, thread.thread),
            metric,
            tau_metadata.started(self.header),
            tau_metadata.value_of(self.header, b"Hostname"),
            thread.folder,
        )

    def _notes(self, file: Artifact, read: Reading, broken: str) -> Iterator[FileNote]:
        for problem in read.problems:
            yield FileNote(file.path, None, problem.message, problem.line)
        unranked = "TAU did not know the process's rank" if self._thread.node < 0 else ""
        message = "; ".join(filter(None, (broken, read.summary(), unranked)))
        yield FileNote(file.path, Fate.CONVERTED if read.found_any else Fate.REFUSED, message)


def _beside(file: Artifact, others: Iterable[Artifact]) -> list[Artifact]:
    folder = tau_files.folder_of(file)
    return [one for one in others if tau_files.folder_of(one) == folder]


def _header(file: Artifact) -> bytes:
    """A file's metadata; nothing where it cannot be read, which is reported when it is read."""
    try:
        with file.open() as stream:
            head = tau_lines.read_head(stream)
    except (ArtifactError, OSError):
        return b""
    return head.text if head else b""


def _zone(header: bytes) -> int | None:
    """Seconds by which local time was ahead of UTC, by `2026-11-23T12:21:07+01:00`."""
    found = ZONE.search(tau_metadata.value_of(header, b"Local Time") or "")
    if not found:
        return None
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def _not_a_profile(file: Artifact) -> FileNote:
    if not tau_files.is_surely_tau(file.name):
        return FileNote(file.path, Fate.RAW, tau_files.FOREIGN)
    message = "the first line is not that of a profile" if file.size else "truncated: it is empty"
    return FileNote(file.path, Fate.REFUSED, message, 1)
