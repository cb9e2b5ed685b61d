"""Making what an attempt consists of, and removing it, over an API that remembers what is asked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
import requests
from docker.errors import APIError, NotFound

from making import bare_plan
from profiling_operator import delivery, launcher, provisioning
from profiling_operator.archives import Packed
from profiling_operator.collectors import Toolchain
from profiling_operator.containers import ANY, ATTEMPT, Terms
from profiling_operator.engine import Engine
from profiling_operator.errors import (
    ExecutorError,
    PlaybackError,
    PreflightError,
    ProfilingError,
    Reason,
    StartError,
    ToolchainError,
)
from profiling_operator.plan import Plan, PlannedCollector
from profiling_operator.provisioning import Provisioning, start_playback
from profiling_operator.settings import AgentSettings, DockerSettings, Settings, ToolchainSettings

SCRIPT = Toolchain(file="bin/tool", program="tool", is_script=True)
PLAIN = Toolchain(file="bin/tool", program="tool", files=("bin/tool",))

Call = tuple[str, str]


class Api:
    """What an engine has, and what it was asked to do, in order."""

    base_url = "http://engine"
    api_version = "1.41"

    def __init__(self, **images: dict[str, Any]) -> None:
        """With images by name."""
        self.images = {name: {"Id": name, "Architecture": "amd64", "Config": config}
                       for name, config in images.items()}  # fmt: skip
        self.calls: list[Call] = []
        self.bodies: dict[str, dict[str, Any]] = {}
        self.networks_made: dict[str, dict[str, Any]] = {}
        self.said_of_itself: dict[str, Any] = {"Architecture": "x86_64"}
        """A machine of the most usual kind."""
        self.there: dict[str, dict[str, dict[str, str]]] = {
            "containers": {}, "networks": {}, "volumes": {},
        }  # fmt: skip
        self.archives: list[tuple[str, str, dict[str, tarfile.TarInfo]]] = []
        self.refusals: dict[str, list[Exception]] = {}
        """What is raised by the next calls of a name."""
        self.states: list[dict[str, Any]] = []
        """What the playback server's container looks like, look by look; the last one stays."""
        self.said = b""

    def _called(self, what: str, name: str) -> None:
        self.calls.append((what, name))
        if self.refusals.get(what):
            raise self.refusals[what].pop(0)

    def info(self) -> dict[str, Any]:
        """What the engine says of itself."""
        return self.said_of_itself

    def inspect_image(self, name: str) -> dict[str, Any]:
        """An image that is there."""
        return self.images[name]

    def create_volume(self, name: str, labels: dict[str, str]) -> None:
        """Remember it."""
        self._called("create_volume", name)
        self.there["volumes"][name] = labels

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """One that is there."""
        self._called("inspect_volume", name)
        return {"Labels": self.there["volumes"][name]}

    def create_network(
        self,
        name: str,
        driver: str,
        options: dict[str, str],
        internal: bool,
        labels: dict[str, str],
    ) -> None:
        """Remember it."""
        self._called("create_network", name)
        self.there["networks"][name] = labels
        self.networks_made[name] = {"internal": internal, "options": options}

    def create_container_from_config(self, body: dict[str, Any], name: str) -> None:
        """Remember it with its body."""
        self._called("create", name)
        self.bodies[name] = body
        self.there["containers"][name] = body["Labels"]

    def put_archive(self, name: str, path: str, archive: IO[bytes]) -> None:
        """Remember what is in it."""
        self._called("put", name)
        with tarfile.open(fileobj=io.BytesIO(archive.read())) as opened:
            self.archives.append((name, path, {one.name: one for one in opened}))

    def start(self, name: str) -> None:
        """Remember it."""
        self._called("start", name)

    def inspect_container(self, name: str) -> dict[str, Any]:
        """The next state."""
        self.calls.append(("inspect", name))
        if not self.states:
            raise NotFound("404", explanation=f"No such container: {name}")
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def logs(self, name: str, tail: int) -> bytes:
        """What it printed."""
        return self.said

    def remove_container(self, name: str, force: bool, v: bool) -> None:
        """Forget it, running or not, with its anonymous volumes."""
        assert force and v
        self._remove("containers", "remove", name)

    def remove_network(self, name: str) -> None:
        """Forget it."""
        self._remove("networks", "remove_network", name)

    def remove_volume(self, name: str) -> None:
        """Forget it."""
        self._remove("volumes", "remove_volume", name)

    def _remove(self, kind: str, what: str, name: str) -> None:
        self._called(what, name)
        if self.there[kind].pop(name, None) is None:
            raise NotFound("404", explanation=f"no such thing: {name}")

    def _listed(self, kind: str, filters: dict[str, str]) -> list[dict[str, Any]]:
        key, _, value = filters["label"].partition("=")
        found = self.there[kind].items()
        return [{"Id": name, "Name": name} for name, labels in found if labels.get(key) == value]

    def containers(self, all: bool, filters: dict[str, str]) -> list[dict[str, Any]]:  # noqa: A002
        """Those with a label."""
        assert all
        return self._listed("containers", filters)

    def networks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        """Those with a label."""
        return self._listed("networks", filters)

    def volumes(self, filters: dict[str, str]) -> dict[str, Any]:
        """Those with a label."""
        return {"Volumes": self._listed("volumes", filters)}


