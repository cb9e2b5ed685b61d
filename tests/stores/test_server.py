"""The client of the results server, against a real one that is killed, slow or wrong."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import ipaddress
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from making import SOURCE_ROOT
from profiling_operator import store as files_of
from profiling_operator.errors import StoreError
from profiling_operator.results_server.quotas import Limits
from profiling_operator.stores import StoredFile, StoreRefusedError, open_store, put_all
from results_serving import KEY, UPLOADER, Apart, serving, until

Made = Callable[..., StoredFile]
LARGE = 200 << 20
CLIENT = """
import sys, time
from pathlib import Path
from profiling_operator import store, stores
url, token, key, source = sys.argv[1:]
path = Path(source)
print("begun", flush=True)
stores.open_store(url, token=token).put(key, "raw/large", path, store.checksum(path))
"""


def never(seconds: float) -> None:
    """A pause that must not be."""
    raise AssertionError(f"a pause of {seconds} s")


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    """What is to be ended with the test."""
    with contextlib.ExitStack() as opened:
        yield opened


def test_a_killed_server_is_gone_on_with(
    source: Path, made: Made, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    """In the middle of a file: the restarted one asks for the rest, and checks the whole."""
    files = [made("raw/large", LARGE), made("report.json")]
    first = stack.enter_context(Apart.start(tmp_path / "kept"))
    restarted: list[Apart] = []
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if not restarted:
            restarted.append(stack.enter_context(Apart.start(first.root, first.port)))

    def kill() -> None:
        until(lambda: first.received() > LARGE // 10)
        first.end(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    store = open_store(first.url, token=UPLOADER)
    sent = put_all(store, KEY, source, files, time.monotonic() + 120, print, pause=pause)
    killer.join()

    assert pauses
    assert 0 < sent < LARGE * 9 // 10 + 10
    assert files_of.checksum(first.root / KEY / "raw/large") == files[0].sha256
    assert {one.path: one.sha256 for one in store.files(KEY)} == {
        one.path: one.sha256 for one in files
    }
    assert restarted[0].end(signal.SIGTERM) == 0


def test_a_killed_client_is_gone_on_with(
    source: Path, made: Made, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    """By another process, as a restarted uploader would be; the rest is sent only."""
    one = made("raw/large", LARGE)
    server = stack.enter_context(Apart.start(tmp_path / "kept"))
    words = [sys.executable, "-c", CLIENT, server.url, UPLOADER, KEY, str(source / one.path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={"PYTHONPATH": SOURCE_ROOT}) as client:
        until(lambda: server.received() > LARGE // 10)
        client.kill()

    sent = put_all(
        open_store(server.url, token=UPLOADER), KEY, source, [one], time.monotonic() + 60, print
    )

    assert sent < LARGE * 9 // 10
    assert files_of.checksum(server.root / KEY / one.path) == one.sha256
    assert server.end(signal.SIGTERM) == 0


def test_large_files_need_little_memory(
    source: Path, made: Made, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    """On the way in and on the way out: both are streams."""
    small, large = made("small"), made("raw/large", LARGE)
    server = stack.enter_context(Apart.start(tmp_path / "kept"))
    store = open_store(server.url, token=UPLOADER)
    store.put(KEY, "small", source / "small", str(small.sha256))
    before = server.peak

    store.put(KEY, large.path, source / large.path, str(large.sha256))
    store.fetch(KEY, large.path, tmp_path / "got", large.sha256)
    grown = server.peak - before
    server.end(signal.SIGTERM)

    assert grown < 32 << 20
    assert files_of.checksum(tmp_path / "got") == large.sha256


def test_an_interrupted_download_goes_on(
    server_url: str, source: Path, made: Made, tmp_path: Path
) -> None:
    """Where it ended: only the rest is asked for."""
    one = made("raw/large", 20 << 20)
    store = open_store(server_url, token=UPLOADER)
    store.put(KEY, one.path, source / one.path, str(one.sha256))

    def stop(there: int) -> None:
        if there > 5 << 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(KEY, one.path, tmp_path / "got", one.sha256, stop)
    told: list[int] = []
    store.fetch(KEY, one.path, tmp_path / "got", one.sha256, told.append)

    assert told[0] > 5 << 20
    assert files_of.checksum(tmp_path / "got") == one.sha256


def test_what_the_server_will_never_take_is_refused(
    source: Path, made: Made, tmp_path: Path
) -> None:
    """With its words, and without a second try: the GPU waits for the uploader."""
    one = made("raw/large", 30 << 20)
    limits = Limits(file_bytes=1 << 20)
    with (
        serving(tmp_path / "kept", limits=limits) as url,
        pytest.raises(StoreRefusedError, match="HTTP 413: raw/large: 31457280 bytes; a file has"),
    ):
        put_all(
            open_store(url, token=UPLOADER), KEY, source, [one], time.monotonic() + 60, print,
            pause=never,
        )  # fmt: skip


@pytest.mark.parametrize("token", ["", "wrong", "reader-token"])
def test_who_may_not_send_is_refused(token: str, server_url: str, source: Path, made: Made) -> None:
    """No token, a bad one, one for something else."""
    one = made("a")

    with pytest.raises(StoreRefusedError, match=r"HTTP 40[13]"):
        open_store(server_url, token=token).put(KEY, "a", source / "a", str(one.sha256))


def test_the_token_is_read_anew_for_each_request(
    server_url: str, source: Path, made: Made, tmp_path: Path
) -> None:
    """It is renewed while the uploader runs."""
    one, token = made("a"), tmp_path / "token"
    store = open_store(server_url, token_file=str(token))
    token.write_text("old")
    with pytest.raises(StoreRefusedError):
        store.put(KEY, "a", source / "a", str(one.sha256))
    token.write_text(f"{UPLOADER}\n")

    assert store.put(KEY, "a", source / "a", str(one.sha256)) == 6


def test_a_token_that_is_not_there_is_named(server_url: str, tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(StoreRefusedError, match="no-token"):
        open_store(server_url, token_file=str(tmp_path / "no-token")).files(KEY)


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that answers everything in one way."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b""
    headers_: ClassVar[dict[str, str]] = {}

    def do_PUT(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.body)), **self.headers_}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_HEAD = do_PUT  # noqa: N815 - as the library names them

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def answering(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    """A server with one answer."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    how = type("How", (Answers,), {"status": status, "body": body, "headers_": said})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), how) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/results"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "passes"), [
    (500, True), (502, True), (503, True), (507, True), (408, True), (423, True), (429, True),
    (302, False), (400, False), (401, False), (405, False), (413, False),
])  # fmt: skip
def test_answers_tell_whether_another_try_may_help(status: int, passes: bool) -> None:
    """What a proxy says in HTML is told in short, too. Redirects do not get the token."""
    with (
        answering(status, b"<html>no</html>", Location="http://127.0.0.1:9/") as url,
        pytest.raises(StoreError, match=f"HTTP {status}: <html>no") as caught,
    ):
        open_store(url, token=UPLOADER).read(KEY, "report.json", 100)

    assert caught.value.retry == passes


