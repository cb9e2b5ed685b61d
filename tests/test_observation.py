"""What is to be seen of an attempt."""

from __future__ import annotations

import dataclasses

import pytest

from profiling_operator import executors
from profiling_operator.observation import Observation, State


def test_there_are_four_states() -> None:
    """They are words for people and for what is written down."""
    assert [str(state) for state in State] == ["Starting", "Running", "Ended", "Lost"]


def test_an_observation_says_nothing_that_was_not_seen() -> None:
    """Only the state is always known."""
    seen = Observation(State.STARTING)

    assert dataclasses.asdict(seen) == {
        "state": State.STARTING, "started": None, "runs": (), "exit": None, "reason": None,
        "message": "", "node": "", "device": "", "image": "",
    }  # fmt: skip


def test_an_observation_stays_as_it_was_made() -> None:
    """It is passed on between stages, and equal ones are equal."""
    seen = Observation(State.RUNNING, node="n")

    with pytest.raises(dataclasses.FrozenInstanceError):
        seen.state = State.ENDED  # type: ignore[misc]
    assert seen == Observation(State.RUNNING, node="n")


def test_executors_offer_it() -> None:
    """Who writes one finds all of the contract in one place."""
    assert (executors.Observation, executors.State) == (Observation, State)
