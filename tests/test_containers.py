"""Bodies of the Engine API, compared whole: what is asked for is what is written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from making import bare_plan, job
from profiling_operator import allowances, containers, delivery, seccomp
from profiling_operator.allowances import Allowance
from profiling_operator.collectors import Toolchain
from profiling_operator.containers import Attempt, Contents, Terms
from profiling_operator.delivery import Delivery, ToolchainImage
from profiling_operator.images import Image
from profiling_operator.launching import ToolPlace
from profiling_operator.plan import Plan, PlannedCollector, PlannedStop, build_plan
from profiling_operator.settings import DockerSettings

SAMPLER = Toolchain(file="bin/sampler", program="sampler", files=("bin/*",), is_dynamic=True)
TAU = Toolchain(file="bin/tau_exec", program="tau_exec", is_script=True)
IMAGE = Image(
    "sha256:app", "registry.example/app:1", "x86_64", ("/entry",), ("serve", "--fast"),
    ("PATH=/app/bin:/bin", "LANG=C"),
)  # fmt: skip
SERVER = Image("sha256:server", "registry.example/server:1", "x86_64", ("/server",), ("-v",))
BARE = Image("sha256:bare", "bare", "x86_64")
OLD, NEW = (1, 43), (1, 44)
PLAIN = DockerSettings()
EVERYTHING = Contents()

RICH: dict[str, Any] = {
    "name": "rich",
    "uid": "7d2c",
    "app": {
        "image": "registry.example/app:1",
        "command": ["./simulate"],
        "args": ["--steps", "{run}", "a b", "$HOME"],
        "workingDir": "/app",
        "env": [{"name": "GREETING", "value": "good day"}, {"name": "EMPTY"}],
        "resources": {"limits": {"cpu": "1500m", "memory": "2Gi"}},
        "volumes": [
            {"name": "data", "mountPath": "/data",
             "persistentVolumeClaim": {"claimName": "inputs", "readOnly": True}},
            {"name": "shm", "mountPath": "/dev/shm",
             "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "scratch", "mountPath": "/scratch", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
        "securityContext": {"runAsUser": 1000, "runAsGroup": 2000},
    },
    "gpu": {"count": 2},
    "playback": {
        "image": "registry.example/server:1",
        "env": [{"name": "MODE", "value": "replay"}],
        "port": 8080,
        "readiness": {"httpGet": "/ready", "timeoutSeconds": 20},
    },
    "output": {"path": "/out", "sizeLimit": "1000"},
    "deadlines": {"collectSeconds": 120},
    "warmups": 1,
    "repetitions": 2,
}  # fmt: skip
BROUGHT = Delivery(
    places={
        "sampler": ToolPlace("/.profiling/sampler", delivery.own_loader("/.profiling/sampler")),
        "tau": ToolPlace("/opt/tau/x86_64", ("/.profiling/shell/bash",)),
    },
    folders=(Path("/usr/local/whole"),),
    images=(ToolchainImage("tau", "registry.example/tau:2", "/opt/tau", TAU),),
)
GRANTED = DockerSettings(capabilities=("PERFMON",), read_only=True, pids_limit=99, internal=True)
TWO = Allowance(({"Count": 2, "Capabilities": [["gpu"]]},), visible="")
HANDED = Allowance(({"DeviceIDs": ["GPU-a", "GPU-b"]},), visible="GPU-a,GPU-b", memory=8 << 30)
AGENT = Terms("gpu-1", ("GPU-a", "GPU-b"))
NAME = "rich-ec4e1978-1"
LABELS = {
    "profiling.dev/agent": "",
    "profiling.dev/gpus": "",
    "profiling.dev/attempt": NAME,
    "profiling.dev/job": "ci/rich",
    "profiling.dev/job-uid": "7d2c",
    "profiling.dev/attempt-number": "1",
    "profiling.dev/runs": "3",
    "profiling.dev/output-path": "/out",
    "profiling.dev/size-limit": "1000",
    "profiling.dev/collect-seconds": "120",
}


def rich() -> Plan:
    """A plan with everything in it, of two collectors that are not ours."""
    sampler = PlannedCollector(name="sampler", options={}, toolchain=SAMPLER)
    words: dict[str, Any] = {
        "collectors": (sampler, PlannedCollector(name="tau", options={}, toolchain=TAU)),
        "wrapper": (
            "{tool:sampler}/bin/sampler", "-o", "{run}/sampler/out", "--",
            "{tool:tau}/bin/tau_exec", "--", "{launcher}", "--record", "{run}/.app.json", "--",
        ),
        "system_calls": ("perf_event_open",),
        "after": ("{tool:sampler}/bin/sampler", "report"),
        "after_output": "{run}/sampler/report",
        "after_seconds": 30.0,
        "env": {"PROFILEDIR": "{run}/tau", "TAU": "{toolchain:tau}"},
        "path": ("{toolchain:tau}/bin",),
        "stop": (PlannedStop(signal="INT", target="tool", wait="exit", seconds=2.5),),
        "recorded": True,
    }  # fmt: skip
    return build_plan(job(**RICH)).model_copy(update=words)


def volume(name: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    """A volume that hides what the image has at its place."""
    return {
        "Type": "volume", "Source": name, "Target": target, "ReadOnly": read_only,
        "VolumeOptions": {"NoCopy": True},
    }  # fmt: skip


def app(
    settings: DockerSettings = PLAIN,
    contents: Contents = EVERYTHING,
    image: Image = IMAGE,
    allowed: Allowance = allowances.NOTHING,
    terms: Terms = containers.ANY,
    **changes: Any,
) -> dict[str, Any]:
    """The application's container of a plan with nothing but some fields."""
    plan = bare_plan(**changes)
    return containers.app(plan, Delivery(), image, settings, contents, allowed, terms)


