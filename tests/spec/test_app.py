"""The application's part of a job."""

from __future__ import annotations

from typing import Any

import pytest

import making
from profiling_operator.errors import SpecError
from profiling_operator.spec import reading
from profiling_operator.spec.app import App


def read_app(**fields: Any) -> App:
    """The application with these fields."""
    return reading.read_body(making.job_body(app=fields)).spec.app


def refusal(**fields: Any) -> str:
    """What is said about an application."""
    with pytest.raises(SpecError) as caught:
        read_app(**fields)
    return str(caught.value)


def test_everything_has_a_default() -> None:
    """An image alone may know its command; a process needs no image."""
    app = read_app()

    assert (app.image, app.command, app.args, app.env, app.volumes) == (None, (), (), (), ())
    assert app.resources.limits.cpu is None


def test_words_are_kept_byte_for_byte() -> None:
    """No shell, no variables, blanks and newlines as they are."""
    words = ("a b", "$(HOME)", "{run}", "", "x\ny", "é")

    assert read_app(command=list(words)).command == words


@pytest.mark.parametrize("field", ["command", "args"])
def test_a_word_with_a_nul_is_refused(field: str) -> None:
    """No system call takes it."""
    assert f"spec.app.{field}[0]" in refusal(**{field: ["a\x00b"]})


def test_a_variable_has_a_value_or_a_source() -> None:
    """Not both; neither is an empty value."""
    source = {"secretKeyRef": {"name": "s", "key": "k"}}

    assert read_app(env=[{"name": "A"}]).env[0].value is None
    assert read_app(env=[{"name": "A", "valueFrom": source}]).env[0].value_from is not None
    assert "must have value or valueFrom, not both" in refusal(
        env=[{"name": "A", "value": "", "valueFrom": source}]
    )


def test_a_name_of_a_variable_may_stand_twice() -> None:
    """As in Kubernetes, where the last one counts."""
    assert len(read_app(env=[{"name": "A"}, {"name": "A", "value": "1"}]).env) == 2


@pytest.mark.parametrize(
    "source",
    [{}, {"secretKeyRef": {"name": "s", "key": "k"}, "configMapKeyRef": {"name": "c", "key": "k"}}],
)
def test_a_source_is_a_secret_or_a_config_map(source: dict[str, Any]) -> None:
    """Exactly one of the two."""
    assert "must have exactly one of secretKeyRef and configMapKeyRef" in refusal(
        env=[{"name": "A", "valueFrom": source}]
    )


@pytest.mark.parametrize("name", ["", "1A", "A=B", "A B"])
def test_a_name_that_is_none_for_a_variable_is_refused(name: str) -> None:
    """The API server's rule."""
    assert "spec.app.env[0].name" in refusal(env=[{"name": name}])


@pytest.mark.parametrize(
    "source",
    [
        {"persistentVolumeClaim": {"claimName": "data"}},
        {"configMap": {"name": "settings"}},
        {"emptyDir": {}},
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ],
)
def test_a_volume_has_one_source(source: dict[str, Any]) -> None:
    """Of the three that there are."""
    volume = {"name": "v", "mountPath": "/data", **source}

    assert read_app(volumes=[volume]).volumes[0].mount_path == "/data"


def test_a_volume_without_or_with_two_sources_is_refused() -> None:
    """It says which ones there are."""
    bare = {"name": "v", "mountPath": "/data"}
    both = {**bare, "emptyDir": {}, "configMap": {"name": "c"}}

    assert "exactly one of persistentVolumeClaim, configMap and emptyDir" in refusal(volumes=[bare])
    assert "exactly one of persistentVolumeClaim, configMap and emptyDir" in refusal(volumes=[both])


def test_a_path_of_the_host_is_no_source() -> None:
    """By name, as every unknown field."""
    said = refusal(volumes=[{"name": "v", "mountPath": "/data", "hostPath": {"path": "/"}}])

    assert "spec.app.volumes[0].hostPath: is not a known field" in said


@pytest.mark.parametrize("path", ["/", "//", "data", "/a:b", "/a\x00b", ""])
def test_a_mount_path_is_an_absolute_path_below_the_root(path: str) -> None:
    """Mounting over `/` would hide the image; `:` separates in Docker's words."""
    assert "spec.app.volumes[0].mountPath" in refusal(
        volumes=[{"name": "v", "mountPath": path, "emptyDir": {}}]
    )


@pytest.mark.parametrize(
    ("names", "paths", "what"), [("aa", ("/x", "/y"), "name"), ("ab", ("/x", "/x"), "mountPath")]
)
def test_names_and_paths_of_volumes_stand_once(
    names: str, paths: tuple[str, ...], what: str
) -> None:
    """A pod with two of one would be refused much later."""
    volumes = [
        {"name": name, "mountPath": path, "emptyDir": {}}
        for name, path in zip(names, paths, strict=True)
    ]

    assert f"must not have two volumes of one {what}" in refusal(volumes=volumes)


@pytest.mark.parametrize("name", ["a..b", "a.-b", "-a", "A", "a_b", "a.", ""])
def test_a_name_of_an_object_is_a_dns_name(name: str) -> None:
    """Each part of it a label."""
    assert "imagePullSecrets[0].name" in refusal(imagePullSecrets=[{"name": name}])


@pytest.mark.parametrize("user", [-1, 2**31, "1000", 1.0])
def test_a_user_is_a_number_that_the_kernel_takes(user: Any) -> None:
    """Never a name."""
    assert "spec.app.securityContext.runAsUser" in refusal(securityContext={"runAsUser": user})
