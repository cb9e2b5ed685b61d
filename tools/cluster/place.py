"""Where the cluster lives on this machine: folders, addresses, names."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import string
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path("/var/lib/profjob-cluster")
LONGEST = 70  # of the directory's path: sockets below it must stay under 108 characters
DATA = Path(__file__).resolve().parent
ROOT = DATA.parents[1]
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
PLUGINS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
NODE = "profjob"
BRIDGE = "profjob0"
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
PAUSE = "localhost/pause:3.10"
MARK = "cluster.json"


class ClusterError(Exception):
    """The cluster cannot be had; the message says what is missing or what failed."""


@dataclass(frozen=True)
class Place:
    """One cluster's folder, and what it was told about the machine."""

    directory: Path
    address: str
    """The node's IPv4 address; 127.0.0.1 is refused by kubelets."""
    mtu: int = 1500

    @property
    def credentials(self) -> Path:
        """Keys, certificates and kubeconfig files."""
        return self.directory / "credentials"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "kubeconfig"

    @property
    def socket(self) -> Path:
        """The container runtime's."""
        return self.directory / "run" / "containerd.sock"

    def words(self) -> dict[str, str]:
        """What templates may name."""
        return {
            "directory": str(self.directory),
            "address": self.address,
            "mtu": str(self.mtu),
            "socket": str(self.socket),
            "node": NODE,
            "bridge": BRIDGE,
            "pods": PODS,
            "dns": DNS_SERVICE,
            "pause": PAUSE,
        }

    def fill(self, template: str, **more: str) -> str:
        """A template of this folder with its $words filled in."""
        text = (DATA / template).read_text()
        return string.Template(text).substitute(self.words() | more)

    def keep(self) -> None:
        """Make the folder and mark it as a cluster's: only such a folder is ever removed."""
        self.directory.mkdir(parents=True, exist_ok=True)
        facts = dataclasses.asdict(self) | {"directory": str(self.directory)}
        (self.directory / MARK).write_text(json.dumps(facts))


def kept(directory: Path) -> Place | None:
    """The cluster that was started in a directory and not removed, running or not."""
    try:
        facts = json.loads((directory / MARK).read_text())
    except FileNotFoundError:
        return None
    return Place(directory, facts["address"], facts["mtu"])


def chosen(directory: Path) -> Place:
    """A place for a new cluster. Raises ClusterError where it cannot be there."""
    if len(str(directory)) > LONGEST:
        raise ClusterError(
            f"--directory {directory}: the path has {len(str(directory))} characters; "
            f"at most {LONGEST} leave room for the sockets below it"
        )
    if directory.exists() and any(directory.iterdir()):
        raise ClusterError(f"--directory {directory}: there are files that are no cluster's")
    address, mtu = first_address(_json("ip", "-json", "-4", "address"), _default_device())
    return Place(directory, address, mtu)


def first_address(links: Sequence[Mapping[str, Any]], device: str) -> tuple[str, int]:
    """The first address that others reach, and its MTU; the device's if it has one.

    `links` is what `ip -json -4 address` prints. Raises ClusterError where there is none.
    """
    ordered = sorted(links, key=lambda link: link["ifname"] != device)
    for link in ordered:
        for one in link["addr_info"]:
            if one.get("scope") == "global" and link["ifname"] != BRIDGE:
                return str(one["local"]), int(link["mtu"])
    raise ClusterError("this machine has no IPv4 address but 127.0.0.1; a node needs one")


def program(name: str, package: str = "") -> str:
    """The path of a program, also from folders that only root's PATH has."""
    found = shutil.which(name, path=path())
    if not found:
        raise ClusterError(f"{name} is missing: apt-get install {package or name}")
    return found


def path() -> str:
    """PATH with the folders of root's programs."""
    return ":".join((os.environ.get("PATH", ""), *SEARCHED))


def run(*words: str, check: bool = True, **options: str) -> str:
    """What a command prints; `stdin=` is what it reads. Raises ClusterError with its own words."""
    done = subprocess.run(
        [program(words[0]), *words[1:]],
        input=options.pop("stdin", None),
        env={**os.environ, "PATH": path(), **options},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise ClusterError(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _json(*words: str) -> list[dict[str, Any]]:
    return [one for one in json.loads(run(*words) or "[]") if one]


def _default_device() -> str:
    routes = _json("ip", "-json", "-4", "route", "show", "default")
    return str(routes[0]["dev"]) if routes else ""
