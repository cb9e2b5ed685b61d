"""What the control plane of compose.yaml takes while nothing happens.

    python bench/control_plane.py --seconds 300

Prints a Markdown table: memory and CPU time of each service of a control plane that is up
(`docker compose up`). Memory is what `docker stats` shows, without pages of files that nobody has
used lately: the median of ten looks. CPU time is counted from the first look to the last one.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import docker

ORDER = ("kube-apiserver", "etcd", "agent", "results", "prometheus")
LOOKS = 10
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
MIB = 1 << 20


@dataclass(frozen=True)
class Look:
    """One service at one moment."""

    memory: int
    cpu_seconds: float


def main() -> None:
    """Look, wait, look again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--project", default="profjob", help="of docker compose")
    parser.add_argument("--seconds", type=float, default=300.0)
    given = parser.parse_args()
    client = docker.from_env()
    found = client.containers.list(filters={"label": f"{PROJECT}={given.project}"})
    services = {one.labels[SERVICE]: one for one in found}
    missing = [name for name in ORDER if name not in services]
    if missing:
        sys.exit(f"{', '.join(missing)}: not running: docker compose up --detach --wait")
    looks = _looks(services, given.seconds)
    print("\n".join(_table(looks, given.seconds)))
    print(f"\n{_conditions(client.info(), given.seconds)}")


def _looks(services: dict[str, Any], seconds: float) -> dict[str, list[Look]]:
    """Spread evenly over the time."""
    looks: dict[str, list[Look]] = {name: [] for name in ORDER}
    began = time.monotonic()
    for number in range(LOOKS):
        time.sleep(max(0.0, began + number * seconds / (LOOKS - 1) - time.monotonic()))
        for name in ORDER:
            looks[name].append(_look(services[name].stats(stream=False)))
    return looks


def _look(told: dict[str, Any]) -> Look:
    memory = told["memory_stats"]
    # What `docker stats` shows: without pages of files that nobody has used lately.
    inactive = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    cpu = told["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    return Look(memory["usage"] - inactive, cpu)


def _table(looks: dict[str, list[Look]], seconds: float) -> list[str]:
    each = {
        name: Look(
            int(statistics.median(one.memory for one in seen)),
            seen[-1].cpu_seconds - seen[0].cpu_seconds,
        )
        for name, seen in looks.items()
    }
    total = Look(sum(one.memory for one in each.values()),
                 sum(one.cpu_seconds for one in each.values()))  # fmt: skip
    lines = [_line(name, one, seconds) for name, one in {**each, "all": total}.items()]
    return ["| service | memory | CPU |", "| --- | ---: | ---: |", *lines]


def _line(name: str, one: Look, seconds: float) -> str:
    share = 100 * one.cpu_seconds / seconds
    return f"| {name} | {one.memory / MIB:.0f} MiB | {share:.1f} % of a core |"


def _conditions(info: dict[str, Any], seconds: float) -> str:
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, over {seconds:g} s: Docker {info['ServerVersion']}, "
        f"{info['NCPU']} cores, {info['MemTotal'] / (1 << 30):.0f} GiB, {platform.machine()}, "
        f"load {load} at the end"
    )


if __name__ == "__main__":
    main()
