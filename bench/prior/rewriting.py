"""How rules change a query: a rule gives the changed query, or None where it doesn't apply."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Rule = Callable[[str, random.Random], str | None]
_SMALL_I = re.compile(r"\bi\b")


def table(lines: str) -> list[list[str]]:
    """Rows of phrases out of lines of text, with | between phrases."""
    return [[phrase.strip() for phrase in line.split("|")] for line in lines.strip().splitlines()]


def in_place(pattern: str, replacement: Callable[[re.Match[str], random.Random], str | None]) -> Rule:
    """A rule that replaces one match of a pattern, drawn at random; the case of its first letter stays."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def rule(query: str, chance: random.Random) -> str | None:
        found = list(compiled.finditer(query))
        if not found:
            return None
        match = chance.choice(found)
        new = replacement(match, chance)
        if new is None:
            return None
        new = _SMALL_I.sub("I", cased(new, match[0])) if "I" in match[0] else cased(new, match[0])
        return f"{query[: match.start()]}{new}{query[match.end() :]}"

    return rule


def swapping(rows: list[list[str]]) -> Rule:
    """A rule that puts another phrase of its row in the place of a phrase."""
    row_of = {phrase: row for row in rows for phrase in row}
    longest_first = sorted(row_of, key=len, reverse=True)

    def other(match: re.Match[str], chance: random.Random) -> str:
        phrase = match[0].lower()
        return chance.choice([one for one in row_of[phrase] if one != phrase])

    return in_place(rf"(?<![\w'-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w'-])", other)


def cased(new: str, old: str) -> str:
    """`new` with a capital if `old` has one; otherwise as it is."""
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def lowered(query: str) -> str:
    """A query to stand behind other words: its first letter small, unless it begins with "I" or a name in capitals."""
    first = query.split(" ", 1)[0]
    return (
        query if first in ("I", "I'm", "I've", "I'd", "I'll") or first[1:2].isupper() else query[:1].lower() + query[1:]
    )
