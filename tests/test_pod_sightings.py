"""What a pod's status means: statuses as real clusters have them are in pod_statuses.py."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import pod_statuses as known
from pod_statuses import BOUND, CREATED, ENDED, SCHEDULED, STARTED, UPLOADED, container, waiting
from profiling_operator import pod_sightings
from profiling_operator.errors import Reason
from profiling_operator.pod_sightings import Sighting, Stage

Body = dict[str, Any]

NOW = datetime(2026, 11, 24, 20, 17, tzinfo=UTC)
JOB: Body = {"metadata": {"name": "test-1", "creationTimestamp": "2026-11-24T20:16:05Z"}}


def seen(*pods: Body, job: Body | None = JOB, now: datetime = NOW) -> Sighting:
    """What is to be seen of a Job with these pods."""
    return pod_sightings.look(job, pods, now)


def test_a_job_without_a_pod_waits_for_it() -> None:
    """It was made just now, or its pod is refused; for Kueue if it is suspended."""
    assert seen() == Sighting(
        Stage.QUEUED, "waiting for its pod", created_at="2026-11-24T20:16:05Z"
    )
    assert seen(job={**JOB, "spec": {"suspend": True}}).message == "waiting for Kueue to admit it"
    assert seen(job=None) == Sighting(Stage.QUEUED, "waiting for its pod")


def test_all_of_a_pod_that_went_well() -> None:
    """Every time, every name; the Job's own time of creation."""
    told = seen(known.COMPLETED)

    assert told == Sighting(
        stage=Stage.ENDED,
        pod_name="test-1-abcde",
        pod_uid="pod-1",
        node="node-1",
        created_at="2026-11-24T20:16:05Z",
        scheduled_at=SCHEDULED,
        started_at=STARTED,
        finished_at=ENDED,
        ended_at=UPLOADED,
        app=known.terminated(0)["terminated"],
        uploader=known.terminated(0, ended=UPLOADED, message="essence\n")["terminated"],
    )
    assert seen(known.COMPLETED, job=None).created_at == CREATED


@pytest.mark.parametrize(
    ("body", "stage", "message"),
    [
        (known.NO_NODE, Stage.QUEUED, "1 Insufficient nvidia.com/gpu"),
        (known.NO_CLAIM, Stage.QUEUED, 'persistentvolumeclaim "none" not found'),
        (known.nowhere("", "SchedulingGated"), Stage.QUEUED, "waiting for a node"),
        (known.NOT_MOUNTED, Stage.STARTING, "collector-pyspy: PodInitializing"),
        (known.NO_SECRET, Stage.STARTING, 'app: CreateContainerConfigError: secret "none" not'),
        (known.CRASHED_ONCE, Stage.STARTING, "collector-pyspy ended: exit code 4: no"),
        (known.starting(container("toolchain-tau", known.RUNNING)), Stage.STARTING,
         "app: PodInitializing"),
        (known.starting(container("toolchain-tau", known.terminated(0))), Stage.STARTING, "app: "),
        (known.pod(), Stage.RUNNING, ""),
        (known.COLLECTING, Stage.COLLECTING, ""),
        (known.OUT_OF_MEMORY, Stage.COLLECTING, ""),
        (known.UPLOADER_KILLED, Stage.ENDED, ""),
        (known.RAN_TOO_LONG, Stage.ENDED, "longer than the specified deadline"),
        (known.DELETED, Stage.RUNNING, ""),
        (known.EVICTED, Stage.RUNNING, ""),
        (known.pod(app=known.LOST), Stage.COLLECTING, ""),
        (known.pod(app=known.LOST, uploader=known.LOST), Stage.ENDED, ""),
    ],
)  # fmt: skip
def test_where_a_pod_stands(body: Body, stage: Stage, message: str) -> None:
    """With what it waits for, in words that help; none of these has failed for good."""
    told = seen(body)

    assert (told.stage, told.failure) == (stage, None)
    assert message in told.message if message else not told.message


