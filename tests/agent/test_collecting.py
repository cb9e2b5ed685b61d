"""Collecting ended attempts in children: real launchers, real children, stores that work or not."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pod_side import SAVES, FakeServer, PodSide, serving, wait_for
from profiling_operator import reporting, upload
from profiling_operator.agent import collecting
from profiling_operator.agent.collecting import Collecting, LastWords
from profiling_operator.errors import ExecutorError, WorkspaceGoneError
from profiling_operator.machines import Machine
from profiling_operator.observation import Observation, State
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report
from profiling_operator.settings import AgentSettings, Settings, StoreSettings

KEY = "ci/test/uid-1/1"
CONTAINER = "c0ffee"
SEEN = Observation(State.ENDED, image="a@sha256:1", device="GPU-1")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """What an application left."""
    side = PodSide(tmp_path)
    yield side
    side.end()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A results server."""
    with serving() as state:
        yield state


class Host:
    """An agent's half of it."""

    def __init__(self, pod: PodSide, url: str = "", **agent: Any) -> None:
        self.pod = pod
        self.state = pod.folder / "state"
        known = Settings(
            stores={"default": StoreSettings(url=url or (pod.folder / "store").as_uri())},
            agent=AgentSettings(**agent),
        )
        self.collecting = Collecting(known, self.state, "host-1", lambda: "secret-token")

    def copy(self) -> AbstractContextManager[Path]:
        """The workspace itself."""
        return nullcontext(self.pod.where.workspace)

    def run(self, planned: Plan, **given: Any) -> LastWords:
        """Collect."""
        return self.collecting.run(planned, CONTAINER, given.pop("copy", self.copy), **given)

    def pretend(self, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        """Let the child be a program of ours."""
        words = [sys.executable, "-c", script]
        monkeypatch.setattr(collecting, "_words", lambda folder, root: [*words, str(folder)])


def ended(pod: PodSide, script: str = SAVES, **changes: Any) -> Plan:
    """The plan of an attempt that has ended."""
    planned = pod.assign(script, **changes)
    pod.launched(planned)
    return planned


def stored(pod: PodSide) -> dict[str, bytes]:
    """The result folder in the store that is a folder."""
    root = pod.folder / "store" / KEY
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def report_in(files: dict[str, bytes]) -> Report:
    """The report of a result folder, whose files are what it says they are."""
    report = reporting.from_json(files["report.json"])
    assert report is not None
    assert report.collected.results is not None
    listed = {one.path: one.sha256 for one in report.collected.results.files}
    told = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    assert listed == {path: one for path, one in told.items() if path != "report.json"}
    return report


def essence(said: LastWords) -> Report:
    """What last words tell."""
    report = reporting.from_essence(said.message, "ci/test", "uid-1")
    assert report is not None
    assert report.pod_uid == CONTAINER
    return report


def test_what_an_attempt_left_is_saved_and_told(pod: PodSide) -> None:
    """As a pod's uploader does it: container, host, image and GPU are in the files."""
    host = Host(pod)

    said = host.run(ended(pod), seen=SEEN, machine=Machine(cpu="theirs"))

    files = stored(pod)
    report = report_in(files)
    assert (said.exit_code, report.pod_uid, report.attempt) == (0, CONTAINER, 1)
    assert datetime.fromisoformat(said.finished_at).microsecond == 0
    assert said.finished_at.endswith("Z")
    metadata = json.loads(files["metadata.json"])
    assert (metadata["node"], metadata["image"], metadata["device"]) == (
        "host-1", SEEN.image, SEEN.device,
    )  # fmt: skip
    assert json.loads(files["summary.json"])["machine"]["cpu"] == "theirs"
    assert essence(said).exit == report.exit
    assert essence(said).collected.results is not None


def test_a_failed_application_is_collected_as_well(pod: PodSide) -> None:
    """Its outcome is no outcome of collecting."""
    said = Host(pod).run(ended(pod, f"{SAVES}\nexit 3"))

    assert said.exit_code == 0
    ending = essence(said).exit
    assert ending is not None
    assert (ending.reason, ending.exit_code) == ("AppFailed", 3)


def test_what_ended_long_ago_has_all_the_time(pod: PodSide) -> None:
    """The agent was not there; collectSeconds begin when it is."""
    planned = ended(pod)
    record = pod.where.workspace / ".run" / "exit.json"
    told = json.loads(record.read_text())
    record.unlink()
    record.write_text(json.dumps({**told, "finished_at": "1999-01-01T00:00:00.000000001Z"}))

    assert Host(pod).run(planned).exit_code == 0
    assert report_in(stored(pod))


def test_done_twice_it_is_done_once(pod: PodSide) -> None:
    """The store does not change, the words are the same."""
    host, planned = Host(pod), ended(pod)
    first = host.run(planned)
    before = stored(pod)

    second = host.run(planned)

    assert stored(pod) == before
    assert (second.exit_code, second.message) == (first.exit_code, first.message)


AGENT = """
import sys
from contextlib import nullcontext
from pathlib import Path
from profiling_operator.agent.collecting import Collecting
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings, StoreSettings
folder, url = Path(sys.argv[1]), sys.argv[2]
known = Settings(stores={"default": StoreSettings(url=url)})
plan = Plan.model_validate_json((folder / "plan.json").read_text())
made = Collecting(known, folder / "state", "host-1", lambda: "secret-token")
made.run(plan, "c0ffee", lambda: nullcontext(folder / "workspace"))
"""


@pytest.mark.parametrize("child_dies", [True, False], ids=["both", "agent"])
def test_an_agent_that_is_killed_in_the_middle_loses_nothing(
    pod: PodSide, server: FakeServer, child_dies: bool
) -> None:
    """The next one sends the same bytes, none of them twice, though the workspace is gone."""
    planned = ended(pod)
    (pod.folder / "plan.json").write_text(planned.model_dump_json())
    server.stuck_after = 3
    words = [sys.executable, "-c", AGENT, str(pod.folder), server.url]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as agent:
        wait_for(lambda: len(server.puts) == 3)
        agent.kill()
    if child_dies:
        os.killpg(int((pod.folder / "state" / planned.name / "lock").read_text()), signal.SIGKILL)
    before = dict(server.files)
    assert len(before) == 2
    server.gate.set()

    said = Host(pod, server.url).run(planned, copy=gone)

    assert said.exit_code == 0
    prefix = f"/v1/results/{KEY}/"
    report_in({path.removeprefix(prefix): one for path, one in server.files.items()})
    assert all(server.files[path] == content for path, content in before.items())
    assert all(server.puts.count(path) == 1 for path in before)
    assert server.tokens == {"Bearer secret-token"}


@contextmanager
def gone() -> Iterator[Path]:
    """A workspace of which nothing is left."""
    raise WorkspaceGoneError("the workspace of attempt x is gone")
    yield


@contextmanager
def unreachable() -> Iterator[Path]:
    """An engine that does not answer."""
    raise ExecutorError("no answer")
    yield


def test_a_workspace_that_is_gone_is_told(pod: PodSide) -> None:
    """There is nothing to save, and nothing to be told of the application."""
    said = Host(pod).run(pod.assign(), copy=gone)

    assert (said.exit_code, said.message) == (1, "the workspace of attempt x is gone")


def test_an_engine_that_does_not_answer_is_no_outcome(pod: PodSide) -> None:
    """It may answer the next time."""
    host, planned = Host(pod), ended(pod)

    with pytest.raises(ExecutorError, match="no answer"):
        host.run(planned, copy=unreachable)

    assert host.run(planned).exit_code == 0


def test_a_store_that_the_settings_do_not_name_is_told(pod: PodSide) -> None:
    """They may have changed since."""
    said = Host(pod).run(pod.assign().model_copy(update={"output": _output("elsewhere")}))

    assert said == LastWords(1, "the settings name no store 'elsewhere'", said.finished_at)


def _output(store: str) -> Any:
    from profiling_operator.spec.job import Output

    return Output(store=store)


def test_an_application_without_an_outcome_is_told(pod: PodSide) -> None:
    """Its container was killed, launcher and all: what it wrote is saved nevertheless."""
    process = pod.launch(planned := pod.assign(f"{SAVES}\nsleep 60"))
    wait_for((pod.where.workspace / "run-0" / "pyspy" / "profile.folded").exists)
    process.kill()
    process.wait()

    said = Host(pod).run(planned)

    assert (said.exit_code, essence(said).exit) == (0, None)
    assert essence(said).message == "the launcher ended without leaving an outcome"
    assert "raw/run-0/pyspy/profile.folded" in stored(pod)


def test_one_that_never_started_has_no_results(pod: PodSide) -> None:
    """Which is told at once."""
    said = Host(pod).run(pod.assign())

    assert said.exit_code == 1
    assert essence(said).message == "the launcher left no word of a start"
    assert stored(pod) == {}


@pytest.mark.parametrize(
    ("script", "code", "why"),
    [
        ("import os; os.kill(os.getpid(), 9)", 137, "collecting was ended by SIGKILL; its memory"),
        ("raise SystemExit('oh no')", 1, "collecting ended with exit code 1: oh no"),
        ("bytearray(1 << 30)", 1, "MemoryError"),
    ],
    ids=["killed", "failed", "memory"],
)
def test_a_child_that_fails_does_not_cost_the_applications_outcome(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch, script: str, code: int, why: str
) -> None:
    """The results are lost, which is told with the reason."""
    host, planned = Host(pod, collection_memory="512Mi"), ended(pod, f"{SAVES}\nexit 3")
    host.pretend(monkeypatch, script)

    said = host.run(planned)

    told = essence(said)
    assert said.exit_code == code
    assert why in told.collected.lost
    assert told.collected.results is None
    assert told.exit is not None
    assert told.exit.exit_code == 3


def test_a_child_that_hangs_is_killed(pod: PodSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it started; the message says what the limit was."""
    monkeypatch.setattr(collecting, "MARGIN_SECONDS", 0.0)
    planned = ended(pod, deadlines={"collectSeconds": 1})
    host = Host(pod)
    host.pretend(monkeypatch, "import signal; signal.pause()")

    said = host.run(planned)

    assert said.exit_code == 137
    assert "within collectSeconds, 1 s" in essence(said).collected.lost


SHOWS = """
import json, os, sys
from pathlib import Path
folder = Path(sys.argv[1])
print(json.dumps([dict(os.environ), (folder / "token").stat().st_mode,
                  (folder / "token").read_text(), os.getsid(0) == os.getpid()]))
"""


def test_a_child_has_the_variables_that_it_needs(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's address, settings and secrets of the agent are not among them."""
    for name in ("DOCKER_HOST", "KUBECONFIG", "PROFJOB_X", "AWS_SECRET_ACCESS_KEY", "https_proxy"):
        monkeypatch.setenv(name, "given")
    host, planned = Host(pod), ended(pod)
    host.pretend(monkeypatch, SHOWS)

    host.run(planned)

    env, mode, token, is_alone = json.loads((host.state / planned.name / "log").read_text())
    assert {"DOCKER_HOST", "KUBECONFIG", "PROFJOB_X"}.isdisjoint(env)
    assert {"PATH", "AWS_SECRET_ACCESS_KEY"} <= set(env)
    assert env["TMPDIR"] == str(host.state / planned.name / "scratch")
    assert (env["POD_UID"], env["https_proxy"]) == (CONTAINER, "given")
    assert (stat.S_IMODE(mode), token, is_alone) == (0o600, "secret-token", True)


def test_the_token_is_not_kept(pod: PodSide) -> None:
    """Nor is it in anything else."""
    host = Host(pod)
    host.run(ended(pod))

    kept = [path for path in host.state.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"secret-token" in path.read_bytes()]


def test_a_token_is_renewed_meanwhile(pod: PodSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of service accounts last an hour."""
    monkeypatch.setattr(collecting, "TOKEN_SECONDS", 0.01)
    host, planned = Host(pod), ended(pod)
    tokens = iter(range(10_000))
    host.collecting._token = lambda: str(next(tokens))
    host.pretend(monkeypatch, """
import sys, time
from pathlib import Path
while Path(sys.argv[1], "token").read_text() == "0":
    time.sleep(0.01)
""")  # fmt: skip

    assert "exit code 0" in essence(host.run(planned)).collected.lost


def test_closing_ends_the_child_and_is_no_outcome(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent ends; the next one goes on."""
    host, planned = Host(pod), ended(pod)
    host.pretend(monkeypatch, "import signal; print('there', flush=True); signal.pause()")
    raised: list[BaseException] = []

    def go() -> None:
        try:
            host.run(planned)
        except ExecutorError as error:
            raised.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    log = host.state / planned.name / "log"
    wait_for(lambda: log.exists() and log.read_text())

    host.collecting.close()

    thread.join(60)
    assert [str(one) for one in raised] == ["the agent ends"]
    with pytest.raises(ExecutorError, match="the agent ends"):
        host.run(planned)


def test_attempts_are_kept_until_they_are_forgotten(pod: PodSide) -> None:
    """A sweep finds them."""
    host = Host(pod)
    assert host.collecting.attempts() == []
    planned = ended(pod)
    host.run(planned)
    assert host.collecting.attempts() == [planned.name]
    assert (host.state / planned.name / "scratch" / upload.KEPT).exists()

    host.collecting.forget(planned.name)
    host.collecting.forget(planned.name)

    assert host.collecting.attempts() == []
