"""A log of requests: JSON lines, each a query or a whole request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_MAX_TOKENS = 1024  # Anthropic wants one
_SHOWN = 20
# A request of a log keeps what it was sent with, except what belongs to that one sending.
_DROPPED = frozenset({"content-length", "host", "connection", "transfer-encoding", "accept-encoding", "traceparent"})
_CREDENTIALS = ("authorization", "x-api-key", "api-key")


class ReplayDialect(StrEnum):
    """How a line with nothing but a query is asked."""

    OPENAI_CHAT = "openai-chat"
    ANTHROPIC = "anthropic"


class WrongLines(ValueError):
    """Lines that are no requests; the message names each by its number."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send; `line` counts from 1, `body` is JSON."""

    line: int
    path: str
    body: bytes
    headers: Mapping[str, str]


class _Line(BaseModel):
    # Other fields are the log's own business: a time, a user, a group.
    model_config = ConfigDict(extra="ignore", strict=True)

    query: Annotated[str, Field(min_length=1)] | None = None
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] | None = None
    body: dict[str, Any] | None = None
    headers: dict[str, str] = Field(default_factory=dict)


def read(lines: Iterable[bytes], dialect: ReplayDialect, model: str, *, stream: bool) -> list[Call]:
    """The requests of a log; blank lines are left out. Raises WrongLines.

    `{"query": ...}` becomes a request in `dialect` to `model`, streamed or not. `{"path": ..., "body": ...,
    "headers": ...}` is sent as it is; headers may be absent.
    """
    calls: list[Call] = []
    wrong: list[str] = []
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            calls.append(_call(number, orjson.loads(text), dialect, model, stream))
        except ValidationError as error:
            detail = error.errors()[0]
            where = ".".join(str(part) for part in detail["loc"])
            wrong.append(f"line {number}: {where or 'the line'}: {detail['msg']}")
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        rest = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise WrongLines("\n".join([*wrong[:_SHOWN], *rest]))
    return calls


def _call(number: int, document: Any, dialect: ReplayDialect, model: str, stream: bool) -> Call:
    line = _Line.model_validate(document)
    if line.query is not None and line.path is None and line.body is None:
        path, body = _asked(line.query, dialect, model, stream)
        return Call(number, path, orjson.dumps(body), _headers(path, line.headers))
    if line.query is None and line.path is not None and line.body is not None:
        return Call(number, line.path, orjson.dumps(line.body), _headers(line.path, line.headers))
    raise ValueError("must have either query, or path and body")


def _asked(query: str, dialect: ReplayDialect, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": query}]}
    if stream:
        body["stream"] = True
    if dialect is ReplayDialect.ANTHROPIC:
        return "/v1/messages", {"max_tokens": _MAX_TOKENS, **body}
    return "/v1/chat/completions", body


def _headers(path: str, given: Mapping[str, str]) -> dict[str, str]:
    """The headers of the log; where no credentials are among them (and logs rarely keep any), those of the SDK."""
    headers = {name.lower(): value for name, value in given.items() if name.lower() not in _DROPPED}
    headers["content-type"] = "application/json"
    anthropic = path.startswith("/v1/messages")
    if anthropic:
        headers.setdefault("anthropic-version", "2023-06-01")
    if not any(name in headers for name in _CREDENTIALS):
        # A fallback with a key file doesn't look at it, and hits need none at all.
        if anthropic:
            headers["x-api-key"] = os.environ.get("ANTHROPIC_API_KEY") or "no-key"
        else:
            headers["authorization"] = f"Bearer {os.environ.get('OPENAI_API_KEY') or 'no-key'}"
    return headers
