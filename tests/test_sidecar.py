"""A collector's sidecar: what it brings, what it refuses, and that it disturbs nobody."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from making import BUSY, job
from pod_side import PodSide, wait_for
from profiling_operator import (
    artifacts,
    assignment,
    attaching,
    delivery,
    launcher,
    launching,
    plan,
    sidecar,
    toolchains,
    workspace,
)
from profiling_operator.captures import Capture, Evidence, FileNote, Verdict
from profiling_operator.collectors import Facts, Toolchain
from profiling_operator.entries import Entry
from profiling_operator.errors import LauncherError, Reason
from profiling_operator.launching import Places
from profiling_operator.plan import Plan, build_plan
from profiling_operator.settings import Settings, StoreSettings
from profiling_operator.sidecar import Where

MACHINE = platform.machine()
WHOLE = Toolchain(file="bin/x", program="x", install="Build it.")


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """The folders of a pod."""
    side = PodSide(tmp_path)
    yield side
    side.end()


@pytest.fixture
def where(pod: PodSide) -> Where:
    """What the sidecar's container has."""
    folder = pod.folder
    return Where(folder / "workspace", folder / "delivered", folder / "toolchains", folder / "etc")


def plan_of(name: str = "pyspy", toolchain: Toolchain | None = None, **changes: Any) -> Plan:
    """A plan of one collector, whose toolchain may be another than its own."""
    planned = build_plan(job(**{"uid": "uid-1", "collectors": [{"name": name}], **changes}))
    if toolchain is None:
        return planned
    (one,) = planned.collectors
    replaced = one.model_copy(update={"toolchain": toolchain})
    return planned.model_copy(update={"collectors": (replaced,)})


def tell(pod: PodSide, planned: Plan, calls: tuple[str, ...] = (), **settings: Any) -> Settings:
    """Put the plan's assignment where the sidecar finds it; the settings of its toolchains."""
    known = Settings(stores={"default": StoreSettings(url="file:///s")}, toolchains=settings)
    pod.tell(assignment.assign(planned, known, calls))
    return known


def refusal(where: Where) -> list[str]:
    """What the launcher is told."""
    return (where.workspace / ".run" / "refuse").read_text().splitlines()


def below(folder: Path) -> dict[str, int]:
    """Files of a folder, with their modes."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def install(prefix: Path) -> Path:
    """A toolchain below a prefix."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "x").write_text("a program")
    (prefix / "bin" / "x").chmod(0o700)
    (prefix / "data").write_text("data")
    (prefix / "data").chmod(0o600)
    return prefix


def test_launcher_and_tool_are_brought_and_the_workspace_is_shared(
    pod: PodSide, where: Where
) -> None:
    """Anybody may run them; nothing is refused; the startup probe finds the mark."""
    tell(pod, plan_of())

    sidecar.prepare("pyspy", where)

    assert below(where.delivered) == {
        "launch": 0o755, "pyspy/bin/py-spy": 0o755, ".delivered-pyspy": 0o644,
    }  # fmt: skip
    assert (where.delivered / "launch").read_bytes() == launcher.path().read_bytes()
    assert where.workspace.stat().st_mode & 0o7777 == 0o2777
    assert not (where.workspace / ".run").exists()


def test_doing_it_again_leaves_alone_what_is_there(pod: PodSide, where: Where) -> None:
    """The application may be running it; what is half there is replaced as a whole."""
    tell(pod, plan_of())
    sidecar.prepare("pyspy", where)
    running = os.stat(where.delivered / "launch").st_ino
    cut = where.delivered / "pyspy" / "bin" / "py-spy"
    cut.write_bytes(b"half")
    half = cut.stat().st_ino

    sidecar.prepare("pyspy", where)

    assert os.stat(where.delivered / "launch").st_ino == running
    assert cut.stat().st_ino != half
    assert cut.stat().st_size > 1000
    assert set(below(where.delivered)) == {"launch", "pyspy/bin/py-spy", ".delivered-pyspy"}


def run_delivered(pod: PodSide, planned: Plan, where: Where, known: Settings) -> int:
    """Run the application under what was delivered, in the place of the volume."""
    volume = str(where.delivered)
    tools = {
        name: launching.ToolPlace(
            place.prefix.replace(delivery.ROOT, volume),
            tuple(word.replace(delivery.ROOT, volume) for word in place.loader),
        )
        for name, place in delivery.places(planned, known).items()
    }
    places = Places(str(where.workspace), f"{volume}/launch", tools)
    return pod._start(launching.launcher_words(planned, places)).wait(60)


