"""One attempt on a Docker host, from its place to its results.

Whatever blocks happens in threads. What the keeper knows, it could find again: an agent that is
started anew goes on from the engine's labels.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from profiling_operator import attempt, backoff
from profiling_operator.agent.bodies import uid_of
from profiling_operator.agent.means import Means, OnEngine
from profiling_operator.agent.records import Record, utc
from profiling_operator.errors import (
    CancelledError,
    ExecutorError,
    ImageError,
    ProfilingError,
    Reason,
    StartError,
)
from profiling_operator.executors import Listener, Observation, State
from profiling_operator.pod_sightings import Sighting, Stage
from profiling_operator.status import time_text

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
WAIT_SECONDS = 10.0  # between two looks at what runs, where no event wakes
REFUSALS = 3  # tries of what the engine does not do as it is
GONE = "its container is gone"
OF_PLATFORM = {Reason.APP_OOM_KILLED, Reason.PLAYBACK_FAILED}
"""What the engine knows better than the launcher; of a stop from outside the report tells."""

logger = logging.getLogger("profjob.agent")

Answer = TypeVar("Answer")
Body = Mapping[str, Any]


class Keeper:
    """Keeps one attempt. For one event loop."""

    def __init__(self, record: Record, means: Means, saw: Callable[[], None]) -> None:
        """`saw` is called whenever there is something new to be seen."""
        self.record = record
        self.gpus: tuple[str, ...] | None = None
        """Those that it was given; None: it has no place yet."""
        self.seen = Sighting(Stage.QUEUED, "waiting for a place")
        self.ends_by = ""
        """When it should be gone, as it has been told to end."""
        self.is_unwanted = False
        self._means = means
        self._saw = saw
        self._executor: OnEngine | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def holds_place(self) -> bool:
        """Whether nobody else may have its GPUs, or its slot."""
        return self.gpus is not None and self.seen.stage not in {Stage.COLLECTING, Stage.ENDED}

    def wait_for(self, message: str) -> None:
        """It has no place, and this is what it waits for."""
        self._see(message=message, is_unschedulable=True)

    def place(self, gpus: tuple[str, ...], scheduled_at: str = "") -> None:
        """It has its place from now on, or from the time at which somebody earlier gave it that."""
        self.gpus = gpus
        self._loop = asyncio.get_running_loop()
        self._executor = self._means.executor(gpus)
        self._see(
            stage=Stage.STARTING, message="", is_unschedulable=False,
            pod_name=self.record.name, pod_uid=uid_of(self.record),
            node=self._means.host, device=", ".join(gpus), scheduled_at=scheduled_at or self._now(),
        )  # fmt: skip
        self._task = asyncio.create_task(self._keep(), name=f"attempt {self.record.name}")

    async def stop(self) -> None:
        """Ask it to end and to keep its profile. Raises ExecutorError."""
        if self._executor is None:
            return
        words = (self.record.name, Reason.CANCELLED, "cancelled")
        await self._means.in_thread(partial(self._executor.stop, *words))
        plan = self.record.plan
        longest = plan.stop_seconds + plan.deadlines.collect_seconds
        self.ends_by = self.ends_by or self._now(longest)
        self._see(is_deleted=True)

    async def discard(self) -> None:
        """Nothing of it is left afterwards, whatever it was doing; tried until that is so."""
        self.is_unwanted = True
        executor = self._executor or self._means.executor(())
        remove = partial(executor.remove, self.record.name)
        await self.patiently(remove)  # what is being done there fails then
        if self._task is not None:
            await asyncio.wait([self._task])
            await self.patiently(remove)
        await self.patiently(partial(self._means.forget, self.record.name))

    async def _keep(self) -> None:
        try:
            if await self._begin() and (seen := await self._watch()) is not None:
                await self._collect(seen)
        except ProfilingError as error:
            self._see(failure=(error.reason, str(error)))
        except Exception as error:  # one attempt's trouble is not the others'
            logger.exception("%s: a bug", self.record.name)
            self._see(failure=(Reason.INFRASTRUCTURE_LOST, f"{type(error).__name__}: {error}"))

    async def _begin(self) -> bool:
        """Bring everything there and start it; whether the application has begun."""
        refusals = 0
        for pause in backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE):
            try:
                is_there = await self._means.in_thread(self._start)
            except (ImageError, ExecutorError, StartError) as error:
                refusals += isinstance(error, StartError)  # also of an engine that is being ended
                if self.is_unwanted or refusals == REFUSALS:
                    raise
                pulls = str(error) if isinstance(error, ImageError) else ""
                self._see(message=str(error), pull_fails=pulls)
                await asyncio.sleep(pause)  # nothing tells of its return
                continue
            if not is_there:
                self._see(stage=Stage.ENDED, disrupted=GONE, ended_at=self._now())
            return is_there
        return False

    def _start(self) -> bool:
        """In a thread. Begins at most once, whoever tried before; False: it did, and is gone."""
        executor, name = self._own, self.record.name
        listener = Listener(self._progress)
        if not executor.has_begun(name):
            if not self._means.shelf.has_begun(name):
                attempt.require_possible(executor, self.record.plan)
                executor.prepare(self.record.plan, listener)
                self._refuse_unwanted()
                self._means.shelf.begin(name)
            elif executor.container(name) is None:
                return False
        executor.begin(name, listener)
        return True

    @property
    def _own(self) -> OnEngine:
        assert self._executor is not None  # noqa: S101 - it has its place
        return self._executor

    def _refuse_unwanted(self) -> None:
        if self.is_unwanted:
            raise CancelledError("it is not wanted any more")

    def _progress(self, words: str) -> None:
        """How the start goes on, from a thread; without what changes all the time."""
        self._refuse_unwanted()
        steady = words.rpartition(": ")[0] if words.endswith("%") else words
        self._loop.call_soon_threadsafe(partial(self._see, message=steady))

    async def _watch(self) -> Observation | None:
        """Until it has ended; None for one that nobody wants any more."""
        pauses = backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while not self.is_unwanted:
            try:
                seen, container = await self._means.in_thread(self._look)
            except ExecutorError as error:
                self._see(message=str(error))
                await asyncio.sleep(next(pauses))  # nothing tells of its return
                continue
            pauses = backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE)
            if seen.state in {State.ENDED, State.LOST}:
                return self._ended(seen, container)
            self._runs(seen, container)
        return None

    def _look(self) -> tuple[Observation, Body | None]:
        """In a thread. At once at first, then when something has happened."""
        seconds = WAIT_SECONDS if self.seen.stage is Stage.RUNNING else 0.0
        seen = self._own.wait(self.record.name, seconds)
        return seen, self._own.container(self.record.name)

    def _runs(self, seen: Observation, container: Body | None) -> None:
        state = (container or {}).get("State") or {}
        if state.get("Status") == "running":
            self._see(
                stage=Stage.RUNNING, message="", pull_fails="", image=seen.image,
                started_at=utc(str(state.get("StartedAt") or "")),
            )  # fmt: skip

    def _ended(self, seen: Observation, container: Body | None) -> Observation | None:
        """What is known of its end; None when there is nothing to collect."""
        if self.is_unwanted:
            return None
        if container is None or container["State"]["Status"] == "removing":
            self._see(stage=Stage.ENDED, disrupted=GONE, ended_at=self._now())
            return None
        state = container["State"]
        known = seen.reason if seen.reason in OF_PLATFORM else None
        self._see(
            stage=Stage.COLLECTING, message=seen.message, pull_fails="", image=seen.image,
            started_at=utc(str(state.get("StartedAt") or "")),
            finished_at=utc(str(state.get("FinishedAt") or "")) or self._now(),
            collecting_at=self._now(),  # that may be long after the end: no agent was there
            app=_terminated(state, seen),
            ending=(known, seen.message) if known else None,
        )  # fmt: skip
        return seen

    async def _collect(self, seen: Observation) -> None:
        """Convert and send what it left."""
        find = partial(self._own.container, self.record.name)
        identity = str((await self.patiently(find) or {}).get("Id") or "")
        copied = partial(self._own.workspace, self.record.name)
        seen = replace(seen, device=self.seen.device)
        async with self._means.collections:
            self._see(collecting_at=self._now())
            make = partial(self._means.collect, self.record.plan, identity, copied, seen)
            words = await self.patiently(make)
        if self.is_unwanted:
            return
        if words.exit_code and await self.patiently(find) is None:
            self._see(stage=Stage.ENDED, app=None, disrupted=GONE, ended_at=self._now())
            return
        said = {
            "exitCode": words.exit_code,
            "reason": "Completed" if words.exit_code == 0 else "Error",
            "message": words.message,
        }
        self._see(stage=Stage.ENDED, uploader=said, ended_at=words.finished_at or self._now())

    async def patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again while the engine does not answer."""
        for pause in backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE):
            try:
                return await self._means.in_thread(ask)
            except (ExecutorError, OSError) as error:
                self._see(message=str(error))
                await asyncio.sleep(pause)  # nothing tells of its return
        raise AssertionError("pauses never end")

    def _now(self, later: float = 0.0) -> str:
        """The time, or that in so many seconds, as Kubernetes has it."""
        return time_text(self._means.now() + timedelta(seconds=later))

    def _see(self, **changes: Any) -> None:
        seen = replace(self.seen, **changes)
        if seen != self.seen:
            self.seen = seen
            self._saw()


def _terminated(state: Body, seen: Observation) -> Body:
    """How the application's container ended, in a pod's words."""
    code = state.get("ExitCode")
    killed = seen.reason is Reason.APP_OOM_KILLED
    reason = "OOMKilled" if killed else "Completed" if code == 0 else "Error"
    return {"exitCode": code, "reason": reason, "message": str(state.get("Error") or "")}
