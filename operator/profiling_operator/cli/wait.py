"""`profjob wait`: until a job has finished, whatever happens to connections meanwhile."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from profiling_operator.backoff import pauses
from profiling_operator.cli import cluster, console, describe, exits, folders, hosts, places
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.progress import Progress
from profiling_operator.errors import (
    ApiError,
    ExpiredError,
    ForbiddenError,
    NotFoundError,
)
from profiling_operator.quantities import parse_duration
from profiling_operator.status import Status

PATIENCE_SECONDS = 300.0  # an API server that is upgraded answers again before that
FORBIDDEN_SECONDS = 10.0  # one that has just been started knows no roles yet
APART_SECONDS = 120.0  # failures so far apart have nothing to do with each other
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
POLL_SECONDS = 5.0  # where watching is not permitted
SIGNALLED = 128  # and the signal's number: as shells tell of it
SHORT_WATCH_SECONDS = 1.0  # one that ends sooner, with nothing seen, is a hiccup


class Goal(StrEnum):
    """What can be waited for."""

    FINISHED = "finished"
    STARTED = "started"


def limit(text: str) -> Decimal:
    """Seconds of a duration. Raises BadParameter."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from None


Timeout = Annotated[
    Decimal | None,
    typer.Option(
        "--timeout", metavar="DURATION", parser=limit,
        help="How long to wait, as in 90s or 1h; default: for ever.",
    ),
]  # fmt: skip