def test_what_was_brought_measures(pod: PodSide, where: Where) -> None:
    """The launcher's words, made without looking, lead to what the sidecar brought."""
    planned = plan_of(app={"command": ["python3", "-c", BUSY]})
    known = tell(pod, planned)
    sidecar.prepare("pyspy", where)

    assert run_delivered(pod, planned, where, known) == 0

    assert "hot" in (where.workspace / "run-0" / "pyspy" / "profile.folded").read_text()


@pytest.mark.needs("perf")
def test_a_tool_comes_with_its_loader_and_measures(pod: PodSide, where: Where) -> None:
    """Perf, as in an image that has no libraries for it."""
    planned = plan_of("perf", app={"command": ["python3", "-c", BUSY]})
    known = tell(pod, planned, planned.system_calls)
    sidecar.prepare("perf", where)

    assert (where.delivered / "perf" / "lib" / "ld.so").stat().st_mode & 0o111
    assert run_delivered(pod, planned, where, known) == 0

    assert (where.workspace / "run-0" / "perf" / "perf.script").stat().st_size > 1000


def test_a_refusal_ends_the_launcher_with_its_reason(pod: PodSide, where: Where) -> None:
    """At once: the application is not started."""
    known = tell(pod, plan_of(), pyspy={"path": str(pod.folder / "none")})
    planned = plan_of(app={"command": ["touch", str(pod.folder / "ran")]})

    sidecar.prepare("pyspy", where)

    reason, message = refusal(where)
    assert reason == "ToolchainMissing"
    assert message.startswith("pyspy: bin/py-spy was not found")
    assert (where.delivered / ".delivered-pyspy").exists()
    assert run_delivered(pod, planned, where, known) == 125
    seen = workspace.read_exit(where.workspace)
    assert seen is not None
    assert (seen.reason, seen.message) == ("ToolchainMissing", message)
    assert not (pod.folder / "ran").exists()


def test_the_first_refusal_stays(pod: PodSide, where: Where) -> None:
    """A later one, and a sidecar that is started again, change nothing."""
    sidecar.refuse(where.workspace, Reason.TOOLCHAIN_MISSING, "first\nof all")
    sidecar.refuse(where.workspace, Reason.CANNOT_START, "second")

    assert refusal(where) == ["ToolchainMissing", "first of all"]
    assert os.listdir(where.workspace / ".run") == ["refuse"]


