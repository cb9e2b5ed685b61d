"""The base of all values."""

from __future__ import annotations

import pydantic
import pytest

from profiling_operator import frozen
from profiling_operator.frozen import Frozen


class Point(Frozen):
    """A value."""

    x_axis: int
    """How far to the right."""


def test_a_value_cannot_be_changed() -> None:
    """Who holds one may rely on it."""
    point = Point(x_axis=1)

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        point.x_axis = 2  # type: ignore[misc]


def test_names_are_camel_case_outside_and_snake_case_inside() -> None:
    """What is written can be read back."""
    point = Point(x_axis=1)

    assert point.model_dump() == {"xAxis": 1}
    assert Point.model_validate({"xAxis": 1}) == point


def test_unknown_fields_are_refused() -> None:
    """A typing error is never ignored."""
    with pytest.raises(pydantic.ValidationError, match="yAxis"):
        Point.model_validate({"xAxis": 1, "yAxis": 2})


def test_docstrings_of_fields_are_their_descriptions() -> None:
    """The CRD and the reference are made of them."""
    schema = Point.model_json_schema()

    assert schema["properties"]["xAxis"]["description"] == "How far to the right."


def test_rules_go_to_the_schema_and_leave_the_model_as_it_was() -> None:
    """A model with CEL rules is still frozen and strict."""

    class Ruled(Frozen):
        model_config = frozen.rules(("self.a > 0", "must be more than 0"))

        a_field: int = 1

    extra = Ruled.model_json_schema()["x-kubernetes-validations"]

    assert extra == [{"rule": "self.a > 0", "message": "must be more than 0"}]
    assert Ruled.model_config["frozen"]
    assert Ruled(a_field=2).model_dump() == {"aField": 2}


def test_a_keyed_list_is_a_map_to_kubernetes() -> None:
    """The API server then refuses a key that stands twice."""
    assert frozen.keyed_by("name") == {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
