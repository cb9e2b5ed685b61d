"""What the application is given: words, environment, descriptors, signals, session."""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

SHOW = "import os, sys; print(repr([os.fsencode(word) for word in sys.argv[1:]]), end='')"


def test_words_arrive_unchanged(launch: Any) -> None:
    """Spaces, quotes, newlines, empty words, bytes that are no text, and {run} in an argument."""
    words = [b"a b", b"'q'", b'"', b"x\ny", b"", b"\xff\xfe", b"{run}", b"$HOME", b"--", b"--env"]

    done = launch("--wrapper", "1", command=[sys.executable, "-S", "-c", SHOW, *words])

    assert done.log() == repr(words).encode()


def test_run_is_replaced_in_wrapper_words_only(launch: Any, tmp_path: Path) -> None:
    """{run} in the first N words, every time it appears, as an absolute path."""
    command = ["env", "A={run}/x:{run}", "sh", "-c", 'echo "$A" "$1"', "{run}", "{run}"]

    done = launch("--wrapper", "2", command=command, workspace=Path("w"), cwd=tmp_path)

    run = f"{tmp_path}/w/run-0"
    assert Path(f"{run}/app.log").read_text() == f"{run}/x:{run} {{run}}\n"
    assert done.code == 0


def test_environment(launch: Any, tmp_path: Path) -> None:
    """--env, also with {run}, --output-env, and --path in its order in front of PATH."""
    for folder, answer in (("one", "first"), ("two", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text(f"#!/bin/sh\necho {answer} $A $B $OUT $PATH")
        (tmp_path / folder / "tool").chmod(0o755)
    done = launch(
        "--env", "A=1=2", "--env", "B={run}/b", "--output-env", "OUT", "--repetitions", "2",
        "--path", tmp_path / "one", "--path", tmp_path / "two",
        command=["tool"], env={"PATH": "/usr/bin:/bin", "A": "old"},
    )  # fmt: skip

    for k in (0, 1):
        run = done.workspace / f"run-{k}"
        path = f"{tmp_path}/one:{tmp_path}/two:/usr/bin:/bin"
        assert done.log(k).decode() == f"first 1=2 {run}/b {run} {path}\n"


def test_working_directory(launch: Any, tmp_path: Path) -> None:
    """The launcher's own one, or --chdir."""
    (tmp_path / "sub").mkdir()
    here = launch(command=["pwd"], cwd=tmp_path, workspace=tmp_path / "a")
    there = launch("--chdir", "sub", command=["pwd"], cwd=tmp_path, workspace=tmp_path / "b")

    assert here.log().decode() == f"{tmp_path}\n"
    assert there.log().decode() == f"{tmp_path}/sub\n"


def test_no_descriptor_is_inherited(launch: Any) -> None:
    """Standard input is /dev/null, output and errors are two pipes, and there is nothing else."""
    show = "import os; print({n: os.readlink(f'/proc/self/fd/{n}') for n in range(64)"
    show += " if os.path.exists(f'/proc/self/fd/{n}')})"
    read, write = os.pipe()
    done = launch(command=[sys.executable, "-S", "-c", show], pass_fds=[read, write])
    os.close(read)
    os.close(write)

    seen = ast.literal_eval(done.log().decode())
    assert seen[0] == "/dev/null"
    assert set(seen) == {0, 1, 2}
    assert seen[1].startswith("pipe:") and seen[2].startswith("pipe:") and seen[1] != seen[2]


def test_closed_standard_streams(launch: Any) -> None:
    """A launcher whose own standard streams are closed gives the application good ones."""
    done = launch(
        command=["sh", "-c", "read line; echo out; echo err >&2"], close_fds=True,
        stdout=None, stderr=None, preexec_fn=lambda: os.closerange(0, 3),
    )  # fmt: skip

    assert done.code == 0
    assert sorted(done.log().split()) == [b"err", b"out"]


def test_signals_are_as_at_birth(launch: Any) -> None:
    """Default dispositions and an empty mask, whatever the launcher itself inherited."""

    def spoil() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)

    done = launch(command=["cat", "/proc/self/status"], preexec_fn=spoil, restore_signals=False)

    fields = dict(line.split(":\t") for line in done.log().decode().splitlines() if ":\t" in line)
    assert [int(fields[f], 16) for f in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]


def test_own_session(launch: Any) -> None:
    """Each run has a session of its own, and the launcher's umask."""
    show = "import os, json; print(json.dumps([os.getpid() == os.getsid(0), os.umask(0)]))"
    done = launch(command=[sys.executable, "-S", "-c", show], preexec_fn=lambda: os.umask(0o077))

    assert json.loads(done.log()) == [True, 0o077]
