"""Trace contexts: only what W3C allows is handed on."""

from __future__ import annotations

import pytest

from making import job, job_body
from profiling_operator import plan, pods, spec, traces
from profiling_operator.settings import Settings, StoreSettings

IDS = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
PARENT = f"00-{IDS}-01"
STATE = "rojo=00f067aa0ba902b7,congo@b=t61rcWkgMzE"


@pytest.mark.parametrize(("parent", "is_valid"), [
    (PARENT, True),
    (f"01-{IDS}-01-more", True),  # a later version may add to it
    (f"00-{IDS}-01-more", False),
    (f"ff-{IDS}-01", False),
    (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
    (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", False),
    (PARENT.upper(), False),
    (f"{PARENT}\n", False),
    ("", False),
])  # fmt: skip
def test_a_parent_is_as_w3c_writes_it(parent: str, is_valid: bool) -> None:
    """Else there is no trace at all, and no state of one."""
    found = traces.valid(parent, STATE)

    assert found == ({"TRACEPARENT": parent, "TRACESTATE": STATE} if is_valid else {})


@pytest.mark.parametrize("state", ["", "=", "a", "a=b=c", "a=\x01", "A=b", "a=" + "b" * 600])
def test_a_bad_state_is_left_out(state: str) -> None:
    """The parent stands alone then."""
    assert traces.valid(PARENT, state) == {"TRACEPARENT": PARENT}


def test_annotations_and_variables_are_of_one_trace() -> None:
    """What a pipeline hands over reaches the application as it was."""
    given = {"TRACEPARENT": PARENT, "TRACESTATE": STATE, "PATH": "/bin"}

    found = traces.annotations_of(given)

    assert set(found) == {"profiling.dev/traceparent", "profiling.dev/tracestate"}
    assert traces.variables_of(found) == {"TRACEPARENT": PARENT, "TRACESTATE": STATE}


def traced(**app: object) -> spec.ProfilingJob:
    """A job with a trace in its annotations."""
    body = job_body(app={"command": ["true"], **app})
    annotations = traces.annotations_of({"TRACEPARENT": PARENT, "TRACESTATE": STATE})
    body["metadata"]["annotations"] = annotations
    return spec.read_body(body)


def test_the_application_of_a_plan_gets_the_trace() -> None:
    """On every platform, since it is in the plan."""
    planned = plan.build_plan(traced(env=[{"name": "A", "value": "1"}]))

    said = {one.name: one.value for one in planned.app.env}
    assert said == {"A": "1", "TRACEPARENT": PARENT, "TRACESTATE": STATE}
    assert plan.Plan.model_validate_json(planned.model_dump_json()).app == planned.app


def test_the_application_of_a_pod_gets_the_trace() -> None:
    """And no other container."""
    known = Settings(stores={"default": StoreSettings(url="https://results")})
    made = plan.build_plan(traced(image="app:1"))
    template = pods.job(made, known)["spec"]["template"]["spec"]

    carrying = [
        one["name"]
        for one in (*template["initContainers"], *template["containers"])
        if {"name": "TRACEPARENT", "value": PARENT} in one.get("env", [])
    ]
    assert carrying == ["app"]


def test_a_trace_that_the_job_names_itself_stands() -> None:
    """Whole: another's state would not belong to it."""
    planned = plan.build_plan(traced(env=[{"name": "TRACEPARENT", "value": "mine"}]))

    assert [(one.name, one.value) for one in planned.app.env] == [("TRACEPARENT", "mine")]


def test_a_full_environment_stays_as_it_is() -> None:
    """A plan has no more variables than a job may have."""
    full = [{"name": f"V{index}", "value": ""} for index in range(255)]

    assert len(plan.build_plan(traced(env=full)).app.env) == 255


def test_a_job_without_annotations_has_no_trace() -> None:
    """Nothing is made up."""
    assert plan.build_plan(job()).app.env == ()
