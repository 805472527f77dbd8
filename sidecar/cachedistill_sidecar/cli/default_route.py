"""The routes of `cachedistill run` without a route document: one that caches, one that only passes through."""

from __future__ import annotations

from typing import Any

import orjson

from cachedistill_sidecar.route_document import RouteDocument
from cachedistill_sidecar.route_parsing import parse

OPENAI = "https://api.openai.com"
ANTHROPIC = "https://api.anthropic.com"
OLLAMA = "http://127.0.0.1:11434"


def default_route(redis_url: str, *, azure_endpoint: str | None = None) -> RouteDocument:
    """One cache, and every provider that an SDK may call.

    Azure is among them only when its endpoint is known, since each customer has another one.
    Raises RouteError when one of the two URLs is none.
    """
    fallbacks = _providers(azure_endpoint)
    rule = {
        "name": "all",
        "cache": {"ref": "local", "semantic": {}},
        "fallbacks": [fallback["name"] for fallback in fallbacks],
    }
    document = {
        "name": "default",
        "caches": [{"name": "local", "redis": {"url": redis_url}}],
        "rules": [rule],
        "fallbacks": fallbacks,
    }
    return parse(orjson.dumps(document))


def pass_through_route() -> RouteDocument:
    """Nothing cached, and every provider but Azure: for a sidecar whose route document is not there yet."""
    fallbacks = _providers(None)
    # A rule that takes nothing, for no path is without a slash. What no rule takes goes to the provider that speaks
    # its API, and intercepted calls to the host that they name.
    rule = {"name": "none", "match": {"paths": ["none"]}, "fallbacks": [each["name"] for each in fallbacks]}
    return parse(orjson.dumps({"name": "pass-through", "rules": [rule], "fallbacks": fallbacks}))


def _providers(azure_endpoint: str | None) -> list[dict[str, Any]]:
    endpoints = {"OpenAI": OPENAI, "Anthropic": ANTHROPIC, "Ollama": OLLAMA}
    if azure_endpoint is not None:
        endpoints["AzureOpenAI"] = azure_endpoint
    return [
        {"name": dialect.lower(), "endpoint": {"url": url, "dialect": dialect}} for dialect, url in endpoints.items()
    ]
