"""launch --exec: becomes the application, with variables that nothing around it gets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def become(launcher: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs launch --exec with these words."""
    return subprocess.run(
        [launcher, "--exec", *words],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_values_are_put_in_front(launcher: Path) -> None:
    """Of what is there, parted by a colon; an empty value counts as none."""
    words = ["--prepend", "A=x:y", "--prepend", "B=x", "--prepend", "C=x", "--prepend", "C=w"]
    done = become(launcher, *words, "--", "sh", "-c", "echo $A $B $C", A="old", B="")

    assert (done.returncode, done.stdout) == (0, "x:y:old x w:x\n")


def test_it_is_the_application(launcher: Path) -> None:
    """No process stays between: its parent is the launcher's, its end is its own."""
    done = become(launcher, "--", "sh", "-c", "echo $PPID; kill -9 $$")

    assert (done.returncode, done.stdout) == (-9, f"{os.getpid()}\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [("/no/such/program", 127), ("/etc/passwd", 126)],
    ids=["none", "no_program"],
)
def test_what_cannot_be_started(launcher: Path, command: str, code: int) -> None:
    """The codes of shells, and why."""
    done = become(launcher, "--", command)

    assert done.returncode == code
    assert "launch: CannotStart: " in done.stderr and command in done.stderr


@pytest.mark.parametrize("words", [[], ["--"], ["--prepend", "A", "--", "true"]], ids=str)
def test_what_is_not_understood(launcher: Path, words: list[str]) -> None:
    """A command line without a command, a variable without a value."""
    done = become(launcher, *words)

    assert done.returncode == 125
    assert "not understood" in done.stderr
