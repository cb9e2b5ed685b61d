"""A results server and somebody who talks HTTP to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from profiling_operator.stores.digests import to_header
from results_serving import KEY, READER, UPLOADER, FakeReviews, serving


@dataclass
class Talker:
    """Sends requests as they are."""

    url: str
    root: Path
    reviews: FakeReviews
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=30)
    )

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        token: str = READER,
        key: str = KEY,
        body: bytes | None = None,
        **headers: str,
    ) -> urllib3.BaseHTTPResponse:
        """One request; `_` in the names of headers is a dash."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            said["Authorization"] = f"Bearer {token}"
        address = f"{self.url}/{key}/{path}" if path else f"{self.url}/{key}"
        return self.pool.request(
            method, address, headers=said, body=body, redirect=False, decode_content=False
        )

    def put(
        self, path: str, data: bytes, *, whole: bytes | None = None, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """A PUT with the checksum of `whole`, by default of what is sent."""
        said = to_header(hashlib.sha256(data if whole is None else whole).hexdigest())
        return self.ask(
            "PUT", path, **{"token": UPLOADER, "Repr_Digest": said, "body": data, **more}
        )

    @staticmethod
    def message(answer: urllib3.BaseHTTPResponse) -> str:
        """What an error says."""
        return str(json.loads(answer.data)["message"])


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of the server; parametrized indirectly."""
    given: dict[str, Any] = getattr(request, "param", {})
    return given


@pytest.fixture
def talker(tmp_path: Path, settings: dict[str, Any]) -> Iterator[Talker]:
    """Talks to a server of its own."""
    reviews = FakeReviews()
    with serving(tmp_path / "kept", reviews, **settings) as url:
        yield Talker(url, tmp_path / "kept", reviews)
