"""Images: from the Docker engine into the cluster's containerd, where no registry is."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import build_launcher
import make_images

from cluster.place import DATA, DIRECTORY, PAUSE, ClusterError, Place, kept, program, run

NAMESPACE = "k8s.io"
NOT_FOR_PODS = (make_images.BASE, make_images.BUILD)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def load(images: Sequence[str] = (), directory: Path = DIRECTORY) -> list[str]:
    """Bring images to the node, by default all of make_images.py that pods may name.

    An image that is there with the same id is not brought again. Returns a line for each.
    Raises ClusterError: no cluster or no engine is there, or the engine lacks an image.
    """
    place = kept(directory)
    if place is None:
        raise ClusterError(f"no cluster is in {directory}: make cluster")
    wanted = list(images) or [one for one in make_images.IMAGES if one not in NOT_FOR_PODS]
    identities = _identities(wanted)
    file = directory / "images.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    there = set(ctr(place, "images", "list", "--quiet").split())
    stale = [
        one for one in wanted if full_name(one) not in there or known.get(one) != identities[one]
    ]
    if stale:
        _bring(place, stale)
        file.write_text(json.dumps(known | {one: identities[one] for one in stale}))
    return [f"{one:42} {'loaded' if one in stale else 'up to date'}" for one in wanted]


def full_name(image: str) -> str:
    """The name that kubelet and containerd give an image: with registry, folder and tag."""
    head, slash, rest = image.partition("/")
    if not slash:
        image = f"docker.io/library/{image}"
    elif head != "localhost" and not set(head) & set(".:"):
        image = f"docker.io/{head}/{rest}"
    last = image.rpartition("/")[2]
    return image if ":" in last or "@" in last else f"{image}:latest"


def load_pause(place: Place) -> None:
    """Build the image that holds a pod's namespaces, and load it. Raises ClusterError."""
    binary = place.directory / "pause"
    _compile(binary)
    archive = place.directory / "pause.tar"
    archive.write_bytes(image_of(binary.read_bytes(), PAUSE))
    ctr(place, "images", "import", str(archive))


def image_of(binary: bytes, name: str) -> bytes:
    """An image archive, as `docker save` writes them, that holds one program, /pause."""
    layer = _tar({"pause": binary})
    configuration = json.dumps({
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }).encode()  # fmt: skip
    parts = {"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}
    manifest = json.dumps([parts]).encode()
    return _tar({"config.json": configuration, "layer.tar": layer, "manifest.json": manifest})


def ctr(place: Place, *words: str, check: bool = True) -> str:
    """What containerd's client prints."""
    return run("ctr", "--address", str(place.socket), "--namespace", NAMESPACE, *words, check=check)


def _compile(target: Path) -> None:
    said = []
    for compiler in build_launcher.compilers(build_launcher.this_architecture()):
        words = [*compiler, "-static", "-Os", "-s", str(DATA / "pause.c"), "-o", str(target)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        said.append(done.stderr)
    raise ClusterError(f"no C compiler made the pause image: apt-get install gcc\n{''.join(said)}")


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _identities(images: Sequence[str]) -> dict[str, str]:
    """The engine's id of each image."""
    shape = "{{.Id}}"
    try:
        told = run("docker", "image", "inspect", "--format", shape, *images).split()
    except ClusterError as problem:
        raise ClusterError(f"{problem}\n`make images` makes those of this project") from problem
    return dict(zip(images, told, strict=True))


def _bring(place: Place, images: Sequence[str]) -> None:
    """In one stream: layers that images share travel once."""
    words = [program("docker", "docker.io"), "save", *images]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as saving:
        into = ["--address", str(place.socket), "--namespace", NAMESPACE, "images", "import", "-"]
        done = subprocess.run(
            [program("ctr"), *into],
            stdin=saving.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
    if saving.returncode or done.returncode:
        raise ClusterError(f"images were not loaded: {done.stderr.strip() or 'docker save failed'}")
