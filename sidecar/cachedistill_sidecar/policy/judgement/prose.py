"""Whether two answers in prose say the same: by what they state, by the cosine of the whole, sentence by sentence.

The figures were chosen on the pairs of tests/unit/answer_pairs.jsonl, with bge-small-en-v1.5, centred. No cosine alone
would do: of the pairs with another number or name, or the reverse, half have 0.8 or more, and so have half of the
paraphrases.

They apply to a configured embedder as well, whose cosines may lie elsewhere. Where they are higher, more is called the
same that isn't: with bge-small-en-v1.5 as published, not centred, 13 of the 119 pairs that aren't, instead of none.
Where the sentences of answers that are the same have lower ones, more is called different that isn't: with
all-MiniLM-L6-v2, 5 of the 100 that are the same, instead of 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from cachedistill_sidecar.policy.judgement.closed import polarity
from cachedistill_sidecar.policy.judgement.facts import disagree, reverse, share_amount
from cachedistill_sidecar.policy.judgement.opinion import Judgement, Opinion, Similarity, Step
from cachedistill_sidecar.policy.judgement.sentences import MOST_SENTENCES, Pair, alike, mutual, sentences, swap

# Cosines of two whole answers that settle it.
LOW = 0.42
HIGH = 0.81
# The mean of that cosine and of both sides' coverage that settles it; with a sentence each, they are one figure.
_LITTLE, _ENOUGH = 0.49, 0.66
_LITTLE_ALONE, _ENOUGH_ALONE = 0.52, 0.72
_CONTAINED = 0.85  # the coverage of an answer that the other holds whole, whatever it says besides
_SLACK = 0.08  # for answers that open with the same yes or no, or state the same number
_ALIGNED = 0.63  # the cosine from which two sentences tell of the same
_NEARLY_EQUAL = 0.75  # the share of words in common from which one word may turn a sentence


@dataclass(frozen=True, slots=True)
class _Couple:
    """Two answers in prose, in sentences. `brief` when one is a single sentence, `alone` when both are."""

    left: str
    right: str
    mine: tuple[str, ...]
    theirs: tuple[str, ...]
    pairs: tuple[Pair, ...]

    @property
    def brief(self) -> bool:
        return min(len(self.mine), len(self.theirs)) == 1

    @property
    def alone(self) -> bool:
        return len(self.mine) == len(self.theirs) == 1


def judge_prose(question: str, left: str, right: str, similarity: Similarity) -> Judgement:
    """The opinion on two texts that are no closed answers; `question` is what either may merely repeat."""
    mine, theirs = sentences(left), sentences(right)
    couple = _Couple(left, right, mine, theirs, alike(mine, theirs))
    if _contradicts(couple):
        return Judgement(Opinion.DIFFERENT, Step.CONTRADICTION)
    whole = similarity(left, right)
    if whole is not None and whole <= LOW:
        return Judgement(Opinion.DIFFERENT, Step.COSINE)
    apart = disagree(left, right)
    if apart and couple.alone:
        return Judgement(Opinion.DIFFERENT, Step.CONTRADICTION)
    swapped = [pair for pair in couple.pairs if swap(pair, similarity)]
    if couple.brief and any(pair.shared >= _NEARLY_EQUAL for pair in swapped):
        return Judgement(Opinion.DIFFERENT, Step.SENTENCES)
    doubtful = bool(swapped) or _may_reverse(couple)
    if whole is not None and whole >= HIGH and not doubtful and not apart:
        return Judgement(Opinion.SAME, Step.COSINE)
    if doubtful or max(len(mine), len(theirs)) > MOST_SENTENCES:
        return Judgement(Opinion.UNDECIDED, Step.SENTENCES)
    supported = share_amount(left, right, question) or _open_alike(left, right)
    return Judgement(_cross_check(couple, whole, supported, similarity), Step.SENTENCES)


def _contradicts(couple: _Couple) -> bool:
    """Whether sentences that tell of the same exclude each other. In a longer answer, a reversal must be plain."""
    firm = 0.0 if couple.brief else _NEARLY_EQUAL
    return any(
        disagree(pair.left, pair.right) or (pair.shared >= firm and reverse(pair.left, pair.right))
        for pair in couple.pairs
    )


def _may_reverse(couple: _Couple) -> bool:
    pairs = [(couple.left, couple.right)] if couple.alone else [(pair.left, pair.right) for pair in couple.pairs]
    return any(reverse(one, other) for one, other in pairs)


def _open_alike(left: str, right: str) -> bool:
    opening = polarity(left)
    return opening is not None and opening == polarity(right)


def _cross_check(couple: _Couple, whole: float | None, supported: bool, similarity: Similarity) -> Opinion:
    """Each sentence against all of the other side: how well is what the one says covered by the other?"""
    table = [[similarity(one, other) or 0.0 for other in couple.theirs] for one in couple.mine]
    for row, column in mutual(table):
        if table[row][column] >= _ALIGNED and disagree(couple.mine[row], couple.theirs[column]):
            return Opinion.UNDECIDED
    covered = _least([max(row) for row in table]), _least([max(column) for column in zip(*table, strict=True)])
    figures = [*covered] if whole is None else [whole, *covered]
    score = sum(figures) / len(figures)
    if not supported and score <= (_LITTLE_ALONE if couple.alone else _LITTLE):
        return Opinion.DIFFERENT
    enough = (_ENOUGH_ALONE if couple.alone else _ENOUGH) - (_SLACK if supported else 0.0)
    return Opinion.SAME if score >= enough or max(covered) >= _CONTAINED else Opinion.UNDECIDED


def _least(covered: list[float]) -> float:
    """The mean of the lesser half: one sentence more is no other answer, and one in common doesn't make it the same."""
    half = sorted(covered)[: (len(covered) + 1) // 2]
    return sum(half) / len(half)
