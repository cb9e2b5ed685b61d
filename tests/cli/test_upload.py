"""`profjob upload`: exit codes and last words of the uploader's container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pod_side import PodSide
from profiling_operator import assignment, reporting


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """The folders of a pod."""
    side = PodSide(tmp_path)
    yield side
    side.end()


def test_results_in_the_store_are_a_success(pod: PodSide) -> None:
    """Whatever became of the application; the log says what went where."""
    pod.launched(pod.assign("exit 3"))

    assert pod.upload().wait(60) == 0

    where = (pod.folder / "store" / "ci" / "test" / "uid-1" / "1").as_uri()
    assert f"profjob upload: sent {_size(pod)} bytes in " in pod.stderr
    assert pod.stderr.rstrip().endswith(f" to {where}")
    assert "secret-token" not in pod.stderr


def _size(pod: PodSide) -> int:
    """Bytes of the results, but for the report."""
    files = [path for path in (pod.folder / "store").rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files if path.name != "report.json")


def test_lost_results_are_a_failure(pod: PodSide) -> None:
    """With 1, which says nothing of the job; why is in the last words."""
    pod.launched(pod.assign(url="ftp://there"))

    assert pod.upload().wait(60) == 1

    said = reporting.from_essence(pod.where.last_words.read_text(), "ci/test", "uid-1")
    assert said is not None
    assert "ftp://there" in said.collected.lost


def test_a_missing_assignment_is_a_failure(pod: PodSide) -> None:
    """It names the file."""
    assert pod.upload().wait(60) == 1

    path = pod.where.assigned / assignment.FILE
    assert str(path) in pod.stderr
    assert str(path) in pod.where.last_words.read_text()
    assert "Traceback" not in pod.stderr


def test_what_has_ended_is_not_waited_for(pod: PodSide) -> None:
    """`--ended`: a workspace without any word of the launcher's is told at once."""
    pod.assign()

    assert pod.upload("--ended").wait(60) == 1

    assert "profjob upload: the launcher left no word of a start" in pod.stderr


def test_what_has_ended_is_saved(pod: PodSide) -> None:
    """As if it had been waited for."""
    pod.launched(pod.assign("exit 3"))

    assert pod.upload("--ended").wait(60) == 0

    assert f"profjob upload: sent {_size(pod)} bytes in " in pod.stderr
