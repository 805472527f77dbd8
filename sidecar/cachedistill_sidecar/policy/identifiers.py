"""Identifiers in a text: codes, files, addresses, quotations and proper names, and which way a conversion goes."""

from __future__ import annotations

import re

from cachedistill_sidecar.policy.numbers import CALENDAR_WORDS, UNIT_WORDS
from cachedistill_sidecar.policy.reading import Reading, words

# What must stand in both texts: URLs, e-mail addresses, paths, file names, code-like words, quotations.
_EXACT = re.compile(
    r"https?://[^\s<>\"']+|www\.[^\s<>\"']+"
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<!\S)(?:~|\.{1,2})?/[\w.-]+(?:/[\w.-]+)*/?"
    r"|(?<![\w-])[\w-]{2,}\.[a-z]{2,4}[34]?\b(?![.\w])"
    r"|\b[^\W_]+(?:_[^\W_]+)+\b"
    r"|`[^`\n]+`|\"[^\"\n]+\"|[\u201c\u201e\u00ab][^\u201c\u201d\u00bb\n]+[\u201c\u201d\u00bb]"
    r"|(?<!\w)'[^'\n]+'(?!\w)"
)
# A tenth of the time: most texts hold none of these, and need not be searched for all of those.
_EXACT_SIGN = re.compile(r"[/@_`\"\u201c\u201e\u00ab]|\w\.\w|(?<!\w)'")
_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(r"(?<![\w-])[^\W_]+(?:-[^\W_]+)*(?![\w-])")
_QUANTITY = re.compile(
    r"v\d+|\d+(?:-[^\W\d_]+)+|\d+(?:st|nd|rd|th|am|pm|[kmgt]i?b|[cmk]?m|[mk]?g|k|ms|s|h|min|hrs?|l|ml|cl|[km]?wh?|lbs?|ft|[cf])"
)
_MARKS = re.compile(r"[\s_\-`\"'\u201c\u201d\u201e\u00ab\u00bb]+")
_TRAILING = ".,;:!?)/"

_NAME = re.compile(r"(?:(?<=[^\s.!?:;(])[ \t]+|(?<=[-/(]))([A-Z\u00c0-\u00de][^\W_]*)|\b([a-z]+[A-Z][^\W_]*)")
_CODE = re.compile(r"[A-Z]{2,6}")
_NO_NAMES = words(
    "i i'm i'd i'll i've ok okay not no and or please thanks thank hi hello hey dear cheers asap faq am pm the a an"
)
_UNNAMED = _NO_NAMES | CALENDAR_WORDS | UNIT_WORDS - {"us"}
# Every language capitalises names, German all nouns too: names are compared only where both texts are English.
_ENGLISH = words("the how what whats my your is are does do can could to of and for you which where when who why with")
_ALIASES = {
    "usa": "us", "america": "us", "american": "us", "britain": "uk", "british": "uk", "europe": "eu", "european": "eu",
    "dollar": "usd", "dollars": "usd", "euro": "eur", "euros": "eur", "pound": "gbp", "pounds": "gbp",
}  # fmt: skip

_ARROWS = ("->", "=>", "\u2192")
_TO = re.compile("|".join(_ARROWS))
_TOWARDS = frozenset({"to", "into"})
_MOST_COMPARED = 50  # identifiers or names in a text; more are a list, compared as it stands
_MOST_MOVES = 8  # of one text are compared with those of the other, each with each
_ARTICLES = words("a an the my our your his her their its over back of in on it them")
_BEFORE_INFINITIVE = words(
    "need want like how have has had able going possible time way ways allowed try trying required used ready is "
    "supposed order steps best what where when who which easiest right permission free"
)


def identifiers_differ(left: Reading, right: Reading) -> bool:
    """Whether one text has a code, address or quotation that the other hasn't, or each has a name of its own."""
    mine, theirs = _exact(left), _exact(right)
    if max(len(mine), len(theirs)) > _MOST_COMPARED:
        return set(mine) != set(theirs)
    return _lacks(right, mine) or _lacks(left, theirs) or _names_differ(left, right)


