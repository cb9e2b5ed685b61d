"""The command line as a whole. Each command is in a module of its own, imported when it is used:
what starts in every pod should not load what only the operator needs."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from profiling_operator import __version__

COMMANDS = {
    "run": "run",
    "apply": "apply",
    "list": "listing",
    "wait": "wait",
    "describe": "describe",
    "logs": "logs",
    "fetch": "fetch",
    "report": "report",
    "compare": "compare",
    "baseline": "baseline",
    "cancel": "cancel",
    "convert": "convert",
    "render": "render",
    "collectors": "collectors",
    "doctor": "doctor",
    "crd": "crd",
    "operator": "operator",
    "results-server": "results_server",
    "control-plane": "control_plane",
    "upload": "upload",
    "collect": "collect",
}
"""Command to module; the module's function, or its group of commands, is named like the module."""


class Commands(TyperGroup):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which they are told."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None where there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"profiling_operator.cli.{COMMANDS[cmd_name]}")
        command = _command(cmd_name, getattr(module, COMMANDS[cmd_name]))
        command.hidden = cmd_name in {"upload", "collect"}  # run by pods, not by people
        return command


def _command(name: str, wanted: Any) -> Any:
    """A function as a command; a group is one already."""
    if isinstance(wanted, typer.Typer):
        return typer.main.get_group(wanted)
    one = typer.Typer(**SHAPE)
    one.command(name)(wanted)
    return typer.main.get_command(one)


SHAPE: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "add_completion": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(
    name="profjob",
    cls=Commands,
    help="Profile an application on Kubernetes, a Docker host or this machine.",
    no_args_is_help=True,
    **{**SHAPE, "add_completion": True},
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
