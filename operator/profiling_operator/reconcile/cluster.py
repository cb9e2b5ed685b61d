"""A Kubernetes cluster, as decisions know it."""

from __future__ import annotations

from functools import partial

from profiling_operator import pod_refusals, pod_sightings, pods
from profiling_operator.reconcile.world import Platform
from profiling_operator.settings import Settings


def on_cluster(known: Settings) -> Platform:
    """Attempts are Jobs with one pod each."""
    return Platform(
        look=pod_sightings.look,
        refuse=partial(pod_refusals.check, known=known),
        longest_seconds=pods.longest_seconds,
        unschedulable_seconds=known.kubernetes.unschedulable_seconds,
        image_pull_seconds=known.kubernetes.image_pull_seconds,
    )
