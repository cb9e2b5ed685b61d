"""From creating ProfilingJobs to their pods, beside as many plain batch/v1 Jobs.

    KUBECONFIG=... python bench/operator_scale.py --counts 1,100,1000

Both on the same cluster. The pods ask for a node that there is not, so none runs: what is measured
is API server, operator and Job controller. A watch in this process takes the times, since
Kubernetes' own have whole seconds. The operator is a process of this machine with settings of its
own; no other one may look at the namespace. Writes are counted by the operator's own metrics, and
once more over an idle time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "operator")]

from profiling_operator import api, plan, pods, settings, spec  # noqa: E402
from profiling_operator.api import Api  # noqa: E402
from profiling_operator.errors import ApiError, NotFoundError  # noqa: E402

NOWHERE = {"profiling.dev/bench": "nowhere"}
METRICS_PORT = 28080
END_SECONDS = 60.0
AT_ONCE = 20
WRITES = re.compile(
    r'^profjob_api_requests_total\{code="2\d\d",.*verb="(create|patch|delete)"\} (\S+)'
)


def job(namespace: str, name: str) -> dict[str, Any]:
    """A ProfilingJob whose pod never finds a node."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "app": {"image": "profiling-operator/python:local", "command": ["true"]},
            "collectors": [{"name": "pyspy"}],
            "placement": {"nodeSelector": NOWHERE},
        },
    }


def plain(namespace: str, name: str, known: settings.Settings) -> dict[str, Any]:
    """The very Job that the operator makes of it, without an owner."""
    body = {**job(namespace, name), "apiVersion": "profiling.dev/v1alpha1", "kind": "ProfilingJob"}
    body["metadata"] = {**body["metadata"], "uid": str(uuid.uuid4())}
    made = pods.job(plan.build_plan(spec.read_body(body)), known)
    del made["metadata"]["ownerReferences"], made["metadata"]["labels"]
    made["metadata"]["name"] = name
    return made


class Watch:
    """When each pod of a namespace was first seen, by the name of its job."""

    def __init__(self, cluster: Api, namespace: str) -> None:
        """Watch until `close`."""
        self.times: dict[str, float] = {}
        self._cluster, self._namespace = cluster, namespace
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        version = ""
        while True:
            with suppress(ApiError):
                async for kind, body in self._cluster.watch(
                    api.PODS, self._namespace, resource_version=version
                ):
                    version = body["metadata"]["resourceVersion"]
                    if kind == "ADDED":
                        labels = body["metadata"]["labels"]
                        name = labels.get(pods.JOB) or labels["batch.kubernetes.io/job-name"]
                        self.times.setdefault(name, time.monotonic())

    async def until(self, count: int, seconds: float) -> None:
        """Return when so many were seen."""
        deadline = time.monotonic() + seconds
        while len(self.times) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.times)} of {count} pods after {seconds} s")
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """Watch no more."""
        self._task.cancel()


@asynccontextmanager
async def namespace_of(cluster: Api) -> AsyncIterator[str]:
    """A namespace for one measurement."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    await cluster.create(api.NAMESPACES, None, {"metadata": {"name": name}})
    account = {"metadata": {"name": "profjob-uploader"}}
    await cluster.create(api.SERVICE_ACCOUNTS, name, account)
    try:
        yield name
    finally:
        await end_pods(cluster, name)
        await cluster.delete(api.NAMESPACES, None, name)
        await until_gone(cluster, name)


async def end_pods(cluster: Api, namespace: str) -> None:
    """End all pods first: a namespace that still has some waits for half of their grace, minutes
    long. Who made them goes before them, or would make more."""
    for kind in (api.PROFILING_JOBS, api.JOBS, api.PODS):
        with suppress(NotFoundError):  # before the definition is installed
            await end_all(cluster, kind, namespace)


async def end_all(cluster: Api, kind: api.Kind, namespace: str) -> None:
    """Delete all objects of a kind, and return when they are gone."""
    deadline = time.monotonic() + END_SECONDS
    while found := (await cluster.list(kind, namespace)).items:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} {kind.plural} after {END_SECONDS} s")
        for one in found:
            await cluster.delete(kind, namespace, one["metadata"]["name"], grace=0)
        await asyncio.sleep(0.2)


async def until_gone(cluster: Api, name: str) -> None:
    """Return when a namespace is gone: its end takes the same controllers' time."""
    with suppress(NotFoundError):
        while await cluster.get(api.NAMESPACES, None, name):
            await asyncio.sleep(1)


@asynccontextmanager
async def operator_of(namespace: str, folder: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """An operator for one namespace."""
    words = [sys.executable, "-m", "profiling_operator", "operator", "--namespace", namespace]
    words += ["--metrics-port", str(METRICS_PORT), "--health-port", "0"]
    log = (folder / "operator.log").open("wb")
    process = subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(ROOT / "operator")}, stdout=log, stderr=log
    )
    try:
        await until_scraped()
        yield process
    finally:
        process.terminate()
        process.wait(30)


