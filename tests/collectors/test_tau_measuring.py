"""Programs under a real TAU, started by its script or by preloading, up to the entries."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from making import job_body, own_environment

pytestmark = pytest.mark.needs("cc", "tau")

LAUNCHES = ["tau_exec", "preload"]
SPIN = """
#include <pthread.h>
#include <stdio.h>
__attribute__((noinline)) double hot(long rounds) {
    double sum = 0;
    for (long i = 1; i < rounds; i++) sum += 1.0 / (double)i;
    return sum;
}
static void *work(void *given) { *(double *)given = hot(100000000); return NULL; }
int main(void) {
    pthread_t thread; double sum = 0;
    pthread_create(&thread, NULL, work, &sum);
    pthread_join(thread, NULL);
    return printf("%g\\n", sum) < 0;
}
"""
# Whoever is interrupted in here most probably holds a lock of malloc: TAU allocates, too.
CHURN = """
#include <pthread.h>
#include <stdlib.h>
enum { THREADS = 8, HELD = 512 };
static void *churn(void *given) {
    char *held[HELD] = {0};
    for (unsigned at = *(unsigned *)given;; at = at * 1103515245u + 12345u) {
        unsigned slot = (at >> 8) % HELD;
        free(held[slot]);
        held[slot] = malloc(1 + (at >> 4) % 4096);
        held[slot][0] = 1;
    }
    return NULL;
}
int main(void) {
    pthread_t thread; unsigned seeds[THREADS + 1];
    for (unsigned i = 0; i <= THREADS; i++) seeds[i] = i + 1;
    for (int i = 0; i < THREADS; i++) pthread_create(&thread, NULL, churn, &seeds[i]);
    churn(&seeds[THREADS]);
}
"""


class Done(NamedTuple):
    """A job that has ended."""

    folder: Path
    status: dict[str, Any]

    def files(self, run: int = 0) -> set[str]:
        """What TAU left."""
        return {one.name for one in (self.folder / "raw" / f"run-{run}" / "tau").iterdir()}

    def entries(self) -> list[dict[str, Any]]:
        """All entries."""
        with gzip.open(self.folder / "entries.jsonl.gz", "rt") as lines:
            return [json.loads(line) for line in lines]

    @property
    def verdict(self) -> dict[str, Any]:
        """What is said of the first run's profile."""
        found: dict[str, Any] = self.status["runs"][0]["collectors"][0]
        return found


Measure = Callable[..., Done]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Compiles a program and runs it as a job's application on this machine."""

    def measure(program: str, options: Mapping[str, Any], **changes: Any) -> Done:
        (tmp_path / "app.c").write_text(program)
        words = ["cc", "-O1", "-no-pie", "-pthread", "app.c", "-o", "app"]
        subprocess.run(words, cwd=tmp_path, check=True)
        collectors = [{"name": "tau", "options": {"samplingPeriod": 5000, **options}}]
        kept = {"app": {"command": ["./app"]}, "output": {"raw": True}}
        body = job_body(**kept, collectors=collectors, **changes)
        (tmp_path / "job.yaml").write_text(yaml.safe_dump(body))
        subprocess.run(
            [sys.executable, "-m", "profiling_operator", "run", "job.yaml"],
            cwd=tmp_path, env=own_environment(tmp_path), timeout=150, check=False,
        )  # fmt: skip
        folder = tmp_path / "profiling_output"
        return Done(folder, json.loads((folder / "status.json").read_text())["status"])

    return measure


@pytest.mark.parametrize("launch", LAUNCHES)
def test_a_program_to_its_end(measure: Measure, launch: str) -> None:
    """Both threads, and samples that name the function; ours is none of TAU's threads."""
    done = measure(SPIN, {"launch": launch})

    assert done.verdict["usable"], done.verdict
    assert done.files() == {"profile.0.0.0", "profile.0.0.1"}
    samples = [one["name"] for one in done.entries() if one["kind"] == "sample"]
    assert any("hot" in name for name in samples)


@pytest.mark.parametrize("launch", LAUNCHES)
def test_a_program_that_allocates_all_the_time_at_its_limit(measure: Measure, launch: str) -> None:
    """Each of five runs leaves the profiles of all nine threads, with samples in them."""
    normal = {"timeoutSeconds": 3, "onTimeout": "Stop"}
    done = measure(CHURN, {"launch": launch}, repetitions=5, **normal)

    assert [one["collectors"][0]["usable"] for one in done.status["runs"]] == [True] * 5
    sampled = {(one["run"], one["thread"]) for one in done.entries() if one["kind"] == "sample"}
    assert len(sampled) == 5 * 9


@pytest.mark.parametrize("launch", LAUNCHES)
def test_a_trace_beside_the_profile(measure: Measure, launch: str) -> None:
    """One file for each thread, and what their numbers mean."""
    done = measure(SPIN, {"launch": launch, "sampling": False, "tracing": True})

    assert done.files() == {
        *("profile.0.0.0", "profile.0.0.1", "events.0.edf"),
        *("tautrace.0.0.0.trc", "tautrace.0.0.1.trc"),
    }


@pytest.mark.parametrize(
    ("form", "files"),
    [("merged", {"tauprofile.xml"}), ("snapshot", {"snapshot.0.0.0", "snapshot.0.0.1"})],
)
def test_other_forms_of_the_profile(measure: Measure, form: str, files: set[str]) -> None:
    """A merged profile needs no MPI."""
    assert measure(SPIN, {"format": form}).files() == files


@pytest.mark.parametrize("launch", LAUNCHES)
def test_allocations(measure: Measure, launch: str) -> None:
    """The library for them, and ours, get along."""
    done = measure(SPIN, {"launch": launch, "memory": True})

    assert any("Heap" in one["name"] for one in done.entries() if one["kind"] == "counter")


@pytest.mark.parametrize("launch", LAUNCHES)
def test_timers_that_a_file_leaves_out(measure: Measure, launch: str, tmp_path: Path) -> None:
    """The timer of the thread's function is not measured."""
    (tmp_path / "select.tau").write_text("BEGIN_EXCLUDE_LIST\nwork#\nEND_EXCLUDE_LIST\n")
    names = {}
    for file in (None, str(tmp_path / "select.tau")):
        done = measure(SPIN, {"launch": launch, "sampling": False, "selectFile": file})
        names[file] = {one["name"] for one in done.entries() if "work" in one["name"]}

    assert [bool(one) for one in names.values()] == [True, False]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tags": ["serial", "nonesuch"]}, "Binding not found"),
        ({"launch": "preload", "binding": "nonesuch"}, "cannot be preloaded"),
    ],
    ids=LAUNCHES,
)
def test_a_build_that_is_not_there(measure: Measure, options: dict[str, Any], said: str) -> None:
    """ToolchainIncompatible, in TAU's words or the loader's, and how to find one that is."""
    verdict = measure(SPIN, options).verdict

    assert (verdict["usable"], verdict["reason"]) == (False, "ToolchainIncompatible")
    assert said in verdict["message"] and "tau-config --list-options" in verdict["message"]
