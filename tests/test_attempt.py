"""Driving a job to its end, over a made-up executor: every way in which it may go."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from making import job
from profiling_operator import attempt, store
from profiling_operator.baselines import Snapshot
from profiling_operator.collectors import Facts, Impossible
from profiling_operator.collectors.pyspy import PySpy
from profiling_operator.errors import (
    ExecutorError,
    PlaybackError,
    Problem,
    ProfilingError,
    Reason,
    SpecError,
)
from profiling_operator.executors import SILENT, Executor, Listener, Observation, State
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings
from profiling_operator.status import ConditionType, Phase, Status
from profiling_operator.workspace import ExitRecord, Origin, RunRecord

TIME = "2026-11-23T10:00:00.000000000Z"


def ended(reason: str = "Completed", exit_code: int = 0, runs: int = 1) -> Observation:
    """An attempt that has ended."""
    record = RunRecord(
        index=0, warmup=False, reason=reason, origin=Origin.APP, exit_code=exit_code,
        started_at=TIME, finished_at=TIME, started_monotonic_ns=0, finished_monotonic_ns=10**9,
    )  # fmt: skip
    last = ExitRecord(
        protocol=1, reason=reason, origin=Origin.APP, runs=runs, exit_code=exit_code,
        started_at=TIME, finished_at=TIME,
    )  # fmt: skip
    return Observation(State.ENDED, runs=(record,) * runs, exit=last)


@dataclass
class Scripted:
    """An executor that shows what it is told to, attempt by attempt."""

    root: Path
    scripts: list[list[Observation]]
    error: ProfilingError | None = None
    problems: Sequence[Problem] = ()
    there: Sequence[str] = ()
    started: list[str] = field(default_factory=list)
    stopped: list[tuple[Reason, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    name = "scripted"
    fields: Mapping[str, str] = field(default_factory=dict)
    can_be_lost: bool = False
    progress: str = ""
    silent: int = 0
    """How often it does not answer before it does."""

    def facts(self, plan: Plan) -> Facts:
        """This machine's would do."""
        return Facts(machine="x86_64")

    def machine(self) -> Machine:
        """A made-up one."""
        return Machine(cpu="Scripted")

    def check(self, plan: Plan) -> Sequence[Problem]:
        """Its problems."""
        return self.problems

    def start(self, plan: Plan, listener: Listener = SILENT) -> str:
        """Start, or raise what it was told to."""
        self.started.append(plan.name)
        if self.progress:
            listener.progress(self.progress)
        if self.error:
            raise self.error
        return plan.name

    def observe(self, attempt: str) -> Observation:
        """The next observation; the last one stays."""
        if self.silent:
            self.silent -= 1
            raise ExecutorError("the engine does not answer")
        script = self.scripts[len(self.started) - 1]
        return script.pop(0) if len(script) > 1 else script[0]

    def wait(self, attempt: str, seconds: float) -> Observation:
        """Nothing to wait for."""
        return self.observe(attempt)

    def stop(self, attempt: str, reason: Reason, message: str = "") -> None:
        """End at the next look."""
        self.stopped.append((reason, message))
        self.scripts[len(self.started) - 1] = [ended(reason.value)]

    @contextmanager
    def workspace(self, attempt: str) -> Iterator[Path]:
        """A workspace with one profile."""
        yield self.root

    def remove(self, attempt: str) -> None:
        """Remember it."""
        self.removed.append(attempt)

    def attempts(self) -> Sequence[str]:
        """What an earlier one left."""
        return self.there