def started(**changes: Any) -> list[str]:
    """The words of the application that is started, after the launcher's own."""
    words = app(**changes)["Cmd"]
    return list(words[words.index("--") + 1 :])


def test_the_application_s_container() -> None:
    """All of it."""
    body = containers.app(rich(), BROUGHT, IMAGE, GRANTED, Contents(bash=False, tmp=True), TWO)

    assert body == {
        "Image": "sha256:app",
        "Entrypoint": ["/.profiling/launch"],
        "Cmd": [
            "--stop-file-at-end", "/.profiling-playback/.run/stop",
            "--workspace", "/out", "--name", NAME,
            "--warmups", "1", "--repetitions", "2",
            "--timeout", "60", "--grace", "5", "--on-timeout", "fail",
            "--output-env", "PROFILING_OUTPUT", "--size-limit", "800",
            "--collector", "sampler", "--collector", "tau",
            "--env", "PROFILEDIR={run}/tau", "--env", "TAU=/opt/tau/x86_64",
            "--path", "/opt/tau/x86_64/bin", "--stop", "INT:tool:exit:2.5",
            *("--after", "/.profiling/sampler/lib/ld.so", "--after", "--library-path"),
            *("--after", "/.profiling/sampler/lib", "--after", "/.profiling/sampler/bin/sampler"),
            *("--after", "report", "--after-output", "{run}/sampler/report"),
            "--after-seconds", "30", "--recorded", "--chdir", "/app", "--wrapper", "14", "--",
            *("/.profiling/sampler/lib/ld.so", "--library-path", "/.profiling/sampler/lib"),
            "/.profiling/sampler/bin/sampler", "-o", "{run}/sampler/out", "--",
            "/.profiling/shell/bash", "/opt/tau/x86_64/bin/tau_exec", "--",
            "/.profiling/launch", "--record", "{run}/.app.json", "--",
            "./simulate", "--steps", "{run}", "a b", "$HOME",
        ],
        "Labels": {**LABELS, "profiling.dev/role": "app"},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "Env": [
            "PLAYBACK_HOST=playback", "PLAYBACK_PORT=8080", "PLAYBACK_URL=http://playback:8080",
            "GREETING=good day", "EMPTY=", "PATH=/app/bin:/bin:/.profiling/shell",
        ],
        "User": "1000:2000",
        "StopTimeout": 83,
        "HostConfig": {
            "Init": True,
            "AutoRemove": False,
            "RestartPolicy": {"Name": "no"},
            "Privileged": False,
            "CapDrop": ["ALL"],
            "CapAdd": ["PERFMON"],
            "PidsLimit": 99,
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "local", "Config": {"max-size": "4m", "max-file": "2"}},
            "Memory": 2 << 30,
            "MemorySwap": 2 << 30,
            "NanoCpus": 1_500_000_000,
            "Mounts": [
                volume(f"{NAME}-tools", "/.profiling", read_only=True),
                volume(f"{NAME}-toolchain-0", "/usr/local/whole", read_only=True),
                volume(f"{NAME}-toolchain-1", "/opt/tau", read_only=True),
                volume(f"{NAME}-workspace", "/out"),
                volume("inputs", "/data", read_only=True),
                {
                    "Type": "tmpfs", "Target": "/dev/shm",
                    "TmpfsOptions": {"SizeBytes": 64 << 20, "Mode": 0o1777},
                },
                volume(f"{NAME}-volume-scratch", "/scratch"),
                volume(f"{NAME}-playback", "/.profiling-playback"),
            ],
            "Tmpfs": {"/tmp": "mode=1777"},
            "NetworkMode": NAME,
            "SecurityOpt": [
                "no-new-privileges", f"seccomp={seccomp.as_json(['perf_event_open'])}",
            ],
            "DeviceRequests": [{"Count": 2, "Capabilities": [["gpu"]]}],
        },
    }  # fmt: skip


