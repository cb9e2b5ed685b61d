"""Which jobs are looked at, and when; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import virtual_time
from profiling_operator import agenda
from profiling_operator.agenda import FIRST_BACKOFF, LONGEST_BACKOFF, Agenda

Scenario = Callable[[Agenda], Awaitable[None]]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock is the loop's."""
    monkeypatch.setattr(Agenda, "_now", staticmethod(lambda: asyncio.get_running_loop().time()))


def play(scenario: Scenario) -> None:
    """Run a scenario with an agenda on which nothing stands."""

    async def played() -> None:
        await scenario(Agenda())

    virtual_time.run(played())


async def taken(one: Agenda) -> str:
    """What is due now; empty where nothing is."""
    try:
        async with asyncio.timeout(0.001):
            return await one.take()
    except TimeoutError:
        return ""


def test_each_is_handed_out_once_however_often_it_is_mentioned() -> None:
    """In the order in which they became due."""

    async def scenario(one: Agenda) -> None:
        for uid in "abab":
            one.mark(uid)
        assert len(one) == 2
        assert [await one.take() for _ in range(2)] == ["a", "b"]
        assert await taken(one) == ""

    play(scenario)


def test_what_happens_during_a_look_is_looked_at_again() -> None:
    """Not at the same time: one job is never looked at by two."""

    async def scenario(one: Agenda) -> None:
        one.mark("a")
        await one.take()
        one.mark("a")
        one.mark("a")
        assert await taken(one) == ""
        one.done("a")
        assert await taken(one) == "a"
        one.done("a")
        assert await taken(one) == ""

    play(scenario)


def test_who_waits_is_woken() -> None:
    """And each of those who wait gets another one."""

    async def scenario(one: Agenda) -> None:
        waiting = [asyncio.create_task(one.take()) for _ in range(2)]
        await asyncio.sleep(1)
        one.mark("a")
        one.mark("b")
        assert sorted(await asyncio.gather(*waiting)) == ["a", "b"]

    play(scenario)


def test_a_time_that_was_wished_for_comes() -> None:
    """Not before; the last wish counts."""

    async def scenario(one: Agenda) -> None:
        loop = asyncio.get_running_loop()
        one.later("a", 5)
        one.later("a", 86400)
        one.later("b", -1)
        assert await one.take() == "b"
        assert await one.take() == "a"
        assert loop.time() == pytest.approx(86400, abs=0.1)

    play(scenario)


def test_a_wish_that_comes_during_a_look_is_kept() -> None:
    """It is due as soon as the look is over."""

    async def scenario(one: Agenda) -> None:
        one.mark("a")
        await one.take()
        one.later("a", 1)
        await asyncio.sleep(2)
        one.done("a")
        assert await taken(one) == "a"

    play(scenario)


def test_failures_are_tried_again_for_ever_and_ever_less_often() -> None:
    """Between half and all of a pause that doubles up to a limit: not all come at once."""

    async def scenario(one: Agenda) -> None:
        longest = FIRST_BACKOFF
        for _ in range(100):
            pause = one.retry("a")
            assert longest / 2 <= pause <= longest
            begun = asyncio.get_running_loop().time()
            assert await one.take() == "a"
            assert asyncio.get_running_loop().time() - begun == pytest.approx(pause)
            one.done("a")
            longest = min(LONGEST_BACKOFF, 2 * longest)
        assert longest == LONGEST_BACKOFF
        assert len({one.retry("a") for _ in range(10)}) > 1

    play(scenario)


def test_a_success_ends_the_failures() -> None:
    """Of that job alone."""

    async def scenario(one: Agenda) -> None:
        for _ in range(10):
            one.retry("a")
            one.retry("b")
        one.succeeded("a")
        one.succeeded("never failed")
        assert one.retry("a") <= FIRST_BACKOFF
        assert one.retry("b") > FIRST_BACKOFF

    play(scenario)


def test_what_happens_goes_before_a_pause() -> None:
    """A job that is tried again in a minute is looked at now when something happens to it."""

    async def scenario(one: Agenda) -> None:
        for _ in range(10):
            one.retry("a")
        one.mark("a")
        assert await taken(one) == "a"

    play(scenario)


def test_one_that_is_gone_rings_no_more() -> None:
    """And has no failures when one of its UID came again."""

    async def scenario(one: Agenda) -> None:
        for _ in range(10):
            one.retry("a")
        one.forget("a")
        one.forget("never known")
        await asyncio.sleep(2 * LONGEST_BACKOFF)
        assert await taken(one) == ""
        assert one.retry("a") <= FIRST_BACKOFF

    play(scenario)


def test_it_tells_how_long_the_oldest_has_waited() -> None:
    """For the health endpoint and for metrics; what is being looked at does not wait."""

    async def scenario(one: Agenda) -> None:
        assert (one.oldest_seconds(), len(one)) == (0.0, 0)
        one.mark("a")
        await asyncio.sleep(5)
        one.mark("b")
        one.mark("a")
        await asyncio.sleep(2)
        assert one.oldest_seconds() == pytest.approx(7)
        await one.take()
        assert (one.oldest_seconds(), len(one)) == (pytest.approx(2), 1)

    play(scenario)


def test_other_threads_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long each has been due, by a clock that does not jump."""
    now = [100.0]
    monkeypatch.setattr(agenda.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Agenda, "_now", staticmethod(lambda: now[0]))

    async def scenario(one: Agenda) -> None:
        one.mark("a")
        now[0] += 3
        one.mark("b")
        now[0] += 1
        assert sorted(await asyncio.to_thread(one.waits)) == [1.0, 4.0]

    asyncio.run(scenario(Agenda()))
