"""What a decision asks for, done: creates, deletes, and asks those who know more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from profiling_operator import api, inventory, names, pods
from profiling_operator.api import Api, Listing
from profiling_operator.asking import Baselines, Patience, Reports
from profiling_operator.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
)
from profiling_operator.inventory import Inventory
from profiling_operator.plan import Plan
from profiling_operator.publishing import MANAGER
from profiling_operator.quantities import parse_quantity
from profiling_operator.reconcile import Accept, Action, CreateJob, Need, Notice
from profiling_operator.settings import Settings

Body = Mapping[str, Any]
KINDS = {"jobs": api.JOBS, "pods": api.PODS, names.PLURAL: api.PROFILING_JOBS}
PLACES_SECONDS = 30.0  # nodes are asked for no more often
ACCOUNT_SECONDS = 60.0  # a namespace may have been deleted and made anew
NEVER_TAKEN = {400, 413, 422}
"""HTTP statuses of what no second try would change: malformed, too large, invalid or denied."""
DENIED = ("exceeded quota", "denied the request", "denied request")
"""What quotas, webhooks and admission policies say with HTTP status 403."""


@dataclass
class Acting:
    """The hands of the operator."""

    api: Api
    settings: Settings
    reports: Reports
    baselines: Baselines
    inventory: Inventory = field(default_factory=Inventory)
    _pace: asyncio.Lock = field(default_factory=asyncio.Lock)
    _next_start: float = 0.0
    _accounts: dict[str, float] = field(default_factory=dict)
    """By namespace, when it was seen to have its account."""
    _nodes: tuple[float, list[Body] | None] = (0.0, None)

    def __post_init__(self) -> None:
        """Stores are asked in one way, wherever attempts run."""
        self.stores = Patience(self.reports, self.baselines)

    async def children(self, namespaces: Sequence[str]) -> Mapping[str, Listing]:
        """All Jobs and pods of ours; no namespace named: of all. Raises ApiError's kinds."""
        return {
            kind: await self.api.list_in(where, namespaces, labels=pods.JOB_UID)
            for kind, where in ((inventory.JOBS, api.JOBS), (inventory.PODS, api.PODS))
        }

    def settle(self, uid: str, body: Body | None) -> None:
        """What a job has left is removed with it, since it owns that."""

    async def perform(self, action: Action, namespace: str) -> Notice | None:
        """Do it; done twice is done once. Returns what is to be told of it.

        Raises ApiError's kinds, StoreError, RefusedError.
        """
        if isinstance(action, Accept):
            return await self.stores.accept(action)
        if isinstance(action, CreateJob):
            await self._create(action.plan)
        else:
            kind = KINDS[action.kind]
            await self.api.delete(kind, namespace, action.name, uid=action.uid)
        return None

    async def learn(self, need: Need, plan: Plan) -> Any:
        """The answer to what a decision needs. Raises ApiError's kinds, StoreError."""
        if need is Need.REPORT:
            return await self.stores.report(plan)
        if need is Need.REFUSALS:
            return await self._refusal(plan)
        if need is Need.BASELINES:
            return await self.stores.snapshots(plan)
        if need is Need.PLACES:
            return await self._has_place(plan)
        return await self._job(plan)

    async def _create(self, plan: Plan) -> None:
        await self._wait_for_turn()
        await self._ensure_account(plan.namespace)
        body = pods.job(plan, self.settings)
        try:
            made: Body = await self.api.create(api.JOBS, plan.namespace, body, MANAGER)
        except ConflictError:
            made = await self._found(plan)
        except ApiError as error:
            is_denied = isinstance(error, ForbiddenError) and any(
                words in str(error) for words in DENIED
            )
            if is_denied or error.code in NEVER_TAKEN:
                raise RefusedError(str(error)) from error
            raise  # our own rights, a namespace that goes away, no answer
        self.inventory.put("jobs", made)

    async def _found(self, plan: Plan) -> Body:
        """A Job of that name is there: ours, by its owner's UID, or somebody else's."""
        there = await self.api.get(api.JOBS, plan.namespace, plan.name)
        owners = there["metadata"].get("ownerReferences") or ()
        if not any(one.get("uid") == plan.uid for one in owners):
            raise RefusedError(f"a Job named {plan.name} is there, and it is not of this job")
        return there

    async def _wait_for_turn(self) -> None:
        """So many Jobs in a second at most, whatever comes in at once."""
        async with self._pace:
            now = asyncio.get_running_loop().time()
            start = max(now, self._next_start)
            self._next_start = start + 1 / self.settings.kubernetes.starts_per_second
        await asyncio.sleep(start - now)

    async def _ensure_account(self, namespace: str) -> None:
        """The uploader's service account, and its right to report, where we are to make them."""
        known = self.settings.kubernetes
        now = asyncio.get_running_loop().time()
        since = self._accounts.get(namespace)
        if not known.uploader_role or (since is not None and now - since < ACCOUNT_SECONDS):
            return
        account = {
            "metadata": {"name": known.service_account, "labels": OURS},
            "automountServiceAccountToken": False,
        }
        subject = {"kind": "ServiceAccount", "name": known.service_account, "namespace": namespace}
        binding = {
            "metadata": {"name": known.service_account, "labels": OURS},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": known.uploader_role,
            },
            "subjects": [subject],
        }
        for kind, body in ((api.SERVICE_ACCOUNTS, account), (api.ROLE_BINDINGS, binding)):
            try:
                await self.api.create(kind, namespace, body, MANAGER)
            except ConflictError:
                continue
        self._accounts[namespace] = now

    async def _refusal(self, plan: Plan) -> str:
        """Why the Job controller could not create the pod, by its newest event; empty: no word."""
        fields = f"involvedObject.kind=Job,involvedObject.name={plan.name},reason=FailedCreate"
        found = await self.api.list(api.EVENTS, plan.namespace, fields=fields)
        newest = max(found.items, key=_last_time, default=None)
        return str(newest.get("message") or "") if newest else ""

    async def _has_place(self, plan: Plan) -> bool:
        """Whether a node could serve it, were it free. Without the right to look: perhaps."""
        nodes = await self._listed_nodes()
        return nodes is None or any(_could_serve(one, plan, self.settings) for one in nodes)

    async def _listed_nodes(self) -> list[Body] | None:
        since, nodes = self._nodes
        now = asyncio.get_running_loop().time()
        if nodes is None or now - since > PLACES_SECONDS:
            try:
                nodes = list((await self.api.list(api.NODES)).items)
            except ForbiddenError:
                return None
            self._nodes = (now, nodes)
        return nodes

    async def _job(self, plan: Plan) -> Body | None:
        try:
            found = await self.api.get(api.JOBS, plan.namespace, plan.name)
        except NotFoundError:
            return None
        self.inventory.put("jobs", found)
        return found


