"""The plan: what will run, in words that no platform owns. Built once, run by any executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pydantic

from profiling_operator import baselines, collectors, names, quantities, registry, spec, traces
from profiling_operator.baselines import Identity, Snapshot
from profiling_operator.collectors import Facts
from profiling_operator.errors import CollectorsClashError, Problem, SpecError
from profiling_operator.frozen import Frozen
from profiling_operator.spec.app import VARIABLES_LIMIT, App
from profiling_operator.spec.job import (
    CollectorSpec,
    Deadlines,
    Gate,
    Gpu,
    Mode,
    Output,
    Placement,
    Playback,
    Retries,
)
from profiling_operator.spec.reading import problems_of

SWEEP_SECONDS = 15  # the launcher's own bounds after a run: 5 s for orphans, 5 s for KILL, margin
AWAITS_TOOLS = collectors.StopStep("NONE", collectors.Target.TOOL, collectors.Wait.EXIT, 5.0)


class PlannedStop(Frozen):
    """One step of the stop sequence, as docs/launcher.md has it."""

    signal: str
    target: str
    wait: str
    seconds: float


class PlannedCollector(Frozen):
    """A collector with its options checked and completed."""

    name: str
    options: dict[str, Any]
    toolchain: collectors.Toolchain
    mode: Mode = "wrap"
    """An attached one adds nothing to the application's command, environment and stop sequence."""
    system_calls: tuple[str, ...] = ()
    """System calls that an attached one makes, in its own container, and that containers are
    refused by default."""


class Plan(Frozen):
    """One attempt of one job."""

    name: str
    """Name of the attempt: unique, the same each time it is computed."""
    namespace: str
    job: str
    uid: str
    attempt: int
    series: str
    app: App
    gpu: Gpu | None
    playback: Playback | None
    output: Output
    placement: Placement
    deadlines: Deadlines
    retries: Retries
    gates: tuple[Gate, ...]
    collectors: tuple[PlannedCollector, ...]
    wrapper: tuple[str, ...]
    """Words in front of the command; `{run}`, `{launcher}`, `{toolchain:NAME}` stand for paths,
    `{tool:NAME}` for a program's loader, if it needs one, and its path."""
    system_calls: tuple[str, ...]
    """System calls that the wrapper makes and that containers are refused by default."""
    after: tuple[str, ...]
    """A command run after each run, with the same stand-ins."""
    after_output: str
    after_seconds: float
    env: dict[str, str]
    """Variables that the collectors need, for the application only, with the same stand-ins."""
    path: tuple[str, ...]
    stop: tuple[PlannedStop, ...]
    recorded: bool
    """The tool hides the application's exit code: an inner launcher records it."""
    warmups: int
    repetitions: int
    timeout_seconds: float
    stop_is_normal: bool
    grace_seconds: float
    identity: Identity = Identity()
    """What the job has in common with those that it may be compared with."""
    baselines: tuple[Snapshot, ...] = ()
    """What gates need of the baselines that they name, as it was before the start; see
    `with_baselines`."""
    folder: str = ""
    """Folder of the job's file, where it came from one: the default working directory there."""

    @property
    def key(self) -> str:
        """`namespace/name` of the job."""
        return f"{self.namespace}/{self.job}"

    @property
    def attached_field(self) -> str:
        """The field that asks for measuring from outside, by its first; empty: none does."""
        modes = [one.mode for one in self.collectors]
        return f"spec.collectors[{modes.index('attach')}].mode" if "attach" in modes else ""

    @property
    def baseline_names(self) -> tuple[str, ...]:
        """The baselines that gates name, each once."""
        return tuple(dict.fromkeys(one.baseline for one in self.gates if one.baseline))

    def asks_of(self, here: Facts) -> Facts:
        """Facts of a place, with the GPUs that the plan asks for by name there."""
        wanted = self.gpu.product if self.gpu else ""
        return dataclasses.replace(here, gpu_models=(wanted,)) if wanted else here

    def starts_program_of(self, name: str) -> bool:
        """Whether a program of a collector's toolchain stands before the command."""
        return any(word.startswith(f"{{tool:{name}}}") for word in self.wrapper)

    @property
    def attaches(self) -> bool:
        """Whether something measures the application from outside."""
        return bool(self.attached_field)

    @property
    def runs(self) -> int:
        """Warm-ups and repetitions."""
        return self.warmups + self.repetitions

    @property
    def size_limit(self) -> int:
        """Bytes that the output may have."""
        return int(quantities.parse_quantity(self.output.size_limit))

    @property
    def stop_seconds(self) -> float:
        """The longest that one run may take to end once it has been told to."""
        after = self.after_seconds if self.after else 0.0
        return sum(step.seconds for step in self.stop) + self.grace_seconds + SWEEP_SECONDS + after

    @property
    def longest_seconds(self) -> float:
        """The longest that all runs may take."""
        return self.runs * (self.timeout_seconds + self.stop_seconds)


