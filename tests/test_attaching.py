"""Tools that are attached to an application: real ones, on a real launcher's runs."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from making import job
from pod_side import PodSide, wait_for
from profiling_operator import attaching, sidecar, workspace
from profiling_operator.attaching import Measuring, Tool
from profiling_operator.captures import ATTACH_LOG
from profiling_operator.collectors import Attachment, StopStep, Target, Wait
from profiling_operator.errors import Reason
from profiling_operator.plan import Plan, build_plan

NAME = "tool"
STOP = StopStep("INT", Target.TOOL, Wait.EXIT, 5.0)
MARKS = """echo begun > {run}/tool/begun; trap 'echo told > {run}/tool/told; exit 0' INT
while [ -e /proc/{pid} ]; do sleep 0.01; done; echo gone > {run}/tool/gone"""
# Runs until the tool has begun, then a little longer.
UNTIL_BEGUN = 'while [ ! -s "$PROFILING_OUTPUT/tool/begun" ]; do sleep 0.01; done'


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """The folders of a pod."""
    side = PodSide(tmp_path)
    yield side
    side.end()


def attached_plan(script: str, **changes: Any) -> Plan:
    """A plan of a shell program with a collector that is attached."""
    collectors = [{"name": "pyspy", "mode": "attach"}]
    planned = build_plan(
        job(uid="uid-1", app={"command": ["sh", "-c", script]}, collectors=collectors, **changes)
    )
    named = planned.collectors[0].model_copy(update={"name": NAME})
    return planned.model_copy(update={"collectors": (named,)})


def a_tool(script: str, runs: int = 1, **changes: Any) -> Tool:
    """A shell program as the tool."""
    attachment = Attachment(words=("sh", "-c", script), **{"stop": STOP, **changes})
    return Tool(NAME, attachment, "/nowhere", runs, recorded=False)


def measuring(pod: PodSide, tool: Tool) -> Measuring:
    """What a sidecar does for a tool."""
    (pod.where.workspace / workspace.CONTROL).mkdir(exist_ok=True)
    return Measuring(pod.where.workspace, tool, pod.folder / "scratch-root")


def begun(work: Callable[[], None]) -> threading.Thread:
    """Start something beside the test."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def end_us_when(file: Path) -> None:
    """Send TERM to this process once there is a file."""
    wait_for(file.exists)
    os.kill(os.getpid(), signal.SIGTERM)


def ended(thread: threading.Thread) -> None:
    """Return when it has ended."""
    thread.join(60)
    assert not thread.is_alive()


def left(pod: PodSide, index: int = 0) -> dict[str, str]:
    """What the tool left in a run."""
    folder = pod.where.workspace / f"run-{index}" / NAME
    return {one.name: one.read_text().strip() for one in folder.iterdir()}


def test_a_tool_is_started_on_each_run(pod: PodSide) -> None:
    """Its words have the application's process and the run's folder; its output is its log."""
    planned = attached_plan(UNTIL_BEGUN, warmups=1, repetitions=2)
    one = measuring(pod, a_tool(f"echo measuring; {MARKS}", runs=3))
    pod.launch(planned)

    one.run()

    for index in range(3):
        assert left(pod, index) == {"begun": "begun", "gone": "gone", ATTACH_LOG: "measuring"}
        record = workspace.read_run(pod.where.workspace, index)
        assert record is not None and record.reason == "Completed"


def test_a_tool_that_goes_on_is_told_to_end(pod: PodSide) -> None:
    """The application has ended; so much is waited for it to notice."""
    planned = attached_plan(UNTIL_BEGUN)
    soon = StopStep("INT", Target.TOOL, Wait.EXIT, 0.2)
    loop = MARKS.replace("-e /proc/{pid}", "1 = 1")
    one = measuring(pod, a_tool(loop, stop=soon))
    pod.launch(planned)

    one.run()

    assert left(pod)["told"] == "told"


def test_a_tool_that_does_not_hear_is_killed(pod: PodSide) -> None:
    """Nothing is waited for without a limit."""
    planned = attached_plan(UNTIL_BEGUN)
    script = "trap '' INT; echo $$ > {run}/tool/begun; while :; do sleep 0.01; done"
    one = measuring(pod, a_tool(script, stop=StopStep("INT", Target.TOOL, Wait.EXIT, 0.1)))
    pod.launch(planned)

    one.run()

    assert not Path("/proc", left(pod)["begun"]).exists()


def test_what_a_handler_raises_ends_the_tool(pod: PodSide) -> None:
    """As the sidecar's TERM does: the tool keeps what it has, and nothing of it stays."""
    planned = attached_plan("sleep 60")
    one = measuring(pod, a_tool(MARKS))
    process = pod.launch(planned)
    folder = pod.where.workspace / "run-0" / NAME

    def raise_exit(*_: object) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, raise_exit)
    try:
        begun(lambda: end_us_when(folder / "begun"))
        with pytest.raises(SystemExit):
            one.run()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert left(pod)["told"] == "told"
    assert process.poll() is None
    assert attaching.await_tools(pod.where.workspace, planned, 0.0) == []


def test_a_tool_that_finds_nothing_yet_is_started_again(pod: PodSide) -> None:
    """As py-spy on a shell that starts Python some time later."""
    planned = attached_plan(UNTIL_BEGUN)
    one = measuring(pod, a_tool(f"mkdir {{run}}/tool/seen && exit 1; {MARKS}"))
    pod.launch(planned)

    one.run()

    folder = pod.where.workspace / "run-0" / NAME
    assert (folder / "seen").is_dir()
    assert (folder / "gone").exists()


