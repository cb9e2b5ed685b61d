"""`make demo-cluster`: the chart on a cluster, examples by `kubectl apply`, results by every way.

    KUBECONFIG=... python tools/demo_cluster.py [--values FILE]... [--tau-image IMAGE]

On a cluster of one's own, `--values` names a file for the chart: the image in one's registry.

For each example: apply, wait for Finished, show the resource, bring the results with `profjob
fetch` and with plain curl and a service account's token, and compare both with the checksums of
the status. Ends with an error when one of them did not go well. The release stays and the namespace
of the jobs goes, unless `--remove` or `--keep` is given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import go_programs

import cluster

ROOT = Path(__file__).resolve().parent.parent
OWN_VALUES = ROOT / "tools/cluster/values.yaml"
SYSTEM, NAMESPACE, RELEASE = "profiling-system", "profjob-demo", "profjob"
FOLDER = ROOT / "build/demo-cluster"
EXAMPLES = ["python-threads", "c-static"]
READER = "reader"
WAIT = "300s"


def run(*words: str, given: str | None = None, env: dict[str, str] | None = None) -> str:
    """What a command prints; its complaints are shown. Exits when it fails."""
    done = subprocess.run(
        words, input=given, env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def kubectl(*words: str, given: str | None = None) -> str:
    """kubectl in the namespace of the demo."""
    return run("kubectl", "--namespace", NAMESPACE, *words, given=given)


def helm() -> list[str]:
    """The first word of a helm command line."""
    return [shutil.which("helm") or str(go_programs.ensure("helm") / "helm")]


def install(values: list[str], tau_image: str) -> None:
    """Install or upgrade the release, and wait until it is ready."""
    words = [*helm(), "upgrade", "--install", RELEASE, str(ROOT / "charts/profiling-operator")]
    words += ["--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "3m"]
    words += ["--take-ownership", "--force-conflicts"]  # of a definition that was there before
    is_own = os.environ.get("KUBECONFIG") == str(cluster.kubeconfig())
    for one in values or ([str(OWN_VALUES)] if is_own else []):
        words += ["--values", one]
    if tau_image:
        words += ["--set", f"settings.toolchains.tau.image={tau_image}"]
    print(f"installing the chart as {RELEASE} in {SYSTEM}", flush=True)
    run(*words)


def prepare() -> None:
    """A namespace that admits restricted pods only, and an account that may read results there."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    run("kubectl", "apply", "--filename", "-", given=json.dumps(manifest))
    for words in (
        ("serviceaccount", READER),
        ("role", READER, "--verb=get", "--resource=profilingjobs.profiling.dev"),
        ("rolebinding", READER, f"--role={READER}", f"--serviceaccount={NAMESPACE}:{READER}"),
    ):
        made = kubectl("create", *words, "--dry-run=client", "--output", "yaml")
        kubectl("apply", "--filename", "-", given=made)


def profile(example: str) -> dict[str, Any]:
    """Apply an example and return its status once it has finished."""
    file = ROOT / "examples" / example / "job.yaml"
    began = time.monotonic()
    print(f"\n$ kubectl apply -f {file.relative_to(ROOT)}", flush=True)
    kubectl("delete", "profilingjob", example, "--ignore-not-found")
    kubectl("apply", "--filename", str(file))
    kubectl("wait", "--for=condition=Finished", f"--timeout={WAIT}", f"profilingjob/{example}")
    took = time.monotonic() - began
    print(kubectl("get", "profilingjob", example, "--output", "wide"), end="")
    print(f"from apply to Finished: {took:.1f} s", flush=True)
    body: dict[str, Any] = json.loads(kubectl("get", "pj", example, "--output", "json"))
    status: dict[str, Any] = body["status"]
    holds = {one["type"]: one["status"] for one in status["conditions"]}
    for wanted in ("Complete", "ProfileUsable"):
        if holds.get(wanted) != "True":
            sys.exit(f"{example}: not {wanted}: {json.dumps(status['conditions'], indent=2)}")
    return status


def compare(example: str, status: dict[str, Any]) -> None:
    """Bring every file twice and compare: exits when a checksum differs."""
    token = kubectl("create", "token", READER).strip()
    fetched, curled = (FOLDER / way / example for way in ("fetch", "curl"))
    for folder in (fetched, curled):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    env = {**os.environ, "PROFJOB_TOKEN": token}
    words = (sys.executable, "-m", "profiling_operator", "fetch", example, "-n", NAMESPACE)
    url = status["results"]["url"].rstrip("/")
    base = url.partition(f"/{NAMESPACE}/")[0]
    run(*words, "--results-url", base, "--directory", str(fetched), env=env)
    header = f"Authorization: Bearer {token}"  # by standard input: arguments are seen by all
    for one in status["results"]["files"]:
        target = curled / one["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        run("curl", "-fsS", "-H", "@-", "-o", str(target), f"{url}/{one['path']}", given=header)
        for copy in (fetched / one["path"], target):
            found = hashlib.sha256(copy.read_bytes()).hexdigest()
            if found != one["sha256"]:
                sys.exit(f"{copy}: sha256 {found}, the status says {one['sha256']}")
    count = len(status["results"]["files"])
    print(
        f"{count} files by `profjob fetch` and by curl, with the checksums of the status: {fetched}"
    )


def main() -> None:
    """Install, profile, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", action="append", default=[], metavar="FILE")
    parser.add_argument("--tau-image", default="", help="an image with TAU below /opt/tau")
    parser.add_argument("--keep", action="store_true", help="leave the namespace of the jobs")
    parser.add_argument("--remove", action="store_true", help="uninstall the release at the end")
    given = parser.parse_args()
    install(given.values, given.tau_image)
    prepare()
    for example in [*EXAMPLES, *(["c-threads"] if given.tau_image else [])]:
        compare(example, profile(example))
    if not given.keep:
        run("kubectl", "delete", "namespace", NAMESPACE)
    if given.remove:
        run(*helm(), "uninstall", RELEASE, "--namespace", SYSTEM, "--wait")
        run("kubectl", "delete", "namespace", SYSTEM)


if __name__ == "__main__":
    main()
