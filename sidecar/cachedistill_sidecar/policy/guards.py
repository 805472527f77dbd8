"""Guards: wordings that contradict each other hold an answer back, until labels show that here they don't matter.

Other numbers ask for another answer nearly everywhere; but not where the answer is the topic of the request, and not
where all of them are answered by the same page. What a guard holds back goes to the fallback, and its fresh answer is a
label. When these labels alone give a certificate, the guard is lifted: from then on the probability decides. That is
about answers that several neighbours got, and says nothing of one that stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.policy.calibrator import Array
from cachedistill_sidecar.policy.certificate import Bets
from cachedistill_sidecar.policy.neighbourhood import NAMES

_FEATURES = {
    Reason.GUARD_NUMBER: ("wording_number",),
    Reason.GUARD_IDENTIFIER: ("wording_identifier",),
    Reason.GUARD_NEGATION: ("wording_reversed", "wording_direction"),
}

GUARDS = tuple(_FEATURES)
"""The reasons by which wording holds an answer back."""
COMPANY = 3
"""A guard is lifted for groups with so many members among the neighbours, or more."""


def bets(features: Array, of: Bets) -> Mapping[Reason, Bets]:
    """For each guard the bets on what it objects to. features [n, d], as `of`."""
    company = features[:, NAMES.index("size")] > math.log(COMPANY - 0.5)
    return {
        guard: of.picked(company & features[:, [NAMES.index(name) for name in names]].any(axis=1))
        for guard, names in _FEATURES.items()
    }


def lifted(bets: Mapping[Reason, Bets], budget: float) -> tuple[Reason, ...]:
    """The guards that are needless under a budget, a share of verdicts "wrong"."""
    return tuple(guard for guard, its in bets.items() if its.missing(budget) == 0)
