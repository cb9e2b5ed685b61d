"""Who may send which results, and who may have them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from profiling_operator import names
from profiling_operator.results_server import access as accesses
from profiling_operator.results_server.access import POD_NAME, POD_UID, Access
from profiling_operator.results_server.answers import Refusal
from profiling_operator.results_server.reviews import Identity, Right
from profiling_operator.stores import read_key
from results_serving import (
    AGENT,
    KEY,
    OPERATOR,
    POD,
    READER,
    STRANGER,
    UPLOADER,
    FakeReviews,
    pod,
    uploader,
)

HERE = read_key(KEY)


def send(reviews: FakeReviews, key: str = KEY, shown: str = f"Bearer {UPLOADER}") -> int:
    """HTTP status of a refusal to send; 0 without one."""
    try:
        asyncio.run(Access(reviews).require_sender(shown, read_key(key)))
    except Refusal as refusal:
        return refusal.status
    return 0


def have(reviews: FakeReviews, token: str, key: str = KEY) -> int:
    """HTTP status of a refusal to give; 0 without one."""
    try:
        asyncio.run(Access(reviews).require_reader(f"Bearer {token}", read_key(key)))
    except Refusal as refusal:
        return refusal.status
    return 0


def has_right(reviews: FakeReviews, token: str, verb: str) -> int:
    """HTTP status of a refusal of a right; 0 without one."""
    try:
        asyncio.run(Access(reviews).require_right(f"Bearer {token}", Right(verb, "ci")))
    except Refusal as refusal:
        return refusal.status
    return 0


def test_the_uploader_of_the_attempt_may_send() -> None:
    """And have what it sent."""
    assert send(FakeReviews()) == 0
    assert have(FakeReviews(), UPLOADER) == 0


@pytest.mark.parametrize("key", [
    KEY.replace("ci/", "other/"), KEY.replace("nbody-1", "nbody-2"),
    KEY.replace("0b7b", "0c7b"), KEY[:-1] + "2",
])  # fmt: skip
def test_an_uploader_may_not_send_for_others(key: str) -> None:
    """Another namespace, job, UID or attempt; it may not have theirs either."""
    assert send(FakeReviews(), key) == 403
    assert have(FakeReviews(), UPLOADER, key) in {401, 403}


@pytest.mark.parametrize("identity", [
    Identity("system:serviceaccount:ci:default", extra=uploader().extra),
    Identity("jane", extra=uploader().extra),
    uploader(**{POD_NAME: (POD,)}),
    uploader(**{POD_NAME: (POD,), POD_UID: ("another",)}),
    uploader(**{POD_NAME: (POD,), POD_UID: ("pod-uid-1", "another")}),
    uploader(**{POD_NAME: ("no-such",), POD_UID: ("pod-uid-1",)}),
])  # fmt: skip
def test_who_is_not_that_pod_may_not_send(identity: Identity) -> None:
    """Other accounts, tokens that are bound to no pod, and pods that are gone."""
    reviews = FakeReviews(tokens={(UPLOADER, "profjob-results"): identity})

    assert send(reviews) == 403


@pytest.mark.parametrize("label", ["job", "job-uid", "attempt"])
def test_each_label_of_the_pod_counts(label: str) -> None:
    """All three say which results are its."""
    body = pod()
    body["metadata"]["labels"][f"profiling.dev/{label}"] = "9"

    assert send(FakeReviews(pods={("ci", POD): body})) == 403


def test_long_names_are_compared_as_labels_have_them() -> None:
    """A label has 63 characters; a name may have more."""
    name = "a" * 200
    key = KEY.replace("nbody-1", name)
    body = pod(key)
    body["metadata"]["labels"]["profiling.dev/job"] = names.shorten(name)

    assert send(FakeReviews(pods={("ci", POD): body}), key) == 0


@pytest.mark.parametrize("shown", [
    "", "Bearer", "Bearer ", f"Basic {UPLOADER}", UPLOADER, "Bearer other",
    "Bearer " + "x" * 20_000,
])  # fmt: skip
def test_without_a_good_token_nothing_goes(shown: str) -> None:
    """401, and what is needed."""
    with pytest.raises(Refusal) as caught:
        asyncio.run(Access(FakeReviews()).require_sender(shown, HERE))

    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", [KEY, KEY[:-1] + "2"])
def test_an_agent_with_the_right_may_send(key: str) -> None:
    """Whatever attempt it is: its hosts have no pods."""
    reviews = FakeReviews()

    assert send(reviews, key, f"Bearer {AGENT}") == 0
    assert not [one for one in reviews.asked if one[0] == "pod"]
    assert have(reviews, AGENT, key) == 0


def test_an_agent_may_not_send_where_it_has_no_right() -> None:
    """Namespaces of others."""
    assert send(FakeReviews(), KEY.replace("ci/", "other/"), f"Bearer {AGENT}") == 403


def test_an_agent_may_show_a_token_of_our_audience() -> None:
    """Which is good for nothing else."""
    identity = FakeReviews().tokens[AGENT, ""]
    reviews = FakeReviews(tokens={("only-ours", "profjob-results"): identity})

    assert send(reviews, shown="Bearer only-ours") == 0


@pytest.mark.parametrize("token", [READER, STRANGER, OPERATOR])
def test_who_lacks_the_right_may_not_send(token: str) -> None:
    """To read is another one, and so is to write baselines; the refusal names it."""
    with pytest.raises(Refusal) as caught:
        asyncio.run(Access(FakeReviews()).require_sender(f"Bearer {token}", HERE))

    assert caught.value.status == 403
    wanted = "update profilingjobs.profiling.dev/results nbody-1 in namespace ci"
    assert wanted in caught.value.message


def test_an_uploader_stays_bound_to_its_pod_whatever_roles_say() -> None:
    """It sends for no other attempt, nor by a token for the API server."""
    reviews = FakeReviews(tokens={
        (UPLOADER, "profjob-results"): uploader(),
        ("for-the-api", ""): uploader(),
    })  # fmt: skip
    reviews.senders.add(uploader().username)

    assert send(reviews) == 0
    assert send(reviews, KEY[:-1] + "2") == 403
    assert send(reviews, shown="Bearer for-the-api") == 401


def test_whose_a_token_is_is_asked_once() -> None:
    """Though an agent's is asked about twice: for us, and for the API server."""
    reviews = FakeReviews()
    access = Access(reviews)

    async def send_twice() -> None:
        for _ in range(2):
            await access.require_sender(f"Bearer {AGENT}", HERE)

    asyncio.run(send_twice())

    assert [one[0] for one in reviews.asked] == ["token", "token", "may"]


