"""Result folders: the commands for jobs of a cluster, for those of `profjob run`."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from cluster_bodies import STARTED, ended, going, stored_job
from making import job
from profiling_operator import processes
from profiling_operator.cli import app, cluster, folders, live, places
from profiling_operator.cli.telling import Telling
from profiling_operator.errors import SpecError
from profiling_operator.status import Status

QUIET = Console(quiet=True)
FINISHED = folders.Wish(cluster.is_finished)


def say(*words: Any) -> Any:
    """The command's result."""
    return CliRunner().invoke(app, [str(one) for one in words])


def leave(folder: Path, status: Any = None, **files: str) -> Path:
    """A complete result folder."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        listed.append({"path": path.relative_to(folder).as_posix(), "size": len(text),
                       "sha256": digest})  # fmt: skip
    body = stored_job(status=status or ended())
    body["status"]["results"] = {"url": folder.absolute().as_uri(), "files": listed}
    (folder / "status.json").write_text(json.dumps(body))
    return folder


@dataclass
class Filling:
    """A process that stands for `profjob run`, and what it tells."""

    folder: Path
    process: subprocess.Popen[bytes]
    workspaces: str = ""

    def tell(self, status: Any, **changes: Any) -> None:
        """Write the live file as that process would."""
        said = {
            "body": stored_job(status=status), "executor": "process",
            "workspaces": self.workspaces, "pid": self.process.pid,
            "started": processes.start_time(self.process.pid), "place": live.place_here(),
            "before": live.status_sum(self.folder), **changes,
        }  # fmt: skip
        live.path_of(self.folder).write_text(json.dumps(said))

    def end(self, status: Any = None) -> None:
        """Publish, and take the live file away."""
        leave(self.folder, status)
        live.path_of(self.folder).unlink()

    def kill(self) -> None:
        """End at once, and leave the live file."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def filling(tmp_path: Path) -> Iterator[Filling]:
    """A process that fills `out`, and ends on TERM with code 7."""
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print(flush=True); "
    words = [sys.executable, "-c", code + "signal.pause()"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Filling(tmp_path / "out", process)
        process.kill()


@pytest.mark.parametrize(("text", "found"), [
    ("nbody-12", places.Job("nbody-12")),
    ("pj/nbody", places.Job("nbody")),
    ("profilingjob.profiling.dev/nbody", places.Job("nbody")),
    ("profiling_output", places.Folder(Path("profiling_output"))),
    ("./nbody-12", places.Folder(Path("nbody-12"))),
    ("/tmp/nbody", places.Folder(Path("/tmp/nbody"))),
    ("a/b", places.Folder(Path("a/b"))),
    (".", places.Folder(Path())),
    ("..", places.Folder(Path(".."))),
])  # fmt: skip
def test_a_word_is_a_job_or_a_folder(text: str, found: Any) -> None:
    """By its looks alone."""
    assert places.place(text) == found


def test_a_folder_that_is_named_like_a_job_is_hinted_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the job all the same."""
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "results")

    assert places.place("results") == places.Job("results")
    assert "./results is the folder" in capsys.readouterr().err


def test_a_job_that_could_not_be_named_so_is_refused() -> None:
    """`pj/` says that it is one."""
    with pytest.raises(typer.BadParameter):
        places.place("pj/N_body")


@pytest.mark.parametrize(("status", "code"), [
    (ended(), 0), (ended("Failed", "AppFailed"), 3),
    (ended("Failed", "NothingMeasured", "False"), 6),
])  # fmt: skip
def test_a_complete_folder_is_not_waited_for(tmp_path: Path, status: Any, code: int) -> None:
    """The exit code is the job's."""
    leave(tmp_path / "out", status)

    done = say("wait", tmp_path / "out")

    assert done.exit_code == code
    assert done.stdout.startswith(status["phase"])


def test_who_fills_a_folder_is_waited_for(filling: Filling) -> None:
    """The status is told at each change; the end is in the results."""
    filling.tell(going("Starting"))
    seen: list[str] = []

    def reached(status: Status) -> bool:
        seen.append(status.phase.value)
        if status.phase == "Starting":
            filling.tell(going("Running", STARTED))
        if status.phase == "Running":
            filling.end(ended("Failed", "AppFailed"))
        return False

    body = folders.wait(filling.folder, folders.Wish(reached), QUIET)

    assert seen == ["Starting", "Running"]
    assert body["status"]["phase"] == "Failed"


def test_the_start_can_be_waited_for(filling: Filling) -> None:
    """`--for started`: exit code 0."""
    filling.tell(going("Running", STARTED))

    assert say("wait", filling.folder, "--for", "started").exit_code == 0


def test_an_old_result_is_not_taken_for_the_new_one(filling: Filling) -> None:
    """Who filled the folder left nothing: 3, whatever was there before."""
    leave(filling.folder)
    filling.tell(going("Pending"))

    def reached(_: Status) -> bool:
        live.path_of(filling.folder).unlink()
        return False

    with pytest.raises(typer.Exit) as caught:
        folders.wait(filling.folder, folders.Wish(reached), QUIET)

    assert caught.value.exit_code == 3


@pytest.mark.parametrize("command", ["wait", "cancel", "logs", "fetch"])
def test_one_that_was_killed_is_told(filling: Filling, tmp_path: Path, command: str) -> None:
    """5: the place was lost. An older result in the folder is not taken for it."""
    leave(filling.folder)
    filling.tell(going("Running", STARTED))
    filling.kill()

    more = ["-d", tmp_path / "copy"] if command == "fetch" else []
    done = say(command, filling.folder, *more)

    assert done.exit_code == 5
    assert "was killed while filling it; the same profjob run goes on" in done.stderr


def test_one_of_another_container_cannot_be_watched(filling: Filling) -> None:
    """5: process numbers mean something else there."""
    filling.tell(going("Running"), place="other pid:[1]")

    done = say("wait", filling.folder)

    assert done.exit_code == 5
    assert "of another machine or container (other)" in done.stderr


def test_the_time_is_limited(filling: Filling) -> None:
    """4; who fills it goes on."""
    filling.tell(going("Running"))

    assert say("wait", filling.folder, "--timeout", "10ms").exit_code == 4
    assert say("wait", filling.folder.with_name("no_such"), "--wait-for-creation",
               "--timeout", "10ms").exit_code == 4  # fmt: skip
    assert filling.process.poll() is None


def test_what_is_no_result_folder_is_refused(tmp_path: Path) -> None:
    """2, at once."""
    (tmp_path / "status.json").write_text('{"kind": "Pod"}')

    for command in ("wait", "describe", "cancel", "logs"):
        done = say(command, tmp_path)
        assert (done.exit_code, "holds no results" in done.stderr) == (2, True), command


def test_that_very_process_is_told_to_end(filling: Filling) -> None:
    """TERM, as Ctrl-C of its own terminal would."""
    filling.tell(going("Running"))

    done = say("cancel", filling.folder)

    assert done.exit_code == 0
    assert done.stdout == "profilingjob.profiling.dev/nbody is being cancelled\n"
    assert filling.process.wait(30) == 7


def test_the_others_are_cancelled_where_one_is_missing(filling: Filling) -> None:
    """2 tells of the missing one."""
    filling.tell(going("Running"))

    done = say("cancel", filling.folder.with_name("no_such"), filling.folder)

    assert (done.exit_code, "holds no results" in done.stderr) == (2, True)
    assert filling.process.wait(30) == 7


def test_a_number_that_is_another_process_now_is_left_alone(filling: Filling) -> None:
    """Numbers are used again; 5, since who filled the folder is gone."""
    filling.tell(going("Running"), started=1)

    assert say("cancel", filling.folder).exit_code == 5
    assert filling.process.poll() is None


def test_a_complete_one_is_not_cancelled(tmp_path: Path) -> None:
    """It stays as it is."""
    leave(tmp_path / "out")

    done = say("cancel", tmp_path / "out", "--wait")

    assert (done.exit_code, "has ended: Succeeded" in done.stdout) == (0, True)


def test_folders_are_listed(filling: Filling, tmp_path: Path) -> None:
    """Below a folder: complete ones, and those that are being filled, or were."""
    leave(tmp_path / "b" / "deep")
    leave(tmp_path / "b" / "deep" / "raw" / "inner")  # a file of the results, not results
    (tmp_path / "status.json").write_text("[]")
    filling.tell(going("Running", STARTED))

    def lines() -> list[list[str]]:
        done = say("list", tmp_path)
        return [line.split() for line in done.stdout.splitlines()]

    title, running, complete = lines()
    assert title == ["NAME", "PHASE", "HEADLINE", "AGE", "FOLDER"]
    assert (running[:2], running[-1]) == (["nbody", "Running"], str(tmp_path / "out"))
    assert (complete[1], complete[-1]) == ("Succeeded", str(tmp_path / "b" / "deep"))
    filling.kill()
    assert lines()[1][1] == "Lost"
    assert say("list", tmp_path / "b", "-o", "name").stdout == f"{tmp_path / 'b' / 'deep'}\n"
    assert len(json.loads(say("list", tmp_path, "-o", "json").stdout)["items"]) == 2
    assert say("list", tmp_path / "nothing").exit_code == 2


def test_a_folder_is_described(tmp_path: Path) -> None:
    """As a job of a cluster is."""
    leave(tmp_path / "out", summary_json="{}")

    done = say("describe", tmp_path / "out")

    assert done.exit_code == 0
    assert "Name:        nbody" in done.stdout
    assert "headline  hot 81 % of 2.5 s" in done.stdout
    assert "summary.json  2 bytes" in done.stdout


def test_the_output_of_runs_is_printed(tmp_path: Path) -> None:
    """In the order of runs; one alone; what is not there is named."""
    folder = leave(tmp_path / "out", **{f"run-{run}__app_log": f"of {run}\n" for run in (10, 9)})

    assert say("logs", folder).stdout == "of 9\nof 10\n"
    assert say("logs", folder, "-f", "--run", 10).stdout == "of 10\n"
    assert "the runs that have begun are 9, 10" in say("logs", folder, "--run", 3).stderr
    assert say("logs", folder, "-c", "uploader").exit_code == 2


def test_output_is_followed_from_the_workspace_into_the_results(
    filling: Filling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte once, though the workspace is gone before its end was read."""
    workspace = tmp_path / "state" / "nbody-1" / "workspace"
    (workspace / "run-0").mkdir(parents=True)
    (workspace / "run-0" / "app.log").write_text("one\n")
    filling.workspaces = str(tmp_path / "state")
    filling.tell(going("Running") | {"attempts": [{"number": 1, "jobName": "nbody-1"}]})
    assert say("logs", filling.folder).stdout == "one\n"

    def meanwhile(_self: live.Live, _seconds: float) -> None:
        (filling.folder / "run-0").mkdir(parents=True)
        (filling.folder / "run-0" / "app.log").write_text("one\ntwo\n")
        (filling.folder / "run-1").mkdir()
        (filling.folder / "run-1" / "app.log").write_text("three\n")
        filling.end()

    monkeypatch.setattr(live.Live, "pause", meanwhile)

    assert say("logs", filling.folder, "-f").stdout == "one\ntwo\nthree\n"


def test_output_in_containers_is_elsewhere(filling: Filling) -> None:
    """The engine has it: 2, with the command."""
    filling.tell(going("Running") | {"attempts": [{"number": 1, "jobName": "nbody-1"}]})

    done = say("logs", filling.folder, "-f")

    assert (done.exit_code, "docker logs -f nbody-1" in done.stderr) == (2, True)


def test_files_are_copied_and_verified(tmp_path: Path) -> None:
    """What is asked for, with its size told; later files as well, such as a report."""
    folder = leave(tmp_path / "out", summary_json="{}", entries_jsonl_gz="zip", raw__a="raw")
    (folder / "report.html").write_text("<html>")

    small = say("fetch", folder, "-d", tmp_path / "small", "--small")
    only = say("fetch", folder, "-d", tmp_path / "only", "--only", "report,entries")

    assert small.exit_code == only.exit_code == 0, small.stderr
    assert small.stdout == f"{tmp_path / 'small'}\n"
    assert f"{tmp_path / 'small'}: 2 files, 8 bytes" in small.stderr

    def names(where: str) -> list[str]:
        return sorted(one.name for one in (tmp_path / where).rglob("*") if one.is_file())

    assert names("small") == ["report.html", "status.json", "summary.json"]
    assert names("only") == ["entries.jsonl.gz", "report.html", "status.json"]


def test_a_changed_file_is_not_copied(tmp_path: Path) -> None:
    """2, with its name; nothing of it is to be seen."""
    folder = leave(tmp_path / "out", summary_json="{}")
    (folder / "summary.json").write_text("{ }")

    done = say("fetch", folder, "-d", tmp_path / "copy")

    assert (done.exit_code, "summary.json: is not as it was" in done.stderr) == (2, True)
    assert not (tmp_path / "copy").exists()
    assert say("fetch", folder, "-d", folder).exit_code == 2


def test_the_status_is_told_while_it_lasts(tmp_path: Path) -> None:
    """By this process; at the end nothing is left. Nobody else may fill the folder then."""
    folder = tmp_path / "out"
    with Telling(job(), folder, "docker") as telling:
        telling(Status(headline="so far"))
        found = live.read(folder)
        assert found is not None and found.is_alive
        assert (found.body["status"]["headline"], found.workspaces) == ("so far", "")
        with pytest.raises(SpecError, match="is filling this very folder"):
            Telling(job(), folder, "docker").__enter__()

    assert live.read(folder) is None
    assert list(tmp_path.iterdir()) == []


def test_a_wait_that_is_told_to_end_says_that_the_job_goes_on(filling: Filling) -> None:
    """143 for TERM, 130 for INT, as shells tell of them."""
    filling.tell(going("Running"))
    for number in (signal.SIGTERM, signal.SIGINT):

        def strike(_self: live.Live, _seconds: float, number: int = number) -> None:
            signal.raise_signal(number)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(live.Live, "pause", strike)
            done = say("wait", filling.folder)

        assert done.exit_code == 128 + number
        assert "no longer waiting; the job goes on (profjob cancel" in done.stderr


def test_a_page_that_was_made_anew_is_fetched(tmp_path: Path) -> None:
    """It is not the one that the status told of, and yet ours."""
    folder = leave(tmp_path / "profiling_output", report_html="old", summary_json="{}")
    (folder / "report.html").write_text("made by a newer version")

    done = say("fetch", folder, "-d", tmp_path / "copy")

    assert done.exit_code == 0, done.output
    assert (tmp_path / "copy" / "report.html").read_text() == "made by a newer version"
