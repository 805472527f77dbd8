"""One stored answer, and its bytes in Redis."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from cachedistill_sidecar.exchange import Answer, FinishReason, ToolCall, Usage

# Groups and principals came later, as further fields: sidecars of either version read what the other has stored.
_FORMAT = 1


class Undecodable(ValueError):
    """Bytes that are not an entry of this format."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored answer. `stored_at` is in seconds since the epoch.

    `group` is the key of the first entry whose answer was judged the same as this one: by default its own. `principal`
    stands for who had asked (16 hex digits), and is empty when nobody is known. `guess` is the group that the query's
    neighbours spoke for, empty when that isn't known; only the vector document keeps it.
    """

    key: str
    answer: Answer
    stored_at: float
    group: str = ""
    principal: str = ""
    guess: str = ""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.key)

    def encode(self) -> bytes:
        """The stored form: JSON, so that it can be read by a person and never runs anything."""
        about = {"format": _FORMAT, "stored_at": self.stored_at, "group": self.group, "principal": self.principal}
        return orjson.dumps(about | {"answer": self.answer})


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
        group, principal = str(document.get("group", "")), str(document.get("principal", ""))
        return Entry(key, Answer(**answer), float(document["stored_at"]), group, principal)
    except (KeyError, TypeError, ValueError) as error:
        raise Undecodable(f"entry {key}: {error}") from error
