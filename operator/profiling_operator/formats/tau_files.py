"""Which of TAU's files belong together: the metrics of a thread, its dumps, XML, traces and their
definitions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import takewhile

from profiling_operator.artifacts import Artifact

# profile.0.0.0, dump.-1.0.3, dump__Mon-Nov-23-12:31:27-2026__.0.0.0, sel_dump.0.0.0
NUMBERS = r"\.(-?\d{1,9})\.(\d{1,9})\.(\d{1,9})"
TEXT_PROFILE = re.compile(r"(.*)" + NUMBERS, re.DOTALL)
STAMP = re.compile(r"__\w{3}-(\w{3}-\d{1,2}-\d\d:\d\d:\d\d-\d{4})__")
KNOWN_PREFIX = re.compile(r"(sel_)?(.*profile|.*dump|.*__)")
METRIC_FOLDER = "MULTI__"
SELECTIVE = "sel_"


class Kind(Enum):
    """What a file is by its name; its groups are node, context and thread where it has some."""

    SNAPSHOT = re.compile(r"snapshot" + NUMBERS)
    MERGED = re.compile(r"(?:.*-)?tauprofile.*\.xml(?:\.gz)?")
    TRACE = re.compile(r"tautrace" + NUMBERS + r"\.trc")
    MERGED_TRACE = re.compile(r"tau\.trc")
    DEFINITIONS = re.compile(r"events\.(-?\d{1,9})\.edf")
    MERGED_DEFINITIONS = re.compile(r"tau\.edf")


TEXT_BEGINNING = "profile."
"""Nearly all names begin so: they are not compared with others."""
OF_ALL = {Kind.MERGED, Kind.MERGED_TRACE, Kind.MERGED_DEFINITIONS}
DOCUMENTS = {Kind.SNAPSHOT, Kind.MERGED}
NOT_READ = (
    (re.compile(r"tautrace\..*\.trc|.*\.trc"), "a trace without its place in its name"),
    (re.compile(r"events\..*\.edf|.*\.edf"), "definitions without a node in their name"),
    (re.compile(r".*\.ppk"), "a packed profile of ParaProf, which reads it itself"),
    (re.compile(r"traces\.(otf2|def)|.*\.evt"), "an OTF2 trace, for Vampir and otf2-print"),
    (re.compile(r"tauprofile(?:\.[^/]*)?\.(?:db|sqlite3?)"), "a database of TAU's SQLite plugin"),
)
FOREIGN = "not a file of TAU's"
UNNEEDED = "definitions of a trace that is not there"


@dataclass(frozen=True)
class Thread:
    """One thread's text profiles."""

    folder: str
    """Where they lie below what all files have in common; empty when that is the place."""
    node: int
    context: int
    thread: int
    files: tuple[Artifact, ...]
    """One per metric: the last state."""
    earlier: tuple[Artifact, ...] = ()
    """Whole dumps before it, with their times in their names, in the order of these."""


@dataclass(frozen=True)
class Trace:
    """A trace and the file that tells what its events mean."""

    artifact: Artifact
    wanted: str
    """The name of the definitions."""
    definitions: Artifact | None
    place: tuple[int, int, int] | None
    """Node, context, thread; None for a merged trace of all."""


@dataclass(frozen=True)
class Unused:
    """A file that is not read, and why."""

    artifact: Artifact
    reason: str


@dataclass(frozen=True)
class Group:
    """What has to be read together: a node's files, a folder's where one file is of all nodes."""

    folder: str
    threads: tuple[Thread, ...]
    documents: tuple[Artifact, ...] = ()
    """Snapshots and merged profiles."""
    traces: tuple[Trace, ...] = ()
    definitions: tuple[Artifact, ...] = ()
    superseded: tuple[Unused, ...] = ()

    @property
    def files(self) -> list[Artifact]:
        """All of them."""
        found = [file for one in self.threads for file in (*one.earlier, *one.files)]
        found += [*self.documents, *(one.artifact for one in self.traces), *self.definitions]
        return found + [one.artifact for one in self.superseded]


@dataclass
class _Gathered:
    """The files of a group while it is found out what belongs to it."""

    texts: dict[tuple[int, int, int], list[Artifact]] = field(default_factory=dict)
    others: list[tuple[Kind, re.Match[str], Artifact]] = field(default_factory=list)


Key = tuple[str, str | None]
"""Folder, and node; None for all of its nodes."""


def arrange(
    artifacts: Iterable[Artifact], base: str | None = None
) -> tuple[list[Group], list[Unused]]:
    """Sort the files into groups, in their order; every file is in one of both lists.

    Folders of threads are told from `base` on; without one, from what all have in common.
    """
    gathered: defaultdict[Key, _Gathered] = defaultdict(_Gathered)
    listed, unused = list(artifacts), []
    kinds = [_kind(_name(one)) for one in listed]
    whole = {_folder(one) for one, (kind, _) in zip(listed, kinds, strict=True) if kind in OF_ALL}
    for artifact, (kind, found) in zip(listed, kinds, strict=True):
        if found is None:
            unused.append(Unused(artifact, why_not_read(artifact.name) or FOREIGN))
            continue
        folder = _folder(artifact)
        is_text = kind is None
        node = None if folder in whole else found[2 if is_text else 1]
        group = gathered[folder, node]
        if kind is None:
            place = int(found[2]), int(found[3]), int(found[4])
            group.texts.setdefault(place, []).append(artifact)
        else:
            group.others.append((kind, found, artifact))
    shared = _common([folder for folder, _ in gathered]) if base is None else base
    common = len(shared.split("/")) if shared else 0
    return [_group(folder, common, one) for (folder, _), one in gathered.items()], unused


