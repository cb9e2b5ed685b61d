"""A finished job for people: the outcome, the top of the profile, where the files are."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profiling_operator.attempt import resource
from profiling_operator.cli import console
from profiling_operator.entries import epoch_nanoseconds
from profiling_operator.errors import Reason
from profiling_operator.spec import ProfilingJob
from profiling_operator.status import Condition, ConditionType, RunStatus, Status
from profiling_operator.summary import seconds

TOP_SHOWN = 10
TOP_WIDE = 20


def print_result(job: ProfilingJob, status: Status, form: str, folder: Path) -> None:
    """Print a finished job in one of the forms of `-o`."""
    if form == "name":
        typer.echo(f"profilingjob.profiling.dev/{job.metadata.name}")
    elif form in {"json", "yaml"}:
        console.print_data(resource(job, status), form)
    else:
        _print_text(console.stdout(), status, folder, wide=form == "wide")


def _print_text(out: Console, status: Status, folder: Path, *, wide: bool) -> None:
    finished = status.condition(ConditionType.FINISHED)
    out.print(f"[bold]{status.phase.value}[/bold]  {_words(finished)}")
    if status.headline:
        out.print(f"headline  {status.headline}", markup=False)
    for run in status.runs:
        _print_run(out, run)
    for gate in status.gates:
        out.print(f"gate  {gate.verdict}  {gate.message}", markup=False)
    _print_top(out, folder, TOP_WIDE if wide else TOP_SHOWN)
    if status.results:
        out.print(f"results  {folder.absolute()}", markup=False)
        for file in status.results.files:
            count = f", {file.count} entries" if file.count is not None else ""
            out.print(f"  {file.path}  {file.size} bytes{count}", markup=False)


def _words(condition: Condition | None) -> str:
    """Reason and message; the message of a success is the headline, which has its own line."""
    if condition is None:
        return ""
    told = condition.message and condition.reason != Reason.COMPLETED
    return f"{condition.reason}: {condition.message}" if told else condition.reason


def _print_run(out: Console, run: RunStatus) -> None:
    took = epoch_nanoseconds(run.app.finished_at) - epoch_nanoseconds(run.app.started_at)
    out.print(f"{console.ended(run)}, {seconds(took)}", markup=False)
    for one in run.collectors:
        out.print(console.brought(one), markup=False)


def _print_top(out: Console, folder: Path, count: int) -> None:
    """The top of the profile, from the summary beside the entries."""
    try:
        top = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["top"]
    except (OSError, ValueError, KeyError):
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("share", justify="right")
    table.add_column("time", justify="right")
    table.add_column("name", overflow="fold")
    for one in top[:count]:
        share = f"{one['share']:.1%}".replace("%", " %")
        table.add_row(share, seconds(one["nanoseconds"]), Text(one["name"]))  # may hold [words]
    if top:
        out.print(table)