class Here(Engine):
    """An engine over such an API, whose images have files."""

    def __init__(self, api: Api) -> None:
        super().__init__("U", api)
        self.files: dict[str, set[str]] = {}
        """Paths by image."""
        self.contents: dict[str, bytes] = {}
        """What is in the files of the application's image, by path."""
        self.looks: list[Exception] = []
        """What is raised by the next looks."""

    def has(self, container: str, path: str) -> bool:
        """Whether the container's image has it."""
        if self.looks:
            raise self.looks.pop(0)
        return path in self.files.get(self.api.bodies[container]["Image"], set())

    def content(self, container: str, path: str, links: int = 3) -> bytes:
        """Nothing, where there is no such file."""
        return self.contents.get(path, b"")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """Now."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Nobody really waits."""
    made = Clock()
    monkeypatch.setattr(provisioning, "time", made)
    return made


@pytest.fixture(autouse=True)
def launchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher, whether it is built here or not."""
    folder = tmp_path / "launchers"
    folder.mkdir()
    (folder / "launch-x86_64").touch(mode=0o755)
    monkeypatch.setattr(launcher, "FOLDER", folder)
    monkeypatch.setattr(delivery, "_require_machine", lambda name, machine: None)


def api() -> Api:
    """With images of an application, of a server, of a toolchain, and one with nothing to start."""
    start = {"Entrypoint": ["/start"]}
    return Api(app=start, server=start, toolchain=start, bare={})


def world(bash: bool = True) -> Here:
    """An engine whose application's image has a /tmp, and a bash or none."""
    here = Here(api())
    here.files["app"] = {"/tmp", *(["/bin/bash"] if bash else [])}
    here.files["toolchain"] = {"/opt/tool/bin/tool"}
    return here


def plan_of(toolchain: Toolchain | None = None, **changes: Any) -> Plan:
    """A plan with one collector, `tool`, or none."""
    planned = bare_plan(**{"app": {"image": "app"}, **changes})
    if toolchain is None:
        return planned
    one = PlannedCollector(name="tool", options={}, toolchain=toolchain)
    wrapper = ("{tool:tool}/bin/tool", "--")
    return planned.model_copy(update={"collectors": (one,), "wrapper": wrapper})


def known(**toolchain: Any) -> Settings:
    """Settings of `tool`."""
    return Settings(toolchains={"tool": ToolchainSettings(**toolchain)} if toolchain else {})


def prepare(
    here: Here, plan: Plan, settings: Settings | None = None, terms: Terms = ANY
) -> list[str]:
    """Prepare an attempt; what was told."""
    told: list[str] = []
    Provisioning(here, plan, settings or Settings(), told.append, terms).prepare()
    return told


def install(prefix: Path) -> Path:
    """The toolchain on this machine."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "tool").touch(mode=0o755)
    return prefix


def wrapper_of(here: Here, plan: Plan) -> list[str]:
    """The words in front of the application's own."""
    words = here.api.bodies[plan.name]["Cmd"]
    start = words.index("--")
    return list(words[start + 1 :][: int(words[start - 1])])


