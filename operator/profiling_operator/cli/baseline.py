"""`profjob baseline`: which jobs later ones are compared with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from profiling_operator import baselines, keeping, stores
from profiling_operator.baselines import Accepted, Baseline, Window
from profiling_operator.cli import candidates, cluster, console, kept, stored
from profiling_operator.cli.candidates import Asked, Series
from profiling_operator.cli.cluster import Form, Where
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.stored import Access
from profiling_operator.report import words
from profiling_operator.stores import ResultStore

PATIENCE_SECONDS = 60.0
MEASURES_SHOWN, MEASURES_WIDE = 2, 6
DEFAULT_NAME = "main"

baseline = typer.Typer(
    name="baseline",
    help="Say which jobs later ones are compared with, and look at them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _name(text: str) -> str:
    """A baseline's name. Raises BadParameter."""
    if why := baselines.name_problem(text):
        raise typer.BadParameter(why)
    return text


As = Annotated[str, typer.Option("--as", metavar="NAME", parser=_name, help="The baseline's name.")]
Local = Annotated[
    bool, typer.Option("--local", help="Those of `profjob run` on this machine, not a cluster's.")
]
Baselines = Annotated[
    str,
    typer.Option(
        "--baselines", metavar="URL",
        help="Where those of `profjob run` are kept: a folder or a store; default: the settings'.",
    ),
]  # fmt: skip
StoreName = Annotated[
    str, typer.Option("--store", help="The cluster's store, as jobs name it in output.store.")
]
SeriesName = Annotated[str, typer.Argument(metavar="SERIES", help="The series.")]


@baseline.command()
def accept(
    jobs: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FOLDER...", help="Jobs of a cluster, or folders of `profjob run`."
        ),
    ],
    name: As = DEFAULT_NAME,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew", help="Begin anew with these: a gate may have failed, the change is wanted."
        ),
    ] = False,
    place: Baselines = "",
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    quiet: cluster.Quiet = False,
) -> None:
    """Add finished jobs to a baseline of their series, in this order; all of them or none.

    A job that failed, whose profile is not usable or of which a gate failed is refused, with the
    exit code that `profjob wait` has for it.
    """
    where, access = Where(namespace, context, kubeconfig), Access(results_url, token, token_file)
    asked = Asked(where, access, place, console.teller(console.stderr(quiet)))
    with candidates.reporting():
        found = [candidates.find(job, asked, anew=anew) for job in jobs]
        begun: set[tuple[str, str]] = set()  # what has begun anew, once is enough
        for one, (place_of, candidate) in zip(jobs, found, strict=True):
            series = (candidate.namespace, candidate.series)
            is_first = anew and series not in begun
            window = kept.accept(place_of, candidate, name, asked.tell, anew=is_first)
            begun.add(series)
            typer.echo(f"{one}: {'/'.join(series)}: {kept.told(window, name)}")


@baseline.command()
def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="SERIES|JOB|FOLDER", help="The series, or a job or result folder of it."
        ),
    ],
    name: As = DEFAULT_NAME,
    local: Local = False,
    place: Baselines = "",
    store: StoreName = "default",
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """Show the jobs of a baseline, window by window: only jobs of one window are compared."""
    where, access = Where(namespace, context, kubeconfig), Access(results_url, token, token_file)
    asked = Asked(where, access, place, console.teller(console.stderr(quiet)))
    with candidates.reporting():
        series = candidates.series(what, asked, store, local=local or bool(place))
        found = _read(series, name, asked)
    if found is None:
        message = f"{series.namespace}/{series.name}: nothing is accepted as {name} yet"
        console.fail(f"{message}; profjob baseline accept does that", Exit.USAGE)
    if output is Form.NAME:
        typer.echo(baselines.document_name(found.namespace, found.series, found.name))
    elif output in {Form.JSON, Form.YAML}:
        console.print_data(found.model_dump(mode="json"), output.value)
    else:
        _print(found, MEASURES_WIDE if output is Form.WIDE else MEASURES_SHOWN)


@baseline.command()
def reset(
    series_name: SeriesName,
    name: As = DEFAULT_NAME,
    device: Annotated[
        str, typer.Option("--device", help="Only the jobs of this device, as `show` names it.")
    ] = "",
    local: Local = False,
    place: Baselines = "",
    store: StoreName = "default",
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    quiet: cluster.Quiet = False,
) -> None:
    """Forget a baseline, or its jobs of one device: gates on it are skipped from then on."""
    where, access = Where(namespace, context, kubeconfig), Access(results_url, token, token_file)
    asked = Asked(where, access, place, console.teller(console.stderr(quiet)))
    with candidates.reporting():
        series = candidates.named_series(series_name, asked, store, local=local or bool(place))
        whole = baselines.document_name(series.namespace, series.name, name)
        deadline = time.monotonic() + PATIENCE_SECONDS
        if device:
            _forget_device(series.store, whole, device, deadline, asked)
        elif not stores.insist(lambda: series.store.drop_document(whole), deadline, asked.tell):
            console.fail(f"{whole}: there is no such baseline", Exit.USAGE)
    typer.echo(f"{whole}{f' of {device}' if device else ''} is forgotten")


