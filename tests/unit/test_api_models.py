"""What the models read and refuse beside what the API server checks."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cachedistill_operator.api.base import Resources
from cachedistill_operator.api.model_route import ModelRouteSpec, Sdk
from cachedistill_operator.api.semantic_cache import SemanticCacheSpec
from cachedistill_sidecar.route_document import Energy, Price
from tests.resources import changed, model_route, semantic_cache


def test_a_number_is_read_as_a_quantity_and_a_boolean_is_not() -> None:
    assert Resources.model_validate({"requests": {"cpu": 2}}).requests == {"cpu": "2"}
    with pytest.raises(ValidationError, match=r"requests\.cpu"):
        Resources.model_validate({"requests": {"cpu": True}})


def test_a_route_as_the_api_server_keeps_it_is_read() -> None:
    stored = changed(model_route(), "spec.interception", {"mode": "Environment", "providers": ["Ollama"]})
    assert ModelRouteSpec.model_validate(stored["spec"]).interception.providers == (Sdk.OLLAMA,)


def test_a_cache_as_the_api_server_keeps_it_is_read() -> None:
    stored = semantic_cache(allowedNamespaces={"from": "Selector", "selector": {"matchLabels": {"team": "a"}}})
    spec = SemanticCacheSpec.model_validate(stored["spec"])
    assert spec.allowed_namespaces.selector is not None
    assert spec.allowed_namespaces.selector.match_labels == {"team": "a"}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        SemanticCacheSpec.model_validate(semantic_cache(colour="red")["spec"])


def test_energy_and_price_of_a_fallback_fit_into_a_route_document() -> None:
    fallback = changed(model_route(), "spec.fallbacks.0.energy", {"profile": "LLaMA-7B"})
    fallback = changed(fallback, "spec.fallbacks.0.price", {"inputPerMillion": "1", "outputPerMillion": "2.5"})
    [read] = ModelRouteSpec.model_validate(fallback["spec"]).fallbacks
    assert isinstance(read.energy, Energy)
    assert isinstance(read.price, Price)


def test_energy_from_two_sources_is_refused() -> None:
    both = {"profile": "LLaMA-7B", "inputJoulesPerToken": "1", "outputJoulesPerToken": "1"}
    with pytest.raises(ValidationError, match="either profile, or both"):
        ModelRouteSpec.model_validate(changed(model_route(), "spec.fallbacks.0.energy", both)["spec"])
