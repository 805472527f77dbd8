"""Brings what SDKs return into a form that two runs can be compared by."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable
from dataclasses import fields, is_dataclass
from itertools import count
from typing import Any

from pydantic import BaseModel

IDS = {"id", "call_id", "item_id", "tool_call_id", "request_id", "_request_id", "response_id", "x-request-id"}
TIMES = {
    "created",
    "created_at",
    "completed_at",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
}
KEPT_HEADERS = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
REQUEST_ID = re.compile(r"\breq_\w+")
PIECES = {"content", "text", "arguments", "partial_json", "delta", "response", "args", "sequence_number", "input"}


def drained(stream: Iterable[Any]) -> list[Any]:
    """All the chunks of a stream."""
    return list(stream)


async def adrained(stream: AsyncIterable[Any]) -> list[Any]:
    """All the chunks of a stream of an asynchronous client."""
    return [chunk async for chunk in stream]


def broken(stream: Iterable[Any], error: type[Exception]) -> list[Any]:
    """The chunks of a stream that must break off, and the exception last."""
    chunks: list[Any] = []
    try:
        for chunk in stream:
            chunks.append(chunk)
    except error as caught:
        return [*chunks, caught]
    raise AssertionError(f"the stream ended well after {len(chunks)} chunks")


def plain(value: Any) -> Any:
    """JSON-like data: ids numbered in their order of appearance (so that equal ones stay equal), times blanked."""
    return _Plain().of(value)


class _Plain:
    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def of(self, value: Any, name: str = "") -> Any:
        if isinstance(value, BaseException):
            return self._error(value)
        if isinstance(value, BaseModel):
            # Only what was on the wire: a field that a proxy invents or forgets shows.
            dumped = value.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
            return {"class": type(value).__name__.partition("[")[0], **self.of(dumped)}
        if is_dataclass(value) and not isinstance(value, type):
            return {part.name: self.of(getattr(value, part.name), part.name) for part in fields(value)}
        if isinstance(value, dict):
            return {key: self.of(part, key) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(part) for part in value]
        return self._scalar(value, name)

    def _scalar(self, value: Any, name: str) -> Any:
        if name in TIMES and value:
            return "<time>"
        if name in IDS and value:
            return self._ids.setdefault(str(value), f"<id {len(self._ids) + 1}>")
        return REQUEST_ID.sub("<request>", value) if isinstance(value, str) else value

    def _error(self, error: BaseException) -> Any:
        """An exception as its class, message, and what API errors carry: status, body, codes and retry headers."""
        told: dict[str, Any] = {"class": type(error).__name__, "message": str(error)}
        names = ("status_code", "body", "code", "param", "type", "request_id", "error")
        told |= {name: getattr(error, name) for name in names if hasattr(error, name)}
        response = getattr(error, "response", None)
        if response is not None:
            told["headers"] = {name: response.headers.get(name) for name in KEPT_HEADERS}
        return self.of(told)


def joined(outcome: Any) -> Any:
    """The outcome with neighbouring chunks of a stream made one when only their piece of the answer differs.

    Into how many pieces a replayed answer is cut is a setting of the cache and no promise of any provider.
    """
    if not isinstance(outcome, list):
        return {key: joined(part) for key, part in outcome.items()} if isinstance(outcome, dict) else outcome
    chunks: list[Any] = []
    for chunk in map(joined, outcome):
        whole = _one(chunks[-1], chunk) if chunks and isinstance(chunk, dict) else None
        if whole is None:
            chunks.append(chunk)
        else:
            chunks[-1] = whole
    return _renumbered(chunks)


def _one(left: Any, right: Any, name: str = "") -> Any:
    """Both as one, or None when they differ in more than their pieces."""
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        parts = {key: _one(left[key], right[key], key) for key in left}
        return None if any(part is None and left[key] is not None for key, part in parts.items()) else parts
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        items = [_one(one, other, name) for one, other in zip(left, right, strict=True)]
        return None if any(item is None for item in items) else items
    if name in PIECES and isinstance(left, str) and isinstance(right, str):
        return left + right
    if name == "sequence_number":
        return left
    return left if left == right and type(left) is type(right) else None


def _renumbered(chunks: list[Any]) -> list[Any]:
    """The chunks with their `sequence_number`, where they have one, counted anew."""
    numbers = count()
    return [
        {**chunk, "sequence_number": next(numbers)} if isinstance(chunk, dict) and "sequence_number" in chunk else chunk
        for chunk in chunks
    ]
