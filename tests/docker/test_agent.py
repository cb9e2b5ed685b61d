"""Twenty jobs on a host with two GPUs: order, exclusivity and completion, as the containers' own
times tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import agents
import installed
import pytest
from agents import Body, Host
from events import Span, spans
from installed import Namespace, ended

from making import BUSY, python
from profiling_operator.entries import epoch_nanoseconds

pytestmark = [pytest.mark.needs("docker", "images", "cluster"), pytest.mark.timeout(900)]

GPUS = ("GPU-11111111-aaaa-bbbb-cccc-000000000001", "GPU-22222222-aaaa-bbbb-cccc-000000000002")
PRIORITIES = {"": 0, "urgent": 1000, "later": -5}
JOBS = 20
TOLD = "import os; print('devices', os.environ['NVIDIA_VISIBLE_DEVICES'], flush=True)\n"
ENDLESS = f"{BUSY}\nwhile True: hot(400_000)\n"


@pytest.fixture(autouse=True)
def nothing_stays() -> None:
    """The tests themselves look at what is left of their own host."""


@pytest.fixture
def classes() -> Iterator[dict[str, str]]:
    """The names of the priority classes, which have no namespace; they are gone afterwards."""
    agents.define()
    with installed.own_namespace() as namespace:
        made = {word: f"{namespace.name}-{word}" for word in PRIORITIES if word}
        for word, name in made.items():
            installed.kubectl("create", "priorityclass", name, f"--value={PRIORITIES[word]}")
        yield {"": "", **made}
        installed.kubectl("delete", "priorityclass", *made.values())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with two GPUs, on the machine's engine; its agent runs."""
    declared = [{"uuid": one, "product": "NVIDIA-TEST"} for one in GPUS]
    with installed.own_namespace() as namespace, Host(namespace, tmp_path, gpus=declared) as made:
        made.start()
        yield made


def test_twenty_jobs_on_two_gpus(host: Host, classes: dict[str, str]) -> None:
    """Who is more urgent goes first, then who came first; no GPU serves two at a time; a job that
    wants both GPUs gets both, and waits no longer than its turn; all end well."""
    wanted = {f"job-{number}": _wish(number) for number in range(JOBS)}
    host.apply("all-gpus", app=python(ENDLESS), gpu={"count": 2}, timeoutSeconds=600)
    host.until_phase("Running", "all-gpus")
    host.apply_all({
        name: {"app": python(TOLD + BUSY), "gpu": {"count": count},
               "placement": {"priorityClassName": classes[word]}}
        for name, (word, count) in wanted.items()
    })  # fmt: skip
    host.until(lambda: _queued(host.namespace) == set(wanted))

    host.namespace.kubectl("patch", "pj", "all-gpus", "--type=merge", "--patch",
                           '{"spec": {"cancel": true}}')  # fmt: skip
    statuses = {name: host.wait(name) for name in ("all-gpus", *wanted)}

    assert ended(statuses.pop("all-gpus")) == ("Cancelled", "Cancelled")
    assert {ended(one) for one in statuses.values()} == {("Succeeded", "Completed")}
    found = spans(host.of_apps())
    assert {name: len(span.gpus) for name, span in found.items()} == {
        "all-gpus": 2, **{name: count for name, (_, count) in wanted.items()},
    }  # fmt: skip
    _check_exclusive(found, statuses)
    turns = sorted(wanted, key=lambda name: _turn(host.namespace, name, wanted[name][0]))
    _check_order(["all-gpus", *turns], found)
    for name, status in statuses.items():
        assert status["attempts"][0]["nodeName"] == host.name
        assert status["attempts"][0]["device"].split(", ") == list(found[name].gpus)
        told = host.check_results(status)["run-0/app.log"].decode()
        assert f"devices {','.join(found[name].gpus)}\n" in told
    host.check_once(*statuses.values(), host.namespace.status("all-gpus"))
    host.until_nothing_remains()


def _wish(number: int) -> tuple[str, int]:
    """Priority and GPUs of a job: every fourth one wants both."""
    return list(PRIORITIES)[number % len(PRIORITIES)], 2 if number % 4 == 3 else 1


def _queued(namespace: Namespace) -> set[str]:
    """The jobs that wait for a GPU: somebody has looked at each of them."""
    jobs = namespace.listed("pj")
    return {
        one["metadata"]["name"]
        for one in jobs
        if (one.get("status") or {}).get("phase") == "Queued" and one["status"]["attempts"]
    }


def _turn(namespace: Namespace, name: str, word: str) -> tuple[int, str, int]:
    """What the queue is sorted by: priority, age; of one second, the number in the name."""
    created: str = namespace.get(name)["metadata"]["creationTimestamp"]
    return -PRIORITIES[word], created, int(name.rpartition("-")[2])


def _check_exclusive(found: dict[str, Span], statuses: dict[str, Body]) -> None:
    """No two applications at a time on a GPU: by the engine's times, and by the launchers'."""
    for gpu in GPUS:
        there = sorted((one.start, one.end, name) for name, one in found.items() if gpu in one.gpus)
        for (_, end, first), (start, _, second) in pairwise(there):
            assert end <= start, f"{gpu}: {second} began before {first} had ended"
        runs = [statuses[name]["runs"][0]["app"] for _, _, name in there if name in statuses]
        for before, after in pairwise(runs):
            over = epoch_nanoseconds(before["finishedAt"])
            assert over <= epoch_nanoseconds(after["startedAt"]), (gpu, before, after)


def _check_order(turns: list[str], found: dict[str, Span]) -> None:
    """Nobody begins while one before him still waits for a GPU that somebody else has.

    Two that got their places at the same moment may begin in either order.
    """
    for first, second in combinations(turns, 2):
        began = found[second].start
        if began > found[first].start:
            continue
        others = (one for name, one in found.items() if name != first)
        blocking = [
            one for one in others
            if {*one.gpus} & {*found[first].gpus} and one.start < found[first].start
            and one.end > began
        ]  # fmt: skip
        assert not blocking, f"{second} began while {first}, whose turn was before, still waited"
