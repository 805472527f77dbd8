"""From features to the probability of being right: logistic regression that starts at a prior and follows the labels.

The posterior mode under a Gaussian prior: with few labels it is the prior, with many it is the data. Cross-fitting
gives each label the probability that a model without it would have given, so that no label vouches for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
else:
    Array: TypeAlias = object

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


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    bounded: Array = 1.0 / (1.0 + np.exp(-np.clip(logits, -_LARGEST, _LARGEST)))
    return bounded


@dataclass(frozen=True, slots=True)
class Errors:
    """The shares of right answers that the judge calls different, and of wrong ones that it calls the same."""

    false_different: float = 0.0
    false_same: float = 0.0

    def observed(self, right: Array) -> Array:
        """The probability of the verdict "right", for a probability of being right."""
        seen: Array = self.false_same + (1.0 - self.false_different - self.false_same) * right
        return seen


def fit(
    prior: Calibrator, strength: float, features: Array, right: Array, weights: Array, errors: Errors
) -> Calibrator:
    """The posterior mode by Fisher scoring. features [n, d], verdicts `right` [n] of 0 and 1, weights [n].

    `strength` is the precision of the prior around its weights, per standardised feature. The verdicts are taken for
    what a judge that errs so says of the truth, so that the probabilities are those of being right.
    """
    scaled = (features - prior.centre) / prior.scale
    beta = prior.weights.copy()
    damping = strength * np.eye(len(beta))
    for _ in range(_STEPS):
        p = sigmoid(scaled @ beta)
        seen = np.clip(errors.observed(p), 1e-6, 1.0 - 1e-6)
        slope = (1.0 - errors.false_different - errors.false_same) * np.maximum(p * (1.0 - p), 1e-6)
        precision = weights / (seen * (1.0 - seen))
        gradient = scaled.T @ (precision * slope * (right - seen)) - strength * (beta - prior.weights)
        curvature = precision * slope * slope
        step = np.linalg.solve((scaled * curvature[:, None]).T @ scaled + damping, gradient)
        # A full step may overshoot where nearly all labels agree.
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / max(largest, 1e-12))
        if largest < 1e-4:
            break
    return Calibrator(beta, prior.centre, prior.scale)


def cross_fitted(
    prior: Calibrator, strength: float, features: Array, right: Array, weights: Array, errors: Errors
) -> Array:
    """For each label, the probability by a fit on the other half; the halves take turns in time. Shape [n]."""
    odd = np.arange(len(right)) % 2 == 1
    probabilities = np.empty(len(right))
    for half in (odd, ~odd):
        model = fit(prior, strength, features[~half], right[~half], weights[~half], errors)
        probabilities[half] = model.probability(features[half])
    return probabilities
