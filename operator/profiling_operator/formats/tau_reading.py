"""TAU's files on their way to entries: group by group, one file open at a time.

A group is what has to be read together: a node's files, or a folder's where a file is of all nodes.
Text profiles come first, then XML, then traces: what is in the former is not counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from profiling_operator.artifacts import Artifact
from profiling_operator.captures import Capture, Fate, FileNote, Item, Metadata
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import tau_definitions, tau_files, tau_lines, tau_metadata
from profiling_operator.formats.tau_definitions import Definitions
from profiling_operator.formats.tau_entries import Families, Place
from profiling_operator.formats.tau_files import Group, Thread
from profiling_operator.formats.tau_ranges import CallTree
from profiling_operator.formats.tau_snapshots import Snapshots, ThreadNumbers, XmlFile
from profiling_operator.formats.tau_threads import ThreadReader
from profiling_operator.formats.tau_trace import Trace

PART_BYTES = 8 << 20
OVERWRITTEN = (
    "overwritten: this is of process {}, other threads of the same node are of {}: several "
    "processes wrote into one folder"
)
NO_NAMES = "no sample has a name: the program's symbols are stripped, or its files were not found"


MISCOUNT = 1
"""TAU announces one event more than it writes."""


def knows(name: str, head: bytes) -> bool:
    """Whether only TAU writes such a file."""
    is_profile = tau_files.is_surely_tau(name) and tau_lines.COUNT.match(head.partition(b"\n")[0])
    return bool(is_profile or tau_files.is_read(name) or tau_files.why_not_read(name))


def split(capture: Capture) -> Sequence[Capture]:
    """Groups in parts of about PART_BYTES; the last one has the files that are not read."""
    base = tau_files.base_of(capture.artifacts) if capture.base is None else capture.base
    groups, unused = tau_files.arrange(capture.artifacts, base)
    parts: list[list[Artifact]] = [[]]
    size = 0
    for group in groups:
        if size >= PART_BYTES:
            parts.append([])
            size = 0
        parts[-1] += group.files
        size += sum(file.size for file in group.files)
    parts[-1] += [one.artifact for one in unused]
    return [replace(capture, artifacts=tuple(part), base=base) for part in parts]


def read(capture: Capture) -> Iterator[Item]:
    """Entries of all that can be read, and a note on every file."""
    for batch in _Reader(capture).batches():
        yield from batch


class _Reader:
    """Reads one capture."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._families = Families()
        self._told_facts = False
        self._samples = 0
        self._nameless = 0

    def batches(self) -> Iterator[Iterable[Item]]:
        """Items in iterables: each layer of generators costs time for every entry."""
        groups, unused = tau_files.arrange(self._capture.artifacts, self._capture.base)
        last = ""
        for group in groups:
            yield from self._threads(group)
            profiled = {(one.node, one.context, one.thread) for one in group.threads}
            known = set(profiled)
            ids: set[str] = set()
            for file in group.documents:
                document = XmlFile(file.path, file.size, group.folder, known, ids)
                yield self._document(file, document, profiled)
            yield from self._traces(group, profiled)
            yield [FileNote(one.artifact.path, Fate.RAW, one.reason) for one in group.superseded]
            last = group.threads[-1].files[-1].path if group.threads else last
        if self._samples and self._samples == self._nameless:
            yield [FileNote(last, None, NO_NAMES)]
        yield [FileNote(one.artifact.path, Fate.RAW, one.reason) for one in unused]

    def _threads(self, group: Group) -> Iterator[Iterable[Item]]:
        processes: dict[int, str] = {}
        for thread in group.threads:
            reader = ThreadReader(self._capture, thread, self._families)
            yield from reader.batches()
            if not self._told_facts:
                yield self._facts(tau_metadata.attributes(reader.header))
            self._samples += reader.samples
            self._nameless += reader.nameless
            yield _overwritten(thread, reader.header, processes)

    def _facts(self, found: dict[str, str]) -> list[Item]:
        """What the first file with metadata tells of the run."""
        facts = {} if self._told_facts else tau_metadata.of_run(found, self._capture.personal)
        self._told_facts = self._told_facts or bool(facts)
        return [Metadata(facts)] if facts else []

    def _document(
        self, file: Artifact, document: XmlFile, profiled: set[ThreadNumbers]
    ) -> Iterator[Item]:
        """A snapshot's or merged profile's entries; its threads count as profiled afterwards."""
        reading = Snapshots(document, self._capture, self._families)
        broken = ""
        try:
            with file.open() as stream:
                yield from reading.entries(stream)
        except (ArtifactError, OSError) as error:
            broken = str(error)
        profiled |= reading.threads
        yield from self._facts(reading.metadata)
        yield from reading.notes(broken)

    def _traces(self, group: Group, profiled: set[ThreadNumbers]) -> Iterator[Iterable[Item]]:
        """Traces by their definitions; these are read once."""
        known: dict[str, Definitions | str] = {}
        used = set()
        for trace in group.traces:
            file = trace.definitions
            if file is None:
                message = f"the definitions of its events are missing: {trace.wanted}"
                yield [FileNote(trace.artifact.path, Fate.REFUSED, message)]
                continue
            if file.name not in known:
                known[file.name] = self._definitions(file)
            found = known[file.name]
            used.add(file.name)
            if isinstance(found, str):
                message = f"its definitions, {file.name}, cannot be read: {found}"
                yield [FileNote(trace.artifact.path, Fate.REFUSED, message)]
                continue
            additive = not profiled if trace.place is None else trace.place not in profiled
            yield self._trace(trace.artifact, group.folder, found, additive)
            yield self._facts(found.metadata)
        for file in group.definitions:
            yield _definition_notes(file, known.get(file.name), file.name in used)

    def _definitions(self, file: Artifact) -> Definitions | str:
        """The definitions of a file, or why there are none."""
        try:
            with file.open() as stream:
                found = tau_definitions.read(stream, self._families.names)
        except (ArtifactError, OSError) as error:
            return str(error)
        return found or "its first line does not tell a number of dynamic_trace_events"

    def _trace(
        self, file: Artifact, folder: str, found: Definitions, additive: bool
    ) -> Iterator[Item]:
        capture = self._capture
        host = found.metadata.get("Hostname") if capture.personal else None
        place = Place(
            time="",
            metric="TIME",
            job=capture.job,
            run=capture.run,
            host=host or capture.host,
            context=0,
            folder=folder,
        )
        reading = Trace(found.events, CallTree(place, additive))
        broken = ""
        try:
            with file.open() as stream:
                yield from reading.entries(stream)
        except (ArtifactError, OSError) as error:
            broken = str(error)
        message = "; ".join(filter(None, (broken, reading.summary())))
        fate = Fate.CONVERTED if reading.count or reading.is_whole else Fate.REFUSED
        yield FileNote(file.path, fate, message)


def _overwritten(thread: Thread, header: bytes, processes: dict[int, str]) -> list[FileNote]:
    """A note where threads of one node are of different processes."""
    process = tau_metadata.value_of(header, b"pid")
    if not process or processes.setdefault(thread.node, process) == process:
        return []
    message = OVERWRITTEN.format(process, processes[thread.node])
    return [FileNote(thread.files[-1].path, None, message)]


def _definition_notes(
    file: Artifact, found: Definitions | str | None, is_used: bool
) -> Iterator[FileNote]:
    if not is_used:
        yield FileNote(file.path, Fate.RAW, tau_files.UNNEEDED)
    elif isinstance(found, str):
        yield FileNote(file.path, Fate.REFUSED, found, 1)
    elif found:
        for line, message in found.problems:
            yield FileNote(file.path, None, message, line)
        missing = found.announced - found.count
        message = f"truncated: {missing} of {found.announced} events are missing"
        yield FileNote(file.path, Fate.CONVERTED, message if missing > MISCOUNT else "")
