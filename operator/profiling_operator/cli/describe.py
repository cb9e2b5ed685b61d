"""`profjob describe`: everything about one job that a person wants to know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from profiling_operator.cli import cluster, console, folders, hosts, places
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation
from profiling_operator.entries import epoch_nanoseconds
from profiling_operator.errors import ForbiddenError, Reason
from profiling_operator.status import ConditionType, RunStatus, Status
from profiling_operator.summary import seconds

EVENTS_SHOWN = 50
FILES_SHOWN = 20
Events = list[Body] | None
"""None: whoever asks may not read them."""


def describe(
    name: places.Named,
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
) -> None:
    """Describe a job: what was asked for, how it went, what it brought, what happened."""
    place = places.place(name)
    events: Events = []
    if isinstance(place, places.Folder):
        body = _of_folder(place.path)
    else:
        body, events = _of_cluster(place.name, Where(namespace, context, kubeconfig), output)
        if said := hosts.untaken_for_long(body):
            console.stderr().print(f"{place.name}: {said}", markup=False)
    if output in {Form.TEXT, Form.WIDE}:
        _print(console.stdout(), body, events, wide=output is Form.WIDE)
    else:
        cluster.print_job(body, output)


def _of_folder(folder: Path) -> Body:
    found = folders.require(folder)
    if found.is_lost:
        console.stderr().print(f"{folder}: profjob run was killed while filling it", markup=False)
    return found.body


def _of_cluster(name: str, where: Where, output: Form) -> tuple[Body, Events]:
    async def told(asked: Conversation) -> tuple[Body, Events]:
        body = await asked.job(name)
        return body, await _events(asked, body) if output in {Form.TEXT, Form.WIDE} else []

    return cluster.ask(where, told)


async def _events(asked: Conversation, body: Body) -> Events:
    """The events of a job and of its last pod, newest last."""
    pods = [one.pod_uid for one in cluster.status_of(body).attempts[-1:] if one.pod_uid]
    try:
        found = [one for uid in [body["metadata"]["uid"], *pods] for one in await asked.events(uid)]
    except ForbiddenError:
        return None
    return sorted(found, key=_seen_at)


def _seen_at(event: Body) -> str:
    """When it happened last: writers of events fill in one of these."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next(filter(None, times), None) or str(event["metadata"].get("creationTimestamp", ""))


def _print(out: Console, body: Body, events: Events, *, wide: bool) -> None:
    status = cluster.status_of(body)
    metadata = body["metadata"]
    _pairs(out, [
        ("Name", metadata["name"]),
        ("Namespace", metadata["namespace"]),
        ("UID", metadata["uid"]),
        ("Age", cluster.age(metadata.get("creationTimestamp", ""))),
        ("Labels", ", ".join(f"{key}={one}" for key, one in metadata.get("labels", {}).items())),
        *_essentials(body.get("spec") or {}),
    ])  # fmt: skip
    out.print()
    print_outcome(out, status, wide=wide)
    _print_conditions(out, status)
    _print_attempts(out, status)
    _print_events(out, events)


def _essentials(spec: Body) -> Iterable[tuple[str, str]]:
    """What was asked for. The spec may be one that the operator refuses."""
    app, gpu = spec.get("app") or {}, spec.get("gpu") or {}
    yield "Series", spec.get("series", "")
    yield "Image", app.get("image", "")
    yield "Command", " ".join([*app.get("command", []), *app.get("args", [])])
    yield "Collectors", ", ".join(one.get("name", "") for one in spec.get("collectors", []))
    yield "GPUs", " ".join(filter(None, [str(gpu.get("count", "")), gpu.get("product", "")]))
    warmups = f", {spec['warmups']} warm-ups before" if spec.get("warmups") else ""
    yield "Host", (spec.get("placement") or {}).get("host", "")
    yield "Runs", f"{spec.get('repetitions', 1)}{warmups}"
    yield "Timeout", f"{spec['timeoutSeconds']} s a run" if "timeoutSeconds" in spec else ""
    yield "Playback", (spec.get("playback") or {}).get("image", "")
    yield "Gates", ", ".join(one.get("measure", "") for one in spec.get("gates", []))
    yield "Suspended", "yes" if spec.get("suspend") else ""
    yield "Cancelled", "yes" if spec.get("cancel") else ""


