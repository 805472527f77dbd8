"""Who does what to whom, guessed from word order and prepositions: "A hunts B" and "B hunts A" have the same words."""

from __future__ import annotations

from typing import NamedTuple

from cachedistill_sidecar.policy.reading import words

# Of all that may stand before a noun, these say what part it plays.
_PREPOSITIONS = words("from to into onto in on at for with of by than over against behind under between off out via")
_ARTICLES = words("the a an my your his her its our their this that these those")
_PASSED_OVER = _ARTICLES | words("old new any some all more most")
# What was in one clause may stand before or after another: "If I pay, is it mine?"
_CLAUSE = words(
    "if when unless because while although once until that which who whom what how can could do does did should must "
    "may will would"
)
_PRONOUNS = {
    "i": "me", "me": "me", "myself": "me", "we": "us", "us": "us", "you": "you", "they": "them", "them": "them",
    "he": "him", "him": "him", "she": "her",
}  # fmt: skip
_BE = words("am is are was were be been being get gets got gotten")
_MOST_COMPARED = 16  # each with each


class Role(NamedTuple):
    """`preposition` is "" for a subject or object."""

    clause: int
    preposition: str


def roles(in_order: tuple[str, ...], stems: tuple[str, ...]) -> dict[str, Role]:
    """The part of each noun, named by its stem, and pronoun of a text, in order; the doer of a passive comes first.

    Guessed: a noun is what follows an article or a preposition, or ends in -s.
    """
    doers: dict[str, Role] = {}
    others: dict[str, Role] = {}
    passive = "by" in in_order and not _BE.isdisjoint(in_order)
    clause, preposition, after_article = 0, "", False
    for word, stem in zip(in_order, stems, strict=True):
        if word in _CLAUSE and word not in _ARTICLES:
            clause, preposition, after_article = clause + 1, "", False
        elif word in _PREPOSITIONS:
            preposition, after_article = word, False
        elif word in _PASSED_OVER:
            after_article = after_article or word in _ARTICLES
        else:
            if preposition or after_article or word in _PRONOUNS or (len(word) > 3 and word[-1] == "s"):
                name = _PRONOUNS.get(word, stem)
                if passive and preposition == "by":
                    doers[name] = Role(clause, "")
                else:
                    others[name] = Role(clause, preposition)
            preposition, after_article = "", False
    return doers | {name: role for name, role in others.items() if name not in doers}


def exchanged(left: dict[str, Role], right: dict[str, Role]) -> bool:
    """Whether two of those that both texts name have taken each other's part."""
    shared = [name for name in left if name in right][:_MOST_COMPARED]
    if len(shared) < 2:
        return False
    rank = {name: at for at, name in enumerate(right)}
    return any(
        _swapped(left[one], left[other], right[one], right[other], rank[one] > rank[other])
        for at, one in enumerate(shared)
        for other in shared[at + 1 :]
    )


def _swapped(one: Role, other: Role, one_there: Role, other_there: Role, turned: bool) -> bool:
    if one.clause != other.clause or one_there.clause != other_there.clause:
        return False
    parts, there = (one.preposition, other.preposition), (one_there.preposition, other_there.preposition)
    if parts == ("", ""):
        return turned and there == parts
    # What a comparison compares is for polarity to say: "A is better than B" may be "B is worse than A".
    return parts[0] != parts[1] and there == parts[::-1] and "than" not in parts
