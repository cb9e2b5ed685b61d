"""What is removed, and what never is."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.results_server.counting import Counts
from profiling_operator.results_server.folders import Attempt, Folders
from profiling_operator.results_server.quotas import Limits, Quotas
from profiling_operator.results_server.retention import Retention, Rules, chosen
from profiling_operator.results_server.uses import Uses
from profiling_operator.stores import Key
from profiling_operator.stores.documents import Documents

NOW = 1_000_000.0


def key(number: int) -> Key:
    """One attempt of a job each."""
    return Key("ci", f"job-{number}", "u", "1")


def attempt(number: int, size: int, finished: float | None, touched: float = NOW) -> Attempt:
    """An attempt whose report is some seconds old."""
    return Attempt(key(number), size, None if finished is None else NOW - finished, touched)


def goes(attempts: list[Attempt], **rules: float) -> dict[int, str]:
    """Numbers of what goes, and why."""
    found = chosen(attempts, Rules(**rules), NOW)  # type: ignore[arg-type]
    return {int(one.key.job.removeprefix("job-")): why for one, why in found}


def test_nothing_goes_without_rules() -> None:
    """But unfinished uploads after a day."""
    found = [attempt(1, 10, 10**9), attempt(2, 10, None), attempt(3, 10, None, NOW - 86401)]

    assert goes(found) == {3: "unfinished"}


def test_old_results_go() -> None:
    """By their report's age."""
    assert goes([attempt(1, 10, 101), attempt(2, 10, 99)], seconds=100) == {1: "age"}


def test_the_oldest_go_until_the_rest_fits() -> None:
    """Finished ones only; unfinished ones take room all the same."""
    found = [attempt(1, 40, 1), attempt(2, 40, 3), attempt(3, 40, 2), attempt(4, 40, None)]

    assert goes(found, bytes=120) == {2: "size"}
    assert goes(found, bytes=80) == {2: "size", 3: "size"}
    assert goes(found, bytes=1) == {1: "size", 2: "size", 3: "size"}
    assert goes(found, bytes=160) == {}


def test_what_goes_by_age_makes_room() -> None:
    """Before anything goes by size."""
    assert goes([attempt(1, 50, 200), attempt(2, 50, 1)], seconds=100, bytes=50) == {1: "age"}


@given(
    st.lists(st.tuples(st.integers(0, 100), st.floats(0, 1000) | st.none()), max_size=20),
    st.integers(1, 500),
)
def test_the_limit_holds(sizes: list[tuple[int, float | None]], limit: int) -> None:
    """What stays fits, or nothing finished stays; no newer one goes before an older."""
    found = [attempt(number, *one) for number, one in enumerate(sizes)]
    gone = goes(found, bytes=limit)
    stays = [one for number, one in enumerate(found) if number not in gone]
    finished = [one.finished for one in stays if one.finished is not None]
    left = [found[number].finished for number in gone]

    assert sum(one.size for one in stays) <= limit or not finished
    assert all(one <= min(finished) for one in left if one is not None and finished)


def stored(folders: Folders, number: int, age: float) -> Path:
    """A finished attempt on disk."""
    place = folders.place(key(number))
    place.mkdir(parents=True)
    (place / "a").write_bytes(b"12345")
    (place / "report.json").write_bytes(b"{}")
    os.utime(place / "report.json", (time.time() - age,) * 2)
    return place


@pytest.fixture
def retention(tmp_path: Path) -> Retention:
    """Keeps results for a hundred seconds."""
    folders = Folders(tmp_path)
    return Retention(folders, Quotas(folders, Limits()), Uses(), Counts(), Rules(seconds=100))


def test_a_sweep_removes_and_counts(retention: Retention) -> None:
    """Folder and empty folders above; others and their files stay."""
    old, new = stored(retention.folders, 1, 200), stored(retention.folders, 2, 1)

    assert asyncio.run(retention.sweep()) == 1

    assert not old.exists() and not old.parent.parent.exists()
    assert (new / "a").read_bytes() == b"12345"
    said = retention.counts.text().decode()
    assert "profjob_results_bytes 7.0" in said
    assert 'profjob_results_removed_total{why="age"} 1.0' in said
    assert [one.name for one in (retention.folders.root / ".profjob").iterdir()] == []


def test_what_is_used_stays_until_later(retention: Retention) -> None:
    """A download is not cut off by its end; nor does the folder above go."""
    old = stored(retention.folders, 1, 200)
    with retention.uses.using(key(1)):
        assert asyncio.run(retention.sweep()) == 0
        assert old.exists()

    assert asyncio.run(retention.sweep()) == 1


def test_what_a_crash_left_in_the_bin_goes(retention: Retention) -> None:
    """With the next sweep."""
    left = retention.folders.root / ".profjob" / "removed" / "x"
    left.mkdir(parents=True)
    (left / "file").touch()

    asyncio.run(retention.sweep())

    assert not left.exists()


def test_a_disk_that_fails_is_no_end(retention: Retention, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look may succeed."""
    looks: list[int] = []
    done = asyncio.Event()

    async def sweep(_: Retention) -> int:
        looks.append(1)
        if len(looks) == 1:
            raise OSError("no disk")
        done.set()
        return 0

    async def main() -> None:
        task = asyncio.create_task(retention.keep_sweeping(0))
        await asyncio.wait_for(done.wait(), 30)
        task.cancel()

    monkeypatch.setattr(Retention, "sweep", sweep)
    asyncio.run(main())

    assert len(looks) >= 2


def test_baselines_stay_and_are_counted(retention: Retention) -> None:
    """However old they are: the next job is compared with them."""
    place = Documents(retention.folders.root)
    place.put("ci/nbody/main", b"123", None)
    place.put("dev/nbody/main", b"4567", None)
    for one in retention.folders.root.rglob("main.json"):
        os.utime(one, (1, 1))

    assert asyncio.run(retention.sweep()) == 0

    assert place.names("ci") == ["ci/nbody/main"]
    said = retention.counts.text().decode()
    assert "profjob_results_baselines 2.0" in said
    assert "profjob_results_baselines_bytes 7.0" in said
    assert "profjob_results_attempts 0.0" in said
