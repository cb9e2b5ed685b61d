"""Baselines: what accepted jobs of a series measured, newest first. No I/O.

A baseline is a document of the store, `NAMESPACE/SERIES/NAME`. Jobs are compared with jobs that are
alike in collectors, image repository and command (`Identity`), and that ran on the same device.
Before an attempt starts, what the plan's gates need of it is copied into the plan (`Snapshot`); so
nothing that happens meanwhile changes the verdict, and whoever judges needs no store.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pydantic

from profiling_operator.frozen import Frozen
from profiling_operator.machines import Machine
from profiling_operator.summary import matching

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
WINDOW = 20
"""Jobs of a window; the oldest leave."""
WINDOWS_LIMIT = 32
MEASURES_LIMIT = 200
DOCUMENT_LIMIT = 4 << 20
"""Bytes of a baseline."""
SNAPSHOT_LIMIT = 48 << 10
"""Bytes of all snapshots of a plan: a pod carries them as an annotation, and those of a pod have
256 KiB together."""
FEWEST = 5
"""Jobs that a window keeps in a snapshot before measures are left out of it."""


class Values(Frozen):
    """One measure of one job."""

    unit: str
    values: tuple[float, ...]
    """One for each repetition."""


class Identity(Frozen):
    """What jobs of one series must have in common to be compared; beside the device."""

    collectors: str = ""
    """Their names, sorted, with `+` between."""
    image: str = ""
    """The application's image without tag and digest."""
    command: str = ""
    """Digest of the application's words, which may hold secrets."""


class Accepted(Frozen):
    """A job whose numbers are a part of the baseline."""

    job: str
    """Its name."""
    uid: str
    attempt: int = 1
    accepted_at: str = ""
    """UTC, RFC 3339."""
    image: str = ""
    """With tag and digest, as the job named it."""
    machine: Machine = Machine()
    measures: dict[str, Values] = pydantic.Field(default_factory=dict)


class Window(Frozen):
    """Jobs that may be compared with each other."""

    identity: Identity
    device: str
    jobs: tuple[Accepted, ...] = ()
    """The newest first."""


class Baseline(Frozen):
    """The document."""

    version: Literal[1] = 1
    namespace: str
    series: str
    name: str
    windows: tuple[Window, ...] = ()
    """The one that was added to last comes first."""


class Snapshot(Frozen):
    """What a plan's gates need of one baseline."""

    name: str
    problem: str = ""
    """Why nothing of it is known, as when the store does not answer."""
    others: str = ""
    """What the baseline holds that is not alike, for people: `3 jobs with another command`."""
    windows: tuple[Window, ...] = ()
    """Those alike in identity, a window for each device; with the gated measures alone."""
    left_out: str = ""
    """What of them did not fit into the plan, for people."""


def document_name(namespace: str, series: str, name: str) -> str:
    """Where a baseline is in its store."""
    return f"{namespace}/{series}/{name}"


def name_problem(name: str) -> str:
    """Why a baseline cannot have that name; empty: it can."""
    if NAME.fullmatch(name):
        return ""
    shown = f"{name[:63]}…" if len(name) > 63 else name  # noqa: PLR2004
    return f'"{shown}" must be a name of at most 63 lower-case letters, digits and -'


def identity_of(collectors: Iterable[str], image: str, words: Sequence[str]) -> Identity:
    """The identity of a job whose application is started with these words."""
    digest = hashlib.sha256(json.dumps(list(words)).encode()).hexdigest()
    return Identity(
        collectors="+".join(sorted(collectors)),
        image=repository_of(image),
        command=f"sha256:{digest[:16]}",
    )


