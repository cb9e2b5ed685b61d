"""Entries: what every collector's files become. One measurement, one JSON object, one line."""

from __future__ import annotations

import functools
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, cast

import msgspec
from isal import isal_zlib

NANOSECONDS = 10**9
SCHEMA_ID = "https://profiling.dev/schemas/entry-v1alpha1.json"
COMPRESSION = 1  # a fifth larger than zlib's 3 on profiles, in a quarter of the time
GZIP_WINDOW = 31  # zlib's way to say: gzip, with the largest window
BUFFER = 1 << 18
ENCODED_AT_ONCE = 64  # entries: a quarter less time than one by one
RFC3339 = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})(?:\.([0-9]{1,9}))?Z")

Number = int | float


class Kind(StrEnum):
    """What was measured."""

    TIMER = "timer"
    COUNTER = "counter"
    KERNEL = "kernel"
    MEMCPY = "memcpy"
    MEMSET = "memset"
    API = "api"
    RANGE = "range"
    SAMPLE = "sample"
    METRIC = "metric"
    OS = "os"


GPU_KINDS = frozenset({Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET})
"""What a GPU does; its time is `duration`, or `inclusive` where it is added up."""


class Source(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where in the program: lines and columns count from 1."""

    file: str
    line: int | None = None
    endLine: int | None = None  # noqa: N815
    column: int | None = None


def _meta(text: str, **more: Any) -> msgspec.Meta:
    return msgspec.Meta(description=text, **more)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One measurement. What a collector does not know is absent."""

    time: Annotated[
        str,
        _meta(
            "UTC, RFC 3339 with nanoseconds: when it began (events, samples), or when the measured "
            "interval began (aggregates)",
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
        ),
    ]
    job: Annotated[str, _meta("`namespace/name` of the job; empty when converted without a job")]
    run: Annotated[int, _meta("Index of the run within its attempt, warm-ups first", ge=0)]
    collector: Annotated[str, _meta("Which collector measured it")]
    kind: Annotated[Kind, _meta("What was measured")]
    name: Annotated[str, _meta("Its name, blanks collapsed")]
    additive: Annotated[
        bool,
        _meta(
            "False when it repeats what other entries count (call paths, samples beside timers, "
            "contexts, parameters): the additive exclusive values of a thread add up to its total"
        ),
    ]
    path: Annotated[
        tuple[str, ...] | None, _meta("Call path, root first; the last element is the name")
    ] = None
    source: Annotated[Source | None, _meta("Where in the program")] = None
    host: Annotated[str | None, _meta("Host name")] = None
    process: Annotated[int | None, _meta("Process: pid, MPI rank, or TAU's node")] = None
    context: Annotated[int | None, _meta("TAU's context")] = None
    thread: Annotated[int | None, _meta("Thread: the system's id, or TAU's number")] = None
    device: Annotated[int | None, _meta("GPU's ordinal")] = None
    stream: Annotated[int | None, _meta("GPU stream")] = None
    metric: Annotated[str | None, _meta("TIME, PAPI_TOT_CYC, dram_throughput, ...")] = None
    unit: Annotated[str | None, _meta("Unit in UCUM: `ns`, `By`, `1`, `%`, `By/s`")] = None
    value: Annotated[Number | None, _meta("The number, of kinds that have a single one")] = None
    duration: Annotated[Number | None, _meta("How long an event took, in the unit")] = None
    inclusive: Annotated[Number | None, _meta("With everything called from it, in the unit")] = None
    exclusive: Annotated[Number | None, _meta("By itself alone, in the unit")] = None
    calls: Annotated[Number | None, _meta("How often, or the number of samples")] = None
    min: Annotated[Number | None, _meta("Smallest value, in the unit")] = None
    max: Annotated[Number | None, _meta("Largest value, in the unit")] = None
    mean: Annotated[Number | None, _meta("Mean value, in the unit")] = None
    stddev: Annotated[Number | None, _meta("Standard deviation, in the unit")] = None
    clock: Annotated[
        str | None,
        _meta("`anchored` when the source has no wall clock and the run's start was taken for it"),
    ] = None
    attributes: Annotated[dict[str, Any] | None, _meta("Everything else")] = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def rfc3339(nanoseconds: int) -> str:
    """Nanoseconds since the Unix epoch as UTC text with nine decimals.

    Raises ValueError for a time outside the years 1 to 9999.
    """
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    return f"{_to_the_second(seconds)}.{fraction:09d}Z"


@functools.lru_cache(maxsize=4096)  # entries come by the million, within minutes of each other
def _to_the_second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).isoformat()[:19]
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} s since 1970 is no year of four digits") from error


