"""Reading a job, and what is said about one that is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pydantic
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import making
from profiling_operator.errors import SpecError
from profiling_operator.frozen import Frozen
from profiling_operator.spec import reading


def problems(body: Any) -> dict[str, str]:
    """What is said about a body, by place."""
    with pytest.raises(SpecError) as caught:
        reading.read_body(body)
    return {problem.where: problem.message for problem in caught.value.problems}


def refusal(text: str) -> str:
    """What is said about a text."""
    with pytest.raises(SpecError) as caught:
        reading.read(text, "job.yaml")
    return str(caught.value)


def test_a_job_is_read_from_yaml_and_from_json() -> None:
    """The same job either way."""
    body = making.job_body(repetitions=3)

    from_yaml = reading.read(yaml.safe_dump(body))
    from_json = reading.read(json.dumps(body, indent="\t"))

    assert from_yaml == from_json
    assert from_yaml.spec.repetitions == 3


def test_a_job_is_read_as_kopf_gives_it() -> None:
    """Mappings that are no dicts, at any depth."""

    def frozen(value: Any) -> Any:
        if isinstance(value, Mapping):
            return MappingProxyType({key: frozen(inner) for key, inner in value.items()})
        return value

    body = making.job_body(repetitions=3)

    assert reading.read_body(frozen(body)) == reading.read_body(body)


def test_what_was_read_reads_back() -> None:
    """A job's own JSON is a job."""
    job = reading.read_body(making.job_body(gates=[{"measure": "app/duration", "max": "1.2s"}]))

    assert reading.read_body(job.model_dump(mode="json", exclude_none=True)) == job


def test_all_problems_are_told_at_once() -> None:
    """Each with its path, its value and what is allowed."""
    body = making.job_body(
        app={"env": [{"name": "A", "value": 4}]}, repetitions=0, onTimeout="Maybe", warmups="2"
    )

    assert problems(body) == {
        "spec.app.env[0].value": "4 must be a string; put a number or a boolean in quotes",
        "spec.onTimeout": "\"Maybe\" must be one of 'Fail' or 'Stop'",
        "spec.repetitions": "0 must be at least 1",
        "spec.warmups": '"2" must be a whole number',
    }


def test_the_nearest_name_is_proposed_for_an_unknown_field() -> None:
    """With all that are known, at that place."""
    said = problems(making.job_body(app={"comand": ["true"]}, timeoutSecs=3))

    assert said["spec.app.comand"].startswith("is not a known field; did you mean 'command'?")
    assert "workingDir" in said["spec.app.comand"]
    assert "did you mean 'timeoutSeconds'?" in said["spec.timeoutSecs"]


def test_an_unknown_field_like_no_other_gets_no_proposal() -> None:
    """Only the list of what is known."""
    said = problems(making.job_body(zzz=1))["spec.zzz"]

    assert said.startswith("is not a known field (known: series, app,")


def test_snake_case_names_are_unknown() -> None:
    """The API server would drop them."""
    assert (
        "did you mean 'timeoutSeconds'?"
        in problems(making.job_body(timeout_seconds=3))["spec.timeout_seconds"]
    )


def test_a_missing_field_is_named() -> None:
    """Without a value, since there is none."""
    body = making.job_body()
    del body["spec"]["collectors"]
    del body["metadata"]["name"]

    assert problems(body) == {"metadata.name": "is required", "spec.collectors": "is required"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "[] must be a mapping"),
        (None, "null must be a mapping"),
        ("x", '"x" must be a mapping'),
    ],
)
def test_what_is_no_mapping_is_refused(value: Any, message: str) -> None:
    """At the top and within."""
    assert problems(value) == {"": message}
    assert problems(making.job_body(app=value)) == {"spec.app": message}


def test_another_kind_is_told_first() -> None:
    """What else is wrong with a Pod as a ProfilingJob is of no interest."""
    said = problems({"apiVersion": "v1", "kind": "Pod", "spec": {}})

    assert said == {
        "apiVersion": '"v1" must be "profiling.dev/v1alpha1"',
        "kind": '"Pod" must be "ProfilingJob"',
    }


