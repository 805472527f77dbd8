"""The error budget: of the answers served without a fallback, at most a stated share is wrong.

Labels tell whether candidates were right. A calibrator turns features into the probability of being right; the cut-off
is the lowest probability from which on the answers keep the budget. Two things must hold, one to begin and one to stay:

- a certificate: among the labels above some cut, so few were wrong that the exact binomial bound (Clopper and Pearson)
  on their share, corrected for the judge's noise, is within the budget. Without one nothing is served;
- the expectation: by the calibrator's probabilities, corrected by how its forecasts came out of late, the share of
  wrong among what is served at the cut-off stays below the budget.

Everything here is a pure function of the evidence: sidecars that know the same events serve by the same cut-off.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from cachedistill_sidecar.policy import drift
from cachedistill_sidecar.policy.bounds import bounded_by, clopper_pearson_upper
from cachedistill_sidecar.policy.calibrator import Array, Calibrator, Errors, cross_fitted, fit
from cachedistill_sidecar.policy.evidence import Evidence
from cachedistill_sidecar.policy.judge_noise import Noise
from cachedistill_sidecar.policy.labels import Source, Trial
from cachedistill_sidecar.policy.neighbourhood import NAMES
from cachedistill_sidecar.policy.prior import shipped
from cachedistill_sidecar.policy.words import BUCKETS, Weights, weights

__all__ = ["Evidence", "Model", "Part", "Standing", "learn"]

ALPHA = 0.1
"""The certificate's bound holds with probability 1 - ALPHA, as long as the stream stays what it is."""
TARGET = 0.9
"""The part of the budget that the expectation may use up: the rest is for the noise of few wrong answers."""
_STRENGTH = 2.0
_FEWEST = 30
_CUTS, _CUTS_TOLD = 200, 20
_MOST_TOLD = 100_000
_MOST_ERRORS, _FEW_TRIALS = 0.3, 5
_RECENT = 3000
_FORECASTS = 2500
_BAND = 3.0
_PSEUDO_WRONG = 4.0
_CORRECTION = (0.5, 3.0)
_NOVELTY_PACE = 0.01
_BEFORE_DRIFT = 0.1
_PRINCIPAL_SHARE = 1 / 3
_PRINCIPALS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands. Shares are in 0..1.

    `cutoff`: the least probability at which an answer is served, None when nothing is certified; `missing` labels
    would be needed for a certificate, if none of them were wrong. `measured` and `upper`: the share of wrong answers
    among those that were served and verified, and its bound. `served`: how many of those there were, in all.
    """

    cutoff: float | None
    certified: bool
    missing: int
    measured: float | None
    upper: float | None
    labels: int
    served: int
    at_risk: bool
    drifting: bool
    budget: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one feature adds to the log-odds of being right."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels as columns, by falling probability; `recent` and `current` are 1 for those that count for traffic,
    and for the certificate. `served` and `verified` are about what was served."""

    probability: Array
    wrong: Array
    weight: Array
    forecast: Array
    current: Array
    recent: Array
    late: Array
    served: Array


@dataclass(frozen=True, slots=True)
class Model:
    """What follows from the evidence. Immutable; standings are worked out when first asked for."""

    calibrator: Calibrator
    words: Weights
    novelty: float
    noise: Noise
    drifting: bool
    suspicious: bool
    """Served answers that were all but certain came out wrong of late: more of them are verified."""
    served: int
    count: int
    _labels: _Labels | None
    _standings: dict[int, Standing] = field(default_factory=dict)

    def probability(self, features: tuple[float, ...]) -> float:
        """The probability that the candidate with these features is right."""
        return float(self.calibrator.probability(np.array(features)))

    def explain(self, features: tuple[float, ...]) -> tuple[Part, ...]:
        """What each feature adds, the largest first."""
        parts = self.calibrator.parts(np.array(features)).tolist()
        found = [Part(name, value, part) for name, value, part in zip(NAMES, features, parts, strict=True)]
        return tuple(sorted(found, key=lambda part: -abs(part.contribution)))

    def standing(self, permille: int) -> Standing:
        """How a budget stands."""
        known = self._standings.get(permille)
        if known is None:
            known = self._standings[permille] = self._stand(permille / 1000)
        return known

    def _stand(self, budget: float) -> Standing:
        labels = self._labels
        if labels is None or budget <= 0:
            missing = fewest(budget)
            return Standing(None, False, missing, None, None, self.count, self.served, False, self.drifting, budget)
        certificate = _certificate(labels, budget, self.noise)
        cutoff = _cutoff(labels, budget, _errors(self.noise)) if certificate == 0 else None
        measured, upper = _measured(labels, self.noise)
        return Standing(
            cutoff=cutoff,
            certified=cutoff is not None,
            missing=0 if cutoff is not None else max(certificate, 1),
            measured=measured,
            upper=upper,
            labels=self.count,
            served=self.served,
            at_risk=measured is not None and measured > budget and _surprising(labels, budget),
            drifting=self.drifting,
            budget=budget,
        )


