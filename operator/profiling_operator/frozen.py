"""The base of every value that is read from or written to YAML and JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel


class Frozen(BaseModel):
    """An immutable value; camelCase outside, snake_case inside; unknown fields are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


def rules(*pairs: tuple[str, str]) -> ConfigDict:
    """Configuration of a model whose validators the API server checks too: CEL rule and message."""
    listed: list[JsonValue] = [{"rule": rule, "message": message} for rule, message in pairs]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": listed})


def keyed_by(field: str) -> dict[str, JsonValue]:
    """Schema extras of a list in which a field of the elements has each value once."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [field]}
