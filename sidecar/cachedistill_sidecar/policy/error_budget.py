"""The error budget: of the answers served without a fallback, at most a stated share is wrong.

Labels tell whether candidates were right. A calibrator turns features into the probability of being right; the cut-off
is the lowest probability from which on the answers keep the budget. Two things must hold, one to begin and one to stay:

- a certificate: the labels have shown that among the likeliest candidates fewer are wrong than the budget allows (see
  `certificate.py`). Without one nothing is served;
- the expectation: by the forecasts of late, corrected by how forecasts came out, the share of wrong among what is
  served at the cut-off stays below the budget (see `cutoff.py`). A forecast is the probability that a candidate had
  when it was decided about, by a model that could not know its label.

Everything here is a pure function of the evidence: sidecars that know the same events serve by the same cut-off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.policy import drift, guards
from cachedistill_sidecar.policy.calibrator import Array, Calibrator, Prior, Strength, fit
from cachedistill_sidecar.policy.certificate import Bets
from cachedistill_sidecar.policy.cutoff import FEWEST, Correction, Cutting
from cachedistill_sidecar.policy.evidence import Evidence
from cachedistill_sidecar.policy.fairness import scales
from cachedistill_sidecar.policy.judge_noise import Noise
from cachedistill_sidecar.policy.labels import Label, Source
from cachedistill_sidecar.policy.neighbourhood import NAMES, Habits
from cachedistill_sidecar.policy.prior import shipped
from cachedistill_sidecar.policy.verified import Verified
from cachedistill_sidecar.policy.words import BUCKETS, weights

__all__ = ["Evidence", "Model", "Part", "Standing", "learn"]

_STRENGTH = Strength(seen=400.0, own=300.0, precision=1.0)
_RECENT = 600
_SETTLED = 1500
_NOVELTY_PACE = 0.01
_BEFORE_DRIFT = 0.1
_FREE = 600.0  # labels that a principal may always bring: enough for a certificate


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands. Shares are in 0..1.

    `cutoff`: the least probability at which an answer is served, None when nothing is certified; `missing` labels
    would be needed for a certificate, if none of them were wrong. `measured` and `upper`: the share of wrong answers
    among those that were served and verified, and its bound. `served`: how many of those there were, in all. `lifted`:
    the guards that hold nothing back any more (see `guards.py`).
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
    lifted: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one feature adds to the log-odds of being right."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Model:
    """What follows from the evidence. Immutable; standings are worked out when first asked for."""

    calibrator: Calibrator
    habits: Habits
    noise: Noise
    drifting: bool
    suspicious: bool
    """Served answers that were all but certain came out wrong of late: more of them are verified."""
    served: int
    count: int
    _bets: Bets
    _guarded: Mapping[Reason, Bets]
    _cutting: Cutting | None
    _verified: Verified
    _standings: dict[int, Standing] = field(default_factory=dict)

    def probability(self, features: Sequence[float]) -> float:
        """The probability that the candidate with these features is right."""
        return float(self.calibrator.probability(np.array(features)))

    def risk(self, probability: float) -> float:
        """The chance of an answer's being wrong, as such forecasts have come out."""
        if self._cutting is None:
            return 1.0 - probability
        return float(self._cutting.correction.wrong(np.array([probability]))[0])

    def explain(self, features: Sequence[float]) -> tuple[Part, ...]:
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
        allowed = self.noise.allowed(budget)
        missing = self._bets.missing(allowed)
        lowest = self._cutting.lowest(budget) if self._cutting is not None and missing == 0 else None
        return Standing(
            cutoff=lowest,
            certified=lowest is not None,
            missing=0 if lowest is not None else max(missing, FEWEST - self.count, 1),
            measured=self._verified.share(self.noise),
            upper=self._verified.upper(self.noise),
            labels=self.count,
            served=self.served,
            at_risk=self._verified.exceeds(budget, self.noise),
            drifting=self.drifting,
            budget=budget,
            lifted=guards.lifted(self._guarded, allowed),
        )


def learn(evidence: Evidence, budgets: Iterable[int], prior: Prior | None = None) -> Model:
    """The model that follows from the evidence, with the standings of some budgets (permille) worked out.

    `prior` is what is believed without labels; absent, the one that is shipped.
    """
    labels = list(evidence.labels)
    prior, calibrator, cutting = prior or shipped(), None, None
    noise = Noise.of(evidence.trials)
    changes = drift.detect([(label.right, label.probability) if label.served else None for label in labels])
    forecast, right, weight = _columns(labels)
    errors = noise.errors(forecast)
    fair = np.array(scales([label.principal for label in labels], [1.0] * len(labels), _FREE))
    now = slice(changes.since, None)
    features = np.array([label.features for label in labels]).reshape(len(labels), len(NAMES))
    if len(labels) >= FEWEST:
        counting = np.where(np.arange(len(labels)) < changes.since, _BEFORE_DRIFT, 1.0) * fair
        calibrator = fit(prior, _STRENGTH, features, right, counting, errors)
        correction = Correction.of(forecast[now], right[now], fair[now], errors.of(now))
        recent = slice(max(changes.since, len(labels) - _RECENT), None)
        cutting = Cutting.of(forecast[recent], weight[recent], correction)
    bets = Bets(1.0 - errors.observed(forecast)[now], 1.0 - right[now], fair[now])
    checked = np.array([label.served and label.source is not Source.FEEDBACK for label in labels], np.bool_)
    model = Model(
        calibrator=calibrator or prior.calibrator,
        habits=_habits(labels),
        noise=noise,
        drifting=changes.since > 0 and len(labels) - changes.since < _SETTLED,
        suspicious=changes.suspicious,
        served=sum(report.served for report in evidence.traffic),
        count=len(labels),
        _bets=bets,
        _guarded=guards.bets(features[now], bets),
        _cutting=cutting,
        _verified=Verified(1.0 - right[checked], weight[checked]),
    )
    for budget in budgets:
        model.standing(budget)
    return model


def _columns(labels: Sequence[Label]) -> tuple[Array, Array, Array]:
    """Forecasts, verdicts (1 for right), and for how many decisions each label stands."""
    columns = np.array([(label.probability, label.right, 1.0 / label.share) for label in labels], np.float64)
    forecast, right, weight = columns.reshape(-1, 3).T
    return forecast, right, weight


def _habits(labels: Sequence[Label]) -> Habits:
    counts = np.zeros(BUCKETS)
    novelty = Habits().novelty
    for label in labels:
        counts[list(label.words)] += 1
        if not label.served:
            novelty += _NOVELTY_PACE * (label.novel - novelty)
    times = sorted(label.at for label in labels)
    return Habits(weights(float(len(labels)), counts.tolist()), novelty, times, _pace(times))


def _pace(times: Sequence[float]) -> float:
    """The median of the seconds between labels, at least a millisecond."""
    return max(1e-3, float(np.median(np.diff(times)))) if len(times) > 1 else Habits().pace
