"""`profjob collect NAME`: the sidecar as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_side import PodSide, wait_for
from profiling_operator import assignment, attaching, workspace
from profiling_operator.plan import Plan


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """The folders of a pod."""
    side = PodSide(tmp_path)
    yield side
    side.end()


def options(pod: PodSide) -> list[str]:
    """Words that name the places."""
    return [
        *("--workspace", str(pod.where.workspace), "--assignment", str(pod.where.assigned)),
        *("--delivered", str(pod.folder / "delivered")),
        *("--toolchains", str(pod.folder / "toolchains")),
        *("--last-words", str(pod.where.last_words)),
    ]


def test_it_delivers_waits_and_ends_with_success(pod: PodSide) -> None:
    """While the application runs it does nothing; its end is asked for by TERM."""
    planned = pod.assign("exit 0")
    process = pod.command("collect", "pyspy", *options(pod))
    wait_for((pod.folder / "delivered" / ".delivered-pyspy").exists)

    assert pod.launched(planned) == 0
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert pod.stderr == ""


UNTIL_SEEN = """
import os, pathlib
log = pathlib.Path(os.environ["PROFILING_OUTPUT"], "pyspy", "attach.log")
def hot(size):
    return sum(number * number % 7 for number in range(size))
while not (log.exists() and "Sampling" in log.read_text()):
    hot(10_000)
for _ in range(20):
    hot(400_000)
"""
"""A program that is busy until py-spy has begun, and for a while then."""


def attached_plan(pod: PodSide) -> Plan:
    """py-spy is attached to a busy program."""
    return pod.assign(
        app={"image": "a", "command": [sys.executable, "-c", UNTIL_SEEN]},
        collectors=[{"name": "pyspy", "mode": "attach"}],
    )


def test_it_attaches_its_tool_and_the_uploader_waits_for_that(pod: PodSide) -> None:
    """All four containers: what py-spy writes after the application's end is in the store."""
    planned = attached_plan(pod)
    process = pod.command("collect", "pyspy", *options(pod))
    wait_for((pod.folder / "delivered" / ".delivered-pyspy").exists)
    uploader = pod.upload()

    assert pod.launched(planned) == 0
    assert uploader.wait(60) == 0

    raw = pod.folder / "store/ci/test/uid-1/1/raw/run-0/pyspy"
    assert "hot" in (raw / "profile.folded").read_text()
    assert "Sampling process" in (raw / "attach.log").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_its_end_ends_the_tool_with_what_it_has(pod: PodSide) -> None:
    """And lets the uploader go on."""
    planned = attached_plan(pod)
    process = pod.command("collect", "pyspy", *options(pod))
    wait_for((pod.folder / "delivered" / ".delivered-pyspy").exists)
    pod.launch(planned)
    log = pod.where.workspace / "run-0" / "pyspy" / "attach.log"
    wait_for(lambda: log.exists() and "Sampling" in log.read_text())

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert "Stopped sampling" in log.read_text()
    assert attaching.await_tools(pod.where.workspace, planned, 0.0) == []


def test_a_refusal_is_no_crash(pod: PodSide) -> None:
    """It says so, marks that it is done, and stays until it is ended."""
    pod.assign()
    _move_toolchain_away(pod.where.assigned / assignment.FILE)
    process = pod.command("collect", "pyspy", *options(pod))
    wait_for((pod.folder / "delivered" / ".delivered-pyspy").exists)

    assert (pod.where.workspace / workspace.CONTROL / "refuse").read_text().startswith("Toolchain")
    assert "refused: ToolchainMissing" in pod.stderr
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def _move_toolchain_away(path: Path) -> None:
    """As if the settings named a folder where it is not."""
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "toolchains": {"pyspy": {"path": "/nowhere"}}}))


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [("tau", '"tau" must be a collector of the job: pyspy', 2), ("pyspy", assignment.FILE, 3)],
    ids=["unknown", "missing"],
)
def test_what_nobody_foresaw_is_in_the_last_words(
    pod: PodSide, name: str, words: str, code: int
) -> None:
    """The operator sees them with the pod."""
    pod.assign()
    if name == "pyspy":
        os.unlink(pod.where.assigned / assignment.FILE)

    assert pod.command("collect", name, *options(pod)).wait(60) == code

    assert words in pod.stderr
    assert words in pod.where.last_words.read_text()
