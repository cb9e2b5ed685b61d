"""What a cluster cannot do of a plan is told by field, before anything is created."""

from __future__ import annotations

from typing import Any

import pytest

from making import job
from profiling_operator import plan, pod_refusals
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings, StoreSettings, ToolchainSettings

APP = {"image": "app:1", "command": ["/a"]}
STORES = {
    "default": StoreSettings(url="http://results/v1/results"),
    "bucket": StoreSettings(url="s3://bucket", secret_name="bucket-keys"),  # noqa: S106
}
PLAIN = Settings(stores=STORES)
RICH = Settings(
    stores=STORES, toolchains={"tau": ToolchainSettings(image="tau:1", path="/tools/tau")}
)


def planned(**changes: Any) -> Plan:
    """A plan of a job that a cluster takes."""
    return plan.build_plan(job(**{"uid": "u", "app": APP, **changes}))


def said(made: Plan, known: Settings = PLAIN) -> dict[str, str]:
    """What a cluster has against a plan, by field."""
    return {one.where: one.message for one in pod_refusals.check(made, known)}


def test_what_may_not_be_is_refused_by_field() -> None:
    """Before anything is created; every problem at once."""
    made = planned(
        app={}, playback={"port": 80}, placement={"host": "h"}, output={"store": "nowhere"},
    )  # fmt: skip

    assert said(made) == {
        "spec.app.image": "is required (on Kubernetes)",
        "spec.app.command": "is required: the image's entrypoint is not known here (on Kubernetes)",
        "spec.playback.image": "is required (on Kubernetes)",
        "spec.output.store": '"nowhere" must be one of: bucket, default (on Kubernetes)',
    }
    assert said(planned()) == {}
    assert "none is set up" in said(planned(), Settings())["spec.output.store"]


@pytest.mark.parametrize(
    ("path", "holder"),
    [
        ("/profiling_output", "spec.output.path"), ("/profiling_output/", "spec.output.path"),
        ("/.profiling", "the launcher"), ("/.profiling/x", "the launcher"),
        ("/tools/tau/", "the toolchain of tau"), ("/a/../tools/tau/bin", "the toolchain of tau"),
        ("/first", r"spec.app.volumes[0].mountPath"),
    ],
)  # fmt: skip
def test_two_volumes_at_one_path_are_refused(path: str, holder: str) -> None:
    """The API server would refuse them, or the one would hide the other."""
    volumes = [
        {"name": "first", "mountPath": "/first/", "emptyDir": {}},
        {"name": "second", "mountPath": path, "emptyDir": {}},
    ]
    made = planned(app={**APP, "volumes": volumes}, collectors=[{"name": "tau"}])

    assert said(made, RICH) == {
        "spec.app.volumes[1].mountPath": f'"{path}" is taken by {holder} (on Kubernetes)'
    }


def test_an_output_folder_where_our_own_files_are_is_refused() -> None:
    """And so is a toolchain's; a folder beside them is fine."""
    tau = [{"name": "tau"}]

    inside = planned(output={"path": "/tools/tau/out"}, collectors=tau)
    beside = planned(output={"path": "/tools/tau-out"}, collectors=tau)

    assert list(said(planned(output={"path": "/.profiling"}))) == ["spec.output.path"]
    assert list(said(inside, RICH)) == ["spec.output.path"]
    assert said(beside, RICH) == {}


def test_options_that_an_annotation_cannot_hold_are_refused() -> None:
    """An object's annotations have 256 KiB in all."""
    many = [{"name": "perf", "options": {"args": ["x" * 8000] * 40}}]

    assert "at most 131072" in said(planned(collectors=many))["spec.collectors"]


def test_nothing_is_attached_where_the_stores_credentials_could_be_read() -> None:
    """They are the uploader's environment, which its user's other processes may read."""
    attached = planned(
        collectors=[{"name": "perf"}, {"name": "pyspy", "mode": "attach"}],
        output={"store": "bucket"},
    )

    problems = said(attached)

    assert set(problems) == {"spec.collectors[1].mode"}
    assert 'credentials of the store "bucket"' in problems["spec.collectors[1].mode"]
    assert said(planned(output={"store": "bucket"})) == {}
