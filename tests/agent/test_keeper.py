"""One attempt on a small engine, at the seams that jobs do not show; see test_host.py for those."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import virtual_time
from profiling_operator.agent.collecting import LastWords
from profiling_operator.agent.keeper import GONE, Keeper
from profiling_operator.agent.means import Means
from profiling_operator.agent.records import Record
from profiling_operator.errors import ExecutorError, ImageError, Reason
from profiling_operator.executors import Observation, State
from profiling_operator.pod_sightings import Sighting, Stage
from reconciling import at, planned
from small_engine import Executing, OnLoop, SmallEngine, SmallShelf, clock

NAME = planned().name


class Kept:
    """A keeper and all that it told."""

    def __init__(self, engine: SmallEngine, **means: Any) -> None:
        self.engine = engine
        self.told: list[Sighting] = []
        given = {
            "host": "h1", "executor": lambda gpus: Executing(engine, gpus),
            "shelf": SmallShelf(engine), "collect": engine.collect, "forget": engine.forget,
            "threads": OnLoop(), "collections": asyncio.Semaphore(1), "now": clock, **means,
        }  # fmt: skip
        self.keeper = Keeper(Record(planned(), created_at=at(0)), Means(**given), self._saw)

    def _saw(self) -> None:
        self.told.append(self.keeper.seen)

    async def until(self, stage: Stage) -> Sighting:
        """Until it has come so far."""
        async with asyncio.timeout(3600):
            while self.keeper.seen.stage is not stage:
                await asyncio.sleep(0.1)
        return self.keeper.seen


def play(scene: Callable[[Kept], Awaitable[Any]], **means: Any) -> Kept:
    """Play a scene with a keeper."""

    async def whole() -> Kept:
        kept = Kept(SmallEngine(), **means)
        await scene(kept)
        return kept

    return virtual_time.run(whole())


async def to_the_end(kept: Kept) -> None:
    """From its place to its results."""
    kept.keeper.place(("GPU-1",))
    await kept.until(Stage.ENDED)


def test_each_stage_is_told_once() -> None:
    """With the times of the engine, and who has the GPU."""
    kept = play(to_the_end)

    stages = [one.stage for one in kept.told]
    assert list(dict.fromkeys(stages)) == [
        Stage.STARTING, Stage.RUNNING, Stage.COLLECTING, Stage.ENDED,
    ]  # fmt: skip
    assert stages == sorted(stages, key=list(Stage).index)
    seen = kept.keeper.seen
    assert (seen.scheduled_at, seen.started_at, seen.finished_at) == (at(0), at(0), at(10))
    assert (seen.device, seen.node, seen.pod_name) == ("GPU-1", "h1", NAME)
    assert seen.app == {"exitCode": 0, "reason": "Completed", "message": ""}
    assert seen.uploader is not None
    assert seen.uploader["exitCode"] == 0
    assert len(kept.told) < 12


def test_its_place_is_free_as_soon_as_it_has_ended() -> None:
    """While its results are made."""
    kept = play(to_the_end)

    assert not kept.keeper.holds_place
    assert [one.stage for one in kept.told].count(Stage.COLLECTING) >= 1


def test_progress_without_what_changes_all_the_time() -> None:
    """Each word of it would be a write of the status."""

    async def scene(kept: Kept) -> None:
        await to_the_end(kept)
        for words in ("pulling a:1: 1 %", "pulling a:1: 99 %", "bringing the launcher"):
            kept.keeper._progress(words)
            await asyncio.sleep(1)

    messages = [one.message for one in play(scene).told]

    assert messages[-2:] == ["pulling a:1", "bringing the launcher"]


def test_what_the_engine_knows_better_is_told() -> None:
    """An application that was killed for memory."""

    class Remembering(Executing):
        """An engine that saw the killing."""

        def wait(self, attempt: str, seconds: float) -> Observation:
            """As it is, with the reason."""
            seen = super().wait(attempt, seconds)
            if seen.state is not State.ENDED:
                return seen
            told = {"reason": Reason.APP_OOM_KILLED, "message": "out of memory"}
            return Observation(seen.state, exit=seen.exit, **told)  # type: ignore[arg-type]

    engine = SmallEngine()

    async def scene() -> Kept:
        kept = Kept(engine, executor=lambda gpus: Remembering(engine, gpus))
        await to_the_end(kept)
        return kept

    seen = virtual_time.run(scene()).keeper.seen

    assert seen.ending == (Reason.APP_OOM_KILLED, "out of memory")
    assert seen.app is not None
    assert seen.app["reason"] == "OOMKilled"


def test_a_container_that_vanishes_before_its_results_are_made() -> None:
    """Nothing is left of the application's outcome either."""

    async def scene(kept: Kept) -> None:
        def gone(*_: Any) -> LastWords:
            kept.engine.remove(NAME)
            return LastWords(1, "the workspace is gone")

        kept.engine.collect = gone  # type: ignore[method-assign,assignment]
        object.__setattr__(kept.keeper._means, "collect", gone)
        await to_the_end(kept)

    seen = play(scene).keeper.seen
    assert (seen.disrupted, seen.app) == (GONE, None)


