"""The store contract: every kind of store passes this suite unchanged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from profiling_operator import baselines, stores
from profiling_operator import store as files_of
from profiling_operator.baselines import DOCUMENT_LIMIT, Baseline, Identity, Window
from profiling_operator.errors import StoreError
from profiling_operator.stores import (
    BadKeyError,
    ResultStore,
    StoreConflictError,
    StoredFile,
    StoreRefusedError,
)
from results_serving import KEY, OPERATOR, UPLOADER

Made = Callable[..., StoredFile]


@pytest.fixture(params=["file", "http", pytest.param("s3", marks=pytest.mark.needs("s3"))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ResultStore]:
    """A store of each kind."""
    if request.param == "file":
        yield stores.open_store((tmp_path / "kept").as_uri())
    elif request.param == "http":
        yield stores.open_store(request.getfixturevalue("server_url"), token=UPLOADER)
    else:
        gateway = request.getfixturevalue("s3")
        yield stores.open_store(gateway.url, options=gateway.options)


@dataclass(frozen=True)
class Shelf:
    """Documents of a store of each kind."""

    store: ResultStore
    results: ResultStore
    """The same, for who may write results."""
    lags: bool = False
    """Versions and text are not read as one."""

    @staticmethod
    def text(name: str, said: str) -> bytes:
        """A document that says something: the results server takes none but baselines."""
        namespace, series, baseline = name.split("/")
        window = Window(identity=Identity(command=said), device="")
        return baselines.write(
            Baseline(namespace=namespace, series=series, name=baseline, windows=(window,))
        )

    @staticmethod
    def said(text: bytes | None) -> str:
        """What it says."""
        return baselines.read(text).windows[0].identity.command if text else ""


@pytest.fixture(params=["file", "http", pytest.param("s3", marks=pytest.mark.needs("s3"))])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Of each kind."""
    if request.param == "http":
        url = request.getfixturevalue("server_url")
        return Shelf(stores.open_store(url, token=OPERATOR), stores.open_store(url, token=UPLOADER))
    if request.param == "file":
        one = stores.open_store((tmp_path / "kept").as_uri())
        return Shelf(one, one)
    gateway = request.getfixturevalue("s3")
    one = stores.open_store(gateway.url, options=gateway.options)
    return Shelf(one, one, gateway.lags)


def put(place: ResultStore, source: Path, one: StoredFile) -> int:
    """Send a file."""
    assert one.sha256 is not None
    return place.put(KEY, one.path, source / one.path, one.sha256)


def test_what_is_put_can_be_read(place: ResultStore, source: Path, made: Made) -> None:
    """Small files as a whole; one that is not there is None."""
    one = made("report.json", b'{"a": 1}')

    assert put(place, source, one) == 8
    assert place.read(KEY, "report.json", 100) == b'{"a": 1}'
    assert place.read(KEY, "summary.json", 100) is None
    with pytest.raises(StoreRefusedError, match="larger than 4 bytes"):
        place.read(KEY, "report.json", 4)


@pytest.mark.parametrize("size", [0, 1, 20 << 20])
def test_what_is_put_can_be_fetched(
    size: int, place: ResultStore, source: Path, made: Made, tmp_path: Path
) -> None:
    """Empty and large files, too; with the checksum given, or as the store knows it."""
    one = made("run-0/app.log", size)
    told: list[int] = []

    assert put(place, source, one) == size
    place.fetch(KEY, one.path, tmp_path / "got", one.sha256, told.append)
    place.fetch(KEY, one.path, tmp_path / "again")

    assert files_of.checksum(tmp_path / "got") == one.sha256
    assert files_of.checksum(tmp_path / "again") == one.sha256
    assert told[-1:] == ([size] if size else [])


def test_a_file_that_is_there_is_not_sent_again(
    place: ResultStore, source: Path, made: Made
) -> None:
    """An uploader that begins anew sends what is missing only."""
    one = made("entries.jsonl.gz", 1000)

    assert [put(place, source, one), put(place, source, one)] == [1000, 0]