def test_an_answer_that_confirms_nothing_is_no_success(source: Path, made: Made) -> None:
    """Such as a proxy's page with status 200."""
    one = made("a")
    with answering(200, b"welcome") as url, pytest.raises(StoreError, match="not confirm"):
        open_store(url).put(KEY, "a", source / "a", str(one.sha256))


@pytest.mark.parametrize("body", [
    b"no json", b"{}", b'{"files": [{"path": "a"}]}',
    b'{"files": [{"path": "../a", "size": 1, "sha256": ""}]}',
])  # fmt: skip
def test_a_listing_that_is_none_is_refused(body: bytes) -> None:
    """Paths that lead out of the folder included."""
    with answering(200, body) as url, pytest.raises(StoreRefusedError):
        open_store(url).files(KEY)


def test_baselines_are_beside_results() -> None:
    """A URL of another form would be a guess."""
    for url in ("http://a/v1/results/ci", "http://a/v1", "http://a"):
        with pytest.raises(StoreRefusedError, match="must end with /results"):
            open_store(url).document("ci/nbody/main")


def test_an_older_server_keeps_no_baselines() -> None:
    """It is said so, instead of that there are none."""
    with answering(404, b'{"message": "Not Found"}') as url:
        with pytest.raises(StoreRefusedError, match="too old"):
            open_store(url).documents("ci")
        with pytest.raises(StoreRefusedError, match="HTTP 404: Not Found"):
            open_store(url).put_document("ci/nbody/main", b"{}", None)


@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"baselines": ["ci/../main"]}'])
def test_a_listing_of_baselines_that_is_none_is_refused(body: bytes) -> None:
    """Names that would lead elsewhere included."""
    with answering(200, body) as url, pytest.raises(StoreRefusedError, match="no listing"):
        open_store(url).documents("ci")


def test_a_baseline_without_a_version_is_refused() -> None:
    """Such as a proxy's page: nobody could write safely after it."""
    with answering(200, b"welcome") as url, pytest.raises(StoreRefusedError, match="an ETag"):
        open_store(url).document("ci/nbody/main")


def test_an_answer_that_is_cut_off_may_pass() -> None:
    """Half a file is never taken for a whole one."""
    with (
        answering(200, b"half", Content_Length="4000") as url,
        pytest.raises(StoreError) as caught,
    ):
        open_store(url).read(KEY, "report.json", 100_000)

    assert caught.value.retry


def test_nobody_there_may_pass() -> None:
    """A server that is being restarted."""
    with pytest.raises(StoreError) as caught:
        open_store("http://127.0.0.1:9/v1/results").files(KEY)

    assert caught.value.retry


@pytest.mark.parametrize(("url", "named"), [
    ("http://", "not the URL"), ("ftp://a/b", "begins with one of file://"), ("", "begins with"),
    ("http://a:b:c", "not the URL"),
])  # fmt: skip
def test_bad_urls_are_refused(url: str, named: str) -> None:
    """When the store is opened."""
    with pytest.raises(StoreRefusedError, match=named):
        open_store(url)


def test_options_are_of_object_stores() -> None:
    """A server has none: a setting in the wrong place is told."""
    with pytest.raises(StoreRefusedError, match="takes no options; there is region"):
        open_store("http://a/v1/results", options={"region": "x"})


def certificate(folder: Path) -> tuple[str, str, str]:
    """A certificate for 127.0.0.1 that signs itself: file, file of its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "results")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "tls.crt").write_bytes(pem)
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(folder / "tls.crt"), str(folder / "tls.key"), pem.decode()


def test_certificates_are_checked(source: Path, made: Made, tmp_path: Path) -> None:
    """By the authority of the settings; an unknown one is refused for good, and gets no token."""
    cert, key, pem = certificate(tmp_path)
    one = made("a")
    with serving(tmp_path / "kept", tls_cert=cert, tls_key=key) as url:
        with pytest.raises(StoreRefusedError, match="CERTIFICATE_VERIFY_FAILED"):
            open_store(url, token=UPLOADER).put(KEY, "a", source / "a", str(one.sha256))
        sent = open_store(url, token=UPLOADER, ca=pem).put(KEY, "a", source / "a", str(one.sha256))

    assert url.startswith("https://")
    assert sent == 6
