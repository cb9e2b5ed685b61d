"""Baselines as values."""

from __future__ import annotations

import pytest

from profiling_operator import baselines
from profiling_operator.baselines import Accepted, Baseline, Identity, Snapshot, Values, Window
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


def snapshot_of(jobs: int, measures: int, values: int = 20) -> Snapshot:
    """Of one window."""
    told = {
        f"timer:{number}/inclusive": Values(unit="ns", values=(123456789.0,) * values)
        for number in range(measures)
    }
    listed = tuple(
        Accepted(job=f"nbody-{number}", uid=f"{number:036}", machine=HERE, measures=told)
        for number in range(jobs)
    )
    return Snapshot(name="main", windows=(Window(identity=MINE, device="EPYC", jobs=listed),))


def test_what_fits_stays_as_it_is() -> None:
    """Two gates with twenty jobs of twenty repetitions do."""
    one = snapshot_of(20, 2)

    assert baselines.fitting([one, one]) == (one, one)


@pytest.mark.parametrize(("jobs", "measures"), [(20, 12), (20, 200), (5, 200), (20, 40)])
def test_what_does_not_fit_is_left_out_and_said(jobs: int, measures: int) -> None:
    """The oldest jobs first, then the measures named last."""
    (one,) = baselines.fitting([snapshot_of(jobs, measures)])

    assert len(one.model_dump_json()) <= baselines.SNAPSHOT_LIMIT
    assert "did not fit into the plan" in one.left_out
    (window,) = one.windows
    assert len(window.jobs) >= baselines.FEWEST
    assert [job.job for job in window.jobs] == [f"nbody-{n}" for n in range(len(window.jobs))]
    assert next(iter(window.jobs[0].measures)) == "timer:0/inclusive"
    if len(window.jobs[0].measures) < measures:
        assert len(window.jobs) == baselines.FEWEST


def test_what_cannot_fit_at_all_is_a_problem() -> None:
    """As with hundreds of windows."""
    (one,) = baselines.fitting([snapshot_of(20, 1)], limit=300)

    assert "cannot carry" in one.problem
    assert one.windows == ()


def test_a_document_never_outgrows_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows go first, then jobs; one that is too large alone is refused."""
    monkeypatch.setattr(baselines, "DOCUMENT_LIMIT", 2000)
    found = EMPTY
    for number in range(20):
        found = baselines.accept(found, MINE, accepted(str(number)))

    kept = baselines.read(baselines.write(found))

    assert 0 < len(kept.windows[0].jobs) < 20
    assert kept.windows[0].jobs[0].uid == "19"
    monkeypatch.setattr(baselines, "DOCUMENT_LIMIT", 100)
    with pytest.raises(ValueError, match="one job has more than 100 bytes"):
        baselines.write(found)


@pytest.mark.parametrize("name", ["main", "a", "a-1", "x" * 63])
def test_names_that_baselines_may_have(name: str) -> None:
    """DNS labels."""
    assert baselines.name_problem(name) == ""


@pytest.mark.parametrize("name", ["", "Main", "a/b", "-a", "a-", "x" * 64, "ä", "a\n"])
def test_names_that_they_may_not_have(name: str) -> None:
    """Told with the value, in bounded length."""
    assert "must be a name of at most 63" in baselines.name_problem(name)
    assert len(baselines.name_problem(name * 100)) < 200


def test_what_is_no_number_is_not_kept() -> None:
    """JSON has no words for it, so the document could not be read again."""
    measures = [
        {"measure": "a", "unit": "1", "values": [float("nan")]},
        {"measure": "b", "unit": "1", "values": [1.0, float("inf")]},
        {"measure": "c", "unit": "1", "values": [1.0]},
    ]

    found = baselines.accepted({"job": "ci/a", "measures": measures}, "u", 1, "")

    assert list(found.measures) == ["c"]
