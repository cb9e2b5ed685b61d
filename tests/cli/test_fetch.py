"""`profjob fetch`: what the store holds, whole and verified, in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from aiohttp import web

from cluster_bodies import UID, ended, going, stored_job
from fake_cluster import TOKEN, FakeCluster, served
from making import Run
from profiling_operator.cli import fetch
from profiling_operator.reporting import Report, to_json
from profiling_operator.status import Collected, ResultFile, Results
from profiling_operator.stores import BadKeyError

FILES = {
    "summary.json": b"{}", "entries.jsonl.gz": bytes(range(256)) * 4000, "metadata.json": b"{1}",
    "run-0/app.log": b"hello\n", "raw/run-0/pyspy/profile.json": b"[]", "folded.txt": b"a;b 1\n",
}  # fmt: skip


@dataclass
class Shelf:
    """A store of one job's results, with its report; also served as a results server has it."""

    root: Path
    url: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, range and authorization of each request."""
    cut: int = 0
    """How many answers are cut in their middle."""

    def fill(self, files: dict[str, bytes], uid: str = UID, attempt: int = 1) -> list[ResultFile]:
        """Put results in, with their report."""
        folder = self.root / "ci" / "nbody" / uid / str(attempt)
        listed = []
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text)
            digest = hashlib.sha256(text).hexdigest()
            listed.append(ResultFile(path=path, size=len(text), sha256=digest))
        collected = Collected((), Results(files=tuple(listed)))
        report = Report("ci/nbody", uid, attempt, "pod-uid", collected)
        (folder / "report.json").write_text(to_json(report))
        return listed

    @contextmanager
    def served(self) -> Iterator[str]:
        """The URL of a results server."""
        app = web.Application()
        app.router.add_get("/v1/results/{path:.*}", self._answer)
        with served(app) as url:
            self.url = f"{url}/v1/results"
            yield self.url

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        headers = request.headers
        self.asked.append((path, headers.get("Range", ""), headers.get("Authorization", "")))
        text = (self.root / path).read_bytes()
        first = int(headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        answer = web.StreamResponse(status=206 if first else 200)
        answer.content_length = len(text) - first
        await answer.prepare(request)
        if self.cut and path.endswith(".gz"):
            self.cut -= 1
            await answer.write(text[first : first + (len(text) - first) // 2])
            assert request.transport is not None
            request.transport.close()
            return answer
        await answer.write(text[first:])
        return answer


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A store in a folder."""
    return Shelf(tmp_path / "store")


def finish(cluster: FakeCluster, listed: list[ResultFile], url: str = "", uid: str = UID) -> None:
    """The job has finished, and its status tells of these files."""
    files = [one.model_dump(mode="json", exclude_none=True) for one in listed]
    where = f"{url or 'http://store/v1/results'}/ci/nbody/{uid}/1"
    cluster.put(stored_job(uid=uid, status=ended(results={"url": where, "files": files})))


