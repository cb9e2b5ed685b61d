"""The workspace: folders and their modes, one attempt only, the sign of life."""

from __future__ import annotations

import os
import select
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT_ONLY = pytest.mark.needs("root")
NOBODY = 65534


def test_folders_are_open_to_all(launch: Any, tmp_path: Path) -> None:
    """Whatever the umask, the folders end up 2777; JSON files and FIFO are readable."""
    done = launch(
        "--collector", "tau", command=["true"], workspace=tmp_path / "w",
        preexec_fn=lambda: os.umask(0o077),
    )  # fmt: skip

    for name in ("", ".run", "run-0", "run-0/tau"):
        assert stat.S_IMODE((done.workspace / name).stat().st_mode) == 0o2777, name
    for name in ("started.json", "run-0.json", "exit.json", "alive"):
        assert (done.workspace / ".run" / name).stat().st_mode & 0o444 == 0o444
    assert not list((done.workspace / ".run").glob("*.tmp"))


def test_a_folder_that_was_there_keeps_its_mode(launch: Any, tmp_path: Path) -> None:
    """The workspace itself is not opened up where it is somebody's folder already."""
    (tmp_path / "w").mkdir(mode=0o750)
    done = launch(command=["true"], workspace=tmp_path / "w")

    assert done.code == 0
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o750


def test_results_become_readable_for_the_group(launch: Any) -> None:
    """chmod -R g+rX on the run's folder, symbolic links not followed."""
    app = """umask 077; cd "$OUT"; mkdir d; echo 1 > d/plain; echo 2 > d/tool; chmod 700 d/tool
    echo 3 > ../outside; ln -s ../outside link"""
    done = launch("--output-env", "OUT", command=["sh", "-c", app])

    def mode(name: str) -> int:
        return stat.S_IMODE((done.workspace / name).stat().st_mode) & 0o777

    assert (mode("run-0/d"), mode("run-0/d/plain"), mode("run-0/d/tool")) == (0o750, 0o640, 0o750)
    assert mode("outside") == 0o600


def test_an_attempt_is_never_run_twice(launch: Any, tmp_path: Path) -> None:
    """A used workspace is refused, and what it holds is left alone."""
    first = launch(command=["sh", "-c", "exit 3"])
    second = launch(command=["touch", tmp_path / "ran"])

    assert (first.code, second.code) == (3, 125)
    assert b"LauncherFailed" in second.stderr
    assert second.exit["exitCode"] == 3
    assert not (tmp_path / "ran").exists()


def test_refuse_is_obeyed(launch: Any, tmp_path: Path) -> None:
    """A preflight's finding: nothing is started, its reason and message are recorded."""
    (tmp_path / "workspace/.run").mkdir(parents=True)
    (tmp_path / "workspace/.run/refuse").write_text("CountersNotPermitted\nask the admin\nmore\n")
    done = launch(command=["touch", tmp_path / "ran"])

    assert done.code == 125
    fields = ("reason", "origin", "message", "runs", "exitCode")
    assert [done.exit[f] for f in fields] == [
        "CountersNotPermitted", "launcher", "ask the admin", 0, None,
    ]  # fmt: skip
    assert (done.workspace / ".run/started.json").exists()
    assert not (tmp_path / "ran").exists()


def test_workspace_that_cannot_be_made(launch: Any, tmp_path: Path) -> None:
    """A file in the path: LauncherFailed, 125, said on standard error."""
    (tmp_path / "file").write_text("")
    done = launch(command=["touch", tmp_path / "ran"], workspace=tmp_path / "file/w")

    assert done.code == 125
    assert b"LauncherFailed: Not a directory" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_run_folder_that_cannot_be_made(launch: Any, tmp_path: Path) -> None:
    """Something else has the run's name: LauncherFailed is recorded, nothing is started."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace/run-0").symlink_to(tmp_path)
    done = launch(command=["touch", tmp_path / "ran"])

    assert (done.code, done.exit["reason"], done.exit["runs"]) == (125, "LauncherFailed", 0)
    assert not (tmp_path / "ran").exists()


@ROOT_ONLY
def test_no_write_permission(launch: Any, public: Path) -> None:
    """A user who may not write to the workspace: LauncherFailed, nothing is started."""
    (public / "w").mkdir(mode=0o755)
    done = launch(
        command=["touch", public / "ran"], workspace=public / "w", program=public / "launch",
        user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
    )  # fmt: skip

    assert done.code == 125
    assert b"LauncherFailed: Permission denied" in done.stderr
    assert not (public / "ran").exists()


@ROOT_ONLY
def test_folders_of_another_user(launch: Any, public: Path) -> None:
    """Folders that somebody else made open to all are used as they are."""
    for name in ("w", "w/.run", "w/run-0"):
        (public / name).mkdir()
        (public / name).chmod(0o2777)
    done = launch(
        command=["id", "-u"], workspace=public / "w", program=public / "launch",
        user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
    )  # fmt: skip

    assert (done.code, done.log()) == (0, b"65534\n")


def test_stop_file_at_end(launch: Any, tmp_path: Path) -> None:
    """An empty file is made when the launcher ends, however it ends."""
    good = launch("--stop-file-at-end", tmp_path / "a", command=["true"])
    bad = launch("--stop-file-at-end", tmp_path / "b", command=["/no"], workspace=tmp_path / "w")

    assert (good.code, bad.code) == (0, 127)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b""


def test_sign_of_life_after_a_kill(start: Any, until: Callable[..., Any]) -> None:
    """A reader that opened `alive` in time is told by a hang-up that the launcher was killed."""
    attempt = start(command=["sleep", "3"])
    attempt.wait_for("run-0/app.log")
    reader = os.open(attempt.workspace / ".run/alive", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    poll = select.poll()
    poll.register(reader, 0)
    assert poll.poll(300) == []

    attempt.process.kill()

    assert poll.poll(20_000) == [(reader, select.POLLHUP)]
    os.close(reader)
    assert not (attempt.workspace / ".run/exit.json").exists()


def test_sign_of_life_before_the_reader_came(start: Any) -> None:
    """A reader that comes too late reads the end of the file."""
    attempt = start(command=["sleep", "3"])
    attempt.wait_for("run-0/app.log")
    attempt.process.kill()
    attempt.process.wait()

    reader = os.open(attempt.workspace / ".run/alive", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_sign_of_life_at_the_end(launch: Any, tmp_path: Path) -> None:
    """The launcher's normal end is the end of the file, too; no process holds the FIFO."""
    done = launch(command=["sh", "-c", "setsid sleep 5 >/dev/null 2>&1 & true"])

    reader = os.open(done.workspace / ".run/alive", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 1) == b""
    os.close(reader)
    shutil.rmtree(done.workspace)
