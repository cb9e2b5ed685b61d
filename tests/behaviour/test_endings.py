"""How a job ends."""

from __future__ import annotations

import pytest
from installed import condition, ended
from places import Place, holds, outcomes

COMPLETED = ("Succeeded", "Completed")


@pytest.mark.behaviour("A job that goes well is Complete with a usable profile.", "completes")
def test_complete(place: Place) -> None:
    """Conditions, runs, attempts, headline and events say so; it was executed once."""
    status = place.wait("completes")

    assert ended(status) == COMPLETED
    for kind in ("Finished", "Complete", "ProfileUsable", "Ready"):
        assert holds(status, kind) == "True", kind
    assert condition(status, "Failed") == {}
    assert status["observedGeneration"] == 1
    assert "hot" in status["headline"]
    (run,) = status["runs"]
    assert (run["app"]["exitCode"], run["app"]["reason"]) == (0, "Completed")
    assert run["collectors"][0]["entries"] > 0
    (attempt,) = status["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "Completed")
    assert attempt["nodeName"] and attempt["podUID"] and "sha256:" in attempt["image"]
    assert status["startTime"] <= status["completionTime"]
    place.until_event("completes", "Completed")
    assert {"Queued", "Running", "Completed"} <= place.reasons("completes")
    assert place.executions("completes") == 1
    place.until_idle("completes")


@pytest.mark.behaviour("Its result folder is complete, and as its status says.", "completes")
def test_results(place: Place) -> None:
    """Sizes, checksums and counts are right."""
    status = place.wait("completes")

    found = place.check_results("completes")

    assert {"entries.jsonl.gz", "summary.json", "report.html"} <= set(found)
    measures = [one["measure"] for one in status["results"]["summary"]]
    assert "app/duration" in measures
    assert any("hot" in one for one in measures)


@pytest.mark.behaviour("Arguments, variables and folder reach the application.", "completes")
def test_words(place: Place) -> None:
    """Byte for byte; and without a GPU asked for, it is told that there is none."""
    place.wait("completes")

    seen = place.seen("completes")

    assert seen["args"] == ["a b", "$HOME {run}", ""]
    assert (seen["GREETING"], seen["folder"]) == ("good day", "/usr")
    assert seen["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert seen["PROFILING_OUTPUT"].endswith("/run-0")


@pytest.mark.behaviour("Volumes and the user's number are those of the job.", "shares")
def test_volumes_and_user(place: Place) -> None:
    """Memory in /dev/shm and a scratch volume can be written to."""
    status = place.wait("shares")

    assert ended(status) == COMPLETED, place.log("shares")
    assert "user 1234 1235" in place.log("shares")


@pytest.mark.behaviour("Warm-ups and repetitions are runs of one attempt.", "repeats")
def test_repetitions(place: Place) -> None:
    """The warm-up does not count."""
    status = place.wait("repeats")

    assert ended(status) == COMPLETED
    assert [run.get("warmup", False) for run in status["runs"]] == [True, False, False]
    assert all(len(one["values"]) == 2 for one in status["results"]["summary"])
    assert place.executions("repeats") == 1


@pytest.mark.behaviour("An application that fails is AppFailed, and keeps its profile.", "fails")
def test_exit_code(place: Place) -> None:
    """Application, collector and results are separate facts."""
    status = place.wait("fails")

    assert ended(status) == ("Failed", "AppFailed")
    assert holds(status, "Failed") == "True"
    assert holds(status, "ProfileUsable") == "True"
    assert status["runs"][0]["app"]["exitCode"] == 3
    place.check_results("fails")
    place.until_event("fails", "AppFailed")


@pytest.mark.behaviour("kubectl wait --for=condition=Finished returns for failures too.", "fails")
def test_kubectl_wait(place: Place) -> None:
    """And kubectl get tells phase and reason."""
    place.namespace.kubectl("wait", "--for=condition=Finished", "--timeout=240s", "pj/fails")

    line = place.namespace.kubectl("get", "pj", "fails", "--output", "wide")

    assert "Failed" in line and "AppFailed" in line


@pytest.mark.behaviour("retries.app brings a new attempt after a failure.", "fails-twice")
def test_retries(place: Place) -> None:
    """As many as there are retries, each executed once."""
    status = place.wait("fails-twice")

    assert ended(status) == ("Failed", "AppFailed")
    assert outcomes(status) == ["AppFailed", "AppFailed"]
    assert [one["number"] for one in status["attempts"]] == [1, 2]
    place.until_event("fails-twice", "AttemptEnded")
    assert place.executions("fails-twice") == 2
    place.check_results("fails-twice")


@pytest.mark.behaviour(
    "At its time limit a job is AppTimedOut, and keeps its profile.", "times-out"
)
def test_timeout(place: Place) -> None:
    """The tool writes what it has measured."""
    status = place.wait("times-out")

    assert ended(status) == ("Failed", "AppTimedOut")
    assert status["runs"][0]["app"]["timedOut"]
    assert holds(status, "ProfileUsable") == "True"
    place.check_results("times-out")


@pytest.mark.behaviour("With onTimeout Stop the time limit is the normal end.", "stops")
def test_stop(place: Place) -> None:
    """And the run says that it was reached."""
    status = place.wait("stops")

    assert ended(status) == COMPLETED
    assert status["runs"][0]["app"]["timedOut"]
    assert "hot" in status["headline"]


@pytest.mark.behaviour("Memory beyond the limit is AppOOMKilled.", "eats")
def test_out_of_memory(place: Place) -> None:
    """Whatever the launcher returned."""
    assert ended(place.wait("eats")) == ("Failed", "AppOOMKilled")


@pytest.mark.behaviour(
    "Output beyond the limit is OutputTooLarge, with what is there.", "overflows"
)
def test_too_large(place: Place) -> None:
    """The application is stopped while its profile can be kept."""
    status = place.wait("overflows")

    assert ended(status) == ("Failed", "OutputTooLarge")
    place.check_results("overflows")


@pytest.mark.behaviour("Where nothing was measured the job is NothingMeasured.", "measures-nothing")
def test_nothing_measured(place: Place) -> None:
    """Although the application went well."""
    status = place.wait("measures-nothing")

    assert ended(status) == ("Failed", "NothingMeasured")
    assert holds(status, "ProfileUsable") == "False"
    assert status["runs"][0]["app"]["exitCode"] == 0


@pytest.mark.behaviour("An image that is not there is ImagePullFailed.", "no-image")
def test_no_image(place: Place) -> None:
    """The message names it, and nothing stays to try on."""
    status = place.wait("no-image")

    assert ended(status) == ("Failed", "ImagePullFailed")
    assert "no-such-image" in condition(status, "Finished")["message"]
    assert place.executions("no-image") == 0
    place.until_idle("no-image")


@pytest.mark.behaviour("A command that is not there is CannotStart.", "no-command")
def test_no_command(place: Place) -> None:
    """The message names it."""
    status = place.wait("no-command")

    assert ended(status) == ("Failed", "CannotStart")
    assert "/no/such/program" in condition(status, "Finished")["message"]


@pytest.mark.behaviour("A collector whose files are nowhere is ToolchainMissing.", "no-toolchain")
def test_no_toolchain(place: Place) -> None:
    """The message names it."""
    status = place.wait("no-toolchain")

    assert ended(status) == ("Failed", "ToolchainMissing")
    assert "tau" in condition(status, "Finished")["message"]
    place.until_idle("no-toolchain")


@pytest.mark.behaviour("The application talks to its playback server.", "plays-back")
def test_playback(place: Place) -> None:
    """Which is ready before it starts, and ends with it."""
    status = place.wait("plays-back")

    assert ended(status) == COMPLETED, place.log("plays-back")
    assert "played back" in place.log("plays-back")
    place.until_idle("plays-back")


@pytest.mark.behaviour("A playback server that is never ready is PlaybackNotReady.", "no-playback")
def test_no_playback(place: Place) -> None:
    """The application does not start."""
    status = place.wait("no-playback")

    assert ended(status) == ("Failed", "PlaybackNotReady")
    assert place.executions("no-playback") == 0
    place.until_idle("no-playback")


@pytest.mark.behaviour("A start that takes too long is StartDeadlineExceeded.", "starts-late")
def test_start_deadline(place: Place) -> None:
    """The application does not start."""
    status = place.wait("starts-late")

    assert ended(status) == ("Failed", "StartDeadlineExceeded")
    assert "startSeconds" in condition(status, "Finished")["message"]
    assert place.executions("starts-late") == 0
    place.until_idle("starts-late")
