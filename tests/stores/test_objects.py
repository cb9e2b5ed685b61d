"""What is special about object stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profiling_operator.errors import StoreError
from profiling_operator.stores import StoredFile, StoreRefusedError, open_store, put_all
from results_serving import KEY

Made = Callable[..., StoredFile]


@pytest.mark.parametrize(("url", "options", "named"), [
    ("s3://bucket", {"regoin": "x"}, "regoin"),
    ("gs://bucket", {"endpoint": "x"}, "endpoint"),
    ("s3://", {}, "s3://"),
])  # fmt: skip
def test_bad_urls_and_options_are_refused(url: str, options: dict[str, str], named: str) -> None:
    """By name, before anything is sent."""
    with pytest.raises(StoreRefusedError, match=named):
        open_store(url, options=options)


@pytest.mark.needs("s3")
def test_wrong_credentials_are_refused(s3: Any, source: Path, made: Made) -> None:
    """Waiting does not make them right."""
    one = made("a")
    place = open_store(s3.url, options={**s3.options, "secret_access_key": "wrong"})

    with pytest.raises(StoreRefusedError, match="s3://results/profiles"):
        place.put(KEY, "a", source / "a", str(one.sha256))


@pytest.mark.needs("s3")
def test_a_bucket_that_is_not_there_is_refused(s3: Any, source: Path, made: Made) -> None:
    """And named."""
    one = made("a")
    place = open_store("s3://elsewhere", options=s3.options)

    with pytest.raises(StoreRefusedError, match="s3://elsewhere"):
        place.put(KEY, "a", source / "a", str(one.sha256))


@pytest.mark.needs("s3")
def test_an_outage_is_survived(s3: Any, source: Path, made: Made, tmp_path: Path) -> None:
    """The store comes back in time; what was there before is not sent again."""
    files = [made("a", 20 << 20), made("b", 1000), made("report.json")]
    place = open_store(s3.url, options=s3.options)
    place.put(KEY, "a", source / "a", str(files[0].sha256))
    s3.stop()
    told: list[str] = []

    def back(_: float) -> None:
        s3.start()

    sent = put_all(place, KEY, source, files, time.monotonic() + 120, told.append, pause=back)

    assert sent == 1006
    assert len(told) == 1
    assert [one.path for one in place.files(KEY)] == ["a", "b", "report.json"]


def test_nobody_there_may_pass() -> None:
    """A store that does not answer is worth another try."""
    options = {"endpoint": "http://127.0.0.1:9", "region": "x", "access_key_id": "a",
               "secret_access_key": "b"}  # fmt: skip

    with pytest.raises(StoreError) as caught:
        open_store("s3://bucket", options=options).read(KEY, "report.json", 10)

    assert caught.value.retry