def test_the_playback_server_s_container() -> None:
    """All of it."""
    assert containers.playback(rich(), SERVER, GRANTED, NEW) == {
        "Image": "sha256:server",
        "Entrypoint": ["/.profiling/launch"],
        "Cmd": [
            "--workspace", "/.profiling-playback", "--wrapper", "0",
            "--name", f"{NAME}-playback", "--timeout", "387.5", "--on-timeout", "stop",
            "--grace", "5", "--", "/server", "-v",
        ],
        "Labels": {**LABELS, "profiling.dev/role": "playback"},
        "StopSignal": "SIGTERM",
        "Env": ["NVIDIA_VISIBLE_DEVICES=void", "MODE=replay"],
        "StopTimeout": 35,
        "Healthcheck": {
            "Test": ["CMD", "/.profiling/launch", "--probe", "8080", "--probe-path", "/ready"],
            "Interval": 60_000_000_000,
            "StartInterval": 200_000_000,
            "StartPeriod": 50_000_000_000,
            "Timeout": 3_000_000_000,
            "Retries": 3,
        },
        "HostConfig": {
            "Init": True,
            "AutoRemove": False,
            "RestartPolicy": {"Name": "no"},
            "Privileged": False,
            "CapDrop": ["ALL"],
            "PidsLimit": 99,
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "local", "Config": {"max-size": "4m", "max-file": "2"}},
            "Mounts": [
                volume(f"{NAME}-tools", "/.profiling", read_only=True),
                volume(f"{NAME}-playback", "/.profiling-playback"),
            ],
            "NetworkMode": NAME,
            "SecurityOpt": ["no-new-privileges"],
        },
        "NetworkingConfig": {"EndpointsConfig": {NAME: {"Aliases": ["playback"]}}},
    }  # fmt: skip


def test_the_deliverer() -> None:
    """It can write to every volume of the attempt, and to no claim."""
    assert containers.deliverer(rich(), BROUGHT, IMAGE) == {
        "Image": "sha256:app",
        "Entrypoint": ["-"],
        "Labels": {**LABELS, "profiling.dev/role": "deliverer"},
        "HostConfig": {
            "Mounts": [
                volume(f"{NAME}-tools", "/.profiling"),
                volume(f"{NAME}-toolchain-0", "/usr/local/whole"),
                volume(f"{NAME}-toolchain-1", "/opt/tau"),
                volume(f"{NAME}-workspace", "/out"),
                volume(f"{NAME}-volume-scratch", "/scratch"),
                volume(f"{NAME}-playback", "/.profiling-playback"),
            ],
            "NetworkMode": "none",
        },
    }


def test_the_filler() -> None:
    """What the image has at the path is copied: no NoCopy here."""
    assert containers.filler(rich(), 1, SERVER, "/opt/tau") == {
        "Image": "sha256:server",
        "Entrypoint": ["-"],
        "Labels": {**LABELS, "profiling.dev/role": "filler"},
        "HostConfig": {
            "Mounts": [{"Type": "volume", "Source": f"{NAME}-toolchain-1", "Target": "/opt/tau"}],
            "NetworkMode": "none",
        },
    }


