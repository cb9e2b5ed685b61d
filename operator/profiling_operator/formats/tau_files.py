"""Which of TAU's files belong together: the metrics of one thread, and its repeated dumps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import PurePosixPath

from profiling_operator.artifacts import Artifact

# profile.0.0.0, dump.-1.0.3, dump__Mon-Nov-23-12:31:27-2026__.0.0.0, sel_dump.0.0.0
TEXT_PROFILE = re.compile(r"(.*)\.(-?\d{1,9})\.(\d{1,9})\.(\d{1,9})", re.DOTALL)
STAMP = re.compile(r"__\w{3}-(\w{3}-\d{1,2}-\d\d:\d\d:\d\d-\d{4})__")
KNOWN_PREFIX = re.compile(r"(sel_)?(.*profile|.*dump|.*__)")
METRIC_FOLDER = "MULTI__"

NOT_READ_YET = (
    (re.compile(r"(tautrace\..*|tau)\.trc|(events\..*|tau)\.edf"), "a TAU trace"),
    (re.compile(r"(.*-)?tauprofile.*\.xml(\.gz)?"), "a merged profile"),
    (re.compile(r"snapshot\.-?\d+\.\d+\.\d+"), "a snapshot profile"),
    (re.compile(r".*\.ppk"), "a packed profile of ParaProf"),
    (re.compile(r"traces\.(otf2|def)|.*\.evt"), "an OTF2 trace"),
    (re.compile(r"tauprofile\.db|.*\.sqlite3?"), "a profile database"),
)
FOREIGN = "not a file of TAU's"


@dataclass(frozen=True)
class Thread:
    """One thread's files, one per metric."""

    folder: str
    """Where they lie below what all files have in common; empty when that is the place."""
    node: int
    context: int
    thread: int
    files: tuple[Artifact, ...]


@dataclass(frozen=True)
class Unused:
    """A file that is not read, and why."""

    artifact: Artifact
    reason: str


def arrange(
    artifacts: Iterable[Artifact], base: str | None = None
) -> tuple[list[Thread], list[Unused]]:
    """Sort the files into threads, in their order; every file is in one of both lists.

    Folders of threads are told from `base` on; without one, from what all have in common.
    """
    threads: defaultdict[tuple[str, int, int, int], list[Artifact]] = defaultdict(list)
    unused = []
    for artifact in artifacts:
        found = TEXT_PROFILE.fullmatch(artifact.name)
        reason = why_not_read(artifact.name)
        if reason or not found:
            unused.append(Unused(artifact, reason or FOREIGN))
        else:
            node, context, thread = (int(part) for part in found.groups()[1:])
            threads[_folder(artifact), node, context, thread].append(artifact)
    shared = _common([key[0] for key in threads]) if base is None else base
    common = len(shared.split("/")) if shared else 0
    arranged = []
    for (folder, node, context, thread), files in threads.items():
        latest, older = _latest(files)
        below = "/".join(folder.split("/")[common:]) if folder else ""
        arranged.append(Thread(below, node, context, thread, tuple(latest)))
        unused += older
    return arranged, unused


def why_not_read(name: str) -> str:
    """Why a file of TAU's is left as it is; empty for text profiles and what is not TAU's."""
    kinds = (kind for pattern, kind in NOT_READ_YET if pattern.fullmatch(name))
    return next((f"{kind}: not read yet" for kind in kinds), "")


def is_surely_tau(name: str) -> bool:
    """Whether only TAU names files so. Libraries, too, end in three numbers: libc.so.2.3.6."""
    found = TEXT_PROFILE.fullmatch(name)
    return bool(found and KNOWN_PREFIX.fullmatch(found[1]))


def _folder(artifact: Artifact) -> str:
    """The folder of the set: that above MULTI__TIME, MULTI__PAPI_TOT_CYC, ..."""
    parts = PurePosixPath(artifact.path).parent.parts
    return "/".join(parts[:-1] if parts and parts[-1].startswith(METRIC_FOLDER) else parts)


def base_of(artifacts: Iterable[Artifact]) -> str:
    """The folder that all text profiles have in common; empty when they have none."""
    profiles = (one for one in artifacts if TEXT_PROFILE.fullmatch(one.name))
    return _common([_folder(one) for one in profiles if not why_not_read(one.name)])


def _common(folders: Iterable[str]) -> str:
    """The leading parts that all folders share."""
    columns = zip(*(folder.split("/") for folder in folders), strict=False)
    return "/".join(column[0] for column in takewhile(lambda one: len(set(one)) == 1, columns))


def _latest(files: list[Artifact]) -> tuple[list[Artifact], list[Unused]]:
    """The last file of each metric. Dumps are cumulative: earlier ones hold nothing more."""
    by_folder: defaultdict[PurePosixPath, list[Artifact]] = defaultdict(list)
    for file in files:
        by_folder[PurePosixPath(file.path).parent].append(file)
    latest, older = [], []
    for same in by_folder.values():
        last = max(same, key=_precedence)
        latest.append(last)
        reason = f"an earlier state of the same thread; {last.name} is read"
        older += [Unused(file, reason) for file in same if file is not last]
    return latest, older


def _precedence(file: Artifact) -> tuple[bool, bool, bool, float]:
    """A final profile before dumps, whole dumps before selective ones, later before earlier."""
    prefix = file.name.rsplit(".", 3)[0]
    known = KNOWN_PREFIX.fullmatch(prefix) is not None
    return known, prefix == "profile", not prefix.startswith("sel_"), _when(prefix, file)


def _when(prefix: str, file: Artifact) -> float:
    """When a dump was written: its name tells in local time, other files by their own time."""
    found = STAMP.search(prefix)
    with suppress(ValueError):  # looks like a stamp, and is no date
        if found:
            return datetime.strptime(found[1], "%b-%d-%H:%M:%S-%Y").replace(tzinfo=UTC).timestamp()
    return file.modified / 1e9
