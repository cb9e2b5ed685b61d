"""The step `profilingJob`, with a command line that does what the test says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import faking
import pytest
from builds import ABORTED, FAILURE, SUCCESS, UNSTABLE, calls_of
from faking import APPLIED, Faked

pytestmark = pytest.mark.needs("jenkins")

ENDED = {"prints": "Succeeded  Completed", "files": {}}
NOT_YET = {"code": 4}
GATE = {
    "code": 1,
    "prints": "Succeeded  Completed\ngate  Passed  fine\n"
    "gate  Failed  app/duration 1.3 s > max 1 s",
}
HOSTILE = (
    "plain",
    "with blanks  and 'quotes' and \"more\"",
    "$HOME ${PATH} $(touch pwned) `touch pwned` $$",
    "; touch pwned #",
    "feature/x && touch pwned",
    "back\\slash \\n %s *?[a]",
    "--looks=like an option",
    "two\nlines",
    "ünïcode ✓",
    "",
)


def fetched(**more: Any) -> dict[str, Any]:
    """What `profjob fetch` leaves."""
    return {"files": faking.results(**more)}


def test_on_kubernetes_it_applies_waits_and_fetches(faked: Faked) -> None:
    """In short polls, and everything that is there is published."""
    faked.answer(apply=[APPLIED], wait=[NOT_YET, NOT_YET, ENDED], fetch=[fetched()])
    built = faked.step(mode="kubernetes", namespace="ci", file="a/job.yaml")

    wait = ["wait", "nbody-7", "--timeout", "60s", "--namespace", "ci"]
    assert faked.asked() == [
        ["apply", "a/job.yaml", "-o", "name", "--namespace", "ci"],
        wait, wait, wait,
        ["fetch", "nbody-7", "-d", "profiling_output", "--small", "--namespace", "ci"],
    ]  # fmt: skip
    assert built["result"] == SUCCESS
    assert built["returned"] == {
        "code": 0, "name": "nbody-7", "mode": "kubernetes", "results": "profiling_output",
        "message": "all is well",
    }  # fmt: skip
    files = ["profiling_output/" + one for one in ("junit.xml", "status.json", "summary.json")]
    assert sorted(built["archived"]) == sorted(built["stashes"]["profiling_output"]) == files
    assert [one["verdict"] for one in built["cases"]] == ["passed"]


def test_changes_may_be_a_map(faked: Faked) -> None:
    """In which an empty value changes nothing, and 0 does."""
    faked.answer(run=[{"files": faking.results()}])
    arguments, nothing = '["a b", "$X"]', {"spec.series": "", "spec.gpu": None}
    given = {"spec.app.args": arguments, "spec.warmups": 0, **nothing}
    faked.step(mode="process", set=given)

    words = faked.asked()[0]
    changes = sorted(after for word, after in pairwise(words) if word == "--set")
    assert changes == [f"spec.app.args={arguments}", "spec.warmups=0"]


@pytest.mark.parametrize("mode", ["docker", "process"])
def test_elsewhere_it_runs(faked: Faked, mode: str) -> None:
    """On the agent, with a limit of time."""
    faked.answer(run=[{"files": faking.results()}])
    built = faked.step(mode=mode, set=["spec.repetitions=5"], timeout="5m", extra=["--raw"])

    assert faked.asked() == [
        ["run", "job.yaml", "--executor", mode, "--results", "profiling_output",
         "--set", "spec.repetitions=5", "--raw"]
    ]  # fmt: skip
    assert "timeout -s TERM 300 profjob" in calls_of(built, "sh")[0]["script"]
    assert built["result"] == SUCCESS
    assert list(built["stashes"]) == ["profiling_output"]


def test_words_reach_the_command_line_as_they_are(faked: Faked) -> None:
    """Whatever is in them: they are no text of any script."""
    faked.answer(apply=[APPLIED], fetch=[fetched()])
    faked.step(
        mode="kubernetes", file="a b/$x'.yaml", namespace="$(touch pwned)", set=list(HOSTILE),
        tag='jenkins-a"b', extra=["'"], resultsUrl="http://x/`y`",
    )  # fmt: skip

    applied, waited, fetch = faked.asked()
    sets = [word for one in HOSTILE for word in ("--set", one)]
    place = ["--namespace", "$(touch pwned)"]
    tag = ["--build-tag", 'jenkins-a"b']
    assert applied == ["apply", "a b/$x'.yaml", "-o", "name", *place, *tag, *sets, "'"]
    assert waited[-2:] == place
    assert fetch[-4:] == ["--results-url", "http://x/`y`", *place]
    assert not list(faked.home.rglob("pwned"))


@pytest.mark.parametrize(
    ("fail_on", "result"),
    [("regression", FAILURE), ("failure", UNSTABLE), ("never", SUCCESS)],
)
def test_a_gate_decides_as_asked(faked: Faked, fail_on: str, result: str) -> None:
    """The failed test is published in any case, and does not make the build unstable by itself."""
    faked.answer(apply=[APPLIED], wait=[GATE], fetch=[fetched(junit=faking.FAILED)])
    built = faked.step(mode="kubernetes", failOn=fail_on)

    assert built["result"] == result
    assert [one["verdict"] for one in built["cases"]] == ["failure"]
    assert built["archived"]
    if result != SUCCESS:
        assert built["message"] == (
            "profilingJob nbody-7: a gate was not met: Succeeded  Completed; "
            "gate  Failed  app/duration 1.3 s > max 1 s"
        )


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "bad usage"), (3, "the job failed"), (5, "platform"), (6, "not usable"), (77, "with 77")],
)
@pytest.mark.parametrize("fail_on", ["regression", "never"])
def test_other_ends_fail_the_build(faked: Faked, code: int, words: str, fail_on: str) -> None:
    """Whatever is said of gates; what is there is published."""
    ended = {"code": code, "prints": "Failed  AppFailed: exit code 9"}
    faked.answer(apply=[APPLIED], wait=[ended], fetch=[fetched()])
    built = faked.step(mode="kubernetes", failOn=fail_on)

    assert built["result"] == FAILURE
    assert words in built["message"]
    assert built["message"].endswith("Failed  AppFailed: exit code 9")
    assert built["archived"] and built["stashes"]


@pytest.mark.parametrize("command", ["apply", "wait", "fetch"])
def test_a_program_that_breaks_is_no_verdict(faked: Faked, command: str) -> None:
    """Python's exit code for it is that of a gate; a gate would have said something."""
    good = {"apply": [APPLIED], "wait": [ENDED], "fetch": [fetched()]}
    faked.answer(**good | {command: [{"code": 1}]})
    built = faked.step(mode="kubernetes", failOn="never")

    assert built["result"] == FAILURE
    assert "profjob itself broke: see the log above" in built["message"]


