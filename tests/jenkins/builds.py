"""Builds of pipelines where no Jenkins is: steps are the harness', shell commands are real."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import jenkins  # noqa: E402 - found by the line above
from making import own_environment  # noqa: E402

HARNESS = Path(__file__).parent / "harness" / "Main.groovy"
Answer = dict[str, Any]
ABORTED, FAILURE, SUCCESS, UNSTABLE = "ABORTED", "FAILURE", "SUCCESS", "UNSTABLE"


class Harness:
    """The Java process that runs builds, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Of a process that answers a line with a line."""
        self._process, self._numbers = process, count()

    def ask(self, **asked: Any) -> Answer:
        """Ask for one thing. Raises AssertionError when the harness itself broke."""
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._process.stdin.write(f"{json.dumps({**asked, 'number': number})}\n")
        self._process.stdin.flush()
        told = self._answer(number)
        assert "broken" not in told, told
        return told

    def _answer(self, number: int) -> Answer:
        """To this question: a test that ran out of time did not take the answer to its own."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told: Answer = json.loads(line)
            if told["number"] == number:
                return told
        raise AssertionError("the harness has ended")


@contextmanager
def harness() -> Iterator[Harness]:
    """One for all tests: Java takes seconds to start."""
    with subprocess.Popen(
        jenkins.groovy(HARNESS), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Harness(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Agent:
    """An agent with a workspace, on which one build runs after the other."""

    harness: Harness
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    """The environment of the agent."""

    @property
    def workspace(self) -> Path:
        """Where the steps run."""
        return self.folder / "workspace"

    def step(self, build: Mapping[str, str] | None = None, **given: Any) -> Answer:
        """A build that is nothing but the step `profilingJob`, with these parameters."""
        abort_at, turn = given.pop("abort_at", ""), given.pop("abort_turn", 1)
        return self._ask(step=given, build=dict(build or {}), abortAt=abort_at, abortTurn=turn)

    def pipeline(self, script: str, **asked: Any) -> Answer:
        """A build of a Jenkinsfile."""
        return self._ask(script=script, **asked)

    def _ask(self, **asked: Any) -> Answer:
        self.workspace.mkdir(exist_ok=True)
        return self.harness.ask(
            root=str(ROOT), workspace=str(self.workspace), agent=self.env, **asked
        )


def real_agent(harness: Harness, folder: Path) -> Agent:
    """An agent with the real profjob, and settings, state and baselines of its own."""
    text = f'#!/bin/sh\nexec "{sys.executable}" -m profiling_operator "$@"\n'
    put_command(folder / "bin", "profjob", text)
    env = own_environment(folder) | {"PATH": path_with(folder / "bin")}
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "BUILD_TAG", "TRACEPARENT"):
        env.pop(name, None)
    return Agent(harness, folder, env)


def calls_of(answer: Answer, *names: str) -> list[Any]:
    """What steps were called with, in order: their first argument."""
    found = (one for one in answer["calls"] if one["name"] in names)
    return [one["args"][0] if one["args"] else None for one in found]


def put_command(folder: Path, name: str, text: str) -> None:
    """A program that comes first in the path."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)


def path_with(folder: Path) -> str:
    """The path of an agent: what the test put there, then what every machine has."""
    own = Path(shutil.which("sh") or "/bin/sh").parent
    return f"{folder}:{own}:/usr/local/bin:/usr/bin:/bin"
