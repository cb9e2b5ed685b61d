"""Results of a job in its store, as the command line reaches them.

`status.results.url` is written by the uploader, whose pod runs whatever a job's author wants. So
it never decides who gets a token of ours: the settings do, or the one who types the command.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from profiling_operator import reporting, settings, stores
from profiling_operator.cli import cluster
from profiling_operator.cli.cluster import Body
from profiling_operator.cli.conversation import Own
from profiling_operator.reporting import REPORT_FILE, REPORT_LIMIT
from profiling_operator.settings import StoreSettings
from profiling_operator.status import ResultFile
from profiling_operator.stores import ResultStore, StoreRefusedError

PATIENCE_SECONDS = 60.0  # for a store that is restarted
CHART_URL = "http://profiling-operator-results.profiling-system.svc:8080/v1/results"
"""The results server as the chart installs it by default."""
CHART, DEFAULT = StoreSettings(url=CHART_URL), "default"

Tell = Callable[[str], None]
"""Gets a line when something has to be tried again."""

ResultsUrl = Annotated[
    str,
    typer.Option(
        "--results-url", envvar="PROFJOB_RESULTS_URL",
        help="The store as it is reached from here, as in http://localhost:8080/v1/results.",
    ),
]  # fmt: skip
Token = Annotated[
    str,
    typer.Option(
        "--token", envvar="PROFJOB_TOKEN",
        help="For the results server; default: the kubeconfig's.",
    ),
]  # fmt: skip
TokenFile = Annotated[str, typer.Option("--token-file", help="A file that holds the token.")]


@dataclass(frozen=True)
class Access:
    """How the store is reached."""

    results_url: str = ""
    token: str = ""
    token_file: str = ""

    @property
    def has_token(self) -> bool:
        """Whether one was given, so that the kubeconfig's is not wanted."""
        return bool(self.token or self.token_file)


@dataclass(frozen=True)
class Stored:
    """The results of one attempt."""

    store: ResultStore
    key: str
    files: tuple[ResultFile, ...]
    is_whole: bool
    """All files are known, not only those that fit into the status."""


def find(body: Body, access: Access, own: Own, tell: Tell, attempt: int = 0) -> Stored:
    """The results of an attempt, by default of the one whose results the status tells.

    Raises StoreError: there are none, the store is not known here, or does not show them.
    """
    status = cluster.status_of(body)
    url = status.results.url if status.results else ""
    store = _opened(_trusted(body, url, access, own), access, own)
    key = f"{_key(body)}/{attempt or _attempt(body, url)}"
    told = attempt in {0, _attempt(body, url)} and status.results
    listed = {one.path: one for one in (status.results.files if told and status.results else ())}
    return _listed(store, key, body["metadata"]["uid"], listed, tell)


def open_named(access: Access, name: str, own: Own) -> ResultStore:
    """A store by its name in the settings, or where the one who asks says that it is.

    Raises StoreRefusedError.
    """
    known = settings.load().stores.get(name, _of_kubeconfig(own, name) or CHART)
    if access.results_url:
        known = known.model_copy(update={"url": access.results_url})
    return _opened(known, access, own)


def _opened(known: StoreSettings, access: Access, own: Own) -> ResultStore:
    """A store that a token may be shown to."""
    is_server = known.url.startswith(("http://", "https://"))
    token = access.token or ("" if access.token_file else own.token)
    return stores.open_store(
        known.url,
        token=token if is_server else "",
        token_file=access.token_file if is_server and not access.token else "",
        ca=known.ca,
        options=known.options,
    )


def _of_kubeconfig(own: Own, name: str) -> StoreSettings | None:
    """The results server that the kubeconfig names: the default store, as it is reached from here.

    Whoever believes the kubeconfig shows his token to that machine anyway.
    """
    if not own.results_url or name != DEFAULT:
        return None
    return StoreSettings(url=own.results_url, ca=own.authority)


def _trusted(body: Body, url: str, access: Access, own: Own) -> StoreSettings:
    """The store that a token may be shown to. Raises StoreRefusedError when nobody named it."""
    known = settings.load()
    named = (body["spec"].get("output") or {}).get("store", DEFAULT)
    if access.results_url:
        of_job = known.stores.get(named, StoreSettings(url=""))
        return of_job.model_copy(update={"url": access.results_url})
    if not url:
        raise StoreRefusedError("the job has no results")
    for one in (*known.stores.values(), CHART):
        if url.startswith(f"{one.url.rstrip('/')}/"):
            return one
    if of_kubeconfig := _of_kubeconfig(own, named):
        return of_kubeconfig
    raise StoreRefusedError(
        f"the status says that the results are at {cluster.plain(url)}, a store that the settings "
        "do not name: if you trust it, say --results-url with its URL (or stores.NAME.url in the "
        "settings); it is shown your token"
    )


def _key(body: Body) -> str:
    metadata = body["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}/{metadata['uid']}"


def _attempt(body: Body, url: str) -> int:
    """The attempt whose results are at a URL; the last one where the URL does not tell."""
    found = re.search(rf"/{re.escape(_key(body))}/([1-9][0-9]{{0,8}})/?$", url)
    if found:
        return int(found[1])
    attempts = cluster.status_of(body).attempts
    return attempts[-1].number if attempts else 1


def _listed(
    store: ResultStore, key: str, uid: str, told: dict[str, ResultFile], tell: Tell
) -> Stored:
    """All files, by the report that is written last. Refused when the status says otherwise."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    text = stores.insist(lambda: store.read(key, REPORT_FILE, REPORT_LIMIT), deadline, tell)
    if text is None:
        if not told:
            raise StoreRefusedError(f"{store.url_of(key)}: holds no complete results")
        return Stored(store, key, tuple(told.values()), is_whole=False)
    report = reporting.from_json(text)
    if report is None or report.uid != uid or report.collected.results is None:
        where = store.url_of(key, REPORT_FILE)
        raise StoreRefusedError(f"{where}: is no report of this job's results")
    listed = {one.path: one for one in report.collected.results.files}
    for path in sorted(told.keys() & listed.keys()):
        if told[path].sha256 != listed[path].sha256:
            message = f"{store.url_of(key, REPORT_FILE)}: {path} has another checksum in the status"
            raise StoreRefusedError(message)
    digest = hashlib.sha256(text).hexdigest()
    listed[REPORT_FILE] = ResultFile(path=REPORT_FILE, size=len(text), sha256=digest)
    return Stored(store, key, tuple(listed.values()), is_whole=True)
