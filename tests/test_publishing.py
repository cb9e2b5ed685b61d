"""How a status gets onto its resource, and which events tell of it."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from facts import collected, ended, final
from fake_objects import merged
from profiling_operator import names, publishing
from profiling_operator.errors import Reason
from profiling_operator.reconcile import Notice
from profiling_operator.status import (
    AttemptStatus,
    Facts,
    Phase,
    ResultFile,
    Results,
    Status,
    fit,
    next_status,
)

Body = dict[str, Any]

NOW = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def resource(status: Body | None = None, name: str = "test") -> Body:
    """A ProfilingJob with a status."""
    about = {"name": name, "namespace": "ci", "uid": "u-1", "resourceVersion": "7"}
    return {"metadata": about, "spec": {}, **({"status": status} if status is not None else {})}


def going(phase: Phase, message: str = "", *attempts: AttemptStatus) -> Status:
    """A status before the end."""
    before = Status(attempts=attempts[:-1])
    facts = Facts("2026-01-31T12:00:00Z", 1, phase=phase, progress=message,
                  attempt=attempts[-1] if attempts else None)  # fmt: skip
    return next_status(before, facts)


COMPLETE = final(
    observation=ended(), collected=collected(headline="hot 81 %"), attempt=AttemptStatus(number=1)
)
FAILED = final(error=(Reason.INVALID_SPEC, "spec.app: is required"))


def test_the_first_status_is_written_whole() -> None:
    """With the version that was read: whoever writes in between makes it a conflict."""
    patch = publishing.status_patch(resource(), COMPLETE)

    assert patch == {
        "metadata": {"uid": "u-1", "resourceVersion": "7"},
        "status": fit(COMPLETE),
    }


@pytest.mark.parametrize("status", [COMPLETE, FAILED, going(Phase.RUNNING)])
def test_a_status_that_is_there_is_not_written_again(status: Status) -> None:
    """Nothing is written while nothing happens, whatever the API server did to its order."""
    there = json.loads(json.dumps(fit(status), sort_keys=True))

    assert publishing.status_patch(resource(there), status) is None


def test_only_what_differs_is_written() -> None:
    """Objects by their fields, lists as a whole; what is not any more is taken out."""
    status = going(Phase.RUNNING, "", AttemptStatus(number=1))
    there = {**fit(status), "phase": "Queued", "stray": {"a": 1}}

    patch = publishing.status_patch(resource(there), status)

    assert patch is not None
    assert patch["status"] == {"phase": "Running", "stray": None}


def test_results_of_the_uploader_stay() -> None:
    """As long as the status has none of its own."""
    theirs = {"url": "http://r", "files": [{"path": "a", "size": 1, "sha256": "0"}]}
    there = {**fit(going(Phase.RUNNING)), "results": theirs}

    assert publishing.status_patch(resource(there), going(Phase.RUNNING)) is None
    collecting = publishing.status_patch(resource(there), going(Phase.COLLECTING))
    assert collecting is not None
    assert "results" not in collecting["status"]
    own = publishing.status_patch(resource(there), COMPLETE)
    assert own is not None
    assert own["status"]["results"]["url"] == "file:///r"


def test_results_of_the_uploader_stay_where_the_rest_is_too_much() -> None:
    """That something was left out is said beside them."""
    theirs = {"url": "http://r", "truncated": False}
    attempts = tuple(AttemptStatus(number=n, pod_name="p" * 100) for n in range(1, 200))
    there = {**fit(going(Phase.RUNNING)), "results": theirs}

    patch = publishing.status_patch(resource(there), Status(attempts=attempts))

    assert patch is not None
    assert patch["status"]["results"] == {"truncated": True}


def test_the_least_that_is_written_is_the_outcome() -> None:
    """Where the API server refuses the whole, the outcome still gets there."""
    patch = publishing.minimal_patch(resource(), COMPLETE)

    assert patch["metadata"] == {"uid": "u-1", "resourceVersion": "7"}
    assert set(patch["status"]) == {
        "observedGeneration", "phase", "conditions", "startTime", "completionTime",
    }  # fmt: skip
    assert patch["status"]["conditions"] == fit(COMPLETE)["conditions"]


def test_what_is_written_fits() -> None:
    """The whole status stays under its limit, whatever the collectors found."""
    files = tuple(ResultFile(path="p" * 200, size=1, sha256="0" * 64) for _ in range(500))
    status = COMPLETE.model_copy(update={"results": Results(url="u", files=files)})
    patch = publishing.status_patch(resource(), status)

    assert patch is not None
    assert len(json.dumps(patch["status"])) <= 16 << 10
    assert patch["status"]["results"]["truncated"] is True


VALUES = some.recursive(
    some.integers() | some.text(max_size=3) | some.booleans() | some.lists(some.integers()),
    lambda inner: some.dictionaries(some.sampled_from("abcd"), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = some.dictionaries(some.sampled_from("abcd"), VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_the_difference_is_a_patch_from_one_to_the_other(there: Body, wanted: Body) -> None:
    """As the API server applies it (RFC 7386); empty exactly where they are equal."""
    changes = publishing.difference(there, wanted)

    assert merged(there, changes) == wanted
    assert bool(changes) == (there != wanted)


def told(before: Status, after: Status, name: str = "test") -> list[tuple[str, str, str]]:
    """Type, reason and message of the events of a transition."""
    listed = publishing.events(resource(name=name), before, after, NOW)
    return [(one["type"], one["reason"], one["message"]) for one in listed]


def test_each_transition_is_told_once() -> None:
    """From the first to the last; what stays as it is tells nothing."""
    first = AttemptStatus(number=1)
    states = [
        Status(), going(Phase.QUEUED, "waiting for its pod", first),
        going(Phase.STARTING, "app: PodInitializing", first), going(Phase.RUNNING, "", first),
        going(Phase.RUNNING, "", first), going(Phase.COLLECTING, "", first), COMPLETE, COMPLETE,
    ]  # fmt: skip

    events = [told(*pair) for pair in itertools.pairwise(states)]

    assert events == [
        [("Normal", "Queued", "attempt 1: waiting for its pod")],
        [("Normal", "Starting", "attempt 1: app: PodInitializing")],
        [("Normal", "Running", "attempt 1")],
        [],
        [("Normal", "Collecting", "attempt 1")],
        [("Normal", "Completed", "hot 81 %")],
        [],
    ]


def test_what_failed_is_a_warning_with_its_reason() -> None:
    """Those are what people look for."""
    assert told(Status(), FAILED) == [("Warning", "InvalidSpec", "spec.app: is required")]


def test_a_suspended_job_tells_that_it_waits() -> None:
    """Its first status has the phase that an empty one has."""
    assert told(Status(), going(Phase.PENDING, "suspended")) == [("Normal", "Pending", "suspended")]


def test_an_attempt_that_is_followed_by_another_is_told() -> None:
    """The last one's end is the job's."""
    over = AttemptStatus(number=1, outcome="InfrastructureLost")
    open_one, closed = going(Phase.RUNNING, "", AttemptStatus(number=1)), going(
        Phase.PENDING, "attempt 1: InfrastructureLost", over
    )  # fmt: skip

    assert told(open_one, closed) == [
        ("Warning", "AttemptEnded", "attempt 1 ended: InfrastructureLost"),
        ("Normal", "Pending", "attempt 1: InfrastructureLost"),
    ]
    assert [reason for _, reason, _ in told(open_one, COMPLETE)] == ["Completed"]


def test_an_event_says_of_whom_it_is() -> None:
    """As `kubectl describe` and `kubectl get events` look for it."""
    event = next(publishing.events(resource(), Status(), FAILED, NOW))
    name = event["metadata"].pop("name")

    assert re.fullmatch(r"test\.[0-9a-f]{16}", name)
    assert event == {
        "metadata": {"namespace": "ci"},
        "involvedObject": {
            "apiVersion": "profiling.dev/v1alpha1", "kind": "ProfilingJob", "name": "test",
            "namespace": "ci", "uid": "u-1", "resourceVersion": "7",
        },
        "type": "Warning", "reason": "InvalidSpec", "message": "spec.app: is required",
        "firstTimestamp": "2026-01-31T12:00:05Z", "lastTimestamp": "2026-01-31T12:00:05Z",
        "count": 1, "source": {"component": "profiling-operator"},
        "reportingComponent": "profiling.dev/operator", "reportingInstance": "profiling-operator",
    }  # fmt: skip


@pytest.mark.parametrize(("is_warning", "kind"), [(True, "Warning"), (False, "Normal")])
def test_a_notice_is_an_event(is_warning: bool, kind: str) -> None:
    """Of the job; told twice, it has the same name."""
    notice = Notice("BaselineAccepted", "one of 3", is_warning)
    times = (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))

    first, second = (publishing.event_of(resource(), notice, now) for now in times)

    assert (first["type"], first["reason"], first["message"]) == (kind, notice.reason, "one of 3")
    assert first["involvedObject"]["name"] == "test"
    assert first["metadata"] == second["metadata"]


def test_told_twice_is_told_once() -> None:
    """An operator that was killed between status and event tells it again, later: the same name."""
    later = NOW.replace(minute=9)
    names_of = [
        [one["metadata"]["name"] for one in publishing.events(body, Status(), status, now)]
        for body, status, now in (
            (resource(), FAILED, NOW), (resource(), FAILED, later), (resource(), COMPLETE, NOW),
            ({**resource(), "metadata": {**resource()["metadata"], "uid": "u-2"}}, FAILED, NOW),
        )
    ]  # fmt: skip

    assert names_of[0] == names_of[1]
    assert len({one[0] for one in names_of}) == 3


@given(some.from_regex(SUBDOMAIN, fullmatch=True).filter(lambda name: len(name) <= 253))
def test_an_events_name_is_one_that_is_taken(name: str) -> None:
    """Whatever the job's name is, cut where it may be."""
    event = next(publishing.events(resource(name=name), Status(), FAILED, NOW))

    assert len(event["metadata"]["name"]) <= 253
    assert SUBDOMAIN.fullmatch(event["metadata"]["name"])


@pytest.mark.parametrize("end", [".", "-", "a"])
def test_a_long_name_is_not_cut_after_a_dot(end: str) -> None:
    """Two dots in a row are no name."""
    name = f"{'n' * 62}." * 3 + "n" * 46 + end + "n" * 10
    event = next(publishing.events(resource(name=name), Status(), FAILED, NOW))

    assert SUBDOMAIN.fullmatch(event["metadata"]["name"])


def test_a_message_that_is_too_long_is_cut() -> None:
    """The API server takes 1,024 characters."""
    failed = final(error=(Reason.POD_REJECTED, "ä" * 5000))
    event = next(publishing.events(resource(), Status(), failed, NOW))

    assert 0 < len(event["message"]) <= 1024


def test_the_writers_name_is_no_others() -> None:
    """The uploader writes under another one."""
    assert publishing.MANAGER == "profjob-operator"
    assert names.API_GROUP in "profiling.dev/operator"
