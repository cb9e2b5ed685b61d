"""Plans: what a job's words become."""

from __future__ import annotations

from typing import Any

import pytest

from making import job
from profiling_operator import plan, registry
from profiling_operator.collectors import Collector, Facts, Wrapper
from profiling_operator.errors import CollectorsClashError, SpecError
from profiling_operator.plan import build_plan


def test_equal_jobs_give_equal_plans() -> None:
    """A plan has no memory, no clock and no chance in it."""
    assert build_plan(job(uid="a")) == build_plan(job(uid="a"))


def test_another_attempt_or_job_has_another_name() -> None:
    """The name tells attempts and jobs of the same name apart, within 63 characters."""
    long = "n" * 253
    names = [
        build_plan(job(uid="a", name=long)).name,
        build_plan(job(uid="a", name=long), attempt=2).name,
        build_plan(job(uid="b", name=long)).name,
    ]

    assert len(set(names)) == 3
    assert all(len(name) <= 63 for name in names)


def test_a_plan_survives_json() -> None:
    """What an executor writes down is what it reads."""
    planned = build_plan(job(playback={"port": 80, "command": ["x"]}, gpu={"count": 2}))

    assert plan.Plan.model_validate_json(planned.model_dump_json()) == planned


def test_options_are_checked_with_their_path() -> None:
    """A collector's bad options are the spec's problems; all of them are told at once."""
    collectors = [{"name": "pyspy", "options": {"rat": 5, "gil": "yes"}}, {"name": "tua"}]

    with pytest.raises(SpecError) as caught:
        build_plan(job(collectors=collectors))

    told = str(caught.value)
    assert "spec.collectors[0].options.rat: is not a known field; did you mean 'rate'?" in told
    assert "spec.collectors[0].options.gil" in told
    assert 'spec.collectors[1].name: "tua" must be one of' in told


def test_collectors_that_need_the_same_thing_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused with the thing and both names."""
    for name in ("pyspy", "tau"):
        one: Collector = registry.load("collectors", name)
        monkeypatch.setattr(type(one), "clashes", lambda self, options: frozenset({"cupti"}))

    with pytest.raises(CollectorsClashError, match="pyspy and tau both need cupti"):
        build_plan(job(collectors=[{"name": "pyspy"}, {"name": "tau"}]))


def test_the_collector_of_a_plan_has_its_options() -> None:
    """Options go through the plan and come back as the collector's own model."""
    planned = build_plan(job(collectors=[{"name": "pyspy", "options": {"rate": 333}}]))

    collector, options = plan.collector_of(planned.collectors[0])

    assert collector.name == "pyspy"
    assert options.model_dump()["rate"] == 333


def test_what_loads_itself_stands_next_to_the_application() -> None:
    """TAU removes itself from the environment of what it enters: nothing may come between."""
    planned = build_plan(job(collectors=[{"name": "tau"}, {"name": "pyspy"}]))

    assert planned.wrapper.index("{tool:pyspy}/bin/py-spy") < planned.wrapper.index(
        "{tool:tau}/bin/tau_exec"
    )
    assert [step.signal for step in planned.stop] == ["USR1", "INT"]


@pytest.mark.parametrize("names", [("pyspy", "perf"), ("perf", "pyspy")])
def test_tools_that_end_with_the_application_stand_around_each_other(
    names: tuple[str, str],
) -> None:
    """A stop is for the application alone; then both write what they have, and are waited for.

    py-spy stands inside, whatever the job's order: it would not wait for perf to begin.
    """
    planned = build_plan(job(collectors=[{"name": name} for name in names]))

    tools = [word for word in planned.wrapper if word.startswith("{tool:")]
    assert tools == ["{tool:perf}/bin/perf", "{tool:pyspy}/bin/py-spy"]
    assert planned.wrapper[-4:] == ("{launcher}", "--record", "{run}/.app.json", "--")
    assert [(one.signal, one.target) for one in planned.stop] == [
        ("TERM", "app"), ("KILL", "app"), ("NONE", "tool"),
    ]  # fmt: skip
    assert [one.name for one in planned.collectors] == list(names)


def test_what_is_inside_the_application_is_told_before_it_ends() -> None:
    """TAU writes while the application lives; perf and py-spy once it has ended."""
    collectors = [{"name": "tau"}, {"name": "perf"}, {"name": "pyspy"}]

    steps = [(one.signal, one.target) for one in build_plan(job(collectors=collectors)).stop]

    assert steps[0] == ("USR1", "mapped=libTAU")
    assert [signal for signal, _ in steps[1:]] == ["TERM", "KILL", "NONE"]


