"""Whether two pieces of fenced code are the same program, but for blanks and comments."""

from __future__ import annotations

import re

from cachedistill_sidecar.policy.judgement.form import Block
from cachedistill_sidecar.policy.judgement.opinion import Opinion
from cachedistill_sidecar.policy.reading import words

_HASH = words("python py sh bash shell zsh console ruby rb yaml yml toml ini r perl dockerfile makefile powershell hcl")
_DASH = words("sql postgresql mysql sqlite lua haskell hs ada")
_CASELESS = words("sql postgresql mysql sqlite")
# Where the depth of a line is part of the program. Untagged code may be Python.
_INDENTED = words("python py yaml yml makefile") | {""}

_STRING = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_COMMENTS = {
    "#": r"(?<!\S)#[^\n]*",
    "--": r"--[^\n]*|/\*.*?(?:\*/|\Z)",
    "//": r"//[^\n]*|/\*.*?(?:\*/|\Z)",
    "": r"(?<!\S)(?:#|//)[ \t][^\n]*",
}
_LEXEMES = {
    mark: re.compile(rf"(?P<string>{_STRING})|(?P<comment>{pattern})|(?P<break>\n[ \t]*)|\w+|[^\w\s]", re.DOTALL)
    for mark, pattern in _COMMENTS.items()
}
_OPENING, _CLOSING = "([{", ")]}"


def judge_code(left: tuple[Block, ...], right: tuple[Block, ...]) -> Opinion | None:
    """The opinion on two answers with code; None where one of them only shows more of it, and prose decides."""
    mine, theirs = ({lexemes(block) for block in blocks} for blocks in (left, right))
    if mine == theirs:
        return Opinion.SAME
    if mine < theirs or theirs < mine:
        return None
    return Opinion.DIFFERENT if mine.isdisjoint(theirs) else Opinion.UNDECIDED


def lexemes(block: Block) -> tuple[str, ...]:
    """The code's words and marks, without comments and blanks; with a line's depth where that is part of the program.

    Strings are kept whole and as written; the keywords and names of SQL are in lower case.
    """
    caseless, indented = block.language in _CASELESS, block.language in _INDENTED
    found: list[str] = []
    margins: list[int] = []
    nested, margin = 0, 0
    for match in _LEXEMES[_mark(block.language)].finditer("\n" + block.code.expandtabs(4).strip("\n")):
        lexeme = match[0]
        if match["comment"] is not None:
            continue
        if match["break"] is not None:
            margin = len(lexeme) - 1 if nested == 0 else -1
            continue
        if margin >= 0 and indented:
            found.append(f"\n{_depth(margins, margin)}")
        margin = -1
        nested = max(0, nested + (lexeme in _OPENING) - (lexeme in _CLOSING))
        found.append(lexeme.lower() if caseless and match["string"] is None else lexeme)
    return tuple(found)


def _mark(language: str) -> str:
    """What begins a comment."""
    if not language:
        return ""
    return "#" if language in _HASH else "--" if language in _DASH else "//"


def _depth(margins: list[int], margin: int) -> int:
    """How many lines above enclose a line with this margin. Keeps their margins up to date."""
    while margins and margins[-1] >= margin:
        margins.pop()
    margins.append(margin)
    return len(margins)
