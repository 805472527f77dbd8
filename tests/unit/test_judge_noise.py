"""What a judge calls wrong is corrected for its mistakes, and what was a bound stays one."""

from __future__ import annotations

import numpy as np
import pytest

from cachedistill_sidecar.policy.bounds import clopper_pearson_upper
from cachedistill_sidecar.policy.judge_noise import Noise, doubtful

UPPERS = (0.0, 0.001, 0.02, 0.07, 0.3, 0.99, 1.0)


@pytest.mark.parametrize("upper", UPPERS)
def test_without_trials_no_wrong_answer_is_excused(upper: float) -> None:
    assert Noise().correct(upper) >= upper
    assert Noise().correct(upper) <= min(1.0, upper * 1.2)


def test_a_noisy_judges_alarms_are_excused_once_it_has_been_tried_often_enough() -> None:
    bounds = [Noise(trials, trials // 5, trials, 0).correct(0.065) for trials in (0, 100, 400, 4000)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > 0.065
    assert bounds[-1] < 0.035


def test_what_must_be_told_twice_is_seldom_a_mistake() -> None:
    noise = Noise(asked_twice=995, judged_different=100, planted=995, judged_same=50)
    errors = noise.errors(np.array([0.99, 0.5, 0.01]))
    assert errors.false_different == pytest.approx([0.01, 0.1, 0.19])
    assert errors.false_same == pytest.approx([0.0975, 0.05, 0.0025])


def test_only_verdicts_against_a_clear_forecast_are_doubtful() -> None:
    assert doubtful(0.95, right=False)
    assert doubtful(0.05, right=True)
    assert not any(doubtful(probability, right) for probability in (0.2, 0.8) for right in (True, False))
    assert not doubtful(0.95, right=True)


def test_the_allowed_share_is_the_one_that_the_budget_corrects_to() -> None:
    noise = Noise(400, 40, 400, 20)
    assert noise.correct(noise.allowed(0.02)) == pytest.approx(0.02, rel=1e-3)


def test_what_a_judge_overlooks_counts_for_more() -> None:
    bounds = [Noise(planted=200, judged_same=same).correct(0.05) for same in (0, 10, 50, 100)]
    assert bounds == sorted(bounds)
    assert bounds[-1] > 0.08


def test_few_trials_excuse_less_than_the_same_share_of_many() -> None:
    assert Noise(20, 2).correct(0.12) > Noise(200, 20).correct(0.12) > Noise(2000, 200).correct(0.12)


@pytest.mark.parametrize("noise", [Noise(0, 0, 0, 0), Noise(10, 10), Noise(5, 0, 9, 9), Noise(99, 50, 99, 50)])
def test_a_corrected_bound_is_a_share_and_grows_with_what_was_seen(noise: Noise) -> None:
    corrected = [noise.correct(upper) for upper in UPPERS]
    assert corrected == sorted(corrected)
    assert 0.0 <= corrected[0] <= corrected[-1] <= 1.0


def test_a_judge_no_better_than_chance_certifies_nothing() -> None:
    assert Noise(1000, 600, 1000, 500).correct(0.01) == 1.0
    assert Noise(1000, 600, 1000, 500).correct(0.9) == 1.0


def test_no_more_than_nine_in_ten_of_what_a_judge_calls_wrong_is_put_down_to_it() -> None:
    assert Noise(10_000, 2500, 10_000, 0).correct(0.05) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("different", "same", "wrong", "labels", "trials"),
    [
        (0.05, 0.02, 0.02, 2000, 400),
        (0.05, 0.02, 0.02, 2000, 30),
        (0.05, 0.10, 0.02, 3000, 1000),
        (0.10, 0.02, 0.05, 500, 500),
        (0.00, 0.00, 0.02, 1000, 50),
    ],
)
def test_nine_corrected_bounds_in_ten_hold(
    different: float, same: float, wrong: float, labels: int, trials: int
) -> None:
    rng = np.random.default_rng(5)
    # Right ones are called wrong when the judge says so twice, wrong ones when it never says that they are the same.
    seen = rng.binomial(labels, different**2 * (1 - wrong) + wrong * (1 - same) ** 2, 1000).tolist()
    alarms = rng.binomial(trials, different, 1000).tolist()
    missed = rng.binomial(trials, same, 1000).tolist()
    bounds = [
        Noise(trials, alarm, trials, miss).correct(clopper_pearson_upper(count, labels, 0.1))
        for count, alarm, miss in zip(seen, alarms, missed, strict=True)
    ]
    assert np.mean(np.array(bounds) >= wrong) >= 0.9
