"""What is refused, and what one platform alone can do."""

from __future__ import annotations

import uuid

import pytest
from installed import KubectlError, condition, ended
from places import Place

from making import BUSY, python

COMPLETED = ("Succeeded", "Completed")


@pytest.mark.behaviour("What the schema refuses is not taken, and the field is named.")
def test_schema(place: Place) -> None:
    """By the API server."""
    with pytest.raises(KubectlError, match=r"spec\.timeoutSeconds.*greater than or equal to 1"):
        place.apply("no-time", timeoutSeconds=0)
    with pytest.raises(KubectlError, match=r'unknown field "spec\.tool"'):
        place.apply("no-tool", tool="tau")


@pytest.mark.behaviour("A collector's option that is wrong is InvalidSpec.", "bad-option")
def test_option(place: Place) -> None:
    """The message names it, and so does an event."""
    status = place.wait("bad-option")

    assert ended(status) == ("Failed", "InvalidSpec")
    assert "spec.collectors[0].options.rate" in condition(status, "Finished")["message"]
    place.until_event("bad-option", "InvalidSpec")
    assert place.executions("bad-option") == 0


@pytest.mark.behaviour("Collectors that cannot work together are CollectorsClash.", "clash")
def test_clash(place: Place) -> None:
    """The message says why."""
    status = place.wait("clash")

    assert ended(status) == ("Failed", "CollectorsClash")
    assert "nvprof and nsys" in condition(status, "Finished")["message"]


@pytest.mark.behaviour("A store that nobody has set up is InvalidSpec.", "no-store")
def test_store(place: Place) -> None:
    """The message names the field."""
    status = place.wait("no-store")

    assert ended(status) == ("Failed", "InvalidSpec")
    assert "spec.output.store" in condition(status, "Finished")["message"]


@pytest.mark.behaviour("A collector is attached to the application.", "attached")
def test_attach(place: Place) -> None:
    """Instead of wrapping its command."""
    if place.refuses("attached", "spec.collectors[0].mode"):
        return
    status = place.wait("attached")

    assert ended(status) == COMPLETED
    assert "hot" in status["headline"]


@pytest.mark.behaviour("A variable comes from a Secret.", "from-secret")
def test_secret(place: Place) -> None:
    """The application sees its value."""
    if not place.refuses("from-secret", "spec.app.env"):
        assert greeting(place, "from-secret") == "from a secret"


@pytest.mark.behaviour("A variable comes from a ConfigMap.", "from-config-map")
def test_config_map(place: Place) -> None:
    """The application sees its value."""
    if not place.refuses("from-config-map", "spec.app.env"):
        assert greeting(place, "from-config-map") == "from a config map"


def greeting(place: Place, name: str) -> str:
    """What an application that has ended well was greeted with."""
    assert ended(place.wait(name)) == COMPLETED
    return str(place.seen(name)["GREETING"])


@pytest.mark.behaviour("A volume holds a ConfigMap.", "config-volume")
def test_config_volume(place: Place) -> None:
    """The application reads it."""
    if not place.refuses("config-volume", "spec.app.volumes"):
        assert ended(place.wait("config-volume")) == COMPLETED
        assert "from a config map" in place.log("config-volume")


@pytest.mark.behaviour("A volume is a persistentVolumeClaim.")
def test_claim(place: Place) -> None:
    """The application has it."""
    code = f"import os\nassert os.path.ismount('/claimed')\n{BUSY}"
    name = f"claim-{uuid.uuid4().hex[:8]}"  # an engine has no namespaces
    place.claim(name)
    volume = {"name": "claimed", "mountPath": "/claimed",
              "persistentVolumeClaim": {"claimName": name, "readOnly": True}}  # fmt: skip
    place.apply("claims", app={**python(code), "volumes": [volume]})

    if not place.refuses("claims", "spec.app.volumes"):
        assert ended(place.status("claims")) == COMPLETED


@pytest.mark.behaviour("A job may name imagePullSecrets.", "pull-secret")
def test_pull_secret(place: Place) -> None:
    """It runs, with an image that needs none."""
    if not place.refuses("pull-secret", "spec.app.imagePullSecrets"):
        assert ended(place.wait("pull-secret")) == COMPLETED


@pytest.mark.behaviour("placement.queueName: the job waits for Kueue to admit it.", "queue-name")
def test_queue_name(place: Place) -> None:
    """Nobody does here."""
    if not place.refuses("queue-name", "spec.placement.queueName"):
        assert ended(place.wait("queue-name")) == ("Failed", "QueueTimeout")


@pytest.mark.behaviour("placement.nodeSelector: nodes without the label are none.", "node-selector")
def test_node_selector(place: Place) -> None:
    """There is no such node."""
    if not place.refuses("node-selector", "spec.placement.nodeSelector"):
        assert ended(place.wait("node-selector")) == ("Failed", "Unschedulable")