PLAYBACK = {"image": "server", "port": 80, "readiness": {"timeoutSeconds": 3}}


# Making.


def test_everything_is_made_in_an_order_that_leaves_nothing_unfound() -> None:
    """Labelled volumes first, what runs last; helpers are removed as soon as they have served."""
    here = world()
    empty = {"name": "scratch", "mountPath": "/scratch", "emptyDir": {}}
    plan = plan_of(SCRIPT, app={"image": "app", "volumes": [empty]}, playback=PLAYBACK)

    told = prepare(here, plan, known(image="toolchain"))

    name = plan.name
    assert here.api.calls == [
        ("create_volume", f"{name}-workspace"),
        ("create_volume", f"{name}-tools"),
        ("create_volume", f"{name}-playback"),
        ("create_volume", f"{name}-toolchain-0"),
        ("create_volume", f"{name}-volume-scratch"),
        ("create", f"{name}-filler-0"),
        ("remove", f"{name}-filler-0"),
        ("create", f"{name}-deliverer"),
        ("put", f"{name}-deliverer"),
        ("remove", f"{name}-deliverer"),
        ("create_network", name),
        ("create", f"{name}-playback"),
        ("create", name),
    ]
    assert told == ["bringing the launcher and the collectors"]


def test_all_that_is_made_has_the_attempt_s_label() -> None:
    """By it everything is found again, by whomever."""
    here = world()
    plan = plan_of(SCRIPT, playback=PLAYBACK)

    prepare(here, plan, known(image="toolchain"))

    things = [one for kind in here.api.there.values() for one in kind.values()]
    assert {one[ATTEMPT] for one in things} == {plan.name}
    assert len(things) == 4 + 1 + 2


@pytest.mark.parametrize(
    ("said", "devices", "visible"),
    [
        (
            {"Runtimes": {"nvidia": {}}},
            [{"DeviceIDs": ["GPU-a"], "Capabilities": [["gpu"]]}], "GPU-a",
        ),
        (
            {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}]},
            [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-a"]}], "void",
        ),
        ({}, [], "GPU-a"),
    ],
    ids=["runtime", "cdi", "environment"],
)  # fmt: skip
def test_an_agent_s_gpus_are_requested_as_the_engine_serves_them(
    said: dict[str, Any], devices: list[dict[str, Any]], visible: str
) -> None:
    """By name; and what is started has nine tenths of the machine's memory at most."""
    here = world()
    here.api.said_of_itself |= {"MemTotal": 1000, **said}
    plan = plan_of(playback=PLAYBACK, gpu={"count": 1})

    prepare(here, plan, terms=Terms("gpu-1", ("GPU-a",)))

    mine, server = (here.api.bodies[name] for name in (plan.name, f"{plan.name}-playback"))
    assert mine["HostConfig"]["DeviceRequests"] == devices
    assert f"NVIDIA_VISIBLE_DEVICES={visible}" in mine["Env"]
    assert "NVIDIA_VISIBLE_DEVICES=void" in server["Env"]
    assert (mine["HostConfig"]["Memory"], server["HostConfig"]["Memory"]) == (900, 900)
    assert here.api.networks_made[plan.name]["internal"]


def test_the_way_to_gpus_and_the_memory_are_the_settings_to_say() -> None:
    """`agent.gpu_request` and `agent.memory`."""
    here = world()
    here.api.said_of_itself |= {"MemTotal": 1000, "Runtimes": {"nvidia": {}}}
    own = Settings(agent=AgentSettings(gpu_request="environment", memory="500"))
    plan = plan_of(gpu={"count": 1})

    prepare(here, plan, own, Terms("gpu-1", ("GPU-a",)))

    host = here.api.bodies[plan.name]["HostConfig"]
    assert (host["DeviceRequests"], host["Memory"]) == ([], 500)


def test_gpus_that_nobody_handed_out_are_not_given_by_an_agent() -> None:
    """A job without GPUs has an empty list of them."""
    here = world()
    here.api.said_of_itself |= {"Runtimes": {"nvidia": {}}}
    plan = plan_of()

    prepare(here, plan, terms=Terms("gpu-1", ()))

    body = here.api.bodies[plan.name]
    assert body["HostConfig"]["DeviceRequests"] == []
    assert "NVIDIA_VISIBLE_DEVICES=void" in body["Env"]