def repository_of(image: str) -> str:
    """An image's name without tag and digest: `host:5000/app` of `host:5000/app:1@sha256:…`."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def read(text: bytes) -> Baseline:
    """A document. Raises ValueError for what is none, or of a newer version."""
    return Baseline.model_validate_json(text)


def write(baseline: Baseline) -> bytes:
    """The document of a baseline, at most DOCUMENT_LIMIT bytes: the oldest go first.

    Raises ValueError where its newest job alone is too large.
    """
    while True:
        text = baseline.model_dump_json(exclude_defaults=True).encode()
        if len(text) <= DOCUMENT_LIMIT:
            return text
        baseline = _without_oldest(baseline)


def _without_oldest(baseline: Baseline) -> Baseline:
    """Without the last window; of the only one, without its last job."""
    if len(baseline.windows) > 1:
        return baseline.model_copy(update={"windows": baseline.windows[:-1]})
    (window,) = baseline.windows
    if len(window.jobs) <= 1:
        raise ValueError(f"one job has more than {DOCUMENT_LIMIT} bytes of measures")
    shorter = window.model_copy(update={"jobs": window.jobs[:-1]})
    return baseline.model_copy(update={"windows": (shorter,)})


def accept(
    baseline: Baseline, identity: Identity, job: Accepted, *, anew: bool = False
) -> Baseline:
    """The baseline with one more job, as the newest of its window. Twice is once.

    `anew`: the window begins with this job, as after a wanted change of speed.
    """
    device = job.machine.device
    same = [one for one in baseline.windows if (one.identity, one.device) == (identity, device)]
    earlier = () if anew or not same else same[0].jobs
    kept = [one for one in earlier if (one.uid, one.attempt) != (job.uid, job.attempt)]
    window = Window(identity=identity, device=device, jobs=(job, *kept)[:WINDOW])
    others = [one for one in baseline.windows if one not in same]
    return baseline.model_copy(update={"windows": (window, *others)[:WINDOWS_LIMIT]})


def accepted(summary: Mapping[str, Any], uid: str, attempt: int, now: str) -> Accepted:
    """The job that a result folder's summary.json tells of. Raises ValueError, KeyError, TypeError.

    Gated measures come first in what is kept, then the most telling. What is no number is not kept:
    a document could not hold it.
    """
    gated = {str(one["measure"]) for one in summary.get("gates", ())}
    finite = [one for one in summary["measures"] if all(map(math.isfinite, one["values"]))]
    measures = sorted(finite, key=lambda one: one["measure"] not in gated)
    return Accepted(
        job=str(summary["job"]).rpartition("/")[2],
        uid=uid,
        attempt=attempt,
        accepted_at=now,
        image=str(summary.get("image", "")),
        machine=Machine.model_validate(summary.get("machine", {})),
        measures={
            str(one["measure"]): Values(unit=one["unit"], values=tuple(one["values"]))
            for one in measures[:MEASURES_LIMIT]
        },
    )


def snapshot(
    baseline: Baseline | None, name: str, identity: Identity, wanted: Sequence[str]
) -> Snapshot:
    """What gates on these measures, or patterns, need of a baseline; None: there is none."""
    if baseline is None:
        return Snapshot(name=name)
    alike = [one for one in baseline.windows if one.identity == identity]
    return Snapshot(
        name=name,
        others=_told(identity, [one for one in baseline.windows if one.identity != identity]),
        windows=tuple(
            one.model_copy(update={"jobs": tuple(_only(job, wanted) for job in one.jobs)})
            for one in alike
        ),
    )


def fitting(snapshots: Sequence[Snapshot], limit: int = SNAPSHOT_LIMIT) -> tuple[Snapshot, ...]:
    """As much of the snapshots as `limit` bytes hold; what is left out is said.

    The oldest jobs go first, down to FEWEST of each window, then the measures named last.
    """
    if _size(snapshots) <= limit:
        return tuple(snapshots)
    for count in range(WINDOW - 1, FEWEST - 1, -1):
        shorter = tuple(_shortened(one, count) for one in snapshots)
        if _size(shorter) <= limit:
            return shorter
    return _with_fewer_measures(shorter, limit)


def _size(snapshots: Iterable[Snapshot]) -> int:
    return sum(len(one.model_dump_json().encode()) for one in snapshots)


def _shortened(one: Snapshot, count: int) -> Snapshot:
    dropped = sum(max(0, len(window.jobs) - count) for window in one.windows)
    if not dropped:
        return one
    windows = tuple(
        window.model_copy(update={"jobs": window.jobs[:count]}) for window in one.windows
    )
    return one.model_copy(
        update={"windows": windows, "left_out": f"{dropped} older jobs did not fit into the plan"}
    )


def _with_fewer_measures(snapshots: Sequence[Snapshot], limit: int) -> tuple[Snapshot, ...]:
    """Half of the measures that there are, the first ones, until it fits."""
    count = max(len(_measures(one)) for one in snapshots)
    while count:
        count //= 2
        fewer = tuple(_first_measures(one, count) for one in snapshots)
        if _size(fewer) <= limit:
            return fewer
    why = f"more than {limit} bytes of jobs, which a plan cannot carry"
    return tuple(Snapshot(name=one.name, problem=why) for one in snapshots)


def _measures(one: Snapshot) -> list[str]:
    """The measures that its jobs have, each once."""
    found = (name for window in one.windows for job in window.jobs for name in job.measures)
    return list(dict.fromkeys(found))


def _first_measures(one: Snapshot, count: int) -> Snapshot:
    listed = _measures(one)
    kept, dropped = listed[:count], len(listed) - count
    if dropped <= 0:
        return one
    windows = tuple(
        window.model_copy(update={"jobs": tuple(_with_measures(job, kept) for job in window.jobs)})
        for window in one.windows
    )
    words = (one.left_out, f"{dropped} of {len(listed)} measures did not fit into the plan")
    return one.model_copy(update={"windows": windows, "left_out": ", ".join(filter(None, words))})


def _only(job: Accepted, wanted: Sequence[str]) -> Accepted:
    names = dict.fromkeys(name for one in wanted for name in matching(one, job.measures))
    return _with_measures(job, names)


def _with_measures(job: Accepted, names: Iterable[str]) -> Accepted:
    kept = {name: job.measures[name] for name in names if name in job.measures}
    return job.model_copy(update={"measures": kept})


def _told(identity: Identity, others: Sequence[Window]) -> str:
    """Of windows that are not alike, what differs."""
    said: dict[str, int] = {}
    for one in others:
        differing = [
            word
            for field, word in (
                ("collectors", "other collectors"), ("image", "another image"),
                ("command", "another command"),
            )
            if getattr(one.identity, field) != getattr(identity, field)
        ]  # fmt: skip
        words = " and ".join(differing)
        said[words] = said.get(words, 0) + len(one.jobs)
    return ", ".join(f"{count} jobs with {words}" for words, count in said.items())
