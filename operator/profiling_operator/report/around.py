"""What a result was measured with, and what became of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from profiling_operator.report import words
from profiling_operator.report.results import File, Noted, Results
from profiling_operator.workspace import LOG

VALUE_LIMIT = 200
FACTS_LIMIT = 40
"""Of each tool."""
CONVERTED = "converted"
OWN = {"report.html", "report.css", "report.json", "status.json"}
"""Files that are not listed: the page, and what is written after it. So it can be made again."""
PURPOSES = {
    "summary.json": "the numbers of this page, for programs",
    "metadata.json": "what ran where, and what became of every file",
    "entries.jsonl.gz": "every measurement, a JSON object a line",
    "speedscope.json": "stacks, for speedscope.app",
    "folded.txt": "stacks, for flame graph tools",
    "trace.json": "time line, for ui.perfetto.dev",
    "junit.xml": "the verdicts, for CI systems",
    "benchmark.json": "measures, for github-action-benchmark",
    "benchmark-bigger.json": "those of which more is better",
}


@dataclass(frozen=True)
class Tool:
    """A collector with what was asked of it, and what its files tell of themselves."""

    name: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Trouble:
    """A file that was refused, or of which something is to be known."""

    path: str
    fate: str
    message: str


@dataclass(frozen=True)
class Listed:
    """A file of the folder."""

    path: str
    link: str
    size: str
    purpose: str


def environment(results: Results) -> Iterator[tuple[str, str]]:
    """Where it ran: titles and words."""
    summary, metadata, machine = results.summary, results.metadata, results.machine
    attempts = results.status.attempts if results.status else ()
    last = attempts[-1] if attempts else None
    image, _, named = summary.image.partition("@")
    resolved = metadata.image or (last.image if last else "")
    told = {
        "GPU": " + ".join(machine.gpus),
        "Device": metadata.device or (last.device if last else ""),
        "Driver": machine.driver,
        "Processor": machine.cpu,
        "Node": metadata.node or (last.node_name if last else ""),
        "Image": image,
        "Digest": resolved.rpartition("@")[2] or named,
        "Series": summary.series or metadata.series,
        "Attempt": str(metadata.attempt or ""),
        "Job UID": metadata.uid,
    }
    yield from ((title, words.name(said, VALUE_LIMIT)) for title, said in told.items() if said)


def tools(results: Results) -> Iterator[Tool]:
    """The collectors; what several runs tell alike is told once."""
    for one in results.metadata.collectors:
        facts = Counter(
            (str(key), _value(value))
            for told in results.metadata.tools
            if told.get("collector") == one.name
            for key, value in told.items()
            if key not in {"run", "collector"}
        )
        options = [(str(key), _value(value)) for key, value in one.options.items()]
        shown = [(words.name(key, 60), value) for key, value in (*options, *facts) if value]
        yield Tool(words.name(one.name, 40), tuple(shown[:FACTS_LIMIT]))


def _value(value: Any) -> str:
    """A value of JSON for people; empty for what says nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return words.name(", ".join(f"{key}: {_value(one)}" for key, one in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return words.name(", ".join(_value(one) for one in value[:VALUE_LIMIT]))
    return "" if value is None else words.name(str(value), VALUE_LIMIT)


def noted(results: Results) -> list[tuple[Noted, str]]:
    """What was refused; then what is to be known of other files. Each with its fate."""
    unreadable = [(Noted(message=one), "unreadable") for one in results.problems]
    refused = [(one, "refused") for one in results.metadata.refused]
    others = [(one, one.fate or "warning") for one in results.metadata.files]
    lost = [(one, fate) for one, fate in others if fate not in {"warning", CONVERTED}]
    odd = [(one, fate) for one, fate in others if fate in {"warning", CONVERTED} and one.message]
    return [*unreadable, *refused, *lost, *odd]


def troubles(several: Iterable[tuple[Noted, str]]) -> Iterator[Trouble]:
    """What was noted, in words."""
    for one, fate in several:
        path = f"{one.path}:{one.line}" if one.line else one.path
        why = words.message(one.message or one.reason)
        yield Trouble(words.name(path), words.name(fate, 20), why)


def fates(results: Results) -> str:
    """`12 converted, 1 refused`."""
    count = Counter({words.name(key, 20): number for key, number in results.metadata.fates.items()})
    if results.metadata.refused:
        count["refused"] += len(results.metadata.refused)
    return ", ".join(f"{words.count(number)} {fate}" for fate, number in count.items() if number)


def files(results: Results) -> list[File]:
    """The files of the folder; those with a purpose of their own first."""
    others = [one for one in results.files if one.path not in OWN]
    return sorted(others, key=lambda one: (one.path not in PURPOSES, one.path))


def listed(several: Iterable[File]) -> Iterator[Listed]:
    """Files, in words."""
    for one in several:
        purpose = PURPOSES.get(one.path, "")
        if not purpose and one.path.endswith(f"/{LOG}"):
            purpose = "what the application printed"
        size = words.amount(one.size, "By")
        yield Listed(words.name(one.path), quote(one.path, errors="replace"), size, purpose)