@pytest.mark.parametrize(("token", "status"), [
    (READER, 0), (STRANGER, 403), ("other", 401),
])  # fmt: skip
def test_readers_are_those_who_may_get_the_job(token: str, status: int) -> None:
    """As the API server says."""
    assert have(FakeReviews(), token) == status


def test_a_reader_may_show_a_token_of_our_audience() -> None:
    """As Jenkins gets one that is good for nothing else."""
    reviews = FakeReviews(tokens={("jenkins", "profjob-results"): Identity("jane")})

    assert have(reviews, "jenkins") == 0


def test_an_api_server_without_answer_is_no_refusal() -> None:
    """503: the uploader tries again."""
    assert send(FakeReviews(down=True)) == 503
    assert have(FakeReviews(down=True), READER) == 503


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_yes_is_remembered_for_a_minute() -> None:
    """Thousands of files of one attempt are one question; later it is asked again."""
    reviews, clock = FakeReviews(), Clock()
    access = Access(reviews, clock)

    def send_once() -> int:
        asyncio.run(access.require_sender(f"Bearer {UPLOADER}", HERE))
        return len(reviews.asked)

    assert [send_once(), send_once()] == [2, 2]
    clock.now = 61
    reviews.tokens.clear()
    with pytest.raises(Refusal):
        send_once()


def test_a_no_is_not_remembered() -> None:
    """A right that was just given counts at once."""
    reviews = FakeReviews()
    access = Access(reviews)

    def may_have() -> bool:
        try:
            asyncio.run(access.require_reader(f"Bearer {STRANGER}", HERE))
        except Refusal:
            return False
        return True

    assert not may_have()
    reviews.readers.add("joe")
    assert may_have()


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """And holds no tokens."""
    monkeypatch.setattr(accesses, "REMEMBERED", 5)
    tokens: Any = {(f"t{i}", ""): Identity("jane") for i in range(20)}
    access = Access(FakeReviews(tokens=tokens))

    async def all_of_them() -> None:
        for i in range(20):
            await access.require_reader(f"Bearer t{i}", HERE)

    asyncio.run(all_of_them())

    assert len(access._known) == 5
    assert "t19" not in repr(access._known)


@pytest.mark.parametrize(("token", "verb", "status"), [
    (OPERATOR, "update", 0), (OPERATOR, "get", 0), (READER, "get", 0), (READER, "update", 403),
    (STRANGER, "get", 403), (UPLOADER, "update", 403), ("other", "get", 401),
])  # fmt: skip
def test_rights_are_as_the_api_server_says(token: str, verb: str, status: int) -> None:
    """By tokens for the API server, and by those for us, as the operator's."""
    assert has_right(FakeReviews(), token, verb) == status


def test_an_uploader_has_no_right_to_write_whatever_roles_say() -> None:
    """Of any namespace; to read it may have one."""
    reviews = FakeReviews()
    reviews.writers.add(uploader().username)

    assert has_right(reviews, UPLOADER, "update") == 403
    assert has_right(reviews, UPLOADER, "delete") == 403
    assert has_right(reviews, UPLOADER, "get") == 0


def test_one_right_is_not_remembered_as_another() -> None:
    """Who may read does not write a moment later."""
    access = Access(FakeReviews())

    async def ask(verb: str) -> int:
        try:
            await access.require_right(f"Bearer {READER}", Right(verb, "ci", "main", "baseline"))
        except Refusal as refusal:
            return refusal.status
        return 0

    async def ask_all() -> list[int]:
        return [await ask("get"), await ask("update"), await ask("get")]

    assert asyncio.run(ask_all()) == [0, 403, 0]
