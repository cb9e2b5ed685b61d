"""The uploader's container: real launchers, real files, stores that work or do not."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pod_side import POD_UID, SAVES, FakeServer, PodSide, serving, wait_for
from profiling_operator import applying, assignment, attaching, reporting, stores, upload, uploader
from profiling_operator.assignment import Assignment
from profiling_operator.errors import StoreError
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report
from profiling_operator.status import Results
from profiling_operator.stores.folder import FolderStore
from profiling_operator.upload import Where

KEY = "ci/test/uid-1/1"
NAMES = {
    "entries.jsonl.gz", "summary.json", "metadata.json", "speedscope.json", "folded.txt",
    "run-0/app.log", "raw/run-0/pyspy/profile.folded", "report.json",
    "report.html", "report.css", "benchmark.json",
}  # fmt: skip


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PodSide]:
    """The folders of a pod."""
    monkeypatch.setenv(assignment.POD_UID, POD_UID)
    monkeypatch.setenv(assignment.NODE_NAME, "node-1")
    side = PodSide(tmp_path)
    yield side
    side.end()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A results server."""
    with serving() as state:
        yield state


def stored(pod: PodSide) -> dict[str, bytes]:
    """The result folder in the store that is a folder."""
    root = pod.folder / "store" / KEY
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def served(server: FakeServer) -> dict[str, bytes]:
    """The result folder in the store that is a server."""
    before = f"/v1/results/{KEY}/"
    return {path.removeprefix(before): content for path, content in server.files.items()}


def report_in(files: dict[str, bytes]) -> Report:
    """The report of a result folder, whose files are what it says they are."""
    report = reporting.from_json(files["report.json"])
    assert report is not None
    assert report.collected.results is not None
    listed = report.collected.results.files
    assert {one.path for one in listed} == set(files) - {"report.json"}
    for one in listed:
        content = files[one.path]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one.size, one.sha256)
    return report


def last_words(pod: PodSide) -> Report:
    """The termination message."""
    text = pod.where.last_words.read_text()
    assert len(text.encode()) <= reporting.ESSENCE_LIMIT
    report = reporting.from_essence(text, "ci/test", "uid-1")
    assert report is not None
    assert (report.attempt, report.pod_uid) == (1, POD_UID)
    return report


def test_a_good_end_is_saved_and_told(pod: PodSide) -> None:
    """Everything is in the store, the report says what, the last words say where."""
    pod.launched(pod.assign())

    assert upload.upload(pod.where)

    files = stored(pod)
    assert set(files) == NAMES
    report = report_in(files)
    assert (report.job, report.uid, report.attempt) == ("ci/test", "uid-1", 1)
    assert report.exit is not None
    assert (report.exit.exit_code, len(report.runs)) == (0, 1)
    assert [[one.usable for one in run] for run in report.collected.outcomes] == [[True]]
    assert report.collected.headline == "hot 100 % of 400 ms"
    assert report.collected.gates == ()
    assert report.spent.upload_bytes == sum(map(len, files.values())) - len(files["report.json"])
    assert json.loads(files["metadata.json"])["node"] == "node-1"
    said = last_words(pod)
    assert said.exit == report.exit
    assert said.collected.results == Results(
        url=(pod.folder / "store" / KEY).as_uri(), truncated=True
    )
    assert not said.stop_requested


def test_gates_are_judged_in_the_pod(pod: PodSide) -> None:
    """The report has the verdicts, the store has the file for Jenkins; a missed one is no loss."""
    wanted = [{"measure": "timer:hot/*", "max": "1ms"}, {"measure": "app/duration", "max": "1h"}]
    pod.launched(pod.assign(gates=wanted))

    assert upload.upload(pod.where)

    files = stored(pod)
    assert set(files) == NAMES | {"junit.xml"}
    assert {one.measure: one.verdict for one in report_in(files).collected.gates} == {
        "timer:hot/exclusive": "Failed", "timer:hot/inclusive": "Failed", "app/duration": "Passed",
    }  # fmt: skip
    assert b'failures="2"' in files["junit.xml"]


