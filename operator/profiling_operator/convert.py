"""From a collector's files to entries: reads, writes, adds up and judges in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from profiling_operator.captures import Capture, Evidence, FileNote, Metadata, Verdict
from profiling_operator.collectors import Collector
from profiling_operator.entries import Entry, Writer
from profiling_operator.exports import Stacks
from profiling_operator.summary import Summary

NAMES_TOLD = 2  # a verdict asks only whether there is more than one name


@dataclass(frozen=True)
class Converted:
    """What one collector brought in one run."""

    entries: int
    verdict: Verdict
    notes: tuple[FileNote, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Circumstances:
    """What else the verdict may depend on."""

    log_tail: str = ""
    tool_exit_code: int | None = None
    gpus: int = 0


class Conversion:
    """Takes captures one after the other into one file of entries."""

    def __init__(self, writer: Writer) -> None:
        """Write entries to `writer`, add them up in `summary` and `stacks`."""
        self.summary = Summary()
        self.stacks = Stacks()
        self._writer = writer

    def take(
        self,
        collector: Collector,
        capture: Capture,
        around: Circumstances = Circumstances(),
        *,
        counts: bool = True,
    ) -> Converted:
        """Convert what a collector left; `counts=False` leaves warm-ups out of the summary."""
        kinds: Counter[str] = Counter()
        names: set[str] = set()
        notes: list[FileNote] = []
        metadata: dict[str, str] = {}
        for item in collector.read(capture):
            if isinstance(item, Entry):
                self._writer.write(item)
                kinds[item.kind.value] += 1
                if item.additive and len(names) < NAMES_TOLD:
                    names.add(item.name)
                if counts:
                    self.summary.add(item)
                    self.stacks.add(item)
            elif isinstance(item, Metadata):
                metadata.update(item.values)
            else:
                notes.append(item)
        evidence = Evidence(
            entries=sum(kinds.values()),
            kinds=kinds,
            notes=notes,
            names=len(names),
            log_tail=around.log_tail,
            tool_exit_code=around.tool_exit_code,
            gpus=around.gpus,
        )
        return Converted(evidence.entries, collector.usable(evidence), tuple(notes), metadata)
