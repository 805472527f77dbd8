"""A conversation's turns: which text may be compared by meaning, and what must be equal beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cachedistill_sidecar.dialects.base import Json, NotUnderstood, expect, mappings, rest, string

_TEXT = frozenset({"text"})


def split_messages(messages: Any) -> tuple[str | None, list[Json], Json]:
    """The last user text, the earlier turns, and the last turn without that text. Raises NotUnderstood."""
    turns = mappings(messages, "messages")
    if not turns:
        raise NotUnderstood("messages is empty")
    *earlier, last = turns
    if last.get("role") != "user":
        return None, earlier, last
    text, content = split_content(last.get("content"), "text")
    return text, earlier, last | {"content": content}


def split_content(content: Any, text_type: str) -> tuple[str | None, list[Json]]:
    """The last text part of a user's content, and all parts with that text taken out. Raises NotUnderstood.

    Only the last text part is compared by meaning; documents and images that come with it must be equal.
    """
    if isinstance(content, str):
        return content, [{"type": text_type}]
    parts = mappings(expect(content, list, "content"), "content")
    for index in reversed(range(len(parts))):
        if parts[index].get("type") == text_type:
            text = string(parts[index].get("text"), "content[].text")
            parts[index] = rest(parts[index], _TEXT)
            return text, parts
    return None, parts


def has_history(earlier: Iterable[Json]) -> bool:
    """Whether user, assistant or tool turns come before the last one; instructions are no turns."""
    return any(turn.get("role") not in ("system", "developer") for turn in earlier)