def _kind(name: str) -> tuple[Kind | None, re.Match[str] | None]:
    """What a file is; no kind for text profiles, no match for what is not read."""
    if name.startswith(TEXT_BEGINNING):
        return None, TEXT_PROFILE.fullmatch(name)
    for kind in Kind:
        found = kind.value.fullmatch(name)
        if found:
            return kind, found
    return None, None if why_not_read(name) else TEXT_PROFILE.fullmatch(name)


def _group(folder: str, common: int, gathered: _Gathered) -> Group:
    below = "/".join(folder.split("/")[common:]) if folder else ""
    threads, superseded = [], []
    for (node, context, thread), files in gathered.texts.items():
        latest, earlier, older = _latest(files)
        threads.append(Thread(below, node, context, thread, tuple(latest), tuple(earlier)))
        superseded += older
    others = gathered.others
    definitions = {
        one.name: one
        for kind, _, one in others
        if kind in {Kind.DEFINITIONS, Kind.MERGED_DEFINITIONS}
    }
    return Group(
        folder=below,
        threads=tuple(threads),
        documents=tuple(one for kind, _, one in others if kind in DOCUMENTS),
        traces=tuple(_traces(others, definitions)),
        definitions=tuple(definitions.values()),
        superseded=tuple(superseded),
    )


def _traces(
    others: list[tuple[Kind, re.Match[str], Artifact]], definitions: dict[str, Artifact]
) -> Iterator[Trace]:
    for kind, found, artifact in others:
        if kind is Kind.MERGED_TRACE:
            yield Trace(artifact, "tau.edf", definitions.get("tau.edf"), None)
        elif kind is Kind.TRACE:
            wanted = f"events.{found[1]}.edf"
            place = int(found[1]), int(found[2]), int(found[3])
            yield Trace(artifact, wanted, definitions.get(wanted), place)


def why_not_read(name: str) -> str:
    """Why a file of TAU's is left as it is; empty for what is read, and what is not TAU's."""
    if any(kind.value.fullmatch(name) for kind in Kind):
        return ""
    return next((kind for pattern, kind in NOT_READ if pattern.fullmatch(name)), "")


def is_read(name: str) -> bool:
    """Whether a file is read by its name alone: XML, traces and definitions."""
    return any(kind.value.fullmatch(name) for kind in Kind)


def is_surely_tau(name: str) -> bool:
    """Whether only TAU names files so. Libraries, too, end in three numbers: libc.so.2.3.6."""
    found = TEXT_PROFILE.fullmatch(name)
    return bool(found and KNOWN_PREFIX.fullmatch(found[1]))


def _folder(artifact: Artifact) -> str:
    """The folder of the set: that above MULTI__TIME, MULTI__PAPI_TOT_CYC, ..."""
    folder = folder_of(artifact)
    outer, _, last = folder.rpartition("/")
    return outer if last.startswith(METRIC_FOLDER) else folder


def folder_of(artifact: Artifact) -> str:
    """The folder that a file lies in. Text is cut, since paths are slow for thousands of files."""
    return artifact.path.rpartition("/")[0]


def _name(artifact: Artifact) -> str:
    return artifact.path.rpartition("/")[2]


def base_of(artifacts: Iterable[Artifact]) -> str:
    """The folder that all files that are read have in common; empty when they have none."""
    return _common([_folder(one) for one in artifacts if _kind(_name(one))[1]])


def _common(folders: Iterable[str]) -> str:
    """The leading parts that all folders share."""
    columns = zip(*(folder.split("/") for folder in folders), strict=False)
    return "/".join(column[0] for column in takewhile(lambda one: len(set(one)) == 1, columns))


def _latest(files: list[Artifact]) -> tuple[list[Artifact], list[Artifact], list[Unused]]:
    """The last file of each metric, the whole dumps before it, and what says nothing more.

    Dumps are cumulative. A selective one holds only some timers, and one without a time in its
    name is overwritten again and again: neither is a state in a series.
    """
    if len(files) == 1:
        return files, [], []
    by_folder: defaultdict[str, list[Artifact]] = defaultdict(list)
    for file in files:
        by_folder[folder_of(file)].append(file)
    latest: list[Artifact] = []
    earlier: list[Artifact] = []
    older: list[Unused] = []
    for same in by_folder.values():
        last = max(same, key=_precedence)
        latest.append(last)
        others = [file for file in same if file is not last]
        states = [file for file in others if written(file) and not file.name.startswith(SELECTIVE)]
        earlier += sorted(states, key=lambda one: written(one) or 0)
        reason = f"an earlier state of the same thread; {last.name} is read"
        older += [Unused(file, reason) for file in others if file not in states]
    return latest, earlier, older


def _precedence(file: Artifact) -> tuple[bool, bool, bool, float]:
    """A final profile before dumps, whole dumps before selective ones, later before earlier."""
    prefix = file.name.rsplit(".", 3)[0]
    known = KNOWN_PREFIX.fullmatch(prefix) is not None
    when = written(file) or file.modified / 1e9
    return known, prefix == "profile", not prefix.startswith(SELECTIVE), when


def written(file: Artifact) -> float | None:
    """When a dump was written by its name: seconds since 1970, as if its local time were UTC."""
    found = STAMP.search(file.name)
    with suppress(ValueError):  # looks like a stamp, and is no date
        if found:
            return datetime.strptime(found[1], "%b-%d-%H:%M:%S-%Y").replace(tzinfo=UTC).timestamp()
    return None
