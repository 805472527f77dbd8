"""From pydantic's JSON Schema to the structural OpenAPI v3 schema that Kubernetes takes.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_SAME = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)
_CONVERTED = {"default", "properties", "required", "items", "patternProperties", "additionalProperties"}
_LEFT_OUT = {"title", "examples", "propertyNames", "$defs"}


def structural(model: type[BaseModel]) -> Schema:
    """The schema of a model. Raises TypeError for what Kubernetes has no way to say."""
    schema = model.model_json_schema(by_alias=True)
    return _node(schema, schema.get("$defs", {}), model.__name__)


def _node(schema: Schema, definitions: Schema, path: str) -> Schema:
    schema = _flat(schema, definitions, path)
    if strange := schema.keys() - {*_SAME, *_CONVERTED, *_LEFT_OUT}:
        raise TypeError(f"{path}: {', '.join(sorted(strange))} can't be said in a structural schema")
    node = {key: schema[key] for key in _SAME if key in schema}
    if node.get("x-kubernetes-int-or-string"):
        del node["type"]
    if "items" in schema:
        node["items"] = _node(schema["items"], definitions, f"{path}[]")
    if "patternProperties" in schema:
        return node | _map(schema["patternProperties"], definitions, path)
    if schema.get("additionalProperties"):
        raise TypeError(f"{path}: the keys of a map need a pattern")
    if "properties" in schema:
        if required := schema.get("required"):
            node["required"] = required
        node["properties"] = {
            name: _node(part, definitions, f"{path}.{name}") for name, part in schema["properties"].items()
        }
    if (default := _default(schema, node)) is not None:
        node["default"] = default
    return node


def _flat(schema: Schema, definitions: Schema, path: str) -> Schema:
    """Without references, and without `or null`: Kubernetes drops nulls. What stands beside a reference wins."""
    if "anyOf" in schema:
        choices = [each for each in schema["anyOf"] if each != {"type": "null"}]
        if len(choices) != 1:
            raise TypeError(f"{path}: one type is needed, not a choice of them")
        inner, beside = choices[0], {key: value for key, value in schema.items() if key != "anyOf"}
    elif "$ref" in schema:
        inner = definitions[schema["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
    else:
        return schema
    inner = _flat(inner, definitions, path)
    rules = "x-kubernetes-validations"
    both = {rules: inner[rules] + beside[rules]} if rules in inner and rules in beside else {}
    return inner | beside | both


def _default(schema: Schema, node: Schema) -> Any:
    """What the API server fills in; None for nothing.

    An object's default is made of those of its fields: the API server checks it against the rules before it looks
    into it, so `{}` would not do.
    """
    default = schema.get("default")
    if default is not None and "properties" in node:
        return {name: part["default"] for name, part in node["properties"].items() if "default" in part} or None
    return None if default in ([], {}) else default


def _map(patterns: Schema, definitions: Schema, path: str) -> Schema:
    """A map. Structural schemas can't restrict its keys, so a rule does."""
    [(pattern, values)] = patterns.items()
    quoted = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return {
        "additionalProperties": _node(values, definitions, f"{path}.*"),
        "x-kubernetes-validations": [
            {"rule": f"self.all(key, key.matches('{quoted}'))", "message": f"keys must match {pattern}"}
        ],
    }
