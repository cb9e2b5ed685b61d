"""A status stays small enough to be stored."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from profiling_operator.status import (
    SIZE_LIMIT,
    SUMMARY_LIMIT,
    AppOutcome,
    AttemptStatus,
    Condition,
    ConditionType,
    GateStatus,
    Measure,
    ResultFile,
    Results,
    RunStatus,
    Status,
    fit,
)
from profiling_operator.status.resource import MESSAGE_LIMIT


def size(body: Any) -> int:
    """Bytes of a body as JSON."""
    return len(json.dumps(body, ensure_ascii=False).encode())


def status(
    files: int = 0,
    measures: int = 0,
    runs: int = 0,
    attempts: int = 0,
    gates: int = 0,
    text: str = "",
) -> Status:
    """A status with so much in it."""
    app = AppOutcome(reason="Completed", started_at="t", finished_at="t", message=text)
    condition = Condition(
        type=ConditionType.FINISHED, status="True", reason="Completed", message=text,
        last_transition_time="t",
    )  # fmt: skip
    return Status(
        conditions=(condition,),
        attempts=tuple(AttemptStatus(number=n + 1) for n in range(attempts)),
        runs=tuple(RunStatus(index=n, app=app) for n in range(runs)),
        results=Results(
            files=tuple(
                ResultFile(path=f"{n}{text}", size=n, sha256="0" * 64) for n in range(files)
            ),
            summary=tuple(
                Measure(measure=f"{n}", unit="ns", values=(1.0,) * 100, median=1.0)
                for n in range(measures)
            ),
        ),
        gates=tuple(
            GateStatus(measure=f"{n}", verdict="Passed", message=text) for n in range(gates)
        ),
    )


def test_a_small_status_is_left_as_it_is() -> None:
    """Nothing is dropped without need."""
    whole = status(files=3, measures=3, runs=3, attempts=2, gates=2)

    body = fit(whole)

    assert body == whole.model_dump(mode="json", exclude_none=True)
    assert body["results"]["truncated"] is False


def test_a_large_status_is_cut_and_says_so() -> None:
    """The largest list first, from its end; the others stay."""
    body = fit(status(files=1000, measures=2, runs=3, attempts=2, gates=2))

    assert size(body) <= SIZE_LIMIT
    assert body["results"]["truncated"] is True
    assert body["results"]["files"][0]["path"] == "0"
    assert len(body["results"]["files"]) > 50
    assert len(body["results"]["summary"]) == 2
    assert len(body["runs"]) == 3


def test_of_runs_and_attempts_the_last_ones_stay() -> None:
    """They tell how it ended."""
    body = fit(status(runs=200, attempts=300))

    assert size(body) <= SIZE_LIMIT
    assert body["runs"][-1]["index"] == 199
    assert body["attempts"][-1]["number"] == 300


def test_one_element_of_each_list_stays_as_long_as_possible() -> None:
    """A file that is large alone does not push out the others."""
    body = fit(status(files=2, measures=1, runs=1, attempts=1, gates=1, text="x" * 7000))

    assert len(body["attempts"]) == 1
    assert len(body["results"]["summary"]) == 1
    assert size(body) <= SIZE_LIMIT


def test_the_summary_has_at_most_twenty_measures() -> None:
    """And says that there were more."""
    body = fit(status(measures=SUMMARY_LIMIT + 1))

    assert len(body["results"]["summary"]) <= SUMMARY_LIMIT
    assert body["results"]["truncated"] is True


def test_a_cut_status_without_results_says_so_too() -> None:
    """There is then nothing but the note in `results`."""
    whole = status(runs=300).model_copy(update={"results": None})

    body = fit(whole)

    assert body["results"] == {"truncated": True}
    assert Status.model_validate(body).results == Results(truncated=True)


def test_many_elements_are_cut_quickly() -> None:
    """Raw files may be many thousands."""
    whole = status(files=20_000)
    began = time.process_time()

    fit(whole)

    assert time.process_time() - began < 5


@settings(deadline=None)
@given(
    counts=st.tuples(*[st.integers(0, 120)] * 5),
    text=st.text(max_size=300).map(lambda one: one[:MESSAGE_LIMIT]),
)
def test_any_status_fits_and_can_be_read(counts: tuple[int, ...], text: str) -> None:
    """Whatever is in it."""
    files, measures, runs, attempts, gates = counts

    body = fit(status(files, measures, runs, attempts, gates, text))

    assert size(body) <= SIZE_LIMIT
    Status.model_validate(body)