@dataclass
class World:
    """A job's surroundings."""

    tmp_path: Path
    cancel: attempt.Cancel = field(default_factory=attempt.Cancel)
    told: list[Status] = field(default_factory=list)

    def executor(self, *scripts: list[Observation], **more: Any) -> Scripted:
        """An executor over a workspace that holds a profile."""
        root = self.tmp_path / "workspace"
        (root / "run-0" / "pyspy").mkdir(parents=True, exist_ok=True)
        (root / "run-0" / "pyspy" / "profile.folded").write_text("hot (a.py:1) 50\n")
        return Scripted(root, list(scripts), **more)

    def given(self, executor: Scripted, **changes: Any) -> attempt.Given:
        """What a job is driven with."""
        ours: Any = executor
        typed: Executor = ours
        return attempt.Given(
            job=job(uid="u", **changes), folder="", executor=typed,
            store=store.FileStore(self.tmp_path / "results"), settings=Settings(),
            tell=self.told.append, cancel=self.cancel,
        )  # fmt: skip

    def run(self, executor: Scripted, **changes: Any) -> Status:
        """Drive a job to its end."""
        return attempt.run_job(self.given(executor, **changes))

    def written(self) -> Any:
        """The status file of the results."""
        return json.loads((self.tmp_path / "results" / "status.json").read_text())


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh world."""
    return World(tmp_path)


def test_a_good_job_succeeds_and_publishes(world: World) -> None:
    """Each phase is told once, the results are there, and the attempt is removed."""
    executor = world.executor([Observation(State.STARTING), Observation(State.RUNNING), ended()])

    status = world.run(executor)

    assert [one.phase for one in world.told] == [
        Phase.STARTING, Phase.RUNNING, Phase.COLLECTING, Phase.SUCCEEDED,
    ]  # fmt: skip
    assert status.headline == "hot 100 % of 500 ms"
    assert status.results is not None and status.results.url.endswith("/results")
    assert world.written()["status"]["phase"] == "Succeeded"
    assert world.written()["kind"] == "ProfilingJob"
    assert executor.removed == executor.started


@pytest.mark.parametrize(
    ("limit", "verdict", "holds"), [("2s", "Passed", "True"), ("1ms", "Failed", "False")]
)
def test_a_gate_is_judged(world: World, limit: str, verdict: str, holds: str) -> None:
    """Met or not, the job is complete, and its results have the file for Jenkins."""
    gate = {"measure": "app/duration", "max": limit}

    status = world.run(world.executor([ended()]), gates=[gate])

    assert status.phase is Phase.SUCCEEDED
    assert [one.verdict for one in status.gates] == [verdict]
    passed = status.condition(ConditionType.GATES_PASSED)
    assert passed is not None and passed.status == holds
    assert [one["verdict"] for one in world.written()["status"]["gates"]] == [verdict]
    assert (world.tmp_path / "results" / "junit.xml").exists()


def test_a_gate_is_judged_by_what_was_known_before_the_start(world: World) -> None:
    """The baselines are asked for once, and only by a job whose gates name one."""
    asked: list[int] = []

    def snapshots(planned: Plan) -> list[Snapshot]:
        asked.append(len(executor.started))
        return [Snapshot(name="main", problem="the store is away")]

    gate = {"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"}
    executor = world.executor([ended()])
    given = world.given(executor, gates=[gate])
    status = attempt.run_job(dataclasses.replace(given, snapshots=snapshots))
    plain = world.given(world.executor([ended()]), gates=[{"measure": "app/duration", "max": 1}])
    attempt.run_job(dataclasses.replace(plain, snapshots=snapshots))

    assert asked == [0]
    assert status.gates[0].verdict == "Skipped"
    assert "the store is away" in status.gates[0].message
    summary = json.loads((world.tmp_path / "results" / "summary.json").read_text())
    assert summary["machine"] == {"gpus": [], "driver": "", "cpu": "Scripted"}


def test_gates_of_a_failed_application_are_unknown(world: World) -> None:
    """Neither met nor missed."""
    gate = {"measure": "app/duration", "max": 1}

    status = world.run(world.executor([ended("AppFailed", 3)]), gates=[gate])

    passed = status.condition(ConditionType.GATES_PASSED)
    assert passed is not None and passed.status == "Unknown"


def test_a_failed_application_keeps_its_profile(world: World) -> None:
    """Failed with AppFailed, and with usable results."""
    status = world.run(world.executor([ended("AppFailed", 3)]))

    assert (status.phase, status.reason) == (Phase.FAILED, "AppFailed")
    assert status.holds(ConditionType.PROFILE_USABLE)
    assert (world.tmp_path / "results" / "entries.jsonl.gz").exists()


def test_a_failed_application_is_tried_again_within_its_budget(world: World) -> None:
    """retries.app gives new attempts; the failed one stays in the status."""
    executor = world.executor([ended("AppFailed", 3)], [ended()])

    status = world.run(executor, retries={"app": 2})

    assert status.phase is Phase.SUCCEEDED
    assert [(one.number, one.outcome) for one in status.attempts] == [
        (1, "AppFailed"), (2, "Completed"),
    ]  # fmt: skip
    assert executor.removed == executor.started
    assert len(set(executor.started)) == 2


def test_the_budget_has_an_end(world: World) -> None:
    """One retry means two attempts."""
    executor = world.executor([ended("AppFailed", 3)], [ended("AppFailed", 4)])

    status = world.run(executor, retries={"app": 1})

    assert (status.reason, len(executor.started)) == ("AppFailed", 2)


def test_a_timeout_is_not_tried_again(world: World) -> None:
    """It would be reached again."""
    executor = world.executor([ended("AppTimedOut", 124)])

    assert world.run(executor, retries={"app": 3}).reason == "AppTimedOut"


def test_nothing_measured_is_a_failed_job(world: World) -> None:
    """A good application with an empty profile is never Succeeded."""
    executor = world.executor([ended()])
    (executor.root / "run-0" / "pyspy" / "profile.folded").unlink()

    status = world.run(executor)

    assert (status.phase, status.reason) == (Phase.FAILED, "NothingMeasured")
    usable = status.condition(ConditionType.PROFILE_USABLE)
    assert usable is not None and usable.status == "False"


def test_a_cancelled_job_is_stopped_and_keeps_its_profile(world: World) -> None:
    """The application is asked to stop once; what was measured is published."""
    executor = world.executor([Observation(State.RUNNING)])

    def tell(status: Status) -> None:
        if status.phase is Phase.RUNNING:
            world.cancel.request()

    status = attempt.run_job(dataclasses.replace(world.given(executor), tell=tell))

    assert (status.phase, status.reason) == (Phase.CANCELLED, "Cancelled")
    assert executor.stopped == [(Reason.CANCELLED, "cancelled")]
    assert status.results is not None


def test_a_cancel_does_not_wait_for_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A playback server that is slow to get ready is not waited for; nothing stays."""

    def slow(self: Scripted, plan: Plan, listener: Listener) -> str:
        self.started.append(plan.name)
        world.cancel.request()
        raise AssertionError("not interrupted")

    monkeypatch.setattr(Scripted, "start", slow)
    executor = world.executor([ended()])

    status = world.run(executor)

    assert status.phase is Phase.CANCELLED
    assert executor.removed == executor.started