def print_outcome(out: Console, status: Status, *, wide: bool = False) -> None:
    """How a job went, and what it brought."""
    finished = status.condition(ConditionType.FINISHED)
    words = [finished.reason] if finished and finished.status == "True" else []
    if finished and words and finished.reason != Reason.COMPLETED:
        words += [finished.message]  # a success says its headline there, which has its own line
    _say(out, "  ".join([status.phase.value, ": ".join(filter(None, words))]).rstrip())
    if status.headline:
        _say(out, f"headline  {status.headline}")
    for run in status.runs:
        _print_run(out, run)
    for gate in status.gates:
        _say(out, f"gate  {gate.verdict}  {gate.message}")  # which names the measure
    _print_results(out, status, wide=wide)


def _print_run(out: Console, run: RunStatus) -> None:
    took = _took(run.app.started_at, run.app.finished_at)
    _say(out, ", ".join(filter(None, [console.ended(run), took, run.app.message])))
    for one in run.collectors:
        _say(out, console.brought(one))


def _took(start: str, end: str) -> str:
    try:
        return seconds(epoch_nanoseconds(end) - epoch_nanoseconds(start))
    except ValueError:  # a time that somebody else wrote
        return ""


def _print_results(out: Console, status: Status, *, wide: bool) -> None:
    if status.results is None:
        return
    for one in status.results.summary:
        _say(out, f"measure {one.measure}  {one.median:g} {one.unit}, {len(one.values)} values")
    _say(out, f"results  {status.results.url}")
    files = status.results.files
    for file in files if wide else files[:FILES_SHOWN]:
        count = f", {file.count} entries" if file.count is not None else ""
        _say(out, f"  {file.path}  {file.size} bytes{count}")
    left_out = 0 if wide else max(0, len(files) - FILES_SHOWN)
    if left_out or status.results.truncated:
        _say(out, "  … report.json in the results lists all files")


def _print_conditions(out: Console, status: Status) -> None:
    rows = [
        (one.type, one.status, one.reason, cluster.age(one.last_transition_time), one.message)
        for one in status.conditions
    ]
    _table(out, "Conditions", ("TYPE", "STATUS", "REASON", "AGE", "MESSAGE"), rows)


def _print_attempts(out: Console, status: Status) -> None:
    rows = [
        (one.number, one.outcome, one.pod_name, one.node_name, one.device,
         _took(one.started_at, one.finished_at))
        for one in status.attempts
    ]  # fmt: skip
    titles = ("NUMBER", "OUTCOME", "POD", "NODE", "DEVICE", "DURATION")
    _table(out, "Attempts", titles, rows)


def _print_events(out: Console, events: Events) -> None:
    if events is None:
        out.print("\nEvents: not yours to read (list events)")
        return
    rows = [
        (cluster.age(_seen_at(one)), one.get("type", ""), one.get("reason", ""),
         (one.get("involvedObject") or {}).get("kind", ""), one.get("message", ""))
        for one in events[-EVENTS_SHOWN:]
    ]  # fmt: skip
    _table(out, "Events", ("AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"), rows)


def _pairs(out: Console, pairs: Iterable[tuple[str, str]]) -> None:
    for title, said in pairs:
        if said:
            _say(out, f"{title + ':':<12} {said}")


def _table(out: Console, title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        out.print(f"\n{title}:")
        cluster.print_table(out, columns, rows)


def _say(out: Console, line: str) -> None:
    """One line; what others wrote in it cannot steer a terminal."""
    out.print("".join(one if one.isprintable() else " " for one in line), markup=False)