def found(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def test_results_are_fetched(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, tmp_path: Path
) -> None:
    """All of them, with the job as status.json, as `profjob run` leaves them."""
    finish(cluster, shelf.fill(FILES))

    done = profjob("fetch", "nbody", "-d", "out", "--results-url", shelf.root.as_uri())

    assert (done.returncode, done.stdout) == (0, "out\n")
    there = found(tmp_path / "out")
    assert json.loads(there.pop("status.json"))["status"]["phase"] == "Succeeded"
    assert json.loads(there.pop("report.json"))["uid"] == UID
    assert there == FILES
    assert not list(tmp_path.glob(".out*"))


def test_only_what_is_wanted_is_fetched(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, tmp_path: Path
) -> None:
    """Groups, paths, patterns; a second fetch of the same job adds to the first."""
    finish(cluster, shelf.fill(FILES))
    words = ("fetch", "nbody", "-d", "out", "--results-url", shelf.root.as_uri(), "--only")

    assert profjob(*words, "summary,raw").returncode == 0
    first = {"summary.json", "raw/run-0/pyspy/profile.json", "status.json"}
    assert found(tmp_path / "out").keys() == first

    assert profjob(*words, "run-*/app.log,summary").returncode == 0
    assert found(tmp_path / "out").keys() == first | {"run-0/app.log"}

    nothing = profjob(*words, "junit")
    assert nothing.returncode == 2 and "nothing of junit" in nothing.stderr
    unknown = profjob(*words, "sumary")
    assert unknown.returncode == 2 and "must be one of summary" in unknown.stderr


def test_earlier_results_are_replaced_as_a_whole(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, tmp_path: Path
) -> None:
    """Never mixed; and other files are never touched."""
    words = ("fetch", "nbody", "-d", "out", "--results-url", shelf.root.as_uri())
    finish(cluster, shelf.fill(FILES))
    assert profjob(*words).returncode == 0
    finish(cluster, shelf.fill({"summary.json": b"new"}, uid="another"), uid="another")

    assert profjob(*words).returncode == 0
    assert found(tmp_path / "out").keys() == {"summary.json", "report.json", "status.json"}
    assert not list(tmp_path.glob(".out*"))

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    done = profjob("fetch", "nbody", "-d", "mine", "--results-url", shelf.root.as_uri())
    assert done.returncode == 2 and "left alone" in done.stderr
    assert found(tmp_path / "mine") == {"file": b"precious"}


def test_a_download_that_is_cut_goes_on(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, tmp_path: Path
) -> None:
    """Where it was, with the kubeconfig's token."""
    finish(cluster, shelf.fill(FILES))
    shelf.cut = 1
    with shelf.served() as url:
        done = profjob("fetch", "nbody", "-d", "out", "--results-url", url)

    assert done.returncode == 0
    assert found(tmp_path / "out")["entries.jsonl.gz"] == FILES["entries.jsonl.gz"]
    ranges = [asked for path, asked, _ in shelf.asked if path.endswith(".gz") and asked]
    assert ranges == [f"bytes={len(FILES['entries.jsonl.gz']) // 2}-"]
    assert {token for _, _, token in shelf.asked} == {f"Bearer {TOKEN}"}


def test_what_came_is_kept_for_the_next_time(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, tmp_path: Path
) -> None:
    """A file that cannot be had ends it; the folder is untouched, and nothing comes twice."""
    finish(cluster, shelf.fill(FILES))
    hidden = shelf.root / "ci" / "nbody" / UID / "1" / "summary.json"
    hidden.rename(tmp_path / "hidden")
    words = ("fetch", "nbody", "-d", "out", "--results-url", shelf.root.as_uri())

    assert profjob(*words).returncode == 2
    assert not (tmp_path / "out").exists()

    (tmp_path / "hidden").rename(hidden)
    (shelf.root / "ci" / "nbody" / UID / "1" / "entries.jsonl.gz").unlink()
    assert profjob(*words).returncode == 0
    assert found(tmp_path / "out")["entries.jsonl.gz"] == FILES["entries.jsonl.gz"]


@pytest.mark.parametrize("where", ["https://evil.example/v1/results", "http://x.svc", "file:///"])
def test_a_status_does_not_decide_who_gets_a_token(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, where: str
) -> None:
    """Its URL is written by a pod that runs what a job's author wants."""
    finish(cluster, shelf.fill(FILES), where)

    done = profjob("fetch", "nbody")

    assert done.returncode == 2
    assert "--results-url" in done.stderr


def test_the_settings_may_name_the_store(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, env: dict[str, str]
) -> None:
    """Then the status's URL is enough. A token that was given wins over the kubeconfig's."""
    with shelf.served() as url:
        Path(env["PROFJOB_SETTINGS"]).write_text(f"stores: {{default: {{url: '{url}'}}}}\n")
        finish(cluster, shelf.fill(FILES), url)
        env["PROFJOB_TOKEN"] = "given"  # noqa: S105 - of nobody

        assert profjob("fetch", "nbody").returncode == 0

    assert {token for _, _, token in shelf.asked} == {"Bearer given"}


def test_a_report_that_the_status_contradicts_is_refused(
    profjob: Run, cluster: FakeCluster, shelf: Shelf
) -> None:
    """One of the two was changed after the upload."""
    listed = shelf.fill(FILES)
    shelf.fill({**FILES, "summary.json": b"changed"})
    finish(cluster, listed)

    done = profjob("fetch", "nbody", "--results-url", shelf.root.as_uri())

    assert done.returncode == 2
    assert "summary.json has another checksum" in done.stderr


def test_without_a_report_the_status_is_what_is_known(
    profjob: Run, cluster: FakeCluster, shelf: Shelf, tmp_path: Path
) -> None:
    """And that is said."""
    finish(cluster, shelf.fill(FILES))
    (shelf.root / "ci" / "nbody" / UID / "1" / "report.json").unlink()

    done = profjob("fetch", "nbody", "-d", "out", "--results-url", shelf.root.as_uri())

    assert done.returncode == 0
    assert "the report is missing" in done.stderr
    assert found(tmp_path / "out").keys() == {*FILES, "status.json"}


def test_a_job_that_goes_on_is_refused_or_waited_for(
    profjob: Run, cluster: FakeCluster, shelf: Shelf
) -> None:
    """A failed job's results are results: 0."""
    cluster.put(stored_job(status=going("Running")))
    listed = shelf.fill(FILES)
    words = ("fetch", "nbody", "--results-url", shelf.root.as_uri())

    done = profjob(*words)
    assert done.returncode == 2 and "is Running, not finished; --wait" in done.stderr

    url = f"http://store/ci/nbody/{UID}/1"
    files = [one.model_dump(mode="json", exclude_none=True) for one in listed]
    status = ended("Failed", "AppFailed", results={"url": url, "files": files})
    cluster.watches["profilingjobs"].append([stored_job(status=status)])
    assert profjob(*words, "--wait").returncode == 0


def test_a_job_without_results_says_so(profjob: Run, cluster: FakeCluster, shelf: Shelf) -> None:
    """Nothing is written."""
    cluster.put(stored_job(status=ended("Failed", "ImagePullFailed", runs=[])))

    done = profjob("fetch", "nbody")
    assert done.returncode == 2 and "the job has no results" in done.stderr

    shelf.root.mkdir()
    done = profjob("fetch", "nbody", "--results-url", shelf.root.as_uri())
    assert done.returncode == 2 and "holds no complete results" in done.stderr


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a//b", "a/../../b", "a\nb"])
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    """The report is written beside what it tells of."""
    with pytest.raises(BadKeyError):
        fetch.chosen([ResultFile(path=path, size=1, sha256="0" * 64)], fetch.Choice())


def test_a_file_cannot_pass_for_the_status() -> None:
    """status.json is what the API server says."""
    listed: list[Any] = [ResultFile(path="status.json", size=1, sha256="0" * 64)]

    assert fetch.chosen(listed, fetch.Choice()) == []


def test_words_of_only_are_checked() -> None:
    """A group, or what looks like a path."""
    assert fetch.wanted("summary,raw/*,x.json") == "summary,raw/*,x.json"
    for word in ("", "sum", "summary,"):
        with pytest.raises(typer.BadParameter):
            fetch.wanted(word)
