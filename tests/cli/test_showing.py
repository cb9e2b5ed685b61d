"""Serving a result folder to a browser of this machine."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiling_operator.cli import showing


@pytest.fixture
def server(tmp_path: Path) -> Iterator[showing.Server]:
    """A server of a folder beside which something private lies."""
    folder = tmp_path / "a folder"
    (folder / "run-0").mkdir(parents=True)
    (folder / "report.html").write_text("<p>page")
    (folder / "report.css").write_text("p {}")
    (folder / "run-0" / "app.log").write_text("log")
    (folder / "a#b.bin").write_bytes(b"\0")
    (tmp_path / "private").write_text("private")
    (folder / "link").symlink_to(tmp_path / "private")
    (folder / "up").symlink_to(tmp_path)
    made = showing.Server(folder)
    thread = threading.Thread(target=made.serve)
    thread.start()
    yield made
    made.stop()
    thread.join()


def ask(
    server: showing.Server, path: str, host: str = "", method: str = "GET"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and content of an answer; the path goes out as it is."""
    port = int(server.url().rpartition(":")[2].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    try:
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/report.html", "text/html; charset=utf-8", b"<p>page"),
        ("/", "text/html; charset=utf-8", b"<p>page"),
        ("/report.css?x=1", "text/css; charset=utf-8", b"p {}"),
        ("/run-0/app.log", "text/plain; charset=utf-8", b"log"),
        ("/a%23b.bin", "application/octet-stream", b"\0"),
    ],
)
def test_files_of_the_folder_are_served(
    server: showing.Server, path: str, kind: str, content: bytes
) -> None:
    """With the policy of Jenkins, whatever they are."""
    status, headers, text = ask(server, path)

    assert (status, headers["Content-Type"], text) == (200, kind, content)
    assert headers["Content-Security-Policy"] == showing.POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/../private", "/..%2fprivate", "/%2e%2e/private", "//etc/passwd", "/link", "/up/private",
     "/run-0", "/none", "/%00", f"/{'x' * 5000}", "/run-0/../../private"],
)  # fmt: skip
def test_nothing_else_is_served(server: showing.Server, path: str) -> None:
    """Neither what lies beside the folder, nor where links lead."""
    status, headers, text = ask(server, path)

    assert status == 404
    assert b"private" not in text and b"root:" not in text
    assert headers["Content-Security-Policy"] == showing.POLICY


def test_other_names_of_this_machine_are_refused(server: showing.Server) -> None:
    """A page elsewhere could read the results by a name that it makes lead here."""
    assert ask(server, "/report.html", "evil.example:80")[0] == 421
    assert ask(server, "/report.html", "localhost:80")[0] == 200


def test_heads_have_no_body_and_icons_no_error(server: showing.Server) -> None:
    """Browsers ask for an icon by themselves."""
    assert ask(server, "/report.html", method="HEAD")[2] == b""
    assert ask(server, "/favicon.ico")[0] == 204


def test_a_port_that_is_taken_is_told(server: showing.Server) -> None:
    """As an OSError."""
    port = int(server.url().rpartition(":")[2].rstrip("/"))
    with pytest.raises(OSError, match="in use"):
        showing.Server(Path("/"), port)
