"""`profjob fetch`: a job's results into a folder, as `profjob run` would have left it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from profiling_operator import store, stores
from profiling_operator.cli import cluster, console, folders, live, places, stored
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation, Own
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.stored import Access
from profiling_operator.cli.wait import Timeout, Waiting
from profiling_operator.errors import StoreError
from profiling_operator.status import ResultFile
from profiling_operator.stores import copying

DEFAULT_FOLDER = Path("profiling_output")
PATIENCE_SECONDS = 300  # for a store that is restarted, beside the time that a file takes
UNFINISHED = ".profjob-*.part"
REMADE = ("report.html", "report.css")  # by `profjob report --anew`
SLOWEST = 1_000_000  # bytes a second
GROUPS: dict[str, tuple[str, ...]] = {
    "summary": ("summary.json",),
    "report": ("report.json", *REMADE),
    "entries": ("entries.jsonl.gz",),
    "metadata": ("metadata.json",),
    "stacks": ("folded.txt", "speedscope.json", "trace.json"),
    "junit": ("junit.xml",),
    "benchmark": ("benchmark.json", "benchmark-bigger.json"),
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
    name: places.Named,
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
    small: Annotated[
        bool, typer.Option("--small", help="Without entries and raw files: what a stash can take.")
    ] = False,
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
    place = places.place(name)
    tell = console.teller(stderr)
    if isinstance(place, places.Folder):
        with cluster.reporting():
            body, found = _in_folder(place.path, directory, wait, timeout, stderr)
    else:
        where = Where(namespace, context, kubeconfig)
        waiting = Waiting(place.name, stderr, timeout=timeout)
        access = Access(results_url, token, token_file)
        body, found = _on_cluster(place.name, where, access, waiting if wait else None, tell)
    with cluster.reporting():
        files = _fetch(body, found, directory, Choice(only, small), tell)
    tell(f"{directory}: {len(files)} files, {sum(one.size for one in files)} bytes")
    if output in {Form.JSON, Form.YAML}:
        listed = [one.model_dump(mode="json", exclude_none=True) for one in files]
        console.print_data({"folder": str(directory), "files": listed}, output.value)
    else:
        typer.echo(directory)


@dataclass(frozen=True)
class Source:
    """Where results come from."""

    files: tuple[ResultFile, ...]
    stamp: str
    """Of this very result: other bytes have another one."""
    bring: Callable[[ResultFile, Path], None]
    """Brings a file into a folder, verified. Raises StoreError."""


@dataclass(frozen=True)
class Choice:
    """Which files are wanted."""

    only: str = "*"
    small: bool = False

    def __str__(self) -> str:
        """For people."""
        return f"{self.only}, small" if self.small else self.only


def bring_small(
    name: str, where: Where, access: Access, directory: Path, tell: stored.Tell
) -> list[ResultFile]:
    """A finished job's small files into a folder. Leaves where there are none to be had."""
    body, found = _on_cluster(name, where, access, None, tell)
    with cluster.reporting():
        return _fetch(body, found, directory, Choice(small=True), tell)


def _on_cluster(
    name: str, where: Where, access: Access, waiting: Waiting | None, tell: stored.Tell
) -> tuple[Body, Source]:
    """A job of a cluster and its results in the store. Leaves where it has not finished."""

    async def asked_for(asked: Conversation) -> tuple[Body, Own]:
        body = await (asked.job(name) if waiting is None else waiting.through(asked))
        return body, await asked.own(with_token=not access.has_token)

    body, own = cluster.ask(where, asked_for)
    if not cluster.is_finished(cluster.status_of(body)):
        phase = cluster.status_of(body).phase
        console.fail(f"{name}: is {phase}, not finished; --wait waits for it", Exit.USAGE)
    with cluster.reporting():
        found = stored.find(body, access, own, tell)
    if not found.is_whole:
        tell("the report is missing: only the files that the status names are known")

    def bring(one: ResultFile, folder: Path) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS + one.size / SLOWEST
        stores.fetch_all(found.store, found.key, folder, [one], deadline, tell)

    return body, Source(found.files, "-".join(found.key.split("/")[2:]), bring)


def _in_folder(
    path: Path, directory: Path, wait: bool, timeout: Decimal | None, stderr: Console
) -> tuple[Body, Source]:
    """A job of `profjob run` and its result folder. Raises StoreError."""
    if path.resolve() == directory.resolve():
        console.fail(f"{path}: name another folder with -d; these results are there", Exit.USAGE)
    if wait:
        folders.wait(path, folders.Wish(cluster.is_finished, timeout=timeout), stderr)
    found = folders.require_whole(path, "--wait waits for it")
    results = cluster.status_of(found.body).results
    listed = results.files if results else ()
    told = {one.path: one for one in listed if one.path not in REMADE}
    files = (*told.values(), *_unlisted(path, told.keys()))

    def bring(one: ResultFile, folder: Path) -> None:
        source = path / stores.check_path(one.path)
        try:
            copying.bring(folder / one.path, one.sha256, lambda at: copying.read_from(source, at))
        except StoreError as error:
            raise stores.StoreRefusedError(f"{source}: is not as it was: {error}") from error

    return found.body, Source(files, live.status_sum(path)[:16], bring)


def _unlisted(folder: Path, told: Collection[str]) -> Iterator[ResultFile]:
    """Files that are not told of: the status was too long, or they were made later."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in told:
            yield ResultFile(path=name, size=path.stat().st_size, sha256=store.checksum(path))


def _fetch(
    body: Body, found: Source, directory: Path, choice: Choice, tell: stored.Tell
) -> list[ResultFile]:
    """Bring what is wanted. Raises StoreError; what has come by then is kept for the next time."""
    try:
        folder = store.FileStore(directory).folder
    except StoreError as error:  # there is something else in it, and will be
        raise stores.StoreRefusedError(str(error)) from error
    files = chosen(found.files, choice)
    if not files:
        raise stores.StoreRefusedError(f"the results hold nothing of {choice}")
    stage = folder.with_name(f".{folder.name}.{found.stamp}.part")
    have = _there(stage, files) | (_there(folder, files) if _is_of(folder, body) else set())
    for one in files:
        if one.path not in have:
            tell(cluster.plain(f"{one.path}  {one.size} bytes"))
            found.bring(one, stage)
    _publish(stage, folder, body)
    return files


def chosen(files: Iterable[ResultFile], choice: Choice) -> list[ResultFile]:
    """The files that are wanted, by path. Raises BadKeyError for a path that leads elsewhere."""
    ours = sorted((one for one in files if one.path != store.STATUS_FILE), key=lambda one: one.path)
    left_out = [*GROUPS["entries"], *GROUPS["raw"]] if choice.small else []
    picked = [
        one for one in ours
        if _matches(one.path, _patterns(choice.only)) and not _matches(one.path, left_out)
    ]  # fmt: skip
    for one in picked:
        stores.check_path(one.path)
    return picked


def _patterns(only: str) -> list[str]:
    return [one for word in only.split(",") for one in GROUPS.get(word, (word,))]


def _matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


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