def test_a_preflight_knows_the_place(
    pod: PodSide, where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's kernel decides; a pod's capabilities never help, since it has none."""
    tell(pod, plan_of())
    here = Facts(ptrace_scope=2, capabilities=frozenset({"SYS_PTRACE"}))
    monkeypatch.setattr(toolchains, "facts_here", lambda: here)

    sidecar.prepare("pyspy", where)

    reason, message = refusal(where)
    assert reason == "CountersNotPermitted"
    assert "kernel.yama.ptrace_scope is 2" in message


@pytest.mark.parametrize(
    ("product", "reason"), [("NVIDIA-H200", "ToolchainIncompatible"), ("Tesla-V100-SXM2-16GB", "")]
)
def test_a_preflight_knows_the_gpu_that_was_asked_for(
    pod: PodSide, where: Where, monkeypatch: pytest.MonkeyPatch, product: str, reason: str
) -> None:
    """By its name, whatever other GPUs the node has: nvprof cannot measure new ones."""
    (pod.folder / "bin").mkdir()
    shutil.copy(shutil.which("true") or "", pod.folder / "bin" / "nvprof")
    planned = plan_of("nvprof", gpu={"count": 1, "product": product})
    tell(pod, planned, nvprof={"path": str(pod.folder)})
    monkeypatch.setattr(toolchains, "facts_here", lambda: Facts(gpu_models=("NVIDIA H100",)))

    sidecar.prepare("nvprof", where)

    assert (where.workspace / ".run" / "refuse").exists() == bool(reason)
    if reason:
        assert refusal(where)[0] == reason
        assert product in refusal(where)[1]


@pytest.mark.needs("perf")
def test_a_system_call_that_is_refused_is_told(pod: PodSide, where: Where) -> None:
    """With the call, and who can allow it."""
    tell(pod, plan_of("perf"))

    sidecar.prepare("perf", where)

    reason, message = refusal(where)
    assert reason == "CountersNotPermitted"
    assert "perf_event_open" in message
    assert "kubernetes.seccomp_profile" in message


def test_a_missing_launcher_is_told(
    pod: PodSide, where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other refusal: no crash loop."""
    tell(pod, plan_of())

    def fail(machine: str = "") -> Path:
        raise LauncherError("no launcher for this machine")

    monkeypatch.setattr(launcher, "path", fail)

    sidecar.prepare("pyspy", where)

    assert refusal(where) == ["LauncherFailed", "no launcher for this machine"]


def test_a_static_program_where_a_dynamic_one_was_expected_is_refused(
    pod: PodSide, where: Where
) -> None:
    """The launcher would start it through a loader that is not there."""
    prefix = install(pod.folder / "tool")
    (prefix / "bin" / "x").write_bytes(launcher.path().read_bytes())
    dynamic = Toolchain(file="bin/x", program="x", files=("bin/x",), is_dynamic=True)
    tell(pod, plan_of(toolchain=dynamic), pyspy={"path": str(prefix)})

    sidecar.prepare("pyspy", where)

    assert refusal(where)[0] == "ToolchainIncompatible"


def test_a_whole_toolchain_goes_to_its_volume(pod: PodSide, where: Where) -> None:
    """Links stay links; the application may read and run it."""
    prefix = install(pod.folder / "tool")
    (prefix / "link").symlink_to("data")
    os.mkfifo(prefix / "fifo")
    tell(pod, plan_of(toolchain=WHOLE), pyspy={"path": str(prefix)})

    sidecar.prepare("pyspy", where)
    sidecar.prepare("pyspy", where)

    volume = where.toolchains / "pyspy"
    assert below(volume) == {"bin/x": 0o755, "data": 0o644, "link": 0o644}
    assert (volume / "link").readlink() == Path("data")
    assert not (where.workspace / ".run").exists()


def test_a_toolchain_below_its_architecture_is_found_at_its_prefix(
    pod: PodSide, where: Where
) -> None:
    """The operator cannot look: it names the prefix. Links lead from there."""
    install(pod.folder / "tool" / MACHINE)
    tell(pod, plan_of(toolchain=WHOLE), pyspy={"path": str(pod.folder / "tool")})

    sidecar.prepare("pyspy", where)
    sidecar.prepare("pyspy", where)

    volume = where.toolchains / "pyspy"
    assert (volume / "bin").readlink() == Path(MACHINE, "bin")
    assert (volume / "bin" / "x").read_text() == "a program"
    assert (volume / MACHINE / "bin" / "x").exists()
    assert not (where.workspace / ".run").exists()


def test_a_whole_toolchain_elsewhere_is_refused(
    pod: PodSide, where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files name their own folder, and the application would see them in another."""
    prefix = install(pod.folder / "tool")
    monkeypatch.setenv("PATH", f"{prefix}/bin:{os.environ['PATH']}")
    tell(pod, plan_of(toolchain=WHOLE))

    sidecar.prepare("pyspy", where)

    reason, message = refusal(where)
    assert reason == "ToolchainIncompatible"
    assert f"set toolchains.pyspy.path to {prefix}" in message


@pytest.mark.parametrize("folder", ["", MACHINE], ids=["prefix", "architecture"])
def test_a_toolchain_out_of_an_image_is_checked(pod: PodSide, where: Where, folder: str) -> None:
    """An init container of that image has copied it to the volume."""
    install(where.toolchains / "pyspy" / folder)
    tell(pod, plan_of(toolchain=WHOLE), pyspy={"image": "tools:1", "path": "/opt/x"})

    sidecar.prepare("pyspy", where)

    assert os.access(where.toolchains / "pyspy" / "bin" / "x", os.X_OK)
    assert not (where.workspace / ".run").exists()


def test_an_image_without_the_program_is_refused(pod: PodSide, where: Where) -> None:
    """With the image and the places."""
    (where.toolchains / "pyspy").mkdir(parents=True)
    tell(pod, plan_of(toolchain=WHOLE), pyspy={"image": "tools:1", "path": "/opt/x"})

    sidecar.prepare("pyspy", where)

    reason, message = refusal(where)
    assert reason == "ToolchainMissing"
    assert message == (
        f"pyspy: tools:1 has no program /opt/x/bin/x, nor /opt/x/{MACHINE}/bin/x. Build it."
    )


def test_a_toolchain_in_the_applications_image_needs_no_files(pod: PodSide, where: Where) -> None:
    """Only the launcher is brought."""
    tell(pod, plan_of(toolchain=WHOLE), pyspy={"in_app": True, "path": "/usr"})

    sidecar.prepare("pyspy", where)

    assert set(below(where.delivered)) == {"launch", ".delivered-pyspy"}
    assert not (where.workspace / ".run").exists()


def test_libraries_that_preloaded_ones_need_stand_beside_them(
    pod: PodSide, where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's image may lack them."""
    prefix = install(pod.folder / "tool")
    (prefix / "lib").mkdir()
    (prefix / "lib" / "libx.so").write_bytes(b"")
    other = tmp_path / "libother.so.1"
    other.write_text("other")
    monkeypatch.setattr(delivery, "_linked", lambda _: {"libother.so.1": other})
    preloading = Toolchain(file="bin/x", program="x", preloads=("lib/libx.so",))
    tell(pod, plan_of(toolchain=preloading), pyspy={"path": str(prefix)})

    sidecar.prepare("pyspy", where)

    assert (where.toolchains / "pyspy" / "lib" / "libother.so.1").read_text() == "other"


def test_a_collector_that_is_not_of_the_job_is_told(pod: PodSide, where: Where) -> None:
    """With those that are."""
    tell(pod, plan_of())

    with pytest.raises(ValueError, match='"tau" must be a collector of the job: pyspy'):
        sidecar.prepare("tau", where)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_waits_and_ends_at_once_when_told_to(
    pod: PodSide, where: Where, number: signal.Signals
) -> None:
    """With exit code 0."""
    tell(pod, plan_of())
    process = pod.command("collect", "pyspy", *options(where))
    wait_for((where.delivered / ".delivered-pyspy").exists)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.send_signal(number)

    assert process.wait(10) == 0


SEEN = f"""{BUSY.split("for _ in")[0]}
import os, pathlib, sys
seen = pathlib.Path(os.environ["PROFILING_OUTPUT"], sys.argv[1])
while not (seen.exists() and sys.argv[2] in seen.read_text(errors="replace")):
    hot(10_000)
for _ in range(20):
    hot(400_000)
"""
"""A program that is busy until a tool has begun, and for a while then."""
PYSPY_BEGUN = ("pyspy/attach.log", "Sampling")
PERF_BEGUN = ("perf/perf.data", "PERFILE2")


def busy_until(*begun: str) -> dict[str, Any]:
    """The application."""
    return {"command": [sys.executable, "-c", SEEN, *begun]}


def measured(pod: PodSide, where: Where, planned: Plan) -> None:
    """The application runs, and all sidecars do their part, to its end."""
    calls = {it for one in planned.collectors for it in (*one.system_calls, *planned.system_calls)}
    known = tell(pod, planned, tuple(calls))
    works = [sidecar.prepare(one.name, where) for one in planned.collectors]
    threads = [threading.Thread(target=sidecar.measure, args=(one,)) for one in works]
    for thread in threads:
        thread.start()
    assert run_delivered(pod, planned, where, known) == 0
    assert attaching.await_tools(where.workspace, planned, 60.0) == []
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def verdict(where: Where, planned: Plan, number: int = 0) -> Verdict:
    """What a collector says of its part of the first run."""
    found, options = plan.collector_of(planned.collectors[number])
    files = artifacts.scan(where.workspace).below(f"run-0/{found.name}")
    items = list(found.read(Capture(files, options, started=10**18)))
    notes = [item for item in items if isinstance(item, FileNote)]
    entries = sum(isinstance(item, Entry) for item in items)
    return found.usable(Evidence(entries=entries, kinds={}, notes=notes))


def test_an_attached_tool_measures_each_run(pod: PodSide, where: Where) -> None:
    """py-spy itself, which is not brought anywhere; the application's command has no wrapper."""
    collectors = [{"name": "pyspy", "mode": "attach"}]
    planned = plan_of(collectors=collectors, app=busy_until(*PYSPY_BEGUN), repetitions=2)

    measured(pod, where, planned)

    assert set(below(where.delivered)) == {"launch", ".delivered-pyspy"}
    for index in (0, 1):
        folder = where.workspace / f"run-{index}" / "pyspy"
        assert "hot" in (folder / "profile.folded").read_text()
        record = workspace.read_run(where.workspace, index)
        assert record is not None
        assert (record.exit_code, record.tool_exit_code) == (0, None)
    assert verdict(where, planned).usable


@pytest.mark.needs("perf")
def test_two_tools_may_measure_one_application(pod: PodSide, where: Where) -> None:
    """One around it, the other attached to what is inside."""
    collectors = [{"name": "perf", "mode": "attach"}, {"name": "pyspy"}]
    planned = plan_of(collectors=collectors, app=busy_until(*PERF_BEGUN))

    measured(pod, where, planned)

    text = (where.workspace / "run-0" / "perf" / "perf.script").read_text()
    assert text.count("cpu-clock:") > 10
    assert "py-spy" not in text
    assert "hot" in (where.workspace / "run-0" / "pyspy" / "profile.folded").read_text()
    assert verdict(where, planned).usable
    assert verdict(where, planned, 1).usable


@pytest.mark.needs("perf")
def test_the_other_way_round_as_well(pod: PodSide, where: Where) -> None:
    """py-spy finds the interpreter behind perf and two launchers."""
    collectors = [{"name": "perf"}, {"name": "pyspy", "mode": "attach"}]
    planned = plan_of(collectors=collectors, app=busy_until(*PYSPY_BEGUN))

    measured(pod, where, planned)

    assert verdict(where, planned).usable
    assert verdict(where, planned, 1).usable


def test_what_was_not_measured_is_told_with_the_tools_words(pod: PodSide, where: Where) -> None:
    """A program without an interpreter, and as long as py-spy takes to say so."""
    script = 'while [ ! -s "$PROFILING_OUTPUT/pyspy/attach.log" ]; do sleep 0.05; done; sleep 1'
    collectors = [{"name": "pyspy", "mode": "attach"}]
    planned = plan_of(collectors=collectors, app={"command": ["sh", "-c", script]})

    measured(pod, where, planned)

    found = verdict(where, planned)
    assert (found.usable, found.reason) == (False, Reason.NOTHING_MEASURED)
    assert "No python processes found" in found.message
    assert "did it run for at least half a second" in found.message


def test_a_preflight_knows_that_the_tool_is_no_parent(
    pod: PodSide, where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yama lets it read its descendants' memory only; then nothing is waited for, either."""
    planned = plan_of(collectors=[{"name": "pyspy", "mode": "attach"}])
    tell(pod, planned)
    monkeypatch.setattr(toolchains, "facts_here", lambda: Facts(ptrace_scope=1))

    assert sidecar.prepare("pyspy", where) is None

    reason, message = refusal(where)
    assert reason == "CountersNotPermitted"
    assert "kernel.yama.ptrace_scope is 1" in message
    assert "administrator can set it to 0" in message
    assert attaching.await_tools(where.workspace, planned, 60.0) == []


def test_an_attached_tools_system_calls_are_its_own(pod: PodSide, where: Where) -> None:
    """The application's container makes none; where they are refused, that is told."""
    planned = plan_of(collectors=[{"name": "perf", "mode": "attach"}])
    tell(pod, planned, perf={"image": "tools:1", "path": "/opt/perf"})
    install(where.toolchains / "perf")
    (where.toolchains / "perf" / "bin" / "x").rename(where.toolchains / "perf" / "bin" / "perf")

    assert sidecar.prepare("perf", where) is None

    assert "perf_event_open" in refusal(where)[1]


def test_files_in_the_applications_image_cannot_be_attached(pod: PodSide, where: Where) -> None:
    """The tool would have to run where it has none."""
    tell(
        pod, plan_of(collectors=[{"name": "pyspy", "mode": "attach"}]),
        pyspy={"in_app": True, "path": "/usr"},
    )  # fmt: skip

    assert sidecar.prepare("pyspy", where) is None

    reason, message = refusal(where)
    assert reason == "ToolchainIncompatible"
    assert "toolchains.pyspy.in_app" in message


def test_an_attached_tool_out_of_an_image_runs_from_its_volume(pod: PodSide, where: Where) -> None:
    """It is not in this container's own image."""
    volume = where.toolchains / "pyspy"
    (volume / "bin").mkdir(parents=True)
    (volume / "bin" / "py-spy").symlink_to(Path(sys.prefix, "bin", "py-spy"))
    planned = plan_of(
        collectors=[{"name": "pyspy", "mode": "attach"}], app=busy_until(*PYSPY_BEGUN)
    )
    known = tell(pod, planned, pyspy={"image": "tools:1", "path": "/opt/x"})
    work = sidecar.prepare("pyspy", where)
    thread = threading.Thread(target=sidecar.measure, args=(work,))
    thread.start()

    assert run_delivered(pod, planned, where, known) == 0

    thread.join(60)
    assert verdict(where, planned).usable


def test_a_workspace_that_goes_ends_the_measuring(pod: PodSide, where: Where) -> None:
    """It is told, and is no reason to start the sidecar again."""
    script = "rm -r $PROFILING_OUTPUT; sleep 1"
    planned = plan_of(
        collectors=[{"name": "pyspy", "mode": "attach"}], app={"command": ["sh", "-c", script]}
    )

    measured(pod, where, planned)


def options(where: Where) -> list[str]:
    """Words that name the places."""
    return [
        *("--workspace", str(where.workspace), "--delivered", str(where.delivered)),
        *("--toolchains", str(where.toolchains), "--assignment", str(where.assigned)),
    ]