@pytest.mark.parametrize("terms", [ANY, Terms("gpu-1", ())], ids=["profjob run", "agent"])
def test_a_claim_is_looked_at_again_before_anything_is_made(terms: Terms) -> None:
    """The engine would make a volume that is not there, and mount one that is not for claims."""
    here = world()
    here.api.refusals["inspect_volume"] = [NotFound("404", explanation="no such volume")]
    claim = {"name": "v", "mountPath": "/v", "persistentVolumeClaim": {"claimName": "keys"}}

    with pytest.raises(StartError, match=r"spec\.app\.volumes: keys: "):
        prepare(here, plan_of(app={"image": "app", "volumes": [claim]}), terms=terms)

    assert here.api.calls == [("inspect_volume", "keys")]


def test_nothing_is_started() -> None:
    """Only now somebody may watch it, and then start it."""
    here = world()

    prepare(here, plan_of(playback=PLAYBACK))

    assert "start" not in dict(here.api.calls)


def test_the_launcher_and_the_tools_go_into_their_volume(tmp_path: Path) -> None:
    """With folders that anybody may write to, since volumes are root's at first."""
    here = world()
    plan = plan_of(PLAIN, playback=PLAYBACK)

    prepare(here, plan, known(path=str(install(tmp_path / "tool"))))

    ((container, path, members),) = here.api.archives
    assert (container, path) == (f"{plan.name}-deliverer", "/")
    assert {name: one.mode for name, one in members.items()} == {
        "profiling_output": 0o2777,
        ".profiling-playback": 0o2777,
        ".profiling": 0o755,
        ".profiling/launch": 0o755,
        ".profiling/tool/bin/tool": 0o755,
    }
    assert wrapper_of(here, plan) == ["/.profiling/tool/bin/tool", "--"]


def test_a_folder_goes_to_its_own_path(tmp_path: Path) -> None:
    """In an archive of its own, after the launcher."""
    here = world()
    prefix = install(tmp_path / "tool")
    plan = plan_of(SCRIPT)

    prepare(here, plan, known(path=str(prefix)))

    _, (_, path, members) = here.api.archives
    assert path == "/"
    assert f"{prefix}/bin/tool"[1:] in members
    assert wrapper_of(here, plan) == [f"{prefix}/bin/tool", "--"]


def test_images_are_taken_as_the_settings_say() -> None:
    """All three of them, each anew: the application's, the server's, the toolchain's."""
    asked: list[str] = []

    class Asked(Here):
        def pull(self, reference: str) -> Any:
            asked.append(reference)
            return ()

    here = Asked(api())
    here.files = world().files
    settings = Settings(
        docker=DockerSettings(pull="always"),
        toolchains={"tool": ToolchainSettings(image="toolchain")},
    )

    prepare(here, plan_of(SCRIPT, playback=PLAYBACK), settings)

    assert asked == ["app", "server", "toolchain"]


def test_an_image_with_nothing_to_start_is_refused_before_anything_is_made() -> None:
    """Neither image nor job has a command."""
    here = world()

    with pytest.raises(StartError, match=r"bare has no entrypoint, and there is no spec\.app"):
        prepare(here, plan_of(app={"image": "bare"}))
    with pytest.raises(StartError, match=r"bare has no entrypoint, and there is no spec\.playb"):
        prepare(here, plan_of(playback={**PLAYBACK, "image": "bare"}))

    assert here.api.calls == []


# What goes wrong on the way.


@pytest.mark.parametrize(
    ("what", "expected"),
    [("create_volume", StartError), ("create", StartError), ("put", StartError),
     ("create_network", StartError)],
)  # fmt: skip
def test_what_the_engine_refuses_is_told(what: str, expected: type[ProfilingError]) -> None:
    """As an error of the start; what the engine does not answer may be tried again."""
    here = world()
    here.api.refusals[what] = [APIError("400", explanation="invalid mount")]
    with pytest.raises(expected, match="invalid mount"):
        prepare(here, plan_of(playback=PLAYBACK))

    here = world()
    here.api.refusals[what] = [requests.ConnectionError("reset")]
    with pytest.raises(ExecutorError, match="reset"):
        prepare(here, plan_of(playback=PLAYBACK))