def test_a_changed_file_takes_the_place_of_the_earlier(
    place: ResultStore, source: Path, made: Made
) -> None:
    """As long as there is no report."""
    put(place, source, made("summary.json", b"old"))

    assert put(place, source, made("summary.json", b"new")) == 3
    assert place.read(KEY, "summary.json", 10) == b"new"


def test_files_are_listed(place: ResultStore, source: Path, made: Made) -> None:
    """By path, with size, and with the checksum where the store knows it."""
    wanted = [made("a.json", b"a"), made("raw/run-0/pyspy/profil é.json", b"bcd")]
    for one in reversed(wanted):
        put(place, source, one)

    listed = place.files(KEY)

    assert [(one.path, one.size) for one in listed] == [(one.path, one.size) for one in wanted]
    assert all(one.sha256 in {None, ours.sha256} for one, ours in zip(listed, wanted, strict=True))


def test_nothing_is_there_before_it_is_put(place: ResultStore, tmp_path: Path) -> None:
    """No files, and nothing to fetch: that is no reason to wait."""
    with pytest.raises(StoreRefusedError):
        place.fetch(KEY, "report.json", tmp_path / "got", "0" * 64)

    assert place.files(KEY) == []
    assert not (tmp_path / "got").exists()


def test_what_changes_while_it_is_sent_is_refused(
    place: ResultStore, source: Path, made: Made
) -> None:
    """The checksum is what the report says; a file that is another one must not pass for it."""
    one = made("run-0/app.log", b"first")
    (source / one.path).write_bytes(b"other")

    with pytest.raises(StoreRefusedError, match="changed after it was listed"):
        put(place, source, one)

    assert place.files(KEY) == []


def test_a_wrong_checksum_leaves_no_file(
    place: ResultStore, source: Path, made: Made, tmp_path: Path
) -> None:
    """Neither the target nor something that a second try would go on with."""
    put(place, source, made("a.json", b"a"))
    (tmp_path / "to").mkdir()

    with pytest.raises(StoreError, match="has checksum"):
        place.fetch(KEY, "a.json", tmp_path / "to" / "a.json", "0" * 64)

    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a//b", "a/./b", "a/", "", "a\n", "\udcff", ".profjob/sums/a", "a" * 256]
)
def test_bad_paths_are_refused(path: str, place: ResultStore, source: Path, made: Made) -> None:
    """By the client already, whatever the store would do."""
    made("a")

    with pytest.raises(StoreRefusedError, match=r"^path "):
        place.put(KEY, path, source / "a", "0" * 64)
    with pytest.raises(StoreRefusedError, match=r"^path "):
        place.fetch(KEY, path, source / "b", "0" * 64)


@pytest.mark.parametrize(
    "key", ["ci/a/b", "../a/b/1", "ci/a/b/0", "ci/A/b/1", "ci/a/../1", "c/a/b/1/"]
)
def test_bad_keys_are_refused(key: str, place: ResultStore) -> None:
    """They would be folders of others."""
    with pytest.raises(StoreRefusedError, match=r"key|namespace|job|uid|attempt"):
        place.read(key, "report.json", 10)


def test_a_document_is_written_read_and_removed(shelf: Shelf) -> None:
    """As a whole; there is nothing before, and nothing after."""
    store, name = shelf.store, "ci/N_Body.v2/main"

    assert store.document(name) is None
    store.put_document(name, shelf.text(name, "a"), None)
    first = store.document(name)
    assert first is not None
    assert first.text == shelf.text(name, "a")
    store.put_document(name, shelf.text(name, "b"), first.version)
    second = store.document(name)
    assert second is not None
    assert (second.text, second.version == first.version) == (shelf.text(name, "b"), False)
    assert [store.drop_document(name), store.drop_document(name)] == [True, False]
    assert store.document(name) is None


