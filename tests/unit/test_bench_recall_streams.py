"""Orders of queries, and the streams that are made of them: each query once, with those that came before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from bench.recall.orders import ORDERS
from bench.recall.stream import Known, nearest_earlier, stream
from tests.unit.recall_replays import GROUPS, QUERIES, SINGLES, clustered, labelled


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_holds_every_query_once_and_a_seed_gives_it_again(name: str) -> None:
    groups = labelled().groups
    first, again, other = (ORDERS[name](groups, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert sorted(first) == list(range(QUERIES))
    assert (first == again).all()
    assert (first != other).any()


def runs_of(groups: Sequence[int]) -> int:
    return 1 + sum(left != right for left, right in pairwise(groups))


def test_blocks_hold_one_group_after_the_other() -> None:
    groups = labelled().groups
    assert runs_of(groups[ORDERS["blocks"](groups, np.random.default_rng(1))].tolist()) == GROUPS + SINGLES


def test_bursts_are_runs_of_one_group_that_come_back() -> None:
    groups = labelled().groups
    runs = runs_of(groups[ORDERS["bursts"](groups, np.random.default_rng(1))].tolist())
    assert GROUPS + SINGLES < runs < runs_of(groups[ORDERS["shuffled"](groups, np.random.default_rng(1))].tolist()) / 2


def test_popular_groups_run_out_first_and_a_season_ends() -> None:
    groups = np.repeat(np.arange(20), 100)
    spread = {}
    for name in ("shuffled", "popular_first", "seasons"):
        order = groups[ORDERS[name](groups, np.random.default_rng(1))]
        places = [np.flatnonzero(order == group) for group in range(20)]
        spread[name] = (np.std([each.mean() for each in places]), np.mean([each.std() for each in places]))
    assert spread["popular_first"][0] > 4 * spread["shuffled"][0]
    assert spread["seasons"][1] < spread["shuffled"][1] / 2


def test_the_nearest_earlier_queries_are_those_that_looking_at_all_finds() -> None:
    vectors = clustered(1.0)[np.random.default_rng(1).permutation(QUERIES)]
    found, cosines = nearest_earlier(vectors, 7)
    for at in (0, 3, 7, 100, QUERIES - 1):
        products = vectors[:at] @ vectors[at]
        expected = np.argsort(-products)[:7]
        assert found[at].tolist() == expected.tolist() + [-1] * (7 - len(expected))
        assert cosines[at, : len(expected)] == pytest.approx(products[expected], abs=1e-6)


def test_a_block_of_rows_never_sees_itself_or_later_ones() -> None:
    vectors = np.random.default_rng(1).normal(size=(1300, 8)).astype(np.float32)
    found, _ = nearest_earlier(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 5)
    assert (found < np.arange(1300)[:, None]).all()


def test_a_search_finds_the_nearest_known_ones_however_few_of_the_nearest_are_known() -> None:
    vectors = np.random.default_rng(1).normal(size=(QUERIES, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    of = stream(labelled(), vectors, np.arange(QUERIES), 1)
    for stored in (range(QUERIES - 1), range(0, QUERIES - 1, 40)):
        known = Known(of)
        for at in stored:
            known.add(at)
        known.remove(0)
        found, cosines = known.nearest(QUERIES - 1, 5)
        products = {at: float(of.vectors[at] @ of.vectors[-1]) for at in stored if at}
        assert found.tolist() == sorted(products, key=lambda at: -products[at])[:5]
        assert cosines.tolist() == sorted(cosines.tolist(), reverse=True)
