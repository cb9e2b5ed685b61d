"""The door to a Docker engine: how it is reached, and what its errors mean.

The engine is the one that the `docker` command would talk to: `DOCKER_HOST` (unix, tcp with TLS,
ssh), else the chosen context, else the local socket. Bodies go in and out as the Engine API has
them (https://docs.docker.com/reference/api/engine/).
"""

from __future__ import annotations

import grp
import io
import itertools
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from docker.context import Context
from docker.context.config import get_current_context_name
from docker.errors import (
    APIError,
    DockerException,
    NotFound,
    create_api_error_from_http_exception,
)
from docker.utils import kwargs_from_env, parse_repository_tag

import docker
from profiling_operator.errors import (
    ExecutorError,
    ProfilingError,
    UnschedulableError,
)

DEFAULT_HOST = "unix:///var/run/docker.sock"
SECONDS = 60.0
LAST_WORDS = 1000  # characters
PIECE = 1 << 18
FRAME_HEAD = 8
CONTENT_PIECES = 256  # of at most PIECE bytes
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

# nvidia.com/gpu=0; there are also nvidia.com/gpu=all and one by UUID for each
CDI_GPU = re.compile(r"nvidia\.com/gpu=\d+")

# What the engine says, and what it means. The first one found in its message counts.
MEANINGS: tuple[tuple[str, type[ProfilingError], str], ...] = (
    ("could not select device driver", UnschedulableError,
     "the engine has no GPU runtime: install nvidia-container-toolkit there, then "
     "`nvidia-ctk runtime configure` and restart it"),
    ("nvidia-container-cli", UnschedulableError, "the engine's GPU runtime refuses"),
    ("CDI device injection failed", UnschedulableError, "the engine does not have the GPU"),
)  # fmt: skip