@baseline.command("list")
def listing(
    series_name: Annotated[
        str, typer.Argument(metavar="[SERIES]", help="Only those of this series.")
    ] = "",
    local: Local = False,
    place: Baselines = "",
    store: StoreName = "default",
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """List the baselines of a namespace."""
    where, access = Where(namespace, context, kubeconfig), Access(results_url, token, token_file)
    asked = Asked(where, access, place, console.teller(console.stderr(quiet)))
    with candidates.reporting():
        series = candidates.named_series(series_name, asked, store, local=local or bool(place))
        deadline = time.monotonic() + PATIENCE_SECONDS
        listed = stores.insist(
            lambda: series.store.documents(series.namespace, series.name), deadline, asked.tell
        )
        if output is Form.NAME:
            typer.echo("\n".join(listed), nl=bool(listed))
            return
        found = [one for one in (_document(series.store, each, asked) for each in listed) if one]
    if output in {Form.JSON, Form.YAML}:
        console.print_data([one.model_dump(mode="json") for one in found], output.value)
    elif found:
        rows = ((one.series, one.name, _devices(one), _count(one), _newest(one)) for one in found)
        titles = ("SERIES", "BASELINE", "DEVICES", "JOBS", "LAST ACCEPTED")
        cluster.print_table(console.stdout(), titles, rows)
    else:
        asked.tell(f"no baselines in {series.namespace}")


def _read(series: Series, name: str, asked: Asked) -> Baseline | None:
    whole = baselines.document_name(series.namespace, series.name, name)
    return _document(series.store, whole, asked)


def _document(place: ResultStore, whole: str, asked: Asked) -> Baseline | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    return stores.insist(lambda: keeping.read(place, whole), deadline, asked.tell)


def _forget_device(
    place: ResultStore, whole: str, device: str, deadline: float, asked: Asked
) -> None:
    """Take the windows of a device out of a baseline. Leaves with exit code 2 without any."""
    devices: list[str] = []

    def change(text: bytes | None) -> bytes | None:
        before = keeping.read_text(text, whole) if text else None
        windows = before.windows if before else ()
        devices[:] = [one.device for one in windows]
        kept_windows = tuple(one for one in windows if one.device != device)
        if before is None or device not in devices:
            return None
        return baselines.write(before.model_copy(update={"windows": kept_windows}))

    stores.change_document(place, whole, change, deadline, asked.tell)
    if device not in devices:
        there = ", ".join(dict.fromkeys(devices)) or "there is no such baseline"
        console.fail(f'{whole}: "{device}" must be one of its devices: {there}', Exit.USAGE)


def _print(found: Baseline, most: int) -> None:
    out = console.stdout()
    for window in found.windows:
        alike = window.identity
        said = [
            ("baseline", f"{found.name} of {found.namespace}/{found.series}"),
            ("device", window.device or "unknown"), ("collectors", alike.collectors),
            ("image", alike.image or "none"), ("command", alike.command),
        ]  # fmt: skip
        for title, value in said:
            out.print(f"{title:<11} {cluster.plain(value)}", markup=False)
        cluster.print_table(out, *_table(window, most))
        out.print()


def _table(window: Window, most: int) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Titles and rows: the medians of those measures that the newest jobs tell first."""
    first = dict.fromkeys(name for job in window.jobs for name in list(job.measures)[:most])
    measures = list(first)[:most]
    titles = ("JOB", "ACCEPTED", "DRIVER", *map(cluster.plain, measures))
    return titles, (_row(job, measures) for job in window.jobs)


def _row(job: Accepted, measures: Sequence[str]) -> Sequence[str]:
    medians = (_median(job, name) for name in measures)
    return (job.job, cluster.age(job.accepted_at), job.machine.driver, *medians)


def _median(job: Accepted, name: str) -> str:
    one = job.measures.get(name)
    return words.amount(statistics.median(one.values), one.unit) if one and one.values else ""


def _devices(one: Baseline) -> str:
    return ", ".join(dict.fromkeys(window.device or "unknown" for window in one.windows))


def _count(one: Baseline) -> int:
    return sum(len(window.jobs) for window in one.windows)


def _newest(one: Baseline) -> str:
    times = [job.accepted_at for window in one.windows for job in window.jobs]
    return cluster.age(max(times, default=""))