def test_an_applications_failure_is_no_failure_of_the_upload(pod: PodSide) -> None:
    """Its exit code is in the report, and what it left is saved."""
    assert pod.launched(pod.assign(f"{SAVES}\nexit 3")) == 3

    assert upload.upload(pod.where)

    report = report_in(stored(pod))
    assert report.exit is not None
    assert (report.exit.reason, report.exit.exit_code) == ("AppFailed", 3)
    assert last_words(pod).exit == report.exit


def test_what_a_killed_launcher_leaves_is_saved(pod: PodSide) -> None:
    """The uploader wakes, and there is a report without an outcome."""
    process = pod.launch(pod.assign(f"{SAVES}\nsleep 60"))
    uploading = pod.upload()
    wait_for((pod.where.workspace / "run-0" / "pyspy" / "profile.folded").exists)
    process.send_signal(signal.SIGKILL)

    assert uploading.wait(60) == 0

    report = report_in(stored(pod))
    assert report.exit is None
    assert report.observation().message == "the launcher ended without leaving an outcome"
    assert "raw/run-0/pyspy/profile.folded" in stored(pod)
    assert last_words(pod).observation().message == report.observation().message


def test_a_stop_before_the_start_ends_it_at_once(pod: PodSide) -> None:
    """Nothing is lost, so it is no failure; a second TERM changes nothing."""
    pod.assign()
    uploading = pod.upload(PYTHONFAULTHANDLER="1")
    wait_for(lambda: _catches_term(uploading.pid))
    uploading.send_signal(signal.SIGTERM)
    uploading.send_signal(signal.SIGTERM)

    assert uploading.wait(60) == 0

    said = last_words(pod)
    assert said.exit is None
    assert said.collected.lost == "there are none"
    assert said.observation().message == "the pod was ended before the application was started"
    assert stored(pod) == {}


@pytest.mark.needs("namespaces")
def test_a_stop_while_it_is_imported_is_not_lost(pod: PodSide) -> None:
    """The first process of a container is never told of a signal that it neither has a handler for
    nor blocks."""
    pod.assign()
    uploading = pod.upload_as_first()
    children = Path(f"/proc/{uploading.pid}/task/{uploading.pid}/children")
    wait_for(lambda: children.read_text().split())
    first = int(children.read_text().split()[0])
    wait_for(lambda: _has_term(first, "SigBlk"))
    os.kill(first, signal.SIGTERM)

    assert uploading.wait(60) == 0

    said = last_words(pod).observation().message
    assert said == "the pod was ended before the application was started"


def _catches_term(pid: int) -> bool:
    """Whether a process has a handler for TERM."""
    return _has_term(pid, "SigCgt")


def _has_term(pid: int, what: str) -> bool:
    """Whether TERM is among the signals that a process blocks, or catches: see proc(5)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    signals = int(status.partition(f"{what}:")[2].split()[0], 16)
    return bool(signals >> (signal.SIGTERM - 1) & 1)


def test_an_application_that_never_starts_is_a_failure(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own words."""
    pod.assign()
    limits = upload.limits_of
    monkeypatch.setattr(
        upload, "limits_of", lambda plan: type(limits(plan))(start=0.05, run=1, stop=1)
    )

    assert not upload.upload(pod.where)

    said = last_words(pod).observation()
    assert said.message == "the application was not started within 0.05 s"


def test_a_stop_while_the_application_runs_saves_its_profile(pod: PodSide) -> None:
    """Both are told to end, as the kubelet does; the uploader outlives that."""
    process = pod.launch(pod.assign(f"{SAVES}\nsleep 60"))
    uploading = pod.upload()
    wait_for((pod.where.workspace / "run-0" / "pyspy" / "profile.folded").exists)
    wait_for(lambda: _catches_term(uploading.pid))
    for one in (process, uploading):
        one.send_signal(signal.SIGTERM)

    assert uploading.wait(60) == 0

    report = report_in(stored(pod))
    assert report.exit is not None
    assert (report.exit.reason, report.stop_requested) == ("Cancelled", False)