class Engine:
    """A Docker engine. Every failure is raised as one of our errors, but `NotFound`: see below."""

    def __init__(self, url: str, api: Any) -> None:
        """Use a client of the engine at `url`, which speaks the Engine API's own words."""
        self.url = url
        self.api = api
        self._info: dict[str, Any] = {}

    def close(self) -> None:
        """Let go of the connections."""
        with suppress(*FAILURES):
            self.api.close()

    @contextmanager
    def asked(self, what: str, refused: type[ProfilingError] = ExecutorError) -> Iterator[None]:
        """Translates the client's errors; `what` says what was being done.

        `refused` is raised for what the engine does not do, where its words mean nothing else.

        Something that is not there raises FileNotFoundError, since only the caller knows what that
        means.
        """
        try:
            yield
        except NotFound as error:
            raise FileNotFoundError(f"{what}: {_said(error)}") from error
        except APIError as error:
            raise _meant(what, _said(error), refused) from error
        except FAILURES as error:
            message = f"{what}: {self.url} does not answer: {_innermost(error)}"
            raise ExecutorError(message) from error

    def info(self) -> Mapping[str, Any]:
        """What the engine says of itself and its machine."""
        if not self._info:
            with self.asked("docker info"):
                self._info = self.api.info()
        return self._info

    @property
    def machine(self) -> str:
        """The engine's machine, as `uname -m` says."""
        said = str(self.info().get("Architecture", ""))
        return MACHINES.get(said, said)

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, by all that can be known."""
        return self.url.startswith("unix://")

    @property
    def has_gpu_runtime(self) -> bool:
        """Whether it has NVIDIA's runtime, which serves `--gpus`."""
        return any("nvidia" in one for one in self.info().get("Runtimes") or {})

    @property
    def cdi_gpus(self) -> tuple[str, ...]:
        """GPUs that it has discovered as CDI devices, as in `nvidia.com/gpu=0`."""
        found = (str(one.get("ID", "")) for one in self.info().get("DiscoveredDevices") or [])
        return tuple(sorted((one for one in found if CDI_GPU.fullmatch(one)), key=_ordinal))

    @property
    def memory(self) -> int:
        """The machine's, in bytes; 0: it does not say."""
        return int(self.info().get("MemTotal") or 0)

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the API that is spoken with it."""
        return tuple(int(part) for part in str(self.api.api_version).split("."))

    def inspected(self, container: str) -> dict[str, Any] | None:
        """A container as `docker inspect` shows it, or None where there is none."""
        try:
            with self.asked(f"inspect {container}"):
                return dict(self.api.inspect_container(container))
        except FileNotFoundError:
            return None

    def volume_labels(self, name: str) -> dict[str, str] | None:
        """The labels of a volume, or None where there is none of that name."""
        try:
            with self.asked(f"inspect volume {name}"):
                return dict(self.api.inspect_volume(name).get("Labels") or {})
        except FileNotFoundError:
            return None

    def last_words(self, container: str, lines: int = 20) -> str:
        """The end of what a container printed, for a message; empty where nothing is to be had."""
        with suppress(ExecutorError, FileNotFoundError), self.asked(f"logs {container}"):
            text = self.api.logs(container, tail=lines)
            return str(text.decode("utf-8", "replace")).strip()[-LAST_WORDS:]
        return ""

    def has(self, container: str, path: str) -> bool:
        """Whether a container's file system has something at a path."""
        try:
            with self.asked(f"look for {path}"):
                _refuse_errors(self.api.head(self._archive_url(container), params={"path": path}))
        except FileNotFoundError:
            return False
        return True

    def content(self, container: str, path: str, links: int = 3) -> bytes:
        """A file of a container, at most 64 MiB of it; empty where there is none.

        Links to a name beside them are followed, so many times: libraries have them.
        """
        try:
            with self.archive(container, path) as pieces:
                packed = io.BytesIO(b"".join(itertools.islice(pieces, CONTENT_PIECES)))
            with tarfile.open(fileobj=packed) as archive:
                member = archive.next()
                stream = archive.extractfile(member) if member and member.isreg() else None
                found = stream.read() if stream else b""
        except (FileNotFoundError, tarfile.TarError):
            return b""
        beside = member.linkname if member and member.issym() else ""
        if not beside or "/" in beside or not links:
            return found
        return self.content(container, f"{path.rpartition('/')[0]}/{beside}", links - 1)

    @contextmanager
    def archive(self, container: str, path: str) -> Iterator[Iterator[bytes]]:
        """A folder of a container as the pieces of a tar archive; what is not read is let go."""
        with (
            self.asked(f"read {path}"),
            self.api.get(
                self._archive_url(container),
                params={"path": path}, stream=True, timeout=self.api.timeout,
                headers={"Accept-Encoding": "identity"},  # else the engine compresses
            ) as response,
        ):  # fmt: skip
            _refuse_errors(response)
            yield response.iter_content(PIECE)

    def output_of(self, container: str) -> Iterator[bytes]:
        """What a container prints from now on, both streams as they come; ends with it."""
        url = f"{self.api.base_url}/v{self.api.api_version}/containers/{container}/attach"
        wanted = {"stream": 1, "stdout": 1, "stderr": 1}
        with self.asked(f"attach to {container}"):
            response = self.api.post(url, params=wanted, stream=True, timeout=self.api.timeout)
            _refuse_errors(response)
        return _frames(response)

    def _archive_url(self, container: str) -> str:
        # The client's own method hands out no response that could be closed early.
        return f"{self.api.base_url}/v{self.api.api_version}/containers/{container}/archive"

    def listed(self, kind: str, label: str) -> list[dict[str, Any]]:
        """What the engine has of `containers`, `volumes` or `networks` with a label."""
        with self.asked(f"list {kind}"):
            if kind == "containers":
                return list(self.api.containers(all=True, filters={"label": label}))
            if kind == "volumes":
                return list(self.api.volumes(filters={"label": label}).get("Volumes") or [])
            return list(self.api.networks(filters={"label": label}))

    def pull(self, reference: str) -> Iterable[Mapping[str, Any]]:
        """Pull an image, with the credentials of docker's own configuration, helpers included.

        Line by line, as the engine tells of it.
        """
        repository, tag = parse_repository_tag(reference)
        self.api.reload_config()  # a token may have been renewed since
        lines: Iterable[Mapping[str, Any]] = self.api.pull(
            repository, tag=tag or "latest", stream=True, decode=True
        )
        return lines


