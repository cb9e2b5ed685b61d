"""`profjob upload`: runs beside the application of a pod and saves what that left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from profiling_operator import upload as uploading
from profiling_operator.cli.exits import Exit
from profiling_operator.upload import Where

USUAL = Where()


def upload(
    workspace: Annotated[Path, typer.Option(help="The output folder.")] = USUAL.workspace,
    scratch: Annotated[Path, typer.Option(help="Where results are made.")] = USUAL.scratch,
    assignment: Annotated[Path, typer.Option(help="Folder with assignment.json.")] = USUAL.assigned,
    results_token: Annotated[
        Path, typer.Option(help="File with the token for the results server.")
    ] = USUAL.results_token,
    last_words: Annotated[
        Path, typer.Option(help="File for the container's termination message.")
    ] = USUAL.last_words,
    ended: Annotated[
        bool, typer.Option(help="The application is over: take the workspace as it is.")
    ] = False,
) -> None:
    """Wait for the application's end, convert, upload, report. Run by pods, not by people."""
    where = Where(workspace, scratch, assignment, results_token, last_words, ended)
    if not uploading.upload(where):
        raise typer.Exit(Exit.GATE_FAILED)  # 1: any other would tell of the job