def fewest(budget: float) -> int:
    """Labels, none of them wrong, that certify a budget."""
    return math.ceil(math.log(ALPHA) / math.log1p(-budget)) if 0 < budget < 1 else _FEWEST


def learn(evidence: Evidence, budgets: Iterable[int], prior: Calibrator | None = None) -> Model:
    """The model that follows from the evidence, with the standings of some budgets (permille) worked out.

    `prior` is what is believed without labels; absent, the one that is shipped.
    """
    labels = list(evidence.labels)
    counts = np.zeros(BUCKETS)
    novelty = 0.5
    for label in labels:
        counts[list(label.words)] += 1
        if not label.served:
            novelty += _NOVELTY_PACE * (label.novel - novelty)
    noise = _noise(evidence.trials)
    errors = _errors(noise)
    served = sum(report.served for report in evidence.traffic)
    words = weights(float(len(labels)), counts.tolist())
    prior = prior or shipped()
    if len(labels) < _FEWEST:
        return Model(prior, words, novelty, noise, False, False, served, len(labels), None)
    changes = drift.detect([(label.right, label.probability) if label.served else None for label in labels])
    features = np.array([label.features for label in labels])
    right = np.array([label.right for label in labels], np.float64)
    fair = _fair([label.principal for label in labels])
    fair[: changes.since] *= _BEFORE_DRIFT
    calibrator = fit(prior, _STRENGTH, features, right, fair, errors)
    probability = cross_fitted(prior, _STRENGTH, features, right, fair, errors)
    at = np.arange(len(labels))
    order = np.argsort(-probability, kind="stable")
    columns = _Labels(
        probability=probability[order],
        wrong=1.0 - right[order],
        weight=np.array([1.0 / label.share for label in labels])[order],
        forecast=np.array([label.probability for label in labels])[order],
        current=(at >= changes.since).astype(np.float64)[order],
        recent=(at >= max(changes.since, len(labels) - _RECENT)).astype(np.float64)[order],
        late=(at >= max(changes.since, len(labels) - _FORECASTS)).astype(np.float64)[order],
        served=np.array([label.served and label.source is not Source.FEEDBACK for label in labels])[order],
    )
    drifting = changes.since > 0 and len(labels) - changes.since < _RECENT / 2
    model = Model(calibrator, words, novelty, noise, drifting, changes.suspicious, served, len(labels), columns)
    for budget in budgets:
        model.standing(budget)
    return model


def _noise(trials: Iterable[Trial]) -> Noise:
    same = [trial.judged_same for trial in trials if trial.same]
    others = [trial.judged_same for trial in trials if not trial.same]
    return Noise(len(same), len(same) - sum(same), len(others), sum(others))


def _errors(noise: Noise) -> Errors:
    """The judge's error shares as seen, with few trials small rather than large: what is put down to the judge is not
    put down to the cache."""
    return Errors(
        min(_MOST_ERRORS, noise.judged_different / (noise.asked_twice + _FEW_TRIALS)),
        min(_MOST_ERRORS, noise.judged_same / (noise.planted + _FEW_TRIALS)),
    )


