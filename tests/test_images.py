"""How images come to an engine: pulled or not, told of, refused."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from profiling_operator.engine import Engine
from profiling_operator.errors import ImageError, PreflightError, Reason
from profiling_operator.images import Image, obtain, resolved


class Api:
    """The client's half that speaks the Engine API's words, as far as images go."""

    def __init__(self, **images: dict[str, Any]) -> None:
        """`images` are there from the start, by name."""
        self.images = images
        self.registry: dict[str, dict[str, Any]] = {}
        self.lines: list[dict[str, Any]] = []
        self.pulled: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    def info(self) -> dict[str, Any]:
        """A machine of the most usual kind."""
        return {"Architecture": "x86_64"}

    def reload_config(self) -> None:
        """Credentials are read anew."""
        self.pulled.append(("credentials", ""))

    def pull(self, repository: str, tag: str, **how: Any) -> list[dict[str, Any]]:
        """Take an image from the registry, where it has it."""
        assert how == {"stream": True, "decode": True}
        self.pulled.append((repository, tag))
        if self.refusal:
            raise self.refusal
        self.images.update(self.registry)
        return self.lines

    def inspect_image(self, reference: str) -> dict[str, Any]:
        """An image that is there."""
        if reference not in self.images:
            raise ImageNotFound("404", explanation=f"No such image: {reference}")
        return self.images[reference]


def refused(words: str) -> APIError:
    """What the client raises when the engine refuses."""
    return APIError("500 Server Error", explanation=words)


def image(architecture: str = "amd64", **config: Any) -> dict[str, Any]:
    """An image as `docker image inspect` shows it."""
    return {"Id": "sha256:1", "Architecture": architecture, "Config": config or None}


def heard(api: Api, reference: str = "app", pull: str = "missing") -> tuple[Image, list[str]]:
    """The image, and what was told on the way."""
    told: list[str] = []
    return obtain(Engine("U", api), reference, pull, told.append), told


def test_an_image_is_known_by_what_matters_of_it() -> None:
    """What it starts, with which variables, and for which machine."""
    body = image(Entrypoint=["/entry"], Cmd=["serve"], Env=["A=1"])

    assert heard(Api(app=body))[0] == Image(
        id="sha256:1", reference="app", machine="x86_64", entrypoint=("/entry",),
        command=("serve",), env=("A=1",),
    )  # fmt: skip


@pytest.mark.parametrize("config", [{}, {"Entrypoint": None, "Cmd": None, "Env": None}])
def test_an_image_may_say_nothing(config: dict[str, Any]) -> None:
    """Then there is nothing to start by default."""
    assert heard(Api(app=image(**config)))[0] == Image("sha256:1", "app", "x86_64")


@pytest.mark.parametrize(
    ("pull", "is_there", "is_pulled"),
    [
        ("missing", True, False), ("missing", False, True),
        ("always", True, True), ("always", False, True),
        ("never", True, False),
    ],
)  # fmt: skip
def test_images_are_pulled_as_the_settings_say(pull: str, is_there: bool, is_pulled: bool) -> None:
    """With credentials that are read anew."""
    api = Api(**({"app": image()} if is_there else {}))
    api.registry = {"app": image()}

    heard(api, pull=pull)

    assert api.pulled == ([("credentials", ""), ("app", "latest")] if is_pulled else [])


@pytest.mark.parametrize("pull", ["never", "always"])
def test_an_image_that_does_not_come_is_told(pull: str) -> None:
    """With the setting that keeps it from coming, if that does."""
    with pytest.raises(ImageError, match=rf"app: is not on the engine \(pull: {pull}\)"):
        heard(Api(), pull=pull)


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("app", ("app", "latest")),
        ("app:1", ("app", "1")),
        ("registry.example:5000/team/app", ("registry.example:5000/team/app", "latest")),
        ("registry.example:5000/team/app:1.2", ("registry.example:5000/team/app", "1.2")),
        ("app@sha256:0123", ("app", "sha256:0123")),
    ],
)
def test_one_image_is_pulled_and_not_all_of_a_repository(
    reference: str, asked: tuple[str, str]
) -> None:
    """Without a tag an engine would send them all."""
    api = Api()
    api.registry = {reference: image()}

    heard(api, reference)

    assert api.pulled[-1] == asked


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (refused("unauthorized: incorrect username or password"), "unauthorized"),
        (ImageNotFound("404", explanation="pull access denied for app"), "pull access denied"),
        (requests.ConnectionError("reset"), "reset"),
        (DockerException("credential helper is not installed"), "credential helper"),
    ],
)
def test_a_pull_that_is_refused_is_told(refusal: Exception, told: str) -> None:
    """As an image's error, in the registry's words."""
    api = Api()
    api.refusal = refusal

    with pytest.raises(ImageError, match=told):
        heard(api)


def test_a_pull_that_breaks_off_is_told() -> None:
    """Its errors come as lines of a stream that began well."""
    api = Api()
    api.registry = {"app": image()}
    api.lines = [{"status": "Pulling from app", "id": "1"}, {"error": "manifest unknown"}]

    with pytest.raises(ImageError, match="app: manifest unknown"):
        heard(api)


def loading(layer: str, total: int, **current: int) -> dict[str, Any]:
    """A line of a pull."""
    return {"status": "Downloading", "id": layer, "progressDetail": {"total": total, **current}}


def test_a_pull_tells_how_far_it_is() -> None:
    """Over all layers that are known, and for each line: whoever is told may put an end to it."""
    api = Api()
    api.registry = {"app": image()}
    api.lines = [
        {"status": "Pulling from app", "id": "1"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "a"},
        loading("a", 40_000_000),  # engines leave out a 0
        loading("a", 40_000_000, current=10_000_000),
        loading("a", 40_000_000, current=10_000_001),
        loading("b", 60_000_000, current=30_000_000),
        {"status": "Downloading", "id": "c", "progressDetail": {}},
        {"status": "Extracting", "id": "a", "progressDetail": {"current": 1, "total": 40_000_000}},
        {"status": "Download complete", "progressDetail": None, "id": "b"},
        loading("a", 40_000_000, current=40_000_000),
        loading("b", 60_000_000, current=60_000_000),
        {"status": "Status: Downloaded newer image for app"},
    ]

    told = heard(api)[1]
    assert len(told) == len(api.lines)
    assert list(dict.fromkeys(told)) == [
        "pulling app",
        "pulling app: 0 % of 40 MB",
        "pulling app: 25 % of 40 MB",
        "pulling app: 40 % of 100 MB",
        "pulling app: 70 % of 100 MB",
        "pulling app: 100 % of 100 MB",
    ]


@pytest.mark.parametrize(
    ("architecture", "told"), [("arm64", "aarch64"), ("386", "386"), ("s390x", "s390x")]
)
def test_an_image_of_another_architecture_is_refused(architecture: str, told: str) -> None:
    """Before anything starts: it would fail with an exec format error."""
    with pytest.raises(PreflightError) as caught:
        heard(Api(app=image(architecture)))

    assert caught.value.reason is Reason.CANNOT_START
    assert str(caught.value) == f"app is for {told}, the engine's machine is x86_64"


@pytest.mark.parametrize(("digests", "told"), [
    (["registry.example/app@sha256:2"], "registry.example/app@sha256:2"),
    ([], "sha256:1"), (None, "sha256:1"),
])  # fmt: skip
def test_an_image_is_told_by_its_digest(digests: list[str] | None, told: str) -> None:
    """As a registry knows it, else as the engine does; also one that was removed meanwhile."""
    api = Api(**{"sha256:1": {**image(), "RepoDigests": digests}})

    assert resolved(Engine("U", api), "sha256:1") == told
    assert resolved(Engine("U", api), "sha256:9") == "sha256:9"
