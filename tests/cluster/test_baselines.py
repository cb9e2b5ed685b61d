"""Baselines on a real cluster: a window fills, a regression fails, what differs is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import installed
import pytest
import yaml
from installed import Namespace, condition, ended

from making import SOURCE_ROOT, python

pytestmark = [
    pytest.mark.needs("cluster", "image", "images", "helm"),
    pytest.mark.timeout(900),
]

GATES = [{"measure": "app/duration", "baseline": "main", "maxIncrease": "10%"}]
ACCEPT = {"profiling.dev/accept-baseline": "main"}
# Which work is to be done is no word of the command, as in an image of a newer version.
WORK = """
import os, time
time.sleep(0.8 * float(os.environ.get("SLOWER", "1")))
end = time.process_time() + 0.2
while time.process_time() < end:
    pass
"""


def run(namespace: Namespace, name: str, code: str = WORK, slower: str = "1") -> dict[str, Any]:
    """The status of a job of the series, once it has finished."""
    body = namespace.job(
        name=name, series="nbody", repetitions=5, gates=GATES,
        app={**python(code), "env": [{"name": "SLOWER", "value": slower}]},
    )  # fmt: skip
    body["metadata"]["annotations"] = ACCEPT
    namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(body))
    return namespace.wait(name, 300)


def baseline(namespace: Namespace, role: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`profjob baseline` by somebody with a role."""
    token = installed.token(namespace.name, role)
    reached = ("--results-url", installed.RESULTS, "--namespace", namespace.name)
    return subprocess.run(
        [sys.executable, "-m", "profiling_operator", "baseline", *words, *reached],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": SOURCE_ROOT, "PROFJOB_TOKEN": token},
    )  # fmt: skip


def people(namespace: Namespace) -> None:
    """Accounts of the namespace that have a role each, as the chart adds to those."""
    for role in ("edit", "view"):
        namespace.kubectl("create", "serviceaccount", role)
        account = f"--serviceaccount={namespace.name}:{role}"
        namespace.kubectl("create", "rolebinding", role, f"--clusterrole={role}", account)


def test_a_regression_fails_the_gate_and_what_is_not_alike_is_said(namespace: Namespace) -> None:
    """Jobs are accepted one by one; then a slower one fails, and is not accepted itself."""
    for number in range(5):
        status = run(namespace, f"nbody-{number}")
        assert ended(status) == ("Succeeded", "Completed")
        assert condition(status, "GatesPassed").get("status") != "False"

    slow = run(namespace, "nbody-slow", slower="2")
    other = run(namespace, "nbody-other", code=f"{WORK}\n# another command")

    assert condition(slow, "GatesPassed")["status"] == "False", slow["gates"]
    assert slow["gates"][0]["verdict"] == "Failed"
    assert slow["gates"][0]["baseline"] is not None
    assert other["gates"][0]["verdict"] == "Skipped"
    assert "another command" in other["gates"][0]["message"]
    reasons = namespace.reasons()
    assert reasons.count("BaselineAccepted") == 6
    assert reasons.count("BaselineNotWritten") == 1

    people(namespace)
    shown = baseline(namespace, "view", "show", "nbody-slow", "--output", "json")
    refused = baseline(namespace, "view", "accept", "nbody-slow", "--anew")
    worse = baseline(namespace, "edit", "accept", "nbody-slow")
    anew = baseline(namespace, "edit", "accept", "nbody-slow", "--anew")
    reset = baseline(namespace, "edit", "reset", "nbody")

    assert shown.returncode == 0, shown.stderr
    assert sorted(len(one["jobs"]) for one in json.loads(shown.stdout)["windows"]) == [1, 5]
    assert refused.returncode == 2, refused.stderr
    assert (worse.returncode, "--anew" in worse.stderr) == (1, True), worse.stderr
    assert anew.returncode == 0 and "has 1 job of" in anew.stdout, anew.stderr
    assert reset.returncode == 0, reset.stderr