@pytest.mark.parametrize(
    ("body", "stage", "reason", "message"),
    [
        (known.NEVER_PULLED, Stage.STARTING, Reason.IMAGE_PULL_FAILED, "app: ErrImageNeverPull: "),
        (known.NO_NAME, Stage.STARTING, Reason.IMAGE_PULL_FAILED, "invalid reference format"),
        (known.ROOT_IMAGE, Stage.STARTING, Reason.POD_REJECTED, "image will run as root"),
        (known.ROOT_USER, Stage.STARTING, Reason.POD_REJECTED, "app: container's runAsUser"),
        (known.CRASHING, Stage.STARTING, Reason.COLLECTOR_FAILED,
         "collector-pyspy does not stay up: exit code 4: no"),
        (known.CRASHING_NOW, Stage.STARTING, Reason.COLLECTOR_FAILED, "exit code 4: no"),
        (known.PLAYBACK_CRASHED, Stage.STARTING, Reason.PLAYBACK_NOT_READY,
         "the playback server was not ready: exit code 5: Error"),
        (known.PLAYBACK_NOT_READY, Stage.STARTING, Reason.PLAYBACK_NOT_READY, "exit code 137"),
        (known.NOT_COPIED, Stage.ENDED, Reason.TOOLCHAIN_MISSING,
         "toolchain-tau: exit code 7: Error"),
        (known.STARTED_TOO_LONG, Stage.ENDED, Reason.START_DEADLINE_EXCEEDED, "deadline"),
        (known.pod(app=known.CANNOT_RUN), Stage.COLLECTING, Reason.CANNOT_START,
         "/nowhere: no such file"),
        (known.pod("Failed", known.CANNOT_RUN, known.terminated(0)), Stage.ENDED,
         Reason.CANNOT_START, "/nowhere: no such file"),
    ],
)  # fmt: skip
def test_what_will_never_start(body: Body, stage: Stage, reason: Reason, message: str) -> None:
    """Known before any deadline, with its own reason and the kubelet's words."""
    told = seen(body)

    assert told.stage is stage
    assert told.failure is not None
    assert told.failure[0] is reason
    assert message in told.failure[1]


def test_a_pull_that_fails_now_may_work_later() -> None:
    """Registries come back: how long that is waited for is decided elsewhere."""
    told = seen(known.NOT_PULLED)

    assert told.pull_fails.startswith("app: ImagePullBackOff: Back-off pulling image")
    assert (told.failure, told.message) == (None, told.pull_fails)
    assert seen(known.pod()).pull_fails == ""


def test_a_sidecars_image_counts_as_well() -> None:
    """Ours may be missing, too."""
    body = known.starting(container("collector-pyspy", waiting("ErrImagePull", "denied")))

    assert seen(body).pull_fails == "collector-pyspy: ErrImagePull: denied"


def test_only_the_schedulers_word_is_unschedulable() -> None:
    """A pod that is gated, or that nobody has looked at, may yet get a node."""
    assert seen(known.NO_NODE).is_unschedulable
    assert not seen(known.nowhere("", "SchedulingGated")).is_unschedulable
    unseen = known.pod("Pending", conditions=())
    unseen["status"] = {"phase": "Pending"}
    assert seen(unseen) == Sighting(
        Stage.QUEUED, "waiting for a node", created_at="2026-11-24T20:16:05Z",
        pod_name="test-1-abcde", pod_uid="pod-1",
    )  # fmt: skip


def test_a_sidecar_may_fail_once() -> None:
    """And a playback server that got ready in the end is no failure, whatever came before."""
    ready = {**container("playback", known.RUNNING, 1, known.terminated(5)), "started": True}
    sidecar = container("collector-pyspy", known.RUNNING)

    assert seen(known.CRASHED_ONCE).failure is None
    assert seen(known.starting(sidecar, ready)).failure is None


def test_what_runs_is_not_judged_by_its_sidecars() -> None:
    """The application's own end tells, and the launcher's word."""
    crashed = container("playback", known.terminated(5), 3)

    assert seen(known.pod(sidecars=(crashed,))).failure is None


def test_a_program_that_could_not_be_started_has_no_start() -> None:
    """containerd says 1970 of it."""
    for phase, uploader in (("Running", known.RUNNING), ("Failed", known.terminated(0))):
        assert seen(known.pod(phase, known.CANNOT_RUN, uploader)).started_at == ""


def test_of_a_container_that_was_lost_nothing_is_known() -> None:
    """Its exit code of 137 is the kubelet's invention; it is not the application's failure."""
    told = seen(known.TOO_LARGE)

    assert (told.app, told.started_at, told.finished_at) == (None, "", "")
    assert told.uploader is not None
    lost = seen(known.pod("Failed", known.LOST, known.LOST))
    assert (lost.app, lost.uploader, lost.failure) == (None, None, None)


def test_a_deadline_in_the_middle_of_a_run_is_no_late_start() -> None:
    """Also where the kubelet does not find the container any more that it had."""
    lost = known.pod("Failed", known.LOST, known.LOST, **known.TOO_LONG)
    lost["status"]["containerStatuses"][0] |= {"restartCount": 1, "lastState": known.LOST}

    assert seen(lost).failure is None
    assert seen(known.RAN_TOO_LONG).failure is None
    assert seen(known.RAN_TOO_LONG).disrupted == ""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (known.EVICTED, "EvictionByEvictionAPI: Eviction API: evicting"),
        (known.TOO_LARGE, 'Evicted: Usage of EmptyDir volume "profiling-output" exceeds the limit'),
        (known.NOT_ADMITTED, "UnexpectedAdmissionError: Pod was rejected: Allocate failed"),
        (known.pod("Failed", reason="NodeShutdown"), "NodeShutdown"),
        (known.DELETED, ""),
        (known.COMPLETED, ""),
        (known.pod(reason="NodeLost"), ""),
    ],
)
def test_what_the_platform_did(body: Body, said: str) -> None:
    """Evictions, and what kubelets refuse or end; a pod that somebody deletes is none of them."""
    told = seen(body).disrupted

    assert told.startswith(said) if said else not told