def helpers(here: Here) -> list[str]:
    """Containers that are there only on the way."""
    return [name for name in here.api.there["containers"] if "filler" in name or "deliver" in name]


def test_the_deliverer_is_removed_also_when_it_fails() -> None:
    """Nobody needs it afterwards."""
    here = world()
    here.api.refusals["put"] = [APIError("500", explanation="no space left on device")]

    with pytest.raises(StartError, match="no space left"):
        prepare(here, plan_of())

    assert ("create", f"{plan_of().name}-deliverer") in here.api.calls
    assert helpers(here) == []


def test_the_filler_is_removed_also_when_it_fails() -> None:
    """Whatever it was asked."""
    here = world()
    here.looks = [ExecutorError("reset")]

    with pytest.raises(ExecutorError, match="reset"):
        prepare(here, plan_of(SCRIPT), known(image="toolchain"))

    assert ("create", f"{plan_of().name}-filler-0") in here.api.calls
    assert helpers(here) == []


NAMES = ("create_volume", "create", "put", "remove", "create_network")


@pytest.mark.parametrize("what", NAMES)
@pytest.mark.parametrize("number", range(5))
def test_wherever_it_is_interrupted_removing_finds_all_of_it(what: str, number: int) -> None:
    """Nothing is ever made that has no label yet."""
    here = world()
    plan = plan_of(SCRIPT, playback=PLAYBACK)
    order: list[BaseException | None] = [*[None] * number, KeyboardInterrupt()]
    counted = here.api._called

    def interrupted(called: str, name: str) -> None:
        counted(called, name)
        if called == what and order and (error := order.pop(0)):
            raise error

    here.api._called = interrupted
    try:
        prepare(here, plan, known(image="toolchain"))
    except KeyboardInterrupt:
        assert not order
    order.clear()

    provisioning.remove(here, plan.name)

    assert here.api.there == {"containers": {}, "networks": {}, "volumes": {}}


# Toolchains in images.


@pytest.mark.parametrize(
    ("files", "wrapper"),
    [
        ({"/opt/tool/bin/tool"}, ["/opt/tool/bin/tool", "--"]),
        ({"/opt/tool/x86_64/bin/tool"}, ["/opt/tool/x86_64/bin/tool", "--"]),
        (
            {"/opt/tool/bin/tool", "/opt/tool/lib/ld.so"},
            ["/opt/tool/lib/ld.so", "--library-path", "/opt/tool/lib", "/opt/tool/bin/tool", "--"],
        ),
    ],
    ids=["prefix", "architecture", "own loader"],
)
def test_a_toolchain_s_file_is_looked_for_in_its_image(files: set[str], wrapper: list[str]) -> None:
    """Below the prefix, or below its architecture there; with the loader that it brings."""
    here = world()
    here.files["toolchain"] = files
    plan = plan_of(PLAIN)

    prepare(here, plan, known(image="toolchain"))

    assert wrapper_of(here, plan) == wrapper


def test_the_prefix_in_an_image_is_the_settings(tmp_path: Path) -> None:
    """That is where the volume is filled, and where the application sees it."""
    here = world()
    here.files["toolchain"] = {"/usr/local/tool/bin/tool"}
    plan = plan_of(PLAIN)

    prepare(here, plan, known(image="toolchain", path="/usr/local/tool"))

    for name in (f"{plan.name}-filler-0", plan.name):
        mounts = here.api.bodies[name]["HostConfig"]["Mounts"]
        assert {one["Source"]: one["Target"] for one in mounts}[f"{plan.name}-toolchain-0"] == (
            "/usr/local/tool"
        )
    assert wrapper_of(here, plan) == ["/usr/local/tool/bin/tool", "--"]


