"""TAU's files on their way to entries: thread by thread, one file open at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from profiling_operator import entries
from profiling_operator.artifacts import Artifact
from profiling_operator.captures import Capture, Fate, FileNote, Item, Metadata
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import tau_files, tau_lines, tau_metadata, tau_profile
from profiling_operator.formats.tau_names import Names

PART_BYTES = 8 << 20


def knows(name: str, head: bytes) -> bool:
    """Whether only TAU writes such a file."""
    is_profile = tau_files.is_surely_tau(name) and tau_lines.COUNT.match(head.partition(b"\n")[0])
    return bool(is_profile or tau_files.why_not_read(name))


def split(capture: Capture) -> Sequence[Capture]:
    """Threads in parts of about PART_BYTES; the last one has the files that are not read."""
    threads, unused = tau_files.arrange(capture.artifacts)
    base = tau_files.base_of(capture.artifacts) if capture.base is None else capture.base
    parts: list[list[Artifact]] = [[]]
    size = 0
    for thread in threads:
        if size >= PART_BYTES:
            parts.append([])
            size = 0
        parts[-1] += thread.files
        size += sum(file.size for file in thread.files)
    parts[-1] += [one.artifact for one in unused]
    return [replace(capture, artifacts=tuple(part), base=base) for part in parts]


def read(capture: Capture) -> Iterator[Item]:
    """Entries of the text profiles, thread by thread; one file is open at a time."""
    threads, unused = tau_files.arrange(capture.artifacts, capture.base)
    names = Names()
    facts: dict[str, str] = {}
    for thread in threads:
        reader = _ThreadReader(capture, thread, names)
        yield from reader.items()
        if not facts:
            found = tau_metadata.attributes(reader.header)
            facts = tau_metadata.of_run(found, capture.personal)
            yield from [Metadata(facts)] if facts else []
    for one in unused:
        yield FileNote(one.artifact.path, Fate.RAW, one.reason)


class _ThreadReader:
    """Reads one thread's files, one per metric."""

    def __init__(self, capture: Capture, thread: tau_files.Thread, names: Names) -> None:
        self.header = b""
        self._capture = capture
        self._thread = thread
        self._names = names
        self._metrics: set[str] = set()

    def items(self) -> Iterator[Item]:
        """Entries and notes of every file.

        Of several metrics' files only one may tell when the run began, so all are asked before.
        """
        if len(self._thread.files) > 1:
            self.header = b"".join(_header(file) for file in self._thread.files)
        for file in self._thread.files:
            yield from self._file(file)

    def _file(self, file: Artifact) -> Iterator[Item]:
        """One file's entries, then its notes: whether it was whole is only known then."""
        begun: tau_profile.Reading | FileNote | None = None
        broken = ""
        try:
            with file.open() as stream:
                with_events = not self._metrics
                begun = self._begin(file, stream)
                if isinstance(begun, tau_profile.Reading):
                    yield from begun.entries(with_events)
        except (ArtifactError, OSError) as error:
            broken = str(error)
        if isinstance(begun, tau_profile.Reading):
            yield from self._notes(file, begun, broken)
        else:
            yield begun or FileNote(file.path, Fate.REFUSED, broken)

    def _begin(self, file: Artifact, stream: BinaryIO) -> tau_profile.Reading | FileNote:
        """Read the head; a note when the file is none to be read."""
        head = tau_lines.read_head(stream)
        if head is None:
            return _not_a_profile(file)
        metric = tau_metadata.value_of(head.text, b"Metric Name") or head.metric
        if metric in self._metrics:
            return FileNote(file.path, Fate.RAW, f"repeats {metric} of the same thread")
        self._metrics.add(metric)
        self.header = self.header or head.text
        return tau_profile.Reading(stream, head, self._place(metric), self._names)

    def _place(self, metric: str) -> tau_profile.Place:
        capture, thread = self._capture, self._thread
        start = tau_metadata.started(self.header)
        host = tau_metadata.value_of(self.header, b"Hostname") if capture.personal else None
        return tau_profile.Place(
            time=entries.rfc3339(capture.started if start is None else start),
            clock="anchored" if start is None else None,
            metric=metric,
            job=capture.job,
            run=capture.run,
            host=host or capture.host,
            process=thread.node,
            context=thread.context,
            thread=thread.thread,
            folder=thread.folder,
        )

    def _notes(self, file: Artifact, read: tau_profile.Reading, broken: str) -> Iterator[FileNote]:
        for problem in read.problems:
            yield FileNote(file.path, None, problem.message, problem.line)
        unranked = "TAU did not know the process's rank" if self._thread.node < 0 else ""
        message = "; ".join(filter(None, (broken, read.summary(), unranked)))
        yield FileNote(file.path, Fate.CONVERTED if read.found_any else Fate.REFUSED, message)


def _header(file: Artifact) -> bytes:
    """A file's metadata; nothing where it cannot be read, which is reported when it is read."""
    try:
        with file.open() as stream:
            head = tau_lines.read_head(stream)
    except (ArtifactError, OSError):
        return b""
    return head.text if head else b""


def _not_a_profile(file: Artifact) -> FileNote:
    if not tau_files.is_surely_tau(file.name):
        return FileNote(file.path, Fate.RAW, tau_files.FOREIGN)
    message = "the first line is not that of a profile" if file.size else "truncated: it is empty"
    return FileNote(file.path, Fate.REFUSED, message, 1)
