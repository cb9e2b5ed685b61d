"""`profjob logs`: what the application printed, from its pod or else from the results."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from profiling_operator import names, stores
from profiling_operator.cli import cluster, console, folder_logs, hosts, places, stored
from profiling_operator.cli.cluster import Body, Where
from profiling_operator.cli.conversation import Conversation, Own
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.folder_logs import APP, Wanted
from profiling_operator.cli.stored import Access
from profiling_operator.cli.wait import FORBIDDEN_SECONDS, Hiccups
from profiling_operator.control import host_of
from profiling_operator.errors import ApiError, NotFoundError
from profiling_operator.status import time_text

ATTEMPT, UID = f"{names.LABEL}attempt", f"{names.LABEL}job-uid"
LOG = re.compile(r"run-([0-9]{1,9})/app\.log")
LOOK_SECONDS = 5  # how long a look at what pods do lasts
NOT_YET = 400  # HTTP: the container has not started


def logs(
    name: places.Named,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for the container, and go on to its end.")
    ] = False,
    run: Annotated[
        int | None, typer.Option("--run", min=0, help="One run alone; from the results.")
    ] = None,
    container: Annotated[
        str, typer.Option("--container", "-c", help="app, uploader, playback or collector-NAME.")
    ] = APP,
    attempt: Annotated[
        int | None,
        typer.Option(
            "--attempt", "--previous-attempt", min=1, help="An attempt; default: the last."
        ),
    ] = None,
    results_url: stored.ResultsUrl = "",
    token: stored.Token = "",
    token_file: stored.TokenFile = "",
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    quiet: cluster.Quiet = False,
) -> None:
    """Print what a container of a job has printed.

    When the pod is gone, the application's output comes from the results; so it does for a job of
    a Docker host, whose engine has it before.
    """
    place = places.place(name)
    wanted = Wanted(follow, run, container, attempt)
    if run is not None and container != APP:
        console.fail(f"--run: only of the application, not of {container}", Exit.USAGE)
    if isinstance(place, places.Folder):
        with cluster.reporting():
            folder_logs.show(place.path, wanted)
        return
    where = Where(namespace, context, kubeconfig)
    _of_cluster(place.name, wanted, Access(results_url, token, token_file), where, quiet)


def _of_cluster(name: str, wanted: Wanted, access: Access, where: Where, quiet: bool) -> None:
    stderr = console.stderr(quiet)
    tell = console.teller(stderr)
    run, container, attempt = wanted.run, wanted.container, wanted.attempt or 0

    async def printed(asked: Conversation) -> tuple[Body, bool, Own]:
        body = await asked.job(name)
        log = Log(asked, body, container, attempt, Hiccups(tell, forgives=FORBIDDEN_SECONDS))
        done = run is None and await (log.follow() if wanted.follow else log.show())
        return log.body, done, await asked.own(with_token=not access.has_token)

    body, done, own = cluster.ask(where, printed)
    if done:
        return
    is_over = cluster.is_finished(cluster.status_of(body))
    if not is_over and run is None and (elsewhere := hosts.log_place(body, wanted)):
        console.fail(f"{name}: {elsewhere}", Exit.USAGE)
    if container != APP:
        console.fail(f"{name}: its pod is gone, and with it what {container} printed", Exit.USAGE)
    if not is_over:
        message = "not finished: the output of single runs and of pods that are gone comes at its"
        console.fail(f"{name}: is {message} end, with the results", Exit.USAGE)
    with cluster.reporting():
        _print_stored(stored.find(body, access, own, tell, attempt), run)


def _print_stored(found: stored.Stored, run: int | None) -> None:
    """The output of one run or of all, in order. Raises StoreError."""
    runs = {int(match[1]): one for one in found.files if (match := LOG.fullmatch(one.path))}
    wanted = sorted(runs) if run is None else [run]
    for index in wanted:
        if index not in runs:
            there = ", ".join(map(str, sorted(runs))) or "none"
            raise stores.StoreRefusedError(f"--run {index}: the results hold the runs {there}")
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "app.log"
            found.store.fetch(found.key, runs[index].path, path, runs[index].sha256)
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


@dataclass
class Lines:
    """Lines with their times, each printed once however often the log is begun anew."""

    last: tuple[datetime, str] | None = None
    count: int = 0
    """Printed lines of that very time."""
    rest: bytes = b""
    _mark: tuple[tuple[datetime, str], int] | None = None
    _repeated: int = 0

    def begin(self) -> str:
        """The log is asked for again; returns the time to ask from."""
        self._mark = (self.last, self.count) if self.last else None
        self._repeated, self.rest = 0, b""
        return time_text(self.last[0]) if self.last else ""

    def take(self, piece: bytes) -> bytes:
        """What of a piece of the log is new, without the times."""
        *whole, self.rest = (self.rest + piece).split(b"\n")
        return b"".join(line + b"\n" for one in whole for line in self._new(one))

    def end(self) -> bytes:
        """The last line, which nobody ended."""
        rest, self.rest = self.rest, b""
        return b"".join(self._new(rest)) if rest else b""

    def _new(self, line: bytes) -> list[bytes]:
        stamp, _, text = line.partition(b" ")
        time = _time(stamp.decode("ascii", "replace"))
        if time is None:  # no line of the container: the kubelet says why there is none
            return [line]
        if self._mark and time <= self._mark[0]:
            self._repeated += time == self._mark[0]
            if time < self._mark[0] or self._repeated <= self._mark[1]:
                return []
        self.count = self.count + 1 if time == self.last else 1
        self.last = time
        return [text]


def _time(stamp: str) -> tuple[datetime, str] | None:
    """Second and fraction of a time with nanoseconds, comparable; None for other words."""
    found = re.fullmatch(r"([-0-9T:]{19})(?:\.([0-9]{1,9}))?(Z|[-+][0-9:]{5})", stamp)
    if not found:
        return None
    second, fraction, zone = found.groups()
    try:
        return datetime.fromisoformat(f"{second}{zone}").astimezone(UTC), f"{fraction or '':0<9}"
    except ValueError:
        return None


@dataclass
class Log:
    """The log of one container of a job, wherever its pod is at the moment."""

    asked: Conversation
    body: Body
    container: str
    attempt: int
    """0: the last."""
    hiccups: Hiccups
    lines: Lines = field(default_factory=Lines)

    async def show(self) -> bool:
        """Print what there is; False when the pod is gone."""
        pod = newest((await self.asked.pods(self._labels)).items)
        if pod is None:
            return False
        self._require_container(pod)
        name = pod["metadata"]["name"]
        try:
            async with aclosing(self.asked.log(name, self.container)) as log:
                async for piece in log:
                    _write(piece)
        except NotFoundError:
            return False
        except ApiError as error:
            if error.code != NOT_YET:
                raise
            console.fail(f"{error}; --follow waits for it", Exit.USAGE)
        return True

    async def follow(self) -> bool:
        """Print until the container has ended; False when nothing could be printed of a pod."""
        while True:
            try:
                found = await self.asked.pods(self._labels)
                pod = newest(found.items)
                if await self._is_done(pod):
                    return pod is not None or self.lines.last is not None
                await self._change(found.resource_version)
            except ApiError as error:
                await self.hiccups.bear(error)

    async def _is_done(self, pod: Body | None) -> bool:
        """Print what the pod has; whether nothing more will come."""
        if pod:
            self._require_container(pod)
        state = state_of(pod, self.container) if pod else ""
        if pod and state in {"running", "terminated"}:
            self.attempt = int(pod["metadata"]["labels"][ATTEMPT])
            await self._print(pod["metadata"]["name"], is_last=state == "terminated")
            if state == "terminated":
                _write(self.lines.end())
                return True
        self.body = await self.asked.job(self.body["metadata"]["name"])
        is_over = cluster.is_finished(cluster.status_of(self.body))
        if not pod and not is_over and host_of(self.body):
            self._tell_of_host()
        if pod and is_over and state == "waiting":
            console.fail(f"{self.container}: has never started", Exit.USAGE)
        return is_over and (pod is None or state == "")

    def _tell_of_host(self) -> None:
        """Where the log is meanwhile, each place once."""
        place = hosts.log_place(self.body, Wanted(True, None, self.container, self.attempt or None))
        if place and place not in self.hiccups.told:
            self.hiccups.told.add(place)
            self.hiccups.tell(f"{self.body['metadata']['name']}: {place}")

    async def _print(self, pod: str, *, is_last: bool) -> None:
        since = self.lines.begin()
        try:
            log = self.asked.log(pod, self.container, follow=True, since=since)
            async with aclosing(log):
                async for piece in log:
                    self.hiccups.over()
                    _write(self.lines.take(piece))
        except NotFoundError:  # it went away just now
            return
        except ApiError as error:
            if error.code != NOT_YET or is_last:
                raise
            await self.hiccups.rest()  # the kubelet knows less than the API server told

    async def _change(self, version: str) -> None:
        """Until something happens to the pods, or a while."""
        async with aclosing(self.asked.pod_changes(self._labels, version, LOOK_SECONDS)) as seen:
            async for kind, _ in seen:
                if kind != "BOOKMARK":
                    return

    @property
    def _labels(self) -> str:
        uid = f"{UID}={self.body['metadata']['uid']}"
        return f"{uid},{ATTEMPT}={self.attempt}" if self.attempt else uid

    def _require_container(self, pod: Body) -> None:
        spec = pod["spec"]
        there = [one["name"] for one in (*spec.get("initContainers", []), *spec["containers"])]
        if self.container not in there:
            message = f"--container {self.container}: the pod has {', '.join(there)}"
            console.fail(message, Exit.USAGE)


def newest(pods: list[Body]) -> Body | None:
    """The pod of the last attempt."""

    def order(pod: Body) -> tuple[int, str]:
        metadata = pod["metadata"]
        number = metadata.get("labels", {}).get(ATTEMPT, "")
        return (int(number) if number.isdigit() else 0, metadata.get("creationTimestamp", ""))

    return max(pods, key=order, default=None)


def state_of(pod: Body, container: str) -> str:
    """waiting, running or terminated; empty when the pod tells of no such container."""
    status: dict[str, Any] = pod.get("status") or {}
    told = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    states = [one.get("state") or {} for one in told if one["name"] == container]
    return next((word for one in states for word in one), "")


def _write(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
