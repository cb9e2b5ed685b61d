"""Plays back recorded answers, as a server that the application talks to. `/ready` answers 204."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORDED = [{"id": number, "text": "word " * (number % 90)} for number in range(500)]


class Handler(BaseHTTPRequestHandler):
    """Answers GET."""

    def do_GET(self) -> None:
        """`/ready`, or a recorded answer for every other path."""
        if self.path == "/ready":
            self.send_response(204)
            self.end_headers()
            return
        body = json.dumps(RECORDED).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a line per request would be the log."""


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "18080"))
    ThreadingHTTPServer(("", port), Handler).serve_forever()
