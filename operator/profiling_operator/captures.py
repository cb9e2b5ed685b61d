"""Captures: what a collector left, and what reading it yields. The half of a collector that reads.

A capture goes in; entries, notes on files and metadata come out, one after the other; what is known
at the end is the evidence for the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from profiling_operator.artifacts import Artifact
from profiling_operator.entries import Entry
from profiling_operator.errors import ArtifactError, Reason
from profiling_operator.frozen import Frozen

HEAD_BYTES = 4096
"""How much of a file's beginning is shown to collectors that are asked whose it is."""
ATTACH_LOG = "attach.log"
"""In an attached tool's folder: what it said, which would otherwise be in the application's log."""
LOG_TAIL = 2048


@dataclass(frozen=True)
class Capture:
    """What one collector left in one run, and what is needed to read it."""

    artifacts: Sequence[Artifact]
    options: Frozen
    started: int
    """When the run began, nanoseconds since the Unix epoch: anchors sources without a clock."""
    started_monotonic: int | None = None
    """The same moment by CLOCK_MONOTONIC in nanoseconds, where the place of the run told it."""
    job: str = ""
    run: int = 0
    host: str | None = None
    personal: bool = False
    """Keep metadata that can carry secrets or people: command line, user, environment."""
    base: str | None = None
    """The folder that all files have in common; what lies deeper is told in entries. None: it is to
    be found out. A part of a capture has that of the whole."""


class Fate(StrEnum):
    """What became of a file."""

    CONVERTED = "converted"
    RAW = "raw"
    REFUSED = "refused"


@dataclass(frozen=True)
class FileNote:
    """What became of one file, or a warning about a line of it. Yielded between entries.

    Every file gets exactly one note with a fate; further notes of the file have none.
    """

    path: str
    fate: Fate | None
    message: str = ""
    line: int = 0


@dataclass(frozen=True)
class Metadata:
    """Facts about the run that the collector's files hold. Yielded between entries."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Evidence:
    """What is known after reading, for the verdict."""

    entries: int
    kinds: Mapping[str, int]
    """Entries by kind."""
    notes: Sequence[FileNote]
    names: int = 0
    """Different names among the additive entries."""
    log_tail: str = ""
    tool_exit_code: int | None = None
    gpus: int = 0
    """How many the job asked for."""
    options: Frozen | None = None
    """What was asked of the collector."""


@dataclass(frozen=True)
class Verdict:
    """Whether a profile is usable; if not, why, and what to do about it."""

    usable: bool
    reason: Reason = Reason.COMPLETED
    message: str = ""


@dataclass(frozen=True)
class Complaint:
    """What a tool says of itself where it cannot measure, what that means, and what to do."""

    words: re.Pattern[str]
    reason: Reason
    hint: str


Item = Entry | FileNote | Metadata


def by_file(capture: Capture) -> Sequence[Capture]:
    """A part for each file, where no file tells anything of another one."""
    return [replace(capture, artifacts=(one,)) for one in capture.artifacts] or [capture]


def attach_note(artifact: Artifact) -> FileNote:
    """The fate of an attached tool's log: its last words are for the verdict."""
    try:
        with artifact.open() as stream:
            stream.seek(max(0, artifact.size - LOG_TAIL))
            said = stream.read(LOG_TAIL).decode("utf-8", "replace")
    except ArtifactError as error:
        return FileNote(artifact.path, Fate.REFUSED, str(error))
    return FileNote(artifact.path, Fate.RAW, " ".join(said.split()))


def attached_words(evidence: Evidence) -> str:
    """What an attached tool said of itself; empty for one that wrapped the command."""
    return " ".join(one.message for one in evidence.notes if _is_attach_log(one)).strip()


def printed(evidence: Evidence) -> list[str]:
    """What a tool said, in lines: beside the application's own words, or alone where attached."""
    return [*evidence.log_tail.splitlines(), attached_words(evidence)]


def first_note(evidence: Evidence, beginning: str) -> str:
    """The first note that begins so, with its file before it; empty where there is none."""
    found = (one for one in evidence.notes if one.message.startswith(beginning))
    return next((f"{one.path}: {one.message}" for one in found), "")


def _is_attach_log(note: FileNote) -> bool:
    return note.path.rpartition("/")[2] == ATTACH_LOG


def complained(known: Iterable[Complaint], said: Sequence[str]) -> Verdict | None:
    """The verdict of the first complaint that somebody made: the tool's words, then the hint.

    None where nothing that was said is a known complaint.
    """
    for one in known:
        found = next((" ".join(words.split()) for words in said if one.words.search(words)), None)
        if found is not None:
            return Verdict(False, one.reason, f"{found.rstrip('.')}; {one.hint}")
    return None


def judge_common(evidence: Evidence) -> Verdict | None:
    """The part of a verdict that is the same for all: no files, nothing readable, cut off."""
    converted = [note for note in evidence.notes if note.fate is Fate.CONVERTED]
    refused = [note for note in evidence.notes if note.fate is Fate.REFUSED]
    if evidence.entries:
        return None
    if all(_is_attach_log(note) for note in evidence.notes):
        said = attached_words(evidence)
        message = f"the tool left no file: {said}" if said else "the tool left no file"
        return Verdict(False, Reason.NOTHING_MEASURED, message)
    if refused and not converted:
        first = refused[0]
        where = f"{first.path}, line {first.line}" if first.line else first.path
        return Verdict(False, Reason.OUTPUT_UNREADABLE, f"{where}: {first.message}")
    return Verdict(False, Reason.NOTHING_MEASURED, "the profile holds no measurement")
