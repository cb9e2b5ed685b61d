"""Builds of the step against a real platform: the same ones on each, with the same outcomes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml
from builds import FAILURE, ROOT, SUCCESS, Agent, Answer

EXAMPLE = ROOT / "examples" / "python-threads"
GATE = {"measure": "app/duration", "statistic": "min", "baseline": "main", "maxIncrease": "5%"}
ACCEPTED, REPETITIONS = 5, 4  # as few as a verdict needs
SLOWER = 'spec.app.env=[{name: SLOWER, value: "30"}]'
RESULTS = ("junit.xml", "metadata.json", "report.css", "report.html", "status.json", "summary.json")
FAILING = (
    'spec.app.command=["python3", "-c", "import sys, work; work.work(range(80)); sys.exit(9)"]',
    "spec.app.args=[]",
)
NO_PYTHON = ('spec.app.command=["sleep", "1"]', "spec.app.args=[]")


@dataclass
class Platform:
    """An agent, and where its builds have their jobs run."""

    agent: Agent
    given: dict[str, Any] = field(default_factory=dict)
    """Parameters of the step that all builds have."""
    number: int = 0

    def prepare(self) -> None:
        """Put what a checkout would bring into the workspace."""
        self.agent.workspace.mkdir(parents=True)
        shutil.copy(EXAMPLE / "work.py", self.agent.workspace)
        body = yaml.safe_load((EXAMPLE / "job.yaml").read_text())
        body["spec"] |= {"warmups": 0, "repetitions": REPETITIONS, "gates": [GATE]}
        body["spec"]["app"]["args"] = ["--rounds", "8", "--pace", "0.2", "--threads", "2"]
        body["spec"]["gracePeriodSeconds"] = 5
        (self.agent.workspace / "job.yaml").write_text(yaml.safe_dump(body))

    def build(self, **given: Any) -> Answer:
        """One more build; its job has a name of its own."""
        self.number += 1
        tag = {"BUILD_TAG": f"jenkins-Folder/main %2F-{self.number}"}
        return self.agent.step(tag, **self.given | given)


def accept_some(platform: Platform) -> list[Answer]:
    """Builds of the primary branch, from which the baseline is."""
    return [platform.build(acceptBaseline=True) for _ in range(ACCEPTED)]


def named(files: dict[str, int]) -> set[str]:
    """Paths below the result folder."""
    return {path.removeprefix("profiling_output/") for path in files}


def check_published(built: Answer) -> None:
    """What a person and a later stage look at is archived and stashed, whatever became of it."""
    stashed = named(built["stashes"]["profiling_output"])
    assert set(RESULTS) <= stashed, built["log"]
    assert set(RESULTS) <= named(built["archived"])
    assert not [path for path in stashed if path.startswith("raw/")]


def check_first(platform: Platform, built: list[Answer]) -> None:
    """Builds that fill a baseline are good ones: there is nothing to compare them with."""
    assert [one["result"] for one in built] == [SUCCESS] * ACCEPTED, [one["log"] for one in built]
    assert built[0]["cases"][0]["verdict"] == "skipped"
    for one in built:
        check_published(one)


def check_good(platform: Platform) -> None:
    """No change: the gate is met, and says so in the test results."""
    built = platform.build()

    assert built["result"] == SUCCESS, built["log"]
    assert built["returned"]["code"] == 0
    assert [one["verdict"] for one in built["cases"]] == ["passed"], built["cases"]
    check_published(built)


def check_regressed(platform: Platform) -> None:
    """30 % slower: the build fails, by the gate and by nothing else, and names what got slower."""
    built = platform.build(set=[SLOWER])

    assert built["result"] == FAILURE, built["log"]
    assert "a gate was not met" in built["message"], built["message"]
    assert "gate  Failed  app/duration" in built["message"]
    (case,) = built["cases"]
    assert (case["verdict"], case["name"]) == ("failure", "app/duration")
    assert "main" in case["message"]
    check_published(built)


def check_failed(platform: Platform) -> None:
    """The application fails: so does the build, whatever is said of gates."""
    built = platform.build(failOn="never", set=list(FAILING))

    assert built["result"] == FAILURE
    assert "the job failed: Failed  AppFailed" in built["message"], built["message"]
    assert [one["verdict"] for one in built["cases"]] == ["skipped"]
    assert "run-0/app.log" in named(built["archived"])


def check_timed_out(platform: Platform) -> None:
    """The application does not end in the time that the job gives it."""
    built = platform.build(set=["spec.timeoutSeconds=2", 'spec.app.args=["--forever"]'])

    assert built["result"] == FAILURE
    assert "the job failed: Failed  AppTimedOut" in built["message"]


def check_given_up(platform: Platform) -> None:
    """The step's own time is over: the job is cancelled, what it measured is published."""
    forever = ["spec.repetitions=1", 'spec.app.args=["--forever"]']
    built = platform.build(timeout="15s", set=forever)

    assert built["result"] == FAILURE
    assert "not finished within 15s" in built["message"]
    assert "Cancelled" in built["log"], built["log"]
    assert "status.json" in named(built["archived"])


def check_unusable(platform: Platform) -> None:
    """The tool saw nothing: exit code 6, and the reason in the message."""
    built = platform.build(set=[*NO_PYTHON, "spec.repetitions=1"])

    assert built["result"] == FAILURE
    assert "the profile is not usable" in built["message"]
    assert "NothingMeasured" in built["message"]


def check_guard(platform: Platform) -> None:
    """What is too large for a stash is left out, and named; it is archived all the same."""
    built = platform.build(maxStashBytes=2000, set=["spec.repetitions=1"])

    assert "not stashed: report.html has " in built["log"]
    assert "report.html" not in named(built["stashes"]["profiling_output"])
    assert "report.html" in named(built["archived"])
    assert sum(built["stashes"]["profiling_output"].values()) <= 2000


CHECKS: tuple[Callable[[Platform], None], ...] = (
    check_good,
    check_regressed,
    check_failed,
    check_timed_out,
    check_given_up,
    check_unusable,
    check_guard,
)
