"""`profjob results-server`: takes result folders and gives them."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiling_operator import quantities
from profiling_operator.cli import console
from profiling_operator.cli.exits import Exit

if TYPE_CHECKING:
    from profiling_operator.results_server import server


def results_server(
    root: Annotated[Path, typer.Option(help="Folder that holds all results.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "0.0.0.0",  # noqa: S104
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8080,
    tls_cert: Annotated[
        str, typer.Option(help="Certificate and chain in PEM; without it, plain HTTP.")
    ] = "",
    tls_key: Annotated[str, typer.Option(help="Its key in PEM.")] = "",
    keep: Annotated[
        str, typer.Option(help="How long finished results are kept, as in 30d; 0s: for ever.")
    ] = "0s",
    keep_bytes: Annotated[
        str, typer.Option(help="Most bytes of all results, as in 50Gi; the oldest go. 0: no limit.")
    ] = "0",
    keep_unfinished: Annotated[
        str, typer.Option(help="How long uploads may rest before they are removed.")
    ] = "1d",
    file_bytes: Annotated[str, typer.Option(help="Most bytes of a file.")] = "16Gi",
    attempt_bytes: Annotated[str, typer.Option(help="Most bytes of an attempt.")] = "64Gi",
    attempt_files: Annotated[int, typer.Option(min=1, help="Most files of an attempt.")] = 20_000,
    sweep: Annotated[str, typer.Option(help="Time between two looks at what to remove.")] = "5m",
    silence: Annotated[
        str, typer.Option(help="Longest time in which a client sends and takes nothing.")
    ] = "30s",
    grace: Annotated[str, typer.Option(help="Time for requests to end after TERM.")] = "25s",
    context: Annotated[str, typer.Option(help="Context of the kubeconfig.")] = "",
    kubeconfig: Annotated[str, typer.Option(help="Default: $KUBECONFIG, or this pod.")] = "",
) -> None:
    """Take results from uploaders and give them to people, until TERM.

    Who may send and who may have them is asked of the API server.
    """
    # They take a while to import, and no other command needs them.
    from profiling_operator.results_server import quotas, retention, server

    serving = server.Serving(
        root=root, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key,
        limits=quotas.Limits(
            _bytes("--file-bytes", file_bytes), _bytes("--attempt-bytes", attempt_bytes),
            attempt_files,
        ),
        rules=retention.Rules(
            _seconds("--keep", keep), _bytes("--keep-bytes", keep_bytes),
            _seconds("--keep-unfinished", keep_unfinished),
        ),
        sweep_seconds=max(1.0, _seconds("--sweep", sweep)),
        silence_seconds=max(1.0, _seconds("--silence", silence)),
        grace_seconds=_seconds("--grace", grace),
    )  # fmt: skip
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        with console.reporting():
            asyncio.run(_serve(serving, context, kubeconfig))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        console.fail(f"{what}{error.strerror or error}", Exit.USAGE)


async def _serve(serving: server.Serving, context: str, kubeconfig: str) -> None:
    from profiling_operator import api
    from profiling_operator.results_server import reviews, server

    async with api.connect(context=context, kubeconfig=kubeconfig) as opened:
        await server.serve(
            serving,
            reviews.ApiReviews(opened),
            lambda url: typer.echo(f"serving at {url}", err=True),
        )


def _seconds(option: str, text: str) -> float:
    return float(_read(option, text, quantities.parse_duration))


def _bytes(option: str, text: str) -> int:
    return int(_read(option, text, quantities.parse_quantity))


def _read(option: str, text: str, parse: Callable[[str], Decimal]) -> Decimal:
    try:
        return parse(text)
    except ValueError as error:
        console.fail(f"{option} {text!r}: {error}", Exit.USAGE)
