"""OpenAI's response events, read and written: platform.openai.com/docs/api-reference/responses-streaming."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cachedistill_sidecar.dialects.base import Json, NotUnderstood, json_object, mapping, sse, string, understanding
from cachedistill_sidecar.exchange import Answer

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
# What a response doesn't know yet when its stream begins.
_UNKNOWN_AT_FIRST: Json = {
    "status": "in_progress",
    "service_tier": "auto",
    "output": [],
    "usage": None,
    "completed_at": None,
    "incomplete_details": None,
    "error": None,
}

Event = tuple[str, Json]
"""A type and the fields that go with it."""


class ResponseStreamParser:
    """One streamed response; the terminal event brings the whole body, which `read` takes."""

    def __init__(self, read: Callable[[Json], Answer]) -> None:
        self.answer: Answer | None = None
        self._read = read
        self._text: list[str] = []

    @property
    def text_so_far(self) -> str:
        return "".join(self._text)

    def feed(self, data: bytes) -> None:
        with understanding("an event of a response"):
            event = json_object(data)
            kind = string(event["type"], "type")
            if kind == "error":
                raise NotUnderstood("the stream reports an error")
            if kind == "response.output_text.delta":
                self._text.append(string(event["delta"], "delta"))
            elif kind in _TERMINAL:
                self.answer = self._read(mapping(event["response"], "response"))


def render_events(response: Json, pieces: list[str]) -> Iterator[bytes]:
    """The events of a whole response; `pieces` cuts its text, if that stands in one part."""
    for sequence, (kind, fields) in enumerate(_events(response, pieces)):
        yield sse({"type": kind, "sequence_number": sequence, **fields}, kind)


def _events(response: Json, pieces: list[str]) -> Iterator[Event]:
    begun = response | {name: value for name, value in _UNKNOWN_AT_FIRST.items() if name in response}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    cut = pieces if _texts(response) == ["".join(pieces)] else None
    for index, item in enumerate(response["output"]):
        yield "response.output_item.added", {"output_index": index, "item": _begun(item)}
        place = {"item_id": item.get("id") or "", "output_index": index}
        for kind, fields in _within(item, cut):
            yield f"response.{kind}", place | fields
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{response['status']}", {"response": response}


def _texts(response: Json) -> list[str]:
    messages = [item for item in response["output"] if item["type"] == "message"]
    return [part["text"] for item in messages for part in item["content"] if part["type"] == "output_text"]


def _begun(item: Json) -> Json:
    """An output item as it is before its first piece."""
    status = {"status": "in_progress"} if item.get("status") is not None else {}
    match item["type"]:
        case "message":
            return item | status | {"content": []}
        case "function_call":
            return item | status | {"arguments": ""}
        case "custom_tool_call":
            return item | status | {"input": ""}
        case "reasoning":
            return item | status | {"summary": []} | ({"content": []} if item.get("content") else {})
    return item | status


def _within(item: Json, cut: list[str] | None) -> Iterator[Event]:
    """The events between an item's beginning and its end."""
    match item["type"]:
        case "message":
            for index, part in enumerate(_parts(item, "content")):
                yield from _part(part, {"content_index": index}, cut)
        case "function_call":
            yield "function_call_arguments.delta", {"delta": item["arguments"]}
            yield "function_call_arguments.done", {"arguments": item["arguments"], "name": item["name"]}
        case "custom_tool_call":
            yield "custom_tool_call_input.delta", {"delta": item["input"]}
            yield "custom_tool_call_input.done", {"input": item["input"]}
        case "reasoning":
            for index, part in enumerate(_parts(item, "summary")):
                yield from _summary(part, {"summary_index": index})
            for index, part in enumerate(_parts(item, "content")):
                yield from _part(part, {"content_index": index}, None)


def _part(part: Json, place: Json, cut: list[str] | None) -> Iterator[Event]:
    """The events of one part of a message's or a reasoning item's content."""
    match part:
        case {"type": "output_text", "text": str(text)}:
            logprobs: dict[str, Any] = {"logprobs": []}
            yield "content_part.added", place | {"part": part | {"text": "", "annotations": []}}
            for piece in filter(None, [text] if cut is None else cut):
                yield "output_text.delta", place | {"delta": piece} | logprobs
            for index, annotation in enumerate(_parts(part, "annotations")):
                yield "output_text.annotation.added", place | {"annotation_index": index, "annotation": annotation}
            yield "output_text.done", place | {"text": text} | logprobs
        case {"type": "refusal", "refusal": str(text)}:
            yield "content_part.added", place | {"part": part | {"refusal": ""}}
            yield "refusal.delta", place | {"delta": text}
            yield "refusal.done", place | {"refusal": text}
        case {"type": "reasoning_text", "text": str(text)}:
            yield "content_part.added", place | {"part": part | {"text": ""}}
            yield "reasoning_text.delta", place | {"delta": text}
            yield "reasoning_text.done", place | {"text": text}
        case _:
            yield "content_part.added", place | {"part": part}
    yield "content_part.done", place | {"part": part}


def _parts(whole: Json, field: str) -> list[Json]:
    """The objects in a list of the provider's, which nobody has looked into before."""
    found = whole.get(field)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _summary(part: Json, place: Json) -> Iterator[Event]:
    """The events of one part of a reasoning item's summary."""
    text = part.get("text") or ""
    yield "reasoning_summary_part.added", place | {"part": part | {"text": ""}}
    yield "reasoning_summary_text.delta", place | {"delta": text}
    yield "reasoning_summary_text.done", place | {"text": text}
    yield "reasoning_summary_part.done", place | {"part": part}
