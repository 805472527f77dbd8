"""How often a judge of answers errs, and what its verdicts on a share of wrong answers are worth therefore.

With e the share of answers that are wrong, f that of right ones which the judge calls different, and m that of wrong
ones which it calls the same, the share it calls wrong is o = f + e(1 - f - m), so e = (o - f)/(1 - f - m) (Rogan and
Gladen, American Journal of Epidemiology 107, 1978).

A bound on o makes a bound on e only if f and m are bounded on the side that makes e larger: f from below, since a judge
thought to cry wolf more often than it does excuses answers that are wrong; m from above, since what it overlooks counts
for more. Each bound holds with probability 0.9, like that on o. Margins of independent errors add up like the sides of
a right angle, to less than their sum, so the result holds with 0.9, too: in simulations with 0.93 and more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from cachedistill_sidecar.policy.bounds import clopper_pearson_upper
from cachedistill_sidecar.policy.calibrator import Array, Errors
from cachedistill_sidecar.policy.labels import Trial

_LEVEL = 0.1
# What is believed before there are trials, as if there had been so many. Of the 119 pairs in answer_pairs.jsonl that
# are not the same the judge calls none so, and those are harder to tell apart than what is planted; but its figures
# were chosen on some of them, and with another embedder it called one so.
_SUPPOSED, _SUPPOSED_MISTAKEN = 50.0, 0.5
# However bad a judge is, no more than nine in ten of what it calls wrong is put down to it: answers that are served are
# easier to judge than those it is tried on, which makes f too large for them.
_LEAST_KEPT = 0.1
_MOST_ERRORS, _FEW_TRIALS = 0.3, 5
_STEPS = 30


UNLIKELY = 0.1
"""What the forecast gave no more than this must be told twice, the second time about another fresh answer."""


def doubtful(probability: float, right: bool) -> bool:
    """Whether a verdict on a candidate of this probability is to be asked for again."""
    return (probability if right else 1.0 - probability) < UNLIKELY


@dataclass(frozen=True, slots=True)
class Noise:
    """Trials on pairs whose truth is known: two fresh answers to one question, which are the same by definition, and
    planted answers to another question, which are not."""

    asked_twice: int = 0
    judged_different: int = 0
    planted: int = 0
    judged_same: int = 0

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> Self:
        """What these trials say."""
        same = [trial.judged_same for trial in trials if trial.same]
        others = [trial.judged_same for trial in trials if not trial.same]
        return cls(len(same), len(same) - sum(same), len(others), sum(others))

    def correct(self, upper: float) -> float:
        """An upper bound on the share of wrong answers, from one on the share that is labelled wrong.

        It is about answers that were likely to be right, which are called wrong when the judge says so twice.
        """
        excused = _lower(self.judged_different, self.asked_twice) ** 2
        overlooked = 1.0 - (1.0 - _upper(self.judged_same, self.planted)) ** 2
        told = 1.0 - excused - overlooked
        if told <= 0.0:
            return 1.0
        return min(1.0, max(_LEAST_KEPT * upper, (upper - excused) / told))

    def allowed(self, budget: float) -> float:
        """The share of verdicts "wrong" up to which that bound is within the budget."""
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.correct(middle) <= budget else (low, middle)
        return low

    def errors(self, forecast: Array) -> Errors:
        """The error shares as seen, for labels of these forecasts: a doubtful verdict has come twice.

        With few trials small rather than large: what is put down to the judge is not put down to the cache.
        """
        different = min(_MOST_ERRORS, self.judged_different / (self.asked_twice + _FEW_TRIALS))
        same = min(_MOST_ERRORS, self.judged_same / (self.planted + _FEW_TRIALS))
        likely, unlikely = forecast > 1.0 - UNLIKELY, forecast < UNLIKELY
        return Errors(
            np.where(likely, different**2, np.where(unlikely, 1.0 - (1.0 - different) ** 2, different)),
            np.where(likely, 1.0 - (1.0 - same) ** 2, np.where(unlikely, same**2, same)),
        )


@lru_cache(maxsize=64)
def _lower(mistaken: int, of: int) -> float:
    """Nothing is supposed here: without trials the judge is taken at its word."""
    return 1.0 - clopper_pearson_upper(of - mistaken, of, _LEVEL)


@lru_cache(maxsize=64)
def _upper(mistaken: int, of: int) -> float:
    return clopper_pearson_upper(mistaken + _SUPPOSED_MISTAKEN, of + _SUPPOSED, _LEVEL)
