"""`profjob run`: a job from start to end, where no operator is."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from profiling_operator import attempt, metrics, plan, settings, spec, store, traces
from profiling_operator.cli import console, exits, kept
from profiling_operator.cli.printing import print_result
from profiling_operator.cli.progress import Progress
from profiling_operator.cli.telling import Telling
from profiling_operator.errors import Problem, SpecError
from profiling_operator.status import Status

DEFAULT_RESULTS = Path("profiling_output")


class Form(StrEnum):
    """Forms of output."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


JobFile = Annotated[str, typer.Argument(metavar="JOB.YAML", help="The job; `-` for stdin.")]


def run(
    file: JobFile,
    changes: console.Changes = None,
    executor: Annotated[
        str, typer.Option("--executor", "-e", help="Where it runs: see `profjob doctor`.")
    ] = "process",
    results: Annotated[
        Path, typer.Option("--results", "-d", help="The result folder; replaced as a whole.")
    ] = DEFAULT_RESULTS,
    output: Annotated[Form, typer.Option("--output", "-o", help="What stdout gets.")] = Form.TEXT,
    metrics_textfile: Annotated[
        Path | None,
        typer.Option(help="Write Prometheus metrics for node_exporter to this file (.prom)."),
    ] = None,
    restart: Annotated[
        bool, typer.Option(help="Do not go on with an attempt that an earlier `run` left behind.")
    ] = False,
    raw: Annotated[
        bool | None, typer.Option("--raw/--no-raw", help="Overrides output.raw of the job.")
    ] = None,
    baselines: Annotated[
        str,
        typer.Option(
            "--baselines",
            metavar="URL",
            help="Where baselines are kept: a folder or a store; default: that of the settings.",
        ),
    ] = "",
    accept_baseline: Annotated[
        str,
        typer.Option(
            "--accept-baseline",
            metavar="NAME",
            help="Add the job to this baseline if it ends well and no gate fails.",
        ),
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the application's output on stderr.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Run a job and leave its result folder.

    Ctrl-C cancels it, keeps what was measured and leaves no process behind.
    """
    job = _completed(console.read_job(file, changes or ()), file, results, raw)
    stderr = console.stderr(quiet)
    with console.reporting():
        job = kept.with_wish(job, accept_baseline)
    cancel = _cancelled_by_signals(stderr)
    with (
        console.reporting(), _alone(job), Telling(job, results, executor) as told,
        Progress(stderr, job) as progress,
    ):  # fmt: skip
        known = settings.load()
        place = kept.place_for(job, baselines, known)
        given = attempt.Given(
            job=job,
            folder=folder_of(file),
            executor=plan.named("executors", executor, "--executor"),
            store=store.FileStore(results),
            settings=known,
            tell=lambda status: _tell_all((told, progress), status),
            cancel=cancel,
            output=sys.stderr.fileno() if follow else None,
            snapshots=kept.Snapshots(place, stderr),
        )
        _leftovers(given, restart, stderr)
        status = attempt.run_job(given)
        not_kept = kept.honour(job, status, results, place, stderr)
    _finish(job, status, metrics_textfile)
    print_result(job, status, output.value, results)
    if not_kept:
        console.fail(not_kept, exits.Exit.PLATFORM_UNREACHABLE)
    raise typer.Exit(exits.of(status))


def _completed(
    job: spec.ProfilingJob, file: str, results: Path, raw: bool | None
) -> spec.ProfilingJob:
    """The job with a uid, which an API server would have given it.

    The same file run again on the same machine into the same folder is the same job, so that a
    killed `profjob run` can be taken up again. Containers that use one engine are machines of
    their own: in each of them, folders have the same names.
    """
    if raw is not None:
        wanted = job.spec.model_copy(
            update={"output": job.spec.output.model_copy(update={"raw": raw})}
        )
        job = job.model_copy(update={"spec": wanted})
    job = _traced(job)
    if job.metadata.uid:
        return job
    place = (platform.node(), folder_of(file), str(results.absolute()))
    what = (job.spec.model_dump_json(), job.key, *place)
    uid = hashlib.sha256("\0".join(what).encode()).hexdigest()[:32]
    return job.model_copy(update={"metadata": job.metadata.model_copy(update={"uid": uid})})


def _traced(job: spec.ProfilingJob) -> spec.ProfilingJob:
    """The job with the trace of this process's environment, unless it names one itself."""
    annotations = {**traces.annotations_of(os.environ), **job.metadata.annotations}
    metadata = job.metadata.model_copy(update={"annotations": annotations})
    return job.model_copy(update={"metadata": metadata})


def _tell_all(listeners: Sequence[attempt.Tell], status: Status) -> None:
    for tell in listeners:
        tell(status)


@contextmanager
def _alone(job: spec.ProfilingJob) -> Iterator[None]:
    """Only one `profjob` drives a job; two would collect and remove the same attempt.

    A name of the abstract socket namespace (unix(7)) is gone with the process that holds it,
    however that ends, and leaves no file. Raises SpecError when it is taken.
    """
    with socket.socket(socket.AF_UNIX) as held:
        try:
            held.bind(f"\0profjob-{os.geteuid()}-{job.metadata.uid[:64]}")
        except OSError as error:
            message = "another profjob is running this very job into this very folder"
            raise SpecError([Problem(job.key, message)]) from error
        yield


def folder_of(file: str) -> str:
    """The folder of the job's file: what its relative paths are relative to."""
    return str(Path.cwd() if file == console.STDIN else Path(file).absolute().parent)


def _leftovers(given: attempt.Given, restart: bool, stderr: Console) -> None:
    """Say that an attempt is gone on with, or end it when it is not wanted."""
    for name in attempt.left_behind(given):
        if restart:
            given.executor.remove(name)
            stderr.print(f"removed attempt {name}, which an earlier run left behind")
        else:
            stderr.print(
                f"going on with attempt {name}, which an earlier run left behind "
                "(--restart starts anew)"
            )


def _cancelled_by_signals(stderr: Console) -> attempt.Cancel:
    """Requested by the first INT, TERM or HUP; a second INT ends at once."""
    cancel = attempt.Cancel()

    def handle(number: int, frame: FrameType | None) -> None:
        if cancel.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stderr.print("cancelling: the profile so far is kept; again to end at once")
        cancel.request()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)
    return cancel


def _finish(job: spec.ProfilingJob, status: Status, textfile: Path | None) -> None:
    if textfile is None:
        return
    try:
        metrics.write_textfile(textfile, job, status)
    except OSError as error:
        console.fail(f"--metrics-textfile: {textfile}: {error.strerror}", exits.Exit.USAGE)