def test_a_document_is_not_written_over_what_others_wrote(shelf: Shelf) -> None:
    """Neither over the first, nor over a later one, nor where it is gone again."""
    store, name = shelf.store, "ci/nbody/main"
    store.put_document(name, shelf.text(name, "a"), None)
    first = store.document(name)
    assert first is not None
    with pytest.raises(StoreConflictError, match="nbody/main"):
        store.put_document(name, shelf.text(name, "b"), None)
    store.put_document(name, shelf.text(name, "c"), first.version)
    with pytest.raises(StoreConflictError, match="nbody/main"):
        store.put_document(name, shelf.text(name, "d"), first.version)
    kept = store.document(name)
    store.drop_document(name)
    with pytest.raises(StoreConflictError, match="nbody/main"):
        store.put_document(name, shelf.text(name, "e"), first.version)

    assert kept is not None
    assert kept.text == shelf.text(name, "c")
    assert store.document(name) is None


def test_documents_are_listed(shelf: Shelf) -> None:
    """Those of a namespace, or of one series of it; none is no error."""
    names = ["ci/nbody/main", "ci/nbody/next", "ci/nbody.2/main", "dev/nbody/main"]
    for name in names:
        shelf.store.put_document(name, shelf.text(name, "a"), None)

    assert shelf.store.documents("ci") == sorted(names[:3])
    assert shelf.store.documents("ci", "nbody") == names[:2]
    assert shelf.store.documents("dev") == names[3:]
    assert shelf.store.documents("other") == []
    shelf.store.drop_document("ci/nbody/main")
    shelf.store.drop_document("ci/nbody/next")
    assert shelf.store.documents("ci", "nbody") == []


def test_large_documents_come_back_as_they_were(shelf: Shelf) -> None:
    """As large as baselines get."""
    name = "ci/nbody/main"
    text = shelf.text(name, "a" * (DOCUMENT_LIMIT - 200))
    assert DOCUMENT_LIMIT - 100 < len(text) <= DOCUMENT_LIMIT

    shelf.store.put_document(name, text, None)
    found = shelf.store.document(name)

    assert found is not None
    assert found.text == text
    with pytest.raises(StoreConflictError):  # also where the body need not have come
        shelf.store.put_document(name, text, None)


@pytest.mark.parametrize("name", ["ci/main", "ci/../main", "ci/a b/main", "ci/a/Main", "CI/a/b"])
def test_bad_names_of_documents_are_refused(name: str, shelf: Shelf) -> None:
    """By the client already, before it is a path or a URL."""
    for action in (
        lambda: shelf.store.document(name),
        lambda: shelf.store.put_document(name, b"", None),
        lambda: shelf.store.drop_document(name),
    ):
        with pytest.raises(BadKeyError):
            action()
    with pytest.raises(BadKeyError):
        shelf.store.documents("ci", "..")


def test_result_folders_and_documents_do_not_meet(shelf: Shelf, source: Path, made: Made) -> None:
    """A job may be called as a series is."""
    name = "ci/nbody-1/main"
    shelf.store.put_document(name, shelf.text(name, "a"), None)
    put(shelf.results, source, made("report.json"))

    assert [one.path for one in shelf.results.files(KEY)] == ["report.json"]
    assert shelf.store.documents("ci") == [name]


def test_nothing_is_lost_when_many_write(shelf: Shelf) -> None:
    """Eight at once, each reading, adding and writing."""
    name, marks = "ci/nbody/main", [f"{who}-{i}" for who in range(8) for i in range(5)]

    def add(mark: str) -> None:
        stores.change_document(
            shelf.store, name, lambda text: shelf.text(name, f"{shelf.said(text)} {mark}"),
            time.monotonic() + 120, print,
        )  # fmt: skip

    if shelf.lags:
        pytest.skip("without extended attributes versions lag behind the text")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, marks))

    found = shelf.store.document(name)
    assert found is not None
    assert sorted(shelf.said(found.text).split()) == sorted(marks)


def test_addresses_lead_to_files(place: ResultStore) -> None:
    """The folder's is what the status holds."""
    folder = place.url_of(KEY)

    assert folder.endswith(KEY)
    assert place.url_of(KEY, "run-0/a b.log") == f"{folder}/run-0/a%20b.log"
