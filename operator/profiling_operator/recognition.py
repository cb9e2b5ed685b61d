"""Whose files are these: sorts a folder that mixes what several tools wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from profiling_operator import registry
from profiling_operator.artifacts import Artifact
from profiling_operator.captures import HEAD_BYTES, Fate, FileNote
from profiling_operator.collectors import Collector
from profiling_operator.errors import ArtifactError

UNKNOWN = "no collector knows it"


@dataclass(frozen=True)
class Sorted:
    """Every file is in one of both."""

    by_collector: Mapping[str, tuple[Artifact, ...]]
    """In the order of the collectors' names; only those with files."""
    others: tuple[FileNote, ...]


def sort(artifacts: Iterable[Artifact]) -> Sorted:
    """Give each file to the collector that knows it, by its name and beginning."""
    every: dict[str, Collector] = {
        name: registry.load("collectors", name) for name in registry.names("collectors")
    }
    mine: dict[str, list[Artifact]] = {name: [] for name in every}
    others: list[FileNote] = []
    for one in artifacts:
        try:
            with one.open() as stream:
                head = stream.read(HEAD_BYTES)
        except ArtifactError as error:
            others.append(FileNote(one.path, Fate.REFUSED, str(error)))
            continue
        whose = next((name for name in every if every[name].knows(one.name, head)), None)
        if whose is None:
            others.append(FileNote(one.path, Fate.RAW, UNKNOWN))
        else:
            mine[whose].append(one)
    found = {name: tuple(files) for name, files in mine.items() if files}
    return Sorted(found, tuple(others))
