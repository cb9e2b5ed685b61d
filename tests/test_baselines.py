"""Baselines as values."""

from __future__ import annotations

import pytest

from profiling_operator import baselines
from profiling_operator.baselines import Accepted, Baseline, Identity, Values, Window
from profiling_operator.machines import Machine

HERE = Machine(cpu="EPYC")
MINE = Identity(collectors="pyspy", image="registry.example:5000/nbody", command="sha256:1")
EMPTY = Baseline(namespace="ci", series="nbody", name="main")


def accepted(uid: str, machine: Machine = HERE) -> Accepted:
    """A job that took a second."""
    return Accepted(
        job=f"nbody-{uid}", uid=uid, machine=machine,
        measures={"app/duration": Values(unit="ns", values=(1e9,)),
                  "timer:hot/inclusive": Values(unit="ns", values=(5e8,))},
    )  # fmt: skip


@pytest.mark.parametrize(("image", "repository"), [
    ("nbody", "nbody"),
    ("nbody:1", "nbody"),
    ("registry.example:5000/team/nbody:1@sha256:aa", "registry.example:5000/team/nbody"),
    ("registry.example:5000/nbody", "registry.example:5000/nbody"),
    ("", ""),
])  # fmt: skip
def test_an_image_is_known_by_its_repository(image: str, repository: str) -> None:
    """Whatever the tag, whatever the digest, even where the registry has a port."""
    assert baselines.repository_of(image) == repository


def test_identity_is_of_words_and_collectors() -> None:
    """In no order of collectors; other words make another one."""
    one = baselines.identity_of(["tau", "perf"], "a:1", ["/app", "--steps", "10"])

    assert one == baselines.identity_of(["perf", "tau"], "a:2", ["/app", "--steps", "10"])
    assert one != baselines.identity_of(["perf", "tau"], "a:2", ["/app", "--steps 10"])


def test_a_window_rolls() -> None:
    """The newest first; the oldest leave; twice is once."""
    found = EMPTY
    for number in range(baselines.WINDOW + 5):
        found = baselines.accept(found, MINE, accepted(str(number)))
    found = baselines.accept(found, MINE, accepted("7"))

    (window,) = found.windows
    assert [one.uid for one in window.jobs][:3] == ["7", "24", "23"]
    assert len(window.jobs) == baselines.WINDOW


def test_windows_are_of_one_device_and_identity() -> None:
    """The one that was added to last comes first; `anew` forgets the rest of its own alone."""
    other = Identity(collectors="perf")
    found = baselines.accept(EMPTY, MINE, accepted("1"))
    found = baselines.accept(found, other, accepted("2"))
    found = baselines.accept(found, MINE, accepted("3", Machine(gpus=("H200",))))
    found = baselines.accept(found, MINE, accepted("4"))
    found = baselines.accept(found, MINE, accepted("5"), anew=True)

    assert [[one.uid for one in window.jobs] for window in found.windows] == [["5"], ["3"], ["2"]]
    assert baselines.read(baselines.write(found)) == found


def test_a_snapshot_has_what_gates_ask_for() -> None:
    """Of the windows alike; what else there is, is told."""
    found = baselines.accept(EMPTY, MINE, accepted("1"))
    found = baselines.accept(found, MINE, accepted("2", Machine(gpus=("H200",))))
    found = baselines.accept(found, Identity(image="x", command="sha256:1"), accepted("3"))

    taken = baselines.snapshot(found, "main", MINE, ["timer:*"])

    assert [window.device for window in taken.windows] == ["H200", "EPYC"]
    assert set(taken.windows[0].jobs[0].measures) == {"timer:hot/inclusive"}
    assert taken.others == "1 jobs with other collectors and another image"
    assert baselines.snapshot(None, "main", MINE, []).windows == ()


def test_a_document_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest windows go first."""
    monkeypatch.setattr(baselines, "DOCUMENT_LIMIT", 1000)
    windows = tuple(
        Window(identity=MINE, device=str(number), jobs=(accepted("1"),)) for number in range(20)
    )

    text = baselines.write(EMPTY.model_copy(update={"windows": windows}))

    kept = baselines.read(text).windows
    assert len(text) <= 1000
    assert [one.device for one in kept] == [str(number) for number in range(len(kept))]
    assert kept


def test_what_is_no_baseline_is_refused() -> None:
    """Whoever wrote it."""
    with pytest.raises(ValueError, match="namespace"):
        baselines.read(b'{"version": 1}')


def test_a_summary_becomes_an_accepted_job() -> None:
    """Gated measures first."""
    summary = {
        "job": "ci/nbody-1", "image": "nbody:1", "machine": {"cpu": "EPYC"},
        "gates": [{"measure": "b", "verdict": "Passed"}],
        "measures": [{"measure": name, "unit": "ns", "values": [1.0]} for name in "ab"],
    }  # fmt: skip

    found = baselines.accepted(summary, "u", 2, "2026-11-30T00:00:00Z")

    assert (found.job, found.attempt, found.image, found.machine) == ("nbody-1", 2, "nbody:1", HERE)
    assert list(found.measures) == ["b", "a"]
