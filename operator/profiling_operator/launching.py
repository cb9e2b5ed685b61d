"""A plan as the launcher's command line, with what its words stand for on one platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from profiling_operator.plan import Plan

PLAYBACK_GRACE = 5.0
PLAYBACK_MARGIN = 30.0  # seconds that the application's launcher may take to begin
STOP_AT = 0.8  # of output.sizeLimit: what is there then can still be kept


@dataclass(frozen=True)
class ToolPlace:
    """Where a collector's files are, and what starts a program of theirs."""

    prefix: str
    loader: tuple[str, ...] = ()
    """Words before the program, where it needs its own loader; empty: nothing."""


@dataclass(frozen=True)
class Places:
    """Where things are on one platform, as the application sees them."""

    workspace: str
    launcher: str
    toolchains: Mapping[str, ToolPlace]


def launcher_words(plan: Plan, places: Places) -> list[str]:
    """The launcher's whole command line: its options, the wrapper, the application's words.

    The application's words are passed on as they are; only the wrapper's have stand-ins.
    """
    wrapper = [word for one in plan.wrapper for word in _words(one, places)]
    return [
        places.launcher,
        *_launcher_options(plan, places),
        "--wrapper",
        str(len(wrapper)),
        "--",
        *wrapper,
        *plan.app.command,
        *plan.app.args,
    ]


def _launcher_options(plan: Plan, places: Places) -> Iterator[str]:
    yield from ("--workspace", places.workspace, "--name", plan.name)
    yield from ("--warmups", str(plan.warmups), "--repetitions", str(plan.repetitions))
    yield from ("--timeout", f"{plan.timeout_seconds:g}", "--grace", f"{plan.grace_seconds:g}")
    yield from ("--on-timeout", "stop" if plan.stop_is_normal else "fail")
    yield from ("--output-env", "PROFILING_OUTPUT")
    yield from ("--size-limit", str(int(STOP_AT * plan.size_limit)))
    for collector in plan.collectors:
        yield from ("--collector", collector.name)
    for name, value in plan.env.items():
        yield from ("--env", f"{name}={_resolve(value, places)}")
    for folder in plan.path:
        yield from ("--path", _resolve(folder, places))
    for step in plan.stop:
        yield from ("--stop", f"{step.signal}:{step.target}:{step.wait}:{step.seconds:g}")
    if plan.after:
        yield from _after_options(plan, places)
    if plan.recorded:
        yield "--recorded"
    if plan.app.working_dir:
        yield from ("--chdir", plan.app.working_dir)


def _after_options(plan: Plan, places: Places) -> Iterator[str]:
    for word in (word for one in plan.after for word in _words(one, places)):
        yield from ("--after", word)
    yield from ("--after-output", plan.after_output)
    yield from ("--after-seconds", f"{plan.after_seconds:g}")


def _words(word: str, places: Places) -> list[str]:
    """What a word stands for: a program may need its loader before it."""
    for name, place in places.toolchains.items():
        if word.startswith(f"{{tool:{name}}}"):
            program = word.replace(f"{{tool:{name}}}", place.prefix, 1)
            return [*place.loader, _resolve(program, places)]
    return [_resolve(word, places)]


def _resolve(word: str, places: Places) -> str:
    """The word with the places put in; `{run}` is left for the launcher."""
    for name, place in places.toolchains.items():
        word = word.replace(f"{{toolchain:{name}}}", place.prefix)
    return word.replace("{launcher}", places.launcher)


def playback_words(plan: Plan, launcher: str, workspace: str, command: Sequence[str]) -> list[str]:
    """The command line of the playback server's own launcher: so it ends, whatever happens."""
    readiness = plan.playback.readiness.timeout_seconds if plan.playback else 0
    longest = readiness + PLAYBACK_MARGIN + plan.longest_seconds
    return [
        *(launcher, "--workspace", workspace, "--wrapper", "0"),
        *("--name", f"{plan.name}-playback", "--timeout", f"{longest:g}"),
        *("--on-timeout", "stop", "--grace", f"{PLAYBACK_GRACE:g}", "--", *command),
    ]


def playback_env(plan: Plan, host: str) -> dict[str, str]:
    """Variables by which the application finds the server; none where there is no server."""
    if plan.playback is None:
        return {}
    port = str(plan.playback.port)
    url = f"http://{host}:{port}"
    return {"PLAYBACK_HOST": host, "PLAYBACK_PORT": port, "PLAYBACK_URL": url}