def test_volumes_of_folders_and_of_images_are_told_apart(tmp_path: Path) -> None:
    """Each toolchain finds its own."""
    here = world()
    both = (
        PlannedCollector(name="tool", options={}, toolchain=SCRIPT),
        PlannedCollector(name="other", options={}, toolchain=SCRIPT),
    )
    plan = plan_of().model_copy(update={"collectors": both})
    prefix = install(tmp_path / "other")
    settings = Settings(
        toolchains={
            "tool": ToolchainSettings(image="toolchain"),
            "other": ToolchainSettings(path=str(prefix)),
        }
    )

    prepare(here, plan, settings)

    (filled,) = here.api.bodies[f"{plan.name}-filler-1"]["HostConfig"]["Mounts"]
    mounts = here.api.bodies[plan.name]["HostConfig"]["Mounts"]
    assert filled["Source"] == f"{plan.name}-toolchain-1"
    assert {one["Source"]: one["Target"] for one in mounts}.items() >= {
        f"{plan.name}-toolchain-0": str(prefix), f"{plan.name}-toolchain-1": "/opt/tool",
    }.items()  # fmt: skip


def test_an_image_without_the_toolchain_is_told_with_the_setting() -> None:
    """Which names the folder in the image."""
    here = world()
    here.files["toolchain"] = {"/usr/bin/tool"}

    with pytest.raises(ToolchainError) as caught:
        prepare(here, plan_of(SCRIPT), known(image="toolchain"))

    assert str(caught.value) == (
        "tool: toolchain has no bin/tool below /opt/tool; "
        "toolchains.tool.path names the folder in the image"
    )
    assert helpers(here) == []


# Scripts need a bash.


def path_of(here: Here, plan: Plan) -> list[str]:
    """The PATH that the container is given, if any."""
    return [one for one in here.api.bodies[plan.name]["Env"] if one.startswith("PATH=")]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Sequence[Packed]:
    """A shell that can be brought."""
    brought = (Packed(".profiling/shell"), Packed(".profiling/shell/bash", content=b"bash"))
    monkeypatch.setattr(delivery, "shell", lambda: brought)
    return brought


@pytest.fixture
def no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """None that could be brought."""
    monkeypatch.setattr(delivery, "shell", lambda: ())


def test_a_script_starts_with_the_image_s_bash(shell: Sequence[Packed]) -> None:
    """Where there is one; then none is brought, and PATH stays as it is."""
    here, plan = world(bash=True), plan_of(SCRIPT)

    prepare(here, plan, known(image="toolchain"))

    assert wrapper_of(here, plan) == ["/opt/tool/bin/tool", "--"]
    assert ".profiling/shell/bash" not in here.api.archives[0][2]
    assert path_of(here, plan) == []


def test_a_script_starts_with_the_toolchain_s_bash() -> None:
    """Which goes before one that would be brought."""
    here, plan = world(bash=False), plan_of(SCRIPT)
    here.files["app"].add("/opt/tool/bin/bash")

    prepare(here, plan, known(image="toolchain"))

    assert wrapper_of(here, plan) == ["/opt/tool/bin/bash", "/opt/tool/bin/tool", "--"]


def test_a_script_starts_with_a_bash_that_is_brought(shell: Sequence[Packed]) -> None:
    """Where neither has one; what the script calls is found behind the image's own programs."""
    here, plan = world(bash=False), plan_of(SCRIPT)

    prepare(here, plan, known(image="toolchain"))

    assert wrapper_of(here, plan) == ["/.profiling/shell/bash", "/opt/tool/bin/tool", "--"]
    assert ".profiling/shell/bash" in here.api.archives[0][2]
    assert path_of(here, plan)[0].endswith(":/.profiling/shell")


def test_a_script_without_any_bash_is_refused(no_shell: None) -> None:
    """With what would help; the deliverer is removed all the same."""
    here = world(bash=False)

    with pytest.raises(PreflightError) as caught:
        prepare(here, plan_of(SCRIPT), known(image="toolchain"))

    assert caught.value.reason is Reason.TOOLCHAIN_INCOMPATIBLE
    assert "tool starts with a bash script" in str(caught.value)
    assert "install bash-static and busybox-static" in str(caught.value)
    assert helpers(here) == []


def test_what_is_no_script_needs_no_bash(no_shell: None, tmp_path: Path) -> None:
    """An image with nothing but the application will do."""
    here, plan = world(bash=False), plan_of(PLAIN)

    prepare(here, plan, known(path=str(install(tmp_path / "tool"))))

    assert wrapper_of(here, plan) == ["/.profiling/tool/bin/tool", "--"]


# What is loaded into the application.


