"""The cut-off: the lowest probability from which on what is served is expected to keep the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from cachedistill_sidecar.policy.calibrator import Array, Calibrator, Errors, Prior, Strength, fit

_ANSWERS = 2000
_FEWEST = 30
_LIKELY = 0.5
_UNCHANGED = Prior(Calibrator(np.array([0.0, 1.0]), np.zeros(2), np.ones(2)), np.zeros((2, 2)))
_FIRM = Strength(seen=0.0, own=0.0, precision=200.0)


@dataclass(frozen=True, slots=True)
class Cutting:
    """Candidates by falling probability, [n], and the share of wrong answers that is expected from each one up."""

    probability: Array
    wrong: Array

    @classmethod
    def of(cls, probability: Array, weight: Array, correction: Calibrator) -> Self:
        """For candidates that each stand for so many like them."""
        order = np.argsort(-probability, kind="stable")
        probability, weight = probability[order], weight[order]
        wrong = np.cumsum(weight * (1.0 - correction.probability(_log_odds(probability)))) / np.cumsum(weight)
        # Between candidates of the same probability there is no cut, nor where too few are above it.
        cuts = np.append(np.diff(probability) < 0, True) & (np.arange(1, len(wrong) + 1) >= _FEWEST)
        return cls(probability[cuts], wrong[cuts])

    def lowest(self, budget: float) -> float | None:
        """The lowest cut that keeps a budget."""
        kept = np.flatnonzero(self.wrong <= expectation(budget))
        return float(self.probability[kept[-1]]) if len(kept) else None


def expectation(budget: float) -> float:
    """The share of wrong answers that may be expected under a budget: one standard deviation above it, the number of
    wrong ones among so many answers is still within the budget. Of 1 % that is .8 %, of 5 % it is 4.5 %.
    """
    wrong = ((math.sqrt(1.0 + 4.0 * budget * _ANSWERS) - 1.0) / 2.0) ** 2
    return wrong / _ANSWERS


def correction(forecast: Array, right: Array, weight: Array, errors: Errors) -> Calibrator:
    """How forecasts came out: their log-odds stretched and shifted, as far as many labels say so (Platt, 1999).

    `forecast`, verdicts `right` (1 for right) and `weight`, [n]: a label counts for as many answers as it stands for.
    """
    mattered = forecast >= _LIKELY
    weight = weight[mattered]
    # Many answers that a few labels stand for say no more than so many labels of one weight.
    weight = weight * weight.sum() / np.maximum((weight**2).sum(), 1e-9)
    return fit(_UNCHANGED, _FIRM, _log_odds(forecast[mattered]), right[mattered], weight, errors.of(mattered))


def _log_odds(probability: Array) -> Array:
    """[n, 2] of n probabilities: 1 and the log-odds."""
    bounded = np.clip(probability, 1e-4, 1.0 - 1e-4)
    return np.stack([np.ones(len(bounded)), np.log(bounded / (1.0 - bounded))], axis=1)
