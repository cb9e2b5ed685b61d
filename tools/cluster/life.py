"""Starts and ends the cluster."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import go_programs

from cluster import credentials, daemons, images
from cluster.api import Api
from cluster.network import open_ways
from cluster.place import DIRECTORY, NODE, ROOT, ClusterError, Place, chosen, kept
from cluster.processes import Daemon, wait_ready
from cluster.removal import remove

GPUS = "4"
VOLUMES = tuple(f"volume-{number}" for number in range(10))
SECCOMP = ROOT / "docs" / "seccomp" / "perf.json"
SECONDS = 90  # a daemon's start on a machine that is busy with other things
NODE_PATH = f"/api/v1/nodes/{NODE}"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"  # no pod is made without
READY = {  # where each answers; empty: its work shows that it is ready
    "kube-controller-manager": "",
    "kube-scheduler": "",
    "kubelet": "http://127.0.0.1:10248/healthz",
    "kube-proxy": "http://127.0.0.1:10256/healthz",
    "coredns": "http://127.0.0.1:10055/ready",
}


def up(directory: Path = DIRECTORY) -> Path:
    """The kubeconfig of a cluster that runs: the one in the directory, or a new one there.

    One of which a part has ended is removed and started anew. Raises ClusterError: it cannot be
    started, with what is missing or what the daemon said; nothing is left then.
    """
    _require_root()
    with _alone(directory):
        old = kept(directory)
        if old is not None:
            ended = ailing(old)
            if not ended:
                renew_volumes(old)
                return old.kubeconfig
            _tell(f"the cluster in {directory} is broken ({', '.join(ended)}): starting it anew")
            remove(old)
        return _new(directory)


def down(directory: Path = DIRECTORY) -> None:
    """Stop the cluster and remove everything that it made; nothing where there is none.

    Raises ClusterError where something cannot be removed.
    """
    if not directory.exists():
        return
    _require_root()
    with _alone(directory):
        place = kept(directory)
        if place is None:
            raise ClusterError(f"--directory {directory}: it holds no cluster, nothing is removed")
        remove(place)


def kubeconfig(directory: Path = DIRECTORY) -> Path | None:
    """The kubeconfig of the cluster in a directory, if all of it runs."""
    place = kept(directory)
    return None if place is None or ailing(place) else place.kubeconfig


def ailing(place: Place) -> list[str]:
    """What has ended or does not answer; empty where all is well."""
    ended = [one for one in daemons.ORDER if not Daemon(one, place.directory).alive()]
    if ended:
        return [f"{one} ended" for one in ended]
    return [] if Api(place).ready() else ["the API server does not answer"]


def renew_volumes(place: Place) -> None:
    """Empty the volumes whose claims are gone, and offer them again."""
    api = Api(place)
    for name in VOLUMES:
        path = f"/api/v1/persistentvolumes/{name}"
        volume = api.get(path)
        if volume is not None and volume["status"].get("phase") == "Released":
            _empty(place.directory / "volumes" / name)
            api.merge(path, {"spec": {"claimRef": None}})


def _new(directory: Path) -> Path:
    daemons.require()
    place = chosen(directory)
    _require_ports()
    try:
        kubernetes, coredns = (go_programs.ensure(one) for one in ("kubernetes", "coredns"))
    except go_programs.Missing as problem:
        raise ClusterError(str(problem)) from problem
    place.keep()
    try:
        _start(place, kubernetes, coredns)
    except BaseException:
        remove(place)
        raise
    return place.kubeconfig


def _start(place: Place, kubernetes: Path, coredns: Path) -> None:
    """Everything, in the order of need."""
    credentials.make(place)
    daemons.write_files(place)
    open_ways()
    commands = daemons.commands(place, kubernetes, coredns)
    running: dict[str, Daemon] = {}

    def start(name: str) -> None:
        running[name] = Daemon(name, place.directory)
        running[name].start(commands[name], daemons.surroundings(name))

    def wait(name: str, ready: Callable[[], object]) -> None:
        wait_ready(running[name], ready, SECONDS, running.values())

    for name in ("etcd", "containerd", "kube-apiserver"):
        start(name)
    wait("containerd", lambda: images.ctr(place, "version", check=False))
    images.load_pause(place)
    api = Api(place)
    wait("kube-apiserver", api.ready)
    _furnish(place, api)
    for name in READY:
        start(name)
    for name, address in READY.items():
        wait(name, _answers(address))
    wait("kubelet", lambda: _node_ready(api))
    _mark_node(api)
    wait("kube-controller-manager", lambda: api.get(ACCOUNT))


def _furnish(place: Place, api: Api) -> None:
    """The objects and files that a cluster brings."""
    for thing in json.loads(place.fill("objects.json")):
        api.apply(thing)
    for name in VOLUMES:
        _empty(place.directory / "volumes" / name)
        api.apply(json.loads(place.fill("volume.json", volume=name)))
    profiles = place.directory / "kubelet" / "seccomp" / "profiles"
    profiles.mkdir(parents=True)
    shutil.copyfile(SECCOMP, profiles / "profjob-perf.json")


def _node_ready(api: Api) -> bool:
    conditions = (api.get(NODE_PATH) or {}).get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _mark_node(api: Api) -> None:
    """Give the node GPUs that are none: the scheduler counts them, and nobody looks for them."""
    gpus = {"nvidia.com/gpu": GPUS}
    api.merge(f"{NODE_PATH}/status", {"status": {"capacity": gpus, "allocatable": gpus}})


def _answers(address: str) -> Callable[[], bool]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answers() -> bool:
        try:
            with opener.open(address, timeout=5):
                return True
        except OSError:
            return False

    return answers if address else lambda: True


def _empty(folder: Path) -> None:
    """A folder with nothing in it, for everyone: pods run as any user."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o777)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            "a cluster on this machine is started and stopped by root: `sudo make cluster`; "
            "or set KUBECONFIG to a cluster that you have (docs/cluster.md)"
        )


def _require_ports() -> None:
    """Raises ClusterError where another program has a port that the cluster needs."""
    for name, ports in daemons.PORTS.items():
        for port in ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("", port))
                except OSError as problem:
                    raise ClusterError(
                        f"port {port}, which {name} needs, is taken: does another Kubernetes run "
                        "here? Set KUBECONFIG to use it"
                    ) from problem


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One call at a time for a directory; the lock is on the folder around it: no file is left."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
