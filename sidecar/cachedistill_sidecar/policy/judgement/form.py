"""An answer taken apart: its prose without markdown, its fenced code, the JSON it consists of."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

_FENCE = "```"
_MOST_WORDS_AROUND = 30  # of fenced JSON; where there are more, it illustrates what they tell
_EMPHASIS = re.compile(
    r"\*\*|~~|(?<!\S)\*(?=\S)|(?<=\S)\*(?![\w*])|(?<![\w_])_{1,2}(?=[^\W_])|(?<=[^\W_])_{1,2}(?![\w_])"
)
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|>\s*|(?:[-*+\u2022]|\d{1,3}[.)])\s+)+", re.MULTILINE)
_BULLET = re.compile(r"\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+\S")
_BLANKS = re.compile(r"\s+")
_END_MARKS = " .!?,;:\u3002\uff01\uff1f"
_QUOTE_MARKS = " \"'`"
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb", '\'\'"""""')


@dataclass(frozen=True, slots=True)
class Block:
    """Fenced code with its language tag in lower case, which may be empty."""

    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Data:
    """The JSON object or array that an answer consists of."""

    value: Any


@dataclass(frozen=True, slots=True)
class Form:
    """`prose` is the text outside of fences, without markdown, line by line, in its own case.

    `items` are the lines that were marked as a list's.
    """

    prose: str
    items: tuple[str, ...]
    blocks: tuple[Block, ...]
    data: Data | None


def take_apart(answer: str) -> Form:
    """The form of an answer. Linear in its length."""
    text = unicodedata.normalize("NFKC", answer).translate(_QUOTES)
    prose, blocks = _unfence(text)
    lines = prose.splitlines()
    items = tuple(_unmark(line) for line in lines if _BULLET.match(line))
    kept = (_unmark(line) for line in lines)
    return Form("\n".join(line for line in kept if line), items, blocks, _data(text, prose, blocks))


def merged(form: Form) -> Form:
    """The form with its code as lines of its prose: for comparing with an answer that has its code in the text."""
    lines = (form.prose, *(block.code for block in form.blocks))
    return Form("\n".join(line for line in lines if line.strip()), form.items, (), form.data)


def squeeze(text: str) -> str:
    """Text for comparing to the letter: in one case, with single blanks, without quotes and the marks at its end."""
    return _BLANKS.sub(" ", text.casefold()).strip(_QUOTE_MARKS).rstrip(_END_MARKS).strip(_QUOTE_MARKS)


def _unmark(line: str) -> str:
    return _EMPHASIS.sub("", _LINE_MARK.sub("", line)).strip()


def _unfence(text: str) -> tuple[str, tuple[Block, ...]]:
    """Splits at fences, line by line; one that isn't closed runs to the end."""
    prose: list[str] = []
    blocks: list[Block] = []
    language = ""
    code: list[str] | None = None
    for line in text.splitlines():
        if not line.lstrip().startswith(_FENCE):
            (prose if code is None else code).append(line)
        elif code is None:
            language, code = line.strip().strip("`").strip().lower(), []
        else:
            blocks.append(Block(language, "\n".join(code)))
            code = None
    if code is not None:
        blocks.append(Block(language, "\n".join(code)))
    return "\n".join(prose), tuple(blocks)


def _data(text: str, prose: str, blocks: tuple[Block, ...]) -> Data | None:
    fenced = len(blocks) == 1 and len(prose.split()) <= _MOST_WORDS_AROUND
    source = (blocks[0].code if fenced else text).strip()
    if not source.startswith(("{", "[")) or not source.endswith(("}", "]")):
        return None
    try:
        return Data(json.loads(source))
    except (ValueError, RecursionError):
        return None
