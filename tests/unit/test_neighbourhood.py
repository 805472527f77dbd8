"""A query among its neighbours: whose word counts, how old answers are, and where mistakes were made before."""

from __future__ import annotations

import pytest

from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.fairness import scales
from cachedistill_sidecar.policy.neighbourhood import NAMES, Habits, examine

QUERY = "how do I change the address on my order"


def neighbour(number: int, group: str, similarity: float = 0.8, *, guess: str = "", at: float = 0.0) -> Neighbour:
    return Neighbour(f"entry{number}", group, f"address of order {number}", similarity, f"{number:016x}", guess, at)


def feature(name: str, neighbours: list[Neighbour], habits: Habits | None = None, now: float = 1000.0) -> float:
    return examine(QUERY, neighbours, habits or Habits(), now).features[NAMES.index(name)]


def test_every_feature_has_a_name() -> None:
    assert len(examine(QUERY, [neighbour(1, "a")], Habits(), 0.0).features) == len(NAMES)


def test_an_answer_that_was_just_given_is_younger_than_one_of_long_ago() -> None:
    habits = Habits(times=[float(second) for second in range(1000)])
    ages = [
        feature("age", [neighbour(1, "a", at=at), neighbour(2, "b", 0.7, at=500.0)], habits) for at in (10, 900, 999)
    ]
    assert ages == sorted(ages, reverse=True)
    assert feature("age_elsewhere", [neighbour(1, "a", at=1.0), neighbour(2, "b", 0.7, at=999.0)], habits) < 1


def test_the_latest_of_a_group_tells_its_age() -> None:
    habits = Habits(times=[float(second) for second in range(1000)])
    old, new = neighbour(1, "a", at=10.0), neighbour(2, "a", 0.7, at=990.0)
    assert feature("age", [old, new], habits) == feature("age", [new], habits) < feature("age", [old], habits)


def test_a_quiet_night_makes_nothing_older_than_the_queries_that_were_not_counted_yet() -> None:
    habits = Habits(times=[float(second) for second in range(1000)], pace=1.0)
    assert habits.age(900.0, 1000.0) == pytest.approx(100)
    assert habits.age(900.0, 40_000.0) == pytest.approx(100 + 299, abs=2)
    assert habits.age(2000.0, 2010.0) == pytest.approx(10)


def test_neighbours_whose_own_neighbours_spoke_for_a_wrong_answer_are_a_warning() -> None:
    fine = [neighbour(number, "a", guess="a") for number in range(4)]
    misled = [neighbour(number, "a", guess="b") for number in range(4)]
    for name in ("mistakes", "mistakes_inside"):
        assert feature(name, misled) > feature(name, fine)
    towards = [neighbour(1, "a", guess="a"), neighbour(2, "b", 0.7, guess="a")]
    elsewhere = [neighbour(1, "a", guess="a"), neighbour(2, "b", 0.7, guess="c")]
    assert feature("mistakes_towards", towards) > feature("mistakes_towards", elsewhere)


def test_a_neighbour_of_whom_nothing_is_known_counts_as_no_mistake_and_as_no_success() -> None:
    alone = feature("mistakes", [neighbour(1, "a")])
    assert feature("mistakes", [neighbour(1, "a"), neighbour(2, "b", 0.7)]) == alone


@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_nobody_has_more_than_half_of_what_all_others_have(part: float) -> None:
    principals, amounts = ["one", "two", "three", "four"], [part, (1 - part) / 2, (1 - part) / 4, (1 - part) / 4]
    scaled = [amount * scale for amount, scale in zip(amounts, scales(principals, amounts), strict=True)]
    assert scaled[0] <= sum(scaled[1:]) / 2 + 1e-12
    assert scaled[1:] == amounts[1:] or part == 0.5


def test_a_free_amount_is_never_capped() -> None:
    principals, amounts = ["app", "one", "two"], [5000.0, 3.0, 4.0]
    assert scales(principals, amounts, free=600.0) == [0.12, 1.0, 1.0]
    assert scales(principals, amounts, free=6000.0) == [1.0, 1.0, 1.0]


def test_of_two_principals_nobody_is_capped() -> None:
    assert scales(["one", "two"], [0.9, 0.1]) == [1.0, 1.0]


def test_a_crowd_of_one_principals_queries_does_not_outvote_two_others() -> None:
    crowd = [Neighbour(f"c{at}", "theirs", "address", 0.81, "attacker") for at in range(20)]
    others = [neighbour(1, "ours"), neighbour(2, "ours")]
    assert examine(QUERY, [*crowd, *others], Habits(), 0.0).group == "ours"
