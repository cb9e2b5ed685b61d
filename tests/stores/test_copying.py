"""Files that are brought: resumed, verified, whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiling_operator.errors import StoreError
from profiling_operator.stores import copying
from profiling_operator.stores.contract import StoreRefusedError

DATA = os.urandom(1 << 20)
SHA256 = hashlib.sha256(DATA).hexdigest()


def broken(offset: int) -> Iterator[bytes]:
    """A source that breaks off half a megabyte later."""
    yield DATA[offset : offset + (1 << 19)]
    raise StoreError("gone")


def test_an_interrupted_copy_goes_on(tmp_path: Path) -> None:
    """From the byte where it ended; the target is not to be seen before."""
    target = tmp_path / "results" / "a"
    with pytest.raises(StoreError, match="gone"):
        copying.bring(target, SHA256, broken)
    assert not target.exists()
    asked: list[int] = []

    def rest(offset: int) -> Iterator[bytes]:
        asked.append(offset)
        yield DATA[offset:]

    assert copying.bring(target, SHA256, rest) == 1 << 19
    assert asked == [1 << 19]
    assert target.read_bytes() == DATA
    assert [one.name for one in target.parent.iterdir()] == ["a"]


def test_without_a_checksum_nothing_is_resumed(tmp_path: Path) -> None:
    """What lies there might be of another version."""
    for _ in range(2):
        with pytest.raises(StoreError):
            copying.bring(tmp_path / "a", None, broken)

    assert copying.bring(tmp_path / "a", None, lambda at: iter([DATA[at:]])) == len(DATA)


def test_a_target_that_is_right_is_left_alone(tmp_path: Path) -> None:
    """Its source is not asked."""
    (tmp_path / "a").write_bytes(DATA)

    assert copying.bring(tmp_path / "a", SHA256, broken) == 0


def test_long_names_have_room(tmp_path: Path) -> None:
    """The temporary name does not grow with them."""
    target = tmp_path / ("n" * 255)

    assert copying.bring(target, SHA256, lambda at: iter([DATA[at:]])) == len(DATA)
    assert copying.UNFINISHED.fullmatch(copying.unfinished(target, SHA256).name)


@pytest.mark.parametrize(("code", "lasts"), [
    (errno.ENOSPC, False), (errno.EACCES, True), (errno.ENAMETOOLONG, True), (errno.EROFS, True),
])  # fmt: skip
def test_errors_of_the_disk_tell_whether_waiting_helps(code: int, lasts: bool) -> None:
    """A full disk may get room; rights and names stay."""
    with pytest.raises(StoreError, match="place") as caught, copying.explained():
        raise OSError(code, os.strerror(code), "place")

    assert isinstance(caught.value, StoreRefusedError) == lasts
    assert caught.value.retry != lasts
