"""Changes to a job before it is read, as `--set spec.app.args=["--steps","10"]` asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from profiling_operator.errors import Problem, SpecError
from profiling_operator.spec import documents

# A step of a path: name  .name  [0]  ["team.example/owner"]
STEP = re.compile(r'\.?([A-Za-z_][-\w]*)|\[(\d{1,4})\]|\["([^"]+)"\]')
ROOTS = ("spec", "metadata")
EXAMPLE = "spec.repetitions=5 or spec.collectors[0].options.rate=200"

Step = str | int


class Change(NamedTuple):
    """One value at one place."""

    path: str
    steps: tuple[Step, ...]
    value: Any
    """None takes away what is there."""


def changed(body: Any, wanted: Iterable[str]) -> Any:
    """The body with each `PATH=VALUE` put in, one after the other; the body itself stays as it is.

    Raises SpecError for what is no change, and for a path that leads through a value.
    """
    for text in wanted:
        change = read_change(text)
        body = _put(body, change.steps, change, "")
    return body


def read_change(text: str) -> Change:
    """What a `PATH=VALUE` says; VALUE is YAML, nothing is the empty string. Raises SpecError."""
    steps, at = _steps(text)
    if not steps or text[at : at + 1] != "=":
        raise _problem(text, f"must be PATH=VALUE, as in {EXAMPLE}")
    if steps[0] not in ROOTS or len(steps) == 1:
        raise _problem(text, "must begin with spec. or metadata.")
    path = text[:at]
    found = documents.load(text[at + 1 :], f"--set {path}")
    if len(found) > 1:
        raise _problem(path, "holds several documents; one value is allowed")
    is_empty = not text[at + 1 :].strip()
    return Change(path, tuple(steps), "" if is_empty else found[0] if found else None)


def _steps(text: str) -> tuple[list[Step], int]:
    """The steps that a text begins with, and where they end."""
    steps: list[Step] = []
    at = 0
    while (found := STEP.match(text, at)) and (found[0][0] in ".[") == bool(steps):
        name, index, quoted = found.groups()
        steps.append(int(index) if index else name or quoted)
        at = found.end()
    return steps, at


def _put(here: Any, steps: Sequence[Step], change: Change, where: str) -> Any:
    """What stands at a place, with the change put in below it."""
    if not steps:
        return change.value
    first, *rest = steps
    if isinstance(first, int):
        return _put_in_list(here, first, rest, change, where)
    if here is None and change.value is None:
        return None  # nothing is there to be taken away
    if not isinstance(here, dict | None):
        raise _problem(change.path, f"{where or 'the job'} is no mapping, so it has no {first!r}")
    below = _put((here or {}).get(first), rest, change, f"{where}.{first}".lstrip("."))
    kept = {key: value for key, value in (here or {}).items() if key != first or below is not None}
    return kept if below is None else {**kept, first: below}


def _put_in_list(
    here: Any, index: int, steps: Sequence[Step], change: Change, where: str
) -> list[Any]:
    """The list with one element changed, taken away, or added at its end."""
    listed = [] if here is None else here
    if not isinstance(listed, list):
        raise _problem(change.path, f"{where} is no list, so it has no [{index}]")
    if index > len(listed):
        count = len(listed)
        raise _problem(change.path, f"{where} has {count} elements; the next one is [{count}]")
    there = listed[index] if index < len(listed) else None
    below = _put(there, steps, change, f"{where}[{index}]")
    new = [] if below is None else [below]
    return [*listed[:index], *new, *listed[index + 1 :]]


def _problem(where: str, message: str) -> SpecError:
    return SpecError([Problem(f"--set {where}", message)])
