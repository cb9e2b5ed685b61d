"""What is known of the API server's objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from profiling_operator import names, pods
from profiling_operator.inventory import JOBS, KINDS, PODS, Inventory, owner_of

Body = dict[str, Any]


def owner(uid: str = "u", version: int | str = 10, namespace: str = "ci", **status: Any) -> Body:
    """A ProfilingJob."""
    about = {"name": "a", "namespace": namespace, "uid": uid, "resourceVersion": str(version)}
    return {"metadata": about, "spec": {}, **({"status": status} if status else {})}


def child(kind: str, of: str = "u", uid: str = "c", version: int = 10, **about: Any) -> Body:
    """A Job or a pod of a ProfilingJob."""
    above = {"kind": "Job", "uid": "j"} if kind == PODS else {"kind": names.KIND, "uid": of}
    given_first = {
        "name": uid, "namespace": "ci", "uid": uid, "resourceVersion": str(version),
        "labels": {pods.JOB_UID: of}, "ownerReferences": [above],
    }  # fmt: skip
    return {"metadata": {**given_first, **about}, "spec": {}}


def filled(*bodies: tuple[str, Body]) -> Inventory:
    """An inventory that was told of objects."""
    known = Inventory()
    for kind, body in bodies:
        known.put(kind, body)
    return known


def uids(bodies: Iterable[Mapping[str, Any]]) -> list[str]:
    """Who they are."""
    return sorted(one["metadata"]["uid"] for one in bodies)


def test_objects_are_found_by_their_profiling_job() -> None:
    """By its UID, so that one of the same name is another one."""
    known = filled((names.PLURAL, owner("u")), (names.PLURAL, owner("v")))
    for kind, of, uid in ((JOBS, "u", "1"), (PODS, "u", "2"), (PODS, "u", "3"), (PODS, "v", "4")):
        assert known.put(kind, child(kind, of, uid)) == of

    assert known.owner("u") == owner("u")
    assert (uids(known.jobs("u")), uids(known.pods("u"))) == (["1"], ["2", "3"])
    assert (uids(known.jobs("v")), uids(known.pods("v"))) == ([], ["4"])
    assert uids(known.owners()) == ["u", "v"]
    assert (known.owner("w"), known.jobs("w"), known.pods("w")) == (None, [], [])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JOBS, child(JOBS, labels=None)),
        (JOBS, child(JOBS, labels={})),
        (JOBS, child(JOBS, ownerReferences=None)),
        (JOBS, child(JOBS, ownerReferences=[{"kind": "ProfilingJob", "uid": "another"}])),
        (PODS, child(PODS, labels={pods.JOB_UID: ""})),
        (PODS, child(PODS, ownerReferences=[])),
        (PODS, child(PODS, ownerReferences=[{"kind": "ReplicaSet", "uid": "u"}])),
    ],
)
def test_what_only_looks_like_ours_is_not(kind: str, body: Body) -> None:
    """Anybody who may create pods may write our labels: the owner has to agree."""
    known = Inventory()

    assert owner_of(kind, body) == ""
    assert (known.put(kind, body), known.drop(kind, body)) == ("", "")
    assert known.replace(kind, [body], "20") == set()
    assert (known.jobs("u"), known.pods("u")) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_old_news_do_not_undo_newer_ones(kind: str) -> None:
    """What our own write returned may come before what a watch tells of the time before it."""
    known, made = Inventory(), []
    for version in (10, 12, 9, 11, 12):
        assert known.put(kind, thing(kind, "u", version)) == "u"
        made.append(has(known, kind, "u"))

    assert made == ["10", "12", "12", "12", "12"]


def test_versions_that_are_no_numbers_are_not_compared() -> None:
    """An API server that is none of Kubernetes' own may have others: the last one told counts."""
    known = filled((names.PLURAL, owner(version="b")), (names.PLURAL, owner(version="a")))

    held = known.owner("u")
    assert held is not None
    assert held["metadata"]["resourceVersion"] == "a"


