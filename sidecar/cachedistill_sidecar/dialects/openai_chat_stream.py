"""Streamed chat completions, put together into the body that the same request gets without streaming."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cachedistill_sidecar.dialects.base import (
    Json,
    NotUnderstood,
    expect,
    json_object,
    mapping,
    mappings,
    rest,
    string,
    understanding,
)
from cachedistill_sidecar.exchange import Answer

_OF_A_CHUNK = frozenset(["object", "choices", "usage", "obfuscation"])
_OF_A_CHOICE = frozenset(["index", "delta", "finish_reason"])


class ChatStreamParser:
    """One streamed chat completion; `read` takes the whole body at the end."""

    def __init__(self, read: Callable[[Json], Answer]) -> None:
        self.answer: Answer | None = None
        self._read = read
        self._head: Json = {}
        self._text: list[str] = []
        self._calls: dict[int, Json] = {}
        self._message: Json = {}
        self._choice: Json = {}
        self._finish: str | None = None
        self._usage: Json | None = None

    @property
    def text_so_far(self) -> str:
        return "".join(self._text)

    def feed(self, data: bytes) -> None:
        with understanding("a chat completion chunk"):
            if data != b"[DONE]":
                self._chunk(json_object(data))
            elif self._finish is not None:
                self.answer = self._read(self._body())

    def _body(self) -> Json:
        calls = [call for _, call in sorted(self._calls.items())]
        text = self.text_so_far
        message = self._message | ({"content": text} if text else {}) | ({"tool_calls": calls} if calls else {})
        choice = self._choice | {"message": message, "finish_reason": self._finish}
        return self._head | {"choices": [choice], "usage": self._usage}

    def _chunk(self, chunk: Json) -> None:
        if "error" in chunk:
            raise NotUnderstood("the stream reports an error")
        # Azure sends a first chunk with only the prompt's filter results and an empty id.
        if not self._head.get("id"):
            self._head |= rest(chunk, _OF_A_CHUNK)
        self._usage = mapping(chunk.get("usage") or {}, "usage") or self._usage
        for choice in mappings(chunk["choices"], "choices"):
            if choice.get("index"):
                raise NotUnderstood("more than one choice")
            self._delta(mapping(choice.get("delta") or {}, "delta"))
            # Azure says what its filters found in some chunks and nothing in others.
            self._choice |= {
                name: value for name, value in rest(choice, _OF_A_CHOICE).items() if value or name not in self._choice
            }
            self._finish = choice.get("finish_reason") or self._finish

    def _delta(self, delta: Json) -> None:
        beside = frozenset({"tool_calls", "content"} if delta.get("content") else {"tool_calls"})
        self._text.append(string(delta.get("content") or "", "delta.content"))
        for call in mappings(delta.get("tool_calls") or [], "delta.tool_calls"):
            known = self._calls.setdefault(expect(call["index"], int, "tool_calls[].index"), {})
            for name, value in rest(call, frozenset({"index"})).items():
                known[name] = _grown_call(known.get(name), value)
        for name, value in rest(delta, beside).items():
            # Vendors stream further texts and lists beside the content (refusal, reasoning_content): they add up.
            self._message[name] = value if name == "role" else _grown(self._message.get(name), value)


def _grown_call(known: Any, value: Any) -> Any:
    """A field of a tool call, one chunk later; within `function` and `custom` the texts add up."""
    if isinstance(known, dict) and isinstance(value, dict):
        return known | {name: _grown(known.get(name), part) for name, part in value.items()}
    return value or known


def _grown(known: Any, value: Any) -> Any:
    """A field, one chunk later."""
    if value is None:
        return known
    texts = isinstance(known, str) and isinstance(value, str)
    lists = isinstance(known, list) and isinstance(value, list)
    return known + value if texts or lists else value
