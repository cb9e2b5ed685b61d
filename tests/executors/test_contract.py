"""The executor contract: every executor passes this suite unchanged.

An executor brings `harness_NAME.py` beside this file: how an application is written for it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from making import SOURCE_ROOT, bare_plan, free_port
from profiling_operator import entries, processes, registry
from profiling_operator.errors import PlaybackError, Reason
from profiling_operator.executors import Executor, Observation, State
from profiling_operator.plan import Plan

HERE = Path(__file__).parent
PATIENCE = 60.0
APPEND = """
import os
with open(os.environ["PROFILING_OUTPUT"] + "/marker", "a") as file: file.write("x")
"""
SLEEP = "import time\nfor _ in range(600): time.sleep(0.1)\n"
SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"played back")
http.server.HTTPServer(("", {port}), Handler).serve_forever()
"""


def harness_of(name: str) -> Any:
    """The harness beside this file."""
    found = importlib.util.spec_from_file_location(name, HERE / f"harness_{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.HARNESS


HARNESSES = {name: harness_of(name) for name in registry.names("executors")}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.needs(*harness.needs)])
        for name, harness in HARNESSES.items()
    ]
)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An executor, its harness, and a way to start plans that are removed in the end."""
    monkeypatch.setenv("PROFJOB_STATE_DIR", str(tmp_path / "state"))
    place = Place(request.param)
    yield place
    for name in place.started:
        place.executor.remove(name)


class Place:
    """One executor with its harness."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.harness = HARNESSES[name]
        self.executor: Executor = registry.load("executors", name)
        self.started: list[str] = []

    def plan(self, code: str, *args: str, **changes: Any) -> Plan:
        """A plan of its own that runs Python code."""
        app = self.harness.app(code, *args, **changes.pop("app", {}))
        return bare_plan(uid=uuid.uuid4().hex, app=app, **changes)

    def start(self, plan: Plan) -> str:
        """Start it, and remove it in the end."""
        self.started.append(plan.name)
        return self.executor.start(plan)

    def until(self, attempt: str, holds: Callable[[Observation], bool]) -> Observation:
        """Wait until something is to be seen, or fail."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            seen = self.executor.observe(attempt)
            if holds(seen):
                return seen
            self.executor.wait(attempt, 0.1)
        raise AssertionError(f"never seen; last: {seen}")

    def ended(self, attempt: str) -> Observation:
        """Wait for the end."""
        return self.until(attempt, lambda seen: seen.state in {State.ENDED, State.LOST})

    def read(self, attempt: str, path: str) -> str:
        """A file of the ended attempt's workspace."""
        with self.executor.workspace(attempt) as root:
            return (root / path).read_text()


def test_a_plan_runs_to_its_end(place: Place) -> None:
    """An application that returns 0 is Completed, with its times and its output kept."""
    attempt = place.start(place.plan("print('hello')"))

    seen = place.ended(attempt)

    assert seen.state is State.ENDED
    assert seen.exit is not None and seen.exit.reason == Reason.COMPLETED
    assert seen.runs[0].exit_code == 0
    assert entries.epoch_nanoseconds(seen.runs[0].started_at) <= entries.epoch_nanoseconds(
        seen.runs[0].finished_at
    )
    assert place.read(attempt, "run-0/app.log") == "hello\n"


def test_the_machine_is_told(place: Place) -> None:
    """At least its processor: what else runs there is compared by that."""
    assert place.executor.machine().cpu


def test_starting_twice_is_starting_once(place: Place) -> None:
    """The second start of an attempt returns the same name and runs nothing, while and after."""
    plan = place.plan(APPEND + "import time; time.sleep(1)")
    first = place.start(plan)
    second = place.executor.start(plan)
    place.ended(first)
    third = place.executor.start(plan)

    seen = place.ended(third)

    assert first == second == third
    assert len(seen.runs) == 1
    assert place.read(first, "run-0/marker") == "x"


def test_warmups_and_repetitions_are_runs_of_one_attempt(place: Place) -> None:
    """Warm-ups come first and are marked; each run has a folder of its own."""
    attempt = place.start(place.plan(APPEND, warmups=1, repetitions=2))

    seen = place.ended(attempt)

    assert [(run.index, run.warmup) for run in seen.runs] == [(0, True), (1, False), (2, False)]
    assert [place.read(attempt, f"run-{index}/marker") for index in range(3)] == ["x", "x", "x"]


