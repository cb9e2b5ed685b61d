"""Baselines: who may read and write them, under which condition, and what is taken."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from profiling_operator import baselines
from profiling_operator.baselines import DOCUMENT_LIMIT, Baseline, Identity, Window
from profiling_operator.results_server import reviews
from profiling_operator.results_server.quotas import Limits
from profiling_operator.stores.documents import DOCUMENTS, version_of
from results_serving import OPERATOR, READER, STRANGER, UPLOADER, uploader

NAME = "ci/nbody/main"
FIRST = {"If_None_Match": "*"}


def text(name: str = NAME, said: str = "") -> bytes:
    """A baseline."""
    namespace, series, baseline = name.split("/")
    window = Window(identity=Identity(command=said), device="")
    return baselines.write(
        Baseline(namespace=namespace, series=series, name=baseline, windows=(window,))
    )


def ask(talker: Any, method: str, name: str = NAME, **more: Any) -> Any:
    """A request for a baseline."""
    said = {"token": OPERATOR, "Content_Type": "application/json", **more}
    return talker.ask(method, key=name, **said)


@pytest.fixture
def talker(talker: Any) -> Any:
    """Talks of baselines, which are beside the results."""
    talker.url = talker.url.replace("/v1/results", "/v1/baselines")
    return talker


def put(talker: Any, body: bytes | None = None, **more: Any) -> Any:
    """Send a baseline; by default the first."""
    return ask(talker, "PUT", body=text() if body is None else body, **(more or FIRST))


def test_a_baseline_is_kept_and_given(talker: Any) -> None:
    """201 the first time; GET and HEAD tell version and type."""
    first = put(talker)
    got, head = ask(talker, "GET"), ask(talker, "HEAD")

    assert (first.status, got.status, head.status) == (201, 200, 200)
    assert got.data == text()
    assert head.data == b""
    for answer in (first, got, head):
        assert answer.headers["ETag"] == f'"{version_of(text())}"'
    assert got.headers["Content-Type"] == "application/json"
    assert head.headers["Content-Length"] == str(len(text()))
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert (talker.root / DOCUMENTS / f"{NAME}.json").read_bytes() == text()
    assert ask(talker, "GET", If_None_Match=got.headers["ETag"]).status == 304


def test_a_baseline_takes_the_place_of_the_one_that_was_read(talker: Any) -> None:
    """200; whoever read an earlier one is told so, and so is who thought that there was none."""
    etag = put(talker).headers["ETag"]

    assert put(talker, text(said="b"), If_Match=etag).status == 200
    for condition in ({"If_Match": etag}, FIRST):
        answer = put(talker, text(said="c"), **condition)
        assert answer.status == 412
        assert "somebody else has written it" in talker.message(answer)
    assert put(talker, text("ci/nbody/x"), If_Match=etag).status == 412
    assert ask(talker, "GET").data == text(said="b")


@pytest.mark.parametrize(("more", "status", "told"), [
    ({"Content_Type": "application/json"}, 428, "If-Match: must hold the ETag"),
    ({"If_Match": "*"}, 400, "must be one ETag"),
    ({"If_Match": '"a", "b'}, 400, "must be one ETag"),
    ({**FIRST, "Content_Type": "text/plain"}, 415, "must be application/json"),
    ({**FIRST, "body": b"{"}, 422, "is no baseline"),
    ({**FIRST, "body": b""}, 422, "is no baseline"),
    ({**FIRST, "body": b"[" * 100_000}, 422, "is no baseline"),
    ({**FIRST, "body": text().replace(b"{", b'{"version":9,', 1)}, 422, "is no baseline"),
    ({**FIRST, "body": text("ci/nbody/next")}, 422, "says that it is ci/nbody/next"),
    ({**FIRST, "body": text("dev/nbody/main")}, 422, "says that it is dev/nbody/main"),
    ({**FIRST, "body": b" " * (DOCUMENT_LIMIT + 1)}, 413, f"at most {DOCUMENT_LIMIT}"),
])  # fmt: skip
def test_what_is_no_baseline_is_refused(
    more: dict[str, Any], status: int, told: str, talker: Any
) -> None:
    """With what is wrong, in short; nothing is there afterwards."""
    answer = ask(talker, "PUT", **{"body": text(), **more})

    assert answer.status == status
    assert told in talker.message(answer)
    assert len(talker.message(answer)) < 700
    assert ask(talker, "GET").status == 404


def test_a_length_is_needed(talker: Any) -> None:
    """Nobody sends without end."""
    parts = urlsplit(talker.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    headers = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json",
               "If-None-Match": "*", "Transfer-Encoding": "chunked"}  # fmt: skip
    connection.request("PUT", f"/v1/baselines/{NAME}", iter((text(),)), headers,
                       encode_chunked=True)  # fmt: skip

    assert connection.getresponse().status == 411
    connection.close()


@pytest.mark.parametrize("token", [UPLOADER, READER, STRANGER, ""])
def test_only_those_write_who_may(token: str, talker: Any) -> None:
    """Neither the job's own pod, nor who may only read; nothing changes."""
    put(talker)
    wanted = 403 if token else 401

    etag = f'"{version_of(text())}"'
    assert put(talker, text(said="b"), If_Match=etag, token=token).status == wanted
    assert ask(talker, "DELETE", token=token).status == wanted
    assert ask(talker, "GET").data == text()


