"""The examples are what a real API server takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from cachedistill_operator.api.group import API_VERSION, INJECT_LABEL
from cachedistill_operator.api.model_route import ModelRouteSpec
from cachedistill_operator.api.semantic_cache import Encryption, SemanticCacheSpec
from cachedistill_sidecar.route_document import Judge, Poisoning, Semantic
from e2e.cluster.kubectl import Kubectl

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "kubernetes").glob("*.yaml"))
BUDGETED = (
    (Semantic, "ModelRoute", ("rules", "*", "cache", "semantic")),
    (Judge, "ModelRoute", ("rules", "*", "cache", "semantic", "judge")),
    (Poisoning, "SemanticCache", ("poisoning",)),
    (Encryption, "SemanticCache", ("encryption",)),
)
each_example = pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text("utf8")))


@each_example
def test_an_example_applies_as_it_is(file: Path, kinds: Kubectl) -> None:
    namespaces = [document for document in documents(file) if document["kind"] == "Namespace"]
    if namespaces:
        kinds.apply(*namespaces)
    kinds("apply", "--dry-run=server", "--filename", str(file))


@each_example
def test_a_rule_of_an_example_uses_a_cache_of_the_same_file(file: Path) -> None:
    caches = {_key(each) for each in documents(file) if each["kind"] == "SemanticCache"}
    assert [
        rule.name
        for each in documents(file)
        if each["kind"] == "ModelRoute"
        for rule in ModelRouteSpec.model_validate(each["spec"]).rules
        if rule.cache is not None and (rule.cache.ref.namespace or _key(each)[0], rule.cache.ref.name) not in caches
    ] == []


@each_example
def test_an_app_of_an_example_asks_for_the_sidecar_and_is_selected(file: Path) -> None:
    routes = [ModelRouteSpec.model_validate(each["spec"]) for each in documents(file) if each["kind"] == "ModelRoute"]
    for app in (each for each in documents(file) if each["kind"] == "Deployment"):
        labels = app["spec"]["template"]["metadata"]["labels"]
        assert labels[INJECT_LABEL] == "enabled"
        assert any(route.selector.match_labels.items() <= labels.items() for route in routes)


@each_example
def test_an_example_holds_only_what_the_models_read(file: Path) -> None:
    models: dict[str, type[BaseModel]] = {"SemanticCache": SemanticCacheSpec, "ModelRoute": ModelRouteSpec}
    own = [document for document in documents(file) if document["apiVersion"] == API_VERSION]
    assert own
    for document in own:
        models[document["kind"]].model_validate(document["spec"])


@pytest.mark.parametrize(("model", "kind", "place"), BUDGETED, ids=lambda value: getattr(value, "__name__", None))
def test_each_field_about_wrong_answers_is_in_an_example(
    model: type[BaseModel], kind: str, place: tuple[str, ...]
) -> None:
    specs = [each["spec"] for file in EXAMPLES for each in documents(file) if each["kind"] == kind]
    shown = {name for spec in specs for found in _at(spec, place) for name in found}
    assert shown == {field.alias or to_camel(name) for name, field in model.model_fields.items()}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


def _at(value: Any, place: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The objects at a place, where `*` stands for all of a list."""
    if not place:
        yield value
    elif place[0] == "*":
        for each in value:
            yield from _at(each, place[1:])
    elif place[0] in value:
        yield from _at(value[place[0]], place[1:])


def _key(document: dict[str, Any]) -> tuple[str, str]:
    return document["metadata"].get("namespace", ""), document["metadata"]["name"]
