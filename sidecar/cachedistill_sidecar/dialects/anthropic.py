"""Anthropic messages (`POST /v1/messages`), as docs.anthropic.com/en/api/messages says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import orjson

from cachedistill_sidecar.dialects.anthropic_stream import MessageStreamParser, render_events
from cachedistill_sidecar.dialects.base import (
    Dialect,
    Head,
    Json,
    StreamParser,
    canonical,
    count,
    field_value,
    flag,
    integer,
    mapping,
    mappings,
    number,
    rest,
    string,
    understanding,
)
from cachedistill_sidecar.dialects.turns import has_history, split_messages
from cachedistill_sidecar.exchange import Answer, FinishReason, Operation, Query, ToolCall, Usage
from cachedistill_sidecar.route_document import Provider

# Fields of a request that change how the answer travels or is billed, but not what it says.
_TRANSPORT = frozenset(["model", "messages", "stream", "metadata", "service_tier", "cache_control"])
_BODY = frozenset(["id", "type", "role", "model", "content", "usage"])

_FINISH = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
}
_STOP_REASON = {
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
}
_ERROR_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicMessages(Dialect):
    """Anthropic messages. Thinking, citations and server tools stay, block by block, in an answer's extras."""

    name: ClassVar[str] = "anthropic_messages"
    provider: ClassVar[Provider] = Provider.ANTHROPIC
    operation: ClassVar[Operation] = Operation.CHAT
    gen_ai_provider: ClassVar[str] = "anthropic"
    request_id_header: ClassVar[str] = "request-id"

    def matches(self, path: str) -> bool:
        return path == "/v1/messages"

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        text, earlier, last = split_messages(body.get("messages"))
        versions = [field_value(headers, name) for name in ("anthropic-version", "anthropic-beta")]
        return Query(
            operation=self.operation,
            model=string(body.get("model"), "model"),
            text=text,
            shape=canonical(self.name, query_string, versions, rest(body, _TRANSPORT), earlier, last),
            later_turn=has_history(earlier),
            stream=flag(body, "stream"),
            tools=bool(body.get("tools") or body.get("mcp_servers")),
            server_state=body.get("container") is not None,
            temperature=number(body, "temperature"),
            top_p=number(body, "top_p"),
            max_tokens=integer(body, "max_tokens"),
        )

    def answer(self, body: Json) -> Answer:
        with understanding("a message"):
            content = mappings(body["content"], "content")
            stop_reason = string(body["stop_reason"], "stop_reason")
            return Answer(
                id=string(body["id"], "id"),
                model=string(body["model"], "model"),
                created=0,
                text="".join(string(block["text"], "content[].text") for block in content if block["type"] == "text"),
                finish_reason=_FINISH.get(stop_reason, FinishReason.OTHER),
                usage=_usage(body.get("usage")),
                tool_calls=tuple(_tool_call(block) for block in content if block["type"] == "tool_use"),
                extras={"content": content, "usage": body.get("usage"), "body": rest(body, _BODY)},
            )

    def stream_parser(self) -> StreamParser:
        return MessageStreamParser(self.answer)

    def render(self, answer: Answer, query: Query) -> Json:
        stop = {"stop_reason": _STOP_REASON.get(answer.finish_reason, "end_turn"), "stop_sequence": None}
        return {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": answer.extras.get("content", _render_content(answer)),
            **answer.extras.get("body", stop),
            "usage": answer.extras.get("usage") or _render_usage(answer.usage),
        }

    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        return render_events(self.render(answer, query), pieces)

    def error(self, status: int, message: str) -> Json:
        kind = _ERROR_TYPE.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


def _usage(raw: Any) -> Usage:
    """Anthropic's usage: `input_tokens` excludes what was read from and written to its cache."""
    if not raw:
        return Usage(estimated=True)
    tokens = mapping(raw, "usage")
    return Usage(
        input=count(tokens, "input_tokens"),
        cached_input=count(tokens, "cache_read_input_tokens"),
        cache_write=count(tokens, "cache_creation_input_tokens"),
        output=count(tokens, "output_tokens"),
    )


def _render_usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
    }


def _tool_call(block: Json) -> ToolCall:
    return ToolCall(
        id=string(block["id"], "content[].id"),
        name=string(block["name"], "content[].name"),
        arguments=orjson.dumps(mapping(block["input"], "content[].input")).decode(),
    )


def _render_content(answer: Answer) -> list[Json]:
    """The blocks of an answer that brings none of its own."""
    blocks: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    for call in answer.tool_calls:
        arguments = orjson.loads(call.arguments or "{}")
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return blocks


ANTHROPIC_MESSAGES = AnthropicMessages()
