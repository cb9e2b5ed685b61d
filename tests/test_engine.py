"""The door to a Docker engine: how it is found, and what its errors mean."""

from __future__ import annotations

import errno
import gc
import grp
import hashlib
import io
import json
import os
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from profiling_operator import engine
from profiling_operator.engine import Engine
from profiling_operator.errors import (
    ExecutorError,
    PlaybackError,
    ProfilingError,
    StartError,
    UnschedulableError,
)

# The client forgets sockets that it could not connect.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <.*fd=:ResourceWarning")

NOBODY = "unix:///nowhere/docker.sock"


# A server that answers as an engine does, as far as this goes.


class Answers(BaseHTTPRequestHandler):
    """What an engine answers; its archives have what `/there` says, or never end."""

    server: Server

    def do_GET(self) -> None:
        """Version, information, archives."""
        path = urlsplit(self.path).path
        if path.endswith("/version"):
            self._say({"ApiVersion": "1.41"})
        elif path.endswith("/info"):
            self._say({"Name": self.server.name, "Architecture": "aarch64"})
        elif self._asked_for() in self.server.archives:
            self._whole(self.server.archives[self._asked_for()])
        elif self._asked_for() == "/there":
            self._whole(b"an archive" * 1000)
        elif self._asked_for() == "/endless":
            self._endless()
        else:
            self._say({"message": "Could not find the file"}, 404)

    def do_HEAD(self) -> None:
        """Whether something is there: errors have no words."""
        found = {"/there": 200, "/broken": 500}.get(self._asked_for(), 404)
        self.send_response(found)
        self.end_headers()

    def do_POST(self) -> None:
        """Attach: frames of both streams, the last one cut off."""
        if urlsplit(self.path).path.split("/")[-2:] != ["c", "attach"]:
            self._say({"message": "No such container"}, 404)
            return
        said = ((1, b"out\n"), (2, b"err"), (1, b""), (1, b"x" * 70_000))
        frames = b"".join(
            bytes([one, 0, 0, 0]) + len(it).to_bytes(4, "big") + it for one, it in said
        )
        self._whole(frames + b"\x01\0\0")

    def _asked_for(self) -> str:
        return parse_qs(urlsplit(self.path).query).get("path", [""])[0]

    def _say(self, body: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def _whole(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            self.server.hung_up.set()

    def log_message(self, *said: Any) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    """On a port of this machine."""

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.name = name
        self.url = f"tcp://127.0.0.1:{self.server_port}"
        self.hung_up = threading.Event()
        self.archives: dict[str, bytes] = {}
        """What it answers for a path."""


@pytest.fixture
def serve() -> Iterator[Callable[[str], Server]]:
    """`serve(name)` starts an engine of that name."""
    servers: list[Server] = []

    def begin(name: str) -> Server:
        server = Server(name)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty configuration of docker's, and no engine at the default address."""
    folder = tmp_path / "config"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(engine, "DEFAULT_HOST", NOBODY)
    yield folder
    gc.collect()  # here, where nobody is warned of what the client forgot


def add_context(config: Path, name: str, host: str) -> str:
    """A context, as `docker context create` writes it; the folder's name for it."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
    folder = config / "contexts" / "meta" / digest
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(meta))
    return digest


def use(config: Path, **fields: Any) -> None:
    """Docker's own configuration."""
    (config / "config.json").write_text(json.dumps(fields))


def name_of_connected() -> str:
    """The name of the engine that is found."""
    here = engine.connect()
    try:
        return str(here.info()["Name"])
    finally:
        here.close()


# Where the engine is.


def test_docker_host_names_the_engine(
    serve: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else is needed."""
    monkeypatch.setenv("DOCKER_HOST", serve("a").url)

    assert name_of_connected() == "a"


def test_a_chosen_context_names_the_engine(config: Path, serve: Callable[[str], Server]) -> None:
    """As `docker context use` chooses it."""
    add_context(config, "lab", serve("b").url)
    use(config, currentContext="lab")

    assert name_of_connected() == "b"


def test_docker_context_goes_before_the_chosen_one(
    config: Path, serve: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for this command alone."""
    add_context(config, "lab", NOBODY)
    add_context(config, "other", serve("c").url)
    use(config, currentContext="lab")
    monkeypatch.setenv("DOCKER_CONTEXT", "other")

    assert name_of_connected() == "c"


def test_docker_host_goes_before_all_contexts(
    config: Path, serve: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for the `docker` command."""
    add_context(config, "lab", NOBODY)
    use(config, currentContext="lab")
    monkeypatch.setenv("DOCKER_CONTEXT", "lab")
    monkeypatch.setenv("DOCKER_HOST", serve("a").url)

    assert name_of_connected() == "a"


@pytest.mark.parametrize(
    "chosen", [None, {}, {"currentContext": ""}, {"currentContext": "default"}]
)
@pytest.mark.parametrize("variables", [{}, {"DOCKER_HOST": ""}, {"DOCKER_CONTEXT": ""}])
def test_without_a_choice_it_is_the_local_socket(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    chosen: dict[str, str] | None,
    variables: dict[str, str],
) -> None:
    """An empty variable is none."""
    if chosen is not None:
        use(config, **chosen)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ExecutorError, match=f"no Docker engine answers at {NOBODY}"):
        engine.connect()


def test_the_default_context_is_the_local_socket(
    config: Path, serve: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else is chosen."""
    add_context(config, "lab", serve("a").url)
    use(config, currentContext="lab")
    monkeypatch.setenv("DOCKER_CONTEXT", "default")

    with pytest.raises(ExecutorError, match=NOBODY):
        engine.connect()


@pytest.mark.parametrize("where", ["variable", "configuration"])
def test_a_context_that_is_not_there_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """By its name, with how to see which ones there are."""
    if where == "variable":
        use(config)
        monkeypatch.setenv("DOCKER_CONTEXT", "lost")
    else:
        use(config, currentContext="lost")

    with pytest.raises(ExecutorError, match="no docker context named 'lost': `docker context ls`"):
        engine.connect()


def test_a_context_s_certificates_are_used(config: Path, serve: Callable[[str], Server]) -> None:
    """An engine that speaks without TLS is not taken instead."""
    server = serve("a")
    digest = add_context(config, "lab", server.url)
    use(config, currentContext="lab")
    keys = config / "contexts" / "tls" / digest / "docker"
    keys.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (keys / name).write_text("not a certificate")

    with pytest.raises(ExecutorError, match="no Docker engine answers at"):
        engine.connect()


# Engines that do not answer.


def test_a_socket_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address, the innermost error, and what to do."""
    monkeypatch.setenv("DOCKER_HOST", NOBODY)

    with pytest.raises(ExecutorError) as caught:
        engine.connect()

    assert str(caught.value) == (
        f"no Docker engine answers at {NOBODY} ([Errno 2] No such file or directory): "
        "is dockerd running there? DOCKER_HOST names another one"
    )


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_refused_connection_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An engine was there once."""
    if kind == "unix":
        url = f"unix://{tmp_path}/s"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(f"{tmp_path}/s")
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("DOCKER_HOST", url)

    with pytest.raises(ExecutorError) as caught:
        engine.connect()

    assert f"no Docker engine answers at {url}" in str(caught.value)
    assert os.strerror(errno.ECONNREFUSED) in str(caught.value)
    assert "is dockerd running there?" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["nonsense://x", "tcp://127.0.0.1:port", "unix://", "tcp://no.such.host.invalid:1"]
)
def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """As one of our errors."""
    monkeypatch.setenv("DOCKER_HOST", url)

    with pytest.raises(ExecutorError):
        engine.connect()


def test_an_engine_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_HOST", url)

        with pytest.raises(ExecutorError, match=r"no Docker engine answers at .*timed out"):
            engine.connect(seconds=0.01)


class Forbidden(socket.socket):
    """A socket that nobody may connect: as root, no file's mode would keep us out."""

    def connect(self, address: Any) -> None:
        """Refuse."""
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_socket_of_others_is_told_with_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user and what a container has to do, which are not the same."""
    path = tmp_path / "docker.sock"
    path.touch()
    number = path.stat().st_gid
    name = grp.getgrgid(number).gr_name
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(socket, "socket", Forbidden)

    with pytest.raises(ExecutorError) as caught:
        engine.connect()

    assert str(caught.value) == (
        f"no permission to use unix://{path}: it belongs to group {name}: "
        f"`usermod -aG {name} USER` for a user, `docker run --group-add {number}` for a container"
    )


def test_a_group_without_a_name_is_told_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers rarely know the host's groups."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    path = tmp_path / "docker.sock"
    path.touch()
    monkeypatch.setattr(grp, "getgrgid", unknown)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(socket, "socket", Forbidden)

    with pytest.raises(ExecutorError, match=f"--group-add {path.stat().st_gid}"):
        engine.connect()


@pytest.mark.parametrize(
    "url", ["ssh://user@host", "ssh://host/path", "tcp://127.0.0.1:1", "unix:///nowhere/s"]
)
def test_no_group_is_named_where_none_is_known(url: str) -> None:
    """That of the working directory has nothing to do with a machine far away."""
    said = engine._why_unreachable(url, DockerException("Permission denied (publickey)"))

    assert said == f"no permission to use {url}: ask its administrator"


# What an engine is asked, and answers.


@pytest.fixture
def here(
    serve: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Engine, Server]]:
    """A connected engine, and what it is connected to."""
    server = serve("a")
    monkeypatch.setenv("DOCKER_HOST", server.url)
    connected = engine.connect()
    yield connected, server
    connected.close()


def test_an_engine_tells_of_itself(here: tuple[Engine, Server]) -> None:
    """Its machine in the words of `uname -m`, and the version that both know."""
    connected, server = here

    assert (connected.machine, connected.version, connected.url) == ("aarch64", (1, 41), server.url)
    assert not connected.is_here
    assert Engine(NOBODY, None).is_here


@pytest.mark.parametrize(("path", "is_there"), [("/there", True), ("/not", False)])
def test_it_is_told_whether_a_container_has_a_path(
    here: tuple[Engine, Server], path: str, is_there: bool
) -> None:
    """Without fetching what is there."""
    assert here[0].has("c", path) is is_there


def test_a_question_that_fails_is_not_a_no(here: tuple[Engine, Server]) -> None:
    """What an engine cannot tell may be there."""
    with pytest.raises(ExecutorError, match="look for /broken"):
        here[0].has("c", "/broken")


def test_a_folder_is_read_in_pieces(here: tuple[Engine, Server]) -> None:
    """All of it."""
    with here[0].archive("c", "/there") as pieces:
        assert b"".join(pieces) == b"an archive" * 1000


def test_a_folder_that_is_not_there_is_told(here: tuple[Engine, Server]) -> None:
    """Only the caller knows what that means."""
    with pytest.raises(FileNotFoundError, match="Could not find"), here[0].archive("c", "/not"):
        pass


def archived(name: str, content: bytes = b"", **fields: Any) -> bytes:
    """An archive of one thing."""
    stream = io.BytesIO()
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/lib/libc.so.6", b"the library" * 100),
        ("/lib/link", b"the library" * 100),
        ("/lib/far", b""),
        ("/lib/loop", b""),
        ("/lib", b""),
        ("/garbage", b""),
        ("/not", b""),
    ],
)
def test_a_file_s_content_is_read(here: tuple[Engine, Server], path: str, content: bytes) -> None:
    """By way of links to a name beside them; what is no file has none."""
    connected, server = here
    link = {"type": tarfile.SYMTYPE}
    server.archives = {
        "/lib/libc.so.6": archived("libc.so.6", b"the library" * 100),
        "/lib/link": archived("link", linkname="libc.so.6", **link),
        "/lib/far": archived("far", linkname="/lib/libc.so.6", **link),
        "/lib/loop": archived("loop", linkname="loop", **link),
        "/lib": archived("lib", type=tarfile.DIRTYPE),
        "/garbage": b"no archive",
    }

    assert connected.content("c", path) == content


def test_what_a_container_prints_is_read_as_it_was_printed(here: tuple[Engine, Server]) -> None:
    """Both streams, without the frames that they come in."""
    assert b"".join(here[0].output_of("c")) == b"out\nerr" + b"x" * 70_000


def test_what_a_container_prints_that_is_not_there_is_told(here: tuple[Engine, Server]) -> None:
    """At once, not when it is read."""
    with pytest.raises(FileNotFoundError, match="No such container"):
        here[0].output_of("other")


def test_what_is_not_read_is_let_go(here: tuple[Engine, Server]) -> None:
    """The engine stops sending when nobody wants more."""
    connected, server = here
    with connected.archive("c", "/endless") as pieces:
        next(pieces)

    assert server.hung_up.wait(60)


def test_an_engine_that_goes_away_is_told(here: tuple[Engine, Server]) -> None:
    """By every question that is asked afterwards."""
    connected, server = here
    server.shutdown()
    server.server_close()
    connected.api.close()  # a connection that is kept would still be answered

    for ask in (connected.info, lambda: connected.has("c", "/x"), lambda: connected.inspected("c")):
        with pytest.raises(ExecutorError, match=f"{server.url} does not answer"):
            ask()


def test_letting_go_of_a_dead_engine_is_no_error() -> None:
    """There is nothing left to do."""

    asked = []

    class Dead:
        def close(self) -> None:
            asked.append("close")
            raise requests.ConnectionError("gone")

    Engine(NOBODY, Dead()).close()

    assert asked == ["close"]


def refused(words: str) -> APIError:
    """What the client raises when the engine refuses."""
    return APIError("500 Server Error", explanation=words)


@pytest.mark.parametrize(
    ("raised", "expected", "told"),
    [
        (refused("the name is in use"), StartError, "start a: the name is in use"),
        (refused('could not select device driver "" with capabilities: [[gpu]]'),
         UnschedulableError, "install nvidia-container-toolkit"),
        (refused("nvidia-container-cli: initialization error"), UnschedulableError,
         "the engine's GPU runtime refuses (nvidia-container-cli: initialization error)"),
        (refused("CDI device injection failed: unresolvable"), UnschedulableError,
         "the engine does not have the GPU"),
        (APIError("502 Bad Gateway"), StartError, "start a: 502 Bad Gateway"),
        (NotFound("404", explanation="No such container: a"), FileNotFoundError,
         "start a: No such container: a"),
        (ImageNotFound("404", explanation="No such image: i"), FileNotFoundError, "No such image"),
        (requests.ConnectionError("reset"), ExecutorError, "start a: U does not answer: reset"),
        (requests.Timeout("read timed out"), ExecutorError, "read timed out"),
        (urllib3.exceptions.ProtocolError("broken"), ExecutorError, "does not answer: broken"),
        (DockerException("bad"), ExecutorError, "does not answer: bad"),
        (OSError(5, "Input/output error"), ExecutorError, "Input/output error"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_told_in_our_words(
    raised: Exception, expected: type[Exception], told: str
) -> None:
    """The engine's refusal is the caller's error, silence is always the platform's."""
    with pytest.raises(expected) as caught, Engine("U", None).asked("start a", StartError):
        raise raised

    assert type(caught.value) is expected
    assert told in str(caught.value)
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize("raised", [PlaybackError("ours"), KeyError("a slip"), KeyboardInterrupt()])
def test_what_is_not_the_engine_s_stays_as_it_is(raised: BaseException) -> None:
    """Our own errors pass through, and slips are not called an engine's silence."""
    with pytest.raises(type(raised)) as caught, Engine("U", None).asked("start a"):
        raise raised

    assert caught.value is raised


def test_the_innermost_error_is_told() -> None:
    """Clients wrap what happened several times; only the first one says it in plain words."""
    inner = ConnectionRefusedError(111, "Connection refused")
    broken = urllib3.exceptions.ProtocolError("Connection aborted.", inner)

    with pytest.raises(ExecutorError) as caught, Engine("U", None).asked("ask"):
        raise requests.ConnectionError(broken)

    assert str(caught.value) == "ask: U does not answer: [Errno 111] Connection refused"


def test_an_error_of_before_is_not_told() -> None:
    """What was being dealt with when the engine fell silent has nothing to do with it."""

    def ask() -> None:
        with Engine("U", None).asked("ask"):
            raise requests.ConnectionError("reset")

    def ask_again() -> None:
        try:
            int("no number")
        except ValueError:
            ask()

    with pytest.raises(ExecutorError, match="ask: U does not answer: reset"):
        ask_again()


class Api:
    """The client's half that speaks the Engine API's words, as far as containers go."""

    def __init__(self) -> None:
        self.containers_there: dict[str, dict[str, Any]] = {}

    def inspect_container(self, name: str) -> dict[str, Any]:
        """A container that is there."""
        if name not in self.containers_there:
            raise NotFound("404", explanation=f"No such container: {name}")
        return self.containers_there[name]

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """A volume with a label, one without any, or none."""
        if name not in {"labelled", "bare"}:
            raise NotFound("404", explanation="no such volume")
        return {"Name": name, "Labels": {"a": "b"} if name == "labelled" else None}

    def info(self) -> dict[str, Any]:
        """A small machine."""
        return {"MemTotal": 1024}

    def logs(self, name: str, tail: int) -> bytes:
        """What it printed."""
        assert tail == 20
        return bytes(self.inspect_container(name)["said"])

    def containers(self, **asked: Any) -> list[dict[str, Any]]:
        """How was asked."""
        return [asked]

    def networks(self, **asked: Any) -> list[dict[str, Any]]:
        """How was asked."""
        return [asked]

    def volumes(self, **asked: Any) -> dict[str, Any]:
        """Nothing: engines say null then."""
        return {"Volumes": [asked] if "some" in asked["filters"]["label"] else None}


def test_a_container_is_there_or_not() -> None:
    """Its absence is no error."""
    api = Api()
    api.containers_there["a"] = {"Id": "1"}
    here = Engine("U", api)

    assert here.inspected("a") == {"Id": "1"}
    assert here.inspected("b") is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"  no disk\n\n", "no disk"),
        (b"", ""),
        (b"\xff broken", "\ufffd broken"),
        (b"x" * 5000 + b"end\n", "x" * 997 + "end"),
    ],
)
def test_last_words_are_the_end_of_what_was_printed(said: bytes, words: str) -> None:
    """Of bounded length, whatever bytes they are."""
    api = Api()
    api.containers_there["a"] = {"said": said}

    assert Engine("U", api).last_words("a") == words


