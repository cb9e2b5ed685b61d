"""What an engine tells of containers and volumes, also of those that are gone soon after."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABEL = "profiling.dev/"
END_SECONDS = 30

Body = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """Something that happened to a container, or to a volume."""

    kind: str
    action: str
    """create, start, die, destroy, …"""
    at: int
    """Nanoseconds."""
    labels: dict[str, str]
    """Of a container; a volume's are not told."""
    name: str

    @property
    def attempt(self) -> str:
        """The attempt that a container is of."""
        return self.labels.get(f"{LABEL}attempt", "")

    @property
    def is_of_app(self) -> bool:
        """Whether it is about an application's container."""
        return self.labels.get(f"{LABEL}role") == "app"

    @property
    def gpus(self) -> tuple[str, ...]:
        """The GPUs that a container was given."""
        return tuple(filter(None, self.labels.get(f"{LABEL}gpus", "").split(",")))


class Watch:
    """What an engine tells from now on, also of what is gone soon after."""

    def __init__(self, folder: Path, url: str) -> None:
        self._file = folder / "events.jsonl"
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, since: str = "") -> None:
        """Listen; also to what an engine remembers since then."""
        self.end()
        words = ["docker", *(["-H", self._url] if self._url else []), "events"]
        words += ["--filter", "type=container", "--filter", "type=volume"]
        words += [*(["--since", since] if since else []), "--format", "{{json .}}"]
        with self._file.open("ab") as file:
            self._process = subprocess.Popen(words, stdout=file)

    def end(self) -> None:
        """Listen no more."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(END_SECONDS)

    def seen(self) -> list[Event]:
        """All that happened, in the engine's order; what was told twice happened once.

        Others may use the machine's engine at the same time.
        """
        lines = self._file.read_text().split("\n")[:-1]
        return [_event(json.loads(line)) for line in dict.fromkeys(lines)]


def _event(told: Body) -> Event:
    actor = told["Actor"]
    about = actor.get("Attributes") or {}
    name = about.get("name") or actor["ID"]
    return Event(told["Type"], told["Action"], told["timeNano"], about, name)


@dataclass(frozen=True)
class Span:
    """When an application's container ran, and on which GPUs."""

    start: int
    end: int
    """Nanoseconds."""
    gpus: tuple[str, ...]


def spans(events: Iterable[Event]) -> dict[str, Span]:
    """Of the applications that have ended, by job."""
    begun: dict[str, int] = {}
    found: dict[str, Span] = {}
    for one in events:
        if one.action == "start":
            begun[one.attempt] = one.at
        elif one.action == "die":
            job = one.labels[f"{LABEL}job"].rpartition("/")[2]
            found[job] = Span(begun[one.attempt], one.at, one.gpus)
    return found