def _ordinal(device: str) -> int:
    return int(device.rpartition("=")[2])


def _refuse_errors(response: requests.Response) -> None:
    """Raises what the client would have raised."""
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)


def _frames(response: requests.Response) -> Iterator[bytes]:
    """The payloads of a stream of frames: which stream, three zeros, the size, the payload."""
    with response:
        while len(head := response.raw.read(FRAME_HEAD)) == FRAME_HEAD:
            yield response.raw.read(int.from_bytes(head[4:], "big"))


def connect(seconds: float | None = SECONDS) -> Engine:
    """The engine that the `docker` command would talk to; an answer may take so many seconds.

    Raises ExecutorError that says what to do when none answers.
    """
    url, tls = _address()
    try:
        return Engine(url, _client(url, tls, seconds))
    except (*FAILURES, ValueError) as error:  # ValueError: a port that is no number
        raise ExecutorError(_why_unreachable(url, error)) from error


def _address() -> tuple[str, Any]:
    """URL, and TLS settings where a context has them."""
    given = os.environ.get("DOCKER_HOST")
    if given:
        return given, None
    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name() or "default"
    if name == "default":
        return DEFAULT_HOST, None
    context = Context.load_context(name)
    if context is None:
        raise ExecutorError(
            f"there is no docker context named {name!r}: `docker context ls` lists them, "
            "DOCKER_CONTEXT or `docker context use` names one"
        )
    return context.Host or DEFAULT_HOST, context.TLSConfig


class _Client(docker.APIClient):
    """The engine's own authority is asked for: requests would rather take $REQUESTS_CA_BUNDLE.

    See https://github.com/psf/requests/issues/3829.
    """

    @property
    def trust_env(self) -> bool:
        return False

    @trust_env.setter
    def trust_env(self, value: bool) -> None:
        """Set by requests."""


def _client(url: str, tls: Any, seconds: float | None) -> docker.APIClient:
    """ssh goes through the user's own `ssh`, which knows keys, agents and jump hosts."""
    given: dict[str, Any] = {"base_url": url, "tls": tls}
    if tls is None:
        given = dict(kwargs_from_env(environment={**os.environ, "DOCKER_HOST": url}))
    given |= {"timeout": seconds, "use_ssh_client": bool(shutil.which("ssh"))}
    return _Client(**given)


def _why_unreachable(url: str, error: BaseException) -> str:
    """What to do about an engine that does not answer."""
    inner = _innermost(error)
    if isinstance(inner, PermissionError) or "Permission denied" in str(error):
        return f"no permission to use {url}: {_group_hint(url)}"
    hint = "is dockerd running there? DOCKER_HOST names another one"
    return f"no Docker engine answers at {url} ({inner}): {hint}"


def _group_hint(url: str) -> str:
    """Which group may use a socket."""
    where, nothing_known = urlsplit(url), "ask its administrator"
    if where.scheme != "unix":
        return nothing_known
    try:
        number = os.stat(where.path).st_gid
    except OSError:
        return nothing_known
    name = str(number)
    with suppress(KeyError):
        name = grp.getgrgid(number).gr_name
    return (
        f"it belongs to group {name}: `usermod -aG {name} USER` for a user, "
        f"`docker run --group-add {number}` for a container"
    )


def _innermost(error: BaseException) -> BaseException:
    """The error at the bottom: the client wraps what happened several times."""
    inner = error.__cause__
    for argument in error.args:
        inner = argument if isinstance(argument, BaseException) else inner
    reason = getattr(error, "reason", None)
    inner = reason if isinstance(reason, BaseException) else inner
    return error if inner is None or inner is error else _innermost(inner)


def _said(error: APIError) -> str:
    return str(error.explanation or error)


def _meant(what: str, said: str, refused: type[ProfilingError]) -> ProfilingError:
    for words, kind, meaning in MEANINGS:
        if words in said:
            return kind(f"{meaning} ({said})")
    return refused(f"{what}: {said}")
