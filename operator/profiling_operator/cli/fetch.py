"""`profjob fetch`: a job's results into a folder, as `profjob run` would have left it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from profiling_operator import store, stores
from profiling_operator.cli import cluster, console, stored
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.stored import Access, Stored
from profiling_operator.cli.wait import Timeout, Waiting
from profiling_operator.errors import StoreError
from profiling_operator.status import ResultFile

DEFAULT_FOLDER = Path("profiling_output")
PATIENCE_SECONDS = 300  # for a store that is restarted, beside the time that a file takes
UNFINISHED = ".profjob-*.part"
SLOWEST = 1_000_000  # bytes a second
GROUPS: dict[str, tuple[str, ...]] = {
    "summary": ("summary.json",),
    "report": ("report.json", "report.html", "report.css"),
    "entries": ("entries.jsonl.gz",),
    "metadata": ("metadata.json",),
    "stacks": ("folded.txt", "speedscope.json", "trace.json"),
    "junit": ("junit.xml",),
    "logs": ("run-*/app.log",),
    "raw": ("raw/*",),
}


def wanted(text: str) -> str:
    """Names of groups, paths and patterns with commas between. Raises BadParameter."""
    for word in text.split(","):
        if word not in GROUPS and not set("./*?[") & set(word):
            allowed = ", ".join(GROUPS)
            message = f"{word!r}: must be one of {allowed}, or a path or pattern as in run-0/*"
            raise typer.BadParameter(message)
    return text


def fetch(
    name: cluster.JobName,
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="The folder; earlier results are replaced.")
    ] = DEFAULT_FOLDER,
    only: Annotated[
        str,
        typer.Option(
            metavar="WORD,...",
            parser=wanted,
            help=f"Only these: {', '.join(GROUPS)}, or paths and patterns.",
        ),
    ] = "*",
    wait: Annotated[bool, typer.Option("--wait", help="Until the job has finished.")] = False,
    timeout: Timeout = None,
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """Fetch a finished job's results and print the folder. Checksums are verified.

    Run again after an interruption, it goes on where it was. Exit code 0 says that everything is
    there, whatever became of the job: `profjob wait` tells that.
    """  # fmt: skip
    stderr = console.stderr(quiet)
    access = Access(results_url, token, token_file)
    waiting = Waiting(name, stderr, timeout=timeout)

    def tell(line: str) -> None:
        stderr.print(line, markup=False)

    async def asked_for(asked: Conversation) -> tuple[Body, str]:
        body = await (waiting.through(asked) if wait else asked.job(name))
        return body, "" if access.has_token else await asked.token()

    body, own_token = cluster.ask(Where(namespace, context, kubeconfig), asked_for)
    if not cluster.is_finished(cluster.status_of(body)):
        phase = cluster.status_of(body).phase
        console.fail(f"{name}: is {phase}, not finished; --wait waits for it", Exit.USAGE)
    with cluster.reporting():
        found = stored.find(body, access, own_token, tell)
        files = _fetch(body, found, directory, only, tell)
    if output in {Form.JSON, Form.YAML}:
        listed = [one.model_dump(mode="json", exclude_none=True) for one in files]
        console.print_data({"folder": str(directory), "files": listed}, output.value)
    else:
        typer.echo(directory)


def _fetch(
    body: Body, found: Stored, directory: Path, only: str, tell: stored.Tell
) -> list[ResultFile]:
    """Bring what is wanted. Raises StoreError; what has come by then is kept for the next time."""
    try:
        folder = store.FileStore(directory).folder
    except StoreError as error:  # there is something else in it, and will be
        raise stores.StoreRefusedError(str(error)) from error
    files = chosen(found.files, only)
    if not files:
        raise stores.StoreRefusedError(f"the results hold nothing of {only}")
    if not found.is_whole:
        tell("the report is missing: only the files that the status names are known")
    uid, attempt = found.key.split("/")[2:]
    stage = folder.with_name(f".{folder.name}.{uid}-{attempt}.part")
    have = _there(stage, files) | (_there(folder, files) if _is_of(folder, body) else set())
    for one in files:
        if one.path not in have:
            tell(cluster.plain(f"{one.path}  {one.size} bytes"))
            deadline = time.monotonic() + PATIENCE_SECONDS + one.size / SLOWEST
            stores.fetch_all(found.store, found.key, stage, [one], deadline, tell)
    _publish(stage, folder, body)
    return files


def chosen(files: Iterable[ResultFile], only: str) -> list[ResultFile]:
    """The files that are wanted, by path. Raises BadKeyError for a path that leads elsewhere."""
    patterns = [one for word in only.split(",") for one in GROUPS.get(word, (word,))]
    ours = sorted((one for one in files if one.path != store.STATUS_FILE), key=lambda one: one.path)
    picked = [one for one in ours if any(fnmatchcase(one.path, pattern) for pattern in patterns)]
    for one in picked:
        stores.check_path(one.path)
    return picked


def _there(folder: Path, files: Iterable[ResultFile]) -> set[str]:
    """What an earlier fetch brought."""
    there = ((one, folder / one.path) for one in files)
    return {
        one.path for one, path in there if path.is_file() and store.checksum(path) == one.sha256
    }


def _is_of(folder: Path, body: Body) -> bool:
    try:
        found = json.loads((folder / store.STATUS_FILE).read_text(encoding="utf-8"))
        ours = (body["metadata"]["uid"], body["status"]["results"]["url"])
        return (found["metadata"]["uid"], found["status"]["results"]["url"]) == ours
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _publish(stage: Path, folder: Path, body: Body) -> None:
    """What has come becomes the folder; to results of the same job it is added."""
    try:
        stage.mkdir(parents=True, exist_ok=True)
        for part in stage.rglob(UNFINISHED):  # of content that is not wanted any more
            part.unlink()
        if _is_of(folder, body):
            _add(stage, folder)
        else:
            _swap(stage, folder, body)
    except OSError as error:
        raise stores.StoreRefusedError(f"{error.filename}: {error.strerror}") from error


def _add(stage: Path, folder: Path) -> None:
    for path in sorted(one for one in stage.rglob("*") if one.is_file()):
        target = folder / path.relative_to(stage)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(stage)


def _swap(stage: Path, folder: Path, body: Body) -> None:
    """Only two renames lie between the earlier results and the new ones."""
    text = f"{json.dumps(body, indent=2, ensure_ascii=False)}\n"
    store.write_whole(stage / store.STATUS_FILE, text)
    old = stage.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    stage.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