def wait(
    name: places.Named,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.FINISHED,
    timeout: Timeout = None,
    wait_for_creation: Annotated[
        bool, typer.Option("--wait-for-creation", help="The job need not be there yet.")
    ] = False,
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """Wait for a job, showing its progress on stderr, and end with the job's exit code.

    Exit code 3: the job failed, or was deleted. 4: the time was over. See docs/cli.md.
    """
    place = places.place(name)
    stderr = console.stderr(quiet)
    with stopping(name):
        if isinstance(place, places.Folder):
            wish = folders.Wish(REACHED[goal], goal, timeout, wait_for_creation)
            with cluster.reporting():
                body = folders.wait(place.path, wish, stderr)
        else:
            where = Where(namespace, context, kubeconfig)
            waiting = Waiting(place.name, stderr, goal, timeout, wait_for_creation)
            body = cluster.ask(where, waiting.through)
    status = cluster.status_of(body)
    if output in {Form.TEXT, Form.WIDE}:
        describe.print_outcome(console.stdout(), status, wide=output is Form.WIDE)
    else:
        cluster.print_job(body, output)
    raise typer.Exit(exits.of(status) if cluster.is_finished(status) else Exit.OK)


@contextmanager
def stopping(name: str) -> Iterator[None]:
    """While it lasts, INT and TERM end only the wait, and say so: the job goes on."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise SystemExit(SIGNALLED + number)  # what asyncio lets through

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit:  # said here: the handler may have come in the middle of a line
        typer.echo(f"no longer waiting; the job goes on (profjob cancel {name} ends it)", err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def has_started(status: Status) -> bool:
    """Whether the application ran, or never will."""
    return bool(status.start_time) or cluster.is_finished(status)


REACHED: dict[Goal, Callable[[Status], bool]] = {
    Goal.FINISHED: cluster.is_finished,
    Goal.STARTED: has_started,
}


@dataclass(frozen=True)
class Waiting:
    """One wait for one job."""

    name: str
    stderr: Console
    goal: Goal = Goal.FINISHED
    timeout: Decimal | None = None
    awaits_creation: bool = False
    patience: float = hosts.PATIENCE_SECONDS
    """How long nobody may take the job before that is said."""

    async def through(self, asked: Conversation) -> Body:
        """The job as it is when the goal is reached. Leaves when it never will be."""
        key = f"{asked.namespace}/{self.name}"
        seconds = None if self.timeout is None else float(self.timeout)
        hint = hosts.Hint(console.teller(self.stderr), self.patience)
        try:
            async with asyncio.timeout(seconds):
                body = await self._reached(asked, hint)
        except TimeoutError:
            message = f"{key}: has not {self.goal} in time"
            console.fail("\n".join(filter(None, [message, hint.said])), Exit.TIMED_OUT_WAITING)
        finally:
            hint.over()
        if body is None:
            message = f"{key}: was deleted before it had {self.goal}"
            console.fail(message, Exit.JOB_FAILED)
        return body

    async def _reached(self, asked: Conversation, hint: hosts.Hint) -> Body | None:
        progress: Progress | None = None
        states = follow(asked, self.name, console.teller(self.stderr), self.awaits_creation)
        try:
            async with aclosing(states):
                async for body in states:
                    hint.seen(f"{asked.namespace}/{self.name}", body)
                    if progress is None:
                        progress = Progress(self.stderr, cluster.outline(body)).__enter__()
                    status = cluster.status_of(body)
                    progress(status)
                    if REACHED[self.goal](status):
                        return body
            return None
        finally:
            if progress is not None:
                progress.__exit__(None, None, None)


@dataclass
class Hiccups:
    """How long to go on asking a server that does not answer."""

    tell: Callable[[str], None]
    patience: float = PATIENCE_SECONDS
    forgives: float = 0.0
    """How long to be refused by one that has let us in before: see FORBIDDEN_SECONDS."""
    waits: Iterator[float] = field(default_factory=lambda: pauses(FIRST_PAUSE, LONGEST_PAUSE))
    since: float | None = None
    """When the failures began that go on, and when the last one was: of the event loop's clock."""
    last: float = 0.0
    told: set[str] = field(default_factory=set)

    def over(self) -> None:
        """It has answered."""
        self.waits, self.since = pauses(FIRST_PAUSE, LONGEST_PAUSE), None
        self.told.clear()

    async def bear(self, error: ApiError) -> None:
        """Wait a little. Raises the error when it does not pass, or has lasted too long."""
        now = asyncio.get_running_loop().time()
        if now - self.last > APART_SECONDS:
            self.over()
        self.since = now if self.since is None else self.since
        self.last = now
        if now - self.since > self._patience_with(error):
            raise error
        if str(error) not in self.told:
            self.told.add(str(error))
            self.tell(f"{error}; asking again")
        await self.rest(error.retry_after or 0.0)

    def _patience_with(self, error: ApiError) -> float:
        if isinstance(error, ForbiddenError) and self.forgives:
            return self.forgives
        return self.patience if cluster.is_passing(error) else -1.0

    async def rest(self, least: float = 0.0) -> None:
        """Wait, longer each time; not at the same moment as others."""
        await asyncio.sleep(max(least, next(self.waits)))


async def follow(
    asked: Conversation, name: str, tell: Callable[[str], None], awaits_creation: bool = False
) -> AsyncGenerator[Body, None]:
    """A job as it is, and after each change of it; ends when it was deleted.

    What happened while a connection was down is not missed: each watch begins with a look at the
    job. A new job of the same name is another one. Raises ApiError when the first look fails, and
    when the server does not answer for PATIENCE_SECONDS.
    """
    body = await (_created(asked, name) if awaits_creation else asked.job(name))
    uid = body["metadata"]["uid"]
    hiccups = Hiccups(tell, forgives=FORBIDDEN_SECONDS)
    while body["metadata"]["uid"] == uid:
        yield body
        changes = _watched(asked, body, hiccups)
        async with aclosing(changes):
            async for kind, changed in changes:
                yield changed
                if kind == "DELETED":
                    return
        found = await _looked(asked, name, hiccups)
        if found is None:
            return
        body = found


async def _created(asked: Conversation, name: str) -> Body:
    while True:
        try:
            return await asked.job(name)
        except NotFoundError as error:
            if error.said != cluster.STATUS_REASON:  # no CRD: nobody can create it
                raise
            await asyncio.sleep(1)


async def _watched(
    asked: Conversation, body: Body, hiccups: Hiccups
) -> AsyncGenerator[tuple[str, Body], None]:
    """What one watch brings about this very job; errors end it as its regular end does."""
    metadata = body["metadata"]
    began = asyncio.get_running_loop().time()
    changes = asked.changes(metadata["name"], metadata["resourceVersion"])
    try:
        async with aclosing(changes):
            async for kind, changed in changes:
                if kind == "BOOKMARK":
                    continue
                if changed["metadata"]["uid"] != metadata["uid"]:
                    return  # a new one of its name: this one is gone, whatever was missed
                hiccups.over()
                yield kind, changed
    except ExpiredError:
        await hiccups.rest()
    except ForbiddenError:
        await asyncio.sleep(POLL_SECONDS)
    except ApiError as error:
        await hiccups.bear(error)
    else:
        await _rest_after(began, hiccups)


async def _rest_after(began: float, hiccups: Hiccups) -> None:
    """A watch that ended soon, with nothing seen, is not begun again at once."""
    if asyncio.get_running_loop().time() - began < SHORT_WATCH_SECONDS:
        await hiccups.rest()


async def _looked(asked: Conversation, name: str, hiccups: Hiccups) -> Body | None:
    """The job of that name; None when there is none."""
    while True:
        try:
            found = await asked.job(name)
        except NotFoundError:
            return None
        except ApiError as error:
            await hiccups.bear(error)
        else:
            hiccups.since = None
            return found