def test_a_missing_kind_is_required() -> None:
    """With what it must be."""
    assert problems({})["kind"] == "is required: ProfilingJob"


def test_the_branches_of_a_union_are_not_in_the_path() -> None:
    """Nor is a place told twice."""

    class Options(Frozen):
        either: int | list[int] = 0

    body = {"either": {"a": 1}}
    with pytest.raises(pydantic.ValidationError) as caught:
        Options.model_validate(body)

    found = reading.problems_of(caught.value, body, Options, "spec.collectors[0].options")

    assert [problem.where for problem in found] == ["spec.collectors[0].options.either"]


def test_unknown_fields_below_mappings_of_models_are_told() -> None:
    """Options of collectors may be made so."""

    class Inner(Frozen):
        depth: int = 0

    class Options(Frozen):
        by_name: dict[str, Inner]

    body = {"byName": {"a b": {"dept": 1}}}
    with pytest.raises(pydantic.ValidationError) as caught:
        Options.model_validate(body)

    (problem,) = reading.problems_of(caught.value, body, Options)

    assert str(problem) == (
        "byName[\"a b\"].dept: is not a known field; did you mean 'depth'? (known: depth)"
    )


def test_a_key_with_dots_stands_in_brackets() -> None:
    """So that the path can be read."""
    body = making.job_body(placement={"nodeSelector": {"nvidia.com/gpu": 1}})

    assert list(problems(body)) == ['spec.placement.nodeSelector["nvidia.com/gpu"]']


def test_long_values_are_shortened() -> None:
    """A message stays readable."""
    said = problems(making.job_body(onTimeout="x" * 1000))["spec.onTimeout"]

    assert said.startswith('"xxx')
    assert "…" in said
    assert len(said) < 150


def test_braces_in_a_value_are_no_placeholders() -> None:
    """Messages of pydantic may quote the value."""
    assert "{0}" in problems(making.job_body(app={"image": "{0} {x}"}))["spec.app.image"]


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_document_is_allowed(count: int) -> None:
    """`kubectl apply` takes several; a run is of one job."""
    text = "---\n".join([yaml.safe_dump(making.job_body())] * count) or "---\n---\n"

    assert (
        refusal(text) == f"job.yaml: holds {count} documents; exactly one ProfilingJob is allowed"
    )


def test_empty_documents_do_not_count() -> None:
    """A `---` at either end is common."""
    job = reading.read(f"---\n{yaml.safe_dump(making.job_body())}---\n")

    assert job == reading.read_body(making.job_body())


def test_a_body_that_json_cannot_say_is_refused() -> None:
    """NaN and objects of Python."""
    assert "cannot be written as JSON" in problems(making.job_body(timeoutSeconds=float("nan")))[""]
    assert "cannot be written as JSON" in problems(making.job_body(app={"image": b"x"}))[""]


def test_a_body_nested_too_deep_is_refused() -> None:
    """Without an overflow of the stack."""
    deep: Any = {}
    for _ in range(100_000):
        deep = [deep]

    assert "too deep" in problems(making.job_body(app=deep))[""]


def test_a_bomb_of_aliases_is_refused() -> None:
    """A kilobyte of YAML may mean terabytes."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]

    assert "more than" in refusal("\n".join(lines))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["series", "app", "gpu", "collectors", "playback", "output", "gates", "placement", "retries"]
)


@settings(deadline=None)
@given(body=DATA)
def test_any_data_is_read_or_refused_with_a_spec_error(body: Any) -> None:
    """Nothing that JSON can say makes reading fail in another way."""
    with pytest.raises(SpecError):
        reading.read_body(body)


@settings(deadline=None)
@given(spec=st.dictionaries(FIELDS, DATA), metadata=DATA)
def test_any_spec_is_read_or_refused_with_a_spec_error(spec: Any, metadata: Any) -> None:
    """The same behind the right kind."""
    body = {**making.job_body(**spec), "metadata": metadata}
    try:
        reading.read_body(body)
    except SpecError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
