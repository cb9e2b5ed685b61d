"""`profjob cancel`: end jobs early and keep what they have measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from profiling_operator.cli import cluster, console, folders, places
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.wait import Timeout, Waiting
from profiling_operator.errors import NotFoundError


def cancel(
    job_names: Annotated[
        list[str],
        typer.Argument(metavar="NAME|FOLDER...", help="The jobs; folders of profjob run as well."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Until they have ended.")] = False,
    timeout: Timeout = None,
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """Cancel jobs: each ends soon, and what it has measured is collected.

    A job that has finished already stays as it is. Exit code 2: one of them does not exist.
    """
    named = [places.place(one) for one in dict.fromkeys(job_names)]
    stderr = console.stderr(quiet)
    asked = {one.path: _ask(one.path) for one in named if isinstance(one, places.Folder)}
    cancelled = [path for path, code in asked.items() if code == Exit.OK]
    wanted = list(dict.fromkeys(one.name for one in named if isinstance(one, places.Job)))
    waits = Waits(stderr, timeout) if wait else None
    where = Where(namespace, context, kubeconfig)
    found = _on_cluster(wanted, where, waits) if wanted else []
    with cluster.reporting():
        ended = [_in_folder(path, waits) for path in cancelled]
    for body in (*ended, *found):
        if body is not None:
            _tell(body, output)
    refused = [code for code in asked.values() if code] + [Exit.USAGE] * (None in found)
    raise typer.Exit(refused[0] if refused else Exit.OK)


def _ask(path: Path) -> int:
    """Ask for the end of what fills a folder; the exit code of why it cannot be asked."""
    try:
        folders.cancel(path)
    except typer.Exit as refusal:  # it has been told; the other jobs are cancelled all the same
        return refusal.exit_code
    return Exit.OK


@dataclass(frozen=True)
class Waits:
    """How the ends are waited for."""

    stderr: Console
    timeout: Decimal | None


def _on_cluster(wanted: list[str], where: Where, waits: Waits | None) -> list[Body | None]:
    """The jobs as they are then; None for one that is not there."""

    async def cancelled(asked: Conversation) -> list[Body | None]:
        found = [await _cancel(asked, name) for name in wanted]
        if waits is None:
            return found
        there = [body["metadata"]["name"] for body in found if body is not None]
        all_waits = [Waiting(name, waits.stderr, timeout=waits.timeout) for name in there]
        return [*(await asyncio.gather(*(one.through(asked) for one in all_waits))),
                *(body for body in found if body is None)]  # fmt: skip

    return cluster.ask(where, cancelled)


def _in_folder(path: Path, waits: Waits | None) -> Body:
    """The job of a folder that has been told to end."""
    if waits is None:
        return folders.require(path).body
    wish = folders.Wish(cluster.is_finished, timeout=waits.timeout)
    return folders.wait(path, wish, waits.stderr)


async def _cancel(asked: Conversation, name: str) -> Body | None:
    """The job as it is then; None when there is none."""
    try:
        body = await asked.job(name)
        if cluster.is_finished(cluster.status_of(body)):
            return body
        return await asked.cancel(name, body["metadata"]["uid"])
    except NotFoundError as error:
        typer.echo(f"profjob: {cluster.explained(error, asked.namespace)}", err=True)
        return None


def _tell(body: Body, output: Form) -> None:
    if output not in {Form.TEXT, Form.WIDE}:
        cluster.print_job(body, output)
        return
    status = cluster.status_of(body)
    said = f"has ended: {status.phase}" if cluster.is_finished(status) else "is being cancelled"
    typer.echo(f"{cluster.RESOURCE}/{body['metadata']['name']} {said}")
