"""The examples are what a real API server takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from cachedistill_operator.api.group import API_VERSION, INJECT_LABEL
from cachedistill_operator.api.model_route import ModelRouteSpec
from cachedistill_operator.api.semantic_cache import SemanticCacheSpec
from e2e.cluster.kubectl import Kubectl

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "kubernetes").glob("*.yaml"))
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


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


def _key(document: dict[str, Any]) -> tuple[str, str]:
    return document["metadata"].get("namespace", ""), document["metadata"]["name"]
