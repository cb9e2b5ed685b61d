"""What a machine may offer beyond Python: how to tell, and how to get it.

A test says what it needs with `@pytest.mark.needs("cc", "qemu")`. Where something is missing, the
test is left out and named at the end of the run; a capability in PROFJOB_REQUIRE must be there.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
OWN_IMAGE = "profiling-operator:local"
SHARED = ROOT.parent / "shared" / "data"
# In a process of its own: where nothing answers, the client leaves its socket open.
PING = "import docker; docker.from_env(timeout=5).ping()"


@dataclass(frozen=True)
class Capability:
    """One thing that a machine may have."""

    there: Callable[[], bool]
    how: str
    """How to get it."""


def _compiles(compiler: str, *options: str) -> bool:
    if not shutil.which(compiler):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "probe.c"
        source.write_text("int main(void) { return 0; }\n")
        words = [compiler, *options, str(source), "-o", f"{scratch}/probe"]
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            return False
        return "-static" in options or subprocess.run([f"{scratch}/probe"]).returncode == 0


def _works(*words: str) -> bool:
    found = shutil.which(words[0])
    return bool(found) and subprocess.run(words, capture_output=True).returncode == 0


def _cross() -> bool:
    has_zig = importlib.util.find_spec("ziglang") is not None
    return has_zig or _compiles("aarch64-linux-gnu-gcc", "-static")


def _tau() -> bool:
    given = os.environ.get("PROFJOB_TOOLCHAINS__TAU__PATH", "")
    prefixes = [Path(given), Path(given) / os.uname().machine] if given else []
    return any(os.access(prefix / "bin" / "tau_exec", os.X_OK) for prefix in prefixes) or bool(
        shutil.which("tau_exec")
    )


def _script(name: str) -> ModuleType:
    """A script of tools/ as a module."""
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        assert found is not None and found.loader is not None
        script = importlib.util.module_from_spec(found)
        sys.modules[name] = script  # where dataclasses look for their module
        found.loader.exec_module(script)
    return sys.modules[name]


def _built_with_go(program: str) -> Capability:
    return Capability(
        lambda: bool(_script("go_programs").built(program)),
        f"{program}, which needs Go: python3 tools/go_programs.py {program}",
    )


def _images(own: bool) -> bool:
    """Whether the images are up to date: profjob's own, or all others that are always made."""
    default = _script("make_images").DEFAULT
    return _up_to_date([one for one in default if (one == OWN_IMAGE) == own])


def _compose() -> bool:
    if not all(_script("go_programs").built(one) for one in ("docker-compose", "kubernetes")):
        return False
    return _up_to_date(_script("make_images").CONTROL_PLANE)


def _up_to_date(images: Sequence[str]) -> bool:
    if missing("docker") or not shutil.which("docker"):
        return False
    try:
        return not _script("make_images").stale(images)
    except SystemExit:  # the command line reaches another engine than the client, or none
        return False


def _perf() -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        recorded = f"{scratch}/perf.data"
        return _works("perf", "record", "--event", "cpu-clock", "--output", recorded, "true")


