"""`profjob apply`: a job onto a cluster, under a name of its own for each build."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated

import typer

from profiling_operator import baselines, plan, pod_refusals, spec
from profiling_operator.cli import cluster, console, describe, exits, manifests
from profiling_operator.cli.cluster import Body, Form, Where
from profiling_operator.cli.conversation import Conversation
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.stored import Tell
from profiling_operator.cli.wait import Hiccups, Timeout, Waiting, follow
from profiling_operator.errors import ApiError, ConflictError, NotFoundError, SpecError
from profiling_operator.settings import Settings, StoreSettings

EXISTS = "AlreadyExists"
ROUNDS = 5  # of others who create and delete the job of this name meanwhile
PATIENCE_SECONDS = 30.0
DELETION_SECONDS = 300.0  # what runs is ended first, and what it measured is dropped
SHOWN = 3


def baseline_name(text: str) -> str:
    """The name of a baseline. Raises BadParameter."""
    if text and (why := baselines.name_problem(text)):
        raise typer.BadParameter(why)
    return text


def apply(
    file: Annotated[str, typer.Argument(metavar="[JOB.YAML]", help="The job; `-` for stdin.")] = "",
    filename: Annotated[
        str, typer.Option("--filename", "-f", metavar="JOB.YAML", help="The same, as kubectl.")
    ] = "",
    build_tag: Annotated[
        str | None,
        typer.Option(
            metavar="TAG",
            help="What makes the name that of a build; default: $BUILD_TAG, '' for the name alone.",
        ),
    ] = None,
    changes: console.Changes = None,
    accept_baseline: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            parser=baseline_name,
            help="Add the job to this baseline of its series once it has ended well.",
        ),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete another or a finished job of this name first.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Have the server check it, and create nothing.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Then wait, and end with the job's exit code.")
    ] = False,
    timeout: Timeout = None,
    namespace: cluster.Namespace = "",
    context: cluster.Context = "",
    kubeconfig: cluster.Kubeconfig = "",
    output: cluster.Output = Form.TEXT,
    quiet: cluster.Quiet = False,
) -> None:
    """Create a job on a cluster; a job of this name that has finished is never taken for it.

    The same job that is on its way already is left as it is: exit code 0, so that a stage can be
    started again. Another one, or one that has finished: exit code 2.
    """  # fmt: skip
    source = _one_file(file, filename)
    build = manifests.build_here(build_tag, accept_baseline)
    ours, own_namespace = _manifest(source, build, tuple(changes or ()), namespace)
    stderr = console.stderr(quiet)
    tell = console.teller(stderr)

    async def applied(asked: Conversation) -> tuple[Body, str]:
        body, verb = await Applying(ours, tell, replace, dry_run).through(asked)
        if wait and not dry_run:
            tell(f"{cluster.RESOURCE}/{body['metadata']['name']} {verb}")
            waiting = Waiting(body["metadata"]["name"], stderr, timeout=timeout)
            body = await waiting.through(asked)
        return body, verb

    where = Where(namespace or own_namespace, context, kubeconfig)
    body, verb = cluster.ask(where, applied)
    _print(body, f"{verb} (server dry run)" if dry_run else verb, output, is_over=wait)


def _one_file(file: str, filename: str) -> str:
    """The file, which may be named in two ways."""
    if bool(file) == bool(filename):
        console.fail("name one file, as in profjob apply job.yaml (or -f job.yaml)", Exit.USAGE)
    return file or filename


def _manifest(
    file: str, build: manifests.Build, changes: tuple[str, ...], namespace: str
) -> tuple[Body, str]:
    """What is to be sent, checked as the operator will, and the namespace that it names."""
    with console.explaining(file):
        read = console.read_body(file, changes)
        spec.read_body(spec.with_name(read))
        body = manifests.of_build(read, build)
        _require_runnable(spec.read_body(spec.with_name(body)))
    own = str(body["metadata"].get("namespace") or "")
    if own and namespace and own != namespace:
        console.fail(f"{file}: metadata.namespace is {own}, and -n says {namespace}", Exit.USAGE)
    return body, own


def _require_runnable(job: spec.ProfilingJob) -> None:
    """Raises SpecError for what every cluster refuses; which stores there are is not known here."""
    planned = plan.build_plan(job)
    store = StoreSettings(url="https://store.invalid")
    problems = pod_refusals.check(planned, Settings(stores={planned.output.store: store}))
    if problems:
        raise SpecError(problems)


def _print(body: Body, verb: str, output: Form, *, is_over: bool) -> None:
    status = cluster.status_of(body)
    if output not in {Form.TEXT, Form.WIDE}:
        cluster.print_job(body, output)
    elif is_over and cluster.is_finished(status):
        describe.print_outcome(console.stdout(), status, wide=output is Form.WIDE)
    else:
        typer.echo(f"{cluster.RESOURCE}/{body['metadata']['name']} {verb}")
    if is_over and cluster.is_finished(status):
        raise typer.Exit(exits.of(status))


def refusal(there: Body, ours: Body) -> str:
    """Why a job of the same name is not the one that is asked for; empty: it is, and goes on."""
    status = cluster.status_of(there)
    if there["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    if cluster.is_finished(status):
        ago = cluster.age(status.completion_time)
        return f"has finished already, {ago} ago: {status.phase}" if ago else "has finished already"
    found = manifests.differences(there, ours)
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return f"is another job ({'; '.join(found[:SHOWN])}{more}), and a job cannot be changed"
    return "is being cancelled" if (there.get("spec") or {}).get("cancel") else ""


@dataclass(frozen=True)
class Applying:
    """One job on its way to a cluster."""

    ours: Body
    tell: Tell
    replace: bool = False
    dry_run: bool = False

    async def through(self, asked: Conversation) -> tuple[Body, str]:
        """The job as the server has it, and what was done. Leaves where it cannot be had."""
        verb = "created"
        for _ in range(ROUNDS):
            created = await self._create(asked)
            if created is not None:
                return created, verb
            name = str(self.ours["metadata"]["name"])
            there = await _look(asked, name)
            if there is None:
                continue
            why = refusal(there, self.ours)
            if not why:
                return there, "unchanged"
            self._require_replace(asked, name, why)
            verb = "replaced"
            if self.dry_run:
                return there, verb
            await self._delete(asked, there)
        console.fail(f"{asked.namespace}/{name}: others create and delete it too", Exit.USAGE)

    def _require_replace(self, asked: Conversation, name: str, why: str) -> None:
        if not self.replace:
            choice = "--replace deletes it and creates it anew; or take another name (--build-tag)"
            console.fail(f"{asked.namespace}/{name}: {why}; {choice}", Exit.USAGE)

    async def _create(self, asked: Conversation) -> Body | None:
        """The new job; None where there is one of its name."""
        hiccups = Hiccups(self.tell, PATIENCE_SECONDS)
        while True:
            try:
                return await asked.create(self.ours, dry_run=self.dry_run)
            except ConflictError as error:
                if error.said != EXISTS:
                    raise
                return None
            except ApiError as error:
                self._require_name(error)
                await hiccups.bear(error)

    def _require_name(self, error: ApiError) -> None:
        """Only what has a name can be tried again: the first try may have made one."""
        if cluster.is_passing(error) and not self.ours["metadata"].get("name"):
            message = "it may have been created, under a name that the server made: profjob list"
            console.fail(f"{error}; {message}", Exit.PLATFORM_UNREACHABLE)

    async def _delete(self, asked: Conversation, there: Body) -> None:
        """Until it is gone, for so long."""
        name, uid = there["metadata"]["name"], there["metadata"]["uid"]
        self.tell(f"{asked.namespace}/{name}: is deleted first")
        try:
            async with asyncio.timeout(DELETION_SECONDS):
                await asked.delete(name, uid)
                await self._gone(asked, name, uid)
        except TimeoutError:
            message = f"is still being deleted after {DELETION_SECONDS:g} s: is the operator there?"
            console.fail(f"{asked.namespace}/{name}: {message}", Exit.TIMED_OUT_WAITING)

    async def _gone(self, asked: Conversation, name: str, uid: str) -> None:
        states = follow(asked, name, self.tell)
        try:
            async with aclosing(states):
                async for body in states:
                    if body["metadata"]["uid"] != uid:
                        return
        except NotFoundError:
            return


async def _look(asked: Conversation, name: str) -> Body | None:
    try:
        return await asked.job(name)
    except NotFoundError:
        return None
