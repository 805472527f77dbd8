"""What the dialects of OpenAI share: reading messages and tools, keys, errors, log probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tests.upstream.exchange import ErrorKind, Json, ProviderError, Tool

TYPES: dict[ErrorKind, tuple[str, str | None]] = {
    "bad_request": ("invalid_request_error", None),
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "not_found": ("invalid_request_error", "model_not_found"),
    "rate_limit": ("rate_limit_exceeded", "rate_limit_exceeded"),
    "server": ("server_error", None),
    "unavailable": ("server_error", "service_unavailable"),
    "overloaded": ("server_error", "overloaded"),
}


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key in the Authorization header."""
    value = headers.get("authorization", "")
    return value[7:] if value[:7].lower() == "bearer " else None


def error_document(error: ProviderError, _request_id: str) -> bytes:
    """OpenAI's error object."""
    kind, code = TYPES[error.kind]
    return orjson.dumps({"error": {"message": error.message, "type": kind, "param": error.param, "code": code}})


def error_event(error: ProviderError, request_id: str) -> bytes:
    """OpenAI's error object as a chunk of a stream."""
    return b"data: " + error_document(error, request_id) + b"\n\n"


def text_of(content: Any) -> str:
    """The text of a content: a string or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part.get("text") or "" for part in parts if isinstance(part, dict) and "text" in part)


def images_in(content: Any, kinds: tuple[str, ...]) -> int:
    """How many parts of a content are of one of the kinds."""
    parts = content if isinstance(content, list) else []
    return sum(isinstance(part, dict) and part.get("type") in kinds for part in parts)


def function_tools(tools: Iterable[Json] | None) -> tuple[Tool, ...]:
    """The function tools of a chat request: nested under `function`, or flat as in the Responses API."""
    functions = [tool.get("function", tool) for tool in tools or () if tool.get("type", "function") == "function"]
    return tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions)


def token_logprobs(pieces: Iterable[str], top: int) -> list[Json]:
    """Log probabilities of the pieces, each with `top` alternatives; they depend on the piece alone."""
    listed = []
    for piece in pieces:
        raw = piece.encode()
        logprob = -(sum(raw) % 100) / 100
        alternatives = [
            {"token": piece if rank == 0 else f"{piece}{rank}", "logprob": logprob - rank, "bytes": list(raw)}
            for rank in range(top)
        ]
        listed.append({"token": piece, "logprob": logprob, "bytes": list(raw), "top_logprobs": alternatives})
    return listed
