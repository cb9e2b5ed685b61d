"""The launcher's command line: what a plan's words stand for on a platform."""

from __future__ import annotations

import itertools

import pytest

from making import job
from profiling_operator import registry
from profiling_operator.collectors import Collector, Wrapper
from profiling_operator.launching import (
    Places,
    ToolPlace,
    launcher_words,
    playback_env,
    playback_words,
)
from profiling_operator.plan import build_plan

PLACES = Places("/work", "/opt/launch", {"pyspy": ToolPlace("/opt/pyspy")})


def test_the_application_s_words_come_last_and_unchanged() -> None:
    """Stand-ins are replaced in the wrapper's words only; `{run}` is left for the launcher."""
    app = {"command": ["./app"], "args": ["{run}", "{launcher}", "a b"], "workingDir": "/app"}

    words = launcher_words(build_plan(job(app=app)), PLACES)

    separator = words.index("--")
    count = int(words[separator - 1])
    wrapper, own = words[separator + 1 :][:count], words[separator + 1 :][count:]
    assert own == ["./app", "{run}", "{launcher}", "a b"]
    assert wrapper[0] == "/opt/pyspy/bin/py-spy"
    assert wrapper[-4:] == ["/opt/launch", "--record", "{run}/.app.json", "--"]
    assert "{run}/pyspy/profile.folded" in wrapper
    assert words[words.index("--chdir") + 1] == "/app"


def test_limits_and_stop_steps_reach_the_launcher() -> None:
    """What the spec says of time is on the launcher's command line."""
    planned = build_plan(
        job(timeoutSeconds=7, gracePeriodSeconds=3, onTimeout="Stop", warmups=2, repetitions=4)
    )
    words = launcher_words(planned, PLACES)
    said = dict(itertools.pairwise(words))

    assert (said["--timeout"], said["--grace"], said["--on-timeout"]) == ("7", "3", "stop")
    assert (said["--warmups"], said["--repetitions"]) == ("2", "4")
    assert said["--stop"] == "INT:tool:exit:5"
    assert said["--size-limit"] == str(int(0.8 * planned.size_limit))
    assert planned.longest_seconds >= 6 * (7 + 5 + 3)


def test_a_tool_that_was_brought_starts_through_its_own_loader() -> None:
    """The loader's words count as the wrapper's; those of tools that need none stay as they are."""
    own = ("/tools/lib/ld.so", "--library-path", "/tools/lib")
    places = Places("/work", "/opt/launch", {"pyspy": ToolPlace("/tools", own)})

    words = launcher_words(build_plan(job()), places)

    separator = words.index("--")
    count = int(words[separator - 1])
    assert words[separator + 1 : separator + 5] == [*own, "/tools/bin/py-spy"]
    assert words[separator + 1 :][count:] == ["true"]


def test_what_is_to_be_done_after_a_run_reaches_the_launcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Word by word, with its output's file and its limit, which counts as time to end."""
    pyspy: Collector = registry.load("collectors", "pyspy")
    after = Wrapper(
        ("x",), is_inner=True, after=("{tool}/a", "b c"), after_output="{run}/o", after_seconds=40
    )
    monkeypatch.setattr(type(pyspy), "wrap", lambda self, options: after)
    planned = build_plan(job())

    words = launcher_words(planned, PLACES)

    given = [value for name, value in itertools.pairwise(words) if name == "--after"]
    said = dict(itertools.pairwise(words))
    assert given == ["/opt/pyspy/a", "b c"]
    assert (said["--after-output"], said["--after-seconds"]) == ("{run}/o", "40")
    assert planned.stop_seconds >= 40


def test_a_playback_server_ends_whatever_happens() -> None:
    """Its launcher has a limit, longer than all that the application may take: a normal end."""
    planned = build_plan(job(playback={"port": 80, "readiness": {"timeoutSeconds": 7}}))

    words = playback_words(planned, "/opt/launch", "/work", ["serve", "--port", "80"])

    said = dict(itertools.pairwise(words))
    assert words[0] == "/opt/launch" and words[-4:] == ["--", "serve", "--port", "80"]
    assert (said["--workspace"], said["--on-timeout"]) == ("/work", "stop")
    assert float(said["--timeout"]) > planned.longest_seconds + 7


def test_the_server_is_found_by_variables() -> None:
    """Host, port and URL; nothing where there is no server."""
    planned = build_plan(job(playback={"port": 8080}))

    assert playback_env(planned, "here") == {
        "PLAYBACK_HOST": "here", "PLAYBACK_PORT": "8080", "PLAYBACK_URL": "http://here:8080",
    }  # fmt: skip
    assert playback_env(build_plan(job()), "here") == {}
