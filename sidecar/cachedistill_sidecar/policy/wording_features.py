"""What two queries' wording says about whether they ask the same, as numbers for a logistic regression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from cachedistill_sidecar.policy.identifiers import direction_differs, identifiers_differ
from cachedistill_sidecar.policy.lexicon import COMMON_WORDS, FUNCTION_WORDS, KINDS, classes
from cachedistill_sidecar.policy.numbers import numbers_differ, units
from cachedistill_sidecar.policy.polarity import polarity_differs
from cachedistill_sidecar.policy.reading import Reading, read, unspaced
from cachedistill_sidecar.policy.roles import Role, exchanged, roles
from cachedistill_sidecar.policy.synonyms import meaning

NAMES = (
    "number",  # a number, date or weekday that the other hasn't
    "identifier",  # a code, address or quotation that the other hasn't, or each has its own name
    "reversed",  # a negation, an opposite, or a comparison turned round; two of these cancel out
    "direction",  # from X to Y, from Y to X
    "exchanged",  # two have taken each other's part
    "tense",  # this and the next six: 0 the same, 0.5 one says more, 1 each says what the other doesn't
    "quantity",  # all, some, only, at least, ...
    "mode",  # can, must, should
    "condition",  # if, unless, before, after, without, ...
    "person",  # me, you, them
    "occasion",  # times of the day and of the year, and how often
    "unit",  # unless numbers with them agree
    "code",  # tokens of code
    "rarest",  # how uncommon the least common unshared word is
    "extra",  # words of substance that the other hasn't, of the side with more, as a share of 8
    "overlap",  # Jaccard of the words of substance
    "trigrams",  # Dice of three letters in a row
    "reordered",  # of the words that both have, the share whose successor is another
    "substituted",  # from the same words on to the same words, another stretch: 1 / words in it
    "inserted",  # the same, where one of the texts has nothing there
)
"""What `features` gives, in its order. All lie in 0..1."""

_UNIT = KINDS.index("unit")
_MOST_EXTRA = 8
_CODE_SIGN = re.compile(r"[(){}\[\]<>=|&;$`\\*+]|--|::|(?<!\w)-\w|\w\.\w|_")


@dataclass(frozen=True, slots=True)
class Traits:
    """What is found in one text, once for all that it is compared with."""

    reading: Reading
    stems: tuple[str, ...]  # of its words in order, as their meaning is named; function words as they are
    content: frozenset[str]  # those of them that aren't function words
    trigrams: frozenset[str]
    classes: dict[str, set[str]]
    code: set[str]
    roles: dict[str, Role]
    counts: bool  # whether it has a number in digits


def traits(text: str) -> Traits:
    """Read a text: about 20 microseconds for a short one."""
    reading = read(text)
    spoken = reading.words
    if unspaced(reading.lower):  # there, a character is as good as a word
        spoken = tuple(part for word in spoken for part in (word if unspaced(word) else (word,)))
    stems = tuple([word if word in FUNCTION_WORDS else meaning(word) for word in spoken])
    joined = " ".join(spoken)
    found = classes(reading)
    found["unit"] |= units(reading)
    return Traits(
        reading=reading,
        stems=stems,
        content=frozenset(stems) - FUNCTION_WORDS,
        trigrams=frozenset([joined[at : at + 3] for at in range(max(1, len(joined) - 2))]),
        classes=found,
        code=_code(reading.text),
        roles=roles(spoken, stems),
        counts=any(map(str.isdigit, reading.text)),
    )


def features(query: str, candidate: str) -> tuple[float, ...]:
    """The features of two texts, named by NAMES, each in 0..1; symmetric. About 90 microseconds for two questions."""
    return compare(traits(query), traits(candidate))


def compare(left: Traits, right: Traits) -> tuple[float, ...]:
    """`features` of texts that were read before: a little over half of the time."""
    one, other = left.reading, right.reading
    differ = numbers_differ(one, other)
    mine, theirs = left.content - right.content, right.content - left.content
    contrasts = [_contrast(left.classes[kind], right.classes[kind]) for kind in KINDS]
    if left.counts and right.counts and not differ:
        contrasts[_UNIT] = 0.0  # "2 weeks" and "14 days"
    return (
        float(differ),
        float(identifiers_differ(one, other)),
        float(polarity_differs(one, other)),
        float(direction_differs(one, other)),
        float(exchanged(left.roles, right.roles)),
        *contrasts,
        _contrast(left.code, right.code),
        _rarest(mine | theirs),
        min(max(len(mine), len(theirs)) / _MOST_EXTRA, 1.0),
        _jaccard(left.content, right.content),
        _dice(left.trigrams, right.trigrams),
        _reordered(left.stems, right.stems),
        *_edited(left.stems, right.stems),
    )


# As stems are compared: those of the common words.
_COMMON_STEMS = frozenset(meaning(word) for word in COMMON_WORDS)


def _rarest(stems: frozenset[str]) -> float:
    """How uncommon the least common of these is: none 0, a common word .3, others by their length up to 1."""
    return max((0.3 if stem in _COMMON_STEMS else min(1.0, 0.5 + len(stem) / 16) for stem in stems), default=0.0)


def _contrast(left: set[str], right: set[str]) -> float:
    """0 the same, 0.5 one has more, 1 each has what the other lacks."""
    return (not left <= right) / 2 + (not right <= left) / 2


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def _dice(left: frozenset[str], right: frozenset[str]) -> float:
    return 2 * len(left & right) / (len(left) + len(right))


def _reordered(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    shared = frozenset(left) & frozenset(right)
    mine, theirs = [word for word in left if word in shared], [word for word in right if word in shared]
    if mine == theirs or len(shared) < 2:
        return 0.0
    steps, others = set(pairwise(mine)), set(pairwise(theirs))
    return 1 - len(steps & others) / max(len(steps), len(others))


def _edited(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[float, float]:
    """`substituted` and `inserted`: how local the difference is, 0 for texts that begin and end differently."""
    shorter = min(len(left), len(right))
    start = 0
    while start < shorter and left[start] == right[start]:
        start += 1
    end = 0
    while end < shorter - start and left[-1 - end] == right[-1 - end]:
        end += 1
    mine, theirs = len(left) - start - end, len(right) - start - end
    if start + end == 0 or mine == theirs == 0:
        return 0.0, 0.0
    local = 1 / max(mine, theirs)
    return (local, 0.0) if mine and theirs else (0.0, local)


def _code(text: str) -> set[str]:
    if _CODE_SIGN.search(text) is None:
        return set()
    return {token.strip("?!.,:;") for token in text.split() if _CODE_SIGN.search(token) is not None}
