"""The chart rendered, and installed on the cluster of $KUBECONFIG."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "profiling-operator"
sys.path.insert(0, str(ROOT / "tools"))

import go_programs  # noqa: E402 - found by the line above
import schemas as schemas_made  # noqa: E402

RELEASE, HOME = "profiling-operator", "profiling-system"
DEADLINE_SECONDS = 60.0

Body = dict[str, Any]
Render = Callable[..., list[Body]]


def found(name: str) -> Path:
    """Where tools/go_programs.py keeps what it builds, or in PATH."""
    kept = go_programs.folder(name) / name
    return kept if kept.is_file() else Path(shutil.which(name) or name)


def run(*words: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end; both outputs as text."""
    return subprocess.run(
        [str(word) for word in words], input=given, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def helm() -> Callable[..., str]:
    """Run Helm; its stdout. A failure is an AssertionError with its stderr."""
    program = found("helm")

    def call(*words: str | Path) -> str:
        done = run(program, *words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return call


@pytest.fixture(scope="session")
def render(helm: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Render:
    """The objects that the chart makes of values, given as a mapping."""

    def call(values: Mapping[str, Any] | None = None, release: str = RELEASE) -> list[Body]:
        file = tmp_path_factory.mktemp("values") / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values or {})))
        text = helm("template", release, CHART, "--namespace", HOME, "--values", file)
        return [one for one in yaml.safe_load_all(text) if one]

    return call


@pytest.fixture(scope="session")
def kubeconform() -> Path:
    """The program that checks objects against schemas."""
    return found("kubeconform")


@pytest.fixture(scope="session")
def schemas() -> Path:
    """The folder with the schemas of Kubernetes' objects and of ours."""
    return schemas_made.folder()


@dataclass(frozen=True)
class Answer:
    """What the API server said to one request."""

    code: int
    body: Body

    @property
    def message(self) -> str:
        """Why it refused."""
        return str(self.body.get("message", ""))


@dataclass(frozen=True)
class Cluster:
    """The cluster of $KUBECONFIG, as its administrator, as anyone else, or with a token."""

    server: str
    trust: ssl.SSLContext

    def kubectl(self, *words: str | Path, given: Body | None = None, user: str = "") -> str:
        """Run kubectl; its stdout. A failure is an AssertionError with its stderr."""
        done = self.tried(*words, given=given, user=user)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def tried(
        self, *words: str | Path, given: Body | None = None, user: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """The same, where it may fail."""
        impersonated = [f"--as={user}"] if user else []
        document = json.dumps(given) if given is not None else ""
        return run("kubectl", *impersonated, *words, given=document)

    def read(self, *words: str) -> Body:
        """One object, or a list of them, as JSON."""
        body: Body = json.loads(self.kubectl("get", *words, "-o", "json"))
        return body

    def create(self, body: Body, user: str = "") -> subprocess.CompletedProcess[str]:
        """Create an object, as the administrator or as `user`."""
        return self.tried("create", "-f", "-", given=body, user=user)

    def request(self, method: str, path: str, token: str, body: Body, content: str) -> Answer:
        """One request with a bearer token and nothing else: kubectl would read first."""
        asked = urllib.request.Request(
            self.server + path,
            method=method,
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": content},
        )
        try:
            with urllib.request.urlopen(asked, context=self.trust) as answer:
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, json.load(refused))


def eventually(check: Callable[[], Any], deadline: float = DEADLINE_SECONDS) -> Any:
    """The first true answer of `check`, asked again and again; the last one after the deadline."""
    until = time.monotonic() + deadline
    while not (answer := check()) and time.monotonic() < until:
        time.sleep(0.2)
    return answer


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster that $KUBECONFIG names."""
    done = run("kubectl", "config", "view", "--raw", "--minify", "-o", "json", "--flatten")
    assert done.returncode == 0, done.stderr
    view = json.loads(done.stdout)
    told = view["clusters"][0]["cluster"]
    trust = ssl.create_default_context()
    if "certificate-authority-data" in told:
        trust.load_verify_locations(cadata=b64decode(told["certificate-authority-data"]).decode())
    if told.get("insecure-skip-tls-verify"):
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    return Cluster(told["server"], trust)


@pytest.fixture(scope="session")
def wait() -> Callable[..., Any]:
    """Ask until true."""
    return eventually


@pytest.fixture(scope="session")
def crd_there(cluster: Cluster, helm: Callable[..., str]) -> bool:
    """Whether the definition was in the cluster before the tests. No release may be there."""
    releases = json.loads(helm("list", "--all-namespaces", "-o", "json"))
    for one in releases:
        if one["chart"].startswith("profiling-operator-"):
            pytest.skip(f"release {one['name']} in namespace {one['namespace']} would interfere")
    return cluster.tried("get", "crd", "profilingjobs.profiling.dev").returncode == 0


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Make namespaces that admit restricted pods alone; they are deleted at the end."""
    made: list[str] = []

    def call(name: str) -> str:
        full = f"{name}-{os.getpid()}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": full}}
        body["metadata"]["labels"] = labels  # type: ignore[index]
        cluster.kubectl("create", "-f", "-", given=body)
        made.append(full)
        return full

    yield call
    for one in made:
        cluster.kubectl("delete", "namespace", one, "--wait=false")
