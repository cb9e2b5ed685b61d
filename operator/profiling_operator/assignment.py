"""What the operator tells the containers of a pod: an annotation that they find as a file.

The application's container does not get it. What it holds is to be read by whoever may read pods,
so nothing is in it that could be a secret: the application's words and variables are left out.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from profiling_operator import names
from profiling_operator.frozen import Frozen
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings, StoreSettings, ToolchainSettings
from profiling_operator.spec.app import App

ANNOTATION = f"{names.LABEL}assignment"
FOLDER = "/etc/profjob"
FILE = "assignment.json"
WORKSPACE = "/workspace"
"""Where collectors and uploader see the output folder, whatever path the application sees."""
TOOLCHAINS = "/toolchains"
"""Below it, a sidecar sees the volumes of toolchains that go to a path of their own."""
SCRATCH = "/scratch"
"""Where the uploader makes the result folder."""
RESULTS_TOKEN = "/var/run/secrets/profiling.dev/token"  # noqa: S105 - a path
"""The uploader's token for the results server."""
RESULTS_AUDIENCE = "profjob-results"
POD_NAME, POD_UID, NODE_NAME = "POD_NAME", "POD_UID", "NODE_NAME"
"""Environment variables of collectors and uploader, by the downward API."""


class Assignment(Frozen):
    """One attempt, as its sidecars and its uploader need it."""

    plan: Plan
    """Without the application's words and variables, and without the playback server."""
    toolchains: dict[str, ToolchainSettings] = Field(default_factory=dict)
    """Of the plan's collectors."""
    system_calls: tuple[str, ...] = ()
    """Those that the application, or an attached tool, may make although they are usually
    refused."""
    store: StoreSettings
    """Where the results go."""
    reports_to_api: bool = False
    """Whether the uploader applies `status.results`."""
    keep_personal: bool = False
    node: str = ""
    """Where it ran; empty: $NODE_NAME says it."""
    device: str = ""
    """The GPUs that it was given, where that is known."""
    image: str = ""
    """The application's image with its digest, where that is known."""
    machine: Machine | None = None
    """What it ran on, if not the uploader's own machine."""

    def settings(self) -> Settings:
        """The settings that matter in a pod: neither its environment nor a file adds to them."""
        return Settings.model_construct(
            toolchains=self.toolchains, keep_personal=self.keep_personal
        )


def assign(plan: Plan, known: Settings, system_calls: tuple[str, ...]) -> Assignment:
    """What the containers of a plan's pod are told. Raises KeyError for a store nobody knows."""
    wanted = {one.name for one in plan.collectors}
    bare = App(image=plan.app.image, security_context=plan.app.security_context)
    return Assignment(
        plan=plan.model_copy(update={"app": bare, "playback": None}),
        toolchains={name: one for name, one in known.toolchains.items() if name in wanted},
        system_calls=system_calls,
        store=known.stores[plan.output.store],
        reports_to_api=known.kubernetes.reports_to_api,
        keep_personal=known.keep_personal,
    )


def read(folder: Path = Path(FOLDER)) -> Assignment:
    """The assignment of this pod. Raises OSError, ValueError."""
    return Assignment.model_validate_json((folder / FILE).read_bytes())


def result_key(plan: Plan) -> str:
    """Where an attempt's results lie in any store: `namespace/job/uid/attempt`."""
    return f"{plan.namespace}/{plan.job}/{plan.uid}/{plan.attempt}"
