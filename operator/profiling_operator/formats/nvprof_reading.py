"""nvprof's files on their way to entries: logs with and without `--csv`, and databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from profiling_operator.artifacts import Artifact
from profiling_operator.captures import (
    ATTACH_LOG,
    Capture,
    Fate,
    FileNote,
    Item,
    Metadata,
    attach_note,
)
from profiling_operator.entries import Entry
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import nvprof_csv, nvprof_entries, nvprof_sqlite, sqlite_files
from profiling_operator.formats.nvprof_csv import Branch, Level, Malformed, Notice, Row, Traced

NOTES_PER_FILE = 20
HEAD_BYTES = 4096
DATABASES = (".nvprof", ".nvvp")
SESSION = re.compile(rb"<\?xml[^>]{0,200}>\s{0,20}<session\s")
# Profiling application: ./a.out 3
PROGRAM = re.compile(r"Profiling application: (.*)")
# nvprof-4711.csv   nvprof-4711.nvprof
LOG = re.compile(r"nvprof-\d+\.(?:csv|log|nvprof)")
# nvprof-tmp-4711-host
TEMPORARY = re.compile(r"nvprof-tmp-.*", re.DOTALL)

NO_DATA = "a session of the Visual Profiler, which holds no data: export what nvprof measured (-o)"
IN_A_RANGE = " profiled in this range."
EMPTY = "holds no measurement"


def knows(name: str, head: bytes) -> bool:
    """By the banners of nvprof's logs; a database or a session by its name as well."""
    if head.startswith(sqlite_files.MAGIC) or SESSION.match(head):
        return name.endswith(DATABASES)
    return nvprof_csv.BANNER_LINE.search(head) is not None


def read(capture: Capture, events: frozenset[str] = frozenset()) -> Iterator[Item]:
    """Entries of each file, table by table; what nvprof complains of becomes notes.

    `events` are the columns of a log's trace that are counters, which nothing else tells.
    """
    place = nvprof_entries.Place(
        capture.started, capture.job, capture.run, capture.host, events=events
    )
    for artifact in capture.artifacts:
        if artifact.name == ATTACH_LOG:
            yield attach_note(artifact)
            continue
        try:
            with artifact.open() as stream:
                yield from _items(artifact, stream, place, capture.personal)
        except (ArtifactError, OSError) as error:
            yield FileNote(artifact.path, Fate.REFUSED, str(error))


def _items(
    artifact: Artifact, stream: BinaryIO, place: nvprof_entries.Place, personal: bool
) -> Iterator[Item]:
    """What reads a file, by its beginning."""
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    if SESSION.match(head):
        return iter((FileNote(artifact.path, Fate.RAW, NO_DATA),))
    if head.startswith(sqlite_files.MAGIC):
        return _database(artifact, stream, place)
    return _Log(artifact, place, personal).items(stream)


def _database(artifact: Artifact, stream: BinaryIO, place: nvprof_entries.Place) -> Iterator[Item]:
    """A database's entries, and its fate: one that is damaged has given what was before that."""
    reading = nvprof_sqlite.Reading(place)
    yield from reading.entries(stream)
    if not reading.is_nvprofs:
        fate = Fate.REFUSED if reading.damage else Fate.RAW
        yield FileNote(artifact.path, fate, reading.damage or "a database, but none of nvprof's")
        return
    for problem in reading.problems():
        yield FileNote(artifact.path, None, problem)
    message = reading.damage or ("" if reading.count else EMPTY)
    fate = Fate.REFUSED if reading.damage and not reading.count else Fate.CONVERTED
    yield FileNote(artifact.path, fate, message)


class _Log:
    """One log on its way to entries."""

    def __init__(self, artifact: Artifact, place: nvprof_entries.Place, personal: bool) -> None:
        self._artifact = artifact
        self._personal = personal
        self._reading = nvprof_entries.Reading(place)
        self._entries = 0
        self._notes = 0
        self._malformed = 0
        self._is_cut = False
        self._is_nvprofs = False

    def items(self, stream: BinaryIO) -> Iterator[Item]:
        """The file's entries, and its notes."""
        traced = self._reading.traced
        for found in nvprof_csv.read(stream):
            if isinstance(found, Traced):
                self._is_nvprofs = True
                made = traced(found)
                if isinstance(made, Entry):
                    self._entries += 1
                    yield made
                else:
                    yield from self._made(made)
            else:
                yield from self._of_other(found)
        yield from self._made(self._reading.rest())
        yield self._fate()

    def _of_other(self, found: Row | Branch | Notice | Malformed) -> Iterator[Item]:
        match found:
            case Row():
                self._is_nvprofs = True
                yield from self._made(self._reading.entries(found))
            case Branch():
                self._is_nvprofs = True
                yield from self._made(self._reading.branch(found))
            case Notice():
                self._is_nvprofs = True
                yield from self._of_notice(found)
            case Malformed():
                yield from self._of_malformed(found)

    def _made(self, made: Iterator[nvprof_entries.Made]) -> Iterator[Item]:
        for one in made:
            if isinstance(one, Malformed):
                yield from self._of_malformed(one)
                continue
            self._entries += 1
            yield one

    def _of_notice(self, notice: Notice) -> Iterator[Item]:
        """Complaints become notes; the rest names the command, which may hold secrets."""
        program = PROGRAM.fullmatch(notice.text)
        if program and self._personal:
            yield Metadata({"application": program[1]})
        counted = list(self._reading.cpu_totals(notice))
        yield from self._made(iter(counted))
        says_nothing = counted or notice.text.endswith(IN_A_RANGE)
        if notice.level is not Level.INFO and not says_nothing:
            words = f"{notice.level}: " if notice.level is not Level.PLAIN else ""
            yield from self._noted(f"{words}{notice.text}", notice.line)

    def _of_malformed(self, found: Malformed) -> Iterator[FileNote]:
        self._is_cut = self._is_cut or found.message == nvprof_csv.CUT
        self._malformed += found.message != nvprof_csv.CUT
        yield from self._noted(found.message, found.line) if self._is_nvprofs else ()

    def _noted(self, message: str, line: int) -> Iterator[FileNote]:
        self._notes += 1
        if self._notes <= NOTES_PER_FILE:
            yield FileNote(self._artifact.path, None, message, line)

    def _fate(self) -> FileNote:
        """What became of the file, now that all of it was read."""
        if not self._is_nvprofs:
            return self._foreign()
        remarks = {
            nvprof_csv.CUT: self._is_cut,
            f"{self._malformed} malformed lines left out": self._malformed,
            f"{self._notes - NOTES_PER_FILE} more notes": self._notes > NOTES_PER_FILE,
            EMPTY: not self._entries,
        }
        message = "; ".join(remark for remark, holds in remarks.items() if holds)
        return FileNote(self._artifact.path, Fate.CONVERTED, message)

    def _foreign(self) -> FileNote:
        """A file without any word of nvprof's; its own log may be empty."""
        path = self._artifact.path
        if TEMPORARY.fullmatch(self._artifact.name):
            return FileNote(path, Fate.RAW, "nvprof's temporary data, which it did not get to read")
        if LOG.fullmatch(self._artifact.name) and (self._is_cut or not self._artifact.size):
            return FileNote(path, Fate.REFUSED, "truncated: it holds nothing whole")
        return FileNote(path, Fate.RAW, "not a file of nvprof's")