@pytest.fixture
def preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that needs glibc 2.34, and two libraries beside its own."""
    libraries = tuple(Packed(f"opt/lib/{name}", content=b"x") for name in ("liba.so.1", "libb.so"))
    brought = delivery.Delivery(companions=libraries, glibc=(2, 34))
    monkeypatch.setattr(delivery, "of_plan", lambda *given: brought)


def glibc(version: str) -> bytes:
    """A C library."""
    return f"\0GNU C Library (GNU libc) stable release version {version}.\n".encode()


@pytest.mark.parametrize(
    "path", ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"]
)
def test_libraries_that_the_image_lacks_are_brought(preloaded: None, path: str) -> None:
    """Its own go first, by what its loader knows; its C library is found wherever it is usual."""
    here, plan = world(), plan_of()
    here.contents = {path: glibc("2.36"), "/etc/ld.so.cache": b"\0libb.so\0/lib/libb.so\0"}

    prepare(here, plan)

    assert set(here.api.archives[-1][2]) == {"opt/lib/liba.so.1"}


@pytest.mark.parametrize(
    ("library", "has"),
    [(glibc("2.31"), "glibc 2.31"), (glibc("2.9"), "glibc 2.9"), (b"", "no GNU C library")],
)
def test_a_c_library_that_is_too_old_is_told(preloaded: None, library: bytes, has: str) -> None:
    """Before the application fails with words about symbols; the deliverer is removed."""
    here = world()
    here.contents = {"/lib64/libc.so.6": library}

    with pytest.raises(PreflightError) as caught:
        prepare(here, plan_of())

    assert caught.value.reason is Reason.TOOLCHAIN_INCOMPATIBLE
    assert str(caught.value) == (
        f"app has {has}; what is loaded into the application needs glibc 2.34"
    )
    assert helpers(here) == []


@pytest.mark.parametrize("there", [True, False])
def test_where_the_image_has_no_tmp_there_is_one(there: bool) -> None:
    """In memory."""
    here, plan = world(), plan_of()
    if not there:
        here.files["app"].remove("/tmp")

    prepare(here, plan)

    tmpfs = here.api.bodies[plan.name]["HostConfig"]["Tmpfs"]
    assert tmpfs == ({} if there else {"/tmp": "mode=1777"})


# The playback server.


def state(status: str = "running", health: str = "", *said: str) -> dict[str, Any]:
    """A container's state, with what its probes said."""
    log = [{"Output": one} for one in said]
    return {"Status": status, "Health": {"Status": health, "Log": log} if health else None}


@pytest.fixture
def server(clock: Clock) -> Iterator[tuple[Here, Plan, Callable[[float], None]]]:
    """An engine, a plan with a server, and a pause in which time passes."""
    yield world(), plan_of(playback=PLAYBACK), clock.sleep


Server = tuple[Here, Plan, Callable[[float], None]]


def test_a_server_is_waited_for(server: Server, clock: Clock) -> None:
    """Until its probe succeeds; between two looks somebody may be woken."""
    here, plan, pause = server
    here.api.states = [
        state(), state(health="starting"), state(health="unhealthy"), state(health="healthy"),
    ]  # fmt: skip

    start_playback(here, plan, pause)

    name = f"{plan.name}-playback"
    assert here.api.calls == [("start", name), *[("inspect", name)] * 4]
    assert clock.pauses == [0.5] * 3


def test_a_server_that_is_ready_at_once_is_not_waited_for(server: Server, clock: Clock) -> None:
    """No pause before the first look."""
    here, plan, pause = server
    here.api.states = [state(health="healthy")]

    start_playback(here, plan, pause)

    assert clock.pauses == []


def test_a_server_that_ends_is_told_with_its_last_words(server: Server, clock: Clock) -> None:
    """At once: it will never be ready."""
    here, plan, pause = server
    here.api.states = [state(), state("exited")]
    here.api.said = b"no recording\n"

    with pytest.raises(PlaybackError) as caught:
        start_playback(here, plan, pause)

    assert str(caught.value) == "it ended before it was ready; its last words: no recording"
    assert len(clock.pauses) == 1


