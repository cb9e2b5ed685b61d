"""Who may come, and by which files."""

from __future__ import annotations

import base64
import csv
import json
from typing import Any

from profiling_operator.control_plane import people


def test_everybody_has_a_token_and_one_group() -> None:
    """As kube-apiserver reads it: token, user, uid, groups."""
    everybody = people.everybody(["gpu-1", "gpu-2", "gpu-1"])
    tokens = {one.name: f"token-of-{one.name}" for one in everybody}

    rows = list(csv.reader(people.token_file(everybody, tokens).splitlines()))

    assert rows == [
        ["token-of-installer", "profjob:installer", "installer", "system:masters"],
        ["token-of-admin", "profjob:admin", "admin", "profjob:admins"],
        ["token-of-jenkins", "profjob:jenkins", "jenkins", "profjob:jenkins"],
        ["token-of-results-server", "profjob:results-server", "results-server",
         "profjob:results-servers"],
        ["token-of-agent-gpu-1", "profjob:agent-gpu-1", "agent-gpu-1", "profjob:agents"],
        ["token-of-agent-gpu-2", "profjob:agent-gpu-2", "agent-gpu-2", "profjob:agents"],
    ]  # fmt: skip


def _body(**more: str) -> dict[str, Any]:
    written = people.kubeconfig(people.BUILDS, "secret", "https://here:6443", "PEM", **more)
    body: dict[str, Any] = json.loads(written)
    return body


def test_a_kubeconfig_has_everything_inside() -> None:
    """One file is all that Jenkins is given."""
    body = _body(results="https://here:8443/v1/results")

    (cluster,) = body["clusters"]
    assert base64.b64decode(cluster["cluster"].pop("certificate-authority-data")) == b"PEM"
    assert cluster["cluster"] == {
        "server": "https://here:6443",
        "extensions": [
            {
                "name": "profiling.dev",
                "extension": {"resultsUrl": "https://here:8443/v1/results"},
            }
        ],
    }
    assert body["users"] == [{"name": "jenkins", "user": {"token": "secret"}}]
    assert body["contexts"][0]["context"]["namespace"] == "ci"
    assert body["current-context"] == body["contexts"][0]["name"]


def test_without_a_results_server_nothing_is_said_of_one() -> None:
    """Agents have it in their settings."""
    assert "extensions" not in _body()["clusters"][0]["cluster"]