def test_a_launcher_that_is_gone_ends_the_measuring(pod: PodSide) -> None:
    """Nothing is waited for any more, and why there is no profile is in the log."""
    planned = attached_plan("true", repetitions=2)
    one = measuring(pod, a_tool(MARKS, runs=3))
    pod.launched(planned)

    one.run()

    assert left(pod, 0) == left(pod, 1) == {ATTACH_LOG: attaching.MISSED}
    assert not (pod.where.workspace / "run-2").exists()
    assert attaching.await_tools(pod.where.workspace, planned, 0.0) == []


def test_a_run_that_was_missed_is_told(pod: PodSide) -> None:
    """The launcher still runs, so the sidecar comes to know of it."""
    script = '[ -e "$PROFILING_OUTPUT/../run-1" ] || exit 0; ' + UNTIL_BEGUN
    planned = attached_plan(script, repetitions=2)
    pod.launch(planned)
    root = pod.where.workspace
    wait_for(lambda: workspace.read_run(root, 0))
    one = measuring(pod, a_tool(MARKS, runs=2))

    one.run()

    assert left(pod, 0)[ATTACH_LOG] == attaching.MISSED
    assert left(pod, 1)["gone"] == "gone"


def test_a_program_that_is_not_there_is_told_once(pod: PodSide) -> None:
    """Trying again would not help."""
    planned = attached_plan(f"while [ ! -s $PROFILING_OUTPUT/tool/{ATTACH_LOG} ]; do :; done")
    attachment = Attachment(words=("{tool}/bin/none", "{pid}"))
    one = measuring(pod, Tool(NAME, attachment, "/nowhere", 1, recorded=False))
    pod.launch(planned)

    one.run()

    assert left(pod)[ATTACH_LOG].startswith("/nowhere/bin/none: ")


def test_the_command_after_the_runs_sees_the_applications_files(pod: PodSide) -> None:
    """Its output comes as a whole, after the last run; nothing of the folder of links stays."""
    planned = attached_plan(UNTIL_BEGUN, repetitions=2)
    own = shlex.quote(f"{pod.folder}/own".lstrip("/"))
    (pod.folder / "own").write_text("the application's")
    after = ("sh", "-c", f"ls {{run}}/.. | grep -c run- >&2; cat {{root}}/{own}")
    tool = a_tool(MARKS, runs=2, after=after, after_output="{run}/tool/text", after_seconds=30.0)
    one = measuring(pod, tool)
    pod.launch(planned)

    one.run()

    for index in (0, 1):
        found = left(pod, index)
        assert (found["text"], found["text.log"]) == ("the application's", "2")
        assert not any(name.endswith(".part") for name in found)
    assert not (pod.folder / "scratch-root").exists()


@pytest.mark.parametrize(
    ("script", "seconds"), [("echo half; exit 1", 30.0), ("exec sleep 60", 0.2)]
)
def test_a_command_after_the_runs_that_fails_leaves_no_text(
    pod: PodSide, script: str, seconds: float
) -> None:
    """Half a text would be taken for a whole one."""
    planned = attached_plan(UNTIL_BEGUN)
    tool = a_tool(
        MARKS, after=("sh", "-c", script), after_output="{run}/tool/text", after_seconds=seconds
    )
    one = measuring(pod, tool)
    pod.launch(planned)

    one.run()

    assert set(left(pod)) == {"begun", "gone", "text.log", ATTACH_LOG}


def test_the_uploader_waits_until_all_is_written(pod: PodSide) -> None:
    """Woken by the kernel, which closes what the sidecar held, however that ends."""
    root, planned = pod.where.workspace, attached_plan("true")
    one = measuring(pod, a_tool("true"))

    assert attaching.await_tools(root, planned, 0.0) == [NAME]

    found: list[list[str]] = []
    waiter = begun(lambda: found.append(attaching.await_tools(root, planned, 60.0)))
    os.close(one._sign)
    ended(waiter)
    assert found == [[]]
    assert attaching.await_tools(root, planned, 60.0) == []


def test_nobody_waits_for_what_is_wrapped_or_absent_or_no_sign(pod: PodSide) -> None:
    """The application may write there, too."""
    root = pod.where.workspace
    control = root / workspace.CONTROL
    control.mkdir()
    attached, wrapped = attached_plan("true"), build_plan(job())

    assert attaching.await_tools(root, wrapped, 60.0) == []
    assert attaching.await_tools(root, attached, 60.0) == []
    (control / f"{attaching.SIGN}{NAME}").write_text("x")
    assert attaching.await_tools(root, attached, 60.0) == []
    with pytest.raises(OSError, match="must be a FIFO"):
        attaching.hold(root, NAME)


def test_a_launcher_that_was_refused_ends_the_measuring(pod: PodSide) -> None:
    """By the preflight of another collector, for example: then nothing is ever started."""
    planned = attached_plan("true")
    one = measuring(pod, a_tool("true"))
    sidecar.refuse(pod.where.workspace, Reason.TOOLCHAIN_MISSING, "none")
    pod.launched(planned)

    one.run()

    assert attaching.await_tools(pod.where.workspace, planned, 0.0) == []


def test_a_link_in_the_logs_place_is_not_followed(pod: PodSide) -> None:
    """The application may make one."""
    victim = pod.folder / "victim"
    victim.write_text("whole")
    link = f"ln -s {victim} $PROFILING_OUTPUT/tool/{ATTACH_LOG}; sleep 1"
    planned = attached_plan(link)
    one = measuring(pod, a_tool("echo spoilt"))
    folder = pod.where.workspace / "run-0" / NAME
    process = pod.launch(planned)
    wait_for(lambda: (folder / ATTACH_LOG).is_symlink())

    with pytest.raises(OSError, match=ATTACH_LOG):
        one.run()

    assert victim.read_text() == "whole"
    process.wait(60)
