"""Whether two texts mean the reverse of each other: negations, opposites, and prefixes such as un- and dis-."""

from __future__ import annotations

import re

from cachedistill_sidecar.policy.opposites import OPPOSITE_WORDS, OPPOSITES, PARTICLES
from cachedistill_sidecar.policy.reading import Reading, read, words

NEGATIONS = words(
    "not non cannot cant never without no none neither nor nobody nothing nowhere dont doesnt didnt isnt arent "
    "wasnt wont couldnt shouldnt wouldnt hasnt havent aint nicht kein keine keinen keinem keiner nie niemals ohne "
    "pas jamais sans aucun aucune sin nunca jamás ningún ninguna"
)
# These say by themselves that something isn't so: "my app fails to start" and "my app doesn't start".
_FAILING = words(
    "unable fail fails failed failing failure refuse refuses refused impossible broken error errors problem "
    "problems issue issues trouble stuck missing lost lose losing forgot forgotten avoid free except excluding "
    "exclude excluded lack lacks stop stops stopped stopping prevent prevents wrong down off threw thrown instead "
    "extra keeps"
)
_ASKED = r"(?:do|does|did|is|are|was|were|can|could|should|would|will|have|has)n't"
# Negations that turn nothing round: a question put politely, a doubt, a figure of speech.
_IDLE = re.compile(
    rf"(?:^|[.!?,;:]\s*|\b(?:but|and|so|hi|hello|please)\s+){_ASKED}\s+(?:i|you|we|they|it|there|this|that|he|she)\b"
    r"|\bwhy not\b"
    r"|\b(?:do|does|did)(?:n't| not)\s+(?:know|understand|remember|mind|see|get\s+(?:how|what|why|it))\b"
    r"|\b(?:can't|cannot|can not|couldn't)\s+(?:find|see|seem|figure|remember|understand|wait|help)\b"
    r"|\bnot\s+(?:sure|only|to\s+mention)\b|\b(?:if|or)\s+not\b|\bno\s+(?:problem|idea|worries|matter)\b"
)
_PREFIXES = (("un", 3), ("dis", 4), ("in", 5), ("im", 5), ("ir", 5), ("non", 4))  # with the shortest rest


def polarity_differs(left: Reading, right: Reading) -> bool:
    """Whether one text negates the other or asks for its opposite. A negated opposite is the same again."""
    return _negation_differs(left, right) != (_opposes(left, right) or _prefixed(left, right) or _prefixed(right, left))


def _negation_differs(left: Reading, right: Reading) -> bool:
    negated = _negated(left)
    if negated == _negated(right):
        return False
    plain, other = (right, left) if negated else (left, right)
    return (plain.vocabulary - other.vocabulary).isdisjoint(_FAILING)


def _negated(reading: Reading) -> bool:
    if "n't" not in reading.lower and reading.vocabulary.isdisjoint(NEGATIONS):
        return False
    rest = read(_IDLE.sub(" ", reading.lower))
    return "n't" in rest.lower or not rest.vocabulary.isdisjoint(NEGATIONS)


def _opposes(left: Reading, right: Reading) -> bool:
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
    return sides


def _prefixed(left: Reading, right: Reading) -> bool:
    """Whether the left text has a word that the right one has with a negating prefix."""
    for word in right.vocabulary - left.vocabulary:
        for prefix, shortest in _PREFIXES:
            rest = word[len(prefix) :]
            if word.startswith(prefix) and len(rest) >= shortest and rest in left.vocabulary - right.vocabulary:
                return True
    return False
