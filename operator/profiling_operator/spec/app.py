"""The application: what runs, with what, as whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from profiling_operator.frozen import Frozen, keyed_by, rules
from profiling_operator.quantities import Quantity

VARIABLES_LIMIT = 256

Image = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^\S+$")]
Word = Annotated[str, StringConstraints(max_length=8192, pattern=r"^[^\x00]*$")]
EnvValue = Annotated[str, StringConstraints(max_length=32768, pattern=r"^[^\x00]*$")]
AbsolutePath = Annotated[  # below the root: mounting over `/` hides the whole image
    str, StringConstraints(max_length=1024, pattern=r"^/[^\x00:/][^\x00:]*$")
]
WorkingDir = Annotated[str, StringConstraints(max_length=1024, min_length=1, pattern=r"^[^\x00]*$")]
DnsLabel = Annotated[
    str, StringConstraints(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
DnsName = Annotated[
    str,
    StringConstraints(
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
EnvName = Annotated[str, StringConstraints(max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
Key = Annotated[str, StringConstraints(max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class KeySelector(Frozen):
    """One key of a Secret or a ConfigMap in the job's namespace."""

    name: DnsName
    """The object's name."""
    key: Key
    """The key in it."""


class EnvValueFrom(Frozen):
    """Where a variable's value is taken from: exactly one of the two."""

    model_config = rules(
        (
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "must have exactly one of secretKeyRef and configMapKeyRef",
        )
    )

    secret_key_ref: KeySelector | None = None
    """A Secret's key. The job's author needs `get` on that Secret."""
    config_map_key_ref: KeySelector | None = None
    """A ConfigMap's key."""

    @model_validator(mode="after")
    def _exactly_one(self) -> EnvValueFrom:
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            raise ValueError("must have exactly one of secretKeyRef and configMapKeyRef")
        return self


class EnvVar(Frozen):
    """One environment variable of the application."""

    model_config = rules(
        ("!(has(self.value) && has(self.valueFrom))", "must have value or valueFrom, not both")
    )

    name: EnvName
    """Its name."""
    value: EnvValue | None = None
    """Its value. A number needs quotes, as everywhere in Kubernetes."""
    value_from: EnvValueFrom | None = None
    """Its source, instead of a value."""

    @model_validator(mode="after")
    def _value_or_source(self) -> EnvVar:
        if self.value is not None and self.value_from is not None:
            raise ValueError("must have value or valueFrom, not both")
        return self


class Limits(Frozen):
    """Upper bounds; requests are set to the same values."""

    cpu: Quantity | None = None
    """CPU cores, as in `4` or `500m`."""
    memory: Quantity | None = None
    """Bytes of memory, as in `8Gi`."""


class Resources(Frozen):
    """Resources of the application. GPUs are asked for in `spec.gpu`."""

    limits: Limits = Limits()
    """Upper bounds."""


class ClaimSource(Frozen):
    """A PersistentVolumeClaim."""

    claim_name: DnsName
    """Its name, in the job's namespace."""
    read_only: bool = False
    """Mount it for reading only."""


class ConfigMapSource(Frozen):
    """A ConfigMap as files."""

    name: DnsName
    """Its name, in the job's namespace."""


class EmptyDirSource(Frozen):
    """An empty folder that lives as long as the attempt."""

    medium: Literal["", "Memory"] = ""
    """`Memory` for a tmpfs, as /dev/shm needs it."""
    size_limit: Quantity | None = None
    """Its largest size."""


class Volume(Frozen):
    """A volume and where it is mounted; never a path of the host. Exactly one source."""

    model_config = rules(
        (
            "(has(self.persistentVolumeClaim) ? 1 : 0) + (has(self.configMap) ? 1 : 0)"
            " + (has(self.emptyDir) ? 1 : 0) == 1",
            "must have exactly one of persistentVolumeClaim, configMap and emptyDir",
        )
    )

    name: DnsLabel
    """The volume's name."""
    mount_path: AbsolutePath
    """Where the application sees it."""
    persistent_volume_claim: ClaimSource | None = None
    """A PersistentVolumeClaim."""
    config_map: ConfigMapSource | None = None
    """A ConfigMap."""
    empty_dir: EmptyDirSource | None = None
    """An empty folder."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Volume:
        sources = (self.persistent_volume_claim, self.config_map, self.empty_dir)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(
                "must have exactly one of persistentVolumeClaim, configMap and emptyDir"
            )
        return self


class SecurityContext(Frozen):
    """As whom the application, the collectors and the uploader run."""

    run_as_user: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """User id. Default: the operator's setting; for processes, the user who runs `profjob`."""
    run_as_group: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Group id. Default: the same number as the user id."""


class PullSecret(Frozen):
    """A Secret with a registry's credentials."""

    name: DnsName
    """Its name, in the job's namespace."""


class App(Frozen):
    """The application to profile."""

    model_config = rules(
        (
            "!has(self.volumes)"
            " || self.volumes.all(a, self.volumes.exists_one(b, a.mountPath == b.mountPath))",
            "volumes: must not have two volumes of one mountPath",
        )
    )

    image: Image | None = None
    """Container image. Required where containers run; the process executor ignores it."""
    command: Annotated[tuple[Word, ...], Field(max_length=256)] = ()
    """The program and its first words. Docker: defaults to the image's entrypoint."""
    args: Annotated[tuple[Word, ...], Field(max_length=1024)] = ()
    """Words after the command, passed on unchanged: no shell, no `$(VAR)`."""
    working_dir: WorkingDir | None = None
    """Working directory. Default: the image's; for processes, the folder of the job's file."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=VARIABLES_LIMIT)] = ()
    """Environment variables."""
    resources: Resources = Resources()
    """Limits of CPU and memory."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=32)] = Field(
        default=(), json_schema_extra=keyed_by("name")
    )
    """Volumes to mount; each name and each path once."""
    security_context: SecurityContext = SecurityContext()
    """User and group."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=8)] = ()
    """Credentials for the image."""

    @field_validator("volumes")
    @classmethod
    def _apart(cls, value: tuple[Volume, ...]) -> tuple[Volume, ...]:
        for what, listed in (
            ("name", [volume.name for volume in value]),
            ("mountPath", [volume.mount_path for volume in value]),
        ):
            if len(set(listed)) != len(listed):
                raise ValueError(f"must not have two volumes of one {what}: {', '.join(listed)}")
        return value
