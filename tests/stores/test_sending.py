"""Whole folders: in which order, how often, and until when."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from profiling_operator.errors import StoreError
from profiling_operator.stores import (
    BadKeyError,
    StoredFile,
    StoreRefusedError,
    fetch_all,
    put_all,
)
from profiling_operator.stores.sending import LONGEST_PAUSE

FAR = time.monotonic() + 3600


class Moody:
    """A store that takes a file after some failures."""

    def __init__(self, failures: int = 0, error: type[StoreError] = StoreError) -> None:
        self.failures, self.error = failures, error
        self.taken: list[str] = []

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Fail, or take it."""
        self._fail()
        self.taken.append(path)
        return 10

    def fetch(
        self, key: str, path: str, target: Path, sha256: str | None, progress: object
    ) -> None:
        """Fail, or give it."""
        self._fail()
        self.taken.append(str(target))

    def url_of(self, key: str, path: str = "") -> str:
        """Nowhere."""
        raise NotImplementedError

    def read(self, key: str, path: str, limit: int) -> bytes | None:
        """Nothing."""
        raise NotImplementedError

    def files(self, key: str) -> list[StoredFile]:
        """None."""
        raise NotImplementedError

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error("HTTP 503")


def listed(*paths: str) -> list[StoredFile]:
    """Files."""
    return [StoredFile(path, 10, "0" * 64) for path in paths]


def test_the_report_comes_last() -> None:
    """Others in their order; the bytes are added up."""
    store = Moody()

    sent = put_all(store, "k", Path(), listed("report.json", "b", "a"), FAR, print)

    assert store.taken == ["b", "a", "report.json"]
    assert sent == 30


def test_failures_are_tried_again_with_growing_pauses() -> None:
    """Jittered, bounded, and told."""
    pauses: list[float] = []
    told: list[str] = []

    put_all(Moody(failures=12), "k", Path(), listed("a"), FAR, told.append, pause=pauses.append)

    assert len(pauses) == len(told) == 12
    assert all(0.25 <= one <= LONGEST_PAUSE for one in pauses)
    assert pauses[0] <= 0.5 and pauses[-1] >= LONGEST_PAUSE / 2
    assert told[0].startswith("HTTP 503; once more in ")


def test_the_deadline_ends_it() -> None:
    """With the last problem, and without a pause beyond it."""
    pauses: list[float] = []

    with pytest.raises(StoreError, match="503"):
        put_all(
            Moody(failures=99), "k", Path(), listed("a"), time.monotonic(), print,
            pause=pauses.append,
        )  # fmt: skip

    assert pauses == []


def test_a_refusal_ends_it_at_once() -> None:
    """Waiting would hold a GPU for nothing."""
    with pytest.raises(StoreRefusedError):
        put_all(Moody(1, StoreRefusedError), "k", Path(), listed("a"), FAR, print, pause=_never)


def test_bad_paths_are_refused_before_anything_is_sent() -> None:
    """On both ways."""
    store = Moody()

    with pytest.raises(BadKeyError):
        put_all(store, "k", Path(), listed("a", "../b"), FAR, print)
    with pytest.raises(BadKeyError):
        fetch_all(store, "k", Path(), listed("a", "/b"), FAR, print)

    assert store.taken == []


def test_fetching_is_insistent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file goes below the folder."""
    monkeypatch.setattr("profiling_operator.stores.sending.FIRST_PAUSE", 0.001)
    store = Moody(failures=2)

    fetch_all(store, "k", Path("to"), listed("a", "b/c"), FAR, print)

    assert store.taken == ["to/a", "to/b/c"]


def _never(seconds: float) -> None:
    raise AssertionError(f"a pause of {seconds} s")
