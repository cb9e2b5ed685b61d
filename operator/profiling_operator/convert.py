"""From a collector's files to entries: reads, writes, adds up and judges in one pass.

What is large is read in parts, each by a process of its own, and put together in order: the same
entries, sums and notes come out as if one process had read everything.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from profiling_operator import entries, parallel, registry
from profiling_operator.captures import Capture, Evidence, Fate, FileNote, Item, Metadata, Verdict
from profiling_operator.collectors import Collector
from profiling_operator.entries import Entry, Writer
from profiling_operator.exports import Stacks, Timeline
from profiling_operator.summary import Summary

NAMES_TOLD = 2  # a verdict asks only whether there is more than one name
PARALLEL_BYTES = 32 << 20  # below, starting processes costs more than it brings
DIED = "the process that read it ended: it needed too much memory, or the file is malicious"


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


@dataclass
class Numbers:
    """What entries add up to."""

    summary: Summary = field(default_factory=Summary)
    stacks: Stacks = field(default_factory=Stacks)
    timeline: Timeline = field(default_factory=Timeline)

    def merge(self, other: Numbers) -> None:
        """Add what other entries, that come after these, add up to."""
        self.summary.merge(other.summary)
        self.stacks.merge(other.stacks)
        self.timeline.merge(other.timeline)


@dataclass
class Taken:
    """What reading a capture, or a part of it, yielded besides the entries themselves."""

    kinds: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    notes: list[FileNote] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)

    def merge(self, other: Taken) -> None:
        """Add what a later part yielded."""
        self.kinds.update(other.kinds)
        self.names |= other.names
        self.notes += other.notes
        self.metadata = self.metadata or other.metadata


@dataclass(frozen=True)
class Task:
    """A part of a capture for another process."""

    collector: str
    capture: Capture
    counts: bool
    output: Path


class Conversion:
    """Takes captures one after the other into one file of entries."""

    def __init__(self, writer: Writer, scratch: Path | None = None, processes: int = 0) -> None:
        """Write entries to `writer`, add them up in `numbers`.

        Other processes leave their parts in the folder `scratch` until they are taken over; without
        one, everything is read in this process. `processes`: at most so many; 0: as many as there
        are processors.
        """
        self.numbers = Numbers()
        self._writer = writer
        self._scratch = scratch
        self._processes = processes or parallel.available()

    def take(
        self,
        collector: Collector,
        capture: Capture,
        around: Circumstances = Circumstances(),
        *,
        counts: bool = True,
    ) -> Converted:
        """Convert what a collector left; `counts=False` leaves warm-ups out of the summary."""
        parts = collector.split(capture)
        together = Taken()
        for taken in self._each(collector, parts, counts):
            together.merge(taken)
        evidence = Evidence(
            entries=together.kinds.total(),
            kinds=together.kinds,
            notes=together.notes,
            names=len(together.names),
            log_tail=around.log_tail,
            tool_exit_code=around.tool_exit_code,
            gpus=around.gpus,
            options=capture.options,
        )
        verdict = collector.usable(evidence)
        return Converted(evidence.entries, verdict, tuple(together.notes), together.metadata)

    def _each(
        self, collector: Collector, parts: Sequence[Capture], counts: bool
    ) -> Iterator[Taken]:
        """Every part, in order; in one process or several makes no difference to what comes out."""
        size = sum(one.size for part in parts for one in part.artifacts)
        alone = self._scratch is None or self._processes == 1 or len(parts) == 1
        if not alone and size >= PARALLEL_BYTES:
            yield from self._in_processes(collector.name, parts, counts)
            return
        numbers = self.numbers if counts else None
        for part in parts:
            yield take_items(collector.read(part), self._writer, numbers)

    def _in_processes(self, name: str, parts: Sequence[Capture], counts: bool) -> Iterator[Taken]:
        suffix = ".jsonl.gz" if self._writer.packed else ".jsonl"
        with tempfile.TemporaryDirectory(prefix=".parts-", dir=self._scratch) as folder:
            tasks = [
                Task(name, part, counts, Path(folder, f"{number}{suffix}"))
                for number, part in enumerate(parts)
            ]
            results = parallel.in_order(take_part, tasks, self._processes)
            for task, result in zip(tasks, results, strict=True):
                if result is None:
                    yield Taken(notes=_refused(task.capture))
                    continue
                taken, numbers = result
                self.numbers.merge(numbers)
                self._writer.append(task.output, taken.kinds.total())
                task.output.unlink()
                yield taken


def take_part(task: Task) -> tuple[Taken, Numbers]:
    """In another process: read a part, leave its entries in the task's output."""
    collector: Collector = registry.load("collectors", task.collector)
    numbers = Numbers()
    with entries.create(task.output) as writer:
        items = collector.read(task.capture)
        return take_items(items, writer, numbers if task.counts else None), numbers


def take_items(items: Iterable[Item], writer: Writer, numbers: Numbers | None) -> Taken:
    """Write entries and add them up, gather the rest."""
    taken = Taken()
    kinds, names = taken.kinds, taken.names
    write = writer.write
    adding = (
        [one.add for one in (numbers.summary, numbers.stacks, numbers.timeline)] if numbers else []
    )
    for item in items:
        if isinstance(item, Entry):
            write(item)
            kinds[item.kind] += 1
            if len(names) < NAMES_TOLD and item.additive:
                names.add(item.name)
            for add in adding:
                add(item)
        elif isinstance(item, Metadata):
            taken.metadata.update(item.values)
        else:
            taken.notes.append(item)
    return taken


def _refused(capture: Capture) -> list[FileNote]:
    return [FileNote(one.path, Fate.REFUSED, DIED) for one in capture.artifacts]
