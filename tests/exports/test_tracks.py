"""Processes, threads and lanes of a time line."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies

from made_up_entries import SETTINGS
from profiling_operator.exports import tracks
from profiling_operator.exports.places import Thread
from profiling_operator.exports.tracks import INSIDE, LANES_LIMIT, Names, Span, Track


def track(on_gpu: bool = False, stream: int | None = None, name: str = "", **where: Any) -> Track:
    """A track of thread 1 of process 7."""
    given_fields = {"run": 0, "collector": "c", "host": None, "process": 7, "context": None}
    thread = Thread(**{**given_fields, "thread": 1, "device": None, **where})
    return Track(thread, stream, name, on_gpu)


def span(start: int, end: int, name: str = "s") -> Span:
    """From a moment to another."""
    return Span(start, end, name, "c,range", b"")


def words(*some: Track) -> list[str]:
    """The names of processes and threads, as they are asked for in order."""
    names = Names(some)
    for one in some:
        names.lane(one, 0)
    return [event["args"]["name"] for event in names.events() if event["name"].endswith("_name")]


def test_what_lies_side_by_side_or_within_is_in_one_lane() -> None:
    """Longer ones first where they begin together."""
    spans = [span(20, 30), span(0, 5), span(0, 10), span(12, 15)]

    assert tracks.lanes(spans) == [
        (0, span(0, 10)),
        (0, span(0, 5)),
        (0, span(12, 15)),
        (0, span(20, 30)),
    ]


def test_what_overlaps_otherwise_is_in_another_lane() -> None:
    """As soon as there is room again, the first lane is used."""
    assert [number for number, _ in tracks.lanes([span(0, 10), span(5, 15), span(12, 20)])] == [
        0,
        1,
        0,
    ]


def test_what_ends_together_ends_a_moment_before_what_holds_it() -> None:
    """All the way down, and never before it begins."""
    found = [one for _, one in tracks.lanes([span(0, 10), span(0, 10), span(9, 10)])]

    assert found == [span(0, 10), span(0, 10 - INSIDE), span(6, 6)]


def test_what_touches_ends_a_moment_before_the_next() -> None:
    """Also within others; a moment stays one."""
    spans = [span(0, 10), span(2, 6), span(6, 9), span(10, 10), span(10, 20)]

    assert [one for _, one in tracks.lanes(spans)] == [
        span(0, 9),
        span(2, 5),
        span(6, 8),
        span(10, 20),
        span(10, 10),
    ]


def test_lanes_are_bounded() -> None:
    """What has no room in the last one is missing."""
    found = tracks.lanes([span(number, 1000 + number) for number in range(100)])

    assert [number for number, _ in found] == list(range(LANES_LIMIT))


@SETTINGS
@given(
    strategies.lists(
        strategies.tuples(strategies.integers(0, 60), strategies.integers(0, 30)), max_size=40
    )
)
def test_lanes_hold_only_what_nests(drawn: list[tuple[int, int]]) -> None:
    """In a lane, of two spans one holds the other, or they are apart."""
    in_lanes: dict[int, list[Span]] = {}
    for number, one in tracks.lanes([span(start, start + length) for start, length in drawn]):
        in_lanes.setdefault(number, []).append(one)

    for lane in in_lanes.values():
        for at, one in enumerate(lane):
            assert one.start <= one.end
            for other in lane[at + 1 :]:
                assert other.start >= one.end or other.end <= one.end
    assert sum(map(len, in_lanes.values())) == len(drawn)


def test_processes_and_threads_have_names() -> None:
    """GPUs are processes, their streams are threads."""
    assert words(
        track(name="main"), track(thread=2), track(True, 7, device=0), track(True, device=None)
    ) == [
        "Process 7",
        'Thread 1 "main"',
        "Thread 2",
        "GPU 0",
        "Stream 7",
        "GPU",
        "Stream",
    ]


def test_names_tell_apart_what_differs() -> None:
    """Runs and hosts are other processes; collectors other threads of the same one."""
    assert words(
        track(host="a"), track(run=1, host="a"), track(host="b"), track(host="b", collector="d")
    ) == [
        "Run 0 a Process 7",
        "Thread 1 c",
        "Run 1 a Process 7",
        "Thread 1 c",
        "Run 0 b Process 7",
        "Thread 1 c",
        "Thread 1 d",
    ]


def test_no_number_is_that_of_another_thing() -> None:
    """Perfetto takes a thread with its process' number for its main thread."""
    some = [track(process=process, thread=thread) for process in range(3) for thread in range(3)]
    names = Names(some)

    lanes = [names.lane(one, number) for one in some for number in range(2)]

    numbers = {lane.process for lane in lanes} | {lane.thread for lane in lanes}
    assert len(numbers) == 3 + len(lanes)


def test_a_further_lane_has_its_number_in_its_name() -> None:
    """It is the same thread."""
    names = Names([track()])
    names.lane(track(), 1)

    assert {event["name"]: event["args"] for event in names.events()}["thread_name"] == {
        "name": "Thread 1 (2)"
    }
