"""Anthropic's stream events, read and written: docs.anthropic.com/en/docs/build-with-claude/streaming."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from cachedistill_sidecar.dialects.base import (
    Json,
    NotUnderstood,
    expect,
    json_object,
    mapping,
    rest,
    sse,
    string,
    understanding,
)
from cachedistill_sidecar.exchange import Answer

_STOP_FIELDS = ("stop_reason", "stop_sequence", "stop_details", "container")
# What the closing event counts; the opening one has the whole usage.
_COUNTED = frozenset(
    "input_tokens cache_creation_input_tokens cache_read_input_tokens output_tokens server_tool_use".split()
)
_OF_THE_DELTA = frozenset({"type", "delta", "usage"})


class MessageStreamParser:
    """One streamed message; `read` takes the whole body at the end."""

    def __init__(self, read: Callable[[Json], Answer]) -> None:
        self.answer: Answer | None = None
        self._read = read
        self._text: list[str] = []
        self._message: Json = {}
        self._blocks: dict[int, _Block] = {}

    @property
    def text_so_far(self) -> str:
        return "".join(self._text)

    def feed(self, data: bytes) -> None:
        with understanding("an event of a message"):
            self._event(json_object(data))

    def _event(self, event: Json) -> None:
        match event["type"]:
            case "message_start":
                self._message = dict(mapping(event["message"], "message"))
            case "content_block_start":
                block = _Block(mapping(event["content_block"], "content_block"))
                self._blocks[expect(event["index"], int, "index")] = block
                self._text.append(block.text())
            case "content_block_delta":
                delta = mapping(event["delta"], "delta")
                self._blocks[event["index"]].grow(delta)
                self._text.append(delta["text"] if delta["type"] == "text_delta" else "")
            case "message_delta":
                self._message |= mapping(event["delta"], "delta") | rest(event, _OF_THE_DELTA)
                self._message["usage"] = _known(self._message.get("usage")) | _known(event.get("usage"))
            case "message_stop":
                content = [block.whole() for _, block in sorted(self._blocks.items())]
                self.answer = self._read(self._message | {"content": content})
            case "error":
                raise NotUnderstood("the stream reports an error")


class _Block:
    """A content block while its pieces come in."""

    def __init__(self, start: Json) -> None:
        self._block = dict(start)
        self._pieces: dict[str, list[str]] = {}
        self._citations: list[Any] = []

    def text(self) -> str:
        """The text that the block began with."""
        return string(self._block["text"], "content_block.text") if self._block["type"] == "text" else ""

    def grow(self, delta: Json) -> None:
        """Take one delta. Raises NotUnderstood for a kind that isn't known: the answer would miss a part."""
        match delta["type"]:
            case "text_delta" | "thinking_delta" | "signature_delta" as kind:
                field = kind.removesuffix("_delta")
                self._pieces.setdefault(field, []).append(string(delta[field], "delta"))
            case "input_json_delta":
                self._pieces.setdefault("input", []).append(string(delta["partial_json"], "delta"))
            case "citations_delta":
                self._citations.append(mapping(delta["citation"], "delta.citation"))
            case _:
                raise NotUnderstood("a delta of an unknown kind")

    def whole(self) -> Json:
        """The block with all of its pieces in."""
        block = dict(self._block)
        for field, pieces in self._pieces.items():
            joined = "".join(pieces)
            if field == "input":
                block["input"] = orjson.loads(joined) if joined else block.get("input")
            else:
                block[field] = string(block.get(field) or "", field) + joined
        if self._citations:
            block["citations"] = [*(block.get("citations") or []), *self._citations]
        return block


def render_events(message: Json, pieces: list[str]) -> Iterator[bytes]:
    """The events of a whole message; `pieces` cuts its text, if that stands in one block."""
    stop = {field: message[field] for field in _STOP_FIELDS if field in message}
    start = message | dict.fromkeys(stop) | {"content": [], "usage": message["usage"] | {"output_tokens": 1}}
    yield _event("message_start", message=start)
    texts = [block["text"] for block in message["content"] if block["type"] == "text"]
    cut = pieces if texts == ["".join(pieces)] else None
    for index, block in enumerate(message["content"]):
        empty, deltas = _taken_apart(block, cut)
        yield _event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event("message_delta", delta=stop, usage={k: v for k, v in message["usage"].items() if k in _COUNTED})
    yield _event("message_stop")


def _taken_apart(block: Json, cut: list[str] | None) -> tuple[Json, list[Json]]:
    """A block as it starts, and the deltas that make it whole."""
    match block:
        case {"type": "text", "text": text}:
            cited = block["citations"] if isinstance(block.get("citations"), list) else []
            empty = block | {"text": ""} | ({"citations": []} if cited else {})
            deltas = [{"type": "citations_delta", "citation": citation} for citation in cited]
            texts = filter(None, [text] if cut is None else cut)
            return empty, deltas + [{"type": "text_delta", "text": piece} for piece in texts]
        case {"type": "thinking"}:
            fields = [field for field in ("thinking", "signature") if block.get(field)]
            return block | dict.fromkeys(fields, ""), [{"type": f"{f}_delta", f: block[f]} for f in fields]
        case {"input": dict(given)} if given:
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": orjson.dumps(given).decode()}]
    return block, []


def _event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _known(usage: Any) -> Json:
    """The counts that are there; a null in a later event doesn't unsay what an earlier one said."""
    return {name: value for name, value in mapping(usage or {}, "usage").items() if value is not None}