def test_an_exit_code_is_told(place: Place) -> None:
    """An application that returns 3 is AppFailed with exit code 3."""
    seen = place.ended(place.start(place.plan("raise SystemExit(3)")))

    assert seen.exit is not None
    assert (seen.exit.reason, seen.exit.exit_code) == (Reason.APP_FAILED, 3)


def test_words_are_passed_on_unchanged(place: Place) -> None:
    """Blanks, quotes, newlines, empty words, dollars and braces arrive as they were written."""
    words = ["a b", "'\"`", "", "line\nbreak", "$HOME $(x)", "{run}", "--", "ü 😀", "-c"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"

    attempt = place.start(place.plan(code, *words))

    place.ended(attempt)
    assert json.loads(place.read(attempt, "run-0/app.log")) == words


def test_variables_reach_the_application(place: Place) -> None:
    """`app.env` is set."""
    env = [{"name": "GREETING", "value": "good day"}]
    attempt = place.start(place.plan("import os; print(os.environ['GREETING'])", app={"env": env}))

    place.ended(attempt)

    assert place.read(attempt, "run-0/app.log") == "good day\n"


def test_a_timeout_ends_the_application(place: Place) -> None:
    """Reaching timeoutSeconds with onTimeout Fail is AppTimedOut."""
    attempt = place.start(place.plan(SLEEP, timeoutSeconds=1, gracePeriodSeconds=1))

    seen = place.ended(attempt)

    assert seen.exit is not None
    assert (seen.exit.reason, seen.exit.timed_out) == (Reason.APP_TIMED_OUT, True)


def test_a_timeout_may_be_the_normal_end(place: Place) -> None:
    """Reaching it with onTimeout Stop is Completed, and says that it was reached."""
    attempt = place.start(
        place.plan(SLEEP, timeoutSeconds=1, gracePeriodSeconds=1, onTimeout="Stop", repetitions=2)
    )

    seen = place.ended(attempt)

    assert seen.exit is not None and seen.exit.reason == Reason.COMPLETED
    assert [run.timed_out for run in seen.runs] == [True, True]


def test_a_stop_is_obeyed_and_its_first_reason_kept(place: Place) -> None:
    """Stopping twice is stopping once, and stopping what is gone does nothing."""
    attempt = place.start(place.plan(SLEEP))
    place.until(attempt, lambda seen: seen.state is State.RUNNING)

    place.executor.stop(attempt, Reason.CANCELLED, "enough")
    place.executor.stop(attempt, Reason.OUTPUT_TOO_LARGE, "more than enough")

    seen = place.ended(attempt)
    assert seen.exit is not None
    assert (seen.exit.reason, seen.exit.message) == (Reason.CANCELLED, "enough")
    place.executor.stop(attempt, Reason.CANCELLED)
    place.executor.stop("never-was-0", Reason.CANCELLED)


def test_an_attempt_that_never_was_is_lost(place: Place) -> None:
    """Observing, waiting for and removing it raise nothing."""
    seen = place.executor.observe("never-was-0")

    assert seen.state is State.LOST
    assert place.executor.wait("never-was-0", 0.1).state is State.LOST
    place.executor.remove("never-was-0")


def test_a_removed_attempt_is_lost_and_leaves_nothing(place: Place) -> None:
    """Removing ends what runs, daemons included; removing again is the same."""
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\n"
    attempt = place.start(place.plan(daemon + SLEEP))
    place.until(attempt, lambda seen: seen.state is State.RUNNING)
    assert attempt in place.executor.attempts()

    place.executor.remove(attempt)
    place.executor.remove(attempt)

    assert place.executor.observe(attempt).state is State.LOST
    assert attempt not in place.executor.attempts()
    assert list(processes.carrying(attempt)) == []


def test_a_killed_launcher_is_a_lost_attempt(place: Place) -> None:
    """It is noticed at once, and what the launcher left running is ended by removing."""
    attempt = place.start(place.plan(SLEEP))
    place.until(attempt, lambda seen: seen.state is State.RUNNING)

    place.harness.kill_launcher(attempt)

    assert place.executor.wait(attempt, PATIENCE).state is State.LOST
    place.executor.remove(attempt)
    assert list(processes.carrying(attempt)) == []


ADOPTED = """
import os, signal, sys
from profiling_operator import registry
from profiling_operator.plan import Plan
executor = registry.load("executors", sys.argv[1])
executor.start(Plan.model_validate_json(sys.stdin.read()))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_attempt_outlives_who_started_it_and_is_adopted(place: Place) -> None:
    """After a crash of `profjob`, another one sees it run, starts nothing, and collects."""
    plan = place.plan(APPEND + "import time; time.sleep(1.5)")
    place.started.append(plan.name)
    crashed = subprocess.run(
        [sys.executable, "-c", ADOPTED, place.name],
        input=plan.model_dump_json(),
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE_ROOT},
        check=False,
    )
    assert crashed.returncode == -signal.SIGKILL

    assert plan.name in place.executor.attempts()
    assert place.executor.start(plan) == plan.name
    seen = place.ended(plan.name)

    assert seen.exit is not None and seen.exit.reason == Reason.COMPLETED
    assert place.read(plan.name, "run-0/marker") == "x"


def test_a_missing_command_cannot_start(place: Place) -> None:
    """The reason is CannotStart, and the message names the command."""
    plan = place.plan("")
    app = plan.app.model_copy(update={"command": ("/no/such/program",), "args": ()})
    attempt = place.start(plan.model_copy(update={"app": app}))

    seen = place.ended(attempt)

    assert seen.exit is not None and seen.exit.reason == Reason.CANNOT_START
    assert "/no/such/program" in seen.exit.message


def test_output_beyond_the_limit_stops_the_application(place: Place) -> None:
    """At 80 % of output.sizeLimit it is stopped, and what was written stays."""
    code = """
import os, time
with open(os.environ["PROFILING_OUTPUT"] + "/big", "wb") as file:
    for _ in range(64):
        file.write(os.urandom(1 << 20)); file.flush()
time.sleep(600)
"""
    attempt = place.start(place.plan(code, output={"sizeLimit": "32Mi"}))

    seen = place.ended(attempt)

    assert seen.exit is not None and seen.exit.reason == Reason.OUTPUT_TOO_LARGE
    with place.executor.workspace(attempt) as root:
        assert (root / "run-0" / "big").stat().st_size > 1 << 20


@pytest.fixture
def port() -> Iterator[int]:
    """A port for a playback server; nobody may listen there when the test is over."""
    port = free_port()
    yield port


def test_a_playback_server_is_there_for_the_application(place: Place, port: int) -> None:
    """It is ready before the application starts, found by PLAYBACK_URL, and ended after it."""
    code = "import os, urllib.request as r; print(r.urlopen(os.environ['PLAYBACK_URL']).read())"
    server = place.harness.playback(SERVER.format(port=port), port, httpGet="/", timeoutSeconds=30)
    attempt = place.start(place.plan(code, playback=server))

    seen = place.ended(attempt)

    assert seen.exit is not None and seen.exit.reason == Reason.COMPLETED
    assert place.read(attempt, "run-0/app.log") == "b'played back'\n"
    place.executor.remove(attempt)
    assert list(processes.carrying(attempt)) == []


def test_a_playback_server_that_never_gets_ready_is_told(place: Place, port: int) -> None:
    """The application is not started; nothing stays."""
    server = place.harness.playback(SLEEP, port, timeoutSeconds=1)
    plan = place.plan(APPEND, playback=server)

    with pytest.raises(PlaybackError, match=str(port)):
        place.start(plan)

    place.executor.remove(plan.name)
    assert list(processes.carrying(plan.name)) == []


def test_a_playback_server_that_dies_is_told_with_its_last_words(place: Place, port: int) -> None:
    """Nobody waits for a server that has ended."""
    server = place.harness.playback("raise SystemExit('no disk')", port, timeoutSeconds=300)

    with pytest.raises(PlaybackError, match="no disk"):
        place.start(place.plan(APPEND, playback=server))


def test_a_playback_server_that_ends_early_is_why_the_application_failed(
    place: Place, port: int
) -> None:
    """An application that fails after its server has gone is PlaybackFailed, not AppFailed."""
    short = f"""
import socket, time
server = socket.create_server(("", {port}))
server.accept(); time.sleep(1)
"""
    server = place.harness.playback(short, port, timeoutSeconds=30)
    code = "import time; time.sleep(3); raise SystemExit(1)"
    attempt = place.start(place.plan(code, playback=server))

    assert place.ended(attempt).reason is Reason.PLAYBACK_FAILED


def test_what_cannot_be_served_is_refused_by_field(place: Place) -> None:
    """Every executor refuses GPUs that the machine does not have, naming the field."""
    plan = place.plan("", gpu={"count": 64})

    problems = place.executor.check(plan)

    assert [problem.where for problem in problems] == ["spec.gpu.count"]


def test_every_executor_says_what_fields_mean_there(place: Place) -> None:
    """The reference is generated from it."""
    assert place.executor.fields
    assert all(path.startswith("spec.") and said for path, said in place.executor.fields.items())
