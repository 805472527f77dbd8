"""Route documents for tests: one cache, one rule, and a fallback for each provider's API, all at one upstream."""

from __future__ import annotations

from typing import Any

import orjson

from cachedistill_sidecar.route_document import Provider, RouteDocument
from cachedistill_sidecar.route_parsing import parse

PRICE = {"inputPerMillion": "2.50", "outputPerMillion": "10.00"}


def route_document(
    upstream_url: str,
    *,
    redis_url: str,
    cache: str,
    semantic: int | None = 500,
    use: dict[str, Any] | None = None,
    cache_settings: dict[str, Any] | None = None,
    fallback_settings: dict[str, Any] | None = None,
    **document: Any,
) -> RouteDocument:
    """`semantic`: maxErrorPermille, None for exact only; the rest is merged into the part that it names."""
    fallbacks = [
        {
            "name": provider.lower(),
            "endpoint": {"url": upstream_url, "dialect": provider},
            "price": PRICE,
            "energy": {"profile": "LLaMA-7B"},
            **(fallback_settings or {}),
        }
        for provider in Provider
    ]
    cache_use = {"ref": cache} | ({"semantic": {"maxErrorPermille": semantic}} if semantic is not None else {})
    rule = {"name": "all", "cache": cache_use | (use or {}), "fallbacks": [each["name"] for each in fallbacks]}
    return parse(
        orjson.dumps(
            {
                "name": "test",
                "caches": [{"name": cache, "redis": {"url": redis_url}, **(cache_settings or {})}],
                "rules": [rule],
                "fallbacks": fallbacks,
                **document,
            }
        )
    )
