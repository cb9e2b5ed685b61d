"""`profjob collect NAME`: the sidecar of one collector."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from profiling_operator import sidecar
from profiling_operator.cli import console
from profiling_operator.cli.exits import Exit
from profiling_operator.sidecar import Where
from profiling_operator.status import cut

USUAL = Where()


def collect(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The collector.")],
    workspace: Annotated[Path, typer.Option(help="The output folder.")] = USUAL.workspace,
    delivered: Annotated[
        Path, typer.Option(help="Where the application's tools go.")
    ] = USUAL.delivered,
    toolchains: Annotated[
        Path, typer.Option(help="Where toolchains go that have a path of their own.")
    ] = USUAL.toolchains,
    assigned: Annotated[
        Path, typer.Option("--assignment", help="Folder with assignment.json.")
    ] = USUAL.assigned,
    last_words: Annotated[
        Path, typer.Option(help="File for the container's termination message.")
    ] = Path("/dev/termination-log"),
) -> None:
    """Bring a collector's files to the application of a pod, or attach it. Run by pods."""
    for number in sidecar.ENDING:  # as process 1 it would ignore them
        signal.signal(number, _end)
    try:
        measuring = sidecar.prepare(name, Where(workspace, delivered, toolchains, assigned))
    except (OSError, ValueError) as error:
        with suppress(OSError):
            last_words.write_text(cut(str(error)), encoding="utf-8")
        console.fail(str(error), Exit.USAGE if isinstance(error, ValueError) else Exit.JOB_FAILED)
    sidecar.measure(measuring)
    sidecar.wait_to_be_ended()


def _end(*_: object) -> None:
    raise SystemExit(0)
