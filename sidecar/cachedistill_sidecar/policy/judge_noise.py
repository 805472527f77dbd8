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

from dataclasses import dataclass
from functools import lru_cache

from cachedistill_sidecar.policy.bounds import clopper_pearson_upper

_LEVEL = 0.1
# What is believed before there are trials, as if there had been so many: of the 119 pairs in answer_pairs.jsonl that
# are not the same the judge calls one so, and those are harder to tell apart than what is planted.
_SUPPOSED, _SUPPOSED_MISTAKEN = 50.0, 0.5
# However bad a judge is, no more than nine in ten of what it calls wrong is put down to it: answers that are served are
# easier to judge than those it is tried on, which makes f too large for them.
_LEAST_KEPT = 0.1


@dataclass(frozen=True, slots=True)
class Noise:
    """Trials on pairs whose truth is known: two fresh answers to one question, which are the same by definition, and
    planted answers to another question, which are not."""

    asked_twice: int = 0
    judged_different: int = 0
    planted: int = 0
    judged_same: int = 0

    @property
    def false_different(self) -> float:
        """The share of right answers that the judge calls different, estimated; small while there are few trials."""
        return _estimate(self.judged_different, self.asked_twice)

    @property
    def false_same(self) -> float:
        """The share of wrong answers that the judge calls the same, estimated; small while there are few trials."""
        return _estimate(self.judged_same, self.planted)

    def correct(self, upper: float) -> float:
        """An upper bound on the share of wrong answers, from one on the share that the judge calls wrong."""
        excused = _lower(self.judged_different, self.asked_twice)
        overlooked = _upper(self.judged_same, self.planted)
        told = 1.0 - excused - overlooked
        if told <= 0.0:
            return 1.0
        return min(1.0, max(_LEAST_KEPT * upper, (upper - excused) / told))


def _estimate(mistaken: int, of: int) -> float:
    return (mistaken + _SUPPOSED_MISTAKEN) / (of + _SUPPOSED)


@lru_cache(maxsize=64)
def _lower(mistaken: int, of: int) -> float:
    """Nothing is supposed here: without trials the judge is taken at its word."""
    return 1.0 - clopper_pearson_upper(of - mistaken, of, _LEVEL)


@lru_cache(maxsize=64)
def _upper(mistaken: int, of: int) -> float:
    return clopper_pearson_upper(mistaken + _SUPPOSED_MISTAKEN, of + _SUPPOSED, _LEVEL)
