"""`profjob control-plane`: an API server without a cluster. compose.yaml runs these commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from profiling_operator import quantities
from profiling_operator.cli import cluster, console
from profiling_operator.cli.exits import Exit

control_plane = typer.Typer(
    help="Set up an API server without a cluster, as compose.yaml runs it.", no_args_is_help=True
)


@control_plane.command()
def setup(
    folder: Annotated[Path, typer.Argument(help="A folder that is kept; see docs/docker-host.md.")],
    host: Annotated[str, typer.Option(help="The Docker host whose agent runs beside it.")],
    agent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", envvar="PROFJOB_HOSTS",
            help="Another host, whose agent gets a kubeconfig of its own. May be repeated.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PROFJOB_NAMES",
            help="Name or address by which other machines find this one. May be repeated.",
        ),
    ] = None,
    api_port: Annotated[int, typer.Option(help="The API server's port outside.")] = 6443,
    results_port: Annotated[int, typer.Option(help="The results server's port outside.")] = 8443,
    owner: Annotated[
        int | None, typer.Option(help="User id of the services that do not run as root.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="A folder that these services write to. May be repeated."),
    ] = None,
    new_tokens: Annotated[
        bool, typer.Option("--new-tokens", help="Make all tokens anew; old ones end.")
    ] = False,
) -> None:  # fmt: skip
    """Make the keys, certificates, tokens and kubeconfigs that are missing, and renew what ends."""
    from profiling_operator.control_plane import setting_up

    plan = setting_up.Plan(
        folder, _host(host), [_host(one) for one in agent or ()], name or (),
        api_port, results_port, owner, data or (), new_tokens,
    )  # fmt: skip
    try:
        written = setting_up.set_up(plan)
    except OSError as error:
        console.fail(f"{error.filename}: {error.strerror}", Exit.USAGE)
    for one in written:
        typer.echo(f"wrote {one}")
    typer.echo("everything is there" if not written else f"{len(written)} files are new")


@control_plane.command()
def install(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Where the Leases of agents are.")
    ] = "profiling-system",
    timeout: Annotated[str, typer.Option(help="How long the API server may take.")] = "120s",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
) -> None:
    """Install the definition, namespaces, roles and policies; say how to come in."""
    from profiling_operator import api
    from profiling_operator.control_plane import installing

    try:
        seconds = float(quantities.parse_duration(timeout))
    except ValueError as error:
        console.fail(f"--timeout {timeout!r}: {error}", Exit.USAGE)

    async def go() -> None:
        async with api.connect(context=context, kubeconfig=kubeconfig) as door:
            await installing.install(door, namespace, seconds, typer.echo)

    with console.reporting():
        asyncio.run(go())
    typer.echo(f"\n{WELCOME}")


WELCOME = """\
The API server is ready. From the folder of compose.yaml:

kubectl:  docker compose cp install:/access/admin.kubeconfig profjob.kubeconfig && export KUBECONFIG=$PWD/profjob.kubeconfig
Jenkins:  docker compose cp install:/access/jenkins.kubeconfig jenkins.kubeconfig   # a credential of kind 'Secret file'; namespace ci
"""  # noqa: E501 - lines to copy


def _host(name: str) -> str:
    """A host's name, as a part of names. Leaves with exit code 2."""
    if not cluster.DNS_NAME.fullmatch(name):
        console.fail(f"host {name!r}: must be lower-case letters, digits, - and .", Exit.USAGE)
    return name