def test_a_job_that_was_cancelled_before_is_not_started(world: World) -> None:
    """The wish may come while the job is being read."""
    world.cancel.request()
    executor = world.executor([ended()])

    assert world.run(executor).phase is Phase.CANCELLED
    assert executor.started == []


def test_a_lost_attempt_is_told(world: World) -> None:
    """Without an outcome of the launcher it is InfrastructureLost."""
    lost = Observation(State.LOST, message="gone")

    status = world.run(world.executor([lost]))

    assert (status.phase, status.reason) == (Phase.FAILED, "InfrastructureLost")


def test_what_keeps_it_from_starting_is_published(world: World) -> None:
    """The status replaces an earlier result, so that nobody takes that for this one."""
    world.run(world.executor([ended()]))

    status = world.run(world.executor(error=PlaybackError("port 80: nobody listens")))

    assert (status.phase, status.reason) == (Phase.FAILED, "PlaybackNotReady")
    there = {one.name for one in (world.tmp_path / "results").iterdir()}
    assert there == {"status.json", "report.html", "report.css"}


def test_a_preflight_ends_the_job_before_it_starts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time is spent where measuring cannot work."""
    found = [Impossible(Reason.COUNTERS_NOT_PERMITTED, "ask your administrator")]
    monkeypatch.setattr(PySpy, "preflight", lambda self, facts, options: found)
    executor = world.executor([ended()])

    status = world.run(executor)

    assert status.reason == "CountersNotPermitted"
    assert executor.started == []


@pytest.mark.parametrize(
    "changes",
    [
        {"suspend": True},
        {"gpu": {"count": 1}},
    ],
)
def test_what_the_executor_refuses_is_the_spec_s_problem(
    world: World, changes: dict[str, Any]
) -> None:
    """Nothing is started and nothing is written."""
    problems = [Problem("spec.gpu.count", "none")] if "gpu" in changes else []
    executor = world.executor([ended()], problems=problems)

    with pytest.raises(SpecError, match=r"spec\.(gpu|suspend|gates)"):
        world.run(executor, **changes)

    assert executor.started == []
    assert not (world.tmp_path / "results").exists()


def test_a_job_that_is_cancelled_from_the_start_never_starts(world: World) -> None:
    """spec.cancel is obeyed."""
    executor = world.executor([ended()])

    assert world.run(executor, cancel=True).phase is Phase.CANCELLED
    assert executor.started == []


def test_lost_results_keep_the_workspace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application was fine and the disk was not: ResultsLost, and nothing is deleted."""

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attempt.uploader, "collect", full)
    executor = world.executor([ended()])

    status = world.run(executor)

    assert (status.phase, status.reason) == (Phase.FAILED, "ResultsLost")
    assert "No space left" in status.conditions[0].message
    assert executor.removed == []


