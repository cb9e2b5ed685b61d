"""Who may send which results, who may have them, and who may change baselines."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from profiling_operator import names
from profiling_operator.errors import ApiError
from profiling_operator.results_server.answers import Refusal
from profiling_operator.results_server.reviews import Identity, Reviews, Right
from profiling_operator.stores import Key

AUDIENCE = "profjob-results"
UPLOADER = "profjob-uploader"
RESULTS = "results"
"""The subresource that is a word for the right to send."""
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
TOKEN_BYTES = 16 << 10
REMEMBER_SECONDS = 60.0
REMEMBERED = 10_000
QUESTIONS_AT_ONCE = 20
"""Whoever floods us with tokens does not flood the API server."""
UNAUTHORIZED, FORBIDDEN, UNAVAILABLE = 401, 403, 503


class Access:
    """Asks the API server, and remembers each yes for a minute."""

    def __init__(self, reviews: Reviews, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never go back."""
        self._reviews = reviews
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._asking = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def require_sender(self, authorization: str, key: Key) -> None:
        """Refuse whoever is neither the uploader of exactly this attempt nor may send for its job.

        That is a right, as agents of Docker hosts have it. An uploader is bound to its pod whatever
        roles say, and shows a token that is good for us alone.
        """
        token = _bearer(authorization)
        identity = await self._yes(("sender", _digest(token)), lambda: self._sender(token))
        if identity is None:
            raise _unauthorized("the token is not good for sending to this server")
        if not _is_uploader(identity):
            await self._require(identity, token, Right("update", key.namespace, key.job, RESULTS))
        elif problem := await self._not_uploader(identity, key):
            raise Refusal(FORBIDDEN, f"{identity.username} may not send to {key}: {problem}")

    async def _sender(self, token: str) -> Identity | None:
        if found := await self._reviews.token(token, (AUDIENCE,)):
            return found
        somebody = await self._reviews.token(token, ())
        return None if somebody and _is_uploader(somebody) else somebody

    async def require_reader(self, authorization: str, key: Key) -> None:
        """Refuse whoever may not get the job, and is not the attempt's uploader either."""
        token = _bearer(authorization)
        identity = await self._somebody(token)
        if identity.username == _uploader(key) and not await self._not_uploader(identity, key):
            return
        await self._require(identity, token, Right("get", key.namespace, key.job))

    async def require_right(self, authorization: str, right: Right) -> None:
        """Refuse whoever does not have a right to the baselines of a namespace.

        An uploader has none to write, whatever roles say: its pod runs what a job's author wants,
        and no job moves what it is measured by.
        """
        token = _bearer(authorization)
        identity = await self._somebody(token)
        if right.verb != "get" and _is_uploader(identity):
            raise Refusal(FORBIDDEN, f"{identity.username} may not {right}: no uploader may")
        await self._require(identity, token, right)

    async def _somebody(self, token: str) -> Identity:
        """Whose token it is, be it for the API server or for us."""
        identity = await self._identity(token, ()) or await self._identity(token, (AUDIENCE,))
        if identity is None:
            raise _unauthorized("nobody is known by this token")
        return identity

    async def _require(self, identity: Identity, token: str, right: Right) -> None:
        question = ("may", _digest(token), right)
        if not await self._yes(question, lambda: self._reviews.may(identity, right)):
            raise Refusal(FORBIDDEN, f"{identity.username} may not {right}")

    async def _identity(self, token: str, audiences: tuple[str, ...]) -> Identity | None:
        question = ("token", _digest(token), audiences)
        found: Identity | None = await self._yes(
            question, lambda: self._reviews.token(token, audiences)
        )
        return found

    async def _not_uploader(self, identity: Identity, key: Key) -> str:
        """Empty for the uploader of an attempt; otherwise what is wrong.

        The pod's labels are what the operator wrote: nobody else makes pods of this account.
        """
        if identity.username != _uploader(key):
            return f"only {_uploader(key)} may"
        name, uid = identity.only(POD_NAME), identity.only(POD_UID)
        if not name or not uid:
            return "the token is not bound to a pod"
        if await self._yes(("pod", uid, key), lambda: self._is_pod(key, name, uid)):
            return ""
        return f"pod {name} is not of this attempt"

    async def _is_pod(self, key: Key, name: str, uid: str) -> bool:
        metadata = ((await self._reviews.pod(key.namespace, name)) or {}).get("metadata") or {}
        labels = metadata.get("labels") or {}
        wanted = {
            f"{names.LABEL}job": names.shorten(key.job),
            f"{names.LABEL}job-uid": key.uid,
            f"{names.LABEL}attempt": key.attempt,
        }
        same = all(labels.get(label) == value for label, value in wanted.items())
        return bool(metadata.get("uid") == uid and same)

    async def _yes(self, question: Hashable, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a question; what is no `no` is remembered."""
        until, answer = self._known.get(question, (0.0, None))
        if self._clock() < until:
            return answer
        try:
            async with self._asking:
                answer = await ask()
        except ApiError as error:
            raise Refusal(
                UNAVAILABLE, f"the API server gives no answer: {error}", {"Retry-After": "2"}
            ) from error
        if answer:
            self._known[question] = (self._clock() + REMEMBER_SECONDS, answer)
            self._known.move_to_end(question)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return answer


def _is_uploader(identity: Identity) -> bool:
    """Of any namespace."""
    return identity.username.endswith(f":{UPLOADER}")


def _uploader(key: Key) -> str:
    return f"system:serviceaccount:{key.namespace}:{UPLOADER}"


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_BYTES:
        raise _unauthorized("a token is needed: Authorization: Bearer TOKEN")
    return token


def _unauthorized(message: str) -> Refusal:
    return Refusal(UNAUTHORIZED, message, {"WWW-Authenticate": 'Bearer realm="profjob-results"'})


def _digest(token: str) -> bytes:
    """Tokens themselves are not kept."""
    return hashlib.sha256(token.encode()).digest()
