"""From labels to a cut-off: how far they move the prior, and which share of wrong answers is expected above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from cachedistill_sidecar.policy.calibrator import Calibrator, Errors, Prior, Strength, fit, information
from cachedistill_sidecar.policy.cutoff import Correction, Cutting, expectation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
else:
    Array: TypeAlias = object

SIZE = 3
START = Calibrator(np.array([1.0, 1.0, 0.5]), np.zeros(SIZE), np.ones(SIZE))
NOTHING = Prior(START, np.zeros((SIZE, SIZE)))
NO_CHANGE = Correction.of(np.empty(0), np.empty(0), np.empty(0), Errors())


def features(count: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    drawn = np.random.default_rng(seed).normal(size=(count, SIZE))
    drawn[:, 0] = 1.0
    return drawn


@pytest.mark.parametrize(("count", "near"), [(20, True), (20_000, False)])
def test_few_labels_leave_the_prior_where_it_is_and_many_move_it(count: int, near: bool) -> None:
    seen = features(count)
    right = (np.random.default_rng(2).random(count) < 0.2).astype(np.float64)
    strength = Strength(seen=500.0, own=0.0, precision=1.0)
    found = fit(NOTHING, strength, seen, right, np.ones(count), Errors())
    moved = abs(float(found.probability(seen).mean() - START.probability(seen).mean()))
    assert (moved < 0.06) is near
    assert (abs(float(found.probability(seen).mean()) - 0.2) < 0.03) is not near


def test_what_a_deployment_never_shows_is_kept_from_the_prior() -> None:
    # Here the second and third feature are always the same; the prior has seen them apart.
    apart = features(2000)
    prior = Prior(START, information(START, apart, np.ones(len(apart))))
    seen = features(2000)
    seen[:, 2] = seen[:, 1]
    right = (np.random.default_rng(2).random(len(seen)) < 1 / (1 + np.exp(-4 * seen[:, 1]))).astype(np.float64)
    alone = np.array([[1.0, 0.0, 2.0]])

    def moved(own: float) -> float:
        found = fit(prior, Strength(seen=0.0, own=own, precision=1.0), seen, right, np.ones(len(seen)), Errors())
        return abs(float(found.probability(alone)[0] - START.probability(alone)[0]))

    assert moved(own=300.0) < moved(own=0.0)


def test_the_expectation_leaves_room_for_half_a_standard_deviation() -> None:
    for budget in (0.001, 0.01, 0.05, 0.3):
        expected = 2000 * expectation(budget)
        assert expected + np.sqrt(expected) / 2 == pytest.approx(2000 * budget)


def test_the_cut_is_the_lowest_that_keeps_the_budget() -> None:
    probability = np.linspace(1.0, 0.5, 1001)
    cutting = Cutting.of(probability, np.ones(1001), NO_CHANGE)
    lowest = cutting.lowest(0.1)
    assert lowest is not None
    assert (1 - probability[probability >= lowest]).mean() <= expectation(0.1)
    assert (1 - probability[probability >= lowest - 0.001]).mean() > expectation(0.1)
    safer = cutting.lowest(0.001)
    assert safer is None or safer > lowest


@pytest.mark.parametrize(("budget", "least"), [(0.005, 0.9), (0.01, 0.8), (0.02, 0.6), (0.05, 0.5), (0.3, 0.5)])
def test_what_is_much_likelier_wrong_than_the_budget_is_not_served_however_certain_the_rest(
    budget: float, least: float
) -> None:
    cutting = Cutting.of(np.linspace(1.0, 0.0, 1001) ** 0.001, np.ones(1001), NO_CHANGE)
    assert cutting.lowest(budget) == pytest.approx(least)


def test_there_is_no_cut_between_labels_of_one_probability() -> None:
    probability = np.array([0.999] * 40 + [0.9] * 1000)
    cutting = Cutting.of(probability, np.ones(len(probability)), NO_CHANGE)
    assert cutting.probability.tolist() == [0.999, 0.9]
    assert cutting.lowest(0.05) == 0.999


def test_an_answer_counts_for_as_many_as_it_stands_for() -> None:
    probability = np.array([0.99] * 50 + [0.7] * 50)
    seldom = Cutting.of(probability, np.where(probability > 0.9, 20.0, 1.0), NO_CHANGE)
    even = Cutting.of(probability, np.ones(100), NO_CHANGE)
    often = Cutting.of(probability, np.where(probability > 0.9, 1.0, 20.0), NO_CHANGE)
    assert [seldom.lowest(0.05), even.lowest(0.05)] == [0.7, 0.99]
    assert [even.lowest(0.2), often.lowest(0.2)] == [0.7, 0.99]


def told(rng: np.random.Generator, count: int, wrong: float) -> tuple[Array, Array]:
    """Forecasts of .9 to .95, and verdicts with so many wrong."""
    return rng.uniform(0.9, 0.95, count), (rng.random(count) >= wrong).astype(np.float64)


def came_out(forecast: Array, right: Array) -> Correction:
    return Correction.of(forecast, right, np.ones(len(forecast)), Errors())


@pytest.mark.parametrize(("count", "least", "most"), [(20, 0.1, 0.2), (8000, 0.33, 0.4)])
def test_forecasts_that_came_out_worse_are_corrected_as_far_as_many_say_so(
    count: int, least: float, most: float
) -> None:
    forecast, right = told(np.random.default_rng(3), count, 0.35)
    assert least < float(came_out(forecast, right).wrong(forecast).mean()) < most


def test_what_came_out_of_late_says_more_than_what_came_before() -> None:
    rng = np.random.default_rng(3)
    (good, was), (bad, became) = told(rng, 7000, 0.02), told(rng, 1000, 0.3)
    forecast, right, at = np.concatenate([good, bad]), np.concatenate([was, became]), np.full(1, 0.92)
    assert float(came_out(forecast, right).wrong(at)[0]) > 0.2
    assert float(came_out(forecast[::-1], right[::-1]).wrong(at)[0]) < 0.04


def test_a_correction_is_about_forecasts_like_those_that_came_out_so() -> None:
    found = came_out(*told(np.random.default_rng(3), 8000, 0.35))
    assert float(found.wrong(np.full(1, 0.9995))[0]) == pytest.approx(0.0005, rel=0.2)


def test_who_weighs_nothing_corrects_nothing() -> None:
    forecast, right = told(np.random.default_rng(3), 8000, 0.35)
    found = Correction.of(forecast, right, np.zeros(8000), Errors())
    assert found.wrong(forecast) == pytest.approx(1 - forecast)


def test_the_judges_errors_are_no_wrong_answers() -> None:
    forecast, right = told(np.random.default_rng(3), 8000, 0.075)
    noisy = np.where(np.random.default_rng(4).random(8000) < 0.05, 1 - right, right)
    found = Correction.of(forecast, noisy, np.ones(8000), Errors(np.full(1, 0.05), np.full(1, 0.05)))
    assert float(found.wrong(forecast).mean()) == pytest.approx(0.075, abs=0.012)


def test_what_rests_on_few_wrong_answers_is_taken_for_a_little_more() -> None:
    few, many = (
        float(came_out(np.full(count, 0.9), (np.arange(count) % 10 > 0).astype(np.float64)).wrong(np.full(1, 0.9))[0])
        for count in (200, 600)
    )
    assert few > many > 0.1
