"""Which candidate may answer, and why not."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Candidate
from cachedistill_sidecar.policy.acceptance import Acceptance, Considered, CosineCutoff

CUTOFF: Acceptance = CosineCutoff(similarity=0.9)
QUERY = "How do I reset my password?"
SAME = Candidate("same", "How can I reset my password?", 0.95)
NEGATED = Candidate("negated", "How do I not reset my password?", 0.97)
NUMBERED = Candidate("numbered", "How do I reset 2 passwords?", 0.96)
FAR = Candidate("far", "Where is my order?", 0.4)


def test_a_query_without_candidates_is_cold() -> None:
    verdict = CUTOFF.judge(QUERY, [])
    assert (verdict.candidate, verdict.accepted, verdict.reason, verdict.considered) == (None, False, Reason.COLD, ())


def test_a_candidate_at_the_cutoff_is_accepted() -> None:
    verdict = CUTOFF.judge(QUERY, [Candidate("edge", SAME.text, 0.9)])
    assert verdict.accepted
    assert verdict.reason is Reason.SIMILAR


def test_a_candidate_below_the_cutoff_is_not_accepted() -> None:
    verdict = CUTOFF.judge(QUERY, [Candidate("edge", SAME.text, 0.8999)])
    assert not verdict.accepted
    assert verdict.reason is Reason.BELOW_CONFIDENCE
    assert verdict.candidate is not None
    assert verdict.candidate.entry == "edge"


def test_the_next_candidate_is_tried_when_the_most_similar_one_is_in_conflict() -> None:
    verdict = CUTOFF.judge(QUERY, [SAME, FAR, NEGATED])
    assert verdict.candidate == SAME
    assert verdict.considered == (
        Considered("negated", 0.97, Reason.GUARD_NEGATION),
        Considered("same", 0.95, None),
    )


def test_the_reason_of_a_refusal_is_that_of_the_most_similar_candidate() -> None:
    verdict = CUTOFF.judge(QUERY, [FAR, NUMBERED, NEGATED])
    assert (verdict.candidate, verdict.accepted, verdict.reason) == (NEGATED, False, Reason.GUARD_NEGATION)
    assert [seen.blocked_by for seen in verdict.considered] == [
        Reason.GUARD_NEGATION,
        Reason.GUARD_NUMBER,
        Reason.BELOW_CONFIDENCE,
    ]


def test_no_guard_is_blamed_for_a_candidate_that_is_not_similar_enough() -> None:
    verdict = CUTOFF.judge(QUERY, [Candidate("negated", NEGATED.text, 0.5)])
    assert verdict.reason is Reason.BELOW_CONFIDENCE


candidates = st.lists(
    st.builds(
        Candidate,
        entry=st.uuids().map(str),
        text=st.sampled_from([SAME.text, NEGATED.text, NUMBERED.text, FAR.text]),
        similarity=st.floats(-1, 1),
    ),
    max_size=8,
)


@given(candidates, st.floats(0, 1))
def test_what_is_accepted_is_above_the_cutoff_and_blocked_by_nothing(found: list[Candidate], cutoff: float) -> None:
    verdict = CosineCutoff(cutoff).judge(QUERY, found)
    assert verdict.accepted == (verdict.reason is Reason.SIMILAR)
    if verdict.accepted:
        assert verdict.candidate is not None
        assert verdict.candidate.similarity >= cutoff
        assert verdict.considered[-1] == Considered(verdict.candidate.entry, verdict.candidate.similarity, None)
        assert all(seen.blocked_by is not None for seen in verdict.considered[:-1])
    else:
        assert len(verdict.considered) == len(found)


@given(candidates.filter(lambda found: len({one.similarity for one in found}) == len(found)), st.randoms())
def test_the_order_of_the_candidates_does_not_matter(found: list[Candidate], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert CUTOFF.judge(QUERY, shuffled) == CUTOFF.judge(QUERY, found)