def build_plan(job: spec.ProfilingJob, attempt: int = 1, folder: str = "") -> Plan:
    """What one attempt of a job will run. No I/O: equal jobs give equal plans.

    Raises SpecError for options that a collector refuses, CollectorsClashError where two of them
    cannot work together.
    """
    wanted = job.spec
    chosen = _choose(job)
    _refuse_clashes(chosen)
    wrapping = [(one, one.collector.wrap(one.options)) for one in chosen if one.mode == "wrap"]
    wrapping.sort(key=lambda pair: _depth(pair[1]))
    wrappers = [(one.name, wrapper) for one, wrapper in wrapping]
    _refuse_two_around(wrappers)
    recorded = any(wrapper.hides_exit_code for _, wrapper in wrappers)
    after = _only_after(wrappers)
    return Plan(
        name=names.attempt_name(
            job.metadata.namespace, job.metadata.name, job.metadata.uid, attempt
        ),
        namespace=job.metadata.namespace,
        job=job.metadata.name,
        uid=job.metadata.uid,
        attempt=attempt,
        series=job.series,
        app=_traced(job),
        gpu=wanted.gpu,
        playback=wanted.playback,
        output=wanted.output,
        placement=wanted.placement,
        deadlines=wanted.deadlines,
        retries=wanted.retries,
        gates=wanted.gates,
        collectors=tuple(map(_planned, chosen)),
        wrapper=tuple(_wrapper_words(wrappers, recorded)),
        system_calls=tuple(
            sorted({call for _, wrapper in wrappers for call in wrapper.system_calls})
        ),
        after=tuple(_named(word, after[0]) for word in after[1].after),
        after_output=after[1].after_output,
        after_seconds=after[1].after_seconds,
        env={
            key: _named(value, name)
            for name, wrapper in wrappers
            for key, value in wrapper.env.items()
        },
        path=tuple(_named(one, name) for name, wrapper in wrappers for one in wrapper.path),
        stop=tuple(_stop_steps(wrapping)),
        recorded=recorded,
        warmups=wanted.warmups,
        repetitions=wanted.repetitions,
        timeout_seconds=wanted.timeout_seconds,
        stop_is_normal=wanted.on_timeout is spec.OnTimeout.STOP,
        grace_seconds=wanted.grace_period_seconds,
        identity=baselines.identity_of(
            (one.name for one in chosen),
            wanted.app.image or "",
            (*wanted.app.command, *wanted.app.args),
        ),
        folder=folder,
    )


def _traced(job: spec.ProfilingJob) -> App:
    """The application, with the trace of the job's annotations in its environment.

    What the job sets itself stands, and a list that is full stays as it is.
    """
    app = job.spec.app
    own = {one.name for one in app.env}
    found = traces.variables_of(job.metadata.annotations)
    if own & found.keys() or len(own) + len(found) > VARIABLES_LIMIT:
        return app
    added = (spec.EnvVar(name=name, value=value) for name, value in found.items())
    return app.model_copy(update={"env": (*app.env, *added)})


def with_baselines(planned: Plan, snapshots: Sequence[Snapshot]) -> Plan:
    """The plan with what its gates need of baselines."""
    return planned.model_copy(update={"baselines": tuple(snapshots)})


def collector_of(planned: PlannedCollector) -> tuple[collectors.Collector, Frozen]:
    """The collector that a plan names, with its options."""
    one: collectors.Collector = registry.load("collectors", planned.name)
    return one, one.options.model_validate(planned.options)


def attachment_of(planned: PlannedCollector) -> collectors.Attachment:
    """How a collector that a plan names in mode `attach` is attached."""
    one: collectors.AttachingCollector = registry.load("collectors", planned.name)
    return one.attach(one.options.model_validate(planned.options))


def _named(word: str, name: str) -> str:
    word = word.replace("{toolchain}", f"{{toolchain:{name}}}")
    return word.replace("{tool}", f"{{tool:{name}}}")


def _planned(one: Chosen) -> PlannedCollector:
    planned = PlannedCollector(
        name=one.name,
        options=one.options.model_dump(mode="json"),
        toolchain=one.collector.toolchain,
        mode=one.mode,
    )
    if one.mode == "wrap":
        return planned
    return planned.model_copy(update={"system_calls": attachment_of(planned).system_calls})


