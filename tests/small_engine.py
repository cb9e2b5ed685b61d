"""A Docker engine of a hundred lines, in memory, as an agent's keepers and its shelf know it.

What runs there goes on whatever becomes of the agent. The clock is the event loop's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from profiling_operator import containers
from profiling_operator.agent.collecting import LastWords
from profiling_operator.agent.records import Found, Record
from profiling_operator.errors import ExecutorError, ProfilingError, Reason, WorkspaceGoneError
from profiling_operator.executors import SILENT, Listener, Observation, State
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report, ending, essence
from profiling_operator.status import time_text
from profiling_operator.toolchains import Facts
from profiling_operator.workspace import ExitRecord
from reconciling import MIDNIGHT, report

Body = dict[str, Any]
Interfere = Callable[[str, str, str], None]
"""Called `before` and `after` each call with its name and the attempt; may raise."""

CALL_SECONDS = 0.01


def clock() -> datetime:
    """The time on the engine's machine."""
    return MIDNIGHT + timedelta(seconds=asyncio.get_running_loop().time())


class OnLoop(Executor):
    """Stands for threads: a call is done at once, and its answer comes a moment later."""

    def submit(self, do: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        future: Future[Any] = Future()
        try:
            found = do(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it
            self._later(future, future.set_exception, error)
        else:
            self._later(future, future.set_result, found)
        return future

    @staticmethod
    def _later(future: Future[Any], settle: Callable[[Any], None], found: Any) -> None:
        def answer() -> None:
            if not future.cancelled():
                settle(found)

        asyncio.get_running_loop().call_later(CALL_SECONDS, answer)


def _nobody(when: str, call: str, attempt: str) -> None:
    """Interferes with nothing."""


@dataclass
class SmallEngine:
    """Containers, volumes, and what the store got of them."""

    run_seconds: float = 10.0
    exit_code: int = 0
    is_away: bool = False
    interfere: Interfere = _nobody
    refuses: list[ProfilingError] = field(default_factory=list)
    """Raised by the next ones that are prepared."""
    containers: dict[str, Body] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    executions: Counter[str] = field(default_factory=Counter)
    spans: list[tuple[str, tuple[str, ...], float, float]] = field(default_factory=list)
    """Attempt, GPUs, begin and end of each execution."""
    reports: dict[str, Report] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    _stops: set[str] = field(default_factory=set)

    @contextmanager
    def call(self, name: str, attempt: str = "") -> Iterator[None]:
        """One call of the engine's API."""
        self.interfere("before", name, attempt)
        if self.is_away:
            raise ExecutorError("the engine does not answer")
        yield
        self.interfere("after", name, attempt)

    def start(self, attempt: str) -> None:
        """A container begins to run, and ends in time."""
        made = self.containers[attempt]
        assert made["State"]["Status"] == "created"
        self.executions[attempt] += 1
        made["State"] |= {"Status": "running", "StartedAt": clock().isoformat()}
        begun = asyncio.get_running_loop().time()
        gpus = tuple(filter(None, made["Config"]["Labels"].get(containers.GPUS, "").split(",")))
        self.spans.append((attempt, gpus, begun, float("inf")))
        asyncio.get_running_loop().call_later(self.run_seconds, self._ends, made, self.exit_code)

    def _ends(self, made: Body, code: int) -> None:
        name = made["Name"]
        if self.containers.get(name) is made and made["State"]["Status"] == "running":
            self.end(name, Reason.COMPLETED if code == 0 else Reason.APP_FAILED, code)

    def end(self, attempt: str, reason: Reason | None, code: int = 0) -> None:
        """A container ends; without a reason its launcher left no outcome."""
        made = self.containers[attempt]
        made["State"] |= {"Status": "exited", "FinishedAt": clock().isoformat(), "ExitCode": code}
        times = (time_text(clock()), time_text(clock()))
        made["exit"] = ending(reason, code, *times) if reason else None
        self._note_end(attempt)

    def remove(self, attempt: str) -> None:
        """Somebody removes a container, whatever it does."""
        if self.containers.pop(attempt, None) is not None:
            self._note_end(attempt)

    def restart(self) -> None:
        """The machine begins anew: nothing runs."""
        for name, one in tuple(self.containers.items()):
            if one["State"]["Status"] == "running":
                self.end(name, None, 255)

    def stop(self, attempt: str) -> None:
        """The launcher finds word that it is to end, and does."""
        made = self.containers.get(attempt)
        if made is not None and made["State"]["Status"] == "running":
            self._stops.add(attempt)
            self.end(attempt, Reason.CANCELLED, 143)

    def _note_end(self, attempt: str) -> None:
        now = asyncio.get_running_loop().time()
        self.spans = [
            (name, gpus, begun, now if name == attempt and end == float("inf") else end)
            for name, gpus, begun, end in self.spans
        ]

    def exit_of(self, attempt: str) -> ExitRecord | None:
        """What the launcher left."""
        found: ExitRecord | None = self.containers[attempt].get("exit")
        return found

    def collect(
        self, plan: Plan, container: str, copy: Callable[[], Any], seen: Observation
    ) -> LastWords:
        """Take an attempt's results to the store."""
        with self.call("collect", plan.name):
            if plan.name not in self.containers:
                return LastWords(1, "the workspace is gone")
            told = report(
                number=plan.attempt, job=plan.key, uid=plan.uid, pod_uid=container,
                exit=self.exit_of(plan.name), stop_requested=plan.name in self._stops,
            )  # fmt: skip
            self.reports[plan.name] = told
            return LastWords(0, essence(told), time_text(clock()))

    def forget(self, attempt: str) -> None:
        """What collecting kept is removed."""
        self.forgotten.append(attempt)


@dataclass
class Executing:
    """The executor of one attempt: keeper.OnEngine."""

    engine: SmallEngine
    gpus: tuple[str, ...]
    name: str = "docker"
    fields: Mapping[str, str] = field(default_factory=dict)
    can_be_lost: bool = True

    def check(self, plan: Plan) -> Sequence[Any]:
        """Nothing is refused."""
        return ()

    def facts(self, plan: Plan) -> Facts:
        """Nothing stands in the way."""
        return Facts(machine="x86_64", ptrace_scope=0, perf_event_paranoid=0)

    def machine(self) -> Machine:
        """None."""
        return Machine()

    def prepare(self, plan: Plan, listener: Listener = SILENT) -> None:
        """Make the container."""
        with self.engine.call("prepare", plan.name):
            listener.progress("bringing the launcher")
            if self.engine.refuses:
                raise self.engine.refuses.pop(0)
            self.engine.remove(plan.name)
            labels = {containers.ATTEMPT: plan.name, containers.GPUS: ",".join(self.gpus)}
            self.engine.containers[plan.name] = {
                "Name": plan.name, "Id": f"id-{plan.name}", "Created": clock().isoformat(),
                "Config": {"Labels": labels}, "State": {"Status": "created"},
            }  # fmt: skip

    def has_begun(self, attempt: str) -> bool:
        """Whether it was started."""
        found = self.container(attempt)
        return found is not None and found["State"]["Status"] != "created"

    def begin(self, attempt: str, listener: Listener = SILENT) -> str:
        """Start it once."""
        with self.engine.call("begin", attempt):
            if self.engine.containers[attempt]["State"]["Status"] == "created":
                self.engine.start(attempt)
        return attempt

    def start(self, plan: Plan, listener: Listener = SILENT) -> str:
        """See the contract."""
        raise NotImplementedError

    def container(self, attempt: str) -> Body | None:
        """As it is."""
        with self.engine.call("container", attempt):
            return self.engine.containers.get(attempt)

    def observe(self, attempt: str) -> Observation:
        """What is to be seen."""
        with self.engine.call("observe", attempt):
            found = self.engine.containers.get(attempt)
            if found is None:
                return Observation(State.LOST, message="there is no such attempt")
            if found["State"]["Status"] != "exited":
                running = found["State"]["Status"] == "running"
                return Observation(State.RUNNING if running else State.STARTING)
            left = self.engine.exit_of(attempt)
            return Observation(State.ENDED if left else State.LOST, exit=left)

    def wait(self, attempt: str, seconds: float) -> Observation:
        """As `observe`: the answer takes its time anyway."""
        return self.observe(attempt)

    def stop(self, attempt: str, reason: Reason, message: str = "") -> None:
        """Leave word."""
        with self.engine.call("stop", attempt):
            self.engine.stop(attempt)

    @contextmanager
    def workspace(self, attempt: str) -> Iterator[Path]:
        """Nobody looks into it."""
        if attempt not in self.engine.containers:
            raise WorkspaceGoneError(f"the workspace of attempt {attempt} is gone")
        yield Path("/nowhere")

    def remove(self, attempt: str) -> None:
        """Leave nothing."""
        with self.engine.call("remove", attempt):
            self.engine.remove(attempt)

    def attempts(self) -> Sequence[str]:
        """All."""
        return sorted(self.engine.containers)


@dataclass
class SmallShelf:
    """The engine's volumes, as records.Shelf has them."""

    engine: SmallEngine

    def find(self) -> Found:
        """All attempts."""
        with self.engine.call("find"):
            records = tuple(self.engine.records.values())
            return Found(records, frozenset(self.engine.marks), frozenset(self.engine.containers))

    def containers(self) -> Mapping[str, Body]:
        """The applications'."""
        with self.engine.call("containers"):
            return dict(self.engine.containers)

    def enlist(self, record: Record) -> Record:
        """Make it once."""
        with self.engine.call("enlist", record.name):
            made = replace(record, created_at=time_text(clock()))
            return self.engine.records.setdefault(record.name, made)

    def forget(self, attempt: str) -> None:
        """Record and mark."""
        with self.engine.call("forget", attempt):
            self.engine.marks.discard(attempt)
            self.engine.records.pop(attempt, None)

    def has_begun(self, attempt: str) -> bool:
        """Whether there is a mark."""
        with self.engine.call("has_begun", attempt):
            return attempt in self.engine.marks

    def begin(self, attempt: str) -> None:
        """Make it."""
        with self.engine.call("mark", attempt):
            self.engine.marks.add(attempt)
