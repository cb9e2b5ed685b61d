"""Baselines in a store that is a folder."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import reconciling
from profiling_operator import baselines, keeping, stores
from profiling_operator.baselines import Baseline, Window
from profiling_operator.keeping import Candidate, NotAcceptableError
from profiling_operator.plan import Plan
from profiling_operator.stores import ResultStore, StoreRefusedError

GATES = [
    {"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"},
    {"measure": "timer:*/inclusive", "baseline": "nightly", "maxIncrease": "5%"},
]
NAME = "ci/test/main"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """An empty one."""
    return stores.open_store(tmp_path.as_uri())


def planned() -> Plan:
    """A plan whose gates name two baselines."""
    return reconciling.planned(body=reconciling.owner(gates=GATES))


def summary(uid: str = reconciling.UID, **changes: Any) -> dict[str, Any]:
    """What a result folder tells."""
    measures = [
        {"measure": name, "unit": "ns", "values": [1e9, 1.1e9], "median": 1.05e9}
        for name in ("app/duration", "timer:hot/inclusive")
    ]
    return {
        "job": "ci/test", "series": "test", "uid": uid, "image": "app:1",
        "identity": planned().identity.model_dump(mode="json"), "machine": {"cpu": "EPYC"},
        "gates": [], "measures": measures, **changes,
    }  # fmt: skip


def candidate(uid: str = reconciling.UID) -> Candidate:
    """A job that is to be added."""
    return keeping.candidate(summary(uid), uid, 1, "2026-01-31T00:00:00Z")


def add(store: ResultStore, uid: str = reconciling.UID, *, anew: bool = False) -> Window:
    """Add one."""
    deadline = time.monotonic() + 60
    return keeping.accept(store, candidate(uid), "main", deadline, lambda line: None, anew=anew)


def test_a_plan_gets_what_its_gates_are_about(store: ResultStore) -> None:
    """Of each baseline the measures that they mean; nothing of one that is not there."""
    add(store)

    main, nightly = keeping.snapshots(store, planned())

    assert (main.name, main.problem, nightly.name, nightly.windows) == ("main", "", "nightly", ())
    assert list(main.windows[0].jobs[0].measures) == ["app/duration"]


@pytest.mark.parametrize("text", [b"{", b'{"version": 2, "namespace": "ci"}', b"[]", b"\xff"])
def test_what_cannot_be_read_is_the_snapshot_s_problem(store: ResultStore, text: bytes) -> None:
    """No exception: the gate is skipped with that reason. It is never written over, either."""
    store.put_document(NAME, text, None)

    main, _ = keeping.snapshots(store, planned())

    assert "cannot be read" in main.problem
    with pytest.raises(StoreRefusedError, match="cannot be read"):
        add(store)
    found = store.document(NAME)
    assert found is not None and found.text == text


def test_another_one_s_document_is_refused(store: ResultStore) -> None:
    """Somebody copied it there."""
    other = Baseline(namespace="ci", series="test", name="other")
    store.put_document(NAME, baselines.write(other), None)

    with pytest.raises(StoreRefusedError, match="another one's"):
        keeping.read(store, NAME)


def test_twice_is_once_and_in_its_place(store: ResultStore) -> None:
    """A crash in between, and another job meanwhile, change nothing."""
    for uid in ("a", "b", "a"):
        window = add(store, uid)

    assert [one.uid for one in window.jobs] == ["b", "a"]
    assert [one.uid for one in add(store, "a", anew=True).jobs] == ["a"]


def test_jobs_that_end_together_are_all_there(store: ResultStore) -> None:
    """Nobody writes over another one's."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(store, str(number)), range(16)))

    found = keeping.read(store, NAME)
    assert found is not None
    assert {one.uid for one in found.windows[0].jobs} == {str(number) for number in range(16)}


def test_a_plan_that_is_known_is_believed_more_than_the_summary() -> None:
    """An application must not choose what it is compared with."""
    liar = summary(series="other", job="kube-system/x", identity={"command": "sha256:0"})

    found = keeping.candidate(liar, reconciling.UID, 1, "", planned())

    assert (found.namespace, found.series, found.identity) == ("ci", "test", planned().identity)
    assert (found.job.job, found.job.image) == ("test", "app:1")


@pytest.mark.parametrize(("changes", "says"), [
    ({"uid": "other"}, "another job"),
    ({"measures": []}, "no measures"),
    ({"measures": [{"measure": "x", "unit": "ns", "values": [float("nan")]}]}, "no measures"),
    ({"measures": 3}, "no summary"),
    ({"machine": 3}, "no summary"),
    ({"identity": {"x": 1}}, "no summary"),
])  # fmt: skip
def test_what_is_no_summary_is_told(changes: dict[str, Any], says: str) -> None:
    """Whatever an older version, or somebody else, wrote."""
    with pytest.raises(NotAcceptableError, match=says):
        keeping.candidate(summary(**changes), reconciling.UID, 1, "")


@pytest.mark.parametrize("key", ["identity", "uid", "series", "measures", "job"])
def test_an_older_format_is_told(key: str) -> None:
    """With the field that it lacks."""
    body = summary()
    del body[key]

    with pytest.raises(NotAcceptableError, match=f"no '{key}': an older version"):
        keeping.candidate(body, reconciling.UID, 1, "")


@pytest.mark.parametrize(("gates", "failed"), [
    ([], ""),
    ([{"measure": "a", "verdict": "Skipped"}, {"measure": "b", "verdict": "Failed"}], "b"),
])  # fmt: skip
def test_the_first_failed_gate_is_told(gates: Any, failed: str) -> None:
    """Of the file, which has all verdicts."""
    assert keeping.failed_gate(summary(gates=gates)) == failed


def test_gates_that_cannot_be_read_are_not_passed() -> None:
    """Nor is what is no JSON a summary."""
    for gates in (3, [{}], ["x"]):
        with pytest.raises(NotAcceptableError):
            keeping.failed_gate(summary(gates=gates))
    for text in (b"{", b"[]"):
        with pytest.raises(NotAcceptableError):
            keeping.read_summary(text)
