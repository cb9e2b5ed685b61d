"""Which jobs of a baseline a measure is compared with, and why not with the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from profiling_operator.baselines import Accepted, Snapshot
from profiling_operator.gates import noise, words
from profiling_operator.machines import Machine
from profiling_operator.summary import Measured

NAME_SHOWN = 80


@dataclass(frozen=True)
class Comparable:
    """The jobs that are alike."""

    jobs: tuple[tuple[float, ...], ...] = ()
    """The repetitions of each."""
    left_out: str = ""
    """The others, for people: `2 jobs on NVIDIA A100`."""

    @property
    def repetitions(self) -> int:
        """Of all jobs together."""
        return sum(map(len, self.jobs))


def comparable(snapshot: Snapshot, one: Measured, machine: Machine) -> Comparable:
    """The jobs of a snapshot that a measure from this machine is compared with."""
    jobs: list[tuple[float, ...]] = []
    others: Counter[str] = Counter()
    for device, job in _accepted(snapshot):
        if why := _unlike(device, job, one, machine):
            others[why] += 1
        else:
            jobs.append(job.measures[one.measure].values)
    told = [f"{words.counted(count, 'job')} {why}" for why, count in others.items()]
    told += filter(None, (snapshot.others, snapshot.left_out))
    return Comparable(tuple(jobs), ", ".join(told))


def _accepted(snapshot: Snapshot) -> Iterator[tuple[str, Accepted]]:
    for window in snapshot.windows:
        for job in window.jobs:
            yield window.device, job


def _unlike(device: str, job: Accepted, one: Measured, machine: Machine) -> str:
    """Why a job is not compared; empty if it is.

    What is unknown is compared with what is unknown, too: the message tells, see `remark`.
    """
    if device != machine.device:
        return f"on {_named(device)} (this is {_named(machine.device)})"
    if job.machine.driver != machine.driver:
        return f"with driver {_named(job.machine.driver)} (this is {_named(machine.driver)})"
    values = job.measures.get(one.measure)
    if values is None or not values.values:
        return "without this measure"
    if values.unit != one.unit:
        return f"that measured in {_named(values.unit)} (this is {_named(one.unit)})"
    return "" if noise.is_finite(values.values) else "with values that are no numbers"


def remark(machine: Machine) -> str:
    """What is uncertain about the comparison itself."""
    if not machine.device:
        return "the device is unknown, here and there"
    if machine.gpus and not machine.driver:
        return "the driver is unknown, here and there"
    return ""


def _named(text: str) -> str:
    if not text:
        return "an unknown one"
    return text if len(text) <= NAME_SHOWN else f"{text[: NAME_SHOWN - 1]}…"
