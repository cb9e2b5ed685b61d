"""What only the process executor has; what all have is in test_contract.py."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from making import SOURCE_ROOT, bare_plan, job
from profiling_operator import workspace
from profiling_operator.errors import PlaybackError, ToolchainError
from profiling_operator.executors import State
from profiling_operator.executors.process import Process
from profiling_operator.plan import Plan, build_plan


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """An executor whose attempts are removed in the end."""
    monkeypatch.setenv("PROFJOB_STATE_DIR", str(tmp_path / "state"))
    executor = Process()
    yield executor
    for attempt in executor.attempts():
        executor.remove(attempt)


def plan(command: list[str], folder: Path | str = "", **changes: Any) -> Plan:
    """A plan of its own."""
    app = {"command": command, **changes.pop("app", {})}
    planned = bare_plan(uid=uuid.uuid4().hex, app=app, **changes)
    return planned.model_copy(update={"folder": str(folder)})


def output(process: Process, planned: Plan) -> str:
    """What the application printed."""
    process.start(planned)
    process.wait(planned.name, 60)
    with process.workspace(planned.name) as root:
        return (root / "run-0" / "app.log").read_text()


def test_the_job_s_folder_is_where_it_runs(process: Process, tmp_path: Path) -> None:
    """A relative working directory is below it."""
    (tmp_path / "sub").mkdir()

    assert output(process, plan(["pwd"], tmp_path)) == f"{tmp_path}\n"
    inside = plan(["pwd"], tmp_path, app={"workingDir": "sub"})
    assert output(process, inside) == f"{tmp_path}/sub\n"


def test_the_run_s_folder_is_the_output_folder(process: Process) -> None:
    """$PROFILING_OUTPUT is there, writable and the run's own."""
    planned = plan(["sh", "-c", 'cd "$PROFILING_OUTPUT" && basename "$PWD" && touch x'])

    assert output(process, planned) == "run-0\n"


def test_limits_reach_the_application(process: Process) -> None:
    """`ulimit -d` is the memory limit."""
    limits = {"limits": {"memory": "64Mi", "cpu": "1"}}

    assert output(process, plan(["sh", "-c", "ulimit -d"], app={"resources": limits})) == "65536\n"


@pytest.mark.parametrize(("changes", "field"), [
    ({"app": {"command": []}}, "spec.app.command"),
    ({"app": {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}},
     "spec.app.env"),
    ({"app": {"volumes": [{"name": "v", "mountPath": "/v", "emptyDir": {}}]}}, "spec.app.volumes"),
    ({"placement": {"host": "elsewhere"}}, "spec.placement.host"),
    ({"playback": {"port": 80}}, "spec.playback.command"),
])  # fmt: skip
def test_what_it_cannot_do_is_refused_by_name(
    process: Process, changes: dict[str, Any], field: str
) -> None:
    """And nothing else is."""
    assert process.check(plan(["x"])) == []

    assert [one.where for one in process.check(plan(["x"], **changes))] == [field]


def test_nothing_is_attached(process: Process) -> None:
    """Nothing stands beside the application."""
    collectors = [{"name": "perf"}, {"name": "pyspy", "mode": "attach"}]

    (problem,) = process.check(build_plan(job(collectors=collectors)))

    assert problem.where == "spec.collectors[1].mode"
    assert '"attach" must be wrap' in problem.message


def test_a_port_in_use_is_not_taken_for_the_server(process: Process) -> None:
    """Whoever listens there is not the playback server."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        planned = plan(["true"], playback={"port": port, "command": ["sleep", "60"]})

        with pytest.raises(PlaybackError, match=f"{port} is in use"):
            process.start(planned)


def test_a_missing_toolchain_is_told_before_anything_starts(
    process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The playback server neither."""

    monkeypatch.setenv("PROFJOB_TOOLCHAINS__PYSPY__PATH", str(tmp_path / "nothing"))
    planned = build_plan(job(uid="u", playback={"port": 1, "command": ["sleep", "60"]}))

    with pytest.raises(ToolchainError, match="nothing"):
        process.start(planned)

    assert process.observe(planned.name).state is State.LOST


def test_what_nobody_collected_is_swept_after_a_day(process: Process, tmp_path: Path) -> None:
    """Only what has ended; a running attempt stays however old it is."""
    done, running = plan(["true"]), plan(["sleep", "60"])
    for one in (done, running):
        process.start(one)
    process.wait(done.name, 60)
    long_ago = time.time() - 2 * 86400
    for one in (done, running):
        folder = tmp_path / "state" / one.name
        os.utime(folder, (long_ago, long_ago))
        assert one.name in process.attempts()
        os.utime(folder / "workspace" / ".run", (long_ago, long_ago))

    assert process.attempts() == [running.name]
    assert not (tmp_path / "state" / done.name).exists()


def test_a_removed_attempt_leaves_no_zombie(process: Process) -> None:
    """The launcher and the playback server's are children of ours, and are taken leave of."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = f"import socket, time; s = socket.create_server(('', {port})); time.sleep(60)"
    planned = plan(["true"], playback={"port": port, "command": ["python3", "-c", server]})
    process.start(planned)
    started = [process.observe(planned.name).started]
    with process.workspace(planned.name) as root:
        started.append(workspace.read_started(root.parent / "playback"))

    process.remove(planned.name)

    pids = [one.pid for one in started if one is not None]
    assert len(pids) == 2
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_without_a_sign_of_life_the_launcher_itself_is_waited_for(process: Process) -> None:
    """An application that removes it gains nothing: no busy waiting, and the end is seen."""
    code = 'rm "$PROFILING_OUTPUT/../.run/alive"; sleep 2'
    planned = plan(["sh", "-c", code])
    process.start(planned)
    busy = time.process_time()

    seen = process.wait(planned.name, 60)

    assert seen.state is State.LOST
    assert time.process_time() - busy < 1


HALF = """
import os, signal, sys
from profiling_operator.executors.process import Process
from profiling_operator.plan import Plan
signal.alarm(2)
Process().start(Plan.model_validate_json(sys.stdin.read()))
"""


def test_what_died_while_starting_is_started_anew(process: Process, tmp_path: Path) -> None:
    """The playback server that it left does not keep the port, nor count as somebody else's."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = (
        "import http.server, os, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if os.path.exists(sys.argv[1]) else 503)\n"
        "        self.end_headers()\n"
        f"http.server.HTTPServer(('', {port}), H).serve_forever()\n"
    )
    planned = plan(
        ["echo", "ran"],
        playback={
            "port": port,
            "command": ["python3", "-c", server, str(tmp_path / "ready")],
            "readiness": {"httpGet": "/", "timeoutSeconds": 60},
        },
    )
    died = subprocess.run(
        [sys.executable, "-c", HALF],
        input=planned.model_dump_json(),
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCE_ROOT},
        check=False,
    )
    assert died.returncode == -signal.SIGALRM
    (tmp_path / "ready").touch()

    assert output(process, planned) == "ran\n"