def test_the_network() -> None:
    """All of it."""
    assert containers.network(rich(), GRANTED) == {
        "Name": NAME,
        "Driver": "bridge",
        "Internal": True,
        "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"},
        "Labels": {**LABELS, "profiling.dev/role": "network"},
    }


def test_the_volumes() -> None:
    """One for each thing that is brought or kept, but for claims and memory."""
    assert containers.volume_names(rich(), BROUGHT) == [
        f"{NAME}-{what}"
        for what in (
            "workspace", "tools", "playback", "toolchain-0", "toolchain-1", "volume-scratch",
        )
    ]  # fmt: skip
    assert containers.volume_names(bare_plan(), Delivery()) == [
        f"{bare_plan().name}-workspace", f"{bare_plan().name}-tools",
    ]  # fmt: skip


def test_all_that_is_mounted_is_made() -> None:
    """Otherwise the engine would make volumes that nobody finds again, without labels."""
    made = {*containers.volume_names(rich(), BROUGHT), "inputs"}
    mounted = {
        mount["Source"]
        for body in bodies()
        for mount in body.get("HostConfig", {}).get("Mounts", [])
        if mount["Type"] == "volume"
    }

    assert mounted == made


def bodies(terms: Terms = containers.ANY, allowed: Allowance = TWO) -> list[dict[str, Any]]:
    """Every body of the rich plan."""
    return [
        containers.app(rich(), BROUGHT, IMAGE, GRANTED, EVERYTHING, allowed, terms),
        containers.playback(rich(), SERVER, GRANTED, NEW, allowed, terms),
        containers.deliverer(rich(), BROUGHT, IMAGE, terms),
        containers.filler(rich(), 1, SERVER, "/opt/tau", terms),
        containers.network(rich(), GRANTED, terms),
    ]


STARTED = {
    "Init", "AutoRemove", "RestartPolicy", "Privileged", "CapDrop", "PidsLimit", "ReadonlyRootfs",
    "LogConfig", "Memory", "MemorySwap", "Mounts", "NetworkMode", "SecurityOpt",
}  # fmt: skip
ALLOWED = {
    "app": STARTED | {"NanoCpus", "CapAdd", "Tmpfs", "DeviceRequests"},
    "playback": STARTED,
    "deliverer": {"Mounts", "NetworkMode"},
    "filler": {"Mounts", "NetworkMode"},
    "network": set(),
}


@pytest.mark.parametrize(
    "body", bodies(AGENT, HANDED), ids=lambda body: body["Labels"]["profiling.dev/role"]
)
def test_what_is_asked_of_the_engine_is_a_closed_list(body: dict[str, Any]) -> None:
    """No namespace, device, path or privilege of the host can be asked for."""
    host = body.get("HostConfig", {})

    assert host.keys() == ALLOWED[body["Labels"]["profiling.dev/role"]]
    for mount in host.get("Mounts", []):
        assert mount.keys() <= {
            "Type", "Source", "Target", "ReadOnly", "VolumeOptions", "TmpfsOptions",
        }  # fmt: skip
        assert mount.get("VolumeOptions", {}).keys() <= {"NoCopy"}


@pytest.mark.parametrize("body", bodies(AGENT, HANDED)[:2], ids=["app", "playback"])
def test_what_an_agent_starts_is_bounded(body: dict[str, Any]) -> None:
    """Application and playback server alike."""
    host = body["HostConfig"]

    assert (host["Privileged"], host["CapDrop"]) == (False, ["ALL"])
    assert host["SecurityOpt"][0] == "no-new-privileges"
    assert host["PidsLimit"] == 99
    assert 0 < host["Memory"] == host["MemorySwap"] <= 8 << 30
    assert host["NetworkMode"] == NAME
    read_only = {one["Target"] for one in host["Mounts"] if one.get("ReadOnly")}
    assert read_only >= {"/.profiling"}


def test_what_an_agent_makes_says_whose_it_is() -> None:
    """With the GPUs that it handed out."""
    for body in bodies(AGENT, HANDED):
        labels = body["Labels"]
        assert (labels[containers.AGENT], labels[containers.GPUS]) == ("gpu-1", "GPU-a,GPU-b")


def test_an_image_s_labels_cannot_pretend_anything() -> None:
    """A container shows its image's labels beside its own, but where ours have the same name."""
    for body in bodies():
        labels = body["Labels"]
        assert (labels[containers.AGENT], labels[containers.GPUS]) == ("", "")


