"""What an engine keeps for an agent: as volumes of a made-up engine, and of a real one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from profiling_operator import containers, engine
from profiling_operator.agent import records
from profiling_operator.agent.records import (
    BEGUN,
    ENLISTED,
    KIND,
    PLAN,
    PRIORITY,
    SINCE,
    Record,
    Shelf,
)
from profiling_operator.agent.records import RECORD as RECORD_LABEL
from reconciling import at, planned

RECORD = Record(planned(), priority=7, since=at(0))


class Volumes:
    """An engine that has volumes only, and tells what it is asked."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.api = self

    @contextmanager
    def asked(self, what: str, *_: object) -> Iterator[None]:
        """One question."""
        self.calls.append(what)
        yield

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        """Make it once; a second time changes nothing, as with a real one."""
        made = {"Name": name, "Labels": labels, "CreatedAt": "2026-01-31T01:00:09+01:00"}
        self.kept.setdefault(name, made)

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """As it is."""
        return self.kept[name]

    def remove_volume(self, name: str) -> None:
        """Gone; 404 when it was."""
        if self.kept.pop(name, None) is None:
            raise FileNotFoundError(name)

    def listed(self, kind: str, label: str) -> list[dict[str, Any]]:
        """Those with a label."""
        key, _, value = label.partition("=")
        has = [one for one in self.kept.values() if one["Labels"].get(key) == value]
        return has if kind == "volumes" else []


def shelf(volumes: Volumes) -> Shelf:
    """The shelf of an agent on such an engine."""
    return Shelf(volumes, "h1")  # type: ignore[arg-type]


def test_a_record_comes_back_as_it_was() -> None:
    """With the engine's time, in UTC; the first one stands."""
    volumes = Volumes()
    made = shelf(volumes).enlist(RECORD)

    assert made == Record(planned(), 7, at(0), created_at=at(9))
    assert shelf(volumes).enlist(Record(planned(), 8, at(1))) == made
    assert shelf(volumes).find() == records.Found((made,), frozenset(), frozenset())


def test_a_mark_is_no_record() -> None:
    """And both are the agent's alone."""
    volumes = Volumes()
    shelf(volumes).enlist(RECORD)
    assert not shelf(volumes).has_begun(RECORD.name)
    shelf(volumes).begin(RECORD.name)

    assert shelf(volumes).has_begun(RECORD.name)
    assert shelf(volumes).find().begun == {RECORD.name}
    other = Shelf(volumes, "h2").find()  # type: ignore[arg-type]
    assert other == records.Found((), frozenset(), frozenset())


def test_the_record_goes_last() -> None:
    """Whoever dies in between leaves what is found again."""
    volumes = Volumes()
    shelf(volumes).enlist(RECORD)
    shelf(volumes).begin(RECORD.name)
    volumes.calls.clear()

    shelf(volumes).forget(RECORD.name)
    shelf(volumes).forget(RECORD.name)

    assert volumes.calls == [
        f"remove volume {RECORD.name}-begun", f"remove volume {RECORD.name}-record",
    ]  # fmt: skip
    assert volumes.kept == {}


@pytest.mark.parametrize("changes", [
    {PLAN: "{}"}, {PLAN: "no JSON"}, {PRIORITY: "high"}, {KIND: "other"}, {PLAN: '{"name": "a"}'},
])  # fmt: skip
def test_what_cannot_be_read_is_no_record(changes: dict[str, str]) -> None:
    """An agent of another version wrote it, or somebody else did: the others are found."""
    volumes = Volumes()
    kept = shelf(volumes).enlist(RECORD)
    labels = volumes.kept[f"{RECORD.name}-record"]["Labels"] | {RECORD_LABEL: "odd"} | changes
    volumes.create_volume("odd-record", labels)

    assert shelf(volumes).find().records == (kept,)


@pytest.mark.parametrize(("said", "meant"), [
    ("2026-01-31T00:00:07.123456789Z", at(7)), ("2026-01-31T02:00:07+02:00", at(7)),
    ("0001-01-01T00:00:00Z", ""), ("", ""), ("yesterday", ""),
])  # fmt: skip
def test_times_of_an_engine(said: str, meant: str) -> None:
    """In UTC and whole seconds; the year 1 is never."""
    assert records.utc(said) == meant


@pytest.mark.needs("docker")
def test_on_a_real_engine() -> None:
    """Labels of any size that a plan has, times, and what is made beside them."""
    here, agent = engine.connect(), f"t-{uuid.uuid4().hex[:8]}"
    words = ("x" * 1000,) * 64
    plan = planned().model_copy(
        update={"name": f"{agent}-1", "app": planned().app.model_copy(update={"args": words})}
    )
    kept = Shelf(here, agent)
    try:
        made = kept.enlist(Record(plan, 1, at(0)))
        kept.begin(plan.name)
        here.api.create_volume(
            f"{agent}-x", labels={containers.AGENT: agent, containers.ATTEMPT: "elsewhere"}
        )

        found = kept.find()
        assert found.records == (made,)
        assert made.plan == plan
        assert made.created_at.endswith("Z")
        assert found.begun == {plan.name}
        assert found.made == {"elsewhere"}
        assert kept.containers() == {}
        kept.forget(plan.name)
        assert kept.find().records == ()
        assert not kept.has_begun(plan.name)
    finally:
        here.api.remove_volume(f"{agent}-x")
        kept.forget(plan.name)
        here.close()


def test_labels_are_of_this_project() -> None:
    """Nobody else's may be taken for them."""
    assert {one.startswith("profiling.dev/") for one in (RECORD_LABEL, KIND, PLAN, SINCE)} == {True}
    assert {ENLISTED, BEGUN} == {"enlisted", "begun"}
