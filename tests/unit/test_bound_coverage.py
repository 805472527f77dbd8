"""What is called a bound holds as often as it says: on shares, on noisy verdicts, and on whole streams of labels."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.policy.bounds import clopper_pearson_upper
from cachedistill_sidecar.policy.calibrator import Calibrator, Prior
from cachedistill_sidecar.policy.certificate import ALPHA, fewest
from cachedistill_sidecar.policy.error_budget import Evidence, learn
from cachedistill_sidecar.policy.judge_noise import Noise
from cachedistill_sidecar.policy.labels import Label, Source
from cachedistill_sidecar.policy.neighbourhood import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
else:
    Array: TypeAlias = object

COUNTS = st.integers(1, 3000)
SHARES = st.floats(0.0005, 0.9995)
LEVELS = st.floats(0.005, 0.5)

cached_upper = cache(clopper_pearson_upper)


def at_most(most: int, of: int, share: float) -> float:
    """The probability of so many or fewer, summed up term by term: nothing that the bound itself is made of."""
    seen = np.arange(1, of + 1)
    steps = np.log((of - seen + 1) / seen) + math.log(share) - math.log1p(-share)
    logs = of * math.log1p(-share) + np.concatenate([[0.0], np.cumsum(steps)])
    return float(np.exp(logs[: most + 1]).sum())


def least_covering(of: int, share: float, level: float) -> int:
    """The fewest wrong that give a bound of at least the share; the bound grows with them."""
    low, high = 0, of
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if clopper_pearson_upper(middle, of, level) >= share else (middle + 1, high)
    return low


@given(COUNTS, SHARES, LEVELS)
def test_a_bound_misses_the_share_no_more_often_than_it_may(of: int, share: float, level: float) -> None:
    covering = least_covering(of, share, level)
    assert at_most(covering - 1, of, share) <= level * (1 + 1e-6)


@given(COUNTS, st.floats(0, 0.99), LEVELS)
def test_a_bound_is_no_wider_than_it_must_be(of: int, part: float, level: float) -> None:
    """At the bound, so few wrong ones are just as improbable as they may be."""
    wrong = int(part * of)
    assert at_most(wrong, of, clopper_pearson_upper(wrong, of, level)) == pytest.approx(level, rel=1e-3)


@given(COUNTS, st.floats(0, 1), LEVELS)
def test_a_bound_grows_with_what_was_wrong_and_falls_with_what_was_right(of: int, part: float, level: float) -> None:
    wrong = part * of
    bound = clopper_pearson_upper(wrong, of, level)
    assert wrong / of <= bound <= 1
    assert clopper_pearson_upper(wrong + 0.5, of + 0.5, level) >= bound - 1e-8
    assert clopper_pearson_upper(wrong, of + 0.5, level) <= bound + 1e-8


@pytest.mark.parametrize("trials", [10, 30, 300, 1000])
def test_verdicts_of_an_erring_judge_bound_the_truth_as_often_as_its_own(trials: int) -> None:
    rng = np.random.default_rng(trials)
    for _ in range(8):
        (different, same), wrong = rng.uniform(0, 0.15, 2).tolist(), float(rng.uniform(0.002, 0.1))
        labels = int(rng.integers(200, 4000))
        seen = rng.binomial(labels, different + wrong * (1 - different - same), 300).tolist()
        alarms = rng.binomial(trials, different, 300).tolist()
        missed = rng.binomial(trials, same, 300).tolist()
        bounds = [
            Noise(trials, alarm, trials, miss).correct(cached_upper(count, labels, 0.1))
            for count, alarm, miss in zip(seen, alarms, missed, strict=True)
        ]
        # 0.9, less three standard errors of 300 streams.
        assert np.mean(np.array(bounds) >= wrong) >= 0.85, (different, same, wrong, labels)


def believing(bias: float) -> Prior:
    """Nearly all is right, and the more so the larger a few features are: a belief that streams below do not share."""
    weights = np.zeros(len(NAMES))
    weights[:5] = (bias, 1.0, 0.7, 0.5, -0.5)
    calibrator = Calibrator(weights, np.zeros(len(NAMES)), np.ones(len(NAMES)))
    return Prior(calibrator, np.zeros((len(NAMES), len(NAMES))))


PRIOR, SURE = believing(4.0), believing(14.0)


def labels(
    rng: np.random.Generator,
    error: Array,
    features: Array,
    source: Source,
    share: Array,
    by: Calibrator = PRIOR.calibrator,
) -> list[Label]:
    """One a row of `features` [n, d]: wrong with the probability `error` [n], labelled with that of `share` [n]."""
    right = rng.random(len(error)) >= error
    drawn = rng.random(len(error)) < share
    probability = by.probability(features)
    return [
        Label(
            at=float(place),
            rule="all",
            tier="semantic",
            features=tuple(features[place].tolist()),
            probability=float(probability[place]),
            right=bool(right[place]),
            share=float(share[place]),
            served=source is not Source.MISS,
            source=source,
            principal="",
            words=(),
            novel=False,
        )
        for place in np.flatnonzero(drawn).tolist()
    ]


def drawn(rng: np.random.Generator, count: int) -> Array:
    """Features of so many decisions; the first is the bias."""
    features = rng.normal(size=(count, len(NAMES)))
    features[:, 0] = 1.0
    return features


def misses(rng: np.random.Generator, count: int, error: float, by: Calibrator = PRIOR.calibrator) -> Evidence:
    """A stream of that error share, whatever the features say, with forecasts by this model."""
    features = drawn(rng, count)
    return Evidence(labels(rng, np.full(count, error), features, Source.MISS, np.ones(count), by))


@pytest.mark.parametrize(("permille", "count"), [(10, 1000), (20, 400), (20, 1500), (50, 200)])
def test_a_stream_that_uses_up_its_budget_is_certified_no_more_often_than_one_in_ten(permille: int, count: int) -> None:
    """At one look, after so many labels; features tell nothing, whatever was believed of them."""
    rng = np.random.default_rng(permille + count)
    runs = 120
    certified = sum(
        learn(misses(rng, count, permille / 1000), [], PRIOR).standing(permille).certified for _ in range(runs)
    )
    assert certified / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def test_looking_again_and_again_certifies_no_more_streams() -> None:
    """As a sidecar looks: after every few labels, whose forecasts are those of what was known before them."""
    rng = np.random.default_rng(3)
    runs = 60
    certified = sum(certified_at_any_look(rng, 50, each=80, looks=8) for _ in range(runs))
    assert certified / runs <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / runs)


def certified_at_any_look(rng: np.random.Generator, permille: int, each: int, looks: int) -> bool:
    """Whether a stream with just that share of wrong ones is certified at one of its looks."""
    evidence, model = Evidence(), learn(Evidence(), [], PRIOR)
    for _ in range(looks):
        for label in misses(rng, each, permille / 1000, model.calibrator).labels:
            evidence.add(label)
        model = learn(evidence, [], PRIOR)
        if model.standing(permille).certified:
            return True
    return False


def test_a_stream_far_beyond_its_budget_is_never_certified() -> None:
    rng = np.random.default_rng(1)
    assert not any(learn(misses(rng, 1000, 0.15), [], PRIOR).standing(20).certified for _ in range(50))


@pytest.mark.parametrize("permille", [10, 20, 50])
def test_as_many_right_labels_as_are_said_to_be_missing_certify(permille: int) -> None:
    """Where nothing but right answers is forecast, and none is wrong."""
    least = fewest(permille / 1000)
    told = learn(misses(np.random.default_rng(1), least - 1, 0.0, SURE.calibrator), [], SURE).standing(permille)
    assert not told.certified
    enough = least - 1 + math.ceil(1.1 * told.missing)
    assert enough < 2 * least
    assert learn(misses(np.random.default_rng(1), enough, 0.0, SURE.calibrator), [], SURE).standing(permille).certified


@pytest.mark.parametrize(
    "strata",
    [
        ((1.0, 0.02, 0.05),),
        ((0.8, 0.02, 0.03), (0.2, 0.02, 0.2)),
        ((0.8, 0.005, 0.03), (0.2, 0.05, 0.2)),
        ((0.9, 0.015, 0.02), (0.1, 0.01, 0.25)),
    ],
)
def test_the_measured_share_of_wrong_hits_is_bounded_nine_times_in_ten(
    strata: tuple[tuple[float, float, float], ...],
) -> None:
    """Strata of hits: their part of 8,000, their share of wrong ones, and with which probability each is verified."""
    rng = np.random.default_rng(1)
    runs, parts = 100, np.array(strata)
    wrong = float((parts[:, 0] * parts[:, 1]).sum())
    held, middle = 0, []
    for _ in range(runs):
        of = parts[rng.choice(len(parts), 8000, p=parts[:, 0])]
        features = np.tile(np.eye(1, len(NAMES)), (8000, 1))
        verified = Evidence(labels(rng, of[:, 1], features, Source.VERIFIED, of[:, 2]))
        standing = learn(verified, [], PRIOR).standing(20)
        assert standing.measured is not None
        assert standing.upper is not None
        held += standing.upper >= wrong
        middle.append(standing.measured)
    assert held / runs >= 0.9 - 3 * math.sqrt(0.09 / runs)
    assert np.mean(middle) == pytest.approx(wrong, rel=0.15)
