"""Environment, collectors, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import made_up_results as made
from profiling_operator.report import around, results
from profiling_operator.report.results import Results


def read(folder: Path, **files: Any) -> Results:
    """A result folder."""
    return results.read(made.make(folder / "r", **files))


def test_the_environment_is_what_changes_numbers(tmp_path: Path) -> None:
    """An image's digest by itself; nothing that is not known."""
    found = dict(around.environment(read(tmp_path, metadata=made.metadata(device=""))))

    assert found == {
        "GPU": "NVIDIA H200", "Driver": "570.86.15", "Processor": "AMD EPYC", "Node": "gpu-7",
        "Image": "registry.example/nbody:7", "Digest": "sha256:abc", "Series": "nbody",
        "Attempt": "1", "Job UID": "u-1",
    }  # fmt: skip


@pytest.mark.parametrize(("metadata", "status"), [
    ({"image": "registry.example/nbody@sha256:def"}, None),
    ({"image": ""}, {"attempts": [{"number": 1, "image": "registry.example/nbody@sha256:def"}]}),
])  # fmt: skip
def test_a_tag_is_resolved_to_a_digest(tmp_path: Path, metadata: Any, status: Any) -> None:
    """By the engine, or by the operator, which sees what the uploader cannot."""
    given = {"status": {"status": status}} if status else {}
    found = dict(around.environment(read(tmp_path, metadata=made.metadata(**metadata), **given)))

    assert found["Digest"] == "sha256:def"


def test_the_status_tells_what_older_metadata_does_not(tmp_path: Path) -> None:
    """The last attempt's node and device."""
    attempts = [{"number": 1, "nodeName": "a"}, {"number": 2, "nodeName": "b", "device": "GPU-3"}]
    status = {"status": {"attempts": attempts}}
    found = dict(around.environment(read(tmp_path, metadata=None, status=status)))

    assert (found["Node"], found["Device"]) == ("b", "GPU-3")


def test_what_runs_tell_alike_is_told_once(tmp_path: Path) -> None:
    """Options first, in words; what says nothing is left out."""
    options = {"rate": 200, "idle": False, "args": [], "filter": None, "map": {"a": [1, True]}}
    told = made.metadata(
        collectors=[{"name": "pyspy", "options": options}],
        tools=[
            {"run": 0, "collector": "pyspy", "version": "0.4.1"},
            {"run": 1, "collector": "pyspy", "version": "0.4.1", "python": "3.13"},
            {"run": 1, "collector": "other", "version": "9"},
        ],
    )
    (tool,) = around.tools(read(tmp_path, metadata=told))

    assert tool.facts == (
        ("rate", "200"), ("idle", "no"), ("map", "a: 1, yes"), ("version", "0.4.1"),
        ("python", "3.13"),
    )  # fmt: skip


def test_refused_files_come_first_and_converted_ones_only_with_a_warning(tmp_path: Path) -> None:
    """Each with its reason; what cannot be read of this folder before them."""
    told = made.metadata(
        refused=[{"path": "run-0/a", "reason": "is a symbolic link"}],
        files=[
            {"run": 0, "path": "run-0/pyspy/ok", "fate": "converted"},
            {"run": 0, "path": "run-0/pyspy/warned", "line": 7, "message": "no number"},
            {"run": 0, "path": "run-0/pyspy/raw", "fate": "raw", "message": "not known"},
            {"run": 0, "path": "run-0/pyspy/half", "fate": "converted", "message": "ends early"},
        ],
        fates={"converted": 2, "raw": 1},
    )
    found = read(tmp_path, summary="{", metadata=told)

    rows = [(one.path, one.fate) for one in around.troubles(around.noted(found))]

    assert rows == [
        ("", "unreadable"), ("run-0/a", "refused"), ("run-0/pyspy/raw", "raw"),
        ("run-0/pyspy/warned:7", "warning"), ("run-0/pyspy/half", "converted"),
    ]  # fmt: skip
    assert around.fates(found) == "2 converted, 1 raw, 1 refused"


def test_files_have_links_and_purposes(tmp_path: Path) -> None:
    """Those that people look for first; names that would lead elsewhere are quoted."""
    folder = made.make(tmp_path / "r")
    for name in ("run-0/app.log", "raw/a b%#?.bin", "report.html", "status.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")

    found = results.read(folder)
    rows = [(one.path, one.link) for one in around.listed(around.files(found))]

    assert rows == [
        ("folded.txt", "folded.txt"), ("metadata.json", "metadata.json"),
        ("summary.json", "summary.json"), ("raw/a b%#?.bin", "raw/a%20b%25%23%3F.bin"),
        ("run-0/app.log", "run-0/app.log"),
    ]  # fmt: skip


def test_every_purpose_is_of_a_file_that_there_is() -> None:
    """And is short."""
    assert all(0 < len(one) < 60 for one in around.PURPOSES.values())