def test_a_job_that_is_refused_is_not_waited_for(faked: Faked) -> None:
    """Nothing is published: there is nothing."""
    faked.answer(apply=[{"code": 2}])
    built = faked.step(mode="kubernetes")

    assert [words[0] for words in faked.asked()] == ["apply"]
    assert built["result"] == FAILURE
    assert built["message"] == "profilingJob job.yaml: bad usage, or a bad job: see the log above"
    assert (built["archived"], built["stashes"]) == ({}, {})


def test_its_own_limit_cancels_the_job(faked: Faked) -> None:
    """The last poll is as short as what is left; what was measured until then is published."""
    faked.answer(apply=[APPLIED], wait=[NOT_YET], fetch=[fetched()])
    built = faked.step(mode="kubernetes", timeout="90s")

    assert [words[:4] for words in faked.asked()[1:]] == [
        ["wait", "nbody-7", "--timeout", "60s"],
        ["wait", "nbody-7", "--timeout", "30s"],
        ["cancel", "nbody-7", "--wait", "--timeout"],
        ["fetch", "nbody-7", "-d", "profiling_output"],
    ]
    assert built["result"] == FAILURE
    assert "not finished within 90s" in built["message"]
    assert built["archived"]


def test_results_that_cannot_be_fetched_fail_a_good_build(faked: Faked) -> None:
    """A verdict that nobody can look at is none."""
    faked.answer(apply=[APPLIED], wait=[ENDED], fetch=[{"code": 5}])
    built = faked.step(mode="kubernetes")

    assert built["result"] == FAILURE
    assert "the platform cannot be reached" in built["message"]


