"""Ollama's chat and generate: https://github.com/ollama/ollama/blob/main/docs/api.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from tests.upstream.exchange import Choice, Dialect, Frame, Json, Prompt, ProviderError, Reply, require
from tests.upstream.openai_request import function_tools

DONE = {"stop": "stop", "length": "length", "tool": "stop", "filtered": "stop"}
VERSION = "0.12.6"
TOKEN_NS = 10_000_000


def read_chat(body: Json, _path: str) -> Prompt:
    """Reads `POST /api/chat`; a request streams unless it says no."""
    messages = require(body, "messages", list, "an array of messages")
    texts = [str(message.get("content") or "") for message in messages]
    users = [at for at, message in enumerate(messages) if message.get("role") == "user"]
    systems = [text for text, message in zip(texts, messages, strict=True) if message.get("role") == "system"]
    return _prompt(
        body,
        text=texts[users[-1]] if users else "",
        system="\n".join(systems),
        words=sum(len(text.split()) for text in texts),
        images=sum(len(message.get("images") or ()) for message in messages),
        tools=function_tools(body.get("tools")),
        after_tool=bool(messages) and messages[-1].get("role") == "tool",
    )


def read_generate(body: Json, _path: str) -> Prompt:
    """Reads `POST /api/generate`."""
    text, system = str(body.get("prompt") or ""), str(body.get("system") or "")
    words = len(text.split()) + len(system.split())
    return _prompt(body, text=text, system=system, words=words, images=len(body.get("images") or ()))


def _prompt(body: Json, **fields: Any) -> Prompt:
    model = require(body, "model", str, "a string")
    options = body.get("options") or {}
    limit = options.get("num_predict")
    stream = body.get("stream") is not False
    return Prompt(
        model=model,
        body=body,
        schema=_schema(body.get("format")),
        max_tokens=limit if limit and limit > 0 else None,
        stream=stream,
        **fields,
    )


def _schema(wanted: Any) -> Json | None:
    if wanted == "json":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return wanted if isinstance(wanted, dict) else None


def _head(reply: Reply) -> Json:
    created = datetime.fromtimestamp(reply.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"model": reply.prompt.model, "created_at": created}


def _end(reply: Reply, choice: Choice) -> Json:
    """The fields of the last line; the durations (nanoseconds) follow from the tokens."""
    durations = {"load_duration": TOKEN_NS, "prompt_eval_duration": reply.prompt_tokens * TOKEN_NS}
    return {
        "done": True,
        "done_reason": DONE[choice.ending],
        "total_duration": (1 + reply.prompt_tokens + choice.tokens) * TOKEN_NS,
        **durations,
        "prompt_eval_count": reply.prompt_tokens,
        "eval_count": choice.tokens,
        "eval_duration": choice.tokens * TOKEN_NS,
    }


def _message(choice: Choice, text: str, *, with_tool: bool) -> Json:
    message: Json = {"role": "assistant", "content": text}
    if choice.tool and with_tool:
        message["tool_calls"] = [{"function": {"name": choice.tool.name, "arguments": choice.tool.arguments}}]
    return {"message": message}


def _said(choice: Choice, text: str, chat: bool, *, with_tool: bool = False) -> Json:
    return _message(choice, text, with_tool=with_tool) if chat else {"response": text}


def _renderer(chat: bool) -> Any:
    def render(reply: Reply) -> bytes:
        (choice,) = reply.choices
        said = _said(choice, choice.text, chat, with_tool=True)
        return orjson.dumps({**_head(reply), **said, **_end(reply, choice), **({} if chat else {"context": [1, 2, 3]})})

    return render


def _streamer(chat: bool) -> Any:
    def frames(reply: Reply) -> Iterator[Frame]:
        """Lines of JSON; a tool call comes whole, as Ollama sends it."""
        (choice,) = reply.choices
        head = _head(reply)
        for piece in ("",) if choice.tool else choice.pieces:
            yield _line({**head, **_said(choice, piece, chat, with_tool=True), "done": False}, delta=True)
        context = {} if chat else {"context": [1, 2, 3]}
        yield _line({**head, **_said(choice, "", chat), **_end(reply, choice), **context}, delta=False)

    return frames


def _line(document: Json, *, delta: bool) -> Frame:
    return Frame(orjson.dumps(document) + b"\n", delta)


def version(_body: Json, _name: str) -> bytes:
    """`GET /api/version`."""
    return orjson.dumps({"version": VERSION})


def error_document(error: ProviderError, _request_id: str) -> bytes:
    return orjson.dumps({"error": error.message})


def error_line(error: ProviderError, request_id: str) -> bytes:
    return error_document(error, request_id) + b"\n"


def _dialect(chat: bool) -> Dialect:
    return Dialect(
        name="ollama",
        stream_type="application/x-ndjson",
        read=read_chat if chat else read_generate,
        render=_renderer(chat),
        frames=_streamer(chat),
        error=error_document,
        error_frame=error_line,
        request_id_header="x-request-id",
        key=None,
        garbage=b'{"model": "broken", "mess\n',
    )


CHAT = _dialect(chat=True)
GENERATE = _dialect(chat=False)
