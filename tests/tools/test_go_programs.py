"""Programs that are built from Go modules."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
GO_MOD = """\
module k8s.io/kubernetes

require (
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.130.1
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubelet => ./staging/src/k8s.io/kubelet
)
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/go_programs.py as a module, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = importlib.util.spec_from_file_location("go_programs", ROOT / "tools/go_programs.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def builds(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[list[str]]:
    """The names of what a compiler that is none has built."""
    made: list[str] = []
    (tmp_path / "go.mod").write_text(GO_MOD)

    def go(work: Path, *words: str, **environment: str) -> str:
        if words[:2] == ("mod", "download"):
            return json.dumps({"GoMod": str(tmp_path / "go.mod")})
        if words[0] == "build":
            Path(words[words.index("-o") + 1]).write_text(words[-1])
        if words[0] == "install":
            package = words[-1].partition("@")[0]
            (work / package.rpartition("/")[2]).write_text(package)
        made.append(words[-1].rpartition("/")[2])
        return ""

    monkeypatch.setattr(tool, "_go", go)
    monkeypatch.setattr(tool.shutil, "which", lambda name: f"/usr/bin/{name}")
    yield made


def test_a_program_is_built_once(tool: ModuleType, builds: list[str]) -> None:
    """The second call finds it."""
    folder = tool.ensure("helm")

    assert (folder / "helm").read_text() == "helm.sh/helm/v4/cmd/helm"
    assert folder == tool.cache() / "helm" / tool.PROGRAMS["helm"][1]
    assert tool.ensure("helm") == folder
    assert builds == [f"helm@{folder.name}"]


def test_what_go_refuses_to_install_is_built_by_a_module_of_our_own(
    tool: ModuleType, builds: list[str]
) -> None:
    """Modules that replace or exclude others."""
    folder = tool.ensure("etcd")

    assert builds == ["tidy", "v3", "v3"]
    assert (folder / "etcdctl").read_text() == "go.etcd.io/etcd/etcdctl/v3"
    assert tool.built("etcd")
    assert tool._module("github.com/docker/compose/v2/cmd") == "github.com/docker/compose/v2"
    assert tool._module("go.etcd.io/etcd/server/v3") == "go.etcd.io/etcd/server/v3"


def test_only_what_is_missing_of_kubernetes_is_built(tool: ModuleType, builds: list[str]) -> None:
    """Each program takes minutes."""
    folder = tool.folder("kubernetes")
    folder.mkdir(parents=True)
    for name in tool.KUBERNETES_PROGRAMS:
        if name != "kube-proxy":
            (folder / name).write_text("built before")
    assert not tool.built("kubernetes")

    tool.ensure("kubernetes")

    assert builds == ["tidy", "kube-proxy"]
    assert tool.built("kubernetes")
    assert (folder / "kubelet").read_text() == "built before"
    assert {one.name for one in folder.iterdir()} == set(tool.KUBERNETES_PROGRAMS)


def test_staging_modules_are_taken_from_where_they_are_published(tool: ModuleType) -> None:
    """As kubernetes' go.mod lists them; with the version that belongs to it."""
    staged = tool.staging(GO_MOD)
    assert staged == ["k8s.io/api", "k8s.io/kubelet"]

    lines = tool.module(staged).splitlines()

    published = tool.KUBERNETES.replace("v1.", "v0.")
    assert f"require k8s.io/kubernetes {tool.KUBERNETES}" in lines
    assert f"replace k8s.io/api => k8s.io/api {published}" in lines
    assert "tool k8s.io/kubernetes/cmd/kube-proxy" in lines


def test_programs_know_their_version(tool: ModuleType) -> None:
    """A build from a module would say v0.0.0-master."""
    major, minor, _ = tool.KUBERNETES.removeprefix("v").split(".")

    stamp = tool._stamp()

    for fact in (f"gitVersion={tool.KUBERNETES}", f"gitMajor={major}", f"gitMinor={minor}"):
        assert f"-X k8s.io/component-base/version.{fact}" in stamp


def test_without_go_it_says_where_to_get_it(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is left in the cache."""
    monkeypatch.setattr(tool.shutil, "which", lambda name: None)

    with pytest.raises(tool.Missing, match=r"helm is built with Go \(https://go\.dev/dl\)"):
        tool.ensure("helm")
    assert not tool.cache().exists()
