"""`profjob list`: the columns of `kubectl get`."""

from __future__ import annotations

import json

import pytest

from cluster_bodies import condition, ended, going, stored_job
from fake_cluster import FakeCluster
from making import Run
from profiling_operator import crd
from profiling_operator.cli import listing


def test_every_column_of_the_crd_can_be_shown() -> None:
    """A path of another kind would be a ValueError."""
    body = stored_job(status=ended(), gpu={"count": 2})

    shown = {name: listing.cell(body, kind, path) for name, kind, path, _ in crd.COLUMNS}

    assert shown.pop("Age").endswith(("d", "s", "m", "h"))
    assert shown == {
        "Phase": "Succeeded", "Collector": "pyspy", "GPUs": "2", "Headline": "hot 81 % of 2.5 s",
        "Gates": "-", "Node": "n1", "Duration": "1m2s", "Reason": "Completed",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["status", ".status..x", ".a[0]", "$.a"])
def test_other_paths_are_refused(path: str) -> None:
    """Rather than shown wrong."""
    with pytest.raises(ValueError, match="is no step"):
        listing.values({"a": [1]}, path)


def test_what_is_missing_is_a_dash() -> None:
    """Whatever stands in its place."""
    assert listing.cell({"status": "odd"}, "string", ".status.conditions[*].x") == "-"
    assert listing.cell({}, "date", ".metadata.creationTimestamp") == "-"


def test_jobs_are_listed(profjob: Run, cluster: FakeCluster) -> None:
    """One line each; the headline is whole; -o wide adds where and why."""
    cluster.put(stored_job("b", status=going("Running")))
    failed = [condition("Finished", "True", "AppFailed"), condition("GatesPassed", "False")]
    cluster.put(stored_job("a", uid="a", status=ended("Failed", conditions=failed)))

    head, first, second = profjob("list").stdout.splitlines()

    assert head.split() == ["NAME", "PHASE", "COLLECTOR", "GPUS", "HEADLINE", "GATES", "AGE"]
    assert first.split()[:3] == ["a", "Failed", "pyspy"]
    assert "hot 81 % of 2.5 s   False" in first
    assert second.split()[:2] == ["b", "Running"]
    assert "n1     1m2s       AppFailed" in profjob("list", "-o", "wide").stdout


def test_namespaces_and_labels_select(profjob: Run, cluster: FakeCluster) -> None:
    """-n, -A and -l as kubectl has them."""
    ours, theirs = stored_job("a"), stored_job("b", uid="b")
    ours["metadata"]["labels"] = {"team": "x"}
    theirs["metadata"]["namespace"] = "other"
    cluster.put(ours)
    cluster.put(theirs)

    assert profjob("list", "-o", "name").stdout == "profilingjob.profiling.dev/a\n"
    assert profjob("list", "-n", "other", "-o", "name").stdout.endswith("/b\n")
    everywhere = profjob("list", "-A").stdout.splitlines()
    assert [line.split()[:2] for line in everywhere] == [
        ["NAMESPACE", "NAME"], ["ci", "a"], ["other", "b"],
    ]  # fmt: skip
    assert len(profjob("list", "-A", "-l", "team=x").stdout.splitlines()) == 2


def test_programs_get_a_list(profjob: Run, cluster: FakeCluster) -> None:
    """As kubectl has them."""
    cluster.put(stored_job())

    body = json.loads(profjob("list", "-o", "json").stdout)

    assert (body["kind"], body["apiVersion"]) == ("List", "v1")
    assert body["items"][0]["kind"] == "ProfilingJob"


def test_no_jobs_are_no_output(profjob: Run, cluster: FakeCluster) -> None:
    """People are told on stderr."""
    done = profjob("list")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no jobs\n")


def test_who_may_not_list_is_told(profjob: Run, cluster: FakeCluster) -> None:
    """The server's own words; 2."""
    cluster.failures["GET profilingjobs"].append(403)

    done = profjob("list")

    assert (done.returncode, done.stderr) == (2, "profjob: as the test says\n")


def test_columns_are_whole_however_narrow_the_terminal_is(
    profjob: Run, cluster: FakeCluster, env: dict[str, str]
) -> None:
    """A log of a pipeline has no width; programs read these lines, too."""
    env["COLUMNS"] = "20"
    name = "a" * 100
    cluster.put(stored_job(name, status=ended(headline="結果 of [hot]")))

    head, line = profjob("list").stdout.splitlines()

    assert line.split()[:2] == [name, "Succeeded"]
    assert "結果 of [hot]   -" in line and "HEADLINE        GATES" in head
