"""Where two texts state facts that exclude each other. Left unsaid is not contradicted: one may tell more."""

from __future__ import annotations

import re
from collections import Counter

from cachedistill_sidecar.policy.identifiers import direction_differs, identifiers_differ
from cachedistill_sidecar.policy.numbers import numbers_differ
from cachedistill_sidecar.policy.polarity import NEGATIONS, polarity_differs
from cachedistill_sidecar.policy.reading import Reading, read, words

_EMPTY = read("")
_MOST_AMOUNTS = 48  # that two texts don't have in common, and are compared each with each
_LONGEST_AMOUNT = 40  # characters
_RANGE = re.compile(r"(?<![\d.,-])(\d+(?:[.,]\d+)?)\s*[-\u2013]\s*(?=[$\u20ac\u00a3]?\d+(?:[.,]\d+)?(?![\d-]))")
_AROUND = ".,;:!?()[]\"'`=\u3002\u3001"
_CLAUSE = re.compile(r"[,.;:!?()\n\u2013\u2014]+")
# What may stand between a negation and what it denies.
_PASSED = words(
    "a an the be been being is are was were really necessarily usually generally actually just any to of by "
    "even only yet also very so need have had has do does"
)


def amounts(text: str) -> tuple[str, ...]:
    """The numbers, weekdays and months of a text, each with the word behind it, which may be its unit."""
    tokens = [token.strip(_AROUND) for token in _RANGE.sub(r"\1 to ", text).split()]
    followed = zip(tokens, [*tokens, ""][1:], strict=True)
    return tuple(
        f"{token} {unit[:_LONGEST_AMOUNT]}".strip()
        for token, unit in followed
        if len(token) <= _LONGEST_AMOUNT and numbers_differ(read(token), _EMPTY)
    )


def exclude(left: str, right: str) -> bool:
    """Whether each text has an amount that agrees with none of the other's, of which each is matched once."""
    here, there = Counter(amounts(left)), Counter(amounts(right))
    mine, theirs = (list((side - other).elements())[:_MOST_AMOUNTS] for side, other in ((here, there), (there, here)))
    for amount in tuple(mine):
        partner = next((other for other in theirs if not numbers_differ(read(amount), read(other))), None)
        if partner is not None:
            mine.remove(amount)
            theirs.remove(partner)
    return bool(mine and theirs)


def share_amount(left: str, right: str, known: str) -> bool:
    """Whether the two agree on an amount that they didn't both have from a text known to both."""
    given = [read(amount) for amount in amounts(known)[:_MOST_AMOUNTS]]
    mine, theirs = (
        [reading for reading in map(read, amounts(text)[:_MOST_AMOUNTS]) if _new(reading, given)]
        for text in (left, right)
    )
    return any(not numbers_differ(one, other) for one in mine for other in theirs)


def _new(amount: Reading, given: list[Reading]) -> bool:
    return all(numbers_differ(amount, other) for other in given)


def negated(text: str) -> bool:
    """Whether a text has a negation."""
    reading = read(text)
    return "n't" in reading.lower or not reading.vocabulary.isdisjoint(NEGATIONS)


def reverse(left: str, right: str) -> bool:
    """Whether one of two sentences that share most of their words reverses the other.

    Of sentences that merely share a subject it claims too much: there is more than one way to negate.
    """
    mine, theirs = read(left), read(right)
    return polarity_differs(mine, theirs) or direction_differs(mine, theirs)


def disagree(left: str, right: str) -> bool:
    """Whether each text states an amount, a name or an identifier that the other lacks, or one denies a word of it."""
    if exclude(left, right):
        return True
    mine, theirs = read(left), read(right)
    if _names_exclude(mine, theirs):
        return True
    here, there = _denied(left), _denied(right)
    return _affirmed(here - there, theirs) or _affirmed(there - here, mine)


def _affirmed(denied: frozenset[str], other: Reading) -> bool:
    """Whether the other text has one of the denied words, in any form of it."""
    return any(word in other.vocabulary or any(_akin(word, said) for said in other.vocabulary) for word in denied)


def _akin(word: str, other: str) -> bool:
    return min(len(word), len(other)) > 3 and (word.startswith(other) or other.startswith(word))


def _names_exclude(left: Reading, right: Reading) -> bool:
    """`identifiers_differ` counts an identifier that one text merely adds; here both must have one of their own."""
    if not identifiers_differ(left, right):
        return False
    both = read(f"{left.text}\n{right.text}")
    return identifiers_differ(left, both) == identifiers_differ(right, both)


def _denied(text: str) -> frozenset[str]:
    """The words that a text denies: "refundable" of "they are not refundable"."""
    denied = set()
    for clause in _CLAUSE.split(text):
        spoken = read(clause).words
        for at, word in enumerate(spoken):
            if word in NEGATIONS or word.endswith("n't"):
                denied.update([after for after in spoken[at + 1 :] if after not in _PASSED][:1])
    return frozenset(denied)