def test_an_agent_s_job_is_alone() -> None:
    """Without a playback server it has no network; with one, a network without a way out."""
    assert app(terms=AGENT)["HostConfig"]["NetworkMode"] == "none"
    assert app()["HostConfig"]["NetworkMode"] == "bridge"
    made = {terms: containers.network(rich(), PLAIN, terms) for terms in (AGENT, containers.ANY)}
    assert (made[AGENT]["Internal"], made[containers.ANY]["Internal"]) == (True, False)
    assert made[AGENT]["Options"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}
    assert made[containers.ANY]["Options"] == {}


def test_settings_may_let_an_agent_s_jobs_out() -> None:
    """Whoever keeps the host says so, never the job."""
    own = DockerSettings(network="lab-net", internal=False)

    assert app(own, terms=AGENT)["HostConfig"]["NetworkMode"] == "lab-net"
    made = containers.network(rich(), own, AGENT)
    assert (made["Internal"], made["Options"]) == (False, {})


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body["Labels"]["profiling.dev/role"])
def test_no_body_names_a_path_of_the_host(body: dict[str, Any]) -> None:
    """Nothing but volumes and memory is mounted, and no namespace of the host is shared."""
    host = body.get("HostConfig", {})

    assert "Binds" not in host and "VolumesFrom" not in host and "Devices" not in host
    assert {mount["Type"] for mount in host.get("Mounts", [])} <= {"volume", "tmpfs"}
    assert all("/" not in mount.get("Source", "") for mount in host.get("Mounts", []))
    assert not any(key.endswith("Mode") and value == "host" for key, value in host.items())
    assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body["Labels"]["profiling.dev/role"])
def test_labels_suffice_to_go_on_with_an_attempt(body: dict[str, Any]) -> None:
    """Who finds anything of it knows whose it is, where its output is and how long to take."""
    labels = body["Labels"]

    assert labels[containers.ATTEMPT] == NAME
    assert labels[containers.OUTPUT] == "/out"
    assert int(labels[containers.RUNS]) == rich().runs == 3
    assert int(labels[containers.SIZE_LIMIT]) == rich().size_limit == 1000
    assert int(labels[containers.COLLECT_SECONDS]) == 120
    assert all(isinstance(value, str) for value in labels.values())
    assert Attempt(NAME).label == f"{containers.ATTEMPT}={labels[containers.ATTEMPT]}"


def test_folders_that_anybody_may_write_to() -> None:
    """Those of volumes that are made for the attempt; a claim's owner decides about his."""
    assert containers.writable_folders(rich()) == ["/out", "/scratch", "/.profiling-playback"]
    assert containers.writable_folders(bare_plan()) == ["/profiling_output"]


# One rule each.


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["/entry", "serve", "--fast"]),
        ({"args": ["-x"]}, ["/entry", "-x"]),
        ({"command": ["./own"]}, ["./own"]),
        ({"command": ["./own"], "args": ["-x"]}, ["./own", "-x"]),
    ],
    ids=["neither", "args", "command", "both"],
)
def test_command_and_arguments_are_as_in_kubernetes(
    given: dict[str, Any], words: list[str]
) -> None:
    """A command replaces entrypoint and CMD; arguments replace CMD."""
    assert started(app=given) == words


@pytest.mark.parametrize(
    ("given", "image", "is_there"),
    [
        ({}, BARE, False),
        ({}, IMAGE, True),
        ({}, Image("i", "i", "x86_64", command=("serve",)), True),
        ({"args": ["-x"]}, BARE, True),
        ({"command": ["./own"]}, BARE, True),
    ],
)
def test_something_must_be_there_to_be_started(
    given: dict[str, Any], image: Image, is_there: bool
) -> None:
    """The job's, or the image's."""
    assert containers.has_command(bare_plan(app=given), image) is is_there


def test_an_image_s_health_check_is_switched_off() -> None:
    """It would run beside the measurement; a server's own is replaced by ours."""
    assert app()["Healthcheck"] == {"Test": ["NONE"]}
    assert containers.playback(rich(), SERVER, PLAIN, NEW)["Healthcheck"]["Test"][0] == "CMD"


