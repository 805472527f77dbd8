"""What a budget allows to be spent, answer by answer.

A cut-off is right for the questions of late: when uncertain ones come in a crowd, more wrong answers are to be expected
above it than the budget allows. So each answer is booked with its risk, against what the budget gives an answer; when
the account is empty, only those are served whose risk is no more than that.
"""

from __future__ import annotations

import math

from cachedistill_sidecar.policy.cutoff import ANSWERS, expectation

_RESERVE = 0.25  # standard deviations of the number of wrong answers


class Account:
    """Of one budget, a share of wrong answers; full at first."""

    def __init__(self, budget: float) -> None:
        self._given = expectation(budget)
        self._most = _RESERVE * math.sqrt(ANSWERS * budget)
        self._balance = self._most

    def affords(self, risk: float) -> bool:
        """Whether an answer that is wrong with this probability may be served."""
        return risk <= self._given + max(0.0, self._balance)

    def spend(self, risk: float) -> None:
        """Book an answer that was served. What isn't spent is kept, as far as the account holds it."""
        self._balance = min(self._most, self._balance + self._given - risk)
