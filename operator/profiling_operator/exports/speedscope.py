"""The file format of speedscope, https://www.speedscope.app: one sampled profile per thread.

Format: https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from profiling_operator.exports.places import Stack

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
UNITS = {"ns": "nanoseconds", "By": "bytes"}
LONGEST_NAME = 4096
MOST_LINES = 10**9


@dataclass(frozen=True)
class Profile:
    """The stacks of one thread."""

    name: str
    unit: str
    """As entries have it."""
    stacks: Mapping[Stack, int]

    @property
    def total(self) -> int:
        """The weight of all stacks."""
        return sum(self.stacks.values())


def write(
    file: TextIO,
    name: str,
    profiles: Sequence[Profile],
    sources: Mapping[str, tuple[str, int | None]],
) -> None:
    """Write the profiles in their order; `sources`: where names stand, as file and line.

    One profile after the other: the whole text is never in memory.
    """
    frames: dict[str, int] = {}
    head = {"$schema": SCHEMA, "name": name, "exporter": "profiling-operator"}
    file.write(json.dumps(head)[:-1] + ', "activeProfileIndex": 0, "profiles": [')
    for number, profile in enumerate(profiles):
        file.write("," * (number > 0) + json.dumps(_as_json(profile, frames)))
    file.write('], "shared": {"frames": [')
    for frame, number in frames.items():
        file.write("," * (number > 0) + json.dumps(described(frame, sources)))
    file.write("]}}\n")


def _as_json(profile: Profile, frames: dict[str, int]) -> dict[str, Any]:
    """Equal beginnings stand together, so that the view by time shows towers, too."""
    stacks = sorted(profile.stacks.items())
    return {
        "type": "sampled",
        "name": profile.name,
        "unit": UNITS.get(profile.unit, "none"),
        "startValue": 0,
        "endValue": profile.total,
        "samples": [
            [frames.setdefault(frame, len(frames)) for frame in stack] for stack, _ in stacks
        ],
        "weights": [weight for _, weight in stacks],
    }


def described(frame: str, sources: Mapping[str, tuple[str, int | None]]) -> dict[str, Any]:
    """A frame's name, with file and line where they are known, or are a part of the name.

    py-spy's frames are such: `hot (app.py:3)`.
    """
    name, file, line = frame, "", None
    before, found, inside = frame.rpartition(" (")
    path, colon, digits = inside.removesuffix(")").rpartition(":")
    if found and before and colon and path and inside.endswith(")") and _is_line(digits):
        name, file, line = before, path, int(digits)
    elif frame in sources:
        file, line = sources[frame]
    told: dict[str, Any] = {"name": name[:LONGEST_NAME]}
    if file:
        told["file"] = file[:LONGEST_NAME]
    if file and line is not None:
        told["line"] = line
    return told


def _is_line(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) < len(str(MOST_LINES))
