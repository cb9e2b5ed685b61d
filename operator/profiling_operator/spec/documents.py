"""From YAML or JSON text to plain values, as Kubernetes reads them.

No key stands twice, no date is made of text, no number of `1:30`; nothing is built but mappings,
lists, strings, numbers, booleans and null.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import yaml

from profiling_operator.errors import Problem, SpecError

MERGE = "tag:yaml.org,2002:merge"

AS_TEXT = ("timestamp", "binary")  # tags that say more than JSON can


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    """A mapping with each key once; what `<<` brings in may be overridden."""
    _refuse_repeated(loader, node)
    loader.flatten_mapping(node)
    return {
        _key(loader, key): loader.construct_object(value, deep=True) for key, value in node.value
    }


def _refuse_repeated(loader: _Loader, node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.tag == MERGE:
            continue
        key = _key(loader, key_node)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise SpecError([Problem(f"line {line}", f"the key {key!r} is there twice")])
        seen.add(key)


def _key(loader: _Loader, node: yaml.Node) -> str:
    """The key as JSON has it, where keys are strings."""
    key = loader.construct_object(node, deep=True)
    if isinstance(key, str):
        return key
    if isinstance(key, (int, float)) or key is None:
        return json.dumps(key)
    line = node.start_mark.line + 1
    raise SpecError([Problem(f"line {line}", "a key must be a word, not a list or a mapping")])


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _word in AS_TEXT:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_word}", _text)

SEXAGESIMAL = re.compile(r"[-+0-9_.]+(?::[0-9]+)+(?:\.[0-9_]*)?")
NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _NoSexagesimal:
    """A resolver's pattern that leaves `1:30` alone: YAML 1.1 takes it for 90."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def match(self, text: str) -> re.Match[str] | None:
        return None if SEXAGESIMAL.fullmatch(text) else self._pattern.match(text)


def _adapted(resolvers: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [
        (tag, _NoSexagesimal(pattern) if tag in NUMBER_TAGS else pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:timestamp"
    ]


_Loader.yaml_implicit_resolvers = {
    first: _adapted(resolvers)
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str, source: str = "") -> list[Any]:
    """The documents of a text that hold something. Raises SpecError for what is not YAML."""
    if text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):  # a mapping of YAML may begin so, too
            return [json.loads(text, object_pairs_hook=_unique_pairs)]
    try:
        loaded = yaml.load_all(text, Loader=_Loader)
        return [body for body in loaded if body is not None]
    # PyYAML's constructors let these through, for `!!int x`, `!!bool x`, [[[[…
    except (yaml.YAMLError, ValueError, KeyError, TypeError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else error
        raise SpecError([Problem(source, f"is not YAML: {said}")]) from error


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        listed = [key for key, _ in pairs]
        twice = next(key for key in body if listed.count(key) > 1)
        raise SpecError([Problem("", f"the key {twice!r} is there twice")])
    return body
