"""Who gets which GPU, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.agent.gpus import Gpu
from profiling_operator.agent.queueing import Waiting, place

A, B, C = Gpu("GPU-a", "NVIDIA H200"), Gpu("GPU-b", "NVIDIA H200"), Gpu("GPU-c", "Tesla T4")
H200, T4 = "NVIDIA-H200", "Tesla-T4"


def waits(
    name: str, gpus: int = 1, product: str | None = None, *, at: int = 0, priority: int = 0
) -> Waiting:
    """One that waits since some second."""
    return Waiting(name, priority, f"2026-11-30T10:00:{at:02}Z", gpus, product)


def starting(waiting: Sequence[Waiting], free: Sequence[Gpu] = (), slots: int = 0) -> list[str]:
    """Who starts."""
    return list(place(waiting, free, slots))


@pytest.mark.parametrize(("first", "second"), [
    (waits("b", at=5), waits("a", at=6)),
    (waits("b", at=6, priority=10), waits("a", at=5)),
    (waits("n-2"), waits("n-10")),
    (replace(waits("b"), since="2026-11-30T10:00:00Z"),
     replace(waits("a"), since="2026-11-30T10:00:00.5Z")),
    (replace(waits("b"), since="2026-11-30T11:00:00+02:00"),
     replace(waits("a"), since="2026-11-30T09:00:01Z")),
], ids=["age", "priority", "number", "fraction", "zone"])  # fmt: skip
def test_the_order_is_priority_then_age_then_name(first: Waiting, second: Waiting) -> None:
    """Whichever was told first."""
    assert place([second, first], [A], 0) == {first.name: ("GPU-a",)}
    without = [replace(one, gpus=0) for one in (second, first)]
    assert place(without, [], 1) == {first.name: ()}


def test_gpus_are_given_in_the_order_of_the_host() -> None:
    """One application each."""
    given = place([waits("x", 2), waits("y", at=1), waits("z", at=2)], [A, B, C], 0)

    assert given == {"x": ("GPU-a", "GPU-b"), "y": ("GPU-c",)}


def test_one_that_wants_two_is_not_starved_by_those_that_want_one() -> None:
    """What is free is kept for him until there is enough."""
    waiting = [waits("two", 2), waits("one", at=1)]

    assert starting(waiting, [B]) == []
    assert starting(waiting, [A, B]) == ["two"]
    assert starting(waiting, [A, B, C]) == ["two", "one"]


def test_what_one_before_cannot_use_goes_to_others() -> None:
    """GPUs of another product; of those without a name only what is asked for without one."""
    waiting = [waits("h200", 2, H200), waits("any", at=1), waits("t4", 1, T4, at=2)]

    assert place(waiting, [A, C], 0) == {"any": ("GPU-c",)}
    assert place(waiting[::2], [A, C, Gpu("GPU-d")], 0) == {"t4": ("GPU-c",)}


def test_jobs_without_gpus_wait_for_each_other_only() -> None:
    """Nobody with GPUs is before or behind them."""
    waiting = [waits("gpu", 2), *(waits(f"cpu-{n}", 0, at=n) for n in (3, 1, 2))]

    assert starting(waiting, [A], 2) == ["cpu-1", "cpu-2"]
    assert starting(waiting, [A, B], 0) == ["gpu"]
    assert starting(waiting, [], -1) == []


PRODUCTS = st.sampled_from([None, H200, T4])
QUEUES = st.lists(
    st.builds(
        Waiting,
        name=st.integers(0, 30).map("n-{}".format),
        priority=st.sampled_from([-5, 0, 1000]),
        since=st.integers(0, 9).map("2026-11-30T10:00:0{}Z".format),
        gpus=st.integers(0, 4),
        product=PRODUCTS,
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)
HOSTS = st.lists(st.sampled_from(["NVIDIA H200", "Tesla T4", ""]), max_size=6).map(
    lambda products: [Gpu(f"GPU-{n}", product) for n, product in enumerate(products)]
)
SLOTS = st.integers(-1, 4)


@given(QUEUES, HOSTS, SLOTS)
def test_what_is_given_is_free_fits_and_is_given_once(
    waiting: list[Waiting], free: list[Gpu], slots: int
) -> None:
    """As many as were asked for."""
    placed = place(waiting, free, slots)
    by_uuid, by_name = {one.uuid: one for one in free}, {one.name: one for one in waiting}
    handed_out = [uuid for uuids in placed.values() for uuid in uuids]

    assert len(handed_out) == len(set(handed_out))
    for name, uuids in placed.items():
        assert len(uuids) == by_name[name].gpus
        assert all(by_uuid[uuid].is_of(by_name[name].product) for uuid in uuids)
    assert sum(not uuids for uuids in placed.values()) <= max(0, slots)


@given(QUEUES, HOSTS, SLOTS)
def test_nobody_changes_what_those_before_him_get(
    waiting: list[Waiting], free: list[Gpu], slots: int
) -> None:
    """With him or without, they start with the same GPUs: nobody overtakes."""
    queue = sorted(waiting, key=lambda one: one.turn)
    whole = place(waiting, free, slots)

    for length in range(len(queue)):
        before = place(queue[:length], free, slots)
        assert before == {one.name: whole[one.name] for one in queue[:length] if one.name in whole}


@given(QUEUES, HOSTS, SLOTS)
def test_nothing_stays_free_that_the_next_could_start_with(
    waiting: list[Waiting], free: list[Gpu], slots: int
) -> None:
    """One waits only where too little is left of what he could use, kept for one before or not."""
    placed = place(waiting, free, slots)
    kept = {uuid for uuids in placed.values() for uuid in uuids}
    started = sum(not uuids for uuids in placed.values())

    for one in sorted(waiting, key=lambda one: one.turn):
        if one.name in placed:
            continue
        usable = {gpu.uuid for gpu in free if gpu.is_of(one.product)} - kept
        assert len(usable) < one.gpus or (one.gpus == 0 and started == max(0, slots))
        kept |= usable


@given(QUEUES, HOSTS, st.integers(1, 4), st.data())
def test_every_job_that_a_host_can_serve_ends(
    waiting: list[Waiting], host: list[Gpu], slots: int, data: st.DataObject
) -> None:
    """Whoever ends when: each starts once, alone on its GPUs, and not after one behind it that
    could use no more than it."""
    can = [one for one in waiting if sum(gpu.is_of(one.product) for gpu in host) >= one.gpus]
    left, running, order = list(can), dict[str, tuple[str, ...]](), list[Waiting]()
    while left or running:
        busy = {uuid for uuids in running.values() for uuid in uuids}
        free = [gpu for gpu in host if gpu.uuid not in busy]
        placed = place(left, free, slots - sum(not uuids for uuids in running.values()))
        assert busy.isdisjoint(uuid for uuids in placed.values() for uuid in uuids)
        order += sorted((one for one in left if one.name in placed), key=lambda one: one.turn)
        left = [one for one in left if one.name not in placed]
        running |= placed
        assert running, "jobs wait, and nothing runs"
        del running[data.draw(st.sampled_from(sorted(running)))]

    assert sorted(one.name for one in order) == sorted(one.name for one in can)
    for kind in {(one.gpus == 0, one.product) for one in can}:
        alike = [one for one in order if (one.gpus == 0, one.product) == kind]
        assert alike == sorted(alike, key=lambda one: one.turn)