def test_hiccups_of_the_server_are_borne(faked: Faked) -> None:
    """Some, with pauses; a job that was lost has an outcome and is no hiccup."""
    away, lost = {"code": 5}, {"code": 5, "prints": "Failed  InfrastructureLost"}
    faked.answer(apply=[APPLIED], wait=[away, away, NOT_YET, away, lost], fetch=[fetched()])
    built = faked.step(mode="kubernetes")

    assert [words[0] for words in faked.asked()].count("wait") == 5
    assert built["slept"] == 180
    assert "InfrastructureLost" in built["message"]


def test_a_server_that_stays_away_ends_the_build(faked: Faked) -> None:
    """After six looks."""
    faked.answer(apply=[APPLIED], wait=[{"code": 5}], fetch=[{"code": 5}])
    built = faked.step(mode="kubernetes")

    assert [words[0] for words in faked.asked()].count("wait") == 6
    assert (built["result"], "platform" in built["message"]) == (FAILURE, True)


@pytest.mark.parametrize(
    ("mode", "at"), [("kubernetes", "profjob wait"), ("docker", "profjob run")]
)
def test_an_abort_cancels_the_job(faked: Faked, mode: str, at: str) -> None:
    """And what was measured until then is published; the build stays aborted."""
    left = {"files": faking.results()}
    faked.answer(apply=[APPLIED], fetch=[left], cancel=[left])
    built = faked.step(mode=mode, abort_at=at)

    name = "nbody-7" if mode == "kubernetes" else "./profiling_output"
    cancelled = [words for words in faked.asked() if words[0] == "cancel"]
    assert [words[:2] for words in cancelled] == [["cancel", name]]
    assert built["result"] == ABORTED
    assert built["archived"]


def test_results_of_an_earlier_build_are_not_published(faked: Faked) -> None:
    """They go before anything starts; a folder that is none of profjob's stays."""
    for name, text in faking.results().items():
        file = faked.agent.workspace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (faked.agent.workspace / "src").mkdir()
    (faked.agent.workspace / "src" / "precious").touch()
    faked.answer(apply=[{"code": 2}], run=[{"code": 2}])
    first = faked.step(mode="kubernetes")
    second = faked.step(mode="process", results="src")

    assert (first["archived"], second["archived"]) == ({}, {})
    assert (faked.agent.workspace / "src" / "precious").exists()


def test_large_files_are_not_stashed(faked: Faked) -> None:
    """They are named; raw files are left out whatever their size."""
    files = fetched(trace_json="x" * 5000, folded_txt="y" * 900)
    files["files"]["profiling_output/raw/run-0/tau/profile.0.0.0"] = "z"
    faked.answer(apply=[APPLIED], fetch=[files])
    built = faked.step(mode="kubernetes", maxStashBytes=2000, stash="small")

    stashed = [path.rpartition("/")[2] for path in built["stashes"]["small"]]
    assert stashed == ["folded.txt", "junit.xml", "status.json", "summary.json"]
    assert "not stashed: trace.json has 5000 bytes" in built["log"]
    assert "profiling_output/trace.json" in built["archived"]
    assert not [path for path in built["archived"] if "raw" in path]


