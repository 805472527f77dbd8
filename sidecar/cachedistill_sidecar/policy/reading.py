"""A text as the guards read it: in lower case, with its words, each found once for all guards."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)*")
# One idea that is written with a digit, with a number word, or with neither.
_TWO_FACTOR = re.compile(r"\b(?:2fa|mfa|(?:2|two|second)[- ]?(?:factor|step|fa)\b)")

# Scripts without blanks between words.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


def unspaced(text: str) -> bool:
    """Whether a text is written, in part at least, in a script that sets no blanks between words."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def words(line: str) -> frozenset[str]:
    """A set of words, written as a line of text."""
    return frozenset(line.split())


@dataclass(frozen=True, slots=True)
class Reading:
    """`text` keeps its case, `lower` doesn't; `words` in order, without punctuation and possessive or short "'s"."""

    text: str
    lower: str
    words: tuple[str, ...]
    vocabulary: frozenset[str]


def read(text: str) -> Reading:
    """Read a text once. Typographic apostrophes become plain ones."""
    plain = text.replace("\u2019", "'")
    lower = plain.lower()
    if "fa" in lower or "step" in lower:
        lower = _TWO_FACTOR.sub("twofactor", lower)
    in_order = tuple([word.removesuffix("'s") for word in _WORD.findall(lower)])
    return Reading(plain, lower, in_order, frozenset(in_order))
