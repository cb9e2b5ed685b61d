"""Parts of a pod's body."""

from __future__ import annotations

import pytest

from profiling_operator import pod_parts
from profiling_operator.spec.app import EnvVar, Volume
from profiling_operator.spec.job import Toleration


@pytest.mark.parametrize("word", ["$(HOME)", "$$(HOME)", "$", "a$b", "$(", ""])
def test_words_stay_what_they_are(word: str) -> None:
    """Kubernetes makes one dollar of two, and puts variables in for `$(NAME)`."""
    (said,) = pod_parts.literal([word])

    assert said.replace("$$", "$") == word
    assert "$(" not in said.replace("$$", "")


def test_variables_have_a_value_or_a_source() -> None:
    """A value is no template; a source keeps its shape."""
    source = {"secretKeyRef": {"name": "keys", "key": "token"}}

    assert pod_parts.variable(EnvVar(name="A", value="$(B)")) == {"name": "A", "value": "$$(B)"}
    assert pod_parts.variable(EnvVar.model_validate({"name": "A", "valueFrom": source})) == {
        "name": "A",
        "valueFrom": source,
    }
    assert pod_parts.variable(EnvVar(name="A")) == {"name": "A", "value": ""}


def test_a_volume_keeps_its_source() -> None:
    """Under a name that is none of ours, and no longer than Kubernetes takes."""
    claim = {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}}
    one = Volume.model_validate({"name": "x" * 63, "mountPath": "/data", **claim})

    made = pod_parts.volume(one)

    assert made.pop("name").startswith("volume-x")
    assert made == claim
    assert len(pod_parts.volume_name(one)) <= 63


def test_a_toleration_says_only_what_was_said() -> None:
    """An empty effect is all of them."""
    assert pod_parts.toleration(Toleration(key="gpu", operator="Exists")) == {
        "key": "gpu",
        "operator": "Exists",
    }


def test_tokens_are_for_whom_they_are_meant() -> None:
    """Without an audience, for the API server."""
    assert pod_parts.token("")["serviceAccountToken"].get("audience") is None
    assert (
        pod_parts.token("profjob-results")["serviceAccountToken"]["audience"] == "profjob-results"
    )


def test_containers_may_do_nothing_that_they_need_not() -> None:
    """No capability, no escalation; only foreign images may write to their root."""
    ours, foreign = pod_parts.confined(), pod_parts.confined(read_only=False)

    assert ours["readOnlyRootFilesystem"]
    assert not foreign["readOnlyRootFilesystem"]
    for one in (ours, foreign):
        assert one["capabilities"] == {"drop": ["ALL"]}
        assert not one["allowPrivilegeEscalation"]
