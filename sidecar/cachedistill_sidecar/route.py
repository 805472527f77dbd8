"""A route document, compiled: which rule takes a request, and which fallbacks it may ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import lru_cache

from cachedistill_sidecar.ledger.tariff import Tariff, tariff
from cachedistill_sidecar.route_document import Fallback, Provider, RouteDocument, Rule

# Model names come from the app, so their number is bounded.
_TARIFFS = 1024


class Route:
    """What a ModelRoute says, in the form that the path asks for."""

    def __init__(self, document: RouteDocument) -> None:
        self.document = document
        self.name = f"{document.namespace}/{document.name}"
        self._fallbacks = {fallback.name: fallback for fallback in document.fallbacks}

        self._tariffs: dict[tuple[str, str], Tariff] = {}

    def tariff(self, fallback: Fallback, model: str) -> Tariff:
        """What a model costs at a fallback."""
        known = self._tariffs.get((fallback.name, model))
        if known is None:
            if len(self._tariffs) >= _TARIFFS:
                self._tariffs.clear()
            known = self._tariffs[fallback.name, model] = tariff(fallback, model)
        return known

    def rule(self, path: str, model: str, headers: Mapping[str, str]) -> Rule | None:
        """The first rule that matches; None when none does."""
        return next((rule for rule in self.document.rules if _takes(rule, path, model, headers)), None)

    def fallbacks(self, rule: Rule | None, provider: Provider) -> tuple[Fallback, ...]:
        """The fallbacks that speak a provider's API, in the rule's order (the document's, without a rule)."""
        names = self._fallbacks if rule is None else rule.fallbacks
        speakers = (self._fallbacks[name] for name in names)
        return tuple(fallback for fallback in speakers if fallback.endpoint.dialect is provider)


def model_at(fallback: Fallback, model: str) -> str:
    """The name by which a fallback knows a requested model."""
    return next((entry.to for entry in fallback.models if _glob(entry.from_)(model)), model)


def _takes(rule: Rule, path: str, model: str, headers: Mapping[str, str]) -> bool:
    match = rule.match
    return (
        (not match.models or any(_glob(pattern)(model) for pattern in match.models))
        and (not match.paths or any(_glob(pattern)(path) for pattern in match.paths))
        and all(_glob(pattern)(headers.get(name, "")) for name, pattern in match.headers.items())
    )


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> Callable[[str], object | None]:
    return re.compile(translate(pattern)).match
