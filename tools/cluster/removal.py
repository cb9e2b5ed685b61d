"""Takes away what the node's daemons leave: containers, mounts, groups, files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cluster.daemons import ORDER
from cluster.network import close_ways
from cluster.place import ClusterError, Place, run
from cluster.processes import Daemon, started, stop, wait_until

GROUPS = Path("/sys/fs/cgroup")
LINKS = Path("/var/log/containers")
RESULTS = Path("/var/lib/cni/results")
DEVICES = Path("/var/lib/kubelet/device-plugins")
OTHERS = (LINKS, RESULTS, RESULTS.parent, DEVICES.parent)


def remove(place: Place) -> None:
    """Stop everything and leave nothing. Raises ClusterError where something cannot be removed."""
    daemons = {name: Daemon(name, place.directory) for name in ORDER}
    last = daemons.pop("containerd")
    kubelet = daemons.pop("kubelet")
    stop([kubelet])  # first: it would start anew what ends
    sockets = _shim_sockets(place.directory)  # containerd forgets them with the shims
    kill_containers(place.socket)
    stop(daemons.values(), 3)
    stop([last])
    unmount(place.directory)
    close_ways()
    remove_groups()
    _remove_strays(place.directory, sockets)
    shutil.rmtree(place.directory)


def kill_containers(socket: Path) -> None:
    """End the processes of all pods, then the shims that watch them."""
    _kill(_in_pods)
    _kill(lambda: set(shims(socket)))


def shims(socket: Path, proc: Path = Path("/proc")) -> Iterator[int]:
    """Process ids of the containerd shims that belong to the daemon at a socket."""
    for file in proc.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes().decode(errors="replace").split("\0")
            if Path(words[0]).name.startswith("containerd-shim") and str(socket) in words:
                yield int(file.parent.name)


def mounts_below(directory: Path, mountinfo: str) -> list[str]:
    """Mount points in a directory, the innermost first (proc(5))."""
    points = [_plain(line.split(" ")[4]) for line in mountinfo.splitlines()]
    return [one for one in reversed(points) if Path(one).is_relative_to(directory)]


def unmount(directory: Path) -> None:
    """Unmount everything below a directory. Raises ClusterError where a mount stays."""
    for options in ((), ("--lazy",)):
        for point in _mounts(directory):
            run("umount", *options, point, check=False)
    if left := _mounts(directory):
        raise ClusterError(f"still mounted, nothing was removed: {', '.join(left)}")


def remove_groups(root: Path = GROUPS) -> None:
    """Remove the control groups of pods; a process that is just ending keeps its own a moment."""
    wait_until(lambda: not any([_removed(one) for one in _groups(root)]), 10)


def _removed(group: Path) -> bool:
    """Remove what is empty; tells whether the group is still there."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return group.exists()


def _groups(root: Path) -> list[Path]:
    """Both layouts: one tree (version 2), or one for each controller."""
    return [one for one in (root / "kubepods", *root.glob("*/kubepods")) if one.is_dir()]


def _in_pods() -> set[int]:
    found: set[int] = set()
    for group in _groups(GROUPS):
        for file in group.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(map(int, file.read_text().split()))
    return found


def _kill(find: Callable[[], set[int]]) -> None:
    """Kill what is found until nothing is. Raises ClusterError where that takes too long."""

    def gone() -> bool:
        living = {one for one in find() if started(one)}
        for one in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        return not living

    if not wait_until(gone, 20):
        raise ClusterError(f"processes of pods do not end: {sorted(find())}")


def _mounts(directory: Path) -> list[str]:
    return mounts_below(directory, Path("/proc/self/mountinfo").read_text())


def _plain(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)


def _remove_strays(directory: Path, sockets: Sequence[Path]) -> None:
    """Files that kubelet, containerd and the network plugins keep where no option reaches."""
    links = LINKS.glob("*") if LINKS.is_dir() else ()
    strays = [one for one in links if one.is_symlink() and _ours(one, directory)]
    results = [one for one in RESULTS.glob("*") if str(directory) in one.read_text()]
    for one in (*strays, *results, *sockets):
        one.unlink(missing_ok=True)
    shutil.rmtree(DEVICES, ignore_errors=True)
    for folder in OTHERS:
        with contextlib.suppress(OSError):  # others use it, or it never was
            folder.rmdir()


def _shim_sockets(directory: Path) -> list[Path]:
    """Sockets outside the directory; each shim's folder names its own."""
    tasks = directory / "run/containerd/io.containerd.runtime.v2.task"
    names = [file.read_text().strip() for file in tasks.glob("*/*/address")]
    return [Path(name.removeprefix("unix://")) for name in names if name.startswith("unix:///")]


def _ours(link: Path, directory: Path) -> bool:
    return Path(os.readlink(link)).is_relative_to(directory)