def epoch_nanoseconds(text: str) -> int:
    """The inverse of `rfc3339`; fewer decimals will do. Raises ValueError for other text."""
    match = RFC3339.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is not a time as in 2026-01-31T12:00:00.000000000Z")
    date, fraction = match.groups()
    whole = datetime.strptime(date, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * NANOSECONDS + int(f"{fraction or '':0<9}")


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one entry."""
    components = msgspec.json.schema(Entry)
    definitions = components["$defs"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **definitions.pop("Entry"),
        "additionalProperties": False,
        "$defs": {
            name: {**one, "additionalProperties": False} if "properties" in one else one
            for name, one in definitions.items()
        },
    }


class Writer:
    """Writes entries as JSON lines to a binary stream, and counts them."""

    def __init__(self, stream: IO[bytes], packed: bool = False) -> None:
        """Write to a stream that the caller closes; `packed`: as members of a gzip file."""
        self.packed = packed
        self._stream = stream
        self._count = 0
        self._waiting: list[Entry] = []
        self._member: isal_zlib.Compress | None = None
        self._has_members = False

    @property
    def count(self) -> int:
        """How many entries there are by now."""
        return self._count + len(self._waiting)

    def write(self, entry: Entry) -> None:
        """Write one entry, sooner or later: many are encoded at once.

        Raises ValueError where one of those that wait cannot be encoded; then none of them is
        written.
        """
        waiting = self._waiting
        waiting.append(entry)
        if len(waiting) >= ENCODED_AT_ONCE:
            self._encode()

    def append(self, path: Path, count: int) -> None:
        """Take over what another writer wrote to a file in the same form."""
        self._end_member()
        with path.open("rb") as file:
            shutil.copyfileobj(file, self._stream, BUFFER)
        self._has_members = True
        self._count += count

    def finish(self) -> None:
        """Hand over what is waiting. A gzip file has a member, though it may hold nothing."""
        if self.packed and not self._has_members:
            self._begin_member()
        self._end_member()

    def _encode(self) -> None:
        waiting = self._waiting
        self._waiting = []
        lines = _encoder.encode_lines(waiting)
        self._count += len(waiting)
        if self.packed:
            lines = (self._member or self._begin_member()).compress(lines)
        self._stream.write(lines)

    def _begin_member(self) -> isal_zlib.Compress:
        """Its header holds neither name nor time, so equal entries give equal bytes."""
        self._has_members = True
        self._member = isal_zlib.compressobj(COMPRESSION, wbits=GZIP_WINDOW)
        return self._member

    def _end_member(self) -> None:
        if self._waiting:
            self._encode()
        if self._member is not None:
            self._stream.write(self._member.flush())
            self._member = None


@contextmanager
def create(path: Path) -> Iterator[Writer]:
    """A writer into a new file, gzipped when it is named `.gz`; on an error no file is left.

    Written under a temporary name and renamed at the end.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as raw:
            writer = Writer(raw, is_packed(path))
            yield writer
            writer.finish()
            raw.flush()
            os.fsync(raw.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_packed(path: Path) -> bool:
    """Whether a file of that name is gzipped."""
    return path.suffix == ".gz"


def load(path: Path) -> Iterator[Entry]:
    """Entries of a file that `create` wrote, one at a time.

    Raises msgspec.DecodeError, EOFError or OSError where the file is damaged.
    """
    with path.open("rb") as raw, _unpacking(raw, path) as lines:
        for line in lines:
            yield _decoder.decode(line)


@contextmanager
def _unpacking(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix != ".gz":
        yield raw
        return
    with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
        yield cast(IO[bytes], unpacked)