@pytest.mark.parametrize("raised", [NotFound("404"), requests.Timeout(), refused("no such driver")])
def test_without_last_words_there_is_nothing_to_say(raised: Exception) -> None:
    """They are for a message about something else, which they must not replace."""

    class Silent(Api):
        def logs(self, name: str, tail: int) -> bytes:
            raise raised

    assert Engine("U", Silent()).last_words("a") == ""


def test_a_volume_s_labels_tell_that_it_is_there() -> None:
    """Engines say null where there are none."""
    here = Engine("U", Api())

    assert here.volume_labels("labelled") == {"a": "b"}
    assert here.volume_labels("bare") == {}
    assert here.volume_labels("missing") is None


def test_the_machine_s_memory_is_known() -> None:
    """In bytes."""
    assert Engine("U", Api()).memory == 1024


def test_things_are_listed_by_label() -> None:
    """Containers also when they have ended."""
    here = Engine("U", Api())

    assert here.listed("containers", "some=1") == [{"all": True, "filters": {"label": "some=1"}}]
    assert here.listed("networks", "some=1") == [{"filters": {"label": "some=1"}}]
    assert here.listed("volumes", "some=1") == [{"filters": {"label": "some=1"}}]
    assert here.listed("volumes", "other=1") == []


def test_all_meanings_are_errors_of_ours() -> None:
    """So that each has a reason for the status."""
    assert all(issubclass(kind, ProfilingError) for _, kind, _ in engine.MEANINGS)
