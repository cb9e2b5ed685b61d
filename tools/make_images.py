"""Makes the images that tests and examples need, of Debian's packages: no registry is asked.

They are loaded into the engine that `docker` reaches. An image whose recipe has not changed is not
made again; its label tells. Root file systems are kept in ~/.cache/profjob/images: remove that
folder to get Debian's newest packages. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import go_programs

ROOT = Path(__file__).resolve().parent.parent
LABEL = "profiling.dev/recipe"
NOBODY = 65534
APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
APT_PACKAGES = {"docker": "docker.io"}  # where it is not named like its program
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
CROSS = {"x86_64": ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
         "aarch64": ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross")}  # fmt: skip
COMPILERS = ("gcc", "libc6-dev", "make", *CROSS.get(platform.machine(), ()))
DEBIAN_OPTIONS = (
    "--variant=essential",
    "--format=tar",
    *(f"--dpkgopt=path-exclude=/usr/share/{one}/*" for one in ("doc", "info", "locale", "man")),
    # Bookworm's essential packages ask for `usrmerge`, and thus for all of Perl, or for this one.
    "--include=usr-is-merged",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
)


@dataclass(frozen=True)
class Debian:
    """An image of Debian's essential packages and some more."""

    about: str
    packages: Sequence[str]
    files: Sequence[Path] = ()
    """Files of this machine that are put in the same place there."""
    bases: Mapping[str, str] = field(default_factory=dict)

    def inputs(self) -> Iterator[str]:
        """What the image is made of."""
        yield from (suite(), platform.machine(), *self._options())
        yield from (_digest(path.read_bytes()) for path in self._files())

    def make(self, reference: str) -> None:
        """Import its root file system, which is made if none is kept."""
        kept = cache() / f"{suite()}-{platform.machine()}-{recipe(reference)}.tar"
        if not kept.exists():
            bootstrap(self._options(), kept)
        changes = (f"LABEL {LABEL}={recipe(reference)}", 'CMD ["python3"]')
        words = [word for change in changes for word in ("--change", change)]
        _run("docker", "import", *words, str(kept), reference)

    def _options(self) -> list[str]:
        uploads = [f"--customize-hook=upload {path} {path}" for path in self._files()]
        return [*DEBIAN_OPTIONS, f"--include={','.join(self.packages)}", *uploads]

    def _files(self) -> list[Path]:
        return [path for path in self.files if path.exists()]


@dataclass(frozen=True)
class Built:
    """An image that a Dockerfile describes."""

    about: str
    folder: Path
    bases: Mapping[str, str] = field(default_factory=dict)
    """Build arguments that name an image of this script."""
    arguments: Mapping[str, str] = field(default_factory=dict)

    def inputs(self) -> Iterator[str]:
        """What the image is made of: the images below, and the files that the engine sees."""
        yield json.dumps([{**self.arguments}, [recipe(one) for one in self.bases.values()]])
        for path in sorted({self.folder / "Dockerfile", *context(self.folder)}):
            executable = "x" if os.access(path, os.X_OK) else "-"
            yield f"{executable} {path.relative_to(self.folder)} {_digest(path.read_bytes())}"

    def make(self, reference: str) -> None:
        """Build it. With the host's network: an engine may have no other."""
        dockerfile = (self.folder / "Dockerfile").read_text()
        given = {**self.arguments, **self.bases, **surroundings(dockerfile)}
        words = [word for one in given.items() for word in ("--build-arg", "=".join(one))]
        label = f"{LABEL}={recipe(reference)}"
        _run("docker", "build", "--network", "host", "--tag", reference, "--label", label,
             *words, str(self.folder))  # fmt: skip


@dataclass(frozen=True)
class Programs:
    """An image of a few programs of this machine, where the published image of them has them."""

    about: str
    programs: Sequence[str]
    """Found in PATH, or in `folder`, and put into `target`."""
    target: str
    package: str
    """What installs them."""
    folder: Path | None = None
    user_folder: str = ""
    """A folder that belongs to NOBODY there."""
    capability: str = ""
    """Extended attribute of the programs."""
    bases: Mapping[str, str] = field(default_factory=dict)

    def inputs(self) -> Iterator[str]:
        """What the image is made of: the programs and their libraries."""
        yield from (self.target, self.user_folder, self.capability)
        for name, path in sorted(self._files().items()):
            yield f"{name} {_digest(path.read_bytes())}"

    def make(self, reference: str) -> None:
        """Import a tarball of them."""
        with tempfile.TemporaryDirectory() as scratch:
            packed = Path(scratch) / "files.tar"
            with tarfile.open(packed, "w", format=tarfile.PAX_FORMAT) as archive:
                self._pack(archive)
            path = f"ENV PATH=/usr/local/bin:/usr/bin:/bin:/{self.target}"
            changes = (f"LABEL {LABEL}={recipe(reference)}", path)
            words = [word for change in changes for word in ("--change", change)]
            _run("docker", "import", *words, str(packed), reference)

    def _pack(self, archive: tarfile.TarFile) -> None:
        folders = [("tmp", 0o1777, 0)]
        folders += [(self.user_folder, 0o755, NOBODY)] if self.user_folder else []
        for name, mode, owner in folders:
            one = tarfile.TarInfo(name)
            one.type, one.mode, one.uid, one.gid = tarfile.DIRTYPE, mode, owner, owner
            archive.addfile(one)
        for name, path in self._files().items():
            one = archive.gettarinfo(path.resolve(), name)
            one.uid = one.gid = 0
            if self.capability and name.startswith(self.target):
                one.pax_headers["SCHILY.xattr.security.capability"] = self.capability
            with path.open("rb") as file:
                archive.addfile(one, file)

    def _files(self) -> dict[str, Path]:
        found = {f"{self.target}/{one}": self._place(one) for one in self.programs}
        for path in list(found.values()):
            # `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader alone
            for library in re.findall(r"(/\S+) \(0x", _call("ldd", str(path)).stdout):
                found[library.lstrip("/")] = Path(library)
        return found

    def _place(self, program: str) -> Path:
        path = str(self.folder) if self.folder else f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        place = shutil.which(program, path=path)
        if not place:
            sys.exit(f"{program} is missing: {self.package}")
        return Path(place)


