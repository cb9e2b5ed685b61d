"""A `profjob` that notes the words it is called with, and answers as a test says."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import builds
from builds import Agent, Harness

PROGRAM = """#!{python}
import json, os, pathlib, sys
home = pathlib.Path({home!r})
word = sys.argv[1]
said = {{"words": sys.argv[1:], "traceparent": os.environ.get("TRACEPARENT", "")}}
with (home / "calls").open("a") as calls:
    calls.write(json.dumps(said) + "\\n")
answers = json.loads((home / "answers").read_text()).get(word, [])
turn = sum(json.loads(line)["words"][0] == word for line in (home / "calls").open()) - 1
answer = answers[min(turn, len(answers) - 1)] if answers else {{}}
for path, text in answer.get("files", {{}}).items():
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
print(answer.get("prints", ""))
sys.exit(answer.get("code", 0))
"""
PASSED = '<testsuite><testcase classname="nbody" name="app/duration"/></testsuite>'
FAILED = (
    '<testsuite><testcase classname="nbody" name="app/duration">'
    '<failure message="1.3 s &gt; max 1 s">1.3 s</failure></testcase></testsuite>'
)
APPLIED = {"prints": "profilingjob.profiling.dev/nbody-7"}


def results(junit: str = PASSED, **files: str) -> dict[str, str]:
    """A small result folder; keyword arguments are more files in it, `trace_json` is trace.json."""
    named = {name.replace("_", "."): text for name, text in files.items()}
    made = {"status.json": "{}", "summary.json": "{}", "junit.xml": junit, **named}
    return {f"profiling_output/{name}": text for name, text in made.items()}


@dataclass
class Faked:
    """An agent on which a build can be told how profjob behaves."""

    agent: Agent
    home: Path

    def answer(self, **answers: list[dict[str, Any]]) -> None:
        """What each command does, call by call; the last answer stands for later calls."""
        (self.home / "answers").write_text(json.dumps(answers))

    def step(self, **given: Any) -> builds.Answer:
        """A build of the step alone."""
        return self.agent.step(**given)

    def asked(self) -> list[list[str]]:
        """The words of each call of profjob."""
        return [one["words"] for one in self.told()]

    def told(self) -> list[dict[str, Any]]:
        """What was noted of each call of profjob."""
        file = self.home / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]


def agent(harness: Harness, folder: Path) -> Faked:
    """An agent with such a program first in its path."""
    text = PROGRAM.format(python=sys.executable, home=str(folder))
    builds.put_command(folder / "bin", "profjob", text)
    env = {"PATH": builds.path_with(folder / "bin"), "HOME": str(folder)}
    made = Faked(Agent(harness, folder, env), folder)
    made.answer()
    return made
