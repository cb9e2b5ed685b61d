"""Whether two jobs may be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import made_up_results as made
from profiling_operator.report import alike, results
from profiling_operator.report.alike import Fact

IDENTITY = {"collectors": "pyspy", "image": "registry.example/nbody", "command": "sha256:1"}
MACHINE = made.summary()["machine"]


def of(folder: Path, metadata: dict[str, Any] | None = None, **summary: Any) -> results.Results:
    """A job with these words in its summary."""
    said = {"identity": IDENTITY, **summary}
    made.make(folder, summary=made.summary(**said), metadata=made.metadata(**(metadata or {})))
    return results.read(folder)


@pytest.fixture
def first(tmp_path: Path) -> results.Results:
    """The job that others are compared with."""
    return of(tmp_path / "first")


def test_jobs_of_one_program_on_one_machine_are_alike(
    first: results.Results, tmp_path: Path
) -> None:
    """Although the image's tag is another one: that is what people compare."""
    facts = alike.facts(first, of(tmp_path / "b", image="registry.example/nbody:8"))

    assert alike.obstacles(facts) == alike.doubts(facts) == []
    assert {one.title for one in facts if one.differs} == {"Image"}


@pytest.mark.parametrize(
    ("changed", "title"),
    [
        ({"machine": {**MACHINE, "gpus": ["NVIDIA A100"]}}, "GPU"),
        ({"machine": {**MACHINE, "driver": "580.1"}}, "GPU driver"),
        ({"machine": {**MACHINE, "cpu": "Intel Xeon"}}, "Processor"),
        ({"identity": {**IDENTITY, "collectors": "tau"}}, "Collectors"),
        ({"identity": {**IDENTITY, "image": "registry.example/other"}}, "Image's name"),
        ({"identity": {**IDENTITY, "command": "sha256:2"}}, "Command"),
    ],
)
def test_another_device_program_or_tool_forbids_it(
    first: results.Results, tmp_path: Path, changed: dict[str, Any], title: str
) -> None:
    """And which it is can be read."""
    (found,) = alike.obstacles(alike.facts(first, of(tmp_path / "b", **changed)))

    assert found.title == title
    assert str(found) == f"{title}: {found.before} and {found.after}"


def test_what_only_one_of_them_tells_is_doubtful(first: results.Results, tmp_path: Path) -> None:
    """As where a folder is of an older version; what neither tells is no matter."""
    older = of(tmp_path / "b", machine={}, identity={}, image="")
    facts = alike.facts(first, older)

    assert alike.obstacles(facts) == []
    assert str(alike.doubts(facts)[0]) == "GPU: NVIDIA H200 and not known"
    assert {one.title for one in alike.doubts(facts)} == {
        "GPU", "GPU driver", "Processor", "Image's name", "Command",
    }  # fmt: skip
    assert alike.facts(older, older) == [one for one in alike.facts(older, older) if one.before]


def test_other_options_and_an_ending_that_was_not_good_are_told(
    first: results.Results, tmp_path: Path
) -> None:
    """They forbid nothing."""
    other = of(
        tmp_path / "b",
        metadata={
            "collectors": [{"name": "pyspy", "options": {"rate": 50}}], "node": "gpu-8",
            "outcome": {"phase": "Failed", "reason": "AppFailed", "message": ""},
        },
    )  # fmt: skip
    facts = alike.facts(first, other)

    assert alike.obstacles(facts) == []
    assert {one.title: (one.before, one.after) for one in alike.doubts(facts)} == {
        "Options of the collectors": ("pyspy rate=200 idle=False", "pyspy rate=50"),
        "Outcome": ("Succeeded", "Failed"),
        "Node": ("gpu-7", "gpu-8"),
    }


@pytest.mark.parametrize("name", made.HOSTILE)
def test_names_of_others_are_one_line_of_bounded_length(
    first: results.Results, tmp_path: Path, name: str
) -> None:
    """Whatever a file holds."""
    other = of(tmp_path / "b", identity={"image": name, "collectors": 7, "command": [name]})

    for one in alike.facts(first, other):
        assert len(str(one)) < 1500 and str(one).isprintable()


def test_unknown_and_unknown_are_no_difference() -> None:
    """Nor are they known to be the same."""
    fact = Fact("GPU", "", "")

    assert not fact.differs and not fact.is_known and not fact.is_half_known
