"""`profjob run`, from the job's file to the result folder, with a real profiler."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from making import BUSY, Run, python
from profiling_operator import entries
from profiling_operator.store import checksum

JobFile = Callable[..., str]
ENDLESS = BUSY.replace("range(40)", "iter(int, 1)")


def status_of(folder: Path) -> dict[str, Any]:
    """The status in a result folder."""
    body: dict[str, Any] = json.loads((folder / "status.json").read_text())
    found: dict[str, Any] = body["status"]
    return found


def reason_of(folder: Path) -> str:
    """Why the job ended."""
    conditions = {one["type"]: one for one in status_of(folder)["conditions"]}
    return str(conditions["Finished"]["reason"])


def processes_with(text: str) -> list[str]:
    """Command lines of processes that contain a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found


def test_a_job_leaves_valid_entries_and_a_headline(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """Exit code 0; the headline names the hot function; every line fits the schema."""
    done = profjob("run", job_file(app=python(BUSY), repetitions=2))

    assert done.returncode == 0, done.stderr
    assert "Succeeded" in done.stdout and "hot" in done.stdout
    folder = tmp_path / "profiling_output"
    status = status_of(folder)
    assert status["phase"] == "Succeeded"
    assert "%" in status["headline"]
    validator = jsonschema.Draft202012Validator(entries.schema())
    with gzip.open(folder / "entries.jsonl.gz") as lines:
        bodies = [json.loads(line) for line in lines]
    for body in bodies:
        validator.validate(body)
    assert {body["run"] for body in bodies} == {0, 1}
    assert any(body["name"] == "hot" for body in bodies)
    for file in status["results"]["files"]:
        assert checksum(folder / file["path"]) == file["sha256"]


@pytest.mark.parametrize("form", ["raw", "speedscope"])
def test_children_and_threads_are_measured(
    profjob: Run, job_file: JobFile, tmp_path: Path, form: str
) -> None:
    """A child process and its thread are told apart from their parent, in both formats.

    By their numbers: py-spy learns a thread's name only now and then, so a short one may have none.
    """
    child = f"import threading\ndef work():\n{textwrap.indent(BUSY, '    ')}\n"
    child += "thread = threading.Thread(target=work, name='the thread')\nthread.start()\n"
    parent = f"{BUSY}\nimport subprocess\nsubprocess.run(['python3', '-c', {child!r}], check=True)"
    collectors = [{"name": "pyspy", "options": {"format": form, "rate": 200}}]

    done = profjob("run", job_file(app=python(parent), collectors=collectors))

    assert done.returncode == 0, done.stderr
    found = list(entries.load(tmp_path / "profiling_output" / "entries.jsonl.gz"))
    hot = [one for one in found if one.name.endswith("hot") and one.additive]
    assert len({one.process for one in hot}) == 2
    assert {one.thread == one.process for one in hot} == {True, False}


def test_json_on_stdout_is_the_resource(profjob: Run, job_file: JobFile, tmp_path: Path) -> None:
    """`-o json` prints what status.json holds, and progress stays on stderr."""
    done = profjob("run", job_file(app=python(BUSY)), "-o", "json")

    assert json.loads(done.stdout) == json.loads(
        (tmp_path / "profiling_output" / "status.json").read_text()
    )
    assert "ci/test: Running, run 1 of 1" in done.stderr.splitlines()


def test_quiet_says_nothing_and_name_names(profjob: Run, job_file: JobFile) -> None:
    """`-q -o name` is for scripts."""
    done = profjob("run", job_file(app=python(BUSY)), "-q", "-o", "name")

    assert (done.stdout, done.stderr) == ("profilingjob.profiling.dev/test\n", "")


@pytest.mark.parametrize(("limit", "code", "verdict", "holds"), [
    ("1ms", 1, "Failed", "False"), ("1h", 0, "Passed", "True"),
])  # fmt: skip
def test_a_gate_decides_the_exit_code(
    profjob: Run, job_file: JobFile, tmp_path: Path, limit: str, code: int, verdict: str, holds: str
) -> None:
    """The job is complete either way, and what Jenkins reads lies beside the results."""
    gates = [{"measure": "timer:hot/inclusive", "max": limit}]

    done = profjob("run", job_file(app=python(BUSY), gates=gates))

    assert done.returncode == code, done.stderr
    folder = tmp_path / "profiling_output"
    status = status_of(folder)
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert (conditions["Complete"], conditions["GatesPassed"]) == ("True", holds)
    assert [one["verdict"] for one in status["gates"]] == [verdict]
    assert status["results"]["summary"][0]["measure"] == "timer:hot/inclusive"
    assert "junit.xml" in {one["path"] for one in status["results"]["files"]}
    assert "timer:hot/inclusive median" in (folder / "junit.xml").read_text()


def test_a_gate_of_a_failed_job_changes_nothing(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """The job's failure is what the exit code says."""
    gates = [{"measure": "app/duration", "max": "1ms"}]

    done = profjob("run", job_file(app=python(f"{BUSY}\nraise SystemExit(7)"), gates=gates))

    assert done.returncode == 3, done.stderr
    (verdict,) = status_of(tmp_path / "profiling_output")["gates"]
    assert verdict["verdict"] == "Skipped"


@pytest.mark.parametrize(("on_timeout", "code", "reason"), [
    ("Fail", 3, "AppTimedOut"), ("Stop", 0, "Completed"),
])  # fmt: skip
def test_an_endless_program_leaves_a_usable_profile(
    profjob: Run, job_file: JobFile, tmp_path: Path, on_timeout: str, code: int, reason: str
) -> None:
    """At the limit the profile is written; whether that is a failure is the job's to say."""
    file = job_file(app=python(ENDLESS), timeoutSeconds=3, onTimeout=on_timeout)

    done = profjob("run", file)

    assert done.returncode == code, done.stderr
    folder = tmp_path / "profiling_output"
    assert reason_of(folder) == reason
    conditions = {one["type"]: one["status"] for one in status_of(folder)["conditions"]}
    assert conditions["ProfileUsable"] == "True"
    assert "hot" in status_of(folder)["headline"]
    assert status_of(folder)["runs"][0]["app"]["timedOut"]


def test_a_failed_application_is_told_with_its_exit_code(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """py-spy returns 0 whatever it was; the launcher inside knows."""
    done = profjob("run", job_file(app=python(f"{BUSY}\nraise SystemExit(7)")))

    assert done.returncode == 3
    run = status_of(tmp_path / "profiling_output")["runs"][0]
    assert (run["app"]["reason"], run["app"]["exitCode"]) == ("AppFailed", 7)
    assert run["collectors"][0]["usable"]


def test_a_program_without_python_measures_nothing(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """Exit code 6, never Succeeded, and the application still ran to its end."""
    app = {"command": ["sh", "-c", "sleep 1; echo done"]}

    done = profjob("run", job_file(app=app))

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (6, "NothingMeasured")
    assert status_of(folder)["runs"][0]["app"]["exitCode"] == 0
    assert "done\n" in (folder / "run-0" / "app.log").read_text()


def test_ctrl_c_cancels_and_keeps_the_profile(
    env: dict[str, str], job_file: JobFile, tmp_path: Path
) -> None:
    """The status is Cancelled, the profile is there, and no process is left."""
    mark = f"mark_{os.getpid()}_{time.monotonic_ns()}"
    file = job_file(app=python(f"{mark} = 1\n{ENDLESS}"))
    process = subprocess.Popen(
        [sys.executable, "-m", "profiling_operator", "run", file],
        cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "Running" in line:
            break
    _await(lambda: bool(processes_with(mark)))
    time.sleep(2)  # long enough to be sampled
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    folder = tmp_path / "profiling_output"
    assert process.returncode == 3
    assert reason_of(folder) == "Cancelled"
    assert status_of(folder)["phase"] == "Cancelled"
    assert status_of(folder)["runs"][0]["collectors"][0]["usable"]
    assert processes_with(mark) == []
    assert list((tmp_path / "state").iterdir()) == []


def test_a_killed_run_is_gone_on_with(
    env: dict[str, str], profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """After SIGKILL the same command collects what goes on running; nothing runs twice."""
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write('x')\n{BUSY}"
    file = job_file(app=python(code))
    process = subprocess.Popen(
        [sys.executable, "-m", "profiling_operator", "run", file],
        cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _await((tmp_path / "ran").exists)
    process.kill()
    process.communicate(timeout=60)

    done = profjob("run", file)

    assert done.returncode == 0, done.stderr
    assert "going on with attempt" in done.stderr
    assert (tmp_path / "ran").read_text() == "x"
    assert list((tmp_path / "state").iterdir()) == []


def test_two_never_drive_the_same_job(
    env: dict[str, str], profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """The second one is refused and leaves the first one alone."""
    may_end = tmp_path / "may_end"
    waits = f"import os, time\nwhile not os.path.exists({str(may_end)!r}): time.sleep(0.1)"
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write('x')\n{BUSY}\n{waits}"
    file = job_file(app=python(code))
    with subprocess.Popen(
        [sys.executable, "-m", "profiling_operator", "run", "-q", file], cwd=tmp_path, env=env
    ) as first:
        _await((tmp_path / "ran").exists)

        second = profjob("run", file)
        may_end.touch()

        assert (second.returncode, "another profjob" in second.stderr) == (2, True)
        assert first.wait(timeout=60) == 0
    assert (tmp_path / "ran").read_text() == "x"


def test_metrics_are_written_for_node_exporter(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """--metrics-textfile leaves a file that names the job and its outcome."""
    profjob("run", job_file(app=python(BUSY)), "--metrics-textfile", "job.prom")

    text = (tmp_path / "job.prom").read_text()
    assert 'phase="Succeeded"' in text
    assert 'profjob_result{measure="app/duration"' in text


@pytest.mark.parametrize(("changes", "told"), [
    ({"app": {"comand": ["x"]}}, "spec.app.comand: is not a known field; did you mean 'command'?"),
    ({"collectors": [{"name": "tua"}]}, "spec.collectors[0].name"),
    ({"app": {}}, "spec.app.command: required (executor process)"),
    ({"gpu": {"count": 64}}, "spec.gpu.count"),
])  # fmt: skip
def test_a_bad_job_is_refused_with_its_field(
    profjob: Run, job_file: JobFile, tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    """Exit code 2, one line per problem, nothing written."""
    done = profjob("run", job_file(**changes))

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert not (tmp_path / "profiling_output").exists()


def test_files_of_others_are_left_alone(profjob: Run, job_file: JobFile, tmp_path: Path) -> None:
    """A folder that holds something else is refused before anything runs."""
    (tmp_path / "profiling_output").mkdir()
    (tmp_path / "profiling_output" / "thesis.tex").write_text("x")

    done = profjob("run", job_file(app=python(BUSY)))

    assert done.returncode == 3
    assert "name another folder" in done.stderr
    assert (tmp_path / "profiling_output" / "thesis.tex").exists()


def test_a_missing_command_is_told(profjob: Run, job_file: JobFile, tmp_path: Path) -> None:
    """CannotStart, with the name that was not found."""
    done = profjob("run", job_file(app={"command": ["no-such-program"]}))

    assert done.returncode == 3
    assert reason_of(tmp_path / "profiling_output") == "CannotStart"
    assert "no-such-program" in done.stdout


def test_an_unknown_executor_is_named(profjob: Run, job_file: JobFile) -> None:
    """With those that there are."""
    done = profjob("run", job_file(), "--executor", "proces")

    assert done.returncode == 2
    assert "must be one of" in done.stderr and "process" in done.stderr


def test_a_job_comes_from_standard_input_too(profjob: Run, job_file: JobFile) -> None:
    """`-` reads it there."""
    text = Path(job_file(app=python(BUSY))).read_text()

    assert profjob("run", "-", input=text).returncode == 0


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
