"""perf: what it is told, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from making import job
from profiling_operator import plan
from profiling_operator.captures import ATTACH_LOG, Evidence, Fate, FileNote
from profiling_operator.collectors import Facts
from profiling_operator.collectors.perf import COLLECTOR, Options
from profiling_operator.errors import Reason


def words(**options: Any) -> str:
    """The words in front of the command."""
    return " ".join(COLLECTOR.wrap(Options(**options)).words)


def test_the_command_is_wrapped_by_default() -> None:
    """User code's time, callers by frame pointers, the launcher's clock, nothing in ~/.debug."""
    wrapper = COLLECTOR.wrap(Options())

    assert " ".join(wrapper.words) == (
        "{tool}/bin/perf --no-pager record -k CLOCK_MONOTONIC -F 99 -e cpu-clock --all-user "
        "--call-graph fp --timestamp --period --sample-cpu --no-buildid --no-buildid-cache "
        "--no-bpf-event -o {run}/perf/perf.data --"
    )
    assert wrapper.hides_exit_code and wrapper.ends_with_app and not wrapper.is_inner
    assert wrapper.env == {"PERF_CONFIG": "/dev/null"}
    assert wrapper.system_calls == ("perf_event_open",)


def test_the_text_is_made_after_the_run() -> None:
    """Where the application's files are, by the same perf; it starts no addr2line."""
    wrapper = COLLECTOR.wrap(Options())

    assert " ".join(wrapper.after) == (
        "{tool}/bin/perf --no-pager script --force --header --ns --no-inline "
        "--show-lost-events "
        "-F comm,pid,tid,cpu,time,period,event,ip,sym,dso -i {run}/perf/perf.data"
    )
    assert wrapper.after_output == "{run}/perf/perf.script"


def test_it_is_attached_to_all_processes_there_are() -> None:
    """The text is made after all runs, with the symbols of the application's own files."""
    wrapper, attachment = COLLECTOR.wrap(Options()), COLLECTOR.attach(Options())

    assert attachment.words == (*wrapper.words[:-1], "-p", "{pids}")
    assert attachment.env == wrapper.env
    assert attachment.system_calls == wrapper.system_calls
    assert attachment.after_output == wrapper.after_output
    at = attachment.after.index("--symfs")
    assert attachment.after[at + 1] == "{root}"
    assert (*attachment.after[:at], *attachment.after[at + 2 :]) == wrapper.after


@pytest.mark.parametrize(("options", "there", "absent"), [
    ({"frequency": 999}, "-F 999", "-F 99 "),
    ({"event": "cycles,cpu/x=0x1/u"}, "-e cycles,cpu/x=0x1/u", "cpu-clock"),
    ({"call_graph": "none"}, "-e cpu-clock", "--call-graph"),
    ({"call_graph": "dwarf"}, "--call-graph dwarf", " fp"),
    ({"kernel": True}, "-e cpu-clock", "--all-user"),
    ({"args": ("--strict-freq", "-m", "64")}, "perf.data --strict-freq -m 64 --", "addr2line"),
])  # fmt: skip
def test_options_become_words(options: dict[str, Any], there: str, absent: str) -> None:
    """More words of the user's come last."""
    assert there in words(**options)
    assert absent not in words(**options)


@pytest.mark.parametrize("options", [
    {"event": "-a"}, {"event": ""}, {"event": "cycles;x"}, {"event": "cycles\n"},
    {"event": "a b"}, {"frequency": 0}, {"frequency": 10_001}, {"callGraph": "yes"},
])  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    """Before anything is started."""
    with pytest.raises(ValueError, match="1 validation error"):
        Options.model_validate(options)


def test_the_application_ends_first() -> None:
    """perf then ends by itself; what hears no TERM is killed before perf is."""
    steps = [(one.signal, one.target, one.wait) for one in COLLECTOR.stop(Options())]

    assert steps == [("TERM", "app", "exit"), ("KILL", "app", "exit")]