def _has(*programs: str) -> bool:
    """Whether all are there, also in the folders that only root's path has."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return all(shutil.which(one, path=path) for one in programs)


CAPABILITIES: dict[str, Capability] = {
    "cluster": Capability(
        lambda: bool(os.environ.get("KUBECONFIG")) and _works("kubectl", "get", "--raw", "/readyz"),
        "a cluster at $KUBECONFIG, and kubectl: make cluster (as root) starts one",
    ),
    "cc": Capability(
        lambda: _compiles("cc", "-static"), "a C compiler with a static libc: apt-get install gcc"
    ),
    "sanitizers": Capability(
        lambda: _compiles("cc", "-fsanitize=address,undefined"),
        "gcc's sanitizers: apt-get install gcc libasan8 libubsan1",
    ),
    "browser": Capability(
        lambda: _has("chromium") and bool(_script("consumers").installed()),
        "a browser and what drives it: apt-get install chromium nodejs npm, then "
        "python3 tools/consumers.py",
    ),
    "compose": Capability(
        _compose,
        "docker compose and the images of the control plane, which need Go: "
        "python3 tools/go_programs.py docker-compose etcd kubernetes; "
        "python3 tools/make_images.py etcd kube-apiserver prometheus",
    ),
    "consumers": Capability(
        lambda: bool(_script("consumers").installed()),
        "the viewers that open exported files: apt-get install nodejs npm, then "
        "python3 tools/consumers.py",
    ),
    "cross": Capability(
        _cross,
        "a compiler for aarch64: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross, "
        "or pip install ziglang",
    ),
    "qemu": Capability(
        lambda: bool(shutil.which("qemu-aarch64-static")), "apt-get install qemu-user-static"
    ),
    "docker": Capability(
        lambda: _works(sys.executable, "-c", PING),
        "a Docker engine that answers at DOCKER_HOST: apt-get install docker.io",
    ),
    "dockerd": Capability(
        lambda: os.geteuid() == 0 and _has("dockerd"),
        "run the tests as root: they start engines of their own; apt-get install docker.io",
    ),
    "helm": _built_with_go("helm"),
    "image": Capability(
        lambda: _images(own=True),
        "profjob's own image, made of the sources as they are: make images",
    ),
    "images": Capability(
        lambda: _images(own=False), "the images of tests and examples, up to date: make images"
    ),
    "jenkins": Capability(
        lambda: bool(_script("jenkins").installed()),
        "what runs and lints pipelines: apt-get install default-jre-headless maven nodejs npm, "
        "then python3 tools/jenkins.py",
    ),
    "kubeconform": _built_with_go("kubeconform"),
    "mount": Capability(
        lambda: _works("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"),
        "run the tests as root, where mounting is permitted",
    ),
    "namespaces": Capability(
        lambda: _works("unshare", "--pid", "--fork", "--mount-proc", "true"),
        "run the tests as root, where namespaces are permitted",
    ),
    "nsys": Capability(
        lambda: _has("nsys"),
        "apt-get install nsight-systems (Debian's components contrib, non-free)",
    ),
    "nvprof": Capability(
        lambda: _has("nvprof"),
        "apt-get install nvidia-profiler (Debian's components contrib, non-free)",
    ),
    "perf": Capability(
        _perf, "perf that may record: apt-get install linux-perf, kernel.perf_event_paranoid <= 2"
    ),
    "prometheus": Capability(lambda: _has("prometheus"), "apt-get install prometheus"),
    "promtool": Capability(lambda: _has("promtool"), "apt-get install prometheus"),
    "registry": Capability(
        lambda: _has("docker-registry", "htpasswd"), "apt-get install docker-registry apache2-utils"
    ),
    "root": Capability(lambda: os.geteuid() == 0, "run the tests as root"),
    "s3": _built_with_go("versitygw"),
    "shared": Capability(
        lambda: SHARED.is_dir(), "the collection of real profiles in ../shared/data"
    ),
    "shell": Capability(
        lambda: _has("bash-static", "busybox"), "apt-get install bash-static busybox-static"
    ),
    "ssh": Capability(lambda: _has("ssh", "sshd"), "apt-get install openssh-client openssh-server"),
    "tau": Capability(
        _tau, "TAU (https://tau.uoregon.edu): set PROFJOB_TOOLCHAINS__TAU__PATH to its folder"
    ),
    "wheel": Capability(
        lambda: _cross() and _compiles("cc", "-static"),
        "compilers for both architectures, so that building the wheel needs no download",
    ),
}


@functools.cache
def missing(name: str) -> str:
    """Empty when the machine has a capability; otherwise how to get it."""
    capability = CAPABILITIES[name]
    return "" if capability.there() else capability.how


def required() -> set[str]:
    """What PROFJOB_REQUIRE says must be there. Raises ValueError for a name that is none."""
    names = {name for name in os.environ.get("PROFJOB_REQUIRE", "").split(",") if name}
    unknown = names - set(CAPABILITIES)
    if unknown:
        known = ", ".join(sorted(CAPABILITIES))
        raise ValueError(f"PROFJOB_REQUIRE: {', '.join(sorted(unknown))} is none of {known}")
    return names
