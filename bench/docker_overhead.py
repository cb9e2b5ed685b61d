"""What `profjob run --executor docker` adds to a bare `docker run`, and what reading results costs.

    python bench/docker_overhead.py --repetitions 10

Prints two Markdown tables, each the medians of one run of this script on one engine: the same
command by `docker run --rm` and by `profjob run` with and without a collector; and the reading of
the results beside `docker cp` of the whole /app, as pipelines do it that know no better. The image
is one that `make images` makes.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "profiling-operator/python:local"
BUSY = """
def hot(size):
    total = 0
    for number in range(size):
        total += number * number % 7
    return total
for _ in range({rounds}):
    hot(400_000)
"""
FILL = """
import os
os.makedirs("/app/data", exist_ok=True)
for number in range({megabytes}):
    with open(f"/app/data/{{number}}", "wb") as file: file.write(os.urandom(1 << 20))
"""
READER = """
import sys, json
from profiling_operator import plan, registry, spec
executor = registry.load("executors", "docker")
planned = plan.build_plan(spec.read(open(sys.argv[1]).read()))
if sys.argv[2] == "start":
    print(executor.start(planned)); executor.wait(planned.name, 600)
    while executor.observe(planned.name).exit is None: executor.wait(planned.name, 5)
elif sys.argv[2] == "remove":
    executor.remove(planned.name)
else:
    import time
    began = time.perf_counter()
    with executor.workspace(planned.name): print(time.perf_counter() - began)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--rounds", type=int, nargs="+", default=[40, 300])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 1000])
    given = parser.parse_args()
    version = _said("docker", "version", "--format", "{{.Server.Version}}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, engine {version}\n")
    print("| `docker run` takes | how it is run | median s | fastest s | slowest s | adds s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for rounds in given.rounds:
        with tempfile.TemporaryDirectory() as scratch:
            _measure_run(Path(scratch), rounds, given.repetitions)
    print("\n| /app holds | how results are read | median s | fastest s | slowest s |")
    print("| --- | --- | --- | --- | --- |")
    for megabytes in given.megabytes:
        with tempfile.TemporaryDirectory() as scratch:
            _measure_reading(Path(scratch), megabytes, given.repetitions)


def _measure_run(scratch: Path, rounds: int, repetitions: int) -> None:
    command = ["python3", "-c", BUSY.format(rounds=rounds)]
    jobs = {name: _write_job(scratch, command, name) for name in ("pyspy", "perf")}
    ways: dict[str, list[str]] = {
        "docker run": ["docker", "run", "--rm", IMAGE, *command],
        **{
            f"profjob run, {name}": [
                *(sys.executable, "-m", "profiling_operator", "run", "--quiet", str(job)),
                *("--executor", "docker", "--results", str(scratch / name)),
            ]
            for name, job in jobs.items()
        },
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repetitions):  # taking turns, so that what else happens falls on all of them
        for way, words in ways.items():
            times[way].append(_seconds(lambda words=words: _run(words, scratch)))  # type: ignore[misc]
    bare = statistics.median(times["docker run"])
    for way, taken in times.items():
        median = statistics.median(taken)
        row = f"{bare:.2f} s | {way} | {median:.2f} | {min(taken):.2f} | {max(taken):.2f}"
        print(f"| {row} | {median - bare:.2f} |", flush=True)


def _measure_reading(scratch: Path, megabytes: int, repetitions: int) -> None:
    """The same stopped container, its output read by us, and its whole /app by `docker cp`."""
    code = FILL.format(megabytes=megabytes) + BUSY.format(rounds=40)
    job = _write_job(scratch, ["python3", "-c", code], "pyspy")
    words = [sys.executable, "-c", READER, str(job)]
    attempt = _run([*words, "start"], scratch).split()[0]
    try:
        for way, measure in (
            ("profjob, the workspace", lambda: float(_run([*words, "read"], scratch))),
            ("docker cp of /app", lambda: _seconds(lambda: _copy(attempt, scratch))),
        ):
            taken = [measure() for _ in range(repetitions)]
            row = f"{statistics.median(taken):.2f} | {min(taken):.2f} | {max(taken):.2f}"
            print(f"| {megabytes} MiB | {way} | {row} |", flush=True)
    finally:
        _run([*words, "remove"], scratch)


def _copy(container: str, scratch: Path) -> None:
    target = scratch / "copied"
    subprocess.run(["rm", "-rf", str(target)], check=True)
    _run(["docker", "cp", f"{container}:/app", str(target)], scratch)


def _write_job(scratch: Path, command: list[str], collector: str) -> Path:
    job = scratch / f"{collector}.yaml"
    body = {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": f"overhead-{collector}"},
        "spec": {
            "app": {"image": IMAGE, "command": command},
            "collectors": [{"name": collector}],
            "output": {"path": "/app/profiling_output"},
        },
    }
    job.write_text(yaml.safe_dump(body))
    return job


def _run(words: list[str], scratch: Path) -> str:
    env = {**os.environ, "PROFJOB_STATE_DIR": str(scratch / "state")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "operator"), env.get("PYTHONPATH", "")])
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        sys.exit(f"{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
