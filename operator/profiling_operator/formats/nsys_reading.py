"""Nsight Systems' files on their way to entries: SQLite exports, one of each process or rank.

Its own reports are in a format that only nsys reads: where an export of the same name lies beside
one, it is kept as it is, else refused with what to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from profiling_operator.artifacts import Artifact
from profiling_operator.captures import Capture, Fate, FileNote, Item, Metadata
from profiling_operator.entries import Entry
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import nsys_metrics, nsys_shapes, sqlite_files
from profiling_operator.formats.nsys_events import Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_ranges import Ranges
from profiling_operator.formats.nsys_samples import MILLISECOND, Samples

DATABASE = ".sqlite"
REPORTS = (".nsys-rep", ".qdrep", ".qdstrm")
RECORDING = ".qdstrm"
EXPORT_LOGS = ("export.out", "export.out.log")
MAGICS = (b"NVIDIA Tegra Profiler Report", b"NVIDIA Nsight Systems Stream")
MAGIC_WITHIN = 64
PART_BYTES = 8 << 20
LOG_READ = 64 << 10
LOG_TOLD = 300
DAMAGED = "truncated or damaged"
NO_CUDA = "CUDA was not traced"
UNREAD = "a report of Nsight Systems without its export"
HOW = "`nsys export --type sqlite FILE` makes it, with an nsys of the same version or newer"
IMPORTED = "`nsys` of the same version did not turn it into a report"
DAMAGES = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises; the latter where its message quotes a name that is no UTF-8."""
# Above it, more steps than a table needs: samples' frames are put in order.
STEPS_PER_BYTE = 64


def knows(name: str, head: bytes) -> bool:
    """By the reports' own words; an export is a database as many are, so by its name as well."""
    if head.startswith(sqlite_files.MAGIC):
        return name.endswith(DATABASE)
    return any(one in head[:MAGIC_WITHIN] for one in MAGICS)


def split(capture: Capture) -> Sequence[Capture]:
    """Exports in parts of about PART_BYTES, reports with those of their name."""
    groups: dict[str, list[Artifact]] = {}
    for artifact in capture.artifacts:
        groups.setdefault(_stem(artifact), []).append(artifact)
    if any(not _has_export(group) for group in groups.values()):
        return [capture]  # what became of a report without one may stand in another file
    parts: list[list[Artifact]] = [[]]
    size = 0
    for group in groups.values():
        if size >= PART_BYTES:
            parts.append([])
            size = 0
        parts[-1] += group
        size += sum(file.size for file in group)
    return [replace(capture, artifacts=tuple(part)) for part in parts]


def _has_export(group: Sequence[Artifact]) -> bool:
    return sum(one.name.endswith(DATABASE) for one in group) == 1


def _stem(artifact: Artifact) -> str:
    return artifact.path.rpartition(".")[0] or artifact.path


def read(capture: Capture, period: int = MILLISECOND, has_cuda: bool = True) -> Iterator[Item]:
    """Entries of each export, table by table; a sampling period in ns where samples do not tell it.

    `has_cuda`: CUDA was asked for.
    """
    said = _said(capture.artifacts)
    exported = {_stem(one) for one in capture.artifacts if one.name.endswith(DATABASE) and one.size}
    for artifact in capture.artifacts:
        try:
            if artifact.name.endswith(REPORTS):
                yield _report(artifact, _stem(artifact) in exported, said)
            elif artifact.name in EXPORT_LOGS:
                yield FileNote(artifact.path, Fate.RAW, said)
            else:
                yield from _file(capture, artifact, period, has_cuda)
        except (ArtifactError, OSError) as error:
            yield FileNote(artifact.path, Fate.REFUSED, str(error))


def _report(artifact: Artifact, is_exported: bool, said: str) -> FileNote:
    if is_exported:
        return FileNote(artifact.path, Fate.RAW, "nsys's own format; its export has it all")
    because = f"; nsys said: {said}" if said else ""
    if artifact.name.endswith(RECORDING):
        return FileNote(artifact.path, Fate.REFUSED, f"{IMPORTED}{because}")
    return FileNote(artifact.path, Fate.REFUSED, f"{UNREAD}; {HOW}{because}")


