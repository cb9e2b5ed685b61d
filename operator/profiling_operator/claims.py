"""Which volumes of an engine a job may claim.

`profjob run` may have any: who runs it holds the engine. The author of a job that an agent runs
holds nothing, and an engine's volumes are also the workspaces, keys and databases of others: so
whoever keeps the host says by a label which namespace may claim a volume.
"""

from __future__ import annotations

from collections.abc import Iterator

from profiling_operator import names
from profiling_operator.containers import Terms
from profiling_operator.engine import Engine
from profiling_operator.plan import Plan

NAMESPACE = f"{names.LABEL}claim-namespace"
ANY = "*"


def refusal(here: Engine, plan: Plan, terms: Terms) -> str:
    """Why the plan's claims cannot be mounted; empty: they can.

    Raises ExecutorError while the engine does not answer.
    """
    return "; ".join(_refusals(here, plan, terms))


def _refusals(here: Engine, plan: Plan, terms: Terms) -> Iterator[str]:
    for one in plan.app.volumes:
        if one.persistent_volume_claim is None:
            continue
        name = one.persistent_volume_claim.claim_name
        labels = here.volume_labels(name)
        if terms.agent and (labels or {}).get(NAMESPACE) not in {plan.namespace, ANY}:
            # The same words whether it is there or not: names of others' volumes are not told.
            command = f"docker volume create --label {NAMESPACE}={plan.namespace} {name}"
            yield f"{name}: no such volume is here for {plan.namespace}: `{command}` makes one"
        elif labels is None:
            yield f"{name}: the engine has no such volume"
