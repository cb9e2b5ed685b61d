"""The operator's own knobs: environment variables `PROFJOB_…`, or a YAML file.

The file is `$PROFJOB_SETTINGS`, else `settings.yaml` in `$XDG_CONFIG_HOME/profjob`.
`PROFJOB_TOOLCHAINS__TAU__PATH=/opt/tau` sets `toolchains.tau.path`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pydantic
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from profiling_operator.errors import Problem, SpecError
from profiling_operator.frozen import Frozen
from profiling_operator.quantities import Quantity


class ToolchainSettings(Frozen):
    """Where a collector's files come from."""

    path: str = ""
    """A folder: of this machine, or of the image."""
    image: str = ""
    """An image that holds them."""
    in_app: bool = False
    """They are in the application's own image, below `path`."""


class DockerSettings(Frozen):
    """How containers run on a Docker engine."""

    pull: Literal["missing", "always", "never"] = "missing"
    """When images are pulled."""
    network: str = ""
    """The network of jobs without a playback server: `bridge`, `none`, or the name of one; default:
    `bridge` for `profjob run`, `none` for an agent."""
    internal: bool | None = None
    """The networks that are made for playback servers have no way out; default: an agent's have
    none."""
    read_only: bool = False
    """Applications may write to their volumes only, not to the rest of their file system."""
    capabilities: tuple[str, ...] = ()
    """Capabilities of applications; all others are dropped."""
    system_calls: tuple[str, ...] = ("perf_event_open",)
    """System calls that the engine refuses by default, and that collectors may have."""
    pids_limit: int = 4096
    """Most processes and threads of a container."""


class GpuSettings(Frozen):
    """A GPU of a Docker host."""

    uuid: str = pydantic.Field(pattern=r"^[A-Za-z0-9/_.-]{1,80}$")
    """As `nvidia-smi -L` tells it: `GPU-0b8d6a52-…`, or `MIG-…`."""
    product: str = ""
    """What `spec.gpu.product` selects by: `NVIDIA-H200`."""


class AgentSettings(Frozen):
    """How the agent of a Docker host keeps the jobs that are addressed to it."""

    namespace: str = "profiling-system"
    """Where the Lease is by which one agent of a name stays the only one."""
    gpus: tuple[GpuSettings, ...] = ()
    """The host's GPUs; none named: those that the driver, or the engine, tells of."""
    gpu_request: Literal["auto", "runtime", "cdi", "environment"] = "auto"
    """How a container gets its GPUs: through NVIDIA's runtime, as CDI devices, or by the variable
    NVIDIA_VISIBLE_DEVICES alone, where the engine's default runtime heeds it."""
    jobs_without_gpu: int = pydantic.Field(default=1, ge=0)
    """How many jobs without GPUs run at once."""
    collections: int = pydantic.Field(default=2, ge=1)
    """How many results are converted and sent at once."""
    memory: Quantity = ""
    """Memory limit of applications and playback servers that ask for none; default: nine tenths of
    the machine's."""
    collection_memory: Quantity = "4Gi"
    """Memory limit of a conversion: of the data of each of its processes."""


class KubernetesSettings(Frozen):
    """How pods run in a cluster."""

    image: str = ""
    """The image of profjob itself, for collector sidecars and the uploader."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When images are pulled: profjob's, the application's, the playback server's."""
    pull_secrets: tuple[str, ...] = ()
    """Secrets in the jobs' namespaces with credentials for the image of profjob."""
    run_as_user: int = pydantic.Field(default=65532, ge=1)
    """User and group id of applications that ask for none; never 0."""
    service_account: str = "profjob-uploader"
    """Service account of the pods. Only the uploader has a token of it."""
    uploader_role: str = ""
    """ClusterRole that is bound to the service account in each namespace with jobs, both made on
    first use. Empty: somebody else makes them."""
    reports_to_api: bool = True
    """The uploader applies `status.results` itself. Only where the admission policy is in place
    that keeps it to its own job."""
    seccomp_profile: str = ""
    """Profile below the kubelets' seccomp folder that lets applications make the system calls that
    collectors such as perf need: `profiles/profjob-perf.json`. Empty: there is none."""
    seccomp_namespaces: tuple[str, ...] = ("*",)
    """Namespaces whose jobs may have that profile; `*`: all."""
    gpu_product_label: str = "nvidia.com/gpu.product"
    """Node label that `spec.gpu.product` selects by."""
    unschedulable_seconds: int = pydantic.Field(default=300, ge=0)
    """How long a job waits although no node could ever serve it: a cluster may grow. 0: until
    deadlines.queueSeconds."""
    image_pull_seconds: int = pydantic.Field(default=60, ge=0)
    """How long a pull may fail before it counts as failed."""
    collector_memory: Quantity = "256Mi"
    """Memory limit of a collector's sidecar."""
    uploader_memory: Quantity = "1Gi"
    """Memory limit of the uploader, which converts."""
    starts_per_second: float = pydantic.Field(default=20.0, gt=0)
    """Most Jobs created in a second."""


class StoreSettings(Frozen):
    """Where result folders go."""

    url: str
    """`http(s)://` of a results server, `s3://bucket/prefix` and the like, or `file:///folder`."""
    secret_name: str = ""
    """Secret in the jobs' namespaces whose keys become the uploader's environment variables, for
    an object store's credentials."""
    ca: str = ""
    """Certificate authority of the server in PEM, where it is not a public one."""
    options: dict[str, str] = pydantic.Field(default_factory=dict)
    """Further options of an object store, as in `endpoint` or `region`."""


class MetricsSettings(Frozen):
    """What the operator tells Prometheus."""

    results: bool = False
    """Also the newest result of each series, as `profjob_result`."""
    max_series: int = pydantic.Field(default=1000, ge=0)
    """Most time series of results."""


class Settings(BaseSettings):
    """All settings, each with a default that works on one machine."""

    model_config = SettingsConfigDict(
        env_prefix="PROFJOB_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    toolchains: dict[str, ToolchainSettings] = {}
    """By collector."""
    docker: DockerSettings = DockerSettings()
    """For the docker executor."""
    kubernetes: KubernetesSettings = KubernetesSettings()
    """For the operator on a cluster."""
    agent: AgentSettings = AgentSettings()
    """For the agent of a Docker host."""
    stores: dict[str, StoreSettings] = {}
    """By the name that jobs give as `output.store`."""
    metrics: MetricsSettings = MetricsSettings()
    """For the operator's metrics."""
    baselines: str = ""
    """Where `profjob run` keeps baselines: the URL of a store, as `file:///srv/baselines`; default:
    a folder of the user's."""
    state_dir: str = ""
    """Where the process executor keeps its attempts; default: a folder in the temporary folder."""
    keep_personal: bool = False
    """Keep metadata that can carry secrets or people: command line, user, working directory."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file."""
        return (
            init_settings,
            env_settings,
            YamlConfigSettingsSource(settings_cls, yaml_file=settings_file()),
        )


def data_folder() -> Path:
    """Where files of the user's are that no program can make again."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "profjob"


def settings_file() -> Path:
    """The file that settings are read from; it need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(os.environ.get("PROFJOB_SETTINGS") or Path(home) / "profjob" / "settings.yaml")


def load() -> Settings:
    """The settings. Raises SpecError naming each bad one."""
    try:
        return Settings()
    except pydantic.ValidationError as error:
        problems = [
            Problem(f"settings.{'.'.join(map(str, one['loc']))}", one["msg"])
            for one in error.errors()
        ]
        raise SpecError(problems) from error