def _said(artifacts: Sequence[Artifact]) -> str:
    """The last words of the export's log, without its progress bars."""
    logs = [one for one in artifacts if one.name == EXPORT_LOGS[1] and one.size]
    try:
        with logs[0].open() as stream:
            text = stream.read(LOG_READ).decode("utf-8", "replace")
    except (ArtifactError, OSError, IndexError):
        return ""
    lines = text.replace("\r", "\n").splitlines()
    told = dict.fromkeys(" ".join(one.split()) for one in lines if "%" not in one)
    return "; ".join(filter(None, told))[:LOG_TOLD]


def _file(capture: Capture, artifact: Artifact, period: int, has_cuda: bool) -> Iterator[Item]:
    """A database's entries; the note of a file that is none."""
    is_named = artifact.name.endswith(DATABASE)
    with artifact.open() as stream:
        head = stream.read(len(sqlite_files.MAGIC))
        if head != sqlite_files.MAGIC:
            yield _no_database(artifact, head) if is_named else _foreign(artifact)
            return
        reading = _Reading(capture, artifact, period, has_cuda)
        yield from reading.items(stream)


def _foreign(artifact: Artifact) -> FileNote:
    return FileNote(artifact.path, Fate.RAW, "not a file of Nsight Systems'")


def _no_database(artifact: Artifact, head: bytes) -> FileNote:
    if not head:
        return FileNote(artifact.path, Fate.REFUSED, f"{DAMAGED}: it is empty")
    return FileNote(artifact.path, Fate.REFUSED, "not an SQLite database")


class _Reading:
    """Reads one database; a damaged table does not keep the others from being read."""

    def __init__(self, capture: Capture, artifact: Artifact, period: int, has_cuda: bool) -> None:
        self._capture = capture
        self._artifact = artifact
        self._period = period
        self._has_cuda = has_cuda
        self._entries = 0
        self._damaged: list[str] = []

    def items(self, stream: BinaryIO) -> Iterator[Item]:
        """Entries, then notes: whether it was whole is only known then."""
        try:
            with sqlite_files.connect(stream, steps_per_byte=STEPS_PER_BYTE) as connection:
                export = Export(connection, self._capture)
                if not export.is_nsys:
                    yield _foreign(self._artifact)
                    return
                yield from self._items_of(export)
        except DAMAGES as error:
            fate = Fate.CONVERTED if self._entries else Fate.REFUSED
            yield FileNote(self._artifact.path, fate, f"{DAMAGED}: {error}")

    def _items_of(self, export: Export) -> Iterator[Item]:
        events = Events(export)
        samples = Samples(export, events, self._period)
        for shape in (*nsys_shapes.SHAPES, *nsys_shapes.others(export)):
            yield from self._guarded(shape.table, events.of(shape))
        yield from self._guarded("NVTX_EVENTS", Ranges(export, events).entries())
        yield from self._guarded("SCHED_EVENTS", events.scheduling())
        yield from self._guarded("COMPOSITE_EVENTS", samples.entries())
        yield from self._guarded("COMPOSITE_EVENTS", samples.timers())
        yield from self._guarded("memory events", events.counted())
        yield from self._guarded("GPU_METRICS", nsys_metrics.entries(export, events))
        yield from self._notes(export, events)

    def _guarded(self, table: str, found: Iterator[Entry]) -> Iterator[Entry]:
        """What a table yields until it turns out to be damaged."""
        try:
            for entry in found:
                self._entries += 1
                yield entry
        except DAMAGES as error:
            self._damaged.append(f"{table}: {error}")

    def _notes(self, export: Export, events: Events) -> Iterator[Item]:
        path = self._artifact.path
        complaints: list[str] = []
        try:
            complaints, facts = export.complaints(), export.metadata()
            if facts:
                yield Metadata(facts)
        except DAMAGES as error:
            self._damaged.append(str(error))
        for one in complaints:
            yield FileNote(path, None, one)
        for table, count in events.spoilt.items():
            yield FileNote(path, None, f"{table}: {count} rows left out, whose values cannot be")
        remarks = (
            f"{DAMAGED}: {'; '.join(self._damaged)}" if self._damaged else "",
            "" if self._has_cuda else NO_CUDA,
            "" if self._entries else "holds no measurement",
        )
        fate = Fate.REFUSED if self._damaged and not self._entries else Fate.CONVERTED
        yield FileNote(path, fate, "; ".join(filter(None, remarks)))