PYTHON, BASE, BUILD, BUSYBOX, NONROOT, ENTRYPOINT = (
    f"profiling-operator/{name}:local"
    for name in ("python", "base", "build", "busybox", "nonroot", "entrypoint")
)
THREADS, PLAYBACK, C_STATIC, C_THREADS = (
    f"profiling-operator/examples/{name}"
    for name in ("python-threads", "playback", "c-static", "c-threads")
)
ETCD, API_SERVER, PROMETHEUS = CONTROL_PLANE = tuple(
    f"profiling-operator/{name}:local" for name in ("etcd", "kube-apiserver", "prometheus")
)
"""Programs of compose.yaml, for machines that reach no registry: made only when they are named."""
IMAGES: dict[str, Debian | Built | Programs] = {  # in the order of making
    PYTHON: Debian("Python, bash", ["python3"]),
    BASE: Debian("what profjob runs on", ["python3", "ca-certificates", "linux-perf"]),
    BUILD: Debian(
        "what others are built in",
        ["python3-venv", "ca-certificates", "busybox-static", *COMPILERS],
        files=[AUTHORITIES],
    ),
    BUSYBOX: Built("a shell without libc", ROOT / "tests/images/busybox", {"BUILD_IMAGE": BUILD}),
    NONROOT: Built("Python for user 1000", ROOT / "tests/images/nonroot", {"BASE_IMAGE": PYTHON}),
    THREADS: Built("example", ROOT / "examples/python-threads", {"BASE_IMAGE": PYTHON}),
    ENTRYPOINT: Built(
        "starts an application", ROOT / "tests/images/entrypoint", {"BASE_IMAGE": THREADS}
    ),
    PLAYBACK: Built("example", ROOT / "examples/playback", {"BASE_IMAGE": PYTHON}),
    C_STATIC: Built("example", ROOT / "examples/c-static", {"BUILD_IMAGE": BUILD}),
    C_THREADS: Built(
        "example", ROOT / "examples/c-threads", {"BASE_IMAGE": PYTHON, "BUILD_IMAGE": BUILD}
    ),
    "profiling-operator:local": Built(
        "profjob itself", ROOT, {"BASE_IMAGE": BASE, "BUILD_IMAGE": BUILD}, {"PACKAGES": ""}
    ),
    ETCD: Programs(
        "of the control plane",
        ["etcd", "etcdctl"],
        "usr/local/bin",
        "python3 tools/go_programs.py etcd",
        folder=go_programs.folder("etcd"),
    ),
    API_SERVER: Programs(
        "of the control plane",
        ["kube-apiserver"],
        "usr/local/bin",
        "python3 tools/go_programs.py kubernetes",
        folder=go_programs.folder("kubernetes"),
        # As published: cap_net_bind_service=ep, without which a container cannot start it.
        capability="\x01\0\0\x02\0\x04" + "\0" * 14,
    ),
    PROMETHEUS: Programs(
        "of the control plane",
        ["prometheus"],
        "bin",
        "apt-get install prometheus",
        user_folder="prometheus",
    ),
}


def recipe(reference: str) -> str:
    """A digest of everything that an image is made of."""
    return _digest("\n".join(IMAGES[reference].inputs()).encode())


DEFAULT = tuple(one for one in IMAGES if one not in CONTROL_PLANE)


def stale(references: Sequence[str] = DEFAULT) -> list[str]:
    """Those that the engine lacks or has by another recipe. Exits if no engine answers."""
    _run("docker", "version")
    told = _call("docker", "image", "inspect", *references).stdout
    there = {
        tag.removesuffix(":latest"): (one["Config"]["Labels"] or {}).get(LABEL)
        for one in json.loads(told)
        for tag in one["RepoTags"]
    }
    return [one for one in references if there.get(one) != recipe(one)]


