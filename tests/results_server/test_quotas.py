"""How much an attempt may store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from profiling_operator.results_server import quotas
from profiling_operator.results_server.answers import Refusal
from profiling_operator.results_server.folders import Folders
from profiling_operator.results_server.quotas import Limits, Quotas, require_room
from profiling_operator.stores import Key

HERE, THERE = Key("ci", "a", "u", "1"), Key("ci", "a", "u", "2")
LIMITS = Limits(file_bytes=100, attempt_bytes=150, files=3)


def claim(quota: Quotas, path: str, total: int, key: Key = HERE) -> bool:
    """Whether there is room for a file."""
    try:
        asyncio.run(quota.claim(key, path, total))
    except Refusal:
        return False
    return True


def test_claims_add_up(tmp_path: Path) -> None:
    """By attempt; a file that is sent again counts once."""
    quota = Quotas(Folders(tmp_path), LIMITS)

    assert claim(quota, "a", 100)
    assert claim(quota, "a", 100)
    assert not claim(quota, "b", 51)
    assert claim(quota, "a", 10)
    assert claim(quota, "b", 100)
    assert claim(quota, "a", 100, THERE)
    assert not claim(quota, "c", 101, THERE)


def test_what_did_not_come_to_be_makes_room(tmp_path: Path) -> None:
    """As does an attempt that is gone."""
    quota = Quotas(Folders(tmp_path), LIMITS)
    claim(quota, "a", 100)
    claim(quota, "b", 50)

    quota.release(HERE, "a")
    assert claim(quota, "c", 100)
    quota.forget(HERE)
    assert claim(quota, "d", 100)


def test_what_is_on_the_disk_counts(tmp_path: Path) -> None:
    """Also for a server that was restarted."""
    folders = Folders(tmp_path)
    folders.place(HERE).mkdir(parents=True)
    folders.place(HERE, "a").write_bytes(b"x" * 100)

    assert not claim(Quotas(folders, LIMITS), "b", 51)
    assert claim(Quotas(folders, LIMITS), "b", 50)


def test_not_everything_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the attempts that were used last."""
    monkeypatch.setattr(quotas, "REMEMBERED", 3)
    quota = Quotas(Folders(tmp_path), LIMITS)

    assert all(claim(quota, "a", 1, Key("ci", "a", "u", str(number))) for number in range(1, 10))
    assert len(quota._sizes) == 3


def test_the_disk_must_have_room(tmp_path: Path) -> None:
    """And keeps some."""
    require_room(tmp_path, 1)
    with pytest.raises(Refusal, match="the disk has room for"):
        require_room(tmp_path, 1 << 60)
