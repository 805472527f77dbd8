"""Fills a simple JSON schema with values that depend on a seed alone."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.upstream.exchange import Json

PLAIN = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper")
DEPTH = 8


def fill(schema: Json, seed: int) -> Any:
    """A value that fits `schema`: objects, arrays, enums, unions, `$ref` into its own `$defs`, and scalars."""
    return _fill(schema, schema, Random(seed), DEPTH)


def _fill(schema: Json, root: Json, random: Random, depth: int) -> Any:
    if "$ref" in schema:
        return _fill(_resolve(schema["$ref"], root), root, random, depth - 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(schema["enum"])
    for union in ("anyOf", "oneOf", "allOf"):
        if options := schema.get(union):
            return _fill(options[0] if depth > 0 else options[-1], root, random, depth - 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    return _value(kind, schema, root, random, depth)


def _value(kind: str, schema: Json, root: Json, random: Random, depth: int) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: _fill(part, root, random, depth - 1) for name, part in properties.items()}
        case "array":
            length = max(schema.get("minItems", 0), 2 if depth > 0 else 0)
            return [_fill(schema.get("items", {}), root, random, depth - 1) for _ in range(length)]
        case "integer":
            return random.randint(int(schema.get("minimum", 1)), int(schema.get("maximum", 99)))
        case "number":
            return random.randint(1, 99) + 0.5
        case "boolean":
            return random.random() < 0.5
        case "null":
            return None
        case _:
            return random.choice(PLAIN)


def _resolve(reference: str, root: Json) -> Json:
    node: Any = root
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return dict(node)
