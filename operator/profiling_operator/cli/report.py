"""`profjob report`: the page of a job's results, made anew or fetched, and shown."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from profiling_operator import report as pages
from profiling_operator.cli import cluster, console, fetch, places, showing, stored
from profiling_operator.cli.exits import Exit


def report(
    name: places.Named,
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="The folder for results of a cluster's job.")
    ] = fetch.DEFAULT_FOLDER,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Make it again, as for an older version's results."),
    ] = False,
    show: Annotated[
        bool, typer.Option("--open", help="Serve the folder on 127.0.0.1 and open a browser.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port for --open; 0: any that is free.")
    ] = 0,
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    quiet: cluster.Quiet = False,
) -> None:
    """Print where the page of a job's results is: report.html, which needs nothing but a browser.

    Of a folder, the page that is there is taken, and one that is not is made. Of a job of a
    cluster, the results are fetched first, without entries and raw files.
    """
    found = places.place(name)
    if isinstance(found, places.Job):
        where = cluster.Where(namespace, context, kubeconfig)
        access = stored.Access(results_url, token, token_file)
        tell = console.teller(console.stderr(quiet))
        fetch.bring_small(found.name, where, access, directory, tell)
    folder = directory if isinstance(found, places.Job) else found.path
    page = made(folder, anew)
    typer.echo(page)
    if show:
        show_page(page, port, quiet)


def made(folder: Path, anew: bool) -> Path:
    """The page of a result folder. Leaves with exit code 2 where none can be."""
    page = folder / pages.PAGE_FILE
    if not pages.is_of_results(folder):
        files = ", ".join(pages.results.FILES)
        console.fail(f"{folder}: is no result folder: it has none of {files}", Exit.USAGE)
    if anew or not page.is_file() or not (folder / pages.STYLE_FILE).is_file():
        try:
            pages.write(folder)
        except OSError as error:
            console.fail(f"{error.filename or folder}: {error.strerror}", Exit.USAGE)
    return page


def show_page(page: Path, port: int, quiet: bool) -> None:
    """Serve the page until Ctrl-C."""
    try:
        server = showing.Server(page.parent, port)
    except OSError as error:
        console.fail(f"--port {port}: {error.strerror}", Exit.USAGE)
    url = server.url(page.name)
    console.stderr(quiet).print(f"{url} shows it; Ctrl-C ends that", markup=False)
    webbrowser.open(url)
    server.serve_until_interrupted()
