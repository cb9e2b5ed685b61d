"""Jobs and series that `profjob baseline` is asked about: of a cluster, or of `profjob run`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from profiling_operator import keeping, names, settings, stores
from profiling_operator.cli import cluster, console, kept, places, stored
from profiling_operator.cli.cluster import Body, Where
from profiling_operator.cli.conversation import Conversation, Own
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.kept import RefusedJobError
from profiling_operator.cli.stored import Access, Tell
from profiling_operator.errors import NotFoundError
from profiling_operator.keeping import SUMMARY_FILE, SUMMARY_LIMIT, Candidate, NotAcceptableError
from profiling_operator.status import time_text
from profiling_operator.stores import BadKeyError, ResultStore

PATIENCE_SECONDS = 60.0
DEFAULT_NAMESPACE = "default"  # as the spec has it


@dataclass(frozen=True)
class Asked:
    """How cluster and stores are reached."""

    where: Where
    access: Access
    place: str
    """URL of the baselines of `profjob run`; empty: that of the settings."""
    tell: Tell


@dataclass(frozen=True)
class Series:
    """A series, and the store that has its baselines."""

    store: ResultStore
    namespace: str
    name: str


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into messages and exit codes."""
    with cluster.reporting():
        try:
            yield
        except RefusedJobError as error:
            console.fail(str(error), error.code)
        except NotAcceptableError as error:
            console.fail(str(error), Exit.USAGE)


def find(text: str, asked: Asked, *, anew: bool) -> tuple[ResultStore, Candidate]:
    """The job that is to become a part of a baseline, and the store of that.

    Raises RefusedJobError, NotAcceptableError, StoreError.
    """
    place = places.place(text)
    if isinstance(place, places.Folder):
        return _in_folder(place.path, asked, anew=anew)
    body, own = _job(place.name, asked)
    kept.require_good(cluster.status_of(body), text, anew=anew)
    found = stored.find(body, asked.access, own, asked.tell)
    deadline = time.monotonic() + PATIENCE_SECONDS
    content = stores.insist(
        lambda: found.store.read(found.key, SUMMARY_FILE, SUMMARY_LIMIT), deadline, asked.tell
    )
    if content is None:
        raise NotAcceptableError(f"{text}: its results hold no {SUMMARY_FILE}")
    summary, now = keeping.read_summary(content), time_text(datetime.now(UTC))
    attempt = int(found.key.rpartition("/")[2])
    with _naming(text):
        return found.store, keeping.candidate(summary, body["metadata"]["uid"], attempt, now)


def _in_folder(path: Path, asked: Asked, *, anew: bool) -> tuple[ResultStore, Candidate]:
    result = kept.read_folder(path)
    kept.require_good(result.status, str(path), anew=anew)
    with _naming(str(path)):
        return _kept(asked), result.candidate()


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say of which job or folder that is true."""
    try:
        yield
    except NotAcceptableError as error:
        raise NotAcceptableError(f"{what}: {error}") from error


def series(text: str, asked: Asked, store: str, *, local: bool) -> Series:
    """The series of a name, of a job, or of a result folder. Raises as `find`.

    A word that could be a series is taken for a folder only where there are results in it.
    """
    place = places.place(text)
    if isinstance(place, places.Folder):
        if not _could_be_series(text) or (place.path / SUMMARY_FILE).is_file():
            found = kept.read_folder(place.path).candidate()
            return Series(_kept(asked), found.namespace, found.series)
    elif not local:
        return _of_job_or_name(place.name, asked, store)
    return named_series(text, asked, store, local=local)


def named_series(name: str, asked: Asked, store: str, *, local: bool) -> Series:
    """The series of a name. Raises StoreRefusedError, or leaves when it could be none."""
    if local:
        return Series(_kept(asked), asked.where.namespace or DEFAULT_NAMESPACE, name)

    async def who(conversation: Conversation) -> tuple[str, Own]:
        return conversation.namespace, await conversation.own(with_token=not asked.access.has_token)

    namespace, own = cluster.ask(asked.where, who)
    return Series(stored.open_named(asked.access, store, own), namespace, name)


def _of_job_or_name(name: str, asked: Asked, store: str) -> Series:
    """The series of a job of the cluster; where there is none of that name, the series itself."""
    try:
        body, own = _job(name, asked, may_be_missing=True)
    except NotFoundError:
        return named_series(name, asked, store, local=False)
    wanted = body["spec"]
    of_store = (wanted.get("output") or {}).get("store", store)
    of_series = wanted.get("series") or names.default_series(name)
    place = stored.open_named(asked.access, of_store, own)
    return Series(place, body["metadata"]["namespace"], of_series)


def _job(name: str, asked: Asked, *, may_be_missing: bool = False) -> tuple[Body, Own]:
    """A job of the cluster, and what whoever asks has for the results server."""
    missing: list[NotFoundError] = []

    async def question(conversation: Conversation) -> tuple[Body, Own]:
        try:
            body = await conversation.job(name)
        except NotFoundError as error:
            if not may_be_missing or error.said != cluster.STATUS_REASON:
                raise
            missing.append(error)
            return {}, Own()
        return body, await conversation.own(with_token=not asked.access.has_token)

    found = cluster.ask(asked.where, question)
    if missing:
        raise missing[0]
    return found


def _kept(asked: Asked) -> ResultStore:
    """The store of the baselines of `profjob run`. Raises StoreRefusedError."""
    return kept.open_kept(asked.place, settings.load(), asked.access.token, asked.access.token_file)


def _could_be_series(text: str) -> bool:
    try:
        stores.check_series("namespace", text)
    except BadKeyError:
        return False
    return True
