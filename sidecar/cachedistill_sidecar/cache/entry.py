"""One stored answer, and its bytes in Redis."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from cachedistill_sidecar.exchange import Answer, FinishReason, ToolCall, Usage

_FORMAT = 1


class Undecodable(ValueError):
    """Bytes that are not an entry of this format."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored answer. `stored_at` is in seconds since the epoch."""

    key: str
    answer: Answer
    stored_at: float

    def encode(self) -> bytes:
        """The stored form: JSON, so that it can be read by a person and never runs anything."""
        return orjson.dumps({"format": _FORMAT, "stored_at": self.stored_at, "answer": self.answer})


def decode(key: str, data: bytes) -> Entry:
    """Read an entry. Raises Undecodable."""
    try:
        document = orjson.loads(data)
        if document["format"] != _FORMAT:
            raise Undecodable(f"format {document['format']!r} is not {_FORMAT}")
        answer = document["answer"]
        answer["finish_reason"] = FinishReason(answer["finish_reason"])
        answer["usage"] = Usage(**answer["usage"])
        answer["tool_calls"] = tuple(ToolCall(**call) for call in answer["tool_calls"])
        return Entry(key, Answer(**answer), float(document["stored_at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Undecodable(f"entry {key}: {error}") from error
