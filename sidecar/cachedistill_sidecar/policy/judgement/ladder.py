"""The ladder of judges: does a known answer serve a question as well as the fresh one? From cheapest to dearest."""

from __future__ import annotations

from cachedistill_sidecar.policy.judgement.closed import judge_closed
from cachedistill_sidecar.policy.judgement.code import judge_code
from cachedistill_sidecar.policy.judgement.data import judge_data
from cachedistill_sidecar.policy.judgement.form import Form, merged, squeeze, take_apart
from cachedistill_sidecar.policy.judgement.opinion import Judgement, Opinion, Similarity, Step
from cachedistill_sidecar.policy.judgement.prose import judge_prose
from cachedistill_sidecar.policy.judgement.refusal import refuses

# Characters. What compares all with all takes 0.1 s for two answers as long as that, and a hundred times that for
# answers that are ten times as long.
_LONGEST = 8_000
_MOST_OF_A_QUESTION = 4_000


def judge(question: str, known: str, fresh: str, similarity: Similarity) -> Judgement:
    """Whether `known` serves the question as well as `fresh` does, and the step that settled it. Pure but for
    `similarity`, whose errors it lets through."""
    if known == fresh:
        return Judgement(Opinion.SAME, Step.EQUAL)
    left, right = take_apart(known), take_apart(fresh)
    if left.data is not None and right.data is not None:
        return Judgement(_judge_data(question, left.data.value, right.data.value, similarity), Step.DATA)
    if bool(left.blocks) != bool(right.blocks):
        left, right = merged(left), merged(right)
    if left.blocks == right.blocks and squeeze(left.prose) == squeeze(right.prose):
        return Judgement(Opinion.SAME, Step.EQUAL)
    refused = _refuses(left), _refuses(right)
    if any(refused):
        return Judgement(Opinion.SAME if all(refused) else Opinion.DIFFERENT, Step.REFUSAL)
    opinion = judge_code(left.blocks, right.blocks) if left.blocks else None
    if opinion is Opinion.SAME:
        return Judgement(_about_equal_code(question, left, right, similarity), Step.CODE)
    if opinion is not None:
        return Judgement(opinion, Step.CODE)
    if max(len(left.prose), len(right.prose)) > _LONGEST:
        return Judgement(Opinion.UNDECIDED, Step.EQUAL)
    question = question[-_MOST_OF_A_QUESTION:]
    opinion = judge_closed(question, left, right)
    if opinion is not None:
        return Judgement(opinion, Step.CLOSED)
    return judge_prose(question, left.prose, right.prose, similarity)


def _refuses(form: Form) -> bool:
    return not form.blocks and refuses(form.prose)


def _judge_data(question: str, left: object, right: object, similarity: Similarity) -> Opinion:
    try:
        return judge_data(left, right, lambda one, other: judge(question, one, other, similarity).opinion)
    except RecursionError:
        return Opinion.UNDECIDED


def _about_equal_code(question: str, left: Form, right: Form, similarity: Similarity) -> Opinion:
    """The code is the answer; but one may say to run it and the other not to."""
    if not (left.prose and right.prose):
        return Opinion.SAME
    if max(len(left.prose), len(right.prose)) > _LONGEST:
        return Opinion.UNDECIDED
    step = judge_prose(question, left.prose, right.prose, similarity).step
    return Opinion.UNDECIDED if step is Step.CONTRADICTION else Opinion.SAME