def test_without_a_gpu_the_application_sees_none() -> None:
    """Images of CUDA ask for all where the runtime is the engine's default."""
    body = app()

    assert "NVIDIA_VISIBLE_DEVICES=void" in body["Env"]
    assert body["HostConfig"]["DeviceRequests"] == []


def test_gpus_are_those_of_the_allowance() -> None:
    """What is requested, and the variable, where the engine does not set it by itself."""
    named, counted = app(allowed=HANDED), app(allowed=TWO)

    assert named["HostConfig"]["DeviceRequests"] == [{"DeviceIDs": ["GPU-a", "GPU-b"]}]
    assert "NVIDIA_VISIBLE_DEVICES=GPU-a,GPU-b" in named["Env"]
    assert counted["HostConfig"]["DeviceRequests"] == [{"Count": 2, "Capabilities": [["gpu"]]}]
    assert not any("NVIDIA" in one for one in counted["Env"])


@pytest.mark.parametrize("terms", [containers.ANY, AGENT], ids=["profjob run", "agent"])
@pytest.mark.parametrize("allowed", [allowances.NOTHING, TWO, HANDED])
def test_a_job_cannot_give_itself_gpus(terms: Terms, allowed: Allowance) -> None:
    """Its own variable is left out, the application's and its server's."""
    env = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}, {"name": "B", "value": "b"}]
    plan = bare_plan(app={"env": env}, playback={"port": 80, "image": "s", "env": env})

    mine = containers.app(plan, Delivery(), IMAGE, PLAIN, EVERYTHING, allowed, terms)["Env"]
    server = containers.playback(plan, SERVER, PLAIN, NEW, allowed, terms)["Env"]

    said = [f"NVIDIA_VISIBLE_DEVICES={allowed.visible}"] if allowed.visible else []
    assert [one for one in mine if "NVIDIA" in one] == said
    assert server == ["NVIDIA_VISIBLE_DEVICES=void", "B=b"]
    assert "B=b" in mine


def test_memory_of_what_asks_for_none_is_the_allowance() -> None:
    """The application's own limit counts where it has one; the server has none of its own."""
    own = app(allowed=HANDED, app={"resources": {"limits": {"memory": "1Gi"}}})["HostConfig"]
    plan = bare_plan(playback={"port": 80, "image": "s"})
    server = containers.playback(plan, SERVER, PLAIN, NEW, HANDED)["HostConfig"]

    assert own["Memory"] == 1 << 30
    for host in (app(allowed=HANDED)["HostConfig"], server):
        assert (host["Memory"], host["MemorySwap"]) == (8 << 30, 8 << 30)


def test_memory_is_limited_without_swap() -> None:
    """Else the application would get slower instead of being told."""
    host = app(app={"resources": {"limits": {"memory": "100M"}}})["HostConfig"]

    assert (host["Memory"], host["MemorySwap"]) == (100_000_000, 100_000_000)
    assert "NanoCpus" not in host


@pytest.mark.parametrize(
    ("cpu", "nano"), [("4", 4_000_000_000), ("250m", 250_000_000), (".1", 100_000_000)]
)
def test_cpus_are_limited(cpu: str, nano: int) -> None:
    """In billionths of one."""
    host = app(app={"resources": {"limits": {"cpu": cpu}}})["HostConfig"]

    assert host["NanoCpus"] == nano
    assert "Memory" not in host


def test_without_limits_nothing_is_limited_but_processes() -> None:
    """A fork bomb would take the machine with it."""
    host = app()["HostConfig"]

    assert not {"Memory", "MemorySwap", "NanoCpus"} & host.keys()
    assert host["PidsLimit"] == 4096


@pytest.mark.parametrize(
    ("given", "user"),
    [
        ({}, None),
        ({"runAsUser": 1000}, "1000:1000"),
        ({"runAsUser": 1000, "runAsGroup": 0}, "1000:0"),
        ({"runAsUser": 0}, "0:0"),
        ({"runAsGroup": 5}, None),
    ],
)
def test_the_user_is_the_image_s_unless_one_is_given(
    given: dict[str, int], user: str | None
) -> None:
    """The group has the user's number by default."""
    assert app(app={"securityContext": given}).get("User") == user


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"medium": "Memory"}, {"Mode": 0o1777}),
        ({"medium": "Memory", "sizeLimit": "1Gi"}, {"Mode": 0o1777, "SizeBytes": 1 << 30}),
    ],
)
def test_an_empty_folder_in_memory_is_a_tmpfs(
    given: dict[str, str], options: dict[str, int]
) -> None:
    """With its size, and for everybody."""
    volumes = [{"name": "shm", "mountPath": "/dev/shm", "emptyDir": given}]

    assert app(app={"volumes": volumes})["HostConfig"]["Mounts"][-1] == {
        "Type": "tmpfs", "Target": "/dev/shm", "TmpfsOptions": options,
    }  # fmt: skip


