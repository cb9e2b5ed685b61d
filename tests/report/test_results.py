"""Reading a result folder, whoever wrote it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import made_up_results as made
from profiling_operator.report import results
from profiling_operator.report.results import Brought, Measured


def test_everything_that_is_known_is_read(tmp_path: Path) -> None:
    """Of all three files, with the list of files."""
    found = results.read(made.make(tmp_path / "r"))

    assert found.job == "ci/nbody"
    assert found.machine.gpus == ("NVIDIA H200",)
    assert found.summary.measures[0] == Measured(
        measure="app/duration", unit="ns", values=(1e9, 1.1e9, 1.2e9)
    )
    assert found.metadata.runs[1].nanoseconds == 10**9
    assert found.metadata.runs[1].collectors == (Brought(name="pyspy", entries=40),)
    assert [one.path for one in found.files] == ["folded.txt", "metadata.json", "summary.json"]
    assert found.has("summary.json") and not found.has("status.json")
    assert found.problems == ()


def test_an_empty_folder_has_the_name_of_its_job(tmp_path: Path) -> None:
    """And nothing else."""
    found = results.read(tmp_path)

    assert (found.job, found.files, found.status) == (tmp_path.name, (), None)


def test_one_bad_field_costs_itself_only(tmp_path: Path) -> None:
    """And is told."""
    body = made.summary(gates={"a": 1}, headline="kept")
    found = results.read(made.make(tmp_path / "r", summary=body))

    assert found.summary.headline == "kept"
    assert found.summary.gates == ()
    assert found.problems == ("summary.json: Expected `array`, got `object` - at `$.gates`",)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """Each with its reason; a large one is not even read."""
    folder = made.make(tmp_path / "r", summary="[" * 100_000, status='{"status": {"phase": "Odd"}}')
    with (folder / "metadata.json").open("w") as file:
        os.truncate(file.fileno(), results.SIZE_LIMIT + 1)

    problems = results.read(folder).problems

    assert len(problems) == 3
    assert problems[0].startswith("summary.json: ")
    assert problems[1] == "metadata.json: has more than 64 MiB"
    assert problems[2].startswith("status.json: ")


def test_a_machine_that_is_none_is_unknown(tmp_path: Path) -> None:
    """The page has no line of it."""
    body = made.summary(machine={"gpus": 3})

    assert results.read(made.make(tmp_path / "r", summary=body)).machine.device == ""


def test_links_are_no_files(tmp_path: Path) -> None:
    """They may lead anywhere."""
    folder = made.make(tmp_path / "r")
    (folder / "odd").symlink_to("/etc/passwd")

    assert not results.read(folder).has("odd")


def test_the_status_alone_names_the_job(tmp_path: Path) -> None:
    """As of a job that never ran."""
    body = {"metadata": {"name": "a", "namespace": "ci"}, "status": {"phase": "Failed"}}
    (tmp_path / "status.json").write_text(json.dumps(body))

    found = results.read(tmp_path)

    assert found.job == "ci/a"
    assert found.status is not None and found.status.phase == "Failed"
