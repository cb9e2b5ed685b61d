"""Where a job is that a command is asked about: on a cluster, or in a folder of `profjob run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from profiling_operator import store
from profiling_operator.cli import cluster

Named = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FOLDER",
        help="The job: of a cluster, or the folder that `profjob run` fills (with a / or a _).",
    ),
]


@dataclass(frozen=True)
class Job:
    """A job of a cluster."""

    name: str


@dataclass(frozen=True)
class Folder:
    """A result folder of this machine, there or not yet."""

    path: Path


def place(text: str) -> Job | Folder:
    """`pj/NAME` and what could be a job's name is a job; everything else is a path.

    `nbody-12` is a job; `profiling_output`, `.`, `./nbody-12` and `/tmp/nbody-12` are folders.
    What is there decides nothing, so that a word means the same on every machine.
    Raises BadParameter for `pj/` before what no job could be named.
    """
    kind, slash, _ = text.rpartition("/")
    if (slash and kind in cluster.KINDS) or cluster.DNS_NAME.fullmatch(text):
        _hint(text)
        return Job(cluster.job_name(text))
    return Folder(Path(text))


def _hint(text: str) -> None:
    """Say how a result folder is meant that is named like a job."""
    if (Path(text) / store.STATUS_FILE).is_file():
        typer.echo(f"profjob: {text}: the job of that name; ./{text} is the folder", err=True)