def test_a_server_that_is_removed_is_told(server: Server) -> None:
    """It is not there any more."""
    here, plan, pause = server

    with pytest.raises(PlaybackError, match=r"it ended before it was ready$"):
        start_playback(here, plan, pause)


@pytest.mark.parametrize(
    ("readiness", "last", "told"),
    [
        ({}, state(health="starting"), "port 80 after 3 s: no answer"),
        (
            {}, state("running", "unhealthy", "first", "nobody listens on port 80\n"),
            "port 80 after 3 s: nobody listens on port 80",
        ),
        (
            {"httpGet": "/ready"}, state("running", "unhealthy", "/ready answered 503"),
            "port 80 /ready after 3 s: /ready answered 503",
        ),
        ({}, state(), "port 80 after 3 s: no answer"),
    ],
)  # fmt: skip
def test_a_server_that_does_not_get_ready_is_told(
    server: Server, clock: Clock, readiness: dict[str, str], last: dict[str, Any], told: str
) -> None:
    """With where it was looked for, for how long, and what the last probe said."""
    here, _, pause = server
    wanted = {**PLAYBACK, "readiness": {"timeoutSeconds": 3, **readiness}}
    here.api.states = [last]
    here.api.said = b"loading\n"

    with pytest.raises(PlaybackError) as caught:
        start_playback(here, plan_of(playback=wanted), pause)

    assert str(caught.value) == f"PlaybackNotReady: {told}; its last words: loading"
    assert 3 <= clock.now <= 4


def test_a_server_that_cannot_be_started_is_told(server: Server) -> None:
    """In the engine's words."""
    here, plan, pause = server
    here.api.refusals["start"] = [APIError("400", explanation="exec format error")]

    with pytest.raises(PlaybackError, match="exec format error"):
        start_playback(here, plan, pause)


# Removing.


def left() -> Here:
    """An engine with two attempts and things of others."""
    here = world()
    for kind, names in here.api.there.items():
        for name in ("mine", "mine-playback"):
            names[f"{name}-{kind}"] = {ATTEMPT: "mine"}
        names[f"yours-{kind}"] = {ATTEMPT: "yours"}
        names[f"foreign-{kind}"] = {}
    return here


def test_removing_takes_all_of_an_attempt_and_nothing_else() -> None:
    """Containers first: they hold on to networks and volumes."""
    here = left()

    provisioning.remove(here, "mine")

    assert [what for what, _ in here.api.calls] == [
        "remove", "remove", "remove_network", "remove_network", "remove_volume", "remove_volume",
    ]  # fmt: skip
    assert {name for kind in here.api.there.values() for name in kind} == {
        f"{whose}-{kind}"
        for whose in ("yours", "foreign")
        for kind in ("containers", "networks", "volumes")
    }


def test_removing_what_is_not_there_is_nothing() -> None:
    """Twice is once."""
    here = world()

    provisioning.remove(here, "mine")

    assert here.api.calls == []


@pytest.mark.parametrize("what", ["remove", "remove_network", "remove_volume"])
def test_what_somebody_else_removes_meanwhile_is_removed(what: str, clock: Clock) -> None:
    """The rest goes on."""
    here = left()
    here.api.refusals[what] = [NotFound("404", explanation="no such thing")]

    provisioning.remove(here, "mine")

    assert len(here.api.calls) == 6
    assert clock.pauses == []


CONFLICT = APIError("409", explanation="removal is already in progress")


@pytest.mark.parametrize("what", ["remove", "remove_network", "remove_volume"])
@pytest.mark.parametrize("times", [1, 4])
def test_what_is_refused_for_a_moment_is_asked_again(what: str, times: int, clock: Clock) -> None:
    """A removal may be under way, and volumes are let go of a moment after their container."""
    here = left()
    here.api.refusals[what] = [CONFLICT] * times

    provisioning.remove(here, "mine")

    assert len(here.api.calls) == 6 + times
    assert clock.pauses == [provisioning.PAUSE_SECONDS] * times


def test_what_is_refused_for_long_is_told(clock: Clock) -> None:
    """In the engine's words, after a few seconds."""
    here = left()
    here.api.refusals["remove"] = [CONFLICT] * 5

    with pytest.raises(ExecutorError, match="already in progress"):
        provisioning.remove(here, "mine")

    assert clock.now < 5
