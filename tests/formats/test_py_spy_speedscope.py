"""Speedscope files, py-spy's and others, read without knowing what they are for."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capabilities import SHARED
from profiling_operator.formats import py_spy_speedscope
from profiling_operator.formats.py_spy import Frame, Malformed, Stack, Thread

Found = Stack | Malformed


def read(data: bytes) -> list[Found]:
    """What a file holds."""
    frames = py_spy_speedscope.read_frames(io.BytesIO(data))
    return list(py_spy_speedscope.read_speedscope(io.BytesIO(data), frames))


def speedscope(body: Any) -> list[Stack]:
    """Its stacks."""
    return [one for one in read(json.dumps(body).encode()) if isinstance(one, Stack)]


def file(*profiles: Any) -> dict[str, Any]:
    """A speedscope file with two frames."""
    frames = [{"name": "main", "file": "a.py", "line": 9}, {"name": "hot", "line": 0}]
    return {"profiles": list(profiles), "shared": {"frames": frames}}


def profile(**more: Any) -> dict[str, Any]:
    """A profile of three samples."""
    return {
        "type": "sampled", "name": 'Process 7 Thread 0x8 "w"', "unit": "seconds",
        "samples": [[0, 1], [0], [0, 1]], "weights": [0.01, 0.01, 0.02], **more,
    }  # fmt: skip


def evented(*events: tuple[str, int, float], **more: Any) -> dict[str, Any]:
    """A profile of events: kind, frame, moment."""
    listed = [{"type": kind, "frame": frame, "at": at} for kind, frame, at in events]
    given = {"name": "x", "unit": "none", "startValue": 0, "endValue": 10}
    return {"type": "evented", **given, "events": listed, **more}


def test_equal_samples_of_a_thread_are_added_up() -> None:
    """With their weights in nanoseconds."""
    stacks = {one.frames: one for one in speedscope(file(profile()))}

    main, hot = Frame("main", "a.py", 9), Frame("hot")
    assert stacks[(main, hot)].samples == 2
    assert stacks[(main, hot)].amount == pytest.approx(30e6)
    assert stacks[(main,)].samples == 1
    assert {one.thread for one in stacks.values()} == {Thread(7, 8, "w")}


def test_words_for_process_and_thread_are_no_frames() -> None:
    """With threads and subprocesses py-spy puts them at the root, command lines included."""
    body = file(profile(name='Process 7 Thread 8 ""', samples=[[2, 3, 0], [2, 4, 0], [2, 4]]))
    body["shared"]["frames"] += [
        {"name": 'process 7:"python a.py\n--token=SECRET"', "file": "", "line": 0},
        {"name": "thread (8)", "file": "", "line": 0},
        {"name": "thread (8): worker", "file": "", "line": 0},
    ]

    stacks = speedscope(body)

    assert "SECRET" not in str(stacks)
    main = (Frame("main", "a.py", 9),)
    assert sorted((one.frames, one.samples) for one in stacks) == [((), 1), (main, 1), (main, 1)]
    assert {one.thread.name for one in stacks} <= {"worker", ""}


@pytest.mark.parametrize(("unit", "amount", "told"), [
    ("seconds", 40e6, "ns"), ("milliseconds", 40e3, "ns"), ("microseconds", 40.0, "ns"),
    ("nanoseconds", 0.04, "ns"), ("bytes", 0.04, "By"), ("none", 0.04, "1"),
])  # fmt: skip
@pytest.mark.parametrize("start", [0, -5, 1e9])
def test_units_are_obeyed(unit: str, amount: float, told: str, start: float) -> None:
    """Wherever the profile begins: what is measured is how much."""
    stacks = speedscope(file(profile(unit=unit, startValue=start)))

    assert sum(one.amount or 0 for one in stacks) == pytest.approx(amount)
    assert {one.unit for one in stacks} == {told}


def test_fields_may_come_in_any_order() -> None:
    """Others sort them by name, or put the frames first."""
    body = file(profile(), evented(("O", 0, 0), ("C", 0, 4)))
    turned = {
        "shared": body["shared"],
        "profiles": [dict(reversed(one.items())) for one in body["profiles"]],
    }

    assert speedscope(turned) == speedscope(body) != []


def test_events_become_stacks() -> None:
    """What was open takes the time until the next event; before the first one there is nothing."""
    found = speedscope(
        file(evented(("O", 0, 3), ("O", 1, 5), ("C", 1, 9), ("O", 1, 9), ("C", 1, 10), ("C", 0, 11),
                     ("O", 1, 20), ("C", 1, 21)))
    )  # fmt: skip

    amounts = {tuple(frame.name for frame in one.frames): one.amount for one in found}
    assert amounts == {("main",): 3, ("main", "hot"): 5, ("hot",): 1}


def test_frames_that_stay_open_last_until_the_end() -> None:
    """It is told, since the file may be cut."""
    found = read(json.dumps(file(evented(("O", 0, 0), ("O", 1, 4)))).encode())

    assert [(one.samples, one.amount) for one in found if isinstance(one, Stack)] == [
        (1, 4),
        (1, 6),
    ]
    assert [one.message for one in found if isinstance(one, Malformed)] == [
        "profile 'x': 2 frames are open at its end"
    ]


@pytest.mark.parametrize("more", [{"weights": [1]}, {"samples": [[0]]}, {"weights": [1] * 9}])
def test_samples_without_weights_are_told_and_left_out(more: dict[str, Any]) -> None:
    """What has both is kept."""
    found = read(json.dumps(file(profile(**more))).encode())

    assert sum(one.samples for one in found if isinstance(one, Stack)) in {1, 3}
    (malformed,) = (one for one in found if isinstance(one, Malformed))
    assert "weights" in malformed.message


@pytest.mark.parametrize("body", [
    file(profile(type="other")), file(profile(unit="furlongs")), file({"name": "x"}),
    file(profile(samples=[[5], [0], [0]])), file(profile(samples=[[-1], [0], [0]])),
    file(profile(samples=[["x"], [0], [0]])), file(profile(samples=[[2**40], [0], [0]])),
    file(profile(weights=["x", 1, 1])), file(evented(("O", 0, 5), ("C", 0, 4))),
    file(evented(("C", 0, 4))), file(evented(("O", 0, 1), ("O", 1, 2), ("C", 0, 3))),
    file(evented(("X", 0, 1))), file({**evented(), "events": [{}]}),
    {**file(), "shared": {"frames": [{"line": 3}]}},
])  # fmt: skip
def test_what_does_not_fit_together_is_an_error(body: Any) -> None:
    """Never a wrong number."""
    with pytest.raises(py_spy_speedscope.ERRORS):
        read(json.dumps(body).encode())


@pytest.mark.parametrize(("limit", "value", "body"), [
    ("MOST_FRAMES", 1, file()), ("MOST_SAMPLES", 2, file(profile())),
    ("STACK_BYTES", 150, file(profile())), ("DEEPEST_STACK", 1, file(profile())),
    ("DEEPEST_STACK", 1, file(evented(("O", 0, 1), ("O", 1, 1), ("O", 1, 1)))),
])  # fmt: skip
def test_what_is_kept_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, body: Any
) -> None:
    """A file that would take more is refused."""
    monkeypatch.setattr(py_spy_speedscope, limit, value)

    with pytest.raises(ValueError, match=r"more than|too many"):
        read(json.dumps(body).encode())


WHOLE = json.dumps(file(profile(), evented(("O", 0, 0), ("C", 0, 4)))).encode()


@settings(deadline=None)
@given(st.integers(0, len(WHOLE)), st.integers(0, 2**32))
def test_damaged_files_give_stacks_or_an_error(cut: int, seed: int) -> None:
    """One that is named."""
    chance = random.Random(seed)
    data = bytearray(WHOLE[:cut])
    for _ in range(min(len(data), 3)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        read(bytes(data))
    except py_spy_speedscope.ERRORS as error:
        assert str(error)


# Stacks, what they add up to, its unit.
GOLDEN = {
    "0.0.1/simple-no-pretty-print.speedscope.json": (14, "1"),
    "0.0.1/simple.speedscope.json": (14, "1"),
    "0.1.2/simple-sampled.speedscope.json": (14 * 10**9, "ns"),
    "0.6.0/two-sampled.speedscope.json": (28 * 10**9, "ns"),
}


@pytest.mark.needs("shared")
@pytest.mark.parametrize("name", GOLDEN)
def test_speedscopes_own_samples_are_read(name: str) -> None:
    """All of them tell of the same program."""
    found = read((SHARED / "speedscope/speedscope-samples" / name).read_bytes())

    stacks = [one for one in found if isinstance(one, Stack)]
    assert stacks == found
    assert sum(one.amount or 0 for one in stacks) == pytest.approx(GOLDEN[name][0])
    assert {one.unit for one in stacks} == {GOLDEN[name][1]}
    paths = {tuple(frame.name for frame in one.frames) for one in stacks}
    assert {("a", "b", "c"), ("a", "b", "d")} <= paths


@pytest.mark.needs("shared")
@pytest.mark.parametrize(("name", "message"), [
    ("incomplete-trace", "1 frames are open"), ("out-of-order-events", "not the last one"),
])  # fmt: skip
def test_speedscopes_invalid_samples_are_told(name: str, message: str) -> None:
    """What is wrong with them."""
    data = (SHARED / f"speedscope/speedscope-samples/invalid/{name}.json").read_bytes()
    try:
        told = str([one.message for one in read(data) if isinstance(one, Malformed)])
    except py_spy_speedscope.ERRORS as error:
        told = str(error)
    assert message in told


@pytest.mark.needs("shared")
def test_a_real_file_of_py_spys_adds_up() -> None:
    """To what each profile's weights are, by plain JSON."""
    data = (SHARED / "speedscope/py-spy-real.speedscope.json").read_bytes()
    profiles = json.loads(data)["profiles"]

    found = [one for one in read(data) if isinstance(one, Stack)]

    assert sum(one.samples for one in found) == sum(len(one["samples"]) for one in profiles)
    seconds = sum(sum(one["weights"]) for one in profiles)
    assert sum(one.amount or 0 for one in found) == pytest.approx(seconds * 1e9)
    assert {one.thread.number for one in found} == {
        int(one["name"].split()[1], 0) for one in profiles if one["samples"]
    }
