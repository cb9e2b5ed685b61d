"""Reads a job from YAML or JSON, and says everything that is wrong with it at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import pydantic

from profiling_operator import names
from profiling_operator.errors import Problem, SpecError
from profiling_operator.spec import documents
from profiling_operator.spec.job import ProfilingJob

SHOWN = 80  # characters of an offending value in a message
SIZE_LIMIT = 4 << 20  # characters of a body with its aliases written out; etcd takes 1.5 MiB
PLAIN_KEY = re.compile(r"[-\w/]+")

# pydantic's words for a failed bound, in ours. What is not listed keeps pydantic's message.
MESSAGES: dict[str, str] = {
    "missing": "is required",
    "string_type": "must be a string; put a number or a boolean in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "enum": "must be one of {expected}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_long": "must have at most {max_length} elements",
    "too_short": "must have at least {min_length} elements",
    "value_error": "{error}",
}
WITHOUT_VALUE = {"missing"}  # their input is the mapping around
AT_A_FIELD_THAT_IS_NOT_THERE = {"missing", "extra_forbidden"}


def read(text: str, source: str = "") -> ProfilingJob:
    """The job in one YAML or JSON document.

    Raises SpecError with all problems; each names the field's path, its value and what is allowed.
    """
    return read_body(one_body(text, source))


def one_body(text: str, source: str = "") -> Any:
    """What the one YAML or JSON document of a text says, not checked yet. Raises SpecError."""
    bodies = documents.load(text, source)
    if len(bodies) != 1:
        found = f"holds {len(bodies)} documents; exactly one ProfilingJob is allowed"
        raise SpecError([Problem(source, found)])
    return bodies[0]


def with_name(body: Any) -> Any:
    """The body with `generateName` as its name, where only an API server would make one up."""
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    if not isinstance(metadata, Mapping) or metadata.get("name"):
        return body
    prefix = metadata.get("generateName")
    if not isinstance(prefix, str) or not prefix:
        return body
    return {**body, "metadata": {**metadata, "name": prefix.rstrip("-.")}}


def read_body(body: Any) -> ProfilingJob:
    """The job in a mapping as YAML, JSON or the API gives it. Raises SpecError as `read` does."""
    if not isinstance(body, Mapping):
        raise SpecError([Problem("", f"{_shown(body)} must be a mapping")])
    text = _json(body)
    plain = json.loads(text)
    problems = _wrong_kind(plain)
    if problems:
        raise SpecError(problems)
    try:
        # JSON mode is strict about types, and yet lets lists become tuples and words enums.
        return ProfilingJob.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except pydantic.ValidationError as error:
        raise SpecError(problems_of(error, plain, ProfilingJob)) from error


def read_object(body: Mapping[str, Any]) -> ProfilingJob:
    """The job of an object as the API server has it: its status, which may be long, is not read.

    Raises SpecError.
    """
    return read_body({key: value for key, value in body.items() if key != "status"})


def _json(body: Mapping[str, Any]) -> str:
    """The body as JSON. Raises SpecError for what JSON cannot say, and for a bomb of aliases."""
    parts: list[str] = []
    size = 0
    try:
        for part in json.JSONEncoder(allow_nan=False, default=_plain).iterencode(body):
            parts.append(part)
            size += len(part)
            if size > SIZE_LIMIT:
                raise SpecError([Problem("", f"has more than {SIZE_LIMIT} characters")])
    except RecursionError as error:
        raise SpecError([Problem("", "is nested too deep")]) from error
    except (TypeError, ValueError) as error:
        raise SpecError([Problem("", f"cannot be written as JSON: {error}")]) from error
    return "".join(parts)


def _plain(value: Any) -> Any:
    """kopf hands over mappings that are no dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is no JSON")


def _wrong_kind(body: Mapping[str, Any]) -> list[Problem]:
    wanted = {"apiVersion": names.API_VERSION, "kind": names.KIND}
    return [
        Problem(
            field,
            f"{_shown(body[field])} must be {json.dumps(value)}"
            if field in body
            else f"is required: {value}",
        )
        for field, value in wanted.items()
        if body.get(field) != value
    ]


def problems_of(
    error: pydantic.ValidationError, body: Any, model: type[pydantic.BaseModel], prefix: str = ""
) -> list[Problem]:
    """What pydantic found wrong with a body of a model, in our words, below a path.

    The branches of a union that did not fit say one thing each of one place: the first one stands.
    """
    found = [_problem(detail, body, model, prefix) for detail in error.errors()]
    return list({problem.where: problem for problem in reversed(found)}.values())[::-1]


def _problem(detail: Any, body: Any, model: type[pydantic.BaseModel], prefix: str) -> Problem:
    kind = detail["type"]
    location = _real_location(detail["loc"], body, kind in AT_A_FIELD_THAT_IS_NOT_THERE)
    where = f"{prefix}{_path(location)}".removeprefix(".")
    if kind == "extra_forbidden":
        return Problem(where, _unknown_field(location, model))
    message = _message(detail)
    value = "" if kind in WITHOUT_VALUE else f"{_shown(detail['input'])} "
    return Problem(where, f"{value}{message}")


def _message(detail: Any) -> str:
    words = MESSAGES.get(detail["type"])
    return words.format_map(detail.get("ctx", {})) if words else str(detail["msg"])


def _real_location(
    location: Sequence[str | int], body: Any, missing_at_end: bool
) -> tuple[str | int, ...]:
    """The location without the words that pydantic adds for keys and for branches of a union."""
    real: list[str | int] = []
    here = body
    for position, part in enumerate(location):
        is_new = missing_at_end and position == len(location) - 1
        if isinstance(here, Mapping) and (part in here or is_new):
            real.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            real.append(part)
            here = here[part] if part < len(here) else None
    return tuple(real)


def _path(location: Sequence[str | int]) -> str:
    """The location as text; each part begins with a separator."""
    return "".join(
        f".{part}"
        if isinstance(part, str) and PLAIN_KEY.fullmatch(part) and len(part) <= SHOWN
        else f"[{_shown(part)}]"
        for part in location
    )


def _unknown_field(location: Sequence[str | int], model: type[pydantic.BaseModel]) -> str:
    known = _fields_at(location[:-1], model)
    nearest = difflib.get_close_matches(str(location[-1])[:SHOWN], known, n=1, cutoff=0.6)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return f"is not a known field{hint} (known: {', '.join(known)})"


def _fields_at(location: Sequence[str | int], model: Any) -> list[str]:
    """The names of the fields of the model that a location leads to."""
    for part in location:
        fields = {_alias(name, field): field for name, field in _fields(model).items()}
        if part in fields:  # else an index, or a key of a mapping of models
            model = _model_in(fields[str(part)].annotation)
    return [_alias(name, field) for name, field in _fields(model).items()]


def _fields(model: Any) -> dict[str, Any]:
    return model.model_fields if model is not None else {}


def _alias(name: str, field: Any) -> str:
    return field.alias or name


def _model_in(annotation: Any) -> Any:
    """The model inside `X | None`, `tuple[X, ...]` and `Annotated[X, …]`."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _shown(value: Any) -> str:
    """The value as JSON, in a line of bounded length."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
