"""Which volumes of an engine a job may claim, over an engine that has some."""

from __future__ import annotations

from typing import Any

import pytest
from docker.errors import NotFound

from making import bare_plan
from profiling_operator import claims
from profiling_operator.containers import ANY, Terms
from profiling_operator.engine import Engine
from profiling_operator.errors import ExecutorError
from profiling_operator.plan import Plan

AGENT = Terms("gpu-1", ())
LABELS: dict[str, Any] = {
    "theirs": {claims.NAMESPACE: "other"},
    "mine": {claims.NAMESPACE: "ci"},
    "everybody-s": {claims.NAMESPACE: "*"},
    "nobody-s": {claims.NAMESPACE: ""},
    "bare": None,
    "other-1234-1-workspace": {"profiling.dev/attempt": "other-1234-1"},
}


class Api:
    """Volumes with labels."""

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """One that is there."""
        if name == "broken":
            raise OSError("gone")
        if name not in LABELS:
            raise NotFound("404", explanation="no such volume")
        return {"Name": name, "Labels": LABELS[name]}


HERE = Engine("unix:///x", Api())


def claiming(*wanted: str) -> Plan:
    """A plan of namespace `ci` that claims volumes."""
    volumes = [
        {"name": f"v{index}", "mountPath": f"/v{index}",
         "persistentVolumeClaim": {"claimName": name}}
        for index, name in enumerate(wanted)
    ]  # fmt: skip
    return bare_plan(app={"volumes": volumes})


@pytest.mark.parametrize("name", ["mine", "everybody-s"])
def test_a_job_may_claim_what_is_labelled_for_its_namespace(name: str) -> None:
    """Or for all."""
    assert claims.refusal(HERE, claiming(name), AGENT) == ""


@pytest.mark.parametrize(
    "name", ["theirs", "nobody-s", "bare", "missing", "other-1234-1-workspace"]
)
def test_nothing_else_is_claimed_from_an_agent(name: str) -> None:
    """Told alike whether it is there or not, with the command that makes one."""
    assert claims.refusal(HERE, claiming(name), AGENT) == (
        f"{name}: no such volume is here for ci: "
        f"`docker volume create --label profiling.dev/claim-namespace=ci {name}` makes one"
    )


def test_who_holds_the_engine_claims_what_there_is() -> None:
    """`profjob run`."""
    assert claims.refusal(HERE, claiming("theirs", "bare"), ANY) == ""
    assert claims.refusal(HERE, claiming("bare", "missing"), ANY) == (
        "missing: the engine has no such volume"
    )


def test_each_claim_is_told() -> None:
    """Not only the first one."""
    told = claims.refusal(HERE, claiming("theirs", "mine", "missing"), AGENT)

    assert "theirs: " in told and "missing: " in told and "mine: " not in told


def test_other_volumes_are_no_claims() -> None:
    """They are the attempt's own."""
    empty = {"name": "s", "mountPath": "/s", "emptyDir": {}}

    assert claims.refusal(HERE, bare_plan(app={"volumes": [empty]}), AGENT) == ""


def test_an_engine_that_does_not_answer_refuses_nothing() -> None:
    """It is asked again."""
    with pytest.raises(ExecutorError):
        claims.refusal(HERE, claiming("broken"), AGENT)
