"""What a job of an agent finds around it, seen by the job itself."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from making import bare_plan
from profiling_operator import containers, engine
from profiling_operator.containers import Attempt, Terms
from profiling_operator.executors import State
from profiling_operator.executors.docker import Docker
from profiling_operator.plan import Plan
from profiling_operator.settings import AgentSettings, DockerSettings, Settings

pytestmark = pytest.mark.needs("docker", "images")

PYTHON = "profiling-operator/python:local"
PIDS, MEMORY = 24, 256 << 20

REPORT = """
import errno, json, os, socket, sys, time
def report(**seen):
    with open(os.environ["PROFILING_OUTPUT"] + "/seen.json", "w") as told:
        json.dump(seen, told)
def tried(what, *given):
    try:
        return what(*given) or "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, "timed out")
def answers(host, port):
    with socket.create_connection((host, port), timeout=5) as other:
        return other.recv(100).decode()
"""

LOOKS_AROUND = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def called(name, *given):
    if getattr(libc, name)(*given):
        raise OSError(ctypes.get_errno(), name)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
words = [line.split() for line in open("/proc/self/mountinfo")]
report(
    status={key: status[key].strip() for key in status if key.startswith(("Cap", "NoNew", "Sec"))},
    memory=[int(open(path).read()) for path in limits if os.path.exists(path)],
    sockets=[path for path in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(path)],
    devices=sorted(os.listdir("/dev")),
    parents=sorted({os.path.dirname(line[3]) for line in words if "/volumes/" in line[3]}),
    mounted=sorted(line[4] for line in words if "/volumes/" in line[3]),
    tools=tried(open, "/.profiling/own", "w"),
    launcher=tried(os.remove, "/.profiling/launch"),
    system=tried(open, "/proc/sys/kernel/hostname", "w"),
    mounting=tried(called, "mount", b"none", b"/mnt", b"tmpfs", 0, None),
    spaces=tried(called, "unshare", 0x10000000),
    device=tried(os.mknod, "/tmp/disk", 0o60600, os.makedev(8, 0)),
    packets=tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1),
    networks=[name for _, name in socket.if_nameindex()],
    routes=len(open("/proc/net/route").readlines()) - 1,
    outside=tried(answers, "192.0.2.1", 80),
    env=dict(os.environ),
    processes=sorted(name for name in os.listdir("/proc") if name.isdigit())[:1],
)
"""

FORKS = """
children, why = [], ""
try:
    while len(children) < 200:
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
        children.append(child)
except OSError as error:
    why = errno.errorcode[error.errno]
for child in children:
    os.kill(child, 9)
report(children=len(children), why=why)
"""

KNOCKS = """
import ipaddress, struct, threading
def number(text):
    return struct.unpack("<I", bytes.fromhex(text))[0]
lines = [line.split() for line in open("/proc/net/route").readlines()[1:]]
def address(text):
    return ipaddress.ip_address(struct.unpack(">I", struct.pack("<I", int(text, 16)))[0])
(net,) = [address(line[1]) for line in lines if line[7] != "00000000"]
found = {}
def knock(name, host, port):
    found[name] = tried(answers, host, port)
host_port = int(sys.argv[1])
doors = {
    "playback": (os.environ["PLAYBACK_HOST"], int(os.environ["PLAYBACK_PORT"])),
    "gateway": (str(net + 1), host_port),
    "bridge": (sys.argv[2], host_port),
    "other": (sys.argv[3], 8080),
    "outside": ("192.0.2.1", 80),
}
knocking = [threading.Thread(target=knock, args=(name, *door)) for name, door in doors.items()]
for one in knocking: one.start()
for one in knocking: one.join()
report(**found)
"""

SERVER = """
import socket
with socket.create_server(("", 8080)) as server:
    while True:
        other = server.accept()[0]
        other.sendall(b"played back")
        other.close()
"""


@pytest.fixture
def agent_s(tmp_path: Path) -> Iterator[Callable[..., Docker]]:
    """`agent_s(gpus)` is an executor as an agent has them."""
    made: list[tuple[Docker, Plan]] = []

    def executor(planned: Plan, *gpus: str, **own: Any) -> Docker:
        agent = AgentSettings(memory=str(MEMORY), gpu_request="environment")
        known = Settings(
            state_dir=str(tmp_path), agent=agent, docker=DockerSettings(pids_limit=PIDS, **own)
        )
        one = Docker(known, Terms("test", gpus))
        made.append((one, planned))
        return one

    yield executor
    for one, planned in made:
        one.remove(planned.name)


def plan(code: str, *args: str, **changes: Any) -> Plan:
    """A plan of its own that runs Python code."""
    app = {"image": PYTHON, "command": ["python3", "-c", REPORT + code, *args]}
    app |= changes.pop("app", {})
    return bare_plan(uid=uuid.uuid4().hex, app=app, **changes)


def seen_by(executor: Docker, planned: Plan) -> dict[str, Any]:
    """What the application saw."""
    assert executor.check(planned) == []
    executor.start(planned)
    while (observed := executor.wait(planned.name, 30)).state is not State.ENDED:
        pass
    with executor.workspace(planned.name) as root:
        found = list(root.rglob("seen.json"))
        logs = [log.read_text() for log in root.rglob("app.log")]
        assert found, (observed, logs)
        seen: dict[str, Any] = json.loads(found[0].read_text())
    return seen