def _fair(principals: list[str]) -> Array:
    """Weights of labels: no principal counts for more than its share, as soon as there are enough others."""
    names, which, counts = np.unique(principals, return_inverse=True, return_counts=True)
    if len(names) < _PRINCIPALS:
        return np.ones(len(principals))
    scale = np.minimum(1.0, _PRINCIPAL_SHARE * len(principals) / counts)
    fair: Array = scale[which]
    return fair


def _certificate(labels: _Labels, budget: float, noise: Noise) -> int:
    """0 when some cut has a bound within the budget; else how many more right labels would give one."""
    of = np.cumsum(labels.current)
    wrong = np.cumsum(labels.current * labels.wrong)
    allowed = _allowed(noise, budget)
    cuts = range(len(of) - 1, _FEWEST - 2, -max(1, len(of) // _CUTS))
    likely = [cut for cut in cuts if of[cut] >= _FEWEST and wrong[cut] < allowed * of[cut]]
    if any(bounded_by(allowed, wrong[cut], of[cut], ALPHA) for cut in likely):
        return 0
    missing = [_needed(wrong[cut], of[cut], allowed) for cut in likely[:: max(1, len(likely) // _CUTS_TOLD)]]
    return min(missing, default=fewest(budget))


def _needed(wrong: float, of: float, allowed: float) -> int:
    """How many more right labels would bring the bound within the share; a tenth too many at most."""
    more = 1
    while not bounded_by(allowed, wrong, of + more, ALPHA) and more < _MOST_TOLD:
        more += max(1, int(of + more) // 20)
    return more


def _cutoff(labels: _Labels, budget: float, errors: Errors) -> float | None:
    """The lowest cut at which the expected share of wrong answers is within the target."""
    weight = labels.weight * labels.recent
    share = np.cumsum(weight * (1.0 - labels.probability)) / np.maximum(np.cumsum(weight), 1e-9)
    # Between labels of the same probability there is no cut.
    distinct = np.append(np.diff(labels.probability) < 0, True)
    enough = distinct & (np.arange(1, len(share) + 1) >= _FEWEST)
    kept = np.flatnonzero((share * _correction(labels, budget, errors) <= TARGET * budget) & enough)
    return float(labels.probability[kept[-1]]) if len(kept) else None


def _correction(labels: _Labels, budget: float, errors: Errors) -> float:
    """How many were wrong for each one that was forecast to be, of late and among forecasts that mattered."""
    mattered = (labels.late > 0) & (labels.forecast >= 1.0 - _BAND * budget)
    seen = float(labels.wrong[mattered].sum())
    expected = float((1.0 - errors.observed(labels.forecast[mattered])).sum())
    low, high = _CORRECTION
    return min(high, max(low, (seen + _PSEUDO_WRONG) / (expected + _PSEUDO_WRONG)))


def _measured(labels: _Labels, noise: Noise) -> tuple[float | None, float | None]:
    """The share of wrong among what was served, each verified one standing for those like it; and its bound."""
    weight = labels.weight[labels.served]
    if not len(weight):
        return None, None
    whole = float(weight.sum())
    share = float((weight * labels.wrong[labels.served]).sum()) / whole
    effective = whole**2 / float((weight**2).sum())
    errors = _errors(noise)
    told = (share - errors.false_different) / (1.0 - errors.false_different - errors.false_same)
    upper = noise.correct(clopper_pearson_upper(share * effective, effective, ALPHA))
    return max(0.0, told), max(upper, 0.0)


def _surprising(labels: _Labels, budget: float) -> bool:
    """Whether so many wrong among the verified would be rare within the budget."""
    weight = labels.weight[labels.served]
    effective = float(weight.sum()) ** 2 / float((weight**2).sum())
    wrong = float((weight * labels.wrong[labels.served]).sum() / weight.sum()) * effective
    return wrong >= 3 and clopper_pearson_upper(effective - wrong, effective, ALPHA) < 1.0 - budget


def _allowed(noise: Noise, budget: float) -> float:
    """The share of wrong verdicts up to which the corrected share is within the budget."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if noise.correct(middle) <= budget else (low, middle)
    return low