async def until_scraped() -> None:
    """Return when the operator answers and has listed everything."""
    for _ in range(600):
        with suppress(OSError):
            if await asyncio.to_thread(requests_of, "list") >= 3:
                return
        await asyncio.sleep(0.1)
    raise TimeoutError("no operator answers")


def scraped() -> str:
    """The operator's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def requests_of(verb: str) -> int:
    """Its good requests of a verb."""
    lines = (one for one in scraped().splitlines() if one.startswith("profjob_api_requests_total{"))
    return sum(int(float(one.rpartition(" ")[2])) for one in lines if f'verb="{verb}"' in one)


def writes() -> int:
    """Its writes so far."""
    found = filter(None, map(WRITES.match, scraped().splitlines()))
    return sum(int(float(one[2])) for one in found)


def spent(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """CPU seconds and MiB of memory of a process (proc(5))."""
    stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(stat[11]) + int(stat[12])) / ticks, pages * resource.getpagesize() / 2**20


async def create(
    cluster: Api, kind: api.Kind, namespace: str, bodies: Iterable[Any]
) -> dict[str, float]:
    """Create objects, some at once; when each creation had returned."""
    times: dict[str, float] = {}
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(body: dict[str, Any]) -> None:
        async with limit:
            await cluster.create(kind, namespace, body)
            times[body["metadata"]["name"]] = time.monotonic()

    await asyncio.gather(*map(one, bodies))
    return times


def told(begun: float, created: dict[str, float], seen: dict[str, float]) -> dict[str, float]:
    """Waits from an object's creation to its pod, and the whole."""
    waits = [max(0.0, seen[name] - at) for name, at in created.items()]
    p95 = quantiles(waits, n=20)[-1] if len(waits) > 1 else waits[0]
    return {
        "median_s": round(median(waits), 3),
        "p95_s": round(p95, 3),
        "all_s": round(max(seen.values()) - begun, 2),
    }


async def measure_plain(cluster: Api, count: int, known: settings.Settings) -> None:
    """Jobs without an operator."""
    async with namespace_of(cluster) as namespace:
        watch = Watch(cluster, namespace)
        bodies = [plain(namespace, f"job-{number}", known) for number in range(count)]
        begun = time.monotonic()
        created = await create(cluster, api.JOBS, namespace, bodies)
        await watch.until(count, 60 + count)
        watch.close()
        tell({"what": "batch/v1 Job", "count": count, **told(begun, created, watch.times)})


async def measure_ours(cluster: Api, count: int, idle: float, folder: Path) -> None:
    """ProfilingJobs with an operator."""
    async with namespace_of(cluster) as namespace, operator_of(namespace, folder) as process:
        watch = Watch(cluster, namespace)
        cpu, memory = spent(process)
        before = writes()
        begun = time.monotonic()
        bodies = [job(namespace, f"job-{number}") for number in range(count)]
        created = await create(cluster, api.PROFILING_JOBS, namespace, bodies)
        await watch.until(count, 60 + count)
        watch.close()
        await until_quiet()
        cpu_then, memory_then = spent(process)
        made = writes()
        await asyncio.sleep(idle)  # a measurement of doing nothing
        cpu_idle, _ = spent(process)
        tell(
            {
                "what": "ProfilingJob",
                "count": count,
                **told(begun, created, watch.times),
                "writes_per_job": round((made - before) / count, 2),
                "cpu_s": round(cpu_then - cpu, 2),
                "memory_mib": round(memory_then),
                "memory_before_mib": round(memory),
                "idle_writes": writes() - made,
                "idle_cpu_percent": round(100 * (cpu_idle - cpu_then) / idle, 2) if idle else None,
            }
        )


async def until_quiet() -> None:
    """Return when the operator has written nothing for a while."""
    known, since = writes(), time.monotonic()
    while time.monotonic() - since < 5:
        await asyncio.sleep(0.5)
        if (now := writes()) != known:
            known, since = now, time.monotonic()


def tell(result: dict[str, Any]) -> None:
    """A line of JSON."""
    print(json.dumps(result), flush=True)


async def main() -> None:
    """Measure what the command line asks for; a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="1,100,1000")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to watch it do nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "settings.yaml"
        file.write_text(json.dumps({
            "kubernetes": {"image": "profiling-operator:local", "starts_per_second": 1000},
            "stores": {"default": {"url": "http://127.0.0.1:1/v1/results"}},
        }))  # fmt: skip
        os.environ["PROFJOB_SETTINGS"] = str(file)
        async with api.connect() as cluster:
            for count in map(int, given.counts.split(",")):
                await measure_plain(cluster, count, settings.load())
                await measure_ours(cluster, count, given.idle, Path(scratch))


if __name__ == "__main__":
    asyncio.run(main())
