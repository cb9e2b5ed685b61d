"""`profjob list`: the jobs of a namespace, in the columns that `kubectl get` shows."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from profiling_operator import crd
from profiling_operator.cli import cluster, console
from profiling_operator.cli.cluster import Body, Form, Where

# One step of a column's path: .name, [*], [-1:], [?(@.type=="Finished")]
STEP = re.compile(r'\.(\w+)|\[(\*)\]|\[(-?\d+):\]|\[\?\(@\.(\w+)=="(\w+)"\)\]')


def listing(
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
    """List jobs, in the columns that `kubectl get profilingjobs` shows."""
    found = cluster.ask(
        Where(namespace, context, kubeconfig), lambda asked: asked.jobs(selector, all_namespaces)
    )
    if output in {Form.JSON, Form.YAML}:
        console.print_data({"apiVersion": "v1", "kind": "List", "items": found}, output.value)
    elif output is Form.NAME:
        for body in found:
            cluster.print_job(body, output)
    elif found:
        _print(found, all_namespaces, wide=output is Form.WIDE)
    else:
        console.stderr(quiet).print("no jobs")


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
