"""`profjob compare A B`: what changed between two jobs, in numbers and in a picture."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from profiling_operator import quantities
from profiling_operator.cli import cluster, console, fetch, places, stored
from profiling_operator.cli.cluster import Form, Where
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.report import show_page
from profiling_operator.cli.stored import Access, Tell
from profiling_operator.report import alike, compared, differences, results, words
from profiling_operator.report.compared import Comparison
from profiling_operator.report.differences import SIGNS, Change, Side
from profiling_operator.report.differential import Scale
from profiling_operator.report.results import Results

SHOWN = 30
TITLES = ("MEASURE", "BEFORE", "AFTER", "CHANGE", "VERDICT")
TITLES_WIDE = (
    "MEASURE", "BEFORE", "INTERVAL", "AFTER", "INTERVAL", "RUNS", "CHANGE", "BAND", "VERDICT",
)  # fmt: skip
FORMS = (Form.TEXT, Form.WIDE, Form.JSON, Form.YAML)


def percentage(text: str) -> float:
    """`5%` as 0.05. Raises BadParameter."""
    try:
        return float(quantities.parse_percentage(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: must be a percentage, as in 5%") from error


def compare(
    before: Annotated[
        str, typer.Argument(metavar="A", help="The job to compare with: NAME or FOLDER.")
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="The job that is compared with it.")],
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure", metavar="GLOB",
            help="These alone, as in 'timer:*/inclusive': of fewer, more can be said for sure.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Lines of the table; 0: all.")] = SHOWN,
    fail_above: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", parser=percentage,
            help="Exit code 1 when a time grew by more than that, and by more than noise.",
        ),
    ] = None,
    across: Annotated[
        bool, typer.Option("--across", help="Although device, program or collectors differ.")
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help="Write compare.html and report.css into it."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--open", help="Serve the page on 127.0.0.1 and open a browser.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port for --open; 0: any that is free.")
    ] = 0,
    scale: Annotated[
        Scale, typer.Option(help="The flame graph: times of one run, or shares of the total.")
    ] = Scale.RUN,
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:  # fmt: skip
    """Compare two jobs: what became slower, what faster, and whether that is more than noise.

    Jobs of different devices, drivers, processors, programs or collectors are refused (exit code
    2), unless --across is given.
    """
    if output not in FORMS:
        raise typer.BadParameter(f"-o {output}: must be one of {', '.join(FORMS)}")
    if show and directory is None:
        raise typer.BadParameter("--open needs --directory, where the page is written")
    tell = console.teller(console.stderr(quiet))
    reach = Reach(
        Where(namespace, context, kubeconfig), Access(results_url, token, token_file), tell
    )
    with _results(before, reach) as first, _results(after, reach) as second:
        found = compared.compare(first, second, measure or ["*"])
        _require_alike(found, tell, across=across)
        page = _write(found, directory, scale) if directory else None
    if not found.changes:
        names = f"no measure is {', '.join(measure)}" if measure else "nothing was measured"
        console.fail(f"{before}, {after}: {names}", Exit.USAGE if measure else Exit.NOT_USABLE)
    _print(found, limit, output, tell)
    if page:
        (tell if output in {Form.JSON, Form.YAML} else typer.echo)(str(page))
    if page and show:
        show_page(page, port, quiet)
    if fail_above is not None:
        _require_no_slower(found.changes, fail_above, tell)


@dataclass(frozen=True)
class Reach:
    """How a cluster's jobs are reached."""

    where: Where
    access: Access
    tell: Tell


@contextmanager
def _results(text: str, reach: Reach) -> Iterator[Results]:
    """The results of a job; those of a cluster are fetched into a folder that is removed."""
    place = places.place(text)
    with tempfile.TemporaryDirectory(prefix="profjob-compare-") as scratch:
        if isinstance(place, places.Job):
            folder = Path(scratch) / place.name
            fetch.bring_small(place.name, reach.where, reach.access, folder, reach.tell)
        else:
            folder = place.path
        yield _read(folder, text)


