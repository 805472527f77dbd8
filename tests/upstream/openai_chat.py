"""OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tests.upstream.exchange import Choice, Dialect, Frame, Json, Prompt, ProviderError, Reply, Wanted, require
from tests.upstream.openai_request import (
    bearer,
    error_document,
    error_event,
    function_tools,
    images_in,
    text_of,
    token_logprobs,
)

FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls", "filtered": "content_filter"}
FINGERPRINT = "fp_upstream"
MAX_CHOICES = 128
DONE = Frame(b"data: [DONE]\n\n")


def read(body: Json, deployment: str) -> Prompt:
    """Reads a request; `deployment` is the model when the path names it (Azure)."""
    model = deployment or require(body, "model", str, "a string")
    messages = require(body, "messages", list, "an array of objects")
    if not messages or not all(isinstance(message, dict) and "role" in message for message in messages):
        raise ProviderError("bad_request", "Invalid 'messages': expected objects with a role.", "messages")
    n = body.get("n") or 1
    if not isinstance(n, int) or not 1 <= n <= MAX_CHOICES:
        raise ProviderError("bad_request", f"Invalid 'n': expected an integer from 1 to {MAX_CHOICES}.", "n")
    texts = [text_of(message.get("content")) for message in messages]
    users = [at for at, message in enumerate(messages) if message["role"] == "user"]
    return Prompt(
        model=model,
        text=texts[users[-1]] if users else "",
        body=body,
        system="\n".join(
            text for text, message in zip(texts, messages, strict=True) if message["role"] in ("system", "developer")
        ),
        words=sum(len(text.split()) for text in texts),
        images=sum(images_in(message.get("content"), ("image_url",)) for message in messages),
        tools=function_tools(body.get("tools")),
        wanted=wanted(body.get("tool_choice")),
        after_tool=messages[-1]["role"] == "tool",
        schema=_schema(body.get("response_format")),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stream=bool(body.get("stream")),
        usage_in_stream=bool((body.get("stream_options") or {}).get("include_usage")),
        n=n,
        logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
    )


def wanted(tool_choice: Any) -> Wanted:
    """What `tool_choice` asks for: 'none', 'auto', or a tool ('required' or a named one)."""
    if tool_choice in (None, "auto"):
        return "auto"
    return "none" if tool_choice == "none" else "forced"


def _schema(response_format: Json | None) -> Json | None:
    kind = (response_format or {}).get("type")
    if response_format and kind == "json_schema":
        return dict(response_format["json_schema"].get("schema") or {})
    return {"type": "object", "properties": {"answer": {"type": "string"}}} if kind == "json_object" else None


def usage(reply: Reply) -> Json:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def document(reply: Reply) -> Json:
    """The `chat.completion` object."""
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.prompt.model,
        "choices": [_choice(reply, choice) for choice in reply.choices],
        "usage": usage(reply),
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _choice(reply: Reply, choice: Choice) -> Json:
    message: Json = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
    if choice.tool:
        function = {"name": choice.tool.name, "arguments": "".join(choice.pieces)}
        message["content"] = None
        message["tool_calls"] = [{"id": call_id(reply, choice), "type": "function", "function": function}]
    return {
        "index": choice.index,
        "message": message,
        "logprobs": _logprobs(reply, choice, choice.pieces),
        "finish_reason": FINISH[choice.ending],
    }


def call_id(reply: Reply, choice: Choice) -> str:
    return f"call_{reply.id[-22:]}{choice.index:02d}"


def _logprobs(reply: Reply, choice: Choice, pieces: tuple[str, ...]) -> Json | None:
    if reply.prompt.logprobs is None or choice.tool:
        return None
    return {"content": token_logprobs(pieces, reply.prompt.logprobs), "refusal": None}


def frames(reply: Reply) -> Iterator[Frame]:
    """The stream: the chunks, then `[DONE]`."""
    for chunk, delta in chunks(reply):
        yield Frame(event(chunk), delta)
    yield DONE


def chunks(reply: Reply) -> Iterator[tuple[Json, bool]]:
    """Per choice a role chunk, its deltas and its finish, then the usage if asked for; True marks the deltas."""
    shared = {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion.chunk",
        "created": reply.created,
        "model": reply.prompt.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }
    blank = {"usage": None} if reply.prompt.usage_in_stream else {}
    for choice in reply.choices:
        for delta, logprobs, finish in _deltas(reply, choice):
            part = {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            yield {**shared, "choices": [part], **blank}, bool(delta) and "role" not in delta
    if reply.prompt.usage_in_stream:
        yield {**shared, "choices": [], "usage": usage(reply)}, False


def _deltas(reply: Reply, choice: Choice) -> Iterator[tuple[Json, Json | None, str | None]]:
    """Delta, log probabilities and finish reason of each chunk of a choice."""
    if choice.tool:
        function = {"name": choice.tool.name, "arguments": ""}
        call = {"index": 0, "id": call_id(reply, choice), "type": "function", "function": function}
        yield {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}, None, None
        for piece in choice.pieces:
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, None, None
    else:
        yield {"role": "assistant", "content": "", "refusal": None}, None, None
        for piece in choice.pieces:
            yield {"content": piece}, _logprobs(reply, choice, (piece,)), None
    yield {}, None, FINISH[choice.ending]


def event(document: Json) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


DIALECT = Dialect(
    name="openai_chat",
    stream_type="text/event-stream; charset=utf-8",
    read=read,
    render=lambda reply: orjson.dumps(document(reply)),
    frames=frames,
    error=error_document,
    error_frame=error_event,
    request_id_header="x-request-id",
    key=bearer,
    extra_headers={"openai-version": "2020-10-01", "openai-organization": "upstream"},
)
