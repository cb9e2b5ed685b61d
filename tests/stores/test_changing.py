"""Read, change, write: again on a conflict, and how long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from profiling_operator.errors import StoreError
from profiling_operator.stores import Document, StoreConflictError, StoreRefusedError
from profiling_operator.stores.changing import FIRST_PAUSE, change_document
from profiling_operator.stores.folder import FolderStore

NAME = "ci/nbody/main"
FAR = time.monotonic() + 3600


class Busy(FolderStore):
    """A store in which others write, or that fails, before each of the first writes."""

    def __init__(self, folder: Path, errors: list[type[StoreError]]) -> None:
        super().__init__(folder.as_uri())
        self.errors = errors
        self.written = 0

    def put_document(self, name: str, text: bytes, replaces: str | None) -> None:
        """Fail, or write."""
        if self.errors:
            error = self.errors.pop(0)
            if error is StoreConflictError:
                others = self.document(name)
                text_of_others = (others.text if others else b"") + b"o"
                super().put_document(name, text_of_others, others.version if others else None)
            else:
                raise error("HTTP 503")
        super().put_document(name, text, replaces)
        self.written += 1


def add(text: bytes | None) -> bytes:
    """The change."""
    return (text or b"") + b"x"


def test_a_change_is_made_to_what_others_wrote(tmp_path: Path) -> None:
    """Each time anew; pauses grow."""
    store = Busy(tmp_path, 3 * [StoreConflictError])
    pauses: list[float] = []

    assert change_document(store, NAME, add, FAR, print, pause=pauses.append) == b"ooox"
    assert store.document(NAME) == Document(b"ooox", store.document(NAME).version)  # type: ignore[union-attr]
    assert len(pauses) == 3
    assert FIRST_PAUSE / 2 <= pauses[0] <= FIRST_PAUSE
    assert pauses[2] >= 2 * FIRST_PAUSE


@pytest.mark.parametrize("wanted", [None, b"a"])
def test_what_need_not_change_is_not_written(wanted: bytes | None, tmp_path: Path) -> None:
    """None says so, and so does the same text."""
    store = Busy(tmp_path, [])
    store.put_document(NAME, b"a", None)

    assert change_document(store, NAME, lambda _: wanted, FAR, print) == b"a"
    assert change_document(store, "ci/nbody/other", lambda _: None, FAR, print) is None
    assert store.written == 1


def test_a_failing_store_is_tried_again(tmp_path: Path) -> None:
    """As with results; it is told."""
    told: list[str] = []

    store = Busy(tmp_path, [StoreError, StoreConflictError, StoreError])
    change_document(store, NAME, add, FAR, told.append, pause=lambda _: None)

    assert len(told) == 2
    assert all("HTTP 503; once more in" in line for line in told)


@pytest.mark.parametrize("error", [StoreConflictError, StoreError])
def test_nobody_tries_for_ever(error: type[StoreError], tmp_path: Path) -> None:
    """After the deadline the last problem is told; later it may be better."""
    store = Busy(tmp_path, 1000 * [error])

    with pytest.raises(StoreError, match=r"again and again|HTTP 503") as caught:
        change_document(store, NAME, add, time.monotonic() - 1, print)

    assert caught.value.retry


def test_a_refusal_is_told_at_once(tmp_path: Path) -> None:
    """Waiting gives nobody a right."""
    store = Busy(tmp_path, [StoreRefusedError])

    with pytest.raises(StoreRefusedError):
        change_document(store, NAME, add, FAR, print)


def test_what_the_change_raises_ends_it(tmp_path: Path) -> None:
    """As of a document that is none."""

    def broken(_: bytes | None) -> bytes:
        raise ValueError("no baseline")

    with pytest.raises(ValueError, match="no baseline"):
        change_document(Busy(tmp_path, []), NAME, broken, FAR, print)
