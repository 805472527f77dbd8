"""The trials of recall: answers that change, an attacker, a cold start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.recall import trials
from bench.recall.sets import LabelledSet
from bench.recall.tally import Outcomes
from tests.unit.recall_replays import GROUPS, QUERIES, Cosine, replay, shuffled


def test_halfway_no_group_keeps_its_answer() -> None:
    of = shuffled()
    changed = trials.changed_halfway(of, 1)
    half = QUERIES // 2
    several = of.groups < GROUPS
    assert (changed.groups[:half] == of.groups[:half]).all()
    assert (changed.groups[half:] != of.groups[half:])[several[half:]].all()
    assert (changed.groups[half:] == of.groups[half:])[~several[half:]].all()


@pytest.mark.parametrize(("last", "recovered"), [(0, 0), (88, 0), (89, 200), (300, 409), (600, 706)])
def test_recovery_is_when_the_trailing_window_is_inside_for_good(last: int, recovered: int) -> None:
    """Every eleventh served after the middle is wrong, none later than `last`; 8 of 200 are no surprise at 1 %."""
    late = np.arange(1000)
    wrong = (late < last) & (late % 11 == 0)
    outcomes = Outcomes(np.ones(2000, np.bool_), np.concatenate([late < 0, ~wrong]))
    assert trials.answers_to_recover(outcomes, 0.01) == recovered


def test_an_attacker_is_not_counted_but_fools() -> None:
    of = trials.poisoned(shuffled(), 1)
    of = replace(of, planted=np.arange(QUERIES) % 5 == 0)
    of = replace(of, groups=np.where(of.planted, 999, of.groups).astype(np.int32))
    policy = Cosine()
    attacked = replay(of, policy)
    tally = attacked.run().tally()
    assert tally.queries == int((~of.planted).sum())
    assert 0 < attacked.fooled <= tally.wrong
    assert not any(policy.told_served)  # a label of his is one of a miss


def test_the_poisoned_stream_has_one_attacker_with_one_answer() -> None:
    clean = shuffled()
    of = trials.poisoned(clean, 1)
    assert int(of.planted.sum()) == max(1, round(trials.PLANTED * QUERIES))
    assert set(of.groups[of.planted].tolist()).isdisjoint(clean.groups.tolist())
    assert {of.principals[at] for at in np.flatnonzero(of.planted)} == {"f" * 16}
    assert (of.groups == clean.groups)[~of.planted].all()


def test_a_cold_stream_has_many_small_groups() -> None:
    groups = np.concatenate([np.repeat(np.arange(150), 30), 150 + np.arange(1000)])
    found = trials.cold(LabelledSet("set", tuple(map(str, range(len(groups)))), groups.astype(np.int32)), 1)
    assert len(set(found.texts)) == trials.COLD_QUERIES
    sizes = np.bincount(found.groups)
    assert len(sizes) == trials.COLD_GROUPS
    assert int((sizes == 1).sum()) == trials.COLD_GROUPS - 150
    truth = groups[[int(text) for text in found.texts]]
    assert len(set(zip(truth.tolist(), found.groups.tolist(), strict=True))) == trials.COLD_GROUPS