def test_an_uploader_never_writes(talker: Any) -> None:
    """Even if a role lets it: its pod runs what the job's author wants."""
    talker.reviews.writers.add(uploader().username)

    answer = put(talker, **FIRST, token=UPLOADER)

    assert answer.status == 403
    assert talker.message(answer).endswith("no uploader may")


@pytest.mark.parametrize(("token", "status"), [(READER, 200), (STRANGER, 403), ("", 401)])
def test_those_read_who_may_get_jobs(token: str, status: int, talker: Any) -> None:
    """All of the namespace; the names as well."""
    put(talker)

    for name in (NAME, "ci", "ci/nbody"):
        assert ask(talker, "GET", name, token=token).status == status


def test_what_is_asked_is_the_right_to_a_subresource(talker: Any) -> None:
    """Of roles alone: `update` and `delete` of profilingjobs/baseline, by the baseline's name."""
    put(talker)
    ask(talker, "DELETE")
    ask(talker, "GET", "ci")

    asked = [words[2] for words in talker.reviews.asked if words[0] == "may"]
    assert asked == [
        str(reviews.Right("update", "ci", "main", "baseline")),
        str(reviews.Right("delete", "ci", "main", "baseline")),
        str(reviews.Right("get", "ci")),
    ]


def test_a_baseline_can_be_removed(talker: Any) -> None:
    """As a whole, or only as it was read."""
    etag = put(talker).headers["ETag"]

    assert ask(talker, "DELETE", If_Match='"other"').status == 412
    assert ask(talker, "DELETE", If_Match=etag).status == 204
    assert ask(talker, "DELETE").status == 404
    assert ask(talker, "GET").status == 404
    put(talker)
    assert ask(talker, "DELETE").status == 204


def test_baselines_are_listed(talker: Any) -> None:
    """By namespace or series; none is no error."""
    for name in ("ci/nbody/main", "ci/nbody/next", "ci/other/main", "dev/nbody/main"):
        ask(talker, "PUT", name, body=text(name), **FIRST)

    assert ask(talker, "GET", "ci").json() == {
        "baselines": ["ci/nbody/main", "ci/nbody/next", "ci/other/main"]
    }
    assert ask(talker, "GET", "ci/nbody").json()["baselines"] == ["ci/nbody/main", "ci/nbody/next"]
    assert ask(talker, "GET", "other").json() == {"baselines": []}


@pytest.mark.parametrize("settings", [{"limits": Limits(baselines=2)}], indirect=True)
def test_a_namespace_has_so_many(talker: Any) -> None:
    """Those that are there can still be written."""
    for name in ("ci/nbody/a", "ci/nbody/b"):
        etag = ask(talker, "PUT", name, body=text(name), **FIRST).headers["ETag"]

    answer = put(talker)
    assert (answer.status, "at most 2 baselines" in talker.message(answer)) == (413, True)
    assert ask(
        talker, "PUT", "ci/nbody/b", body=text("ci/nbody/b", "x"), If_Match=etag
    ).status == 200  # fmt: skip
    assert ask(talker, "PUT", "dev/a/b", body=text("dev/a/b"), **FIRST).status == 201


@pytest.mark.parametrize(("method", "name", "allowed"), [
    ("POST", NAME, "GET, HEAD, PUT, DELETE"), ("PUT", "ci", "GET, HEAD"),
    ("DELETE", "ci/nbody", "GET, HEAD"),
])  # fmt: skip
def test_other_methods_are_refused(method: str, name: str, allowed: str, talker: Any) -> None:
    """Nobody removes a whole series by mistake."""
    answer = ask(talker, method, name)

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("name", ["CI", "ci/", "ci/a b", "ci/nbody/", "ci/nbody/Main", "ci/a/b/c"])
def test_bad_names_are_refused(name: str, talker: Any) -> None:
    """Before anybody is asked who that is."""
    answer = ask(talker, "GET", name)

    assert answer.status == 400
    assert talker.reviews.asked == []


def test_a_disk_with_a_link_in_it_is_refused(talker: Any, tmp_path: Path) -> None:
    """A folder that somebody else has put there."""
    (talker.root / DOCUMENTS).mkdir(parents=True)
    (talker.root / DOCUMENTS / "ci").symlink_to(tmp_path)

    answer = put(talker)

    assert (answer.status, "symbolic link" in talker.message(answer)) == (500, True)


def test_requests_and_bytes_are_counted(talker: Any) -> None:
    """As those for results are."""
    put(talker)
    ask(talker, "GET")
    ask(talker, "DELETE")

    said = talker.pool.request("GET", talker.url.replace("/v1/baselines", "/metrics")).data.decode()

    for line in (
        'requests_total{code="201",method="PUT"} 1.0',
        'requests_total{code="204",method="DELETE"} 1.0',
        f"received_bytes_total {len(text())}.0",
        f"sent_bytes_total {len(text())}.0",
    ):
        assert f"profjob_results_{line}" in said
