"""From features to the probability of being right: logistic regression that starts at a prior and follows the labels.

The posterior mode under a Gaussian prior: with few labels it is the prior, with many it is the data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]
else:
    Array: TypeAlias = object
    Mask: TypeAlias = object

_STEPS = 25
_LARGEST = 30.0


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Weights [d] on features that are first shifted by `centre` [d] and divided by `scale` [d]."""

    weights: Array
    centre: Array
    scale: Array

    def parts(self, features: Array) -> Array:
        """What each feature adds to the log-odds: [d] or [n, d], like the features."""
        parts: Array = (features - self.centre) / self.scale * self.weights
        return parts

    def probability(self, features: Array) -> Array:
        """The probability of being right: a number, or [n] for features [n, d]."""
        return sigmoid(self.parts(features).sum(axis=-1))


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed before there are labels: weights, and how firmly, [d, d]: the Fisher information of one of the
    labels that they were fitted to, in scaled features."""

    calibrator: Calibrator
    information: Array


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    bounded: Array = 1.0 / (1.0 + np.exp(-np.clip(logits, -_LARGEST, _LARGEST)))
    return bounded


@dataclass(frozen=True, slots=True)
class Errors:
    """The shares of right answers that the judge calls different, and of wrong ones that it calls the same; [n], for
    each label, or [1] for all."""

    false_different: Array = field(default_factory=lambda: np.zeros(1))
    false_same: Array = field(default_factory=lambda: np.zeros(1))

    def observed(self, right: Array) -> Array:
        """The probability of the verdict "right", for a probability of being right."""
        seen: Array = self.false_same + (1.0 - self.false_different - self.false_same) * right
        return seen

    def truth(self, wrong: Array) -> Array:
        """The share of wrong answers, for a share of the verdict "wrong"; may be negative."""
        share: Array = (wrong - self.false_different) / (1.0 - self.false_different - self.false_same)
        return share

    def of(self, picked: Mask | slice) -> Errors:
        """Those of some labels."""
        if len(self.false_different) == 1:
            return self
        return Errors(self.false_different[picked], self.false_same[picked])


@dataclass(frozen=True, slots=True)
class Strength:
    """How much a prior counts: `seen`, like so many labels that it had foretold itself, at the features seen (half of
    them when there are as many real ones); `own`, like so many of its own; and `precision` around its weights, per
    scaled feature, for what those leave open.

    The first keeps a fit on few labels from following each of them: of 500 labels with 40 features, precision alone
    made 80 wrong ones where 25 were forecast. The second keeps what a deployment never shows.
    """

    seen: float
    own: float
    precision: float


def fit(prior: Prior, strength: Strength, features: Array, right: Array, weights: Array, errors: Errors) -> Calibrator:
    """The posterior mode by Fisher scoring. features [n, d], verdicts `right` [n] of 0 and 1, weights [n].

    The verdicts are taken for what a judge that errs so says of the truth, so that the probabilities are those of
    being right.
    """
    start = prior.calibrator
    scaled = (features - start.centre) / start.scale
    beta = start.weights.copy()
    firmness = strength.precision * np.eye(len(beta)) + strength.own * prior.information
    believed = sigmoid(scaled @ beta)
    count = float(weights.sum())
    share = strength.seen / (strength.seen + count) if strength.seen else 0.0
    belief = share * strength.seen / max(count, 1.0) * weights
    for _ in range(_STEPS):
        p = sigmoid(scaled @ beta)
        seen = np.clip(errors.observed(p), 1e-6, 1.0 - 1e-6)
        slope = (1.0 - errors.false_different - errors.false_same) * np.maximum(p * (1.0 - p), 1e-6)
        precision = weights / (seen * (1.0 - seen))
        told = precision * slope * (right - seen) + belief * (believed - p)
        gradient = scaled.T @ told - firmness @ (beta - start.weights)
        curvature = precision * slope * slope + belief * p * (1.0 - p)
        step = np.linalg.solve((scaled * curvature[:, None]).T @ scaled + firmness, gradient)
        # A full step may overshoot where nearly all labels agree.
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-4:
            break
    return Calibrator(beta, start.centre, start.scale)


def information(calibrator: Calibrator, features: Array, weights: Array) -> Array:
    """The Fisher information of one label on average, [d, d]. features [n, d], weights [n]."""
    scaled = (features - calibrator.centre) / calibrator.scale
    p = sigmoid(scaled @ calibrator.weights)
    found: Array = (scaled * (weights * p * (1.0 - p) / weights.sum())[:, None]).T @ scaled
    return found
