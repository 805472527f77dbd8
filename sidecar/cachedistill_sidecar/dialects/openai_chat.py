"""OpenAI chat completions (`POST /v1/chat/completions`), as platform.openai.com/docs/api-reference/chat says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from cachedistill_sidecar.dialects.base import (
    Dialect,
    Head,
    Json,
    StreamParser,
    canonical,
    expect,
    field_value,
    flag,
    integer,
    mapping,
    mappings,
    number,
    rest,
    sse,
    string,
    understanding,
)
from cachedistill_sidecar.dialects.openai_chat_stream import ChatStreamParser
from cachedistill_sidecar.dialects.openai_usage import read_usage, render_usage
from cachedistill_sidecar.dialects.turns import has_history, split_messages
from cachedistill_sidecar.exchange import Answer, FinishReason, Operation, Query, ToolCall
from cachedistill_sidecar.route_document import Provider

# Fields of a request that change how the answer travels or is billed, but not what it says.
_TRANSPORT = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "user",
        "safety_identifier",
        "metadata",
        "store",
        "service_tier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
    ]
)
# `metadata` repeats what the request said, and a replay answers another request.
_BODY = frozenset(["id", "object", "created", "model", "choices", "usage", "metadata"])
_CHOICE = frozenset(["index", "message", "finish_reason"])

_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class OpenAIChat(Dialect):
    """OpenAI chat completions."""

    name: ClassVar[str] = "openai_chat"
    provider: ClassVar[Provider] = Provider.OPENAI
    operation: ClassVar[Operation] = Operation.CHAT
    gen_ai_provider: ClassVar[str] = "openai"

    def matches(self, path: str) -> bool:
        return path == "/v1/chat/completions"

    def query(self, body: Json, path: str, query_string: str, headers: Head) -> Query:
        text, earlier, last = split_messages(body.get("messages"))
        options = mapping(body.get("stream_options") or {}, "stream_options")
        modalities = body.get("modalities") or ["text"]
        beta = field_value(headers, "openai-beta")
        return Query(
            operation=self.operation,
            model=string(body.get("model"), "model"),
            text=text,
            shape=canonical(self.name, query_string, beta, rest(body, _TRANSPORT), earlier, last),
            later_turn=has_history(earlier),
            stream=flag(body, "stream"),
            include_usage=flag(options, "include_usage"),
            choices=integer(body, "n") or 1,
            logprobs=flag(body, "logprobs") or body.get("top_logprobs") is not None,
            tools=bool(body.get("tools") or body.get("functions")),
            text_only=modalities == ["text"] and not body.get("audio") and not body.get("web_search_options"),
            temperature=number(body, "temperature"),
            top_p=number(body, "top_p"),
            max_tokens=integer(body, "max_completion_tokens") or integer(body, "max_tokens"),
            seed=integer(body, "seed"),
        )

    def answer(self, body: Json) -> Answer:
        with understanding("a chat completion"):
            [choice] = mappings(body["choices"], "choices")
            message = mapping(choice["message"], "message")
            text = string(message.get("content") or "", "content")
            refused = message.get("refusal") is not None
            finish = string(choice["finish_reason"], "finish_reason")
            return Answer(
                id=string(body["id"], "id"),
                model=string(body["model"], "model"),
                created=int(expect(body["created"], int, "created")),
                text=text,
                finish_reason=FinishReason.REFUSAL if refused else _FINISH.get(finish, FinishReason.OTHER),
                usage=read_usage(body.get("usage"), "prompt_tokens", "completion_tokens"),
                tool_calls=tuple(_tool_call(call) for call in mappings(message.get("tool_calls") or [], "tool_calls")),
                extras={
                    "body": rest(body, _BODY),
                    "choice": rest(choice, _CHOICE),
                    # A content that holds no text may be null, empty or absent.
                    "message": rest(message, frozenset({"role", "content"} if text else {"role"})),
                    "usage": body.get("usage"),
                    "finish_reason": finish,
                },
            )

    def stream_parser(self) -> StreamParser:
        return ChatStreamParser(self.answer)

    def render(self, answer: Answer, query: Query) -> Json:
        content = answer.text or (None if answer.tool_calls else "")
        return {
            "id": answer.id,
            "object": "chat.completion",
            "created": answer.created,
            "model": answer.model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content} | _message_extras(answer),
                    "finish_reason": _render_finish(answer),
                }
                | answer.extras.get("choice", {"logprobs": None})
            ],
            "usage": _render_usage(answer),
            **answer.extras.get("body", {}),
        }

    def render_stream(self, answer: Answer, query: Query, pieces: list[str]) -> Iterator[bytes]:
        head: Json = {"id": answer.id, "object": "chat.completion.chunk", "created": answer.created}
        head |= {"model": answer.model, **answer.extras.get("body", {})}
        if query.include_usage:
            head["usage"] = None
        about_text = answer.extras.get("choice", {"logprobs": None})
        # Azure's filter results, logprobs: the first and the last chunk have no text that they could be about.
        about_none = {name: {} if isinstance(value, dict) else value for name, value in about_text.items()}

        def chunk(delta: Json, finish: str | None = None, about: Json = about_none) -> bytes:
            return sse(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish} | about]})

        message = _message_extras(answer)
        calls = message.pop("tool_calls", None)
        first: Json = {"role": "assistant", "content": None if calls and not answer.text else ""}
        yield chunk(first | message)
        for piece in filter(None, pieces):
            yield chunk({"content": piece}, about=about_text)
        for index, call in enumerate(calls or ()):
            yield chunk({"tool_calls": [{"index": index} | call]})
        yield chunk({}, _render_finish(answer))
        if query.include_usage:
            yield sse(head | {"choices": [], "usage": _render_usage(answer)})
        yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str) -> Json:
        return openai_error(status, message)


def openai_error(status: int, message: str) -> Json:
    """OpenAI's error body, as all of its operations answer it."""
    kind = {429: "rate_limit_error"}.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _message_extras(answer: Answer) -> Json:
    """All of the message but its role and content; calls of a stored answer stay as the provider wrote them."""
    stored = answer.extras.get("message")
    if stored is not None:
        return dict(stored)
    calls = [_render_tool_call(call) for call in answer.tool_calls]
    return {"refusal": None} | ({"tool_calls": calls} if calls else {})


def _render_finish(answer: Answer) -> str:
    """The finish reason; an answer without extras gets one of those that clients know."""
    known = answer.finish_reason if answer.finish_reason in _FINISH else FinishReason.STOP
    return str(answer.extras.get("finish_reason", known))


def _render_usage(answer: Answer) -> Json:
    own: Json | None = answer.extras.get("usage")
    return own or render_usage(answer.usage, "prompt_tokens", "completion_tokens")


def _tool_call(call: Json) -> ToolCall:
    """A function's call, or a custom tool's, whose argument is free text."""
    custom = call.get("type") == "custom"
    called = mapping(call["custom" if custom else "function"], "tool_calls[]")
    arguments = called.get("input" if custom else "arguments") or ""
    return ToolCall(
        id=string(call["id"], "tool_calls[].id"),
        name=string(called["name"], "tool_calls[].name"),
        arguments=string(arguments, "tool_calls[].arguments"),
    )


def _render_tool_call(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


OPENAI_CHAT = OpenAIChat()