@pytest.mark.parametrize("read_only", [False, True])
def test_a_claim_is_a_volume_of_that_name(read_only: bool) -> None:
    """Which is not made, and not removed with the attempt."""
    claim = {"claimName": "inputs", "readOnly": read_only}
    plan = bare_plan(
        app={"volumes": [{"name": "d", "mountPath": "/d", "persistentVolumeClaim": claim}]}
    )

    mounts = containers.app(plan, Delivery(), IMAGE, PLAIN, EVERYTHING)["HostConfig"]["Mounts"]

    assert mounts[-1] == volume("inputs", "/d", read_only=read_only)
    assert "inputs" not in containers.volume_names(plan, Delivery())


@pytest.mark.parametrize(
    ("asked", "granted", "profile"),
    [
        ((), ("perf_event_open",), None),
        (("perf_event_open",), (), None),
        (("bpf",), ("perf_event_open",), None),
        (("perf_event_open",), ("perf_event_open",), ["perf_event_open"]),
        (("perf_event_open", "bpf"), ("perf_event_open",), ["perf_event_open"]),
        (("perf_event_open", "bpf"), ("bpf", "perf_event_open"), ["bpf", "perf_event_open"]),
    ],
)
def test_a_system_call_must_be_asked_for_and_granted(
    asked: tuple[str, ...], granted: tuple[str, ...], profile: list[str] | None
) -> None:
    """Else the engine's own profile stays; the settings alone grant nothing to anybody."""
    plan = bare_plan().model_copy(update={"system_calls": asked})

    body = containers.app(plan, Delivery(), IMAGE, DockerSettings(system_calls=granted), EVERYTHING)

    options = [f"seccomp={seccomp.as_json(profile)}"] if profile else []
    assert body["HostConfig"]["SecurityOpt"] == ["no-new-privileges", *options]


def test_the_server_gets_nothing_that_collectors_need() -> None:
    """It is not measured."""
    host = containers.playback(rich(), SERVER, GRANTED, NEW)["HostConfig"]

    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert not {"CapAdd", "DeviceRequests", "Memory"} & host.keys()


