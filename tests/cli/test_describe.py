"""`profjob describe`: what a person wants to know."""

from __future__ import annotations

import json

from cluster_bodies import ended, event, stored_job
from fake_cluster import FakeCluster
from making import Run

RESULTS = {
    "url": "http://store/ci/nbody/u/1",
    "files": [{"path": "entries.jsonl.gz", "size": 99, "sha256": "0" * 64, "count": 12}],
    "summary": [{"measure": "app/duration", "unit": "ns", "values": [2, 4], "median": 3}],
}
GATES = [
    {
        "measure": "app/duration",
        "verdict": "Failed",
        "message": "app/duration median 3 s is over 2 s",
    }
]


def test_everything_is_told(profjob: Run, cluster: FakeCluster) -> None:
    """What was asked for, how it went, what it brought; events in their order."""
    app = {"image": "registry.example/nbody:1", "command": ["./nbody"], "args": ["--steps", "9"]}
    status = ended("Failed", "AppFailed", results=RESULTS, gates=GATES)
    cluster.put(stored_job(status=status, app=app, gpu={"count": 2}, warmups=1, repetitions=3))
    cluster.put(event("Finished", "2026-11-23T10:05:00Z"))
    cluster.put(event("Started", "2026-11-23T10:01:00Z"))
    cluster.put(event("Pulled", "2026-11-23T10:00:30Z", uid="pod-uid"))
    cluster.put(event("Elsewhere", "2026-11-23T10:02:00Z", uid="another"))

    told = profjob("describe", "nbody").stdout

    for words in (
        "Image:       registry.example/nbody:1", "Command:     ./nbody --steps 9",
        "GPUs:        2", "Runs:        3, 1 warm-ups before", "Collectors:  pyspy",
        "Failed  AppFailed", "run 0  Completed, exit code 0, 2.5 s", "pyspy  12 entries, usable",
        "gate  Failed  app/duration median 3 s is over 2 s", "measure app/duration  3 ns, 2 values",
        "results  http://store/ci/nbody/u/1", "entries.jsonl.gz  99 bytes, 12 entries",
        "nbody-1-x", "ProfileUsable",
    ):  # fmt: skip
        assert words in told
    assert told.index("Pulled") < told.index("Started") < told.rindex("Finished  ")
    assert "Elsewhere" not in told


def test_a_job_that_no_model_takes_is_described(profjob: Run, cluster: FakeCluster) -> None:
    """It is where a description is needed most."""
    body = stored_job(status=ended("Failed", "InvalidSpec", runs=[], attempts=[]))
    body["spec"] = {"app": {"command": ["x"]}, "collectors": [{}], "future": {"a": 1}}
    cluster.put(body)

    assert "Failed  InvalidSpec" in profjob("describe", "nbody").stdout


def test_whoever_may_not_read_events_gets_the_rest(profjob: Run, cluster: FakeCluster) -> None:
    """And is told so."""
    cluster.put(stored_job())
    cluster.failures["GET events"].append(403)

    done = profjob("describe", "nbody")

    assert done.returncode == 0
    assert "Events: not yours to read" in done.stdout


def test_what_others_wrote_steers_no_terminal(profjob: Run, cluster: FakeCluster) -> None:
    """Neither as escape sequences nor as markup."""
    status = ended(headline="\x1b[31m[bold]hot[/bold]")
    cluster.put(stored_job(status=status))
    cluster.put(event("Started", "2026-11-23T10:01:00Z", message="[red]\x1b]0;x\x07"))

    told = profjob("describe", "nbody").stdout

    assert "\x1b" not in told
    assert "[bold]hot[/bold]" in told and "[red]" in told


def test_programs_get_the_job(profjob: Run, cluster: FakeCluster) -> None:
    """Nobody asks for events then."""
    cluster.put(stored_job(status=ended()))

    assert json.loads(profjob("describe", "nbody", "-o", "json").stdout)["status"]["runs"]
    assert not any("/events" in path for _, path in cluster.asked)
