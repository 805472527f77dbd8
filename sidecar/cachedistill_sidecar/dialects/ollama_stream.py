"""Ollama's streamed replies, put together into the body that the same request gets without streaming."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cachedistill_sidecar.dialects.base import (
    Json,
    NotUnderstood,
    json_object,
    mapping,
    mappings,
    rest,
    string,
    understanding,
)
from cachedistill_sidecar.exchange import Answer

_GROWING = frozenset({"content", "thinking", "tool_calls"})


class ReplyStreamParser:
    """One streamed reply: the last line's fields, with the messages of all lines put together.

    `message` takes what the model wrote out of a line, `written` puts it back, `read` takes the whole body at the end.
    """

    def __init__(
        self, read: Callable[[Json], Answer], message: Callable[[Json], Json], written: Callable[[Json], Json]
    ) -> None:
        self.answer: Answer | None = None
        self._read, self._message_of, self._written = read, message, written
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[Json] = []
        self._beside: Json = {}

    @property
    def text_so_far(self) -> str:
        return "".join(self._text)

    def feed(self, data: bytes) -> None:
        with understanding("a line of a reply"):
            line = json_object(data)
            if "error" in line:
                raise NotUnderstood("the stream reports an error")
            self._grow(mapping(self._message_of(line), "message"))
            if line["done"] is True:
                self.answer = self._read(line | self._written(self._whole()))

    def _grow(self, message: Json) -> None:
        self._beside |= rest(message, _GROWING)
        self._text.append(string(message.get("content") or "", "content"))
        self._thinking.append(string(message.get("thinking") or "", "thinking"))
        self._calls += mappings(message.get("tool_calls") or [], "tool_calls")

    def _whole(self) -> Json:
        message: dict[str, Any] = {**self._beside, "content": self.text_so_far}
        if thinking := "".join(self._thinking):
            message["thinking"] = thinking
        return message | ({"tool_calls": self._calls} if self._calls else {})
