"""A replay of recall: a policy knows what it would know, and what it served is counted."""

from __future__ import annotations

import numpy as np
import pytest

from bench.recall import ours
from bench.recall.budgeted import Judge, Replay
from bench.recall.contest import oracle
from bench.recall.sets import LabelledSet
from bench.recall.stream import stream
from bench.recall.tally import Outcomes, worst_window
from tests.unit.recall_replays import GROUPS, QUERIES, Cosine, replay, shuffled


def test_a_window_holds_the_worst_of_any_consecutive_answers() -> None:
    wrong = np.array([True, False, True, True, False, False, True])
    assert [worst_window(wrong, length) for length in (1, 2, 3, 100)] == [1, 2, 2, 4]
    assert worst_window(wrong[:0], 3) == 0


def test_the_second_half_is_counted_apart() -> None:
    served = np.array([True, False, True, True])
    tally = Outcomes(served, np.array([True, False, False, True])).tally()
    assert (tally.queries, tally.served, tally.wrong) == (4, 3, 1)
    assert (tally.late_queries, tally.late_served, tally.late_wrong) == (2, 2, 1)


def test_a_served_answer_is_known_only_when_it_is_verified() -> None:
    plain, verifying = Cosine(), Cosine(verify=True)
    outcomes = replay(shuffled(), plain).run()
    replay(shuffled(), verifying).run()
    assert len(plain.seen[-1]) == min(32, int((~outcomes.served[:-1]).sum()))
    assert len(verifying.seen[-1]) == 32
    assert len(verifying.learnt) == QUERIES - 1
    assert len(plain.learnt) == int((~outcomes.served).sum()) - 1


def test_a_policy_sees_no_right_answer_but_by_a_verdict() -> None:
    """The first entry of a group names it; another true group may have joined it by an erring judge only."""
    policy, of = Cosine(least=2.0), shuffled()
    replay(of, policy).run()
    for neighbours in policy.seen:
        assert all(of.groups[int(each.group)] == of.groups[int(each.entry)] for each in neighbours)
        assert all(int(each.group) <= int(each.entry) for each in neighbours)
    assert {each.entry for each in policy.seen[-1]} != {each.group for each in policy.seen[-1]}


def test_an_answer_is_novel_when_no_neighbour_has_it() -> None:
    policy, of = Cosine(least=2.0), shuffled()
    replay(of, policy).run()
    first = np.ones(QUERIES, np.bool_)
    first[oracle(of).served] = False
    assert np.flatnonzero(policy.novel).tolist() == [at - 1 for at in np.flatnonzero(first) if at]
    assert not any(novel and right for novel, right in zip(policy.novel, policy.learnt, strict=True))


def test_an_answer_that_is_not_the_candidates_may_be_that_of_another_neighbour() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    of = stream(LabelledSet("set", ("a", "b", "c"), np.array([0, 1, 1], np.int32)), vectors, np.arange(3), 1)
    policy = Cosine(least=2.0)
    replay(of, policy).run()
    assert (policy.learnt, policy.novel) == ([False, False], [True, False])


def test_the_judge_errs_in_its_share_of_verdicts_and_is_tried() -> None:
    judge = Judge(1, 0.05)
    assert np.mean([judge.same(1, 1) for _ in range(4000)]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([judge.same(1, 2) for _ in range(4000)]) == pytest.approx(0.05, abs=0.015)
    policies = [Cosine(least=2.0) for _ in range(40)]
    for seed, policy in enumerate(policies):
        Replay(shuffled(), policy, Judge(seed), seed).run()
    assert all(all(policy.twice) and not any(policy.plants) for policy in policies)
    assert sum(len(policy.twice) for policy in policies) == pytest.approx(40 * QUERIES / 200, rel=0.5)


def test_the_products_policy_learns_to_serve_within_its_budget() -> None:
    groups = np.arange(1200, dtype=np.int32) % GROUPS
    random = np.random.default_rng(5)
    vectors = np.eye(GROUPS, 24)[groups] + 0.08 * random.normal(size=(len(groups), 24))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    # No figures in them: texts that differ in a number are never served for each other.
    about = "cards loans fees limits pins cheques savings mortgages branches statements transfers refunds".split()
    texts = tuple(f"please tell me about our {about[group]} {'x' * (at % 7)}" for at, group in enumerate(groups))
    of = stream(LabelledSet("set", texts, groups), vectors, np.arange(len(groups)), 1)
    tally = replay(of, ours.maker()(50, 1)).run().tally()
    assert tally.late_served > tally.late_queries / 2
    assert tally.wrong <= 0.05 * tally.served