def test_what_is_gone_is_forgotten() -> None:
    """Twice is once; children are not owners."""
    known = filled((names.PLURAL, owner()), (JOBS, child(JOBS)), (PODS, child(PODS)))

    assert known.drop(PODS, child(PODS)) == "u"
    assert known.drop(PODS, child(PODS)) == "u"
    assert (known.pods("u"), uids(known.jobs("u"))) == ([], ["c"])
    assert known.drop(names.PLURAL, owner()) == "u"
    assert known.owner("u") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_corrects_what_watches_lost(kind: str) -> None:
    """What is not in it is gone, what differs is news; what is the same is none."""
    known = Inventory()
    for uid in ("same", "gone", "old"):
        known.put(kind, thing(kind, uid, 10))

    news = known.replace(
        kind, [thing(kind, "same", 10), thing(kind, "old", 11), thing(kind, "new", 12)], "20"
    )

    assert news == {"gone", "old", "new"}
    left = {uid for uid in ("same", "gone", "old", "new") if has(known, kind, uid)}
    assert left == {"same", "old", "new"}
    assert known.replace(kind, [thing(kind, uid, 11) for uid in left], "21") == {"same", "new"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_does_not_undo_what_came_after_it(kind: str) -> None:
    """Made or changed while it was read, page by page: that is not in it, or older there."""
    known = Inventory()
    known.put(kind, thing(kind, "made", 25))
    known.put(kind, thing(kind, "changed", 25))

    known.replace(kind, [thing(kind, "changed", 15)], "20")

    assert has(known, kind, "made")
    assert has(known, kind, "changed") == "25"


def thing(kind: str, uid: str, version: int) -> Body:
    """An object of its own ProfilingJob."""
    if kind == names.PLURAL:
        return owner(uid, version)
    return child(kind, uid, f"c-{uid}", version)


def has(known: Inventory, kind: str, uid: str) -> str:
    """The version that is known of such an object; empty: none is."""
    if kind == names.PLURAL:
        held = [one for one in [known.owner(uid)] if one]
    else:
        held = known.jobs(uid) if kind == JOBS else known.pods(uid)
    return str(held[0]["metadata"]["resourceVersion"]) if held else ""


def test_jobs_are_counted_by_phase() -> None:
    """As Prometheus shows them; one without a status waits."""
    known = filled(
        (names.PLURAL, owner("1", phase="Running")),
        (names.PLURAL, owner("2", phase="Running")),
        (names.PLURAL, owner("3", namespace="b", phase="Failed")),
        (names.PLURAL, owner("4")),
        (names.PLURAL, owner("5", phase=None)),
    )

    assert known.counts() == {("ci", "Running"): 2, ("b", "Failed"): 1, ("ci", "Pending"): 2}


def test_what_nobody_reads_is_not_kept() -> None:
    """Managed fields are half of an object; the body that was given stays as it was."""
    body = owner()
    body["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    known = filled((names.PLURAL, body))

    assert known.owner("u") == owner()
    assert body["metadata"]["managedFields"]


def test_it_may_be_changed_while_it_is_read() -> None:
    """Metrics are collected while watches tell."""
    known = filled((names.PLURAL, owner("1")), (names.PLURAL, owner("2")))

    for one in known.owners():
        known.drop(names.PLURAL, one)

    assert list(known.owners()) == []


@given(
    some.lists(
        some.tuples(some.sampled_from(["put", "drop"]), some.integers(0, 3), some.integers(1, 30)),
        max_size=30,
    ),
    some.dictionaries(some.integers(0, 3), some.integers(1, 40)),
)
def test_a_list_and_its_watch_bring_the_truth_whatever_was_believed(
    rumours: list[tuple[str, int, int]], truth: dict[int, int]
) -> None:
    """Lost, doubled, late events: after a list that is newer than all of them, nothing is wrong."""
    known = Inventory()
    for what, number, version in rumours:
        getattr(known, what)(PODS, child(PODS, "u", str(number), version))

    known.replace(PODS, [child(PODS, "u", str(n), 40 + v) for n, v in truth.items()], "80")

    told = {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in known.pods("u")}
    assert told == {str(number): str(40 + version) for number, version in truth.items()}
