"""The cut-off: the lowest probability from which on what is served is expected to keep the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from cachedistill_sidecar.policy.calibrator import Array, Errors

ANSWERS = 2000
"""Of so many, the number of wrong answers is to be within a budget."""
_SPARE = 0.5
FEWEST = 30
"""Labels, below which nothing is concluded from them."""
# No answer is served whose chance of being wrong is above so many budgets, or above a half: where nearly all candidates
# are certain, the share alone would allow it.
_MOST_BUDGETS, _LEAST_LIKELY = 20.0, 0.5

_GRID = np.linspace(-4.0, 9.0, 66)  # log-odds of being right
_WIDTH = 1.0  # standard deviation of what a forecast says about its neighbours
# How forecasts come out is read off labels of these ages, in places back from the last, the oldest first: each group
# counts like the wrong answers that were forecast in it, and all before it like so many.
_AGES = (8000, 2000, 600)
_FIRM = 8.0
_CAUTION = 0.5  # standard deviations of the number of wrong answers
_LEAST_FACTOR = 0.25


@dataclass(frozen=True, slots=True)
class Correction:
    """How forecasts came out: by how much more was wrong than forecast, `factor`, at each of the log-odds of _GRID."""

    factor: Array

    @classmethod
    def of(cls, forecast: Array, right: Array, weight: Array, errors: Errors) -> Self:
        """For forecasts made before the verdict was known, and verdicts `right` (1 for right), in time order: [n]."""
        near = np.exp(-0.5 * ((_GRID[:, None] - _log_odds(forecast)) / _WIDTH) ** 2) * weight
        expected, came = near * (1.0 - forecast), near * errors.truth(1.0 - right)
        factor = np.ones(len(_GRID))
        for begin, end in zip(_AGES, (*_AGES[1:], 0), strict=True):
            when = slice(max(0, len(forecast) - begin), max(0, len(forecast) - end))
            wrong = np.maximum(0.0, came[:, when].sum(axis=1))
            factor = (_FIRM * factor + wrong + _CAUTION * np.sqrt(wrong)) / (_FIRM + expected[:, when].sum(axis=1))
            factor = np.maximum(_LEAST_FACTOR, factor)
        return cls(factor)

    def wrong(self, probability: Array) -> Array:
        """The chance of being wrong, for forecasts of being right: [n]."""
        chance: Array = (1.0 - probability) * np.interp(_log_odds(probability), _GRID, self.factor)
        return np.minimum(1.0, chance)


@dataclass(frozen=True, slots=True)
class Cutting:
    """Candidates by falling probability, [n], and the share of wrong answers that is expected from each one up."""

    probability: Array
    wrong: Array
    correction: Correction

    @classmethod
    def of(cls, probability: Array, weight: Array, correction: Correction) -> Self:
        """For candidates that each stand for so many like them."""
        order = np.argsort(-probability, kind="stable")
        probability, weight = probability[order], weight[order]
        wrong = np.cumsum(weight * correction.wrong(probability)) / np.cumsum(weight)
        # Between candidates of the same probability there is no cut, nor where too few are above it.
        cuts = np.append(np.diff(probability) < 0, True) & (np.arange(1, len(wrong) + 1) >= FEWEST)
        return cls(probability[cuts], wrong[cuts], correction)

    def lowest(self, budget: float) -> float | None:
        """The lowest cut that keeps a budget."""
        kept = np.flatnonzero(self.wrong <= expectation(budget))
        if not len(kept):
            return None
        return max(float(self.probability[kept[-1]]), _LEAST_LIKELY, 1.0 - _MOST_BUDGETS * budget)


def expectation(budget: float) -> float:
    """The share of wrong answers that may be expected under a budget: _SPARE standard deviations above it, the number
    of wrong ones among so many answers is still within the budget. Of 1 % that is .9 %, of 5 % it is 4.8 %.
    """
    wrong = ((math.sqrt(_SPARE**2 + 4.0 * budget * ANSWERS) - _SPARE) / 2.0) ** 2
    return wrong / ANSWERS


def _log_odds(probability: Array) -> Array:
    bounded = np.clip(probability, 1e-4, 1.0 - 1e-4)
    odds: Array = np.log(bounded / (1.0 - bounded))
    return odds