@pytest.mark.parametrize("user", [None, 1000], ids=["root of the image", "user"])
def test_a_job_holds_nothing_of_the_host(agent_s: Callable[..., Docker], user: int | None) -> None:
    """No capability, device, socket, path or namespace of the host, and nothing to gain."""
    security = {} if user is None else {"securityContext": {"runAsUser": user}}
    planned = plan(LOOKS_AROUND, app=security)

    seen = seen_by(agent_s(planned), planned)

    held = {name: value for name, value in seen["status"].items() if name.startswith("Cap")}
    assert set(held.values()) == {"0" * 16}
    assert (seen["status"]["NoNewPrivs"], seen["status"]["Seccomp"]) == ("1", "2")
    assert seen["memory"] == [MEMORY]
    assert seen["sockets"] == []
    assert set(seen["devices"]) <= {
        "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm",
        "stderr", "stdin", "stdout", "tty", "urandom", "zero",
    }  # fmt: skip
    assert seen["mounted"] == ["/.profiling", "/profiling_output"]
    assert all(planned.name in parent for parent in seen["parents"])
    assert {seen["tools"], seen["launcher"]} <= {"EROFS", "EACCES"}
    assert seen["system"] in {"EROFS", "EACCES"}
    assert {seen[what] for what in ("mounting", "spaces", "packets")} <= {"EPERM", "EACCES"}
    assert seen["device"] == "EPERM"
    assert seen["env"]["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_a_job_is_alone_in_its_network(agent_s: Callable[..., Docker]) -> None:
    """It has its own loopback, and no route anywhere."""
    planned = plan(LOOKS_AROUND)

    seen = seen_by(agent_s(planned), planned)

    assert "eth0" not in seen["networks"] and "lo" in seen["networks"]
    assert (seen["routes"], seen["outside"]) == (0, "ENETUNREACH")


def test_a_job_sees_the_gpus_that_it_was_given(agent_s: Callable[..., Docker]) -> None:
    """Whatever it asks for itself."""
    wanted = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
    given, none = (plan(LOOKS_AROUND, app={"env": wanted}, gpu=gpu) for gpu in ({"count": 1}, None))

    assert seen_by(agent_s(given, "GPU-a"), given)["env"]["NVIDIA_VISIBLE_DEVICES"] == "GPU-a"
    assert seen_by(agent_s(none), none)["env"]["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_a_job_cannot_fill_the_host_with_processes(agent_s: Callable[..., Docker]) -> None:
    """At the limit nothing more is started, and the job goes on."""
    planned = plan(FORKS)

    seen = seen_by(agent_s(planned), planned)

    assert seen["why"] == "EAGAIN"
    assert 0 < seen["children"] < PIDS


@pytest.fixture
def host_door() -> Iterator[int]:
    """A port of this machine that is served on all of its addresses."""
    with socket.create_server(("", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    other, _ = server.accept()
                    other.sendall(b"the host")
                    other.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def address_on(network: str, container: str) -> str:
    """A container's address on a network."""
    here = engine.connect()
    try:
        shown = here.inspected(container)
        assert shown is not None
        return str(shown["NetworkSettings"]["Networks"][network]["IPAddress"])
    finally:
        here.close()


def gateway_of_bridge() -> str:
    """The host's address on the engine's own bridge."""
    here = engine.connect()
    try:
        return str(here.api.inspect_network("bridge")["IPAM"]["Config"][0].get("Gateway"))
    finally:
        here.close()


def test_only_the_playback_server_is_reachable(
    agent_s: Callable[..., Docker], host_door: int
) -> None:
    """Not the host, not another job's server, nothing beyond."""
    playback = {"image": PYTHON, "command": ["python3", "-c", SERVER], "port": 8080}
    sleeping = plan("time.sleep(600)", playback=playback)
    other = agent_s(sleeping)
    other.start(sleeping)
    beside = address_on(sleeping.name, Attempt(sleeping.name).playback)
    planned = plan(KNOCKS, str(host_door), gateway_of_bridge(), beside, playback=playback)

    seen = seen_by(agent_s(planned), planned)

    assert seen.pop("playback") == "played back"
    assert set(seen.values()) <= {"ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "timed out"}


def test_the_playback_server_is_bounded_as_the_application_is(
    agent_s: Callable[..., Docker],
) -> None:
    """By the engine's own account of what it started."""
    playback = {"image": PYTHON, "command": ["python3", "-c", SERVER], "port": 8080}
    planned = plan(
        "time.sleep(600)", playback=playback, app={"resources": {"limits": {"cpu": "1"}}}
    )
    executor = agent_s(planned)
    executor.start(planned)

    for name in (planned.name, Attempt(planned.name).playback):
        shown = executor._engine().inspected(name)
        assert shown is not None
        host = shown["HostConfig"]
        assert (host["Privileged"], host["CapDrop"], host["PidsLimit"]) == (False, ["ALL"], PIDS)
        assert (host["Memory"], host["MemorySwap"]) == (MEMORY, MEMORY)
        assert "no-new-privileges" in host["SecurityOpt"]
        assert {one["Type"] for one in shown["Mounts"]} == {"volume"}
        assert not any((host["Binds"], host["Devices"], host["PidMode"], host["UsernsMode"]))
        assert host["IpcMode"] in {"private", "shareable"}
        assert shown["Config"]["Labels"][containers.AGENT] == "test"
    assert shown["HostConfig"]["NanoCpus"] == 0  # as asked, where it was asked


def test_settings_may_lend_a_network(agent_s: Callable[..., Docker]) -> None:
    """For jobs that have to reach something: the host's keeper says so, not the job."""
    planned = plan(LOOKS_AROUND)

    seen = seen_by(agent_s(planned, network="bridge"), planned)

    assert "eth0" in seen["networks"]