def test_a_disruption_that_was_called_off_is_none() -> None:
    """The condition may be False again."""
    condition = {"type": "DisruptionTarget", "status": "False", "reason": "Preempted"}

    assert seen(known.pod(conditions=(BOUND, condition))).disrupted == ""


def test_who_deleted_is_told() -> None:
    """A deletion is under way as soon as it has a time."""
    assert seen(known.DELETED).is_deleted
    assert seen(known.EVICTED).is_deleted
    assert not seen(known.pod()).is_deleted


@pytest.mark.parametrize(
    ("said", "is_own"),
    [
        ('Evicted: Usage of EmptyDir volume "profiling-output" exceeds the limit "5Mi".', True),
        ("Evicted: Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
         True),
        ('Evicted: Container app exceeded its local ephemeral storage limit "1Gi".', True),
        ("Evicted: The node was low on resource: ephemeral-storage. Threshold quantity: 5Gi, "
         "available: 4Gi. Container app was using 1Gi, request is 2Gi", False),
        ("Evicted: The node was low on resource: memory.", False),
        ("EvictionByEvictionAPI: Eviction API: evicting", False),
        ("", False),
    ],
)  # fmt: skip
def test_an_output_that_was_too_large_is_told_from_a_node_in_need(said: str, is_own: bool) -> None:
    """The first would be so again on any node; the second is the node's trouble."""
    assert pod_sightings.outgrew(said) is is_own


def test_a_pod_whose_node_is_gone_has_ended() -> None:
    """It should be gone a minute ago; nobody will tell how it ended."""
    due = datetime(2026, 11, 24, 20, 17, 41, tzinfo=UTC)

    assert seen(known.DELETED, now=due + timedelta(seconds=60)).stage is Stage.RUNNING
    assert seen(known.DELETED, now=due + timedelta(seconds=61)).stage is Stage.ENDED


def test_the_newest_pod_counts() -> None:
    """There should be one; a Job controller that was restored may have made another."""
    newer = known.pod(about={"uid": "pod-2", "creationTimestamp": "2026-11-24T20:16:30Z"})

    for listed in ((known.COMPLETED, newer), (newer, known.COMPLETED)):
        assert seen(*listed).pod_uid == "pod-2"


@pytest.mark.parametrize(
    ("conditions", "is_over"),
    [
        ([], False),
        ([{"type": "Complete", "status": "True"}], True),
        ([{"type": "Failed", "status": "True"}], True),
        ([{"type": "FailureTarget", "status": "True"}], False),
        ([{"type": "Failed", "status": "False"}], False),
        ([{"type": "Suspended", "status": "True"}], False),
    ],
)
def test_a_job_is_over_when_its_pods_are(conditions: list[Body], is_over: bool) -> None:
    """FailureTarget comes before that."""
    assert pod_sightings.is_over({**JOB, "status": {"conditions": conditions}}) is is_over
    assert not pod_sightings.is_over(JOB)


def test_a_pod_has_ended_with_its_last_container() -> None:
    """Sidecars still take down what they have after the others."""
    phases = {phase: pod_sightings.has_ended(known.pod(phase)) for phase in PHASES}

    assert [phase for phase, over in phases.items() if over] == ["Succeeded", "Failed"]
    assert not pod_sightings.has_ended({"metadata": {}})


PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


def test_times_between() -> None:
    """Never negative: the clocks of nodes differ. None where one is not known."""
    assert pod_sightings.seconds_between(STARTED, ENDED) == 5.0
    assert pod_sightings.seconds_between(ENDED, STARTED) == 0.0
    assert pod_sightings.seconds_between("", ENDED) is None
    assert pod_sightings.seconds_between(STARTED, "") is None
    assert pod_sightings.moment("2026-11-24T21:16:10+01:00") == pod_sightings.moment(STARTED)


def test_a_status_of_anybodys_making_is_no_trouble() -> None:
    """Whoever may write pods may write nonsense: unknown kinds, empty parts, null."""
    odd = known.pod(
        "Failed", {}, {"waiting": {}}, (), (), reason=None, message=None,
        about={"labels": None, "annotations": None},
    )  # fmt: skip

    assert seen(odd).stage is Stage.ENDED
    assert seen({**odd, "status": {}}).stage is Stage.QUEUED
    assert seen({**odd, "status": {"conditions": [BOUND]}}).stage is Stage.STARTING


@pytest.mark.parametrize(("said", "image"), [
    ("registry.example/app@sha256:1", "registry.example/app@sha256:1"),
    ("docker-pullable://app@sha256:1", "app@sha256:1"),
    (None, ""),
])  # fmt: skip
def test_the_image_is_told_as_it_was_resolved(said: str | None, image: str) -> None:
    """Whatever tag the job named; nothing before the kubelet knows it."""
    there = copy.deepcopy(known.pod())
    there["status"]["containerStatuses"][0]["imageID"] = said

    assert seen(there).image == image