def test_a_tool_that_has_to_stand_alone_clashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with what would happen."""
    one: Collector = registry.load("collectors", "perf")
    wrapper = Wrapper(("x",))
    monkeypatch.setattr(type(one), "wrap", lambda self, options: wrapper)

    with pytest.raises(
        CollectorsClashError, match=r"perf and pyspy stand around .* lose its profile"
    ):
        build_plan(job(collectors=[{"name": "perf"}, {"name": "pyspy"}]))


# Which collectors work together in mode wrap, on one application: docs/collectors.md tells why not.
TOGETHER = {
    ("nsys", "nvprof"): False, ("nsys", "perf"): False, ("nsys", "pyspy"): False,
    ("nvprof", "perf"): False, ("nvprof", "pyspy"): False, ("nsys", "tau"): True,
    ("nvprof", "tau"): True, ("perf", "pyspy"): True, ("perf", "tau"): True, ("pyspy", "tau"): True,
}  # fmt: skip


def test_every_pair_of_collectors_works_or_is_refused_with_a_reason() -> None:
    """A new collector is put into the table."""
    names = registry.names("collectors")
    pairs = [(one, other) for one in names for other in names if one < other]
    assert set(pairs) <= set(TOGETHER)
    for pair in pairs:
        wanted = job(collectors=[{"name": name} for name in pair])
        if TOGETHER[pair]:
            assert len(build_plan(wanted).collectors) == 2
            continue
        with pytest.raises(CollectorsClashError) as caught:
            build_plan(wanted)
        assert all(name in str(caught.value) for name in pair)


def test_two_that_want_the_time_after_a_run_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one command is run then."""
    for name in ("pyspy", "tau"):
        one: Collector = registry.load("collectors", name)
        wrapper = Wrapper(("x",), is_inner=True, after=("y",))
        monkeypatch.setattr(type(one), "wrap", lambda self, options, it=wrapper: it)

    with pytest.raises(CollectorsClashError, match="the time after a run"):
        build_plan(job(collectors=[{"name": "pyspy"}, {"name": "tau"}]))


def test_an_attached_collector_leaves_the_application_alone() -> None:
    """Nothing of it is in the command, the environment, the stop sequence, or after the runs."""
    planned = build_plan(job(collectors=[{"name": "perf", "mode": "attach"}]))

    (one,) = planned.collectors
    assert (one.mode, one.system_calls) == ("attach", ("perf_event_open",))
    assert (planned.wrapper, planned.env, planned.path, planned.stop) == ((), {}, (), ())
    assert (planned.after, planned.recorded, planned.system_calls) == ((), False, ())
    assert planned.attaches
    assert planned.attached_field == "spec.collectors[0].mode"
    assert plan.attachment_of(one).words[0] == "{tool}/bin/perf"


@pytest.mark.parametrize("modes", [("wrap", "attach"), ("attach", "wrap"), ("attach", "attach")])
def test_only_one_tool_stands_around_where_others_are_attached(modes: tuple[str, str]) -> None:
    """Two wrappers clash; this does not."""
    names = ("pyspy", "perf")
    collectors = [{"name": names[it], "mode": mode} for it, mode in enumerate(modes)]

    planned = build_plan(job(collectors=collectors))

    around = [names[it] for it, mode in enumerate(modes) if mode == "wrap"]
    assert [name for name in names if f"{{tool:{name}}}" in str(planned.wrapper)] == around
    assert planned.attached_field == f"spec.collectors[{modes.index('attach')}].mode"


def test_what_attached_collectors_need_clashes_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one tool can trace a process, from wherever."""
    one: Collector = registry.load("collectors", "perf")
    monkeypatch.setattr(type(one), "clashes", lambda self, options: frozenset({"ptrace"}))

    with pytest.raises(CollectorsClashError, match="pyspy and perf both need ptrace"):
        build_plan(job(collectors=[{"name": "pyspy"}, {"name": "perf", "mode": "attach"}]))


def test_a_collector_that_cannot_be_attached_is_refused_by_field() -> None:
    """With the modes that it has."""
    with pytest.raises(SpecError) as caught:
        build_plan(job(collectors=[{"name": "pyspy"}, {"name": "tau", "mode": "attach"}]))

    assert str(caught.value) == (
        'spec.collectors[1].mode: "attach" must be one of wrap: tau has no other mode'
    )


@pytest.mark.parametrize(
    ("gpu", "models"),
    [
        ({"count": 1, "product": "NVIDIA-H200"}, ("NVIDIA-H200",)),
        ({"count": 1}, ("Tesla V100",)),
        (None, ("Tesla V100",)),
    ],
    ids=["by name", "any", "none"],
)
def test_the_gpu_that_is_asked_for_by_name_is_the_one_that_counts(
    gpu: dict[str, Any] | None, models: tuple[str, ...]
) -> None:
    """For a preflight: the place may have others, too."""
    wanted = {} if gpu is None else {"gpu": gpu}
    here = Facts(machine="x86_64", gpu_models=("Tesla V100",))

    found = build_plan(job(**wanted)).asks_of(here)

    assert (found.machine, found.gpu_models) == ("x86_64", models)
