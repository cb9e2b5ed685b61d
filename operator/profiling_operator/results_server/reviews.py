"""What the API server knows: whose a token is, what he may, which pod that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from profiling_operator import names
from profiling_operator.api import ACCESS_REVIEWS, PODS, TOKEN_REVIEWS, Api, Body, NotFoundError


@dataclass(frozen=True)
class Identity:
    """Who somebody is."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def only(self, name: str) -> str:
        """The value of an extra that has exactly one; empty otherwise."""
        values = self.extra.get(name, ())
        return values[0] if len(values) == 1 else ""


@dataclass(frozen=True)
class Right:
    """What somebody wants to do, as roles have it."""

    verb: str
    namespace: str
    name: str = ""
    """Empty: any."""
    subresource: str = ""

    def __str__(self) -> str:
        """For people: `get profilingjobs.profiling.dev nbody-1 in namespace ci`."""
        below = f"/{self.subresource}" if self.subresource else ""
        what = f"{names.PLURAL}.{names.API_GROUP}{below}"
        words = (self.verb, what, self.name, "in namespace", self.namespace)
        return " ".join(filter(None, words))


class Reviews(Protocol):
    """The questions. Every method raises ApiError when there is no answer."""

    async def token(self, token: str, audiences: Sequence[str]) -> Identity | None:
        """Whose token it is; None unless it is good for one of the audiences.

        Without audiences: the API server's own.
        """
        ...

    async def may(self, identity: Identity, right: Right) -> bool:
        """Whether somebody has a right; what it is about need not exist any more."""
        ...

    async def pod(self, namespace: str, name: str) -> Body | None:
        """A pod; None when there is none."""
        ...


class ApiReviews:
    """The questions, asked of an API server."""

    def __init__(self, api: Api) -> None:
        """`api` may create TokenReviews and SubjectAccessReviews, and get pods."""
        self._api = api

    async def token(self, token: str, audiences: Sequence[str]) -> Identity | None:
        """Create a TokenReview."""
        asked: Body = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
        body = await self._api.create(TOKEN_REVIEWS, None, {"metadata": {}, "spec": asked})
        status = body.get("status") or {}
        if status.get("authenticated") is not True:
            return None
        # An API server that knows no audiences answers without any.
        if audiences and not set(audiences) & set(status.get("audiences") or ()):
            return None
        return _identity(status.get("user") or {})

    async def may(self, identity: Identity, right: Right) -> bool:
        """Create a SubjectAccessReview."""
        asked = {
            "user": identity.username,
            "uid": identity.uid,
            "groups": list(identity.groups),
            "extra": {key: list(values) for key, values in identity.extra.items()},
            "resourceAttributes": {
                "verb": right.verb,
                "group": names.API_GROUP,
                "resource": names.PLURAL,
                "namespace": right.namespace,
                "name": right.name,
                **({"subresource": right.subresource} if right.subresource else {}),
            },
        }
        body = await self._api.create(ACCESS_REVIEWS, None, {"metadata": {}, "spec": asked})
        status = body.get("status") or {}
        return status.get("allowed") is True and status.get("denied") is not True

    async def pod(self, namespace: str, name: str) -> Body | None:
        """Get a pod."""
        try:
            return await self._api.get(PODS, namespace, name)
        except NotFoundError:
            return None


def _identity(user: Mapping[str, Any]) -> Identity | None:
    if not user.get("username"):
        return None
    return Identity(
        username=str(user["username"]),
        uid=str(user.get("uid") or ""),
        groups=tuple(user.get("groups") or ()),
        extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
    )
