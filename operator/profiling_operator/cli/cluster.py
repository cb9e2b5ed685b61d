"""How the commands reach a cluster: the options of kubectl, names of jobs, errors as exit codes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer
from rich.cells import cell_len
from rich.console import Console

from profiling_operator import api, names, spec
from profiling_operator.cli import console
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.exits import Exit
from profiling_operator.errors import ApiError, NotFoundError, StoreError, UnauthorizedError
from profiling_operator.spec.job import Metadata, ProfilingJobSpec
from profiling_operator.status import ConditionType, Status, cut

Body = dict[str, Any]
Answer = TypeVar("Answer")

RESOURCE = f"{names.KIND.lower()}.{names.API_GROUP}"
"""How kubectl names the kind in front of a name."""
KINDS = {"pj", names.KIND.lower(), names.PLURAL, RESOURCE, f"{names.PLURAL}.{names.API_GROUP}"}
DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
STATUS_REASON = "NotFound"
GAP, NOTHING = "   ", "-"
INTERRUPTED = 130  # as shells tell of SIGINT
BAD_REQUEST, TOO_MANY, SERVER_ERROR = 400, 429, 500

# kubectl's steps: up to this many seconds, counted in units of so many.
AGES = (
    (120, ((1, "s"),)),
    (600, ((60, "m"), (1, "s"))),
    (3 * 3600, ((60, "m"),)),
    (8 * 3600, ((3600, "h"), (60, "m"))),
    (48 * 3600, ((3600, "h"),)),
    (8 * 86400, ((86400, "d"), (3600, "h"))),
)


class Form(StrEnum):
    """Forms of output."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def job_name(text: str) -> str:
    """The name in `NAME`, `pj/NAME` or `profilingjob/NAME`. Raises BadParameter."""
    kind, slash, name = text.rpartition("/")
    if slash and kind not in KINDS:
        raise typer.BadParameter(f"{text!r}: must be NAME, pj/NAME or {names.KIND.lower()}/NAME")
    if not DNS_NAME.fullmatch(name):
        raise typer.BadParameter(f"{name!r}: must be a name of lower-case letters, digits, - and .")
    return name


JobName = Annotated[str, typer.Argument(metavar="NAME", help="The job.", parser=job_name)]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="The namespace; default: that of the context.")
]
Context = Annotated[str, typer.Option("--context", help="The context of the kubeconfig.")]
Kubeconfig = Annotated[
    str,
    typer.Option("--kubeconfig", help="The kubeconfig; default: $KUBECONFIG, ~/.kube/config."),
]
Output = Annotated[Form, typer.Option("--output", "-o", help="What stdout gets.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


@dataclass(frozen=True)
class Where:
    """Which cluster and namespace; empty is what the kubeconfig says."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors into messages and exit codes, those of a store and Ctrl-C too."""
    try:
        with console.reporting():
            try:
                yield
            except StoreError as error:
                console.fail(str(error), Exit.PLATFORM_UNREACHABLE if error.retry else Exit.USAGE)
    except KeyboardInterrupt:  # click would make it 1, which means a gate
        raise typer.Exit(INTERRUPTED) from None


def ask(where: Where, question: Callable[[Conversation], Awaitable[Answer]]) -> Answer:
    """Talk to the cluster and return what came of it. Leaves with a message and an exit code."""
    with reporting():
        return asyncio.run(_asked(where, question))


async def _asked(where: Where, question: Callable[[Conversation], Awaitable[Answer]]) -> Answer:
    namespace = where.namespace
    try:
        async with api.connect(context=where.context, kubeconfig=where.kubeconfig) as door:
            namespace = namespace or door.namespace
            return await question(Conversation(door, namespace))
    except ApiError as error:
        console.fail(explained(error, namespace), code_of(error))


def explained(error: ApiError, namespace: str) -> str:
    """What an error of the API server means to whoever asked."""
    if isinstance(error, NotFoundError):
        if error.said != STATUS_REASON:  # of the server itself: it has no such path
            return f"the cluster has no {names.PLURAL}.{names.API_GROUP}: install the CRD first"
        return f"{error} in namespace {namespace}"
    return str(error)


def code_of(error: ApiError) -> Exit:
    """Who cannot be reached or is out of order is the platform; the rest is what was asked for."""
    is_refusal = BAD_REQUEST <= error.code < SERVER_ERROR and error.code != TOO_MANY
    if isinstance(error, UnauthorizedError) or not is_refusal:
        return Exit.PLATFORM_UNREACHABLE
    return Exit.USAGE


def is_passing(error: ApiError) -> bool:
    """Whether asking again may help."""
    return error.code in {0, TOO_MANY} or error.code >= SERVER_ERROR


def status_of(body: Body) -> Status:
    """The status of a job; fields that a newer operator may have added are left out."""
    return Status.model_validate(body.get("status") or {}, extra="ignore")


def is_finished(status: Status) -> bool:
    """Whether nothing will change any more."""
    return status.holds(ConditionType.FINISHED)


def outline(body: Body) -> spec.ProfilingJob:
    """The little of a job that its progress is told with; the rest may be invalid."""
    metadata, said = body["metadata"], body.get("spec") or {}
    return spec.ProfilingJob.model_construct(
        metadata=Metadata.model_construct(name=metadata["name"], namespace=metadata["namespace"]),
        spec=ProfilingJobSpec.model_construct(
            app=spec.App(),
            collectors=(),
            repetitions=said.get("repetitions", 1),
            warmups=said.get("warmups", 0),
        ),
    )


def print_job(body: Body, form: Form) -> None:
    """A job in one of the forms for programs."""
    if form is Form.NAME:
        typer.echo(f"{RESOURCE}/{body['metadata']['name']}")
    else:
        console.print_data(body, form.value)


def print_table(out: Console, titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns as kubectl prints them: as wide as they need to be, whatever the terminal."""
    lines = [list(titles), *([plain(cell) or NOTHING for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        text = GAP.join(cell + " " * (width - cell_len(cell)) for cell, width in cells)
        out.print(text.rstrip(), markup=False)


def plain(value: Any) -> str:
    """What somebody else wrote, in one line and without what would steer a terminal."""
    return cut(" ".join(str(value).split()))


def age(timestamp: str, now: datetime | None = None) -> str:
    """The time since, as kubectl writes it: `90s`, `5m10s`, `3d4h`; empty for no time."""
    passed = seconds_since(timestamp, now)
    if passed is None:
        return ""
    for limit, units in AGES:
        if passed < limit:
            return _counted(passed, units)
    return f"{passed // 86400}d"


def seconds_since(timestamp: str, now: datetime | None = None) -> int | None:
    """Whole seconds since a time, none before it; None for no time."""
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0, int(((now or datetime.now(UTC)) - then).total_seconds()))


def _counted(seconds: int, units: tuple[tuple[int, str], ...]) -> str:
    words: list[str] = []
    for size, unit in units:
        count, seconds = divmod(seconds, size)
        if count or not words:
            words.append(f"{count}{unit}")
    return "".join(words)