def test_capabilities_are_dropped_but_those_of_the_settings() -> None:
    """By default all."""
    assert app()["HostConfig"]["CapAdd"] == []
    host = app(DockerSettings(capabilities=("SYS_PTRACE", "PERFMON")))["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], ["SYS_PTRACE", "PERFMON"])


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("has_tmp", [False, True])
def test_there_is_always_a_tmp_to_write_to(read_only: bool, has_tmp: bool) -> None:
    """Programs expect one: where the image has none, or must not be written to, it is memory."""
    host = app(DockerSettings(read_only=read_only), Contents(tmp=has_tmp))["HostConfig"]

    is_image_s = has_tmp and not read_only
    assert host["ReadonlyRootfs"] is read_only
    assert host["Tmpfs"] == ({} if is_image_s else {"/tmp": "mode=1777"})


@pytest.mark.parametrize(
    "changes",
    [
        {"app": {"volumes": [{"name": "t", "mountPath": "/tmp", "emptyDir": {}}]}},
        {"output": {"path": "/tmp"}},
    ],
)
def test_a_tmp_of_the_job_s_own_is_the_tmp(changes: dict[str, Any]) -> None:
    """Engines refuse to mount two things at one place."""
    host = app(DockerSettings(read_only=True), **changes)["HostConfig"]

    assert host["Tmpfs"] == {}
    assert [one["Target"] for one in host["Mounts"]].count("/tmp") == 1


@pytest.mark.parametrize(
    ("image", "env", "path"),
    [
        (IMAGE, [], "/app/bin:/bin"),
        (BARE, [], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        (IMAGE, [{"name": "PATH", "value": "/mine"}], "/mine"),
        (BARE, [{"name": "PATH", "value": "/mine"}], "/mine"),
    ],
)
def test_where_the_image_has_no_bash_ours_is_looked_for_last(
    image: Image, env: list[dict[str, str]], path: str
) -> None:
    """Behind the job's PATH, the image's, or the engine's default; the last variable counts."""
    set_last = app(contents=Contents(bash=False), image=image, app={"env": env})["Env"][-1]

    assert set_last == f"PATH={path}:{delivery.SHELL}"


def test_where_the_image_has_bash_its_path_is_left_alone() -> None:
    """Nothing of ours is seen there."""
    assert not any(one.startswith("PATH=") for one in app()["Env"])


def test_a_job_s_variables_come_after_ours() -> None:
    """So that they count: engines take the last one of a name."""
    env = [{"name": "PLAYBACK_HOST", "value": "proxy"}]
    plan = bare_plan(app={"env": env}, playback={"port": 80, "image": "s"})

    given = containers.app(plan, Delivery(), IMAGE, PLAIN, EVERYTHING)["Env"]

    assert given[-1] == "PLAYBACK_HOST=proxy"
    assert "PLAYBACK_HOST=playback" in given


@pytest.mark.parametrize("name", ["bridge", "none", "lab-net"])
def test_without_a_server_the_network_is_the_settings(name: str) -> None:
    """With one, both are on a network of their own."""
    assert app(DockerSettings(network=name))["HostConfig"]["NetworkMode"] == name
    plan = bare_plan(playback={"port": 80, "image": "s"})
    body = containers.app(plan, Delivery(), IMAGE, DockerSettings(network=name), EVERYTHING)
    assert body["HostConfig"]["NetworkMode"] == plan.name


@pytest.mark.parametrize(
    ("api", "timing"),
    [
        (OLD, {"Interval": 1_000_000_000}),
        (NEW, {"Interval": 60_000_000_000, "StartInterval": 200_000_000}),
        ((1, 50), {"Interval": 60_000_000_000, "StartInterval": 200_000_000}),
        ((2, 0), {"Interval": 60_000_000_000, "StartInterval": 200_000_000}),
    ],
)
def test_probes_are_rare_once_the_server_is_ready(
    api: tuple[int, ...], timing: dict[str, int]
) -> None:
    """Where the engine knows the difference; older ones refuse a StartInterval."""
    health = containers.playback(rich(), SERVER, PLAIN, api)["Healthcheck"]

    assert {key: health[key] for key in health if "Interval" in key} == timing
    assert health["StartPeriod"] > rich().playback.readiness.timeout_seconds * 10**9  # type: ignore[union-attr]


def test_without_a_path_the_port_is_probed() -> None:
    """Accepting a connection is being ready."""
    plan = bare_plan(playback={"port": 81, "image": "s"})

    health = containers.playback(plan, SERVER, PLAIN, NEW)["Healthcheck"]

    assert health["Test"] == ["CMD", "/.profiling/launch", "--probe", "81"]


@pytest.mark.parametrize(
    ("given", "words"), [([], ["/server", "-v"]), (["./mine", "a b"], ["./mine", "a b"])]
)
def test_the_server_s_command_is_the_image_s_unless_one_is_given(
    given: list[str], words: list[str]
) -> None:
    """Entrypoint and CMD, as one command line."""
    plan = bare_plan(playback={"port": 80, "image": "s", "command": given})

    command = containers.playback(plan, SERVER, PLAIN, NEW)["Cmd"]

    assert command[command.index("--") + 1 :] == words


def test_the_engine_grants_the_launcher_its_time() -> None:
    """`docker stop` must not kill it while it walks its stop sequence."""
    plan = bare_plan(gracePeriodSeconds=100)

    body = containers.app(plan, Delivery(), IMAGE, PLAIN, EVERYTHING)

    assert body["StopTimeout"] >= plan.stop_seconds + 30


def test_the_server_outlives_what_needs_it() -> None:
    """It ends by itself only after the longest time that readiness and all runs may take."""
    plan = bare_plan(playback={"port": 80, "image": "s"}, timeoutSeconds=1000, repetitions=3)

    words = containers.playback(plan, SERVER, PLAIN, NEW)["Cmd"]

    longest = float(words[words.index("--timeout") + 1])
    assert longest >= 60 + plan.longest_seconds
    assert words[words.index("--on-timeout") + 1] == "stop"
