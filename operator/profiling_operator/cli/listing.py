"""`profjob list`: the jobs of a namespace, in the columns that `kubectl get` shows, or result
folders of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from profiling_operator import crd
from profiling_operator.cli import cluster, console, folders
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.folders import Found

# One step of a column's path: .name, [*], [-1:], [?(@.type=="Finished")]
STEP = re.compile(r'\.(\w+)|\[(\*)\]|\[(-?\d+):\]|\[\?\(@\.(\w+)=="(\w+)"\)\]')


FOLDER_TITLES = ("NAME", "PHASE", "HEADLINE", "AGE", "FOLDER")
LOST = "Lost"  # who filled the folder was killed


def listing(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="List the result folders in these instead."),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="The jobs of all namespaces.")
    ] = False,
    selector: Annotated[
        str, typer.Option("--selector", "-l", help="Only jobs with these labels, as in team=a.")
    ] = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """List jobs, in the columns that `kubectl get profilingjobs` shows, or result folders."""
    if directories:
        _list_folders(directories, output, quiet=quiet)
        return
    found = cluster.ask(
        Where(namespace, context, kubeconfig), lambda asked: asked.jobs(selector, all_namespaces)
    )
    if output in {Form.JSON, Form.YAML, Form.NAME}:
        _print_for_programs(found, output)
    elif found:
        _print(found, all_namespaces, wide=output is Form.WIDE)
    else:
        console.stderr(quiet).print("no jobs")


def _print_for_programs(found: list[Body], output: Form) -> None:
    if output is not Form.NAME:
        console.print_data({"apiVersion": "v1", "kind": "List", "items": found}, output.value)
        return
    for body in found:
        cluster.print_job(body, output)


def _list_folders(directories: list[Path], output: Form, *, quiet: bool) -> None:
    missing = [one for one in directories if not one.is_dir()]
    if missing:
        console.fail(f"{missing[0]}: there is no such folder", Exit.USAGE)
    found = [one for directory in directories for one in folders.below(directory)]
    if output in {Form.JSON, Form.YAML}:
        _print_for_programs([one.body for one in found], output)
    elif output is Form.NAME:
        for one in found:
            typer.echo(one.folder)
    elif found:
        cluster.print_table(console.stdout(), FOLDER_TITLES, map(_folder_row, found))
    else:
        console.stderr(quiet).print("no results")


def _folder_row(found: Found) -> tuple[str, str, str, str, str]:
    status = cluster.status_of(found.body)
    phase = LOST if found.is_lost else status.phase.value
    age = cluster.age(status.completion_time or status.start_time)
    return found.body["metadata"]["name"], phase, status.headline, age, str(found.folder)


def _print(found: list[Body], everywhere: bool, *, wide: bool) -> None:
    columns = [(name, kind, path) for name, kind, path, priority in crd.COLUMNS
               if wide or not priority]  # fmt: skip
    first = ["namespace", "name"] if everywhere else ["name"]
    titles = [*(name.upper() for name in first), *(name.upper() for name, _, _ in columns)]
    rows = (
        [*(body["metadata"][name] for name in first),
         *(cell(body, kind, path) for _, kind, path in columns)]
        for body in found
    )  # fmt: skip
    cluster.print_table(console.stdout(), titles, rows)


def cell(body: Body, kind: str, path: str) -> str:
    """What a column of the CRD shows of a job."""
    said = [str(one) for one in values(body, path)]
    if kind == "date":
        said = [cluster.age(one) for one in said]
    return cluster.plain(",".join(said)) or cluster.NOTHING


def values(body: Body, path: str) -> list[Any]:
    """What a JSONPath of the CRD's columns finds. Raises ValueError for another kind of path."""
    found: list[Any] = [body]
    at = 0
    while at < len(path):
        step = STEP.match(path, at)
        if step is None:
            raise ValueError(f"{path[at:]!r} of {path!r} is no step of a column's path")
        found = [inner for one in found for inner in _step(one, step)]
        at = step.end()
    return found


def _step(value: Any, step: re.Match[str]) -> list[Any]:
    name, everything, first, key, wanted = step.groups()
    if name:
        inner = value.get(name) if isinstance(value, dict) else None
        return [] if inner is None else [inner]
    listed = value if isinstance(value, list) else []
    if everything:
        return listed
    if first:
        return listed[int(first) :]
    return [one for one in listed if isinstance(one, dict) and one.get(key) == wanted]
