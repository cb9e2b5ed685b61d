"""What runs, with which options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cluster.place import NODE, PLUGINS, SERVICES, ClusterError, Place, path, program

NODE_PARTS = ("kubelet", "kube-proxy")
ORDER = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("containerd", "coredns", *NODE_PARTS),
)
PORTS = {
    "kube-apiserver": (6443,),
    "etcd": (12379, 12380),
    "kube-controller-manager": (10257,),
    "kube-scheduler": (10259,),
    "kubelet": (10248, 10250),
    "kube-proxy": (10249, 10256),
    "coredns": (10053, 10055),
}
ETCD = "https://127.0.0.1:12379"
ETCD_PEERS = "http://127.0.0.1:12380"
RESOLV = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
PACKAGES = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "openssl": "openssl",
    "mount": "mount",
}


def require() -> None:
    """Raises ClusterError with one line that installs what is missing."""
    missing = {package for name, package in PACKAGES.items() if not _there(name)}
    missing |= set() if _plugins() else {"containernetworking-plugins"}
    if missing:
        raise ClusterError(f"programs are missing: apt-get install {' '.join(sorted(missing))}")


def write_files(place: Place) -> None:
    """Folders and files that the daemons read."""
    for name in ("run", "logs", "logs/pods", "cni", "etcd", "volumeplugins"):
        (place.directory / name).mkdir(mode=0o755)
    servers = resolvers()
    forward = f"forward . {' '.join(servers)}" if servers else ""
    more = {"plugins": _plugins(), "resolv": str(_resolv()), "forward": forward}
    for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "Corefile"):
        (place.directory / name).write_text(place.fill(name, **more))
    (place.directory / "cni" / "10-bridge.conflist").write_text(place.fill("bridge.conflist"))


def commands(place: Place, kubernetes: Path, coredns: Path) -> dict[str, list[str]]:
    """Command lines by name; the folders hold the programs that were built."""
    keys = place.credentials
    directory = place.directory
    return {
        "etcd": [program("etcd"), *_etcd(directory, keys)],
        "kube-apiserver": [str(kubernetes / "kube-apiserver"), *_api_server(place, keys)],
        "kube-controller-manager": [
            str(kubernetes / "kube-controller-manager"),
            *_controllers(keys),
        ],
        "kube-scheduler": [
            str(kubernetes / "kube-scheduler"),
            f"--kubeconfig={keys}/scheduler.kubeconfig",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ],
        "containerd": [program("containerd"), f"--config={directory}/containerd.toml"],
        "coredns": [str(coredns / "coredns"), "-conf", f"{directory}/Corefile"],
        "kubelet": [
            str(kubernetes / "kubelet"),
            f"--config={directory}/kubelet.yaml",
            f"--kubeconfig={keys}/node.kubeconfig",
            f"--root-dir={directory}/kubelet",
            f"--cert-dir={directory}/kubelet/pki",
            f"--hostname-override={NODE}",
            f"--node-ip={place.address}",
            "--node-labels=nvidia.com/gpu.product=NVIDIA-TEST",
        ],
        "kube-proxy": [str(kubernetes / "kube-proxy"), f"--config={directory}/kube-proxy.yaml"],
    }


def surroundings(name: str) -> Mapping[str, str]:
    """A daemon's environment: nothing of the caller's, proxies only where images are pulled."""
    known = {"PATH": path(), "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8"}
    if name == "containerd":
        known |= {one: value for one, value in os.environ.items() if one.lower().endswith("_proxy")}
    return known


def resolvers() -> list[str]:
    """The name servers that this machine asks."""
    lines = [line.split() for line in _resolv().read_text().splitlines()]
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _resolv() -> Path:
    return next(one for one in RESOLV if one.exists())


def _there(name: str) -> bool:
    try:
        return bool(program(name))
    except ClusterError:
        return False


def _plugins() -> str:
    return next((one for one in PLUGINS if Path(one, "bridge").exists()), "")


def _etcd(directory: Path, keys: Path) -> list[str]:
    return [
        "--name=profjob",
        f"--data-dir={directory}/etcd",
        "--unsafe-no-fsync",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEERS}",
        f"--initial-advertise-peer-urls={ETCD_PEERS}",
        f"--initial-cluster=profjob={ETCD_PEERS}",
        f"--cert-file={keys}/etcd.crt",
        f"--key-file={keys}/etcd.key",
        f"--trusted-ca-file={keys}/ca.crt",
        "--client-cert-auth",
    ]


def _api_server(place: Place, keys: Path) -> list[str]:
    return [
        f"--advertise-address={place.address}",
        "--allow-privileged",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={keys}/ca.crt",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--etcd-servers={ETCD}",
        f"--etcd-cafile={keys}/ca.crt",
        f"--etcd-certfile={keys}/etcd.crt",
        f"--etcd-keyfile={keys}/etcd.key",
        f"--kubelet-certificate-authority={keys}/ca.crt",
        f"--kubelet-client-certificate={keys}/admin.crt",
        f"--kubelet-client-key={keys}/admin.key",
        # Else `kubectl logs` looks the node's name up in DNS.
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={SERVICES}",
        f"--service-account-key-file={keys}/service-accounts.pub",
        f"--service-account-signing-key-file={keys}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--profiling=false",
    ]


def _controllers(keys: Path) -> list[str]:
    return [
        f"--kubeconfig={keys}/controller-manager.kubeconfig",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={keys}/service-accounts.key",
        f"--root-ca-file={keys}/ca.crt",
        f"--service-cluster-ip-range={SERVICES}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]
