"""`--set PATH=VALUE`: what it changes, and what it refuses."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.errors import SpecError
from profiling_operator.spec import changes

BODY: dict[str, Any] = {
    "metadata": {"name": "nbody"},
    "spec": {
        "app": {"args": ["--steps", "1"], "env": [{"name": "A", "value": "1"}]},
        "collectors": [{"name": "tau"}],
        "playback": {"port": 80},
    },
}


@pytest.mark.parametrize(("text", "where", "value"), [
    ('spec.app.args=["--steps","10"]', ("app", "args"), ["--steps", "10"]),
    ("spec.collectors[0].options.rate=200", ("collectors", 0), {"name": "tau",
                                                               "options": {"rate": 200}}),
    ("spec.collectors[1].name=perf", ("collectors",), [{"name": "tau"}, {"name": "perf"}]),
    ("spec.app.env[0].value='4'", ("app", "env"), [{"name": "A", "value": "4"}]),
    ("spec.app.env[0]=null", ("app", "env"), []),
    ("spec.gates[0].max=1.2s", ("gates",), [{"max": "1.2s"}]),
    ("spec.series=", ("series",), ""),
    ("spec.app.command=[sh, -c, 'a=b']", ("app", "command"), ["sh", "-c", "a=b"]),
    ("spec.timeoutSeconds=1:30", ("timeoutSeconds",), "1:30"),
])  # fmt: skip
def test_a_value_is_put_at_its_place(text: str, where: tuple[str | int, ...], value: Any) -> None:
    """As YAML; mappings and lists on the way are made."""
    found: Any = changes.changed(BODY, [text])["spec"]
    for step in where:
        found = found[step]

    assert found == value


def test_null_takes_a_field_away_and_needs_none() -> None:
    """Nothing is made only to be empty."""
    left = changes.changed(BODY, ["spec.playback=null", "spec.gpu.product=null"])["spec"]

    assert "playback" not in left
    assert "gpu" not in left


def test_a_key_with_dots_stands_in_brackets() -> None:
    """As those of labels and annotations do."""
    found = changes.changed(BODY, ['metadata.labels["team.example/owner"]=a'])

    assert found["metadata"]["labels"] == {"team.example/owner": "a"}


def test_the_body_itself_stays_as_it_is() -> None:
    """And later changes see earlier ones."""
    before = copy.deepcopy(BODY)

    found = changes.changed(BODY, ["spec.app.args[2]=a", "spec.app.args[3]=b"])

    assert found["spec"]["app"]["args"] == ["--steps", "1", "a", "b"]
    assert before == BODY


@pytest.mark.parametrize(("text", "said"), [
    ("spec.repetitions", "--set spec.repetitions: must be PATH=VALUE, as in spec.repetitions=5"),
    ("=5", "must be PATH=VALUE"),
    ("spec..a=5", "must be PATH=VALUE"),
    ("repetitions=5", "must begin with spec. or metadata."),
    ("spec=5", "must begin with spec. or metadata."),
    ("spec.app.args[7]=x", "--set spec.app.args[7]: spec.app.args has 2 elements; the next one "
                           "is [2]"),
    ("spec.app.args.first=x", "spec.app.args is no mapping, so it has no 'first'"),
    ("spec.app[0]=x", "spec.app is no list, so it has no [0]"),
    ("spec.app.args={", "--set spec.app.args: is not YAML"),
])  # fmt: skip
def test_what_cannot_be_done_names_the_path(text: str, said: str) -> None:
    """And what is allowed."""
    with pytest.raises(SpecError) as caught:
        changes.changed(BODY, [text])

    assert said in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_change_or_is_refused(text: str) -> None:
    """Never another error."""
    with suppress(SpecError):
        changes.changed(BODY, [f"spec.{text}"])
