"""The comparison forgives what no provider promises, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.comparison import broken, joined, plain
from tests.contract.scenario import Scenario
from tests.contract.test_scenarios import SCENARIOS
from tests.running import Running
from tests.upstream import Pace, Upstream


@pytest.fixture(scope="module")
def coarse_upstream() -> Iterator[Upstream]:
    """A provider that says the same as `upstream`, in larger pieces."""
    with Running(lambda: Upstream(pace=Pace(chunk_words=5))) as running:
        yield running


@pytest.mark.parametrize(
    "scenario", [scenario for scenario in SCENARIOS if scenario.cached], ids=lambda scenario: scenario.name
)
def test_an_answer_cut_into_other_pieces_is_the_same_answer(
    upstream: Upstream, coarse_upstream: Upstream, scenario: Scenario
) -> None:
    assert joined(scenario.outcome(upstream.url)) == joined(scenario.outcome(coarse_upstream.url))


def test_another_text_is_another_answer() -> None:
    assert joined([{"content": "a"}, {"content": "b"}]) == joined([{"content": "ab"}]) != joined([{"content": "ac"}])


def test_chunks_that_differ_in_more_than_their_piece_stay_apart() -> None:
    chunks = [{"index": 0, "content": "a"}, {"index": 1, "content": "b"}]
    assert joined(chunks) == chunks


def test_ids_may_differ_but_not_what_they_tie_together() -> None:
    tied, loose = [{"id": "x"}, {"item_id": "x"}], [{"id": "y"}, {"item_id": "z"}]
    assert plain(tied) == plain([{"id": "a"}, {"item_id": "a"}]) != plain(loose)


def test_a_missing_time_is_not_some_time() -> None:
    assert plain({"created": 5}) == plain({"created": 6}) != plain({"created": None})


def test_a_stream_that_ends_well_is_not_broken() -> None:
    with pytest.raises(AssertionError):
        broken([1, 2], ValueError)
