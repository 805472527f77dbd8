"""The sentences of two answers, and which of them tell of the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from cachedistill_sidecar.policy.judgement.opinion import Similarity
from cachedistill_sidecar.policy.reading import read, words

MOST_SENTENCES = 32  # of an answer are compared with those of the other, each with each
_ALIKE = 0.58  # share of words in common from which two sentences are taken to tell of the same
_SYNONYM = 0.7  # cosine from which two words may stand for each other: "fridge" and "refrigerator" have 0.93
_MOST_WORDS = 200  # of a sentence are compared in order; the embedder's window is shorter than more
_LONGEST_SWAP = 4  # words; more are another way to say it

_END = re.compile(r"\n+|(?<=[.!?])\s+(?=[^a-z\s])|(?<=[\u3002\uff01\uff1f])")
_COURTESY = re.compile(
    r"(?:yes|no|yep|nope|correct|unfortunately not)[.!,]*$"
    r"|(?:sure|certainly|of course|absolutely|(?:great|good) question|happy to help|hello|hi there|thanks?)\b"
    r"[^.!?]{0,60}[.!?:]*$"
    r"|(?:i hope (?:this|that) helps|(?:please )?let me know if|feel free to|is there anything else"
    r"|if you have (?:any|more))\b"
    r"|here(?:'s| is| are)\b[^.!?]{0,80}:$",
    re.IGNORECASE,
)
# Words that carry nothing, and those that stand for each other in any advice.
_LIGHT = words(
    "the a an of to in on at for and or is are was were be it its this that these your you we our i with by from as so "
    "can will would may if then up do does have has about there they them their when which also just now need must "
    "should want make sure please simply use run try choose select pick click tap press open go usually typically "
    "generally often normally"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence of the left answer, the one of the right that tells of the same, and the share of words in common."""

    left: str
    right: str
    shared: float


def sentences(prose: str) -> tuple[str, ...]:
    """The sentences and lines of a text that tell something; courtesies don't. Never empty."""
    parts = [part.strip() for part in _END.split(prose)]
    return tuple(part for part in parts if part and _COURTESY.match(part) is None) or (prose,)


def alike(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[Pair, ...]:
    """The sentences of each side with the one of the other side that shares most of their words, if it shares many."""
    mine, theirs = ([(text, read(text).vocabulary) for text in side[:MOST_SENTENCES]] for side in (left, right))
    table = [[2 * len(one & other) / (len(one) + len(other) or 1) for _, other in theirs] for _, one in mine]
    places = {(row, column) for row, column in closest(table) if table[row][column] >= _ALIKE}
    return tuple(Pair(mine[row][0], theirs[column][0], table[row][column]) for row, column in sorted(places))


def closest(table: list[list[float]]) -> set[tuple[int, int]]:
    """The places of a table that hold the largest figure of their row or of their column."""
    rows = {(at, max(range(len(row)), key=row.__getitem__)) for at, row in enumerate(table)}
    columns = {(max(range(len(table)), key=lambda at: table[at][column]), column) for column in range(len(table[0]))}
    return rows | columns


def mutual(table: list[list[float]]) -> set[tuple[int, int]]:
    """The places of a table that hold the largest figure of their row and of their column."""
    tops = [max(column) for column in zip(*table, strict=True)]
    return {(at, column) for at, column in closest(table) if table[at][column] == max(table[at]) == tops[column]}


def swap(pair: Pair, similarity: Similarity) -> bool:
    """Whether one of two sentences has, in the place of a word of substance, one that is no synonym.

    "Lentils" in the place of "spinach", say. Embeddings of whole sentences see little of that.
    """
    mine, theirs = read(pair.left), read(pair.right)
    order = SequenceMatcher(None, mine.words[:_MOST_WORDS], theirs.words[:_MOST_WORDS], False)
    for kind, start, end, begin, stop in order.get_opcodes():
        if kind == "replace" and max(end - start, stop - begin) <= _LONGEST_SWAP:
            one = _substance(mine.words[start:end], theirs.vocabulary)
            other = _substance(theirs.words[begin:stop], mine.vocabulary)
            if one and other and (similarity(one, other) or 0.0) < _SYNONYM:
                return True
    return False


def _substance(spoken: tuple[str, ...], elsewhere: frozenset[str]) -> str:
    """The words that carry something and don't stand elsewhere, as they do where clauses change places."""
    return " ".join(word for word in spoken if word not in elsewhere and word.partition("'")[0] not in _LIGHT)
