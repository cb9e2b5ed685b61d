"""What people see: progress and errors on stderr, data on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml
from rich.console import Console

from profiling_operator import spec
from profiling_operator.cli.exits import Exit, of_reason
from profiling_operator.errors import ProfilingError, SpecError
from profiling_operator.status import CollectorOutcome, RunStatus

STDIN = "-"

Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE",
        help="Change the job, as in spec.repetitions=5; VALUE is YAML. May be repeated.",
    ),
]  # fmt: skip


def stderr(quiet: bool = False) -> Console:
    """Progress: with colours on a terminal, plain lines elsewhere; NO_COLOR is obeyed."""
    return Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)


def teller(err: Console) -> Callable[[str], None]:
    """Prints lines as they are, whatever brackets are in them."""
    return partial(err.print, markup=False)


def stdout() -> Console:
    """Data for people."""
    return Console(highlight=False, soft_wrap=True)


def fail(message: str, code: Exit) -> NoReturn:
    """Say what is wrong and leave."""
    for line in message.splitlines():
        typer.echo(f"profjob: {line}", err=True)
    raise typer.Exit(code)


@contextmanager
def reporting() -> Iterator[None]:
    """Turn our errors into a message and an exit code; others are bugs and keep their traceback."""
    try:
        yield
    except SpecError as error:
        fail(str(error), Exit.USAGE)
    except ProfilingError as error:
        fail(f"{error.reason}: {error}", of_reason(error.reason))


def read_job(file: str, changes: Sequence[str] = ()) -> spec.ProfilingJob:
    """The job in a file, changed as `--set` says. Leaves with exit code 2 when it is bad."""
    with explaining(file):
        return spec.read_body(spec.with_name(read_body(file, changes)))


def read_body(file: str, changes: Sequence[str] = ()) -> Any:
    """What a file says, or standard input for `-`, changed. Raises SpecError, or leaves."""
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or error}", Exit.USAGE)
    return spec.changed(spec.one_body(text), changes)


@contextmanager
def explaining(file: str) -> Iterator[None]:
    """Turn what is wrong with a job into messages that name its file, and exit code 2."""
    try:
        yield
    except SpecError as error:
        fail("\n".join(f"{file}: {problem}" for problem in error.problems), Exit.USAGE)


def print_data(body: Any, form: str) -> None:
    """Data for programs, as JSON or YAML."""
    if form == "yaml":
        typer.echo(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), nl=False)
    else:
        typer.echo(json.dumps(body, indent=2, ensure_ascii=False))


def ended(run: RunStatus) -> str:
    """How the application ended in a run, in a line."""
    app = run.app
    ending = f"exit code {app.exit_code}" if app.signal is None else f"signal {app.signal}"
    kind = "warm-up" if run.warmup else "run"
    return f"{kind} {run.index}  {app.reason}, {ending}"


def brought(one: CollectorOutcome) -> str:
    """What a collector brought in a run, in a line below it."""
    verdict = "usable" if one.usable else f"not usable: {one.reason}: {one.message}"
    return f"  {one.name}  {one.entries} entries, {verdict}"
