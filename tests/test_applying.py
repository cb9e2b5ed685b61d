"""The uploader's own word to the API server, over HTTP to one that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from making import job
from profiling_operator import applying
from profiling_operator.plan import build_plan
from profiling_operator.status import SUMMARY_LIMIT, Measure, ResultFile, Results

PLAN = build_plan(job(uid="uid-1"))
RESULTS = Results(url="https://there/1", files=(ResultFile(path="a", size=1, sha256="0" * 64),))


class Server:
    """What was asked, and what is answered: a code each time, 200 when there are no more."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.asked: list[tuple[str, str, Any]] = []


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An API server that the environment leads to."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append((self.path, self.headers["Content-Type"], body))
            code = state.codes.pop(0) if state.codes else 200
            answer = json.dumps({"message": f"said {code}", "reason": "Because"}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        known = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [
                {"name": "c", "cluster": {"server": f"http://127.0.0.1:{listening.server_port}"}}
            ],
            "users": [{"name": "c", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }  # fmt: skip
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(known))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setattr(applying, "FIRST_PAUSE", 0.01)
        yield state
        listening.shutdown()
        thread.join()


def test_results_are_applied_to_the_job_that_has_the_uid(server: Server) -> None:
    """Nothing else of the status is claimed; the field manager is the uploader's own."""
    assert applying.apply_results(PLAN, RESULTS, 10) == ""

    ((path, kind, body),) = server.asked
    assert path == (
        "/apis/profiling.dev/v1alpha1/namespaces/ci/profilingjobs/test/status"
        "?fieldManager=profjob-uploader&force=true"
    )
    assert kind == "application/apply-patch+yaml"
    assert body == {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": "test", "namespace": "ci", "uid": "uid-1"},
        "status": {"results": RESULTS.model_dump(mode="json", exclude_none=True)},
    }


def test_what_may_pass_is_tried_again(server: Server) -> None:
    """The operator may not have written the pod down yet; others write; servers have bad days."""
    server.codes = [403, 409, 429, 500, 503]

    assert applying.apply_results(PLAN, RESULTS, 60) == ""

    assert len(server.asked) == 6


@pytest.mark.parametrize("code", [400, 401, 404, 422])
def test_what_stays_so_is_told_at_once(server: Server, code: int) -> None:
    """In the server's words."""
    server.codes = [code] * 9

    assert applying.apply_results(PLAN, RESULTS, 60) == f"said {code}"

    assert len(server.asked) == 1


def test_trying_has_a_limit(server: Server) -> None:
    """What the server said last is told."""
    server.codes = [403] * 99

    assert applying.apply_results(PLAN, RESULTS, 0) == "said 403"


def test_a_server_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its address, or that none is known."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    assert "no cluster is known here" in applying.apply_results(PLAN, RESULTS, 0)


def test_no_more_is_applied_than_a_status_has_room_for(server: Server) -> None:
    """The files of the results hold everything."""
    many = tuple(ResultFile(path=f"{n:0200}", size=n, sha256="0" * 64) for n in range(200))
    measures = tuple(
        Measure(measure=f"m{n}", unit="ns", values=(1.0,), median=1.0)
        for n in range(SUMMARY_LIMIT + 5)
    )
    large = RESULTS.model_copy(update={"files": many, "summary": measures})

    assert applying.apply_results(PLAN, large, 10) == ""

    applied = server.asked[0][2]["status"]["results"]
    assert len(json.dumps(applied)) < 16 << 10
    assert applied["truncated"] is True
    assert len(applied["summary"]) == SUMMARY_LIMIT
