"""Build programs that are published as Go modules only, and keep them by version.

    python tools/go_programs.py kubernetes helm kubeconform versitygw docker-compose etcd

Each lands in ${XDG_CACHE_HOME:-~/.cache}/profjob/PROGRAM/VERSION/, where the second call finds it.
Kubernetes takes ten minutes on two cores the first time, about 2 GB of memory and 3 GB of Go's
build cache; the others a minute or two each. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

KUBERNETES = "v1.34.4"
COMMANDS = "k8s.io/kubernetes/cmd"
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
PROGRAMS = {
    "coredns": ("github.com/coredns/coredns", "v1.15.0"),
    "helm": ("helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    "kubeconform": ("github.com/yannh/kubeconform/cmd/kubeconform", "v0.8.0"),
    "versitygw": ("github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
}
MODULES = {
    "docker-compose": (
        {"docker-compose": "github.com/docker/compose/v2/cmd"},
        "v2.40.3",
        "github.com/docker/compose/v2/internal.Version",
    ),
    "etcd": (
        {"etcd": "go.etcd.io/etcd/server/v3", "etcdctl": "go.etcd.io/etcd/etcdctl/v3"},
        "v3.6.5",
        "",
    ),
}
"""Programs with their packages, the version, and the variable that is told it."""


class Missing(Exception):  # noqa: N818 - it reads as what it says: go_programs.Missing
    """A program cannot be built here; the message says what is missing."""


def cache() -> Path:
    """The folder in which this project keeps what is costly to make."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "profjob"


def folder(name: str) -> Path:
    """Where the program, or all programs of Kubernetes, are kept."""
    if name == "kubernetes":
        return cache() / name / KUBERNETES
    return cache() / name / (MODULES[name] if name in MODULES else PROGRAMS[name])[1]


def programs(name: str) -> tuple[str, ...]:
    """What is in that folder."""
    if name == "kubernetes":
        return KUBERNETES_PROGRAMS
    return tuple(MODULES[name][0]) if name in MODULES else (name,)


def built(name: str) -> bool:
    """Whether the program is there already."""
    return all((folder(name) / one).is_file() for one in programs(name))


def ensure(name: str) -> Path:
    """The folder with the program; what is missing of it is built first.

    Raises:
        Missing: there is no Go, or the build failed.
    """
    if not built(name):
        if not shutil.which("go"):
            raise Missing(f"{name} is built with Go (https://go.dev/dl): no 'go' is in PATH")
        with tempfile.TemporaryDirectory(prefix="profjob-go-") as work:
            build = _build_tools if name in MODULES else _install
            (_build_kubernetes if name == "kubernetes" else build)(name, Path(work))
    return folder(name)


def module(staged: Sequence[str]) -> str:
    """A go.mod of our own, since Kubernetes' cannot be built from outside its repository.

    It replaces its staging modules by folders beside it; here they are what was published.
    """
    version = KUBERNETES.replace("v1.", "v0.", 1)
    return "\n".join((
        "module profjob.local/kubernetes\n",
        "go 1.24.0\n",
        f"require k8s.io/kubernetes {KUBERNETES}",
        *(f"replace {one} => {one} {version}" for one in staged),
        *(f"tool {COMMANDS}/{program}" for program in KUBERNETES_PROGRAMS),
        "",
    ))  # fmt: skip


def staging(mod: str) -> list[str]:
    """The modules that Kubernetes' go.mod replaces by folders beside it."""
    return re.findall(r"^\s*(?:replace\s+)?(k8s\.io/\S+) => \./staging/", mod, re.MULTILINE)


def _build_kubernetes(name: str, work: Path) -> None:
    source = json.loads(_go(work, "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"))
    (work / "go.mod").write_text(module(staging(Path(source["GoMod"]).read_text())))
    _go(work, "mod", "tidy")
    for program in KUBERNETES_PROGRAMS:
        if (folder(name) / program).is_file():
            continue
        _tell(f"building {program} {KUBERNETES}")
        words = ("build", "-trimpath", "-ldflags", _stamp(), "-o", str(work / program))
        _go(work, *words, f"{COMMANDS}/{program}")
        _keep(work / program, folder(name))


def _build_tools(name: str, work: Path) -> None:
    """By a go.mod of our own: `go install` refuses modules that replace or exclude others."""
    packages, version, stamp = MODULES[name]
    lines = ["module profjob.local/tools\n", "go 1.24.0\n"]
    lines += [f"require {_module(one)} {version}" for one in packages.values()]
    lines += [f"tool {one}" for one in packages.values()]
    (work / "go.mod").write_text("\n".join([*lines, ""]))
    _go(work, "mod", "tidy")
    for program, package in packages.items():
        _tell(f"building {program} {version}")
        flags = f"-s -w -X {stamp}={version}" if stamp else "-s -w"
        _go(work, "build", "-trimpath", "-ldflags", flags, "-o", str(work / program), package)
        _keep(work / program, folder(name))


def _module(package: str) -> str:
    """The module of a package: its path up to the part with the major version."""
    return re.sub(r"(/v\d+)/.*$", r"\1", package)


def _stamp() -> str:
    """Flags that say the version, which a build from a module would not know."""
    package = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    facts = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X {package}.{key}={value}" for key, value in facts.items())])


def _install(name: str, work: Path) -> None:
    package, version = PROGRAMS[name]
    _tell(f"building {name} {version}")
    _go(work, "install", "-trimpath", f"{package}@{version}", GOBIN=str(work))
    _keep(work / name, folder(name))


def _keep(program: Path, target: Path) -> None:
    """Put it in place in one step: another call may look for it."""
    target.mkdir(parents=True, exist_ok=True)
    unfinished = target / f".{program.name}.{os.getpid()}"
    shutil.move(program, unfinished)
    unfinished.replace(target / program.name)


def _go(work: Path, *words: str, **environment: str) -> str:
    # GOTOOLCHAIN: a module may ask for a newer Go than the one that is installed.
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "auto"}
    env = os.environ | fixed | environment
    command = [shutil.which("go") or "go", *words]
    done = subprocess.run(command, cwd=work, env=env, text=True, capture_output=True, check=False)
    if done.returncode:
        raise Missing(f"go {' '.join(words)} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Build what is named and print the folders."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=["kubernetes", *PROGRAMS, *MODULES])
    for name in parser.parse_args().names:
        try:
            print(ensure(name))
        except Missing as problem:
            sys.exit(str(problem))


if __name__ == "__main__":
    main()
