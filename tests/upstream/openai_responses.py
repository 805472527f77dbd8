"""OpenAI's responses: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import orjson

from tests.upstream.exchange import Choice, Dialect, Frame, Json, Prompt, ProviderError, Reply, require
from tests.upstream.openai_chat import wanted
from tests.upstream.openai_request import bearer, error_document, function_tools, images_in, text_of

INCOMPLETE = {"length": "max_output_tokens", "filtered": "content_filter"}
ECHOED: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def read(body: Json, _path: str) -> Prompt:
    """Reads a request whose input is a string or a list of items."""
    model = require(body, "model", str, "a string")
    given = body.get("input")
    if not isinstance(given, (str, list)) or not given:
        raise ProviderError("bad_request", "Missing required parameter: 'input'.", "input")
    items: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    texts = [text_of(item.get("content")) for item in items]
    users = [at for at, item in enumerate(items) if item.get("role") == "user"]
    instructions = body.get("instructions") or ""
    systems = [text for text, item in zip(texts, items, strict=True) if item.get("role") in ("system", "developer")]
    return Prompt(
        model=model,
        text=texts[users[-1]] if users else "",
        body=body,
        system="\n".join([instructions, *systems]) if instructions else "\n".join(systems),
        words=len(instructions.split()) + sum(len(text.split()) for text in texts),
        images=sum(images_in(item.get("content"), ("input_image",)) for item in items),
        tools=function_tools(body.get("tools")),
        wanted=wanted(body.get("tool_choice")),
        after_tool=items[-1].get("type") == "function_call_output",
        schema=_schema((body.get("text") or {}).get("format")),
        max_tokens=body.get("max_output_tokens"),
        stream=bool(body.get("stream")),
    )


def _schema(text_format: Json | None) -> Json | None:
    kind = (text_format or {}).get("type")
    if text_format and kind == "json_schema":
        return dict(text_format.get("schema") or {})
    return {"type": "object", "properties": {"answer": {"type": "string"}}} if kind == "json_object" else None


def _response(reply: Reply, status: str, output: list[Json]) -> Json:
    """The `response` object; usage comes with the end alone."""
    (choice,) = reply.choices
    ended = status != "in_progress"
    body = reply.prompt.body
    echoed = {name: default if (given := body.get(name)) is None else given for name, default in ECHOED.items()}
    reason = INCOMPLETE.get(choice.ending) if ended else None
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "completed_at": reply.created if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": reply.prompt.model,
        "output": output,
        "service_tier": "default" if ended else "auto",
        "usage": _usage(reply) if ended else None,
        **echoed,
    }


def _usage(reply: Reply) -> Json:
    return {
        "input_tokens": reply.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }


def _status(choice: Choice) -> str:
    return "incomplete" if choice.ending in INCOMPLETE else "completed"


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(reply: Reply, choice: Choice, status: str) -> Json:
    """The output item: a message or a function call, empty while in progress."""
    begun = status == "in_progress"
    if choice.tool:
        arguments = "" if begun else "".join(choice.pieces)
        call = {"type": "function_call", "id": f"fc_{reply.id}", "call_id": f"call_{reply.id}"}
        return {**call, "name": choice.tool.name, "arguments": arguments, "status": status}
    content = [] if begun else [_part(choice.text)]
    return {"type": "message", "id": f"msg_{reply.id}", "role": "assistant", "status": status, "content": content}


def render(reply: Reply) -> bytes:
    (choice,) = reply.choices
    status = _status(choice)
    return orjson.dumps(_response(reply, status, [_item(reply, choice, status)]))


def frames(reply: Reply) -> Iterator[Frame]:
    """The stream of events, numbered from 0, for one output item."""
    (choice,) = reply.choices
    numbers = count()
    status = _status(choice)
    done = _item(reply, choice, status)
    begun = _response(reply, "in_progress", [])
    events: list[tuple[str, Json]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": _item(reply, choice, "in_progress")}),
        *(_call_events(choice, done) if choice.tool else _text_events(choice, done)),
        ("response.output_item.done", {"output_index": 0, "item": done}),
        (f"response.{status}", {"response": _response(reply, status, [done])}),
    ]
    for kind, fields in events:
        yield _event(kind, fields, next(numbers))


def _text_events(choice: Choice, item: Json) -> Iterator[tuple[str, Json]]:
    at = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    yield "response.content_part.added", {**at, "part": _part("")}
    for piece in choice.pieces:
        yield "response.output_text.delta", {**at, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**at, "text": choice.text, "logprobs": []}
    yield "response.content_part.done", {**at, "part": _part(choice.text)}


def _call_events(choice: Choice, item: Json) -> Iterator[tuple[str, Json]]:
    at = {"item_id": item["id"], "output_index": 0}
    for piece in choice.pieces:
        yield "response.function_call_arguments.delta", {**at, "delta": piece}
    whole = {"name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", {**at, **whole}


def _event(kind: str, fields: Json, number: int) -> Frame:
    data = orjson.dumps({"type": kind, "sequence_number": number, **fields})
    return Frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), data), kind.endswith(".delta"))


def error_event(error: ProviderError, _request_id: str) -> bytes:
    """The `error` event of a stream that can't go on; four events and three deltas precede it, hence its number."""
    detail = {"type": "error", "sequence_number": 7, "code": "server_error", "message": error.message, "param": None}
    return b"event: error\ndata: " + orjson.dumps(detail) + b"\n\n"


DIALECT = Dialect(
    name="openai_responses",
    stream_type="text/event-stream; charset=utf-8",
    read=read,
    render=render,
    frames=frames,
    error=error_document,
    error_frame=error_event,
    request_id_header="x-request-id",
    key=bearer,
    garbage=b'event: response.output_text.delta\ndata: {"type": "respon\n\n',
    extra_headers={"openai-version": "2020-10-01", "openai-organization": "upstream"},
)
