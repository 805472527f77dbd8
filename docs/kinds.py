"""The reference of the two kinds and of injection, from the operator's models and closed lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cachedistill_operator.api import group
from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.conditions import ConditionType
from cachedistill_operator.api.crd import MODEL_ROUTE, SEMANTIC_CACHE, Column, Kind
from cachedistill_operator.api.route_reasons import RouteEvent, RouteReason
from cachedistill_operator.inject.skip import SkipReason

Schema = dict[str, Any]
Table = Callable[[Iterable[str], Iterable[Iterable[object]]], str]

_UNKNOWN = (
    "An unknown field is refused by `kubectl`, which asks for `fieldValidation=Strict`, and by server-side apply from "
    "any client. A client that creates or updates without saying so has the API's own default, `Warn`: the API server "
    "drops the field and warns, as it does for every custom resource.\n"
)


def pages(table: Table) -> dict[str, str]:
    """File name to content."""
    cache_conditions = ("READY", "REDIS_READY", "INDEX_READY", "CERTIFIED", "RECONCILING", "STALLED")
    route_conditions = ("READY", "ACCEPTED", "RESOLVED_REFS", "INJECTION_UP_TO_DATE", "RECONCILING", "STALLED")
    return {
        "semantic-cache.md": _kind(SEMANTIC_CACHE, table)
        + _conditions(cache_conditions, table)
        + "\n### Reasons\n\n"
        + table(("reason", "meaning"), ((f"`{reason}`", reason.meaning) for reason in CacheReason)),
        "model-route.md": _kind(MODEL_ROUTE, table)
        + _conditions(route_conditions, table)
        + "\n### Reasons\n\n`Ready` and `Stalled` take over the reason of what is wrong.\n\n"
        + table(
            ("condition", "reason", "meaning"),
            ((f"`{reason.condition}`", f"`{reason}`", reason.meaning) for reason in RouteReason),
        )
        + "\n## Events\n\nOne for each condition that changes, with the condition's reason; and:\n\n"
        + table(("reason", "meaning"), ((f"`{event}`", event.meaning) for event in RouteEvent)),
        "injection.md": _injection(table),
    }


def _kind(kind: Kind, table: Table) -> str:
    schema = kind.schema()
    rules = list(_rules(schema["properties"]["spec"], "spec")) + list(_own_rules(schema, "metadata.name"))
    return (
        f"# {kind.name}\n\n{kind.description}\n\n`apiVersion: {group.API_VERSION}`, namespaced; "
        f"`kubectl get {kind.short_name}` or `{kind.plural}`. {_UNKNOWN}"
        f"\n## Spec\n\n{_fields(schema['properties']['spec'], table)}"
        f"\n## Rules\n\nWhat the API server checks beside types and bounds.\n\n"
        + table(("at", "rule"), ((f"`{path}`", _escaped(rule["message"])) for path, rule in rules))
        + f"\n## Status\n\n{_fields(schema['properties']['status'], table)}"
        + "\n## Columns\n\nOf `kubectl get`; some only with `--output wide`.\n\n"
        + table(("column", "shows", ""), (_column(column) for column in kind.columns))
    )


def _column(column: Column) -> tuple[str, str, str]:
    return f"`{column.name}`", column.description, "wide" if column.wide else ""


def _conditions(names: Iterable[str], table: Table) -> str:
    types = (ConditionType[name] for name in names)
    return "\n## Conditions\n\n" + table(("type", "true when"), ((f"`{each}`", each.meaning) for each in types))


def _fields(schema: Schema, table: Table) -> str:
    """A table of what stands at the top, then one for each object and list of objects there."""
    parts = schema["properties"]
    required = set(schema.get("required", ()))
    text = table(_HEAD, (_row(name, part, name in required) for name, part in parts.items()))
    for name, part in parts.items():
        rows = list(_nested(part, name))
        if rows and name != "conditions":
            text += f"\n### {name}\n\n" + table(_HEAD, rows)
    return text


_HEAD = ("field", "type", "default", "notes")


def _nested(schema: Schema, path: str) -> Iterator[tuple[str, str, str, str]]:
    inner, path = (schema["items"], f"{path}[]") if "items" in schema else (schema, path)
    required = set(inner.get("required", ()))
    for name, part in inner.get("properties", {}).items():
        yield _row(f"{path}.{name}", part, name in required)
        yield from _nested(part, f"{path}.{name}")


def _row(path: str, schema: Schema, required: bool) -> tuple[str, str, str, str]:
    return f"`{path}`", _type(schema), "required" if required else _default(schema), _notes(schema)


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "x-kubernetes-int-or-string" in schema:
        return "quantity"
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema["type"])


def _default(schema: Schema) -> str:
    default = schema.get("default")
    if default is None or isinstance(default, dict):
        return ""
    shown = default if isinstance(default, list) else [default]
    return ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in shown)


def _notes(schema: Schema) -> str:
    bounds = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "maxLength": "at most {} characters",
        "maxItems": "at most {}",
        "maxProperties": "at most {}",
    }
    told = [schema["description"].removesuffix(".")]
    if "enum" not in schema and "x-kubernetes-int-or-string" not in schema:
        told += [words.format(schema[key]) for key, words in bounds.items() if key in schema]
    if "pattern" in schema and "x-kubernetes-int-or-string" not in schema:
        told.append(f"matches `{schema['pattern']}`")
    return _escaped("; ".join(told))


def _rules(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Rules about objects; those about a map's keys and about a quantity's form are part of its type."""
    if "properties" in schema:
        yield from _own_rules(schema, path)
    for name, part in schema.get("properties", {}).items():
        yield from _rules(part, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _own_rules(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path + rule.get("fieldPath", ""), rule


def _escaped(text: str) -> str:
    """Patterns as code; a star elsewhere would begin an emphasis."""
    parts = re.compile(r"(`[^`]*`)|(\^\S+\$)|\*")
    return parts.sub(lambda found: found[1] or (f"`{found[2]}`" if found[2] else r"\*"), text)


def _injection(table: Table) -> str:
    asked = [reason for reason in SkipReason if reason.asked]
    silent = [reason for reason in SkipReason if not reason.asked]

    def rows(reasons: Iterable[SkipReason]) -> Iterable[tuple[str, str]]:
        return ((f"`{reason}`", reason.meaning) for reason in reasons)

    return (
        "# Why a pod gets no sidecar\n\nA closed list: the same words stand in Events, metrics and audit annotations. "
        "How it is decided: [how injection decides](../concepts/injection.md).\n\n"
        "## Nobody asked\n\nIn metrics and audit annotations only.\n\n"
        + table(("reason", "meaning"), rows(silent))
        + "\n## Asked, and not done\n\nA Warning Event on the pod's owner, too.\n\n"
        + table(("reason", "meaning"), rows(asked))
    )
