"""Ways of packets: from pods to everywhere, and all of it closed again."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cluster.place import BRIDGE, PODS, ClusterError, path, run

CHAIN = "PROFJOB-CLUSTER"
OURS = (CHAIN, "KUBE-")  # chains of this cluster: its own, those of kubelet and kube-proxy
# Docker sets the policy of FORWARD to DROP. kube-proxy puts its chains in front of this one, so
# that a service without a pod is still refused at once.
RULES = f"""\
*filter
:{CHAIN} - [0:0]
-I FORWARD -j {CHAIN}
-I INPUT -j {CHAIN}
-A {CHAIN} -i {BRIDGE} -j ACCEPT
-A {CHAIN} -o {BRIDGE} -j ACCEPT
COMMIT
*nat
:{CHAIN} - [0:0]
-A POSTROUTING -j {CHAIN}
-A {CHAIN} -s {PODS} ! -d {PODS} ! -o {BRIDGE} -j MASQUERADE
COMMIT
"""
SWITCHES = (
    Path("/proc/sys/net/ipv4/ip_forward"),
    Path("/proc/sys/net/bridge/bridge-nf-call-iptables"),  # services within the node need it
)


def open_ways() -> None:
    """Let pods reach each other, the machine and what the machine reaches. Raises ClusterError."""
    run("modprobe", "br_netfilter", check=False) if shutil.which("modprobe", path=path()) else None
    for switch in SWITCHES:
        try:
            if switch.read_text().strip() != "1":
                switch.write_text("1")
        except OSError as problem:
            raise ClusterError(f"{switch} cannot be set to 1: {problem.strerror}") from problem
    run("iptables-restore", "--noflush", stdin=RULES)


def close_ways() -> None:
    """Remove the bridge with all its ends, and every chain of the cluster."""
    run("ip", "link", "delete", BRIDGE, check=False)
    for program in ("iptables", "ip6tables"):
        with contextlib.suppress(ClusterError):  # a machine without IPv6
            script = removal(run(f"{program}-save"))
            if script:
                run(f"{program}-restore", "--noflush", stdin=script)


def removal(saved: str) -> str:
    """What iptables-restore must read to drop the cluster's chains from what iptables-save told."""
    return "".join(_removal(table, text) for table, text in _tables(saved))


def _tables(saved: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"^\*(\w+)$(.*?)^COMMIT$", saved, re.MULTILINE | re.DOTALL):
        yield found[1], found[2]


def _removal(table: str, text: str) -> str:
    chains = [one for one in re.findall(r"^:(\S+) ", text, re.MULTILINE) if one.startswith(OURS)]
    rules = re.findall(r"^-A ((\S+) (?:.* )?-[jg] (\S+).*)$", text, re.MULTILINE)
    jumps = [
        rule
        for rule, chain, target in rules
        if target.startswith(OURS) and not chain.startswith(OURS)
    ]
    if not chains:
        return ""
    lines = [f"*{table}"]
    lines += [f":{one} - [0:0]" for one in chains]  # declaring a chain empties it
    lines += [f"-D {one}" for one in jumps]
    lines += [f"-X {one}" for one in chains]
    return "\n".join([*lines, "COMMIT", ""])