def _stop_steps(
    wrapping: Sequence[tuple[Chosen, collectors.Wrapper]],
) -> Iterator[PlannedStop]:
    """What is inside the application goes first. Several tools around it all end with it."""
    own = [one for one, _ in reversed(wrapping)]
    then: tuple[collectors.StopStep, ...] = ()
    if sum(_is_around(wrapper) for _, wrapper in wrapping) > 1:
        own = [one for one, wrapper in wrapping if wrapper.is_inner]
        then = (*collectors.ENDS_APP, AWAITS_TOOLS)
    for step in (*(step for one in own for step in one.collector.stop(one.options)), *then):
        yield PlannedStop(
            signal=step.signal, target=step.target, wait=step.wait, seconds=step.seconds
        )


Wrappers = list[tuple[str, collectors.Wrapper]]


def _depth(wrapper: collectors.Wrapper) -> tuple[bool, bool]:
    """In the order of the job, but what loads itself into the application stands next to it.

    Just outside of that comes what soon gives up where the application has not begun.
    """
    return wrapper.is_inner, wrapper.is_impatient


def _refuse_two_around(wrappers: Wrappers) -> None:
    """A stop reaches the application, so each of several tools has to end by itself after it."""
    around = [(name, wrapper) for name, wrapper in wrappers if _is_around(wrapper)]
    lonely = [name for name, wrapper in around if not wrapper.ends_with_app]
    if len(around) > 1 and lonely:
        names = " and ".join(name for name, _ in around)
        message = (
            f"{names} stand around the application, where {lonely[0]} has to stand alone: another "
            f"tool would lose its profile, or {lonely[0]} its own, when the application is stopped"
        )
        raise CollectorsClashError([Problem("spec.collectors", message)])


def _is_around(wrapper: collectors.Wrapper) -> bool:
    return bool(wrapper.words) and not wrapper.is_inner


def _only_after(wrappers: Wrappers) -> tuple[str, collectors.Wrapper]:
    """The collector that has something to do after each run. Raises where two have."""
    found = [(name, wrapper) for name, wrapper in wrappers if wrapper.after]
    if len(found) > 1:
        who = " and ".join(name for name, _ in found)
        message = f"{who} both need the time after a run, which only one can have"
        raise CollectorsClashError([Problem("spec.collectors", message)])
    return found[0] if found else ("", collectors.Wrapper())


def _wrapper_words(wrappers: Wrappers, recorded: bool) -> Iterator[str]:
    for name, wrapper in wrappers:
        yield from (_named(word, name) for word in wrapper.words)
    if recorded:
        yield from ("{launcher}", "--record", "{run}/.app.json", "--")


class Chosen(NamedTuple):
    """A collector that a job names, and what is asked of it."""

    name: str
    collector: collectors.Collector
    options: Frozen
    mode: Mode


def _choose(job: spec.ProfilingJob) -> list[Chosen]:
    """The job's collectors with their options checked; all problems are raised together."""
    chosen: list[Chosen] = []
    problems: list[Problem] = []
    for index, wanted in enumerate(job.spec.collectors):
        where = f"spec.collectors[{index}]"
        try:
            one: collectors.Collector = named("collectors", wanted.name, f"{where}.name")
            options = checked_options(one, wanted.options, f"{where}.options")
            _require_mode(one, wanted, f"{where}.mode")
            chosen.append(Chosen(wanted.name, one, options, wanted.mode))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return chosen


def _require_mode(one: collectors.Collector, wanted: CollectorSpec, where: str) -> None:
    if wanted.mode not in one.modes:
        allowed = ", ".join(one.modes)
        message = f'"{wanted.mode}" must be one of {allowed}: {wanted.name} has no other mode'
        raise SpecError([Problem(where, message)])


def named(folder: str, name: str, where: str) -> Any:
    """The collector or executor of a name that a user gave.

    Raises SpecError that says where the name stands and which ones there are.
    """
    if name not in registry.names(folder):
        allowed = ", ".join(registry.names(folder))
        raise SpecError([Problem(where, f'"{name}" must be one of {allowed}')])
    return registry.load(folder, name)


def checked_options(one: collectors.Collector, given: Mapping[str, Any], where: str) -> Frozen:
    """A collector's options that a user gave. Raises SpecError with every problem's path."""
    text = pydantic.TypeAdapter(dict[str, Any]).dump_json(dict(given))
    try:
        return one.options.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except pydantic.ValidationError as error:
        raise SpecError(problems_of(error, given, one.options, where)) from error


def _refuse_clashes(chosen: list[Chosen]) -> None:
    holders: dict[str, str] = {}
    for one in chosen:
        for thing in sorted(one.collector.clashes(one.options)):
            if thing in holders:
                message = (
                    f"{holders[thing]} and {one.name} both need {thing}, which only one can have"
                )
                raise CollectorsClashError([Problem("spec.collectors", message)])
            holders[thing] = one.name
