"""The command line as a whole. Each command is in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from profiling_operator import __version__
from profiling_operator.cli import collectors, convert, crd, doctor, render, run

app = typer.Typer(
    name="profjob",
    help="Profile an application on Kubernetes, a Docker host or this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Profile an application on Kubernetes, a Docker host or this machine."""


app.command("run")(run.run)
app.command("convert")(convert.convert)
app.command("render")(render.render)
app.command("collectors")(collectors.collectors)
app.command("doctor")(doctor.doctor)
app.command("crd")(crd.crd)
