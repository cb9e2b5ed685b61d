"""What is kept of an attempt on disk."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from making import bare_plan
from profiling_operator import attempt_folder
from profiling_operator.attempt_folder import AttemptFolder
from profiling_operator.errors import ExecutorError


def made(tmp_path: Path) -> AttemptFolder:
    """A folder that exists."""
    folder = AttemptFolder(tmp_path / "attempt")
    folder.make()
    return folder


def test_the_plan_is_read_as_it_was_kept(tmp_path: Path) -> None:
    """And is None where nothing, or nothing whole, was kept."""
    folder = made(tmp_path)
    assert folder.plan() is None

    folder.keep_plan(bare_plan())

    assert folder.plan() == bare_plan()
    (folder.path / "plan.json").write_text("{")
    assert folder.plan() is None


def test_what_it_holds_is_for_nobody_else(tmp_path: Path) -> None:
    """The plan has the application's environment; others pass through only where they must."""
    folder = made(tmp_path)
    folder.keep_plan(bare_plan())
    passable = AttemptFolder(tmp_path / "other")
    passable.make(passable=True)

    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / "plan.json").stat().st_mode & 0o777 == 0o600
    assert passable.path.stat().st_mode & 0o777 == 0o711


def test_the_launcher_is_remembered_by_its_start(tmp_path: Path) -> None:
    """A process id that is used again is another process."""
    folder = made(tmp_path)
    assert not folder.was_launched() and folder.launcher() is None

    folder.keep_launcher(os.getpid())

    assert folder.was_launched() and folder.launcher() == os.getpid()
    text = (folder.path / "launcher.json").read_text()
    (folder.path / "launcher.json").write_text(text.replace('"startTime": ', '"startTime": 1'))
    assert folder.launcher() is None


def test_only_one_starts_an_attempt(tmp_path: Path) -> None:
    """The lock is seen by others, and gone with its holder."""
    folder = made(tmp_path)
    assert not folder.is_locked()
    with folder.locked():
        seen: list[bool] = []
        other = threading.Thread(target=lambda: seen.append(folder.is_locked()))
        other.start()
        other.join()

    assert seen == [True]
    assert not folder.is_locked()


def test_the_base_is_this_user_s_own(tmp_path: Path) -> None:
    """A folder that others may write to is refused."""
    own = attempt_folder.base(str(tmp_path / "own"))
    assert own.is_dir()
    own.chmod(0o777)

    with pytest.raises(ExecutorError, match="not this user's own"):
        attempt_folder.base(str(own))


def test_a_link_is_no_base(tmp_path: Path) -> None:
    """Whoever made the link could have it lead anywhere."""
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(ExecutorError):
        attempt_folder.base(str(tmp_path / "link"))
