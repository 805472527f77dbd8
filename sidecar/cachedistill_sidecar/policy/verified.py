"""What was served and looked into afterwards: the share of it that was wrong, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cachedistill_sidecar.policy.bounds import clopper_pearson_upper
from cachedistill_sidecar.policy.calibrator import Array
from cachedistill_sidecar.policy.judge_noise import Noise

_LEVEL = 0.1
_FEWEST_WRONG = 3


@dataclass(frozen=True, slots=True)
class Verified:
    """Verdicts on served answers, 1 for wrong, and for how many answers like it each stands: [n]."""

    wrong: Array
    weight: Array

    def share(self, noise: Noise) -> float | None:
        """The share of wrong answers; None without any."""
        if not len(self.weight):
            return None
        return max(0.0, float(noise.errors(np.ones(1)).truth(np.array([self._seen]))[0]))

    def upper(self, noise: Noise) -> float | None:
        """A bound on that share, which holds with probability 0.9; None without any."""
        if not len(self.weight):
            return None
        return noise.correct(clopper_pearson_upper(self._seen * self._effective, self._effective, _LEVEL))

    def exceeds(self, budget: float, noise: Noise) -> bool:
        """Whether the share is above the budget, and by more than chance explains."""
        share = self.share(noise)
        wrong = self._seen * self._effective if share is not None else 0.0
        if share is None or share <= budget or wrong < _FEWEST_WRONG:
            return False
        return clopper_pearson_upper(self._effective - wrong, self._effective, _LEVEL) < 1.0 - budget

    @property
    def _seen(self) -> float:
        return float((self.weight * self.wrong).sum() / self.weight.sum())

    @property
    def _effective(self) -> float:
        """Verdicts of one weight that would say as much (Kish, 1965)."""
        return float(self.weight.sum() ** 2 / (self.weight**2).sum())
