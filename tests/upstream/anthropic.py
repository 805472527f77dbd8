"""Anthropic's messages: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tests.upstream.answers import tokens
from tests.upstream.exchange import (
    Choice,
    Dialect,
    ErrorKind,
    Frame,
    Json,
    Prompt,
    ProviderError,
    Reply,
    Tool,
    Wanted,
    require,
)
from tests.upstream.openai_request import bearer, images_in, text_of

STOP = {"stop": "end_turn", "length": "max_tokens", "tool": "tool_use", "filtered": "refusal"}
TYPES: dict[ErrorKind, str] = {
    "bad_request": "invalid_request_error",
    "unauthorized": "authentication_error",
    "not_found": "not_found_error",
    "rate_limit": "rate_limit_error",
    "server": "api_error",
    "unavailable": "api_error",
    "overloaded": "overloaded_error",
}
WANTED: dict[str, Wanted] = {"none": "none", "any": "forced", "tool": "forced"}


def read(body: Json, _path: str) -> Prompt:
    """Reads a messages request; `max_tokens` is required, as it is there."""
    max_tokens = require(body, "max_tokens", int, "an integer")
    return _read(body, max_tokens)


def _read(body: Json, max_tokens: int | None) -> Prompt:
    model = require(body, "model", str, "a string")
    messages = require(body, "messages", list, "an array of messages")
    if not messages or not all(isinstance(message, dict) and "role" in message for message in messages):
        raise ProviderError("bad_request", "messages: at least one message with a role is required", "messages")
    contents = [message.get("content") for message in messages]
    texts = [_text_of(content) for content in contents]
    users = [at for at, message in enumerate(messages) if message["role"] == "user" and texts[at]]
    system = text_of(body.get("system"))
    choice = body.get("tool_choice") or {}
    return Prompt(
        model=model,
        text=texts[users[-1]] if users else "",
        body=body,
        system=system,
        words=len(system.split()) + sum(len(text.split()) for text in texts),
        images=sum(images_in(content, ("image",)) for content in contents),
        tools=_tools(body.get("tools") or [], choice.get("name")),
        wanted=WANTED.get(choice.get("type", "auto"), "auto"),
        after_tool=images_in(contents[-1], ("tool_result",)) > 0,
        schema=((body.get("output_config") or {}).get("format") or {}).get("schema"),
        max_tokens=max_tokens,
        stream=bool(body.get("stream")),
    )


def _text_of(content: Any) -> str:
    """The text of a turn without the results of tools, which no user wrote."""
    return text_of([part for part in content if part.get("type") == "text"] if isinstance(content, list) else content)


def _tools(tools: list[Json], named: str | None) -> tuple[Tool, ...]:
    return tuple(
        Tool(tool["name"], tool.get("input_schema") or {}) for tool in tools if named is None or tool["name"] == named
    )


def count_tokens(body: Json, _path: str) -> bytes:
    """The answer of `/v1/messages/count_tokens`."""
    return orjson.dumps({"input_tokens": tokens(_read(body, None).words)})


def _usage(reply: Reply, output_tokens: int) -> Json:
    return {
        "input_tokens": reply.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _cumulative(reply: Reply, choice: Choice) -> Json:
    """The usage at the end of a stream, which has fewer fields than a message's."""
    fields = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    usage = _usage(reply, choice.tokens)
    return {name: usage[name] for name in fields}


def _message(reply: Reply, content: list[Json], stop: Json, output_tokens: int) -> Json:
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.prompt.model,
        "content": content,
        **stop,
        "usage": _usage(reply, output_tokens),
    }


def _stop(choice: Choice) -> Json:
    stop: Json = {"stop_reason": STOP[choice.ending], "stop_sequence": None}
    if choice.ending == "filtered":
        stop["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return stop


def _block(reply: Reply, choice: Choice, *, filled: bool) -> Json:
    if choice.tool:
        arguments = choice.tool.arguments if filled else {}
        return {"type": "tool_use", "id": f"toolu_{reply.id}", "name": choice.tool.name, "input": arguments}
    return {"type": "text", "text": choice.text if filled else ""}


def render(reply: Reply) -> bytes:
    """The `message` object."""
    (choice,) = reply.choices
    return orjson.dumps(_message(reply, [_block(reply, choice, filled=True)], _stop(choice), choice.tokens))


def frames(reply: Reply) -> Iterator[Frame]:
    """The stream of events, one content block long."""
    (choice,) = reply.choices
    none = {"stop_reason": None, "stop_sequence": None}
    yield _event("message_start", message=_message(reply, [], none, 1))
    yield _event("content_block_start", index=0, content_block=_block(reply, choice, filled=False))
    yield _event("ping")
    kind, name = ("input_json_delta", "partial_json") if choice.tool else ("text_delta", "text")
    for piece in choice.pieces:
        yield _event("content_block_delta", index=0, delta={"type": kind, name: piece})
    yield _event("content_block_stop", index=0)
    yield _event("message_delta", delta=_stop(choice), usage=_cumulative(reply, choice))
    yield _event("message_stop")


def _event(kind: str, **fields: Any) -> Frame:
    data = orjson.dumps({"type": kind, **fields})
    return Frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), data), kind == "content_block_delta")


def error_document(error: ProviderError, request_id: str) -> bytes:
    """Anthropic's error object."""
    detail = {"type": TYPES[error.kind], "message": error.message}
    return orjson.dumps({"type": "error", "error": detail, "request_id": request_id})


def error_event(_error: ProviderError, request_id: str) -> bytes:
    """What Anthropic sends in a stream that it can't go on with."""
    overloaded = ProviderError("overloaded", "Overloaded")
    return b"event: error\ndata: " + error_document(overloaded, request_id) + b"\n\n"


def key(headers: Mapping[str, str]) -> str | None:
    return headers.get("x-api-key") or bearer(headers)


DIALECT = Dialect(
    name="anthropic",
    stream_type="text/event-stream; charset=utf-8",
    read=read,
    render=render,
    frames=frames,
    error=error_document,
    error_frame=error_event,
    request_id_header="request-id",
    key=key,
    garbage=b'event: content_block_delta\ndata: {"type": "content_blo\n\n',
    extra_headers={"anthropic-organization-id": "upstream"},
)