OURS = {"app.kubernetes.io/managed-by": "profiling-operator"}


def _last_time(event: Body) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), ""))


def _could_serve(node: Body, plan: Plan, known: Settings) -> bool:
    """Whether a node has the labels, the GPUs and the room; taints and what is free are the
    scheduler's."""
    labels = node["metadata"].get("labels") or {}
    wanted = dict(plan.placement.node_selector)
    gpu = plan.gpu
    if gpu is not None and gpu.product:
        wanted[known.kubernetes.gpu_product_label] = gpu.product
    there = ((node.get("status") or {}).get("allocatable") or {}).items()
    allocatable = {name: parse_quantity(str(amount)) for name, amount in there}
    limits = plan.app.resources.limits
    # Not every node tells how much room it has.
    room = plan.output.size_limit if "ephemeral-storage" in allocatable else None
    asked = {"cpu": limits.cpu, "memory": limits.memory, "ephemeral-storage": room}
    needed = {name: parse_quantity(amount) for name, amount in asked.items() if amount}
    if gpu is not None:
        needed[gpu.resource] = parse_quantity(str(gpu.count))
    has_labels = all(labels.get(name) == value for name, value in wanted.items())
    return has_labels and all(allocatable.get(name, 0) >= amount for name, amount in needed.items())
