"""The schemas of the two kinds: described, bounded, without floats; and what the converter refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, Field

from cachedistill_operator.api import crd
from cachedistill_operator.api.structural import structural

each_kind = pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from fields(part, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from fields(schema[inner], f"{path}[]")


def of_the_kind(kind: crd.Kind) -> list[tuple[str, dict[str, Any]]]:
    properties = kind.schema()["properties"]
    return [*fields(properties["spec"], "spec"), *fields(properties["status"], "status")]


@each_kind
def test_every_field_is_described(kind: crd.Kind) -> None:
    assert [path for path, field in of_the_kind(kind) if not path.endswith("[]") and "description" not in field] == []


@each_kind
def test_every_string_list_and_map_is_bounded(kind: crd.Kind) -> None:
    """Or the API server finds rules about them too dear."""
    unbounded = [
        path
        for path, field in of_the_kind(kind)
        if (field.get("type") == "string" and not field.keys() & {"maxLength", "enum", "format"})
        or (field.get("type") == "array" and "maxItems" not in field)
        or ("additionalProperties" in field and "maxProperties" not in field)
    ]
    assert unbounded == []


@each_kind
def test_there_are_no_floats(kind: crd.Kind) -> None:
    types = {field.get("type") for _, field in of_the_kind(kind) if "x-kubernetes-int-or-string" not in field}
    assert types <= {"object", "array", "string", "integer", "boolean"}


@each_kind
def test_every_rule_says_what_is_allowed(kind: crd.Kind) -> None:
    rules = [rule for _, field in of_the_kind(kind) for rule in field.get("x-kubernetes-validations", ())]
    assert rules
    allowed = re.compile(r"\bmust\b|goes with|make a new")
    assert [rule["message"] for rule in rules if not allowed.search(rule["message"])] == []


@each_kind
def test_every_column_shows_a_field_that_there_is(kind: crd.Kind) -> None:
    known = {f".{path}" for path, _ in of_the_kind(kind)} | {".metadata.creationTimestamp"}
    plain = {column.path for column in kind.columns if "?(" not in column.path}
    assert plain - known == set()


@each_kind
def test_the_chart_s_copy_is_the_same_definition(kind: crd.Kind) -> None:
    kept = [line for line in crd.templated(kind).splitlines() if "{{" not in line]
    shown = yaml.safe_load("\n".join(kept))
    assert shown["metadata"].pop("labels") is None
    assert shown["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert shown == kind.manifest() == yaml.safe_load(crd.plain(kind))


class Inner(BaseModel):
    """An object of one's own."""

    size: int = Field(3, ge=1, le=9)
    note: str | None = None


class Outer(BaseModel):
    """What holds it."""

    given: Inner = Field(description="beside the reference")
    filled: Inner = Inner()
    maybe: Inner | None = None
    listed: list[Inner] = Field(default_factory=list)
    named: dict[Annotated[str, Field(pattern="^[a-z']+$")], int] = Field(default_factory=dict)


def test_references_are_resolved_and_nulls_left_out() -> None:
    schema = structural(Outer)["properties"]
    assert schema["given"]["description"] == "beside the reference"
    assert schema["filled"]["description"] == schema["maybe"]["description"] == "An object of one's own."
    assert schema["maybe"]["properties"]["note"] == {"type": "string"}


def test_an_object_s_default_is_made_of_its_fields_and_nothing_empty_is_filled_in() -> None:
    schema = structural(Outer)["properties"]
    assert schema["filled"]["default"] == {"size": 3}
    assert [name for name, field in schema.items() if "default" in field] == ["filled"]


def test_a_map_s_keys_are_checked_by_a_rule() -> None:
    [rule] = structural(Outer)["properties"]["named"]["x-kubernetes-validations"]
    assert rule["rule"] == r"self.all(key, key.matches('^[a-z\']+$'))"
    assert "^[a-z']+$" in rule["message"]


@pytest.mark.parametrize("annotation", [int | str, dict[str, int], Annotated[int, Field(multiple_of=2)]])
def test_what_kubernetes_has_no_way_to_say_is_refused(annotation: Any) -> None:
    strange = type("Strange", (BaseModel,), {"__annotations__": {"field": annotation}})
    with pytest.raises(TypeError, match=r"Strange\.field"):
        structural(strange)