def test_a_stop_during_the_upload_does_not_end_it(pod: PodSide, server: FakeServer) -> None:
    """It finishes what it does; the token goes to the server and nowhere else."""
    pod.launched(pod.assign(url=server.url))
    server.gate.clear()
    uploading = pod.upload()
    wait_for(lambda: server.puts)
    uploading.send_signal(signal.SIGTERM)
    uploading.send_signal(signal.SIGTERM)
    server.gate.set()

    assert uploading.wait(60) == 0

    assert set(served(server)) == NAMES
    report_in(served(server))
    assert server.tokens == {"Bearer secret-token"}
    assert "secret-token" not in pod.stderr + pod.where.last_words.read_text()


def test_a_store_that_is_down_for_a_while_is_waited_for(pod: PodSide, server: FakeServer) -> None:
    """Results arrive when it is back."""
    pod.launched(pod.assign(url=server.url))
    server.is_down = True
    uploading = pod.upload()
    wait_for(lambda: "HTTP 503" in pod.stderr)
    server.is_down = False

    assert uploading.wait(60) == 0

    report_in(served(server))


def test_an_interrupted_upload_goes_on_where_it_was(pod: PodSide, server: FakeServer) -> None:
    """Nothing is converted or sent twice, though the workspace is gone; checksums are right."""
    pod.launched(pod.assign(url=server.url))
    server.stuck_after = 3
    first = pod.upload()
    wait_for(lambda: len(server.puts) == 3)
    first.kill()
    first.wait()
    before = served(server)
    assert len(before) == 2
    server.gate.set()
    (pod.where.workspace / "run-0" / "pyspy" / "profile.folded").unlink()

    assert pod.upload().wait(60) == 0

    files = served(server)
    assert set(files) == NAMES
    report_in(files)
    assert all(files[path] == content for path, content in before.items())
    assert all(server.puts.count(f"/v1/results/{KEY}/{path}") == 1 for path in before)


def test_a_second_uploader_of_a_complete_attempt_changes_nothing(pod: PodSide) -> None:
    """Not even the report, which tells when it was complete."""
    pod.launched(pod.assign())
    assert upload.upload(pod.where)
    before, words = stored(pod), pod.where.last_words.read_text()
    pod.where.last_words.unlink()

    assert upload.upload(pod.where)

    assert stored(pod) == before
    assert pod.where.last_words.read_text() == words