def direction_differs(left: Reading, right: Reading) -> bool:
    """Whether what goes "from X to Y" in one text goes from Y to X in the other."""
    mine, theirs = _moves(left), _moves(right)
    return any(
        (before & towards) - whence - after and (after & whence) - towards - before
        for before, after in mine - theirs
        for whence, towards in theirs - mine
    )


def _exact(reading: Reading) -> list[str]:
    found = []
    if _EXACT_SIGN.search(reading.text) is not None:
        found = [match.rstrip(_TRAILING) for match in _EXACT.findall(reading.text)]
    if _DIGIT.search(reading.text) is not None:
        found += [token for token in _TOKEN.findall(reading.lower) if _is_mixed(token)]
    return found


def _is_mixed(token: str) -> bool:
    """Whether letters and digits make up one code, such as E1042 or A-17; not a quantity, such as 10GB or 2-bedroom."""
    digits = _DIGIT.search(token) is not None
    return digits and not token.replace("-", "").isdigit() and _QUANTITY.fullmatch(token) is None


def _lacks(reading: Reading, identifiers: list[str]) -> bool:
    if not identifiers:
        return False
    squeezed = _MARKS.sub("", reading.lower)
    return any(_MARKS.sub("", identifier.lower()) not in squeezed for identifier in identifiers)


def _names_differ(left: Reading, right: Reading) -> bool:
    named, others = _names(left), _names(right)
    if max(len(named), len(others)) > _MOST_COMPARED:
        return named != others
    mine, theirs = _unknown(named, right), _unknown(others, left)
    if left.vocabulary.isdisjoint(_ENGLISH) or right.vocabulary.isdisjoint(_ENGLISH):
        only = {name.lower() for name in mine | theirs}
        return len(mine) == len(theirs) == 1 and left.vocabulary ^ right.vocabulary == only
    return bool(mine and theirs) or _dropped(mine, right) or _dropped(theirs, left)


def _dropped(names: set[str], other: Reading) -> bool:
    # Who types without capitals hides the name that stands in the other's place; a code may be spelled out there.
    return other.text.islower() and any(_CODE.fullmatch(name) is None for name in names)


def _names(reading: Reading) -> set[str]:
    names = [name or camel for name, camel in _NAME.findall(reading.text)]
    # Text in capitals, or with Every Word Capitalised, names nothing by it.
    if len(names) > max(3, len(reading.words) // 2):
        return set()
    return {name for name in names if len(name) > 1 and name.lower() not in _UNNAMED}


def _unknown(names: set[str], other: Reading) -> set[str]:
    return {name for name in names if name.lower() not in other.vocabulary and not _is_meant(name, other)}


def _is_meant(name: str, other: Reading) -> bool:
    """Whether another form of the name stands in the other text: Austrian for Austria, PR for pull request."""
    word = _ALIASES.get(name.lower(), name.lower())
    if any(_ALIASES.get(candidate, candidate) == word or _akin(candidate, word) for candidate in other.vocabulary):
        return True
    return _CODE.fullmatch(name) is not None and name.lower() in "".join(word[0] for word in other.words)


def _akin(word: str, other: str) -> bool:
    return min(len(word), len(other)) > 3 and (word.startswith(other) or other.startswith(word))


def _moves(reading: Reading) -> set[tuple[frozenset[str], frozenset[str]]]:
    """The one or two words of substance on either side of each "to"."""
    spoken = _words_with_arrows(reading)
    if _TOWARDS.isdisjoint(spoken):
        return set()
    named = [_ALIASES.get(word, word) for word in spoken]
    moves = []
    for at, word in enumerate(named):
        if word in _TOWARDS and at > 0 and named[at - 1] not in _BEFORE_INFINITIVE:
            before = [word for word in named[max(0, at - 4) : at] if word not in _ARTICLES and word != "from"][-2:]
            after = [word for word in named[at + 1 : at + 4] if word not in _ARTICLES][:2]
            moves.append((frozenset(before), frozenset(after)))
    return set(moves[:_MOST_MOVES])


def _words_with_arrows(reading: Reading) -> list[str]:
    if not any(arrow in reading.lower for arrow in _ARROWS):
        return list(reading.words)
    return re.findall(r"\w+", _TO.sub(" to ", reading.lower))
