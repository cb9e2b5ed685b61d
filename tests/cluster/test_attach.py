"""Tools attached to an application on a real cluster: restricted pods and no rights."""

from __future__ import annotations

import json
from typing import Any

import installed
import pytest
from installed import Namespace, condition, ended

from making import BUSY, python

pytestmark = [
    pytest.mark.needs("cluster", "image", "images", "helm"),
    pytest.mark.timeout(400),
]

PYSPY = {"name": "pyspy", "mode": "attach"}
PERF = {"name": "perf", "mode": "attach"}
LONGER = BUSY.replace("range(40)", "range(200)")
"""Long enough for a tool to find it, however loaded the machine is."""
# What the application could find of the pod's other containers, which have all started when it has
# been busy: it may read all its user may.
# /var/run is a link of an image's, which would lead into the application's own files.
LOOKS = """
import pathlib
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    for name in ("kubernetes.io/serviceaccount", "profiling.dev"):
        token = folder / "root/run/secrets" / name / "token"
        try:
            print("FOUND", name, bool(token.read_text()))
        except OSError:
            pass
"""


def profile(namespace: Namespace, status: dict[str, Any], path: str) -> str:
    """A file of a result folder."""
    uid = namespace.get()["metadata"]["uid"]
    number = status["attempts"][-1]["number"]
    return installed.stored(namespace.name, "test", uid, number, path).decode()


def test_pyspy_is_attached_to_each_run(namespace: Namespace) -> None:
    """The application's exit code is its own, its container has no wrapper, results are there."""
    namespace.apply(
        app=python(LONGER), collectors=[PYSPY], output={"raw": True}, warmups=1, repetitions=2
    )

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert condition(status, "ProfileUsable")["status"] == "True"
    assert [one["collectors"][0]["usable"] for one in status["runs"]] == [True] * 3
    assert "hot" in status["headline"]
    for index in range(3):
        assert "hot" in profile(namespace, status, f"raw/run-{index}/pyspy/profile.folded")
    (pod,) = namespace.listed("pods")
    assert pod["spec"]["shareProcessNamespace"] is True
    app = next(one for one in pod["spec"]["containers"] if one["name"] == "app")
    assert not any("py-spy" in word for word in app["command"])


def test_perf_is_attached_and_names_the_applications_functions(namespace: Namespace) -> None:
    """Its sidecar makes the system calls; symbols are those of the application's files."""
    namespace.apply(app=python(LONGER), collectors=[PERF], output={"raw": True})

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert condition(status, "ProfileUsable")["status"] == "True"
    assert "_PyEval" in profile(namespace, status, "raw/run-0/perf/perf.script")
    (pod,) = namespace.listed("pods")
    app = next(one for one in pod["spec"]["containers"] if one["name"] == "app")
    assert "seccompProfile" not in app["securityContext"]


def test_one_wraps_and_one_is_attached(namespace: Namespace) -> None:
    """Both profiles are there."""
    namespace.apply(app=python(LONGER), collectors=[{"name": "perf"}, PYSPY])

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert [one["usable"] for one in status["runs"][0]["collectors"]] == [True, True]


def test_exit_code_and_profile_of_an_application_that_fails(namespace: Namespace) -> None:
    """The tool hides nothing, and its profile is there."""
    namespace.apply(app=python(f"{LONGER}\nraise SystemExit(3)"), collectors=[PYSPY])

    status = namespace.wait()

    assert ended(status) == ("Failed", "AppFailed")
    assert status["runs"][0]["app"]["exitCode"] == 3
    assert status["runs"][0]["collectors"][0]["usable"]


def test_timeout_keeps_the_profile(namespace: Namespace) -> None:
    """At its time limit the application is ended, and the tool with it."""
    endless = f"{BUSY}\nwhile True:\n    hot(400_000)\n"
    namespace.apply(app=python(endless), collectors=[PYSPY], timeoutSeconds=8)

    status = namespace.wait()

    assert ended(status) == ("Failed", "AppTimedOut")
    assert "hot" in status["headline"]


def test_what_ends_at_once_was_not_measured(namespace: Namespace) -> None:
    """The job says so."""
    namespace.apply(app={"command": ["true"]}, collectors=[PYSPY])

    status = namespace.wait()

    assert condition(status, "ProfileUsable")["reason"] == "NothingMeasured"


def test_the_application_finds_no_token_for_the_api_server(namespace: Namespace) -> None:
    """It finds that of the results server, which is good for nothing but its own results."""
    namespace.apply(app=python(f"{LONGER}{LOOKS}"), collectors=[PYSPY])

    status = namespace.wait()

    log = profile(namespace, status, "run-0/app.log")
    assert "FOUND kubernetes.io/serviceaccount" not in log
    assert "FOUND profiling.dev True" in log


def test_what_cannot_be_attached_is_refused_by_field(namespace: Namespace) -> None:
    """Before anything is created."""
    namespace.apply(collectors=[{"name": "tau", "mode": "attach"}])

    status = namespace.wait()

    assert ended(status) == ("Failed", "InvalidSpec")
    assert "spec.collectors[0].mode" in json.dumps(condition(status, "Finished"))
    assert not namespace.listed("pods")