def context(folder: Path) -> set[Path]:
    """The files that the engine sees: a .dockerignore says `*`, then `!KEPT`, then `DROPPED`."""
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().split() if ignore.exists() else ["!*"]
    kept = [path for line in lines if line.startswith("!") for path in folder.glob(line[1:])]
    dropped = [one.removeprefix("**/") for one in lines if one != "*" and not one.startswith("!")]
    files = {path for one in kept for path in (one, *one.rglob("*")) if path.is_file()}
    return {path for path in files if not _matches(path.relative_to(folder), dropped)}


def _matches(path: Path, patterns: Sequence[str]) -> bool:
    return any(one.match(pattern) for one in (path, *path.parents) for pattern in patterns)


def surroundings(dockerfile: str) -> dict[str, str]:
    """How this machine reaches package indexes, as build arguments; no part of the recipe."""
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    wanted = re.findall(r"^ARG (PIP_\w+)$", dockerfile, re.MULTILINE)
    told = _call(sys.executable, "-m", "pip", "config", "list").stdout if wanted else ""
    known = {
        f"PIP_{name.upper().replace('-', '_')}": value
        for name, value in re.findall(r"^\S+\.([\w-]+)='(.*)'$", told, re.MULTILINE)
    }
    known |= os.environ  # where this Python has no pip
    return proxies | {name: known[name] for name in wanted if name in known}


def suite() -> str:
    """The Debian release of this machine; bookworm where it runs something else."""
    known = dict(re.findall(r'^(\w+)="?([^"\n]*)', OS_RELEASE.read_text(), re.MULTILINE))
    return known.get("VERSION_CODENAME", "bookworm") if known.get("ID") == "debian" else "bookworm"


def sources() -> list[str]:
    """This machine's lines of sources.list for the release; without, mmdebstrap knows some."""
    lists = (*APT.glob("sources.list"), *sorted(APT.glob("sources.list.d/*.list")))
    lines = [line for path in lists for line in path.read_text().splitlines()]
    for path in sorted(APT.glob("sources.list.d/*.sources")):
        lines += _lines_of(path.read_text())
    shape = re.compile(rf"deb (\[.*\] )?http\S+ {suite()}(-updates|-security)? (.* )?main\b")
    return [line for line in lines if shape.match(line)]


def _lines_of(deb822: str) -> Iterator[str]:
    """The stanzas of a .sources file as lines of sources.list(5)."""
    for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", deb822, flags=re.MULTILINE)):
        told = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
        if "deb" not in told.get("Types", "").split() or told.get("Enabled") == "no":
            continue
        key = f"[signed-by={told['Signed-By']}] " if told.get("Signed-By") else ""
        for uri in told["URIs"].split():
            for one in told["Suites"].split():
                yield f"deb {key}{uri} {one} {told.get('Components', '')}"


def cache() -> Path:
    """Where root file systems are kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "profjob" / "images"


def bootstrap(options: Sequence[str], target: Path) -> None:
    """Make a root file system; the tarball is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        _run("mmdebstrap", *options, suite(), str(made), *sources())
        made.rename(target)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _run(*words: str) -> None:
    """Run a command that must succeed."""
    done = _call(*words)
    if done.returncode:
        sys.exit(
            f"{done.stdout[-8000:]}{done.stderr[-8000:]}\n{' '.join(words)}: failed, see above"
        )


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command. Exits when the program is missing, saying how to get it."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which(words[0], path=path):
        sys.exit(f"{words[0]} is missing: apt-get install {APT_PACKAGES.get(words[0], words[0])}")
    # The classic builder: it is in every engine, and finds the engine's own images.
    env = {**os.environ, "PATH": path, "DOCKER_BUILDKIT": "0"}
    return subprocess.run(
        words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def closure(words: Sequence[str]) -> list[str]:
    """The images named, the default ones if none is, with those below them.

    Raises ValueError for others.
    """
    named = {_reference(word) for word in words} or set(DEFAULT)
    for reference in reversed(IMAGES):
        if reference in named:
            named.update(IMAGES[reference].bases.values())
    return [one for one in IMAGES if one in named]


def _reference(word: str) -> str:
    for one in (word, f"profiling-operator/{word}", f"profiling-operator/{word}:local"):
        if one in IMAGES:
            return one
    raise ValueError(f"no image is named {word}; there are {', '.join(IMAGES)}")


def main() -> None:
    """Make what is named and is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="with or without the prefix")
    parser.add_argument("--list", action="store_true", help="what there is to make, and exit")
    given = parser.parse_args()
    try:
        references = closure(given.names)
    except ValueError as error:
        parser.error(str(error))
    if given.list:
        print("\n".join(f"{one:42} {IMAGES[one].about}" for one in references))
        return
    missing = stale(references)
    for one in references:
        started = time.monotonic()
        if one in missing:
            IMAGES[one].make(one)
        took = f"made in {time.monotonic() - started:.1f} s" if one in missing else "up to date"
        print(f"{one:42} {took}", flush=True)


if __name__ == "__main__":
    main()
