"""Which jobs of a baseline are compared with, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from gating import HERE, accepted, snapshot
from profiling_operator.gates import comparing
from profiling_operator.machines import Machine
from profiling_operator.summary import Measured

X = Measured("x", "ns", (1.0, 2.0))
NOWHERE = Machine()


def test_jobs_of_this_device_and_driver_are_compared() -> None:
    """Whatever processor they had beside the GPUs."""
    other_processor = HERE.model_copy(update={"cpu": "Intel"})

    found = comparing.comparable(
        snapshot(accepted([1, 2]), accepted([3], machine=other_processor)), X, HERE
    )

    assert found.jobs == ((1, 2), (3,))
    assert (found.repetitions, found.left_out) == (3, "")


@pytest.mark.parametrize(("more", "said"), [
    ({"machine": Machine(gpus=("NVIDIA A100",), driver="570.1")},
     "1 job on NVIDIA A100 (this is NVIDIA H100)"),
    ({"machine": Machine(gpus=("NVIDIA H100",), driver="550.9")},
     "1 job with driver 550.9 (this is 570.1)"),
    ({"machine": NOWHERE}, "1 job on an unknown one (this is NVIDIA H100)"),
    ({"measure": "y"}, "1 job without this measure"),
    ({"unit": "By"}, "1 job that measured in By (this is ns)"),
], ids=str)  # fmt: skip
def test_others_are_left_out_and_named(more: dict[str, Any], said: str) -> None:
    """Nothing is compared, or left out, in silence."""
    found = comparing.comparable(snapshot(accepted([1]), accepted([2], **more)), X, HERE)

    assert found.jobs == ((1,),)
    assert found.left_out == said


def test_values_that_are_no_numbers_are_left_out() -> None:
    """And jobs without any."""
    jobs = [accepted([float("nan")]), accepted([1, float("inf")]), accepted([])]

    found = comparing.comparable(snapshot(*jobs), X, HERE)

    assert found.jobs == ()
    assert found.left_out == "2 jobs with values that are no numbers, 1 job without this measure"


def test_what_the_snapshot_left_out_is_told_on() -> None:
    """It knows more than its windows."""
    given = snapshot(others="3 jobs with another command", left_out="2 older jobs did not fit")

    found = comparing.comparable(given, X, HERE)

    assert found.left_out == "3 jobs with another command, 2 older jobs did not fit"


def test_the_unknown_is_compared_with_the_unknown_alone() -> None:
    """And the message says so."""
    found = comparing.comparable(
        snapshot(accepted([1], machine=NOWHERE), accepted([2])), X, NOWHERE
    )

    assert found.jobs == ((1,),)
    assert comparing.remark(NOWHERE) == "the device is unknown, here and there"
    assert comparing.remark(Machine(gpus=("G",))) == "the driver is unknown, here and there"
    assert comparing.remark(HERE) == comparing.remark(Machine(cpu="AMD")) == ""


def test_long_names_are_cut() -> None:
    """A document is somebody else's text."""
    other = Machine(gpus=("G" * 10_000,), driver="570.1")

    assert len(comparing.comparable(snapshot(accepted([1], machine=other)), X, HERE).left_out) < 200
