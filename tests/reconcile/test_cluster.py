"""What decisions know of a cluster."""

from __future__ import annotations

from profiling_operator import pod_sightings, pods
from profiling_operator.reconcile import on_cluster
from profiling_operator.settings import KubernetesSettings
from reconciling import SETTINGS, planned


def test_patience_is_the_settings_to_say() -> None:
    """So are the plans that are refused."""
    patient = KubernetesSettings(image="a", unschedulable_seconds=7, image_pull_seconds=8)
    found = on_cluster(SETTINGS.model_copy(update={"kubernetes": patient, "stores": {}}))

    assert (found.unschedulable_seconds, found.image_pull_seconds) == (7, 8)
    assert [one.where for one in found.refuse(planned())] == ["spec.output.store"]


def test_attempts_are_pods() -> None:
    """Seen as pods are, and as long as pods may be."""
    found = on_cluster(SETTINGS)

    assert found.look is pod_sightings.look
    assert found.longest_seconds is pods.longest_seconds
    assert found.words.pod == "pod"
