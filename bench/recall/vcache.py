"""The rule of vCache, from its paper: Schroeder et al., "vCache: Verified Semantic Prompt Caching", arXiv 2502.03771.

Written from the paper's formulas. Each stored query has its own logistic curve L(s) = 1 / (1 + exp(-g (s - t))): the
probability that its answer is right for a query of cosine s, fitted by maximum likelihood on what it was seen to do.
For the nearest stored query, with delta = the budget:

- of all values of t in its one-sided confidence interval of level 1 - e the one that is worst gives
  p(e) = (1 - e) L(s; t + z(1 - e) deviation of t, g), for e in (0, 1);
- the largest p(e) is what is sure, and the rule asks the model with probability
  tau = ((1 - delta) - p) / (1 - p), cut at 0. Otherwise the stored answer is served.

When the model is asked, its answer tells whether the stored one would have been right; one that would not have been
makes an entry of its own. So the bound holds over all requests, those that asked the model counted as right ones.

What the paper leaves open, here: a curve begins with one wrong observation at cosine 0 and one right one at 1, and
below FEWEST real ones the model is always asked. The deviation of t is that of the Fisher information, with a weak
prior on g. Where all right observations lie above all wrong ones no curve is likeliest: then g is STEEPEST, and t
uniform over the gap between them.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bench.recall.stream import Known, Stream
from bench.recall.tally import Outcomes

FEWEST = 6
_RISKS = np.linspace(0.002, 0.998, 60)
_QUANTILES = np.array([NormalDist().inv_cdf(1 - risk) for risk in _RISKS])
STEEPEST = 100.0  # also the standard deviation of the prior on g; a rise over 0.05 of cosine has about 80
_PIVOT = 0.8  # cosines are counted from here: intercept and slope would go hand in hand else
_STEPS = 12
_LONGEST = (4.0, 40.0)  # of one step, for intercept and slope: Newton's method overshoots where a curve is flat


class Curve:
    """The logistic curve of one stored query."""

    def __init__(self) -> None:
        self._cosines = [0.0 - _PIVOT, 1.0 - _PIVOT]
        self._rights = [0.0, 1.0]
        self._intercept, self._slope = 2.0, 10.0
        self._fitted = False
        self._middle, self._deviation = 0.0, math.inf

    def observe(self, cosine: float, right: bool) -> None:
        """Its answer was right, or not, for a query of this cosine."""
        self._cosines.append(cosine - _PIVOT)
        self._rights.append(float(right))
        self._fitted = False

    @property
    def observed(self) -> int:
        """Real observations."""
        return len(self._cosines) - 2

    def sure(self, cosine: float) -> float:
        """What is sure of the probability that its answer is right for a query of this cosine."""
        if not self._fitted:
            self._fit()
            self._fitted = True
        if not math.isfinite(self._deviation):
            return 0.0
        exponents = -self._slope * (cosine - _PIVOT - self._middle - _QUANTILES * self._deviation)
        return float(((1 - _RISKS) / (1 + np.exp(np.clip(exponents, -50, 50)))).max())

    def _fit(self) -> None:
        cosines, rights = np.array(self._cosines), np.array(self._rights)
        highest_wrong, lowest_right = cosines[rights == 0].max(), cosines[rights == 1].min()
        if highest_wrong < lowest_right:
            self._slope, self._intercept = STEEPEST, -STEEPEST * (highest_wrong + lowest_right) / 2
            self._middle = (highest_wrong + lowest_right) / 2
            self._deviation = (lowest_right - highest_wrong) / math.sqrt(12)
        else:
            self._fit_curve(cosines, rights)

    def _fit_curve(self, cosines: NDArray[np.float64], rights: NDArray[np.float64]) -> None:
        """Newton's method on intercept and slope, from where it ended last; then t = -intercept / slope."""
        for _ in range(_STEPS):
            chances = 1 / (1 + np.exp(-np.clip(self._intercept + self._slope * cosines, -50, 50)))
            misfit = rights - chances
            a, b, c = self._information(cosines, chances)
            up, steeper = misfit.sum(), misfit @ cosines - self._slope / STEEPEST**2
            scale = max(a * c - b * b, 1e-12)
            moves = (c * up - b * steeper) / scale, (a * steeper - b * up) / scale
            longest = max(abs(moves[0]) / _LONGEST[0], abs(moves[1]) / _LONGEST[1], 1.0)
            self._intercept += moves[0] / longest
            self._slope += moves[1] / longest
            if abs(moves[0]) + abs(moves[1]) < 1e-3:
                break
        self._middle, self._deviation = 0.0, math.inf
        if self._slope > 0:  # else its answer is no likelier right for a nearer query, and nothing can be said
            self._middle = -self._intercept / self._slope
            # The delta method: t moves by -1/g with the intercept, and by -t/g with the slope.
            variance = (c - 2 * self._middle * b + self._middle**2 * a) / scale / self._slope**2
            self._deviation = math.sqrt(max(float(variance), 0.0))

    @staticmethod
    def _information(cosines: NDArray[np.float64], chances: NDArray[np.float64]) -> tuple[float, float, float]:
        """Of intercept and intercept, intercept and slope, slope and slope."""
        weights = chances * (1 - chances)
        return float(weights.sum()), float(weights @ cosines), float(weights @ cosines**2) + 1 / STEEPEST**2


def replay(stream: Stream, budget: float, seed: int) -> Outcomes:
    """What the rule does on the stream at this budget."""
    random = np.random.default_rng(seed)
    known = Known(stream)
    curves: dict[int, Curve] = {}
    served, right = np.zeros(len(stream), np.bool_), np.zeros(len(stream), np.bool_)
    for at in range(len(stream)):
        found, cosines = known.nearest(at, 1)
        same = False
        if len(found):
            nearest, cosine = int(found[0]), float(cosines[0])
            same = bool(stream.groups[nearest] == stream.groups[at])
            curve = curves[nearest]
            if curve.observed >= FEWEST and explore(curve.sure(cosine), budget) < random.random():
                served[at], right[at] = True, same
                continue
            curve.observe(cosine, same)
        if not same:
            known.add(at)
            curves[at] = Curve()
    return Outcomes(served, right)


def explore(sure: float, budget: float) -> float:
    """tau: with which probability the model is asked."""
    return max(0.0, (1 - budget - sure) / (1 - sure)) if sure < 1 else 0.0