def test_a_launcher_that_hangs_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""
    monkeypatch.setattr(attempt, "HUNG_SECONDS", -(10**6))
    executor = world.executor([Observation(State.RUNNING)])

    status = world.run(executor)

    assert status.reason == "InfrastructureLost"
    assert executor.removed == executor.started


def test_an_attempt_that_was_left_behind_is_gone_on_with(world: World) -> None:
    """A second attempt that runs already is not preceded by the first one again."""
    names = world.executor([ended("AppFailed", 3)], [ended()])
    world.run(names, retries={"app": 1})
    executor = world.executor([ended()], there=names.started[1:])

    assert attempt.left_behind(world.given(executor, retries={"app": 1})) == names.started[1:]
    status = world.run(executor, retries={"app": 1})

    assert executor.started == names.started[1:]
    assert status.attempts[-1].number == 2


def test_an_interrupt_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C ends at once, and the attempt with it."""

    def interrupted(self: Scripted, attempt: str) -> Observation:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scripted, "observe", interrupted)
    executor = world.executor([ended()])

    with pytest.raises(KeyboardInterrupt):
        world.run(executor)

    assert executor.removed == executor.started


def lost() -> Observation:
    """An attempt whose place went away."""
    return Observation(State.LOST, message="gone")


def test_a_lost_attempt_is_tried_again_where_places_can_be_lost(world: World) -> None:
    """The budget is retries.infrastructure; both attempts are in the status."""
    executor = world.executor([lost()], [ended()], can_be_lost=True)

    status = world.run(executor)

    assert status.phase is Phase.SUCCEEDED
    assert [one.outcome for one in status.attempts] == ["InfrastructureLost", "Completed"]


def test_the_budgets_are_counted_apart(world: World) -> None:
    """A lost attempt takes nothing from what the application may fail."""
    executor = world.executor(
        [lost()], [ended("AppFailed", 3)], [ended("AppFailed", 3)], can_be_lost=True
    )

    status = world.run(executor, retries={"app": 1, "infrastructure": 1})

    assert status.phase is Phase.FAILED
    outcomes = [one.outcome for one in status.attempts]
    assert outcomes == ["InfrastructureLost", "AppFailed", "AppFailed"]


def test_without_a_budget_a_lost_attempt_is_the_end(world: World) -> None:
    """With its reason."""
    executor = world.executor([lost()], can_be_lost=True)

    assert world.run(executor, retries={"infrastructure": 0}).reason == "InfrastructureLost"


def test_a_platform_that_does_not_answer_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs there goes on while an engine is restarted."""
    monkeypatch.setattr(attempt, "UNREACHABLE_PAUSE", 0.0)
    executor = world.executor([ended()], can_be_lost=True, silent=3)

    assert world.run(executor).phase is Phase.SUCCEEDED
    assert len(executor.started) == 1


def test_a_platform_that_never_answers_again_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bounded time, and the reason says whose doing it was."""
    monkeypatch.setattr(attempt, "UNREACHABLE_SECONDS", 0.0)
    executor = world.executor([ended()], can_be_lost=True, silent=10**6)

    assert world.run(executor).reason == "InfrastructureLost"


def test_starting_is_told_as_it_goes_on(world: World) -> None:
    """The phase is Starting, and Reconciling says with what."""
    world.run(world.executor([ended()], progress="pulling the image: 40 % of 9 MB"))

    first = world.told[0].condition(ConditionType.RECONCILING)
    assert world.told[0].phase is Phase.STARTING
    assert first is not None and first.message == "pulling the image: 40 % of 9 MB"


def test_a_start_that_takes_too_long_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """StartDeadlineExceeded says at what it was; nothing stays."""
    executor = world.executor([ended()], progress="pulling the image: 40 % of 9 MB")
    clock = iter(range(0, 10**6, 100))
    monkeypatch.setattr(attempt.time, "monotonic", lambda: next(clock))

    status = world.run(executor, deadlines={"startSeconds": 60})

    assert status.reason == "StartDeadlineExceeded"
    assert executor.removed == executor.started
    condition = status.condition(ConditionType.FINISHED)
    assert condition is not None and "pulling the image" in condition.message
