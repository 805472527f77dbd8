"""Token counts as OpenAI gives them: the prompt's number includes what was read from and written to its cache."""

from __future__ import annotations

from typing import Any

from cachedistill_sidecar.dialects.base import Json, count, mapping
from cachedistill_sidecar.exchange import Usage


def read_usage(raw: Any, prompt: str, output: str) -> Usage:
    """Usage whose fields are called `prompt` and `output`; estimated when there is none. Raises NotUnderstood."""
    if not raw:
        return Usage(estimated=True)
    tokens = mapping(raw, "usage")
    details = mapping(tokens.get(f"{prompt}_details") or {}, f"usage.{prompt}_details")
    cached, written = count(details, "cached_tokens"), count(details, "cache_write_tokens")
    fresh = max(count(tokens, prompt) - cached - written, 0)
    return Usage(input=fresh, cached_input=cached, cache_write=written, output=count(tokens, output))


def render_usage(tokens: Usage, prompt: str, output: str) -> Json:
    """Usage for an answer that brings none of its own."""
    whole = tokens.input + tokens.cached_input + tokens.cache_write
    return {
        prompt: whole,
        f"{prompt}_details": {"cached_tokens": tokens.cached_input, "cache_write_tokens": tokens.cache_write},
        output: tokens.output,
        "total_tokens": whole + tokens.output,
    }
