"""The certificate: labels that show that wrong answers are fewer than a budget, whenever one looks.

A bet against the claim that they are not. On each label whose forecast was better than the budget a part of the capital
is bet: the best part if the forecast is true (Kelly), none where it was no better than the budget. If the claim were
true, no bet would make the capital grow in the mean, and it would ever be 1 / ALPHA times what it was with a
probability of ALPHA at most (Ville's inequality; Waudby-Smith and Ramdas, JRSS B 86, 2024).

So one may look after each label. A bound for one look, like Clopper's and Pearson's, doesn't allow that: taken at the
best cut it certified a stream that is exactly at its budget in 27 % of the cases, and looking again adds to that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from cachedistill_sidecar.policy.calibrator import Array, Mask

ALPHA = 0.1
"""The probability of a certificate for a stream that is not within the budget, as long as it stays what it is."""
# However good a forecast, so much of the budget is expected to be wrong: else one wrong label took all the capital.
_LEAST_EXPECTED = 0.15
# Most of the capital is bet from the beginning, the rest in parts that join after so many labels: forecasts that are
# poor at first lose what is bet on them.
_ENOUGH = 100.0
_AT_FIRST, _LATER, _JOINING = 0.75, 0.05, (200, 500, 1000, 2000, 4000)


@dataclass(frozen=True, slots=True)
class Bets:
    """Labels in time order, [n]: the probability of the verdict "wrong" as it had been forecast, the verdict (1 for
    wrong), and a weight in 0..1 by which the bet is made smaller."""

    expected: Array
    wrong: Array
    weight: Array

    def picked(self, which: Mask) -> Self:
        """Those of some labels."""
        return type(self)(self.expected[which], self.wrong[which], self.weight[which])

    def missing(self, budget: float) -> int:
        """0 with a certificate, else the number of right labels that would give one; `budget` is a share of verdicts
        "wrong", and without any there is no certificate."""
        if budget <= 0.0:
            return 1
        stakes = np.maximum(0.0, budget - np.maximum(self.expected, _LEAST_EXPECTED * budget))
        stakes = self.weight * stakes / (budget * (1.0 - budget))
        growth = np.concatenate([[0.0], np.cumsum(np.log1p(stakes * (budget - self.wrong)))])
        capital = _AT_FIRST * np.exp(np.minimum(growth, _ENOUGH))
        for joining in _JOINING:
            since = np.where(np.arange(len(growth)) >= joining, growth - growth[: joining + 1][-1], 0.0)
            capital += _LATER * np.exp(np.minimum(since, _ENOUGH))
        if capital.max() >= 1.0 / ALPHA:
            return 0
        return _right_labels(float(capital[-1]), len(self.wrong), budget)


def fewest(budget: float) -> int:
    """Labels of the best forecasts, all of them right, that give a certificate."""
    return _right_labels(1.0, 0, budget)


def _right_labels(capital: float, labels: int, budget: float) -> int:
    idle = _LATER * sum(joining > labels for joining in _JOINING)
    growth = math.log1p((1.0 - _LEAST_EXPECTED) * budget / (1.0 - budget))
    return math.ceil(math.log((1.0 / ALPHA - idle) / (capital - idle)) / growth)
