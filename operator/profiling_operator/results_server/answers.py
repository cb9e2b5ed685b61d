"""What every answer has in common: errors as JSON, and headers that keep hostile files harmless."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import web

from profiling_operator.stores.digests import HEADER, to_header

OFFSET = "Upload-Offset"
RETRY_SOON = {"Retry-After": "1"}

UNGUESSED = {"X-Content-Type-Options": "nosniff"}
"""Browsers take files for what we say they are."""

POLICY = "sandbox; default-src 'none'; style-src 'self'; img-src 'self'"
"""Profiles come from applications: no script runs, nothing is loaded from elsewhere."""

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".log": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
}
"""Files that browsers show; all others are downloads."""


class Refusal(Exception):  # noqa: N818 - an answer, no defect
    """The request gets this HTTP status and a message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go to the answer beside the message."""
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self) -> web.Response:
        """The answer."""
        return web.json_response(
            {"message": self.message}, status=self.status, headers=self.headers
        )


def of_file(path: str, sha256: str) -> dict[str, str]:
    """Headers of a file, as GET and HEAD give it."""
    known = TYPES.get(PurePosixPath(path).suffix)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": POLICY,
        "Content-Type": known or "application/octet-stream",
        "ETag": f'"{sha256}"',
        HEADER: to_header(sha256),
    }
    if known is None:
        name = quote(PurePosixPath(path).name, safe="")
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return headers