def test_one_that_began_and_is_gone_is_never_begun_again() -> None:
    """Its mark tells, whoever made it."""

    async def scene(kept: Kept) -> None:
        kept.engine.marks.add(NAME)
        await to_the_end(kept)

    kept = play(scene)
    assert kept.keeper.seen.disrupted == GONE
    assert not kept.engine.executions


def test_one_that_was_marked_and_not_begun_is_begun() -> None:
    """Its agent died in between; the engine knows that it never ran."""

    async def scene(kept: Kept) -> None:
        Executing(kept.engine, ("GPU-1",)).prepare(planned())
        kept.engine.marks.add(NAME)
        await to_the_end(kept)

    assert play(scene).engine.executions == {NAME: 1}


def test_a_failed_pull_is_told_while_it_is_tried() -> None:
    """And forgotten when it has come."""

    async def scene(kept: Kept) -> None:
        kept.engine.refuses = [ImageError("no answer")] * 2
        await to_the_end(kept)

    pulls = [one.pull_fails for one in play(scene).told]
    assert "no answer" in pulls
    assert pulls[-1] == ""


def test_a_bug_is_the_attempts_own_affair(caplog: pytest.LogCaptureFixture) -> None:
    """It is told as what it is, and logged."""

    async def scene(kept: Kept) -> None:
        kept.engine.refuses = [KeyError("x")]  # type: ignore[list-item]
        kept.keeper.place(())
        await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR, "profjob.agent"):
        kept = play(scene)

    assert kept.keeper.seen.failure == (Reason.INFRASTRUCTURE_LOST, "KeyError: 'x'")
    assert "a bug" in caplog.text


def test_what_has_no_place_has_nothing_to_stop() -> None:
    """And little to remove."""

    async def scene(kept: Kept) -> None:
        kept.keeper.wait_for("its turn")
        await kept.keeper.stop()
        assert not kept.keeper.seen.is_deleted
        await kept.keeper.discard()

    kept = play(scene)
    assert kept.engine.forgotten == [NAME]
    assert kept.told[0].is_unschedulable


def test_what_is_told_to_end_says_by_when() -> None:
    """The first time counts."""

    async def scene(kept: Kept) -> None:
        kept.keeper.place(())
        await kept.until(Stage.RUNNING)
        await kept.keeper.stop()
        first = kept.keeper.ends_by
        await asyncio.sleep(5)
        await kept.keeper.stop()
        assert first == kept.keeper.ends_by != ""
        await kept.until(Stage.ENDED)

    assert play(scene).keeper.seen.is_deleted


def test_an_engine_that_does_not_stop_it_is_told_of() -> None:
    """Whoever asked tries again."""

    async def scene(kept: Kept) -> None:
        kept.keeper.place(())
        await kept.until(Stage.RUNNING)
        kept.engine.is_away = True
        with pytest.raises(ExecutorError):
            await kept.keeper.stop()
        kept.engine.is_away = False
        await kept.until(Stage.ENDED)

    assert not play(scene).keeper.seen.is_deleted
