"""Serves a result folder to a browser on this machine, as Jenkins would: with its policy.

Listens on 127.0.0.1 only. Names of other machines that lead here (DNS rebinding) are refused, and
so is everything that is not a regular file below the folder.
"""

from __future__ import annotations

import mimetypes
import shutil
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
POLICY = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""Jenkins' default for the files of a build:
https://www.jenkins.io/doc/book/security/configuring-content-security-policy/"""
TYPES = {
    ".css": "text/css", ".html": "text/html", ".json": "application/json",
    ".log": "text/plain", ".txt": "text/plain", ".xml": "application/xml",
    ".gz": "application/gzip", ".jsonl": "text/plain",
}  # fmt: skip
UNKNOWN = "application/octet-stream"
READABLE = ("text/", "application/json", "application/xml")


class Server:
    """Serves one folder."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        """Listen; 0 is any port that is free. Raises OSError when it is taken."""
        self._server = _Folder((ADDRESS, port), _Handler)
        self._server.folder = folder.resolve()

    def url(self, path: str = "") -> str:
        """Where a file of the folder is."""
        return f"http://{ADDRESS}:{self._server.server_port}/{quote(path)}"

    def serve_until_interrupted(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self._server.server_close()

    def serve(self) -> None:
        """Serve until `stop` is called from another thread."""
        self._server.serve_forever()

    def stop(self) -> None:
        """End `serve`, and listen no more."""
        self._server.shutdown()
        self._server.server_close()


class _Folder(ThreadingHTTPServer):
    daemon_threads = True
    folder: Path

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a browser that leaves in the middle is none of our errors."""


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    server: _Folder
    server_version = "profjob"
    sys_version = ""

    def do_GET(self) -> None:
        """A file, or why it is not given."""
        path = self._file()
        if path is not None:
            with path.open("rb") as file:
                self._head(path)
                shutil.copyfileobj(file, self.wfile)

    def do_HEAD(self) -> None:
        """What a GET would begin with."""
        path = self._file()
        if path is not None:
            self._head(path)

    def _file(self) -> Path | None:
        """The file that is asked for; None, and an answer, where it is not to be had."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in NAMES:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        asked = unquote(urlsplit(self.path).path).lstrip("/") or "report.html"
        if asked == "favicon.ico":
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
            return None
        path = within(self.server.folder, asked)
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        return path

    def _head(self, path: Path) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", type_of(path))
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()

    def end_headers(self) -> None:
        """Every answer has the policy."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is there
        """Nothing: stderr is for what somebody waits for."""


def within(folder: Path, asked: str) -> Path | None:
    """A regular file below a folder, however it is asked for; links lead nowhere."""
    try:
        path = folder / asked
        is_below = path.resolve() == path and path.is_relative_to(folder)
        return path if is_below and path.is_file() else None
    except (OSError, ValueError):  # a name that is too long, or with a NUL
        return None


def type_of(path: Path) -> str:
    """Its media type: what people read is read in the browser."""
    told = (
        TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
    return f"{told}; charset=utf-8" if told.startswith(READABLE) else told
