"""`profjob cancel`: end jobs early and keep what they have measured."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from profiling_operator.cli import cluster, console
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.wait import Timeout, Waiting
from profiling_operator.errors import NotFoundError


def cancel(
    job_names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="The jobs.", parser=cluster.job_name)
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
    wanted = list(dict.fromkeys(job_names))

    async def cancelled(asked: Conversation) -> list[Body | None]:
        found = [await _cancel(asked, name) for name in wanted]
        if not wait:
            return found
        there = [body["metadata"]["name"] for body in found if body is not None]
        waits = [Waiting(name, console.stderr(quiet), timeout=timeout) for name in there]
        return [*(await asyncio.gather(*(one.through(asked) for one in waits))),
                *(body for body in found if body is None)]  # fmt: skip

    found = cluster.ask(Where(namespace, context, kubeconfig), cancelled)
    for body in found:
        if body is not None:
            _tell(body, output)
    raise typer.Exit(Exit.USAGE if None in found else Exit.OK)


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
