"""What a behaviour needs of the place where jobs run, whichever it is.

Both places have the same API, so most of it is kubectl; only what shows how attempts run differs.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import yaml
from installed import Namespace, condition, ended, until

Body = dict[str, Any]

WAIT_SECONDS = 240
PATIENT = {"timeoutSeconds": 300, "gracePeriodSeconds": 60}  # a small machine may have much to do
AHEAD = 3  # jobs that run while a test looks at another one
REFUSED = ("Failed", "InvalidSpec")


class Place(ABC):
    """Where the jobs of this suite run: a namespace, and who looks after the jobs in it."""

    platform: ClassVar[str]
    """What the table calls it."""
    gpus: int
    """How many there are."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.refusal = ""
        """What the running test was told of a job that is refused here by design."""
        self._uids: dict[str, str] = {}
        self._waiting: dict[str, Body] = {}

    def apply(self, name: str, **changes: Any) -> str:
        """Apply a job with fields of its spec put in, and annotations; its name."""
        body = self._body(name, **changes)
        self.namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(body))
        self._remember([self.namespace.get(name)])
        return name

    def begin(self, jobs: Mapping[str, Body], others: Iterable[Body]) -> None:
        """Take jobs that `advance` applies, and apply what they name."""
        self._waiting = dict(jobs)
        self.namespace.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(others))

    def advance(self, names: Sequence[str]) -> None:
        """Apply these jobs, unless they are, those before them, and a few of the next ones."""
        wanted = list(self._waiting)
        last = max((wanted.index(name) for name in names if name in self._waiting), default=-1)
        chosen = wanted[: last + 1 + AHEAD] if names else []
        bodies = [self._body(name, **self._waiting.pop(name)) for name in chosen]
        if bodies:
            self.namespace.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(bodies))
            self._remember(self.namespace.listed("profilingjobs"))

    def _remember(self, bodies: Iterable[Body]) -> None:
        self._uids |= {one["metadata"]["name"]: one["metadata"]["uid"] for one in bodies}

    def _body(self, name: str, **changes: Any) -> Body:
        placement = {**changes.pop("placement", {}), **self.placement()}
        more = {"placement": placement} if placement else {}
        annotations = changes.pop("annotations", {})
        body = self.namespace.job(name=name, **{**PATIENT, **more, **changes})
        body["metadata"]["annotations"] = annotations
        return body

    def uid(self, name: str) -> str:
        """Of the job that was last applied by that name, also when it is gone."""
        return self._uids[name]

    def wait(self, name: str, seconds: int = WAIT_SECONDS) -> Body:
        """The status of a job once it has finished."""
        try:
            return self.namespace.wait(name, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from error

    def status(self, name: str) -> Body:
        """What its status is now."""
        return self.namespace.status(name)

    def until_phase(self, phase: str, name: str) -> Body:
        """The status of a job once it has come to a phase."""
        try:
            until(lambda: self.status(name).get("phase") == phase, WAIT_SECONDS)
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.namespace.told(name)}\n{self.told()}") from error
        return self.status(name)

    def patch(self, name: str, **changes: Any) -> None:
        """Change fields of a job's spec."""
        wanted = json.dumps({"spec": changes})
        self.namespace.kubectl("patch", "pj", name, "--type=merge", "--patch", wanted)

    def delete(self, name: str) -> None:
        """Delete a job."""
        self.namespace.kubectl("delete", "pj", name)

    def events(self, name: str) -> list[Body]:
        """The events of a job."""
        fields = f"involvedObject.kind=ProfilingJob,involvedObject.name={name}"
        found = self.namespace.listed("events", "--field-selector", fields)
        return [one for one in found if one["involvedObject"].get("uid") == self.uid(name)]

    def reasons(self, name: str) -> set[str]:
        """The reasons of the events of a job."""
        return {one["reason"] for one in self.events(name)}

    def until_event(self, name: str, reason: str) -> None:
        """Return when a job has an event of that reason: they come after the status."""
        until(lambda: reason in self.reasons(name))

    def refuses(self, name: str, field: str) -> bool:
        """Whether the job ended because a field of it is refused here by design.

        The table then has the message. Without a refusal, the caller says what must hold.
        """
        status = self.wait(name)
        message = condition(status, "Finished").get("message", "")
        if ended(status) != REFUSED or field not in message:
            return False
        assert status.get("attempts", []) == []
        assert self.executions(name) == 0
        self.until_event(name, "InvalidSpec")
        self.refusal = message
        return True

    def until_gone(self, name: str) -> None:
        """Return when the job is gone, and all that was made for it."""
        until(lambda: not self._is_there(name), WAIT_SECONDS)
        until(lambda: not self.remains(name), WAIT_SECONDS)

    def _is_there(self, name: str) -> bool:
        bodies = self.namespace.listed("profilingjobs")
        return any(one["metadata"]["uid"] == self.uid(name) for one in bodies)

    def until_idle(self, name: str) -> None:
        """Return when nothing runs any more that was started for a job."""
        until(lambda: not self.running(name), WAIT_SECONDS)

    def check_results(self, name: str) -> dict[str, bytes]:
        """The files of a job's result folder, which are complete and as its status says."""
        results = self.status(name)["results"]
        found = {one["path"]: self.stored(name, one["path"]) for one in results["files"]}
        for one in results["files"]:
            content = found[one["path"]]
            assert len(content) == one["size"], one
            assert hashlib.sha256(content).hexdigest() == one["sha256"], one
            if one["path"] == "entries.jsonl.gz":
                assert len(gzip.decompress(content).splitlines()) == one["count"], one
        assert {"entries.jsonl.gz", "summary.json"} <= set(found)
        return found

    def log(self, name: str, index: int = 0) -> str:
        """What the application of a finished job wrote in one of its runs."""
        return self.stored(name, f"run-{index}/app.log").decode()

    def seen(self, name: str) -> Body:
        """What the application of given.SEES found; tools write into its output as well."""
        lines = self.log(name).splitlines()
        found: Body = json.loads(next(line for line in lines if line.startswith("{")))
        return found

    def metric(self, start: str) -> float:
        """The value of the metric whose line begins so; 0 where there is none."""
        found = re.search(rf"^{re.escape(start)}.* ([0-9.e+]+)$", self.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def told(self) -> str:
        """What else may tell why a job did not end as a test wants it."""
        return ""

    @abstractmethod
    def placement(self) -> Body:
        """What a job says to come here."""

    @abstractmethod
    def claim(self, name: str) -> None:
        """Make a volume that a job may claim by that name."""

    @abstractmethod
    def executions(self, name: str) -> int:
        """How often the platform started the application's container of a job."""

    @abstractmethod
    def running(self, name: str) -> list[str]:
        """What runs of a job, by name."""

    @abstractmethod
    def remains(self, name: str) -> list[str]:
        """What the platform has of a job, ended or not, by name."""

    @abstractmethod
    def lose(self, name: str) -> None:
        """Take away what runs the current attempt of a job, behind everybody's back."""

    @abstractmethod
    def kill(self) -> None:
        """KILL who looks after the jobs; return when there is another one."""

    @abstractmethod
    def away(self) -> AbstractContextManager[None]:
        """Nobody looks after the jobs meanwhile."""

    @abstractmethod
    def metrics(self) -> str:
        """What Prometheus is told."""

    @abstractmethod
    def stored(self, name: str, path: str) -> bytes:
        """A file of the result folder of a job's last attempt."""


def outcomes(status: Body) -> list[str]:
    """How each attempt of a job ended."""
    return [one["outcome"] for one in status.get("attempts", ())]


def holds(status: Body, kind: str) -> str:
    """The status of a condition; empty where there is none."""
    return str(condition(status, kind).get("status", ""))
