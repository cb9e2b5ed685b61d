"""The store contract: every kind of store passes this suite unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from profiling_operator import store as files_of
from profiling_operator import stores
from profiling_operator.errors import StoreError
from profiling_operator.stores import ResultStore, StoredFile, StoreRefusedError
from results_serving import KEY, UPLOADER

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


def test_addresses_lead_to_files(place: ResultStore) -> None:
    """The folder's is what the status holds."""
    folder = place.url_of(KEY)

    assert folder.endswith(KEY)
    assert place.url_of(KEY, "run-0/a b.log") == f"{folder}/run-0/a%20b.log"
