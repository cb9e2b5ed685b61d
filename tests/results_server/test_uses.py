"""Who uses which result folder."""

from __future__ import annotations

import pytest

from profiling_operator.results_server.answers import Refusal
from profiling_operator.results_server.uses import Uses
from profiling_operator.stores import Key

HERE, THERE = Key("ci", "a", "u", "1"), Key("ci", "a", "u", "11")


def test_a_folder_is_idle_when_the_last_one_left() -> None:
    """Each use counts; others do not."""
    uses = Uses()
    with uses.using(HERE):
        with uses.using(HERE):
            assert not uses.is_idle(HERE)
        assert not uses.is_idle(HERE)
        assert uses.is_idle(THERE)
    assert uses.is_idle(HERE)


def test_one_writes_a_file() -> None:
    """The folder is in use; another file may be written."""
    uses = Uses()
    with uses.writing(HERE, "a"):
        assert not uses.is_idle(HERE)
        with pytest.raises(Refusal), uses.writing(HERE, "a"):
            pass
        with uses.writing(HERE, "b"), uses.writing(THERE, "a"):
            pass
    with uses.writing(HERE, "a"):
        pass
    assert uses.is_idle(HERE)


def test_folders_above_are_in_use_too() -> None:
    """By whole parts of their names."""
    uses = Uses()
    with uses.using(HERE):
        assert not uses.is_idle_below("ci")
        assert not uses.is_idle_below("ci", "a", "u")
        assert uses.is_idle_below("c")
        assert uses.is_idle_below("ci", "aa")
    assert uses.is_idle_below("ci")