def test_what_another_pod_left_is_not_taken_for_ones_own(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept results are those of this pod."""
    pod.launched(pod.assign())
    assert upload.upload(pod.where)
    monkeypatch.setenv(assignment.POD_UID, "pod-2")

    assert upload.upload(pod.where)

    assert report_in(stored(pod)).pod_uid == "pod-2"


class Refusing(FolderStore):
    """A store that takes nothing."""

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Say no."""
        raise stores.StoreRefusedError("not allowed")


class Down(FolderStore):
    """A store that does not answer."""

    def put(self, key: str, path: str, source: Path, sha256: str) -> int:
        """Nothing comes back."""
        raise StoreError("no answer")


@pytest.mark.parametrize(
    ("kind", "deadlines", "why"),
    [(Refusing, {}, "not allowed"), (Down, {"collectSeconds": 1}, "no answer")],
    ids=["refused", "down"],
)
def test_results_that_no_store_takes_are_lost(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch, kind: Any, deadlines: Any, why: str
) -> None:
    """The application's outcome is not; nothing claims that there are results."""
    pod.launched(pod.assign(deadlines=deadlines))
    monkeypatch.setattr(stores, "open_store", lambda url, **_: kind(url))

    assert not upload.upload(pod.where)

    said = last_words(pod)
    assert (said.collected.lost, said.collected.results) == (why, None)
    assert said.collected.headline
    assert said.exit is not None
    assert said.exit.exit_code == 0


def test_a_store_that_nobody_can_open_is_told(pod: PodSide) -> None:
    """As results that are lost."""
    pod.launched(pod.assign(url="ftp://there"))

    assert not upload.upload(pod.where)

    assert "ftp://there" in last_words(pod).collected.lost


def test_an_unexpected_error_leaves_last_words(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name, and the application's outcome; the log has the rest."""
    pod.launched(pod.assign())

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(uploader, "collect", fail)

    assert not upload.upload(pod.where)

    said = last_words(pod)
    assert said.collected.lost == "RuntimeError: a bug"
    assert said.exit is not None
    assert "Traceback" in capsys.readouterr().err


def test_converting_has_a_limit(pod: PodSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile profile cannot hold the pod, and its GPU, for as long as it likes."""
    pod.launched(pod.assign())
    monkeypatch.setattr(upload, "SHORTEST_SECONDS", 0.05)
    monkeypatch.setattr(upload._Upload, "_deadline", lambda *_: 0.0)

    def hang(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(uploader, "collect", hang)
    before = signal.getsignal(signal.SIGALRM)

    assert not upload.upload(pod.where)

    assert "collectSeconds" in last_words(pod).collected.lost
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_full_scratch_folder_is_told(pod: PodSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that cannot be made are lost; the application's outcome is not."""
    pod.launched(pod.assign())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploader, "collect", fail)

    assert not upload.upload(pod.where)

    said = last_words(pod)
    assert "No space left on device" in said.collected.lost
    assert said.exit is not None


def test_names_that_stores_refuse_do_not_lose_the_rest(pod: PodSide) -> None:
    """The application chose them."""
    bad = 'touch "$PROFILING_OUTPUT/pyspy/a$(printf "\\001")b"'
    pod.launched(pod.assign(f"{SAVES}\n{bad}"))

    assert upload.upload(pod.where)

    assert set(stored(pod)) == NAMES
    report_in(stored(pod))


def test_an_assignment_that_cannot_be_read_is_told(pod: PodSide) -> None:
    """It names the file; what it says is no report."""
    (pod.where.assigned / assignment.FILE).write_text("{}")

    assert not upload.upload(pod.where)

    words = pod.where.last_words.read_text()
    assert words.startswith(f"{pod.where.assigned / assignment.FILE}: ")
    assert reporting.from_essence(words, "ci/test", "uid-1") is None


def test_a_requested_stop_is_told(pod: PodSide) -> None:
    """The operator tells it from a pod that was ended from outside."""
    pod.launched(
        pod.assign(f'{SAVES}\necho Cancelled > "$PROFILING_OUTPUT/../.run/stop"\nsleep 60')
    )

    assert upload.upload(pod.where)

    assert report_in(stored(pod)).stop_requested
    assert last_words(pod).stop_requested


@pytest.mark.parametrize("problem", ["", "forbidden"], ids=["applied", "refused"])
def test_the_api_server_is_told_after_the_store(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """Whether it takes it or not, the results are saved."""
    planned = pod.assign()
    given = assignment.read(pod.where.assigned)
    pod.tell(given.model_copy(update={"reports_to_api": True}))
    pod.launched(planned)
    told: list[tuple[Plan, Results, float]] = []

    def tell(plan: Plan, results: Results, seconds: float) -> str:
        assert "report.json" in stored(pod)
        told.append((plan, results, seconds))
        return problem

    monkeypatch.setattr(applying, "apply_results", tell)

    assert upload.upload(pod.where)

    ((plan, results, seconds),) = told
    assert plan.uid == "uid-1"
    assert results == report_in(stored(pod)).collected.results
    assert 0 < seconds <= applying.LONGEST_SECONDS


def test_the_time_to_collect_counts_from_the_applications_end(
    pod: PodSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it wrote about that can only make it shorter."""
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    plan = pod.assign(deadlines={"collectSeconds": 100})
    given = Assignment(plan=plan, store={"url": "file:///"})
    collecting = upload._Upload(given, pod.where, upload.Stop())

    assert collecting._deadline("") == 1100
    assert collecting._deadline("2999-01-01T00:00:00.000000001Z") == 1100
    assert collecting._deadline("1999-01-01T00:00:00.000000001Z") == 1000


def test_what_is_attached_may_write_until_half_the_time_is_over(pod: PodSide) -> None:
    """Then what is there is taken; a tool that hangs does not cost the results."""
    collectors = [{"name": "pyspy", "mode": "attach"}]
    planned = pod.assign(collectors=collectors, deadlines={"collectSeconds": 4})
    (pod.where.workspace / ".run").mkdir()
    sign = attaching.hold(pod.where.workspace, "pyspy")
    try:
        pod.launched(planned)

        assert pod.upload().wait(60) == 0
    finally:
        os.close(sign)

    assert report_in(stored(pod))
    assert "pyspy still writes after " in pod.stderr


@pytest.fixture
def over(pod: PodSide) -> Where:
    """The folders of a pod whose application is known to be over."""
    return replace(pod.where, is_over=True)


def test_what_is_over_is_saved_as_it_is(pod: PodSide, over: Where) -> None:
    """With the outcome that the launcher left."""
    assert pod.launched(pod.assign(f"{SAVES}\nexit 3")) == 3

    assert upload.upload(over)

    report = report_in(stored(pod))
    assert report.exit is not None
    assert (report.exit.reason, report.exit.exit_code) == ("AppFailed", 3)


def test_what_is_over_without_an_outcome_is_saved_at_once(pod: PodSide, over: Where) -> None:
    """Nothing tells whether a launcher lives: its sign of life is a copy."""
    process = pod.launch(pod.assign(f"{SAVES}\nsleep 60"))
    wait_for((pod.where.workspace / "run-0" / "pyspy" / "profile.folded").exists)
    process.kill()
    process.wait()

    assert upload.upload(over)

    report = report_in(stored(pod))
    assert report.exit is None
    assert report.message == "the launcher ended without leaving an outcome"
    assert "raw/run-0/pyspy/profile.folded" in stored(pod)


def test_what_is_over_and_never_started_is_told_at_once(pod: PodSide, over: Where) -> None:
    """There are no results, and that is a failure."""
    pod.assign()

    assert not upload.upload(over)

    assert last_words(pod).observation().message == "the launcher left no word of a start"
    assert stored(pod) == {}


def test_what_is_over_has_all_the_time_from_now_on(
    pod: PodSide, over: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have ended while nobody was there to collect it."""
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    plan = pod.assign(deadlines={"collectSeconds": 100})
    given = Assignment(plan=plan, store={"url": "file:///"})

    collecting = upload._Upload(given, over, upload.Stop())

    assert collecting._deadline("1999-01-01T00:00:00.000000001Z") == 1100


def test_what_the_assignment_knows_of_the_place_is_in_the_results(pod: PodSide) -> None:
    """It goes before what can be seen here."""
    planned = pod.assign()
    given = assignment.read(pod.where.assigned)
    known = {"node": "host-1", "device": "GPU-1", "image": "a@sha256:1"}
    pod.tell(given.model_copy(update={**known, "machine": Machine(cpu="theirs")}))
    pod.launched(planned)

    assert upload.upload(pod.where)

    files = stored(pod)
    metadata = json.loads(files["metadata.json"])
    assert {name: metadata[name] for name in known} == known
    assert json.loads(files["summary.json"])["machine"]["cpu"] == "theirs"


def test_too_little_memory_is_told(pod: PodSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """The results are lost; the application's outcome is not."""
    pod.launched(pod.assign())

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(uploader, "collect", fail)

    assert not upload.upload(pod.where)

    said = last_words(pod)
    assert said.collected.lost == "converting takes more memory than it may have"
    assert said.exit is not None
