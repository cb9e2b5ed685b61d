"""`profjob run` with a real perf and a small C program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from making import Run
from profiling_operator import entries
from profiling_operator.entries import Entry, Kind

pytestmark = pytest.mark.needs("perf", "cc")

JobFile = Callable[..., str]

# Most of the time goes to hot(); returns its second argument; a number of rounds of 0 is without
# end. With a third argument it takes no notice of TERM.
PROGRAM = """
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
static volatile unsigned long sink;
__attribute__((noinline)) static void hot(void) {
    for (unsigned long i = 0; i < 4000000; i++) sink += i * i % 7;
}
__attribute__((noinline)) static void cold(void) {
    for (unsigned long i = 0; i < 200000; i++) sink ^= i * 3 % 5;
}
static void *work(void *given) {
    long rounds = *(long *)given;
    for (long i = 0; rounds == 0 || i < rounds; i++) { hot(); cold(); }
    return NULL;
}
int main(int argc, char **argv) {
    long rounds = atol(argv[1]);
    pthread_t other;
    if (argc > 3) signal(SIGTERM, SIG_IGN);
    if (pthread_create(&other, NULL, work, &rounds) != 0) return 100;
    work(&rounds);
    pthread_join(other, NULL);
    return atoi(argv[2]);
}
"""
WITH_FRAMES = ("-O0", "-pthread")  # optimized functions that call no other have no frame


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Compiles the program; gives `spec.app` that runs it with some words."""
    (tmp_path / "app.c").write_text(PROGRAM)

    def app(*words: str, flags: tuple[str, ...] = WITH_FRAMES) -> dict[str, Any]:
        target = tmp_path / "app"
        compiling = ["cc", *flags, str(tmp_path / "app.c"), "-o", str(target)]
        subprocess.run(compiling, check=True, capture_output=True)
        return {"command": [str(target)], "args": list(words)}

    return app


def perf(**options: Any) -> list[dict[str, Any]]:
    """`spec.collectors`."""
    return [{"name": "perf", "options": {"frequency": 499, **options}}]


def status_of(tmp_path: Path) -> dict[str, Any]:
    """The status in the result folder."""
    body = json.loads((tmp_path / "profiling_output" / "status.json").read_text())
    found: dict[str, Any] = body["status"]
    return found


def entries_of(tmp_path: Path) -> list[Entry]:
    """All entries of the result folder."""
    return list(entries.load(tmp_path / "profiling_output" / "entries.jsonl.gz"))


def test_a_program_is_sampled_with_its_callers(
    profjob: Run, job_file: JobFile, program: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The headline names the hot function; stacks, threads and times are those of the runs."""
    done = profjob("run", job_file(app=program("20", "0"), collectors=perf(), repetitions=2))

    assert done.returncode == 0, done.stdout + done.stderr
    status = status_of(tmp_path)
    assert status["headline"].startswith("hot ")
    samples = [one for one in entries_of(tmp_path) if one.kind is Kind.SAMPLE]
    assert {one.run for one in samples} == {0, 1}
    paths = [one.path for one in samples if one.path and one.path[-2:] == ("work", "hot")]
    assert {"main" in path for path in paths} == {True, False}
    assert len({one.thread for one in samples if one.name == "hot"}) == 4
    for run in status["runs"]:
        times = [one.time for one in samples if one.run == run["index"]]
        assert run["app"]["startedAt"] <= min(times) <= max(times) <= run["app"]["finishedAt"]
    assert {one.clock for one in samples} == {None}


def test_a_failed_application_is_told_with_its_exit_code(
    profjob: Run, job_file: JobFile, program: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The inner launcher knows it; the profile is there all the same."""
    done = profjob("run", job_file(app=program("20", "3"), collectors=perf()))

    assert done.returncode == 3, done.stdout + done.stderr
    run = status_of(tmp_path)["runs"][0]
    assert (run["app"]["reason"], run["app"]["exitCode"]) == ("AppFailed", 3)
    assert run["collectors"][0]["usable"]


@pytest.mark.parametrize(("on_timeout", "code", "more"), [
    ("Fail", 3, ()), ("Stop", 0, ()), ("Stop", 0, ("deaf",)),
])  # fmt: skip
def test_an_endless_program_leaves_a_usable_profile(
    profjob: Run,
    job_file: JobFile,
    program: Callable[..., dict[str, Any]],
    tmp_path: Path,
    on_timeout: str,
    code: int,
    more: tuple[str, ...],
) -> None:
    """Also where the program takes no notice of TERM: it is killed before perf is."""
    app = program("0", "0", *more)

    done = profjob(
        "run", job_file(app=app, collectors=perf(), timeoutSeconds=2, onTimeout=on_timeout)
    )

    assert done.returncode == code, done.stdout + done.stderr
    run = status_of(tmp_path)["runs"][0]
    assert run["app"]["timedOut"]
    assert run["collectors"][0]["usable"]
    assert status_of(tmp_path)["headline"].startswith("hot ")


@pytest.mark.parametrize(("options", "path"), [
    ({"callGraph": "none"}, ("hot",)), ({"callGraph": "dwarf"}, ("main", "work", "hot")),
])  # fmt: skip
def test_callers_are_found_as_wanted(
    profjob: Run,
    job_file: JobFile,
    program: Callable[..., dict[str, Any]],
    tmp_path: Path,
    options: dict[str, Any],
    path: tuple[str, ...],
) -> None:
    """Not at all, or without frame pointers."""
    app = program("20", "0", flags=("-O1", "-g", "-fomit-frame-pointer", "-pthread"))

    done = profjob("run", job_file(app=app, collectors=perf(**options)))

    assert done.returncode == 0, done.stdout + done.stderr
    samples = [one for one in entries_of(tmp_path) if one.kind is Kind.SAMPLE]
    assert path in {(one.path or ())[-len(path) :] for one in samples}


def test_a_program_without_symbols_is_no_usable_profile(
    profjob: Run, job_file: JobFile, program: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """It says what to compile with."""
    app = program("20", "0", flags=("-O1", "-s", "-static", "-pthread"))

    done = profjob("run", job_file(app=app, collectors=perf()))

    assert done.returncode == 6, done.stdout + done.stderr
    collector = status_of(tmp_path)["runs"][0]["collectors"][0]
    assert (collector["usable"], collector["reason"]) == (False, "NothingMeasured")
    assert "symbols" in collector["message"]


def test_an_event_that_does_not_exist_is_told_in_perfs_words(
    profjob: Run, job_file: JobFile, program: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The application does not run then."""
    done = profjob("run", job_file(app=program("1", "0"), collectors=perf(event="no-such-event")))

    assert done.returncode == 6, done.stdout + done.stderr
    collector = status_of(tmp_path)["runs"][0]["collectors"][0]
    assert collector["reason"] == "CollectorFailed"
    assert "event syntax error" in collector["message"]
