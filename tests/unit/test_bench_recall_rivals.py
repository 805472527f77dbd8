"""What recall is compared with: fixed thresholds, vCache and an oracle do in a replay what they do alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bench.recall import static, vcache
from bench.recall.contest import oracle
from bench.recall.stream import Stream, stream
from bench.recall.tally import Outcomes
from tests.unit.recall_replays import GROUPS, MEMBERS, QUERIES, SINGLES, labelled, shuffled


def static_by_hand(of: Stream, threshold: float) -> list[int]:
    """-1 for a miss, else whether it was right."""
    stored: list[int] = []
    outcomes = []
    for at in range(len(of)):
        cosines = of.vectors[stored] @ of.vectors[at] if stored else np.array([])
        if len(cosines) and cosines.max() >= threshold - 1e-6:
            outcomes.append(int(of.groups[stored[int(cosines.argmax())]] == of.groups[at]))
        else:
            outcomes.append(-1)
            stored.append(at)
    return outcomes


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_many_thresholds_at_once_do_what_each_does_alone(noise: float) -> None:
    of = shuffled(noise)
    thresholds = np.array([0.2, 0.6, 0.9])  # at 0.2 whole groups lie behind one entry, beyond the nearest 128
    for threshold, found in zip(thresholds, static.replay(of, thresholds), strict=True):
        expected = static_by_hand(of, threshold)
        assert found.served.tolist() == [each >= 0 for each in expected]
        assert found.right.tolist() == [each == 1 for each in expected]


def test_an_entry_beyond_the_nearest_is_found_by_a_threshold() -> None:
    of = stream(labelled(), np.tile(np.eye(1, 16, dtype=np.float32), (QUERIES, 1)), np.arange(QUERIES), 1)
    [found] = static.replay(of, np.array([0.9]))
    assert found.served.tolist() == [False] + [True] * (QUERIES - 1)


def test_the_best_threshold_is_the_one_that_serves_most_within_the_budget() -> None:
    def outcomes(served: int, wrong: int) -> Outcomes:
        return Outcomes(np.arange(100) < served, (np.arange(100) >= wrong) & (np.arange(100) < served))

    choices = [outcomes(90, 9), outcomes(50, 1), outcomes(20, 0)]
    assert static.best(choices, 0.02) is choices[1]
    assert static.best(choices, 0.01) is choices[2]
    assert not static.best(choices[:1], 0.01).served.any()


def test_redisvl_is_replayed_with_the_default_that_it_has() -> None:
    assert static.redisvl_threshold() == pytest.approx(0.9)


def test_the_oracle_serves_all_that_has_been_answered_before() -> None:
    tally = oracle(shuffled()).tally()
    assert (tally.served, tally.wrong) == (QUERIES - GROUPS - SINGLES, 0)


def curve(observed: Sequence[tuple[float, bool]]) -> vcache.Curve:
    made = vcache.Curve()
    for cosine, right in observed:
        made.observe(cosine, right)
    return made


def test_vcache_is_surer_for_nearer_queries_and_after_more_of_them() -> None:
    mixed = [(0.5 + 0.02 * at, at > 10 or at % 3 == 0) for at in range(20)]
    once, often = curve(mixed), curve(mixed * 20)
    assert once.sure(0.6) < once.sure(0.8) < once.sure(0.95) < 1
    assert once.sure(0.85) < often.sure(0.85)


def test_vcache_asks_less_often_the_surer_it_is() -> None:
    assert vcache.explore(0.0, 0.02) == pytest.approx(0.98)
    assert vcache.explore(0.9, 0.02) == pytest.approx(0.8)
    assert vcache.explore(0.98, 0.02) == 0
    assert vcache.explore(1.0, 0.02) == 0


def test_vcache_takes_a_step_for_what_lies_on_two_sides_of_a_gap() -> None:
    stepped = curve([(0.85, False)] * 6 + [(0.89, True)] * 6)
    assert stepped.sure(0.95) > 0.95
    assert stepped.sure(0.86) < 0.5


def test_vcache_always_asks_before_an_entry_was_seen_often_enough() -> None:
    of = stream(labelled(), np.tile(np.eye(1, 16, dtype=np.float32), (QUERIES, 1)), np.arange(QUERIES), 1)
    served = vcache.replay(of, 0.5, 1).served[:MEMBERS]  # all of one group, with one vector
    assert not served[: vcache.FEWEST + 1].any()
    assert served[vcache.FEWEST + 1 :].any()


def test_vcache_keeps_its_own_bound_over_all_requests() -> None:
    of = shuffled(0.12)
    for budget in (0.02, 0.05, 0.1):
        tally = vcache.replay(of, budget, 1).tally()
        assert tally.wrong <= budget * tally.queries
    assert vcache.replay(of, 0.1, 1).tally().served > 20