def test_raw_files_are_archived_when_asked_for(faked: Faked) -> None:
    """And nothing is stashed, and nothing else archived, when that is asked for."""
    files = fetched()
    files["files"]["profiling_output/raw/x"] = "z"
    faked.answer(apply=[APPLIED], fetch=[files])
    whole = faked.step(mode="kubernetes", archiveRaw=True, stash="")
    nothing = faked.step(mode="kubernetes", archive=False)

    assert "profiling_output/raw/x" in whole["archived"]
    assert whole["stashes"] == {} and nothing["archived"] == {}


def test_only_some_files_are_fetched_when_asked_for(faked: Faked) -> None:
    """In the words of `profjob fetch`."""
    faked.answer(apply=[APPLIED], fetch=[fetched()])
    faked.step(mode="kubernetes", only="report,raw")

    assert faked.asked()[-1][-2:] == ["--only", "report,raw"]


@pytest.mark.parametrize(
    ("build", "given", "accepts"),
    [
        ({}, {}, []),
        ({"BRANCH_IS_PRIMARY": "true"}, {}, ["--accept-baseline", "main"]),
        ({"BRANCH_NAME": "main"}, {}, []),
        ({"BRANCH_IS_PRIMARY": "true"}, {"acceptBaseline": False}, []),
        ({}, {"acceptBaseline": True, "baseline": "v2"}, ["--accept-baseline", "v2"]),
    ],
)
@pytest.mark.parametrize("mode", ["kubernetes", "process"])
def test_who_joins_the_baseline(
    faked: Faked, mode: str, build: dict[str, str], given: dict[str, Any], accepts: list[str]
) -> None:
    """The primary branch, unless something else is said."""
    faked.answer(apply=[APPLIED], fetch=[fetched()])
    faked.agent.step(build, mode=mode, **given)

    assert [
        word for word in faked.asked()[0] if word in {"--accept-baseline", "main", "v2"}
    ] == accepts


@pytest.mark.parametrize(
    ("env", "mode"),
    [
        ({"KUBECONFIG": "/x"}, "kubernetes"),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "DOCKER_HOST": "unix:///x"}, "kubernetes"),
        ({"DOCKER_HOST": "unix:///x"}, "docker"),
    ],
)
def test_the_platform_is_found(faked: Faked, env: dict[str, str], mode: str) -> None:
    """A cluster before an engine; it is said which."""
    faked.agent.env.update(env)
    faked.answer(apply=[APPLIED], fetch=[fetched()])
    built = faked.step()

    assert built["returned"]["mode"] == mode
    assert f"profilingJob: job.yaml, {mode}" in built["log"]


def test_the_trace_of_the_build_is_passed_on(faked: Faked) -> None:
    """By the environment of the shell, where Jenkins' OpenTelemetry plugin puts it."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    faked.answer(apply=[APPLIED], fetch=[fetched()])
    faked.agent.step({"TRACEPARENT": trace}, mode="kubernetes")

    assert {one["traceparent"] for one in faked.told()} == {trace}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fielOn": 1}, "fielOn: no parameter; there are file, mode"),
        ({"mode": "podman"}, "mode: 'podman': must be kubernetes, docker or process"),
        ({"failOn": "always"}, "failOn: 'always': must be one of regression, failure, never"),
        ({"results": "../x"}, "results: '../x': must be a folder of the workspace"),
        ({"results": "/etc"}, "results: '/etc'"),
        ({"results": "a,**"}, "results: 'a,**'"),
        ({"timeout": "soon"}, "timeout: 'soon': must be a duration such as 90s, 30m or 2h"),
        ({"poll": "0s"}, "poll: '0s'"),
        ({"maxStashBytes": "5MB"}, "maxStashBytes: '5MB': must be a number of bytes"),
    ],
)
def test_bad_parameters_are_refused(faked: Faked, given: dict[str, Any], words: str) -> None:
    """By name, with what is allowed, before anything is called."""
    built = faked.step(**given)

    assert built["result"] == FAILURE
    assert words in built["message"]
    assert faked.asked() == []