def _read(folder: Path, text: str) -> Results:
    if not (folder / results.SUMMARY_FILE).is_file():
        console.fail(f"{text}: has no {results.SUMMARY_FILE}: is no result folder", Exit.USAGE)
    try:
        found = results.read(folder)
    except OSError as error:
        console.fail(f"{error.filename or folder}: {error.strerror}", Exit.USAGE)
    if found.problems:
        console.fail("\n".join(f"{text}: {one}" for one in found.problems), Exit.USAGE)
    return found


def _require_alike(found: Comparison, tell: Tell, *, across: bool) -> None:
    """Never compared in silence: say what differs, and leave unless that is wanted."""
    for one in alike.doubts(found.facts):
        tell(f"to be known: {one}")
    against = alike.obstacles(found.facts)
    if against and not across:
        told = "\n".join(f"not alike: {one}" for one in against)
        console.fail(f"{told}\n--across compares them nevertheless", Exit.USAGE)
    for one in against:
        tell(f"WARNING: not alike: {one}")


def _write(found: Comparison, directory: Path, scale: Scale) -> Path:
    try:
        return compared.write(directory, found, scale)
    except OSError as error:
        console.fail(f"{error.filename or directory}: {error.strerror}", Exit.USAGE)


def _print(found: Comparison, limit: int, output: Form, tell: Tell) -> None:
    """The table, or all of it for programs."""
    if output in {Form.JSON, Form.YAML}:
        console.print_data(_as_json(found), output.value)
        return
    shown = found.changes[: limit or None]
    rows = map(_row_wide if output is Form.WIDE else _row, shown)
    titles = TITLES_WIDE if output is Form.WIDE else TITLES
    cluster.print_table(console.stdout(), titles, rows)
    counts = ", ".join(f"{count} {one}" for one, count in differences.counted(found.changes))
    tell(f"{len(found.changes)} measures: {counts}")
    if len(shown) < len(found.changes):
        tell(f"{len(found.changes) - len(shown)} more are not shown: --limit 0 shows all")


def _row(one: Change) -> Sequence[str]:
    return (one.measure, _told(one.before), _told(one.after), one.told, _verdict(one))


def _told(side: Side | None) -> str:
    return side.told if side else ""


def _row_wide(one: Change) -> Sequence[str]:
    def amounts(pair: tuple[float, float] | None) -> str:
        return " … ".join(words.amount(each, one.unit) for each in pair) if pair else ""

    def of_side(side: Side | None) -> tuple[str, str]:
        return (side.shown, amounts(side.interval)) if side else ("", "")

    runs = "/".join(str(len(side.values)) if side else "0" for side in (one.before, one.after))
    both = (*of_side(one.before), *of_side(one.after))
    return (one.measure, *both, runs, one.told, amounts(one.band), _verdict(one))


def _verdict(one: Change) -> str:
    told = f"{SIGNS[one.verdict]} {one.verdict}"
    return f"{told}: {one.why}" if one.why else told


def _as_json(found: Comparison) -> dict[str, Any]:
    return {
        "before": found.before.job,
        "after": found.after.job,
        "alike": not alike.obstacles(found.facts),
        "facts": [
            {"what": one.title, "before": one.before, "after": one.after, "differs": one.differs}
            for one in found.facts
        ],
        "changes": [one.as_json() for one in found.changes],
    }


def _require_no_slower(changes: Sequence[Change], limit: float, tell: Tell) -> None:
    """Leave with exit code 1 when something became slower; what cannot be told is said."""
    untold = sum(one.may_be_slower_by(limit) for one in changes)
    if untold:
        tell(f"too few repetitions to tell whether {untold} times grew by more than that")
    slower = [one for one in changes if one.is_slower_by(limit)]
    if slower:
        lines = (
            cluster.plain(f"{one.measure}: {one.told}, above +{limit * 100:g} % and noise")
            for one in slower
        )
        console.fail("\n".join(lines), Exit.GATE_FAILED)
