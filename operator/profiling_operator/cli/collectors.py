"""`profjob collectors`: which tools there are."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from profiling_operator import registry, settings, toolchains
from profiling_operator.cli import console
from profiling_operator.collectors import Collector
from profiling_operator.errors import ToolchainError


def collectors(
    output: Annotated[str, typer.Option("--output", "-o", help="text, json or yaml.")] = "text",
) -> None:
    """List the collectors: modes, formats, and whether their toolchain is on this machine."""
    with console.reporting():
        known = settings.load()
    found = [_described(name, known) for name in registry.names("collectors")]
    if output != "text":
        console.print_data(found, output)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("NAME", "MODES", "FORMATS", "TOOLCHAIN"):
        table.add_column(column, overflow="fold")
    for one in found:
        modes, formats = ", ".join(one["modes"]), ", ".join(one["formats"])
        table.add_row(one["name"], modes, formats, one["toolchain"] or "not found")
    console.stdout().print(table)


def _described(name: str, known: settings.Settings) -> dict[str, Any]:
    one: Collector = registry.load("collectors", name)
    try:
        toolchain, missing = str(toolchains.find(name, one.toolchain, known)), ""
    except ToolchainError as error:
        toolchain, missing = "", str(error)
    return {
        "name": name,
        "modes": list(one.modes),
        "formats": list(one.formats),
        "toolchain": toolchain,
        "missing": missing,
    }
