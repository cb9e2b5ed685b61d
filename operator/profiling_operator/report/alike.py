"""Whether two jobs may be compared: what they ran, and where. No I/O.

Numbers of another device, driver, program or tool differ for reasons that nobody asked about, so
such jobs are never compared in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from profiling_operator import baselines
from profiling_operator.report import outcome, words
from profiling_operator.report.results import Results

UNKNOWN = ""
EXPECTED = frozenset({"Image"})
"""Its tag is what people compare."""
BESIDE = EXPECTED | {"Options of the collectors", "Outcome", "Node"}
"""They are told, and forbid nothing."""


@dataclass(frozen=True)
class Fact:
    """One circumstance of both jobs."""

    title: str
    before: str
    """Empty: no file tells."""
    after: str
    decides: bool = True
    """Jobs that differ in it are not alike."""

    @property
    def differs(self) -> bool:
        """Both are known, and not the same."""
        return self.is_known and self.before != self.after

    @property
    def is_known(self) -> bool:
        """Of both jobs."""
        return bool(self.before and self.after)

    @property
    def is_half_known(self) -> bool:
        """Of one of them only."""
        return bool(self.before) != bool(self.after)

    def __str__(self) -> str:
        """For people."""
        return f"{self.title}: {self.before or 'not known'} and {self.after or 'not known'}"


def facts(before: Results, after: Results) -> list[Fact]:
    """What the jobs have in common, and what not."""
    left, right = dict(_told(before)), dict(_told(after))
    decisive = [
        Fact(title, left[title], right[title], decides=title not in BESIDE) for title in left
    ]
    return [one for one in decisive if one.before or one.after]


def obstacles(several: list[Fact]) -> list[Fact]:
    """What forbids a comparison."""
    return [one for one in several if one.decides and one.differs]


def doubts(several: list[Fact]) -> list[Fact]:
    """What should be said of a comparison: what only one of them tells, or differs beside."""
    return [
        one
        for one in several
        if one.title not in EXPECTED
        and ((one.differs and not one.decides) or (one.is_half_known and one.decides))
    ]


def _told(results: Results) -> Iterator[tuple[str, str]]:
    machine, identity = results.machine, results.summary.identity
    yield "GPU", words.name(" + ".join(machine.gpus))
    yield "GPU driver", words.name(machine.driver)
    yield "Processor", words.name(machine.cpu)
    yield "Collectors", _text(identity, "collectors") or _collectors(results)
    yield "Options of the collectors", _options(results)
    yield "Image's name", _text(identity, "image") or _repository(results)
    yield "Image", words.name(results.summary.image)
    yield "Command", _text(identity, "command")
    yield "Outcome", outcome.banner(results).title
    yield "Node", words.name(results.metadata.node)


def _text(body: Mapping[str, Any], field: str) -> str:
    value = body.get(field)
    return words.name(value) if isinstance(value, str) else UNKNOWN


def _repository(results: Results) -> str:
    return words.name(baselines.repository_of(results.summary.image))


def _collectors(results: Results) -> str:
    return "+".join(sorted(words.name(one.name) for one in results.metadata.collectors))


def _options(results: Results) -> str:
    told = (
        " ".join((one.name, *(f"{key}={value}" for key, value in one.options.items())))
        for one in sorted(results.metadata.collectors, key=lambda one: one.name)
    )
    return words.message("; ".join(told))
