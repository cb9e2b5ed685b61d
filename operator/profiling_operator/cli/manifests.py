"""What `profjob apply` sends: the job of a file as a job of one build, and how two jobs differ."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from profiling_operator import names, spec, traces
from profiling_operator.errors import SpecError
from profiling_operator.spec.job import ProfilingJobSpec

Body = dict[str, Any]

OF_ONE_TRY = {names.APPLIED, names.BUILD_URL, *traces.ANNOTATIONS.values()}
"""Annotations that a second try of the same build may write differently."""
MUTABLE = {
    one.alias or name
    for name, one in ProfilingJobSpec.model_fields.items()
    if isinstance(one.json_schema_extra, dict) and one.json_schema_extra.get("mutable")
}
SERVERS_OWN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
"""What an API server fills in: in a file that was printed by one it means nothing."""
SHOWN = 60  # characters of a value that differs


@dataclass(frozen=True)
class Build:
    """The build of a pipeline that a job belongs to."""

    tag: str = ""
    names_all: bool = False
    """The tag makes the name even where the file leaves that to the server (`generateName`)."""
    url: str = ""
    trace: dict[str, str] = field(default_factory=dict)
    """Annotations."""
    accept: str = ""
    """The baseline that the job is added to once it has ended well."""

    def annotations(self) -> dict[str, str]:
        """What the job carries of it."""
        said = {
            names.BUILD_TAG: self.tag,
            names.BUILD_URL: self.url,
            names.ACCEPT_BASELINE: self.accept,
        }
        return {key: value for key, value in said.items() if value}


def build_here(tag: str | None, accept: str) -> Build:
    """The build that this process is a part of: $BUILD_TAG and its like, as Jenkins sets them."""
    return Build(
        tag=os.environ.get("BUILD_TAG", "") if tag is None else tag,
        names_all=bool(tag),
        url=os.environ.get("BUILD_URL", ""),
        trace=traces.annotations_of(os.environ),
        accept=accept,
    )


def of_build(body: Body, build: Build) -> Body:
    """The job of a file as the job of a build, with the digest of what does not vary.

    The series stays that of the file: otherwise every build would be a series of its own.
    """
    metadata = {key: one for key, one in body["metadata"].items() if key not in SERVERS_OWN}
    wanted = dict(body["spec"])
    prefix = str(metadata.get("generateName", "")).rstrip("-.")
    given = metadata.get("name") or (prefix if build.names_all else "")
    if build.tag and given:
        metadata["name"] = names.build_name(given, build.tag)
        wanted.setdefault("series", _series(given))
    if metadata.get("name"):
        metadata.pop("generateName", None)
    own = metadata.get("annotations") or {}
    metadata["annotations"] = {**build.trace, **own, **build.annotations()}
    kind = {key: body[key] for key in ("apiVersion", "kind")}
    whole = {**kind, "metadata": metadata, "spec": wanted}
    metadata["annotations"][names.APPLIED] = _digest(whole)
    return whole


def _series(name: str) -> str:
    """As a label value, which a long name is not."""
    series = names.default_series(name)
    return series if len(series) <= names.LABEL_LIMIT else names.shorten(series)


def _digest(body: Body) -> str:
    metadata = body["metadata"]
    kept = {"labels": metadata.get("labels"), "annotations": _lasting(body), "spec": body["spec"]}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _lasting(body: Body) -> dict[str, str]:
    annotations = body["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in OF_ONE_TRY}


def differences(there: Body, ours: Body) -> list[str]:
    """How a job of a cluster differs from what would be sent; empty: it is that very job.

    What a server or a webhook has filled in is no difference where this program sent the job.
    """
    sent = (there["metadata"].get("annotations") or {}).get(names.APPLIED)
    if sent and sent == ours["metadata"]["annotations"].get(names.APPLIED):
        return []
    return [*_spec_differences(there, ours), *_metadata_differences(there, ours)]


def _spec_differences(there: Body, ours: Body) -> Iterator[str]:
    try:
        theirs = spec.read_object(there)
    except SpecError as error:
        yield f"{error.problems[0]}, there"
        return
    own = spec.read_body(spec.with_name(ours))
    yield from _differing("spec", _immutable(theirs), _immutable(own))


def _immutable(job: spec.ProfilingJob) -> Body:
    body: Body = job.spec.model_dump(mode="json", by_alias=True)
    return {key: value for key, value in body.items() if key not in MUTABLE}


def _metadata_differences(there: Body, ours: Body) -> Iterator[str]:
    """Labels and annotations that would be sent; others may have added theirs."""
    theirs = {"labels": there["metadata"].get("labels") or {}, "annotations": _lasting(there)}
    own = {"labels": ours["metadata"].get("labels") or {}, "annotations": _lasting(ours)}
    for part, values in own.items():
        for key, value in values.items():
            yield from _differing(f"metadata.{part}[{key}]", theirs[part].get(key), value)


def _differing(where: str, there: Any, ours: Any) -> Iterator[str]:
    """The places where two values differ, with both."""
    if isinstance(there, dict) and isinstance(ours, dict):
        for key in sorted(there.keys() | ours.keys()):
            yield from _differing(f"{where}.{key}", there.get(key), ours.get(key))
    elif isinstance(there, list) and isinstance(ours, list) and len(there) == len(ours):
        for index, (one, other) in enumerate(zip(there, ours, strict=True)):
            yield from _differing(f"{where}[{index}]", one, other)
    elif there != ours:
        yield f"{where}: {_shown(there)} there, {_shown(ours)} here"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
