"""Whether two texts mean the reverse of each other: negations, opposites, and prefixes such as un- and dis-."""

from __future__ import annotations

import re

from cachedistill_sidecar.policy.opposites import OPPOSITE_WORDS, OPPOSITES, PARTICLES, PARTS
from cachedistill_sidecar.policy.reading import Reading, read, unspaced, words

NEGATIONS = words(
    "not non cannot cant never without no none neither nor nobody nothing nowhere dont doesnt didnt isnt arent "
    "wasnt wont couldnt shouldnt wouldnt hasnt havent aint nicht kein keine keinen keinem keiner nie niemals ohne "
    "pas jamais sans aucun aucune sin nunca jamás ningún ninguna "
    "nessuno nessuna mai senza não nenhum nenhuma sem niet geen nooit zonder bez"
)
# These say by themselves that something isn't so: "my app fails to start" and "my app doesn't start".
_FAILING = words(
    "unable fail fails failed failing failure refuse refuses refused impossible broken error errors problem "
    "problems issue issues trouble stuck missing lost lose losing forgot forgotten avoid free except excluding "
    "exclude excluded lack lacks stop stops stopped stopping prevent prevents wrong down off threw thrown instead "
    "extra keeps"
)
# In Chinese, Japanese and Korean; not in words such as 不同 (different), nor in 能不能 (whether).
_NEGATED_PART = re.compile("(?<!能)(?<!是)不(?![同客错])|没有?|ない|ません|なく(?!な)|ずに|無し|なし|않|안 |못 |없")
_ASKED = r"(?:(?:do|does|did|is|are|was|were|could|should|would|have|has)n't|can't|won't)"
# Negations that turn nothing round: a question put politely, a doubt, a figure of speech.
_IDLE = re.compile(
    rf"(?:^|[.!?,;:]\s*|\b(?:but|and|so|hi|hello|please)\s+){_ASKED}\s+(?:i|you|we|they|it|there|this|that|he|she)\b"
    r"|\bwhy not\b"
    r"|\b(?:do|does|did)(?:n't| not)\s+(?:know|understand|remember|mind|see|get\s+(?:how|what|why|it))\b"
    r"|\b(?:can't|cannot|can not|couldn't)\s+(?:find|see|seem|figure|remember|understand|wait|help)\b"
    r"|\bnot\s+(?:sure|only|to\s+mention)\b|\b(?:if|or)\s+not\b|\bno\s+(?:problem|idea|worries|matter)\b"
)
_LITTLE = words("the a an my your his her its our their is are was were one ones in on for of to")
_PREFIXES = (("un", 3), ("dis", 4), ("in", 5), ("im", 5), ("ir", 5), ("non", 4))  # with the shortest rest
_ALL_PREFIXES = tuple(prefix for prefix, _ in _PREFIXES)


def polarity_differs(left: Reading, right: Reading) -> bool:
    """Whether one text negates the other, asks for its opposite, or turns a comparison round. Two of those cancel out:
    a negated opposite is the same again, and so is "A is worse than B" for "B is better than A".
    """
    return (_negation_differs(left, right) != _opposes(left, right)) != _compared_the_other_way(left, right)


def _compared_the_other_way(left: Reading, right: Reading) -> bool:
    """Whether what one text compares something with is what the other text compares."""
    mine, theirs = _comparison(left), _comparison(right)
    return all(
        after and after <= before_other and not after & before
        for (before, after), (before_other, _) in ((mine, theirs), (theirs, mine))
    )


def _comparison(reading: Reading) -> tuple[frozenset[str], frozenset[str]]:
    """The words before "than", and the first one or two of substance after it; none without a "than"."""
    if "than" not in reading.vocabulary:
        return frozenset(), frozenset()
    at = reading.words.index("than")
    after = [word for word in reading.words[at + 1 :] if word not in _LITTLE][:2]
    return frozenset(reading.words[:at]), frozenset(after)


def _negation_differs(left: Reading, right: Reading) -> bool:
    negated = _negated(left)
    if negated == _negated(right):
        return False
    plain, other = (right, left) if negated else (left, right)
    return (plain.vocabulary - other.vocabulary).isdisjoint(_FAILING)


def _negated(reading: Reading) -> bool:
    if unspaced(reading.lower):
        return _NEGATED_PART.search(reading.lower) is not None
    if "n't" not in reading.lower and reading.vocabulary.isdisjoint(NEGATIONS):
        return False
    rest = read(_IDLE.sub(" ", reading.lower))
    return "n't" in rest.lower or not rest.vocabulary.isdisjoint(NEGATIONS)


def _opposes(left: Reading, right: Reading) -> bool:
    return _swapped(left, right) or _prefixed(left, right) or _prefixed(right, left)


def _swapped(left: Reading, right: Reading) -> bool:
    mine, theirs = _sides(left), _sides(right)
    return any(
        (pair, 1 - side) in theirs and (pair, 1 - side) not in mine and (pair, side) not in theirs
        for pair, side in mine
    )


def _sides(reading: Reading) -> set[tuple[int, int]]:
    """The pairs of opposites a text touches, each with its side; pairs with a particle count below zero."""
    sides: set[tuple[int, int]] = set()
    for word in reading.vocabulary & OPPOSITE_WORDS:
        sides |= OPPOSITES[word]
    for number, (verbs, pattern) in enumerate(PARTICLES, 1):
        if any(verb in reading.lower for verb in verbs):
            sides.update((-number, 0 if match["left"] else 1) for match in pattern.finditer(reading.lower))
    if unspaced(reading.lower):
        sides.update(place for part, place in PARTS if part in reading.lower)
    return sides


def _prefixed(left: Reading, right: Reading) -> bool:
    """Whether the left text has a word that the right one has with a negating prefix."""
    plain = left.vocabulary - right.vocabulary
    prefixed = [word for word in right.vocabulary - left.vocabulary if word.startswith(_ALL_PREFIXES)]
    return any(
        word.startswith(prefix) and len(word) - len(prefix) >= shortest and word[len(prefix) :] in plain
        for word in prefixed
        for prefix, shortest in _PREFIXES
    )
