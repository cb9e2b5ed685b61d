"""perf's files on their way to entries, and what they say of the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import perf_script
from profiling_operator.formats.perf_entries import Entries, Place
from profiling_operator.formats.perf_head import Fact
from profiling_operator.formats.perf_script import Lost, Malformed

MAGIC = b"PERFILE2"
TEXT = (".script", ".perf", "perf.txt")
RECORDING = (".data", ".data.old")
NOTES_PER_FILE = 20
LOG_READ = 1024
NO_SYMBOL = "no frame of any sample has a name"
LOST = "samples were lost"
# What the text's head tells of the run; the personal ones can carry people and secrets.
IMPERSONAL = frozenset(
    {"perf version", "os release", "arch", "cpudesc", "nrcpus online", "total memory"}
)
PERSONAL = frozenset({"hostname", "cmdline"})
KEPT = IMPERSONAL | PERSONAL | {"reference time", "captured on"}
LONGEST_FACT = 4096


def knows(name: str, head: bytes) -> bool:
    """By perf's magic number, or a first line as `perf script` prints it."""
    return head.startswith(MAGIC) or perf_script.begins(head)


def read(capture: Capture, frequency: int) -> Iterator[Item]:
    """A sample entry per sample, then a timer entry per function of each thread and event.

    `frequency`: samples per second, for texts that do not say what a sample stands for.
    """
    has_text = any(one.size and one.name.endswith(TEXT) for one in capture.artifacts)
    said = _said(capture.artifacts)
    for artifact in capture.artifacts:
        if artifact.name == ATTACH_LOG:
            yield attach_note(artifact)
        elif not artifact.name.endswith(TEXT):
            yield _left(artifact, has_text, said)
        else:
            yield from _Text(capture, artifact, frequency).items()


class _Text:
    """One text on its way to entries."""

    def __init__(self, capture: Capture, artifact: Artifact, frequency: int) -> None:
        self._artifact = artifact
        self._facts: dict[str, str] = {}
        self._entries = Entries(_place(capture, frequency), self._facts)
        self._malformed = 0
        self._lost = 0
        self._told = IMPERSONAL | PERSONAL if capture.personal else IMPERSONAL

    def items(self) -> Iterator[Item]:
        """Its entries, and its notes. A file that breaks off keeps what was read of it."""
        broken = ""
        try:
            with self._artifact.open() as stream:
                yield from self._entries.all_of(perf_script.read(stream), self._other)
        except (ArtifactError, OSError) as error:
            broken = str(error)
        yield from self._entries.timers()
        if told := {name: value for name, value in self._facts.items() if name in self._told}:
            yield Metadata(told)
        yield self._note(broken)

    def _other(self, one: Fact | Lost | Malformed) -> Sequence[FileNote]:
        if isinstance(one, Fact):
            if one.name in KEPT:
                self._facts.setdefault(one.name, one.value[:LONGEST_FACT])
        elif isinstance(one, Lost):
            self._lost += one.samples
        else:
            self._malformed += 1
            if self._malformed <= NOTES_PER_FILE:
                return [FileNote(self._artifact.path, None, one.message, one.line)]
        return ()

    def _note(self, broken: str) -> FileNote:
        """The fate of a text; one with perf's head and no sample is perf's, and whole."""
        path, samples = self._artifact.path, self._entries.samples
        if not samples and (broken or not self._facts):
            empty = "holds no sample of perf's" if self._artifact.size else "is empty"
            return FileNote(path, Fate.REFUSED, broken or empty)
        messages = (
            broken,
            NO_SYMBOL if samples and not self._entries.any_resolved else "",
            f"{self._lost} {LOST}, which perf could not write down in time" if self._lost else "",
            f"{self._entries.of_tools} samples of other tools left out"
            * (self._entries.of_tools > 0),
            f"{self._malformed} malformed lines left out" if self._malformed else "",
        )
        return FileNote(path, Fate.CONVERTED, "; ".join(filter(None, messages)))


def _place(capture: Capture, frequency: int) -> Place:
    return Place(
        job=capture.job,
        run=capture.run,
        host=capture.host,
        frequency=frequency,
        started=capture.started,
        started_monotonic=capture.started_monotonic,
    )


def _said(artifacts: Sequence[Artifact]) -> str:
    """The first words of what `perf script` complained of."""
    logs = [one for one in artifacts if one.name.endswith(".script.log") and one.size]
    try:
        with logs[0].open() as stream:
            text = stream.read(LOG_READ).decode("utf-8", "replace")
    except (ArtifactError, IndexError):
        return ""
    return " ".join(text.split())


def _left(artifact: Artifact, has_text: bool, said: str) -> FileNote:
    """The note of a file that is no text of samples."""
    if artifact.name.endswith(".script.log"):
        return FileNote(artifact.path, Fate.RAW, said)
    if not artifact.name.endswith(RECORDING):
        return FileNote(artifact.path, Fate.RAW, "not a file of perf's")
    if has_text:
        return FileNote(artifact.path, Fate.RAW, "perf's own format; perf.script has it as text")
    message = f"`perf script` made no text of it: {said or 'it did not say why'}"
    return FileNote(artifact.path, Fate.REFUSED, message)
