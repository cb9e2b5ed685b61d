"""speedscope's file format."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from profiling_operator.exports import speedscope
from profiling_operator.exports.speedscope import Profile


def written(*profiles: Profile, **sources: tuple[str, int | None]) -> Any:
    """The file's content."""
    file = io.StringIO()
    speedscope.write(file, "ci/x", profiles, sources)
    return json.loads(file.getvalue())


def test_a_file_is_whole() -> None:
    """Every field of the format; equal beginnings stand together."""
    stacks = {("main", "b"): 1, ("other",): 2, ("main", "a"): 3}

    assert written(Profile("t", "ns", stacks), a=("a.c", 3)) == {
        "$schema": speedscope.SCHEMA,
        "name": "ci/x",
        "exporter": "profiling-operator",
        "activeProfileIndex": 0,
        "profiles": [
            {
                "type": "sampled",
                "name": "t",
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": 6,
                "samples": [[0, 1], [0, 2], [3]],
                "weights": [3, 1, 2],
            }
        ],
        "shared": {
            "frames": [
                {"name": "main"},
                {"name": "a", "file": "a.c", "line": 3},
                {"name": "b"},
                {"name": "other"},
            ]
        },
    }


def test_frames_are_shared_by_profiles() -> None:
    """Each name once."""
    body = written(Profile("1", "ns", {("f",): 1}), Profile("2", "1", {("f",): 1}))

    assert body["shared"]["frames"] == [{"name": "f"}]
    assert [one["unit"] for one in body["profiles"]] == ["nanoseconds", "none"]


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ("hot (app.py:3)", {"name": "hot", "file": "app.py", "line": 3}),
        ("f (int) (a.cc:12)", {"name": "f (int)", "file": "a.cc", "line": 12}),
        ("f (<string>:1)", {"name": "f", "file": "<string>", "line": 1}),
        ("std::find(int (*)(char), int)", {"name": "std::find(int (*)(char), int)"}),
        ("f (a.py)", {"name": "f (a.py)"}),
        ("f (a:b)", {"name": "f (a:b)"}),
        ("f (:3)", {"name": "f (:3)"}),
        (" (a.py:3)", {"name": " (a.py:3)"}),
        ("f (a.py:3", {"name": "f (a.py:3"}),
        ("f (a.py:³)", {"name": "f (a.py:³)"}),
        (f"f (a.py:{'9' * 5000})", {"name": f"f (a.py:{'9' * 5000})"[: speedscope.LONGEST_NAME]}),
        ("x" * 5000, {"name": "x" * speedscope.LONGEST_NAME}),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_frames_are_taken_apart(frame: str, told: dict[str, Any]) -> None:
    """Where the name ends with a file and a line, as py-spy's do."""
    assert speedscope.described(frame, {}) == told


def test_an_odd_name_is_still_json() -> None:
    """Control characters, quotes and weights beyond 64 bits."""
    body = written(Profile('"\x00\n', "By", {("\x1b\u2028",): 10**30}))

    assert body["profiles"][0]["weights"] == [10**30]
    assert body["profiles"][0]["unit"] == "bytes"
    assert body["shared"]["frames"] == [{"name": "\x1b\u2028"}]
