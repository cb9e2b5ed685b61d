"""How images come to an engine, and what matters of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from profiling_operator.engine import MACHINES, Engine
from profiling_operator.errors import ExecutorError, ImageError, PreflightError, Reason

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """What matters of an image that the engine has."""

    id: str
    reference: str
    machine: str
    """As `uname -m` says."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


def obtain(here: Engine, reference: str, pull: str, tell: Tell) -> Image:
    """An image, pulled if that is wanted: `missing`, `always` or `never`.

    `tell` is called with progress. Raises ImageError, and PreflightError for an image of another
    architecture.
    """
    found = None if pull == "always" else _inspected(here, reference)
    if found is None and pull != "never":
        _pull(here, reference, tell)
        found = _inspected(here, reference)
    if found is None:
        raise ImageError(f"{reference}: is not on the engine (pull: {pull})")
    if found.machine != here.machine:
        message = f"{reference} is for {found.machine}, the engine's machine is {here.machine}"
        raise PreflightError(Reason.CANNOT_START, message)
    return found


def resolved(here: Engine, image: str) -> str:
    """The name and digest by which a registry has the image of an id; the id where none does.

    Raises ExecutorError where the engine does not answer.
    """
    try:
        with here.asked(f"inspect {image}"):
            digests = here.api.inspect_image(image).get("RepoDigests") or ()
    except FileNotFoundError:  # removed while its container runs
        return image
    return str(next(iter(digests), image))


def _inspected(here: Engine, reference: str) -> Image | None:
    try:
        with here.asked(f"inspect {reference}"):
            body = here.api.inspect_image(reference)
    except FileNotFoundError:
        return None
    config = body.get("Config") or {}
    said = str(body.get("Architecture", ""))
    return Image(
        id=body["Id"],
        reference=reference,
        machine=MACHINES.get(said, said),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        env=tuple(config.get("Env") or ()),
    )


def _pull(here: Engine, reference: str, tell: Tell) -> None:
    try:
        with here.asked(f"pull {reference}"):
            _follow(reference, here.pull(reference), tell)
    except (FileNotFoundError, ExecutorError) as error:
        raise ImageError(str(error)) from error


def _follow(reference: str, lines: Iterable[Mapping[str, Any]], tell: Tell) -> None:
    """Tell how far a pull is. Raises ImageError with what the registry said."""
    layers: dict[str, tuple[int, int]] = {}
    for line in lines:
        if "error" in line:
            raise ImageError(f"{reference}: {line['error']}")
        detail = line.get("progressDetail") or {}
        if line.get("status") == "Downloading" and detail.get("total"):
            layers[line.get("id", "")] = (detail.get("current", 0), detail["total"])  # 0: absent
        done = sum(current for current, _ in layers.values())
        total = sum(whole for _, whole in layers.values())
        percent = f": {100 * done // total} % of {total / 1e6:.0f} MB" if total else ""
        tell(f"pulling {reference}{percent}")  # for each line: who is told may end it