def test_a_plan_runs_it_with_an_inner_launcher() -> None:
    """perf returns the application's exit code, but not how it died; the launcher records that."""
    planned = plan.build_plan(job(collectors=[{"name": "perf"}]))

    assert planned.recorded
    assert planned.wrapper[-4:] == ("{launcher}", "--record", "{run}/.app.json", "--")
    assert planned.wrapper[0] == planned.after[0] == "{tool:perf}/bin/perf"


@pytest.mark.parametrize(("paranoid", "capabilities", "kernel", "possible"), [
    (None, (), False, True), (None, (), True, True), (-1, (), True, True), (1, (), True, True),
    (2, (), False, True), (2, (), True, False), (3, (), False, False),
    (4, ("PERFMON",), True, True), (4, ("CAP_SYS_ADMIN",), False, True),
    (4, ("SYS_PTRACE",), False, False),
])  # fmt: skip
def test_preflight_knows_the_kernels_rule(
    paranoid: int | None, capabilities: tuple[str, ...], kernel: bool, possible: bool
) -> None:
    """User code up to 2, the kernel's up to 1, everything with the right capability."""
    facts = Facts(perf_event_paranoid=paranoid, capabilities=frozenset(capabilities))

    found = COLLECTOR.preflight(facts, Options(kernel=kernel))

    assert (found == []) is possible
    assert all(one.reason is Reason.COUNTERS_NOT_PERMITTED for one in found)
    assert all("administrator" in one.message for one in found)


@pytest.mark.parametrize(("log", "reason"), [
    ("Error:\nThe instructions event is not supported.\n", Reason.COLLECTOR_FAILED),
    ("event syntax error: 'bogus'\n           \\___ parser error\n", Reason.COLLECTOR_FAILED),
    ("Error:\ncpu-clock: PMU Hardware or event type doesn't support branch stack sampling.\n",
     Reason.COLLECTOR_FAILED),
    ("The sys_perf_event_open() syscall returned with 95 (Operation not supported) for event (x)\n",
     Reason.COLLECTOR_FAILED),
    ("Error:\nNo permission to enable cpu-clock event.\n", Reason.COUNTERS_NOT_PERMITTED),
    ("Error:\nAccess to performance monitoring and observability operations is limited.\n",
     Reason.COUNTERS_NOT_PERMITTED),
    ("Permission error mapping pages.\n", Reason.COUNTERS_NOT_PERMITTED),
    ("The sys_perf_event_open() syscall returned with 38 (Function not implemented)\n",
     Reason.COUNTERS_NOT_PERMITTED),
    ("perf_event_open(..., PERF_FLAG_FD_CLOEXEC) failed\n", Reason.COUNTERS_NOT_PERMITTED),
    ("hello\n", Reason.NOTHING_MEASURED),
])  # fmt: skip
def test_perfs_own_complaints_become_reasons(log: str, reason: Reason) -> None:
    """With the line in which perf said so, and what to do."""
    found = COLLECTOR.usable(Evidence(entries=0, kinds={}, notes=[], log_tail=log))

    assert (found.usable, found.reason) == (False, reason)
    if reason is not Reason.NOTHING_MEASURED:
        assert found.message.split("; ")[0] in log


def test_what_it_complains_of_when_attached_becomes_a_reason() -> None:
    """It says so in a file of its own."""
    note = FileNote(f"run-0/perf/{ATTACH_LOG}", Fate.RAW, "Error: No permission to enable it.")

    found = COLLECTOR.usable(Evidence(entries=0, kinds={}, notes=[note]))

    assert (found.usable, found.reason) == (False, Reason.COUNTERS_NOT_PERMITTED)
    assert found.message.startswith("Error: No permission to enable it; ")


def test_what_the_application_prints_is_no_complaint() -> None:
    """A profile with samples is usable, whatever the log says."""
    log = "Operation not permitted\nnot supported\n"
    note = FileNote("perf.script", Fate.CONVERTED)

    assert COLLECTOR.usable(Evidence(entries=3, kinds={}, notes=[note], log_tail=log)).usable
