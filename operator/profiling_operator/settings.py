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
    network: str = "bridge"
    """The network of jobs without a playback server: `bridge`, `none`, or the name of one."""
    internal: bool = False
    """The networks that are made for playback servers have no way out."""
    read_only: bool = False
    """Applications may write to their volumes only, not to the rest of their file system."""
    capabilities: tuple[str, ...] = ()
    """Capabilities of applications; all others are dropped."""
    system_calls: tuple[str, ...] = ("perf_event_open",)
    """System calls that the engine refuses by default, and that collectors may have."""
    pids_limit: int = 4096
    """Most processes and threads of a container."""


class Settings(BaseSettings):
    """All settings, each with a default that works on one machine."""

    model_config = SettingsConfigDict(
        env_prefix="PROFJOB_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    toolchains: dict[str, ToolchainSettings] = {}
    """By collector."""
    docker: DockerSettings = DockerSettings()
    """For the docker executor."""
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
