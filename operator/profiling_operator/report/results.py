"""What the files of a result folder say, as far as they can be read.

Older folders lack some of it, fetched ones some files, and anyone may have written them: whatever
is not as expected counts as absent, and a file that cannot be read at all is told as a problem.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from profiling_operator import store
from profiling_operator.machines import Machine
from profiling_operator.status import Status

SUMMARY_FILE = "summary.json"
METADATA_FILE = "metadata.json"
FILES = (SUMMARY_FILE, METADATA_FILE, store.STATUS_FILE)
SIZE_LIMIT = 64 << 20
"""Bytes of one of these files."""
FILES_LIMIT = 100_000
"""Looked at, of a folder."""

Shape = TypeVar("Shape")


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a file: fields that it does not have keep their default."""


class Gate(Part, frozen=True, kw_only=True, rename="camel"):
    """A verdict with the numbers behind it."""

    measure: str = ""
    verdict: str = ""
    message: str = ""
    statistic: str = ""
    unit: str = ""
    value: float | None = None
    limit: float | None = None
    baseline: float | None = None
    values: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None
    band: tuple[float, float] | None = None
    compared: int = 0


class Measured(Part, frozen=True, kw_only=True, rename="camel"):
    """One measure with its values over the repetitions."""

    measure: str = ""
    unit: str = ""
    values: tuple[float, ...] = ()


class Summary(Part, frozen=True, kw_only=True, rename="camel"):
    """summary.json."""

    job: str = ""
    series: str = ""
    headline: str = ""
    image: str = ""
    machine: dict[str, Any] = msgspec.field(default_factory=dict)
    identity: dict[str, Any] = msgspec.field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    measures: tuple[Measured, ...] = ()
    totals: dict[str, float] = msgspec.field(default_factory=dict)
    stacks_left_out: int = 0
    timeline_left_out: int = 0


class Brought(Part, frozen=True, kw_only=True, rename="camel"):
    """What a collector brought in a run."""

    name: str = ""
    exit_code: int | None = None
    usable: bool = True
    entries: int = 0
    reason: str = ""
    message: str = ""


class Run(Part, frozen=True, kw_only=True, rename="camel"):
    """One run of the application."""

    index: int = 0
    warmup: bool = False
    reason: str = ""
    message: str = ""
    started_at: str = ""
    started_monotonic_ns: int = 0
    finished_monotonic_ns: int = 0
    exit_code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    peak_memory_bytes: int = 0
    log_truncated: bool = False
    collectors: tuple[Brought, ...] = ()

    @property
    def nanoseconds(self) -> int:
        """How long it took, by the monotonic clock."""
        return max(0, self.finished_monotonic_ns - self.started_monotonic_ns)


class Outcome(Part, frozen=True, kw_only=True, rename="camel"):
    """How the job ended."""

    phase: str = ""
    reason: str = ""
    message: str = ""


class Asked(Part, frozen=True, kw_only=True, rename="camel"):
    """A collector that the job asked for."""

    name: str = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Noted(Part, frozen=True, kw_only=True, rename="camel"):
    """What became of a file of a collector, or what is to be known of it."""

    run: int | None = None
    path: str = ""
    fate: str = ""
    line: int = 0
    message: str = ""
    reason: str = ""


class Metadata(Part, frozen=True, kw_only=True, rename="camel"):
    """metadata.json."""

    job: str = ""
    series: str = ""
    uid: str = ""
    attempt: int = 0
    node: str = ""
    device: str = ""
    image: str = ""
    """As it was resolved, with its digest."""
    collectors: tuple[Asked, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    files: tuple[Noted, ...] = ()
    refused: tuple[Noted, ...] = ()
    fates: dict[str, int] = msgspec.field(default_factory=dict)
    outcome: Outcome = Outcome()
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True)
class File:
    """A file of the folder."""

    path: str
    size: int


@dataclass(frozen=True)
class Results:
    """A result folder."""

    folder: Path
    summary: Summary
    metadata: Metadata
    status: Status | None
    job: str
    """`NAMESPACE/NAME`, or the folder's name where no file tells."""
    files: tuple[File, ...]
    problems: tuple[str, ...]
    """Files that should say something and cannot be read."""

    @property
    def machine(self) -> Machine:
        """Where it ran."""
        try:
            return Machine.model_validate(self.summary.machine, extra="ignore")
        except ValueError:
            return Machine()

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return any(one.path == path for one in self.files)


def read(folder: Path) -> Results:
    """Everything there is to tell. Raises OSError where the folder itself cannot be read."""
    files = tuple(_files(folder))
    problems: list[str] = []
    summary = _part(folder / SUMMARY_FILE, Summary, problems)
    metadata = _part(folder / METADATA_FILE, Metadata, problems)
    body = _body(folder / store.STATUS_FILE, problems)
    job = summary.job or metadata.job or _key(body) or folder.absolute().name
    return Results(folder, summary, metadata, _status(body, problems), job, files, tuple(problems))


def _files(folder: Path) -> list[File]:
    """The regular files, by path."""
    found = []
    for path in sorted(folder.rglob("*"))[:FILES_LIMIT]:
        if path.is_file() and not path.is_symlink():
            found.append(File(path.relative_to(folder).as_posix(), path.stat().st_size))
    return found


def _part(path: Path, shape: type[Shape], problems: list[str]) -> Shape:
    """A file in its shape; of a field that has another one nothing is known."""
    body = _body(path, problems)
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        problems.append(f"{path.name}: {error}")
        return _as_far_as_known(body, shape)


def _as_far_as_known(body: dict[str, Any], shape: type[Shape]) -> Shape:
    """The fields that are as expected."""
    good: dict[str, Any] = {}
    for field, value in body.items():
        try:
            msgspec.convert({field: value}, shape)
        except msgspec.ValidationError:
            continue
        good[field] = value
    return msgspec.convert(good, shape)


def _body(path: Path, problems: list[str]) -> dict[str, Any]:
    """A JSON file; empty where there is none."""
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > SIZE_LIMIT:
            raise ValueError(f"has more than {SIZE_LIMIT >> 20} MiB")  # noqa: TRY301
        body = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path.name}: {getattr(error, 'strerror', None) or error}")
        return {}
    return body if isinstance(body, dict) else {}


def _status(body: dict[str, Any], problems: list[str]) -> Status | None:
    told = body.get("status")
    if not told:
        return None
    try:
        return Status.model_validate(told, extra="ignore")
    except ValueError as error:
        problems.append(f"{store.STATUS_FILE}: {str(error).splitlines()[0]}")
        return None


def _key(body: dict[str, Any]) -> str:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        return ""
    return f"{metadata.get('namespace', '')}/{metadata['name']}".lstrip("/")
