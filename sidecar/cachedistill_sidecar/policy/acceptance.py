"""Which stored answer, if any, may answer a query under an error budget."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.account import Account
from cachedistill_sidecar.policy.error_budget import Model
from cachedistill_sidecar.policy.guards import COMPANY
from cachedistill_sidecar.policy.labels import Label, Source
from cachedistill_sidecar.policy.neighbourhood import examine
from cachedistill_sidecar.policy.wording import conflict
from cachedistill_sidecar.policy.words import words_of

# Of hits, those near the cut-off are verified more often than the certain ones: that is where wrong answers are.
_LEAST_SHARE, _MOST_SHARE = 0.4, 5.0
_SUSPICIOUS = 4.0
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Considered:
    """A neighbour that was looked at; `blocked_by` says why it may not answer, None for the one that may."""

    entry: str
    similarity: float
    blocked_by: Reason | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`candidate` is the accepted neighbour, or else the one that `reason` is about; None when there is none.

    `probability` is that of its being right, `cutoff` the least at which it is served (None: nothing is certified).
    `considered` holds the candidate's group by falling similarity, up to the accepted one; `others` the other groups,
    by falling votes. `features` and `words` are what a label of this verdict is made of.
    """

    candidate: Neighbour | None
    accepted: bool
    reason: Reason
    considered: tuple[Considered, ...] = ()
    probability: float | None = None
    cutoff: float | None = None
    features: tuple[float, ...] = ()
    words: tuple[int, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Accepts what keeps the budget, and what its account affords; whoever serves the answer books it there.

    `agreeing`: so many principals must have got an answer before others get it.
    """

    model: Model
    permille: int
    principal: str = ""
    agreeing: int = 1
    suspended: Collection[str] = frozenset()
    account: Account | None = None

    def judge(self, query: str, neighbours: Sequence[Neighbour], now: float) -> Verdict:
        """The verdict on these neighbours, which come by falling similarity; `now` in seconds since the epoch."""
        if not neighbours:
            return Verdict(None, False, Reason.COLD)
        found = examine(query, neighbours, self.model.habits, now)
        features = tuple([round(feature, _DIGITS) for feature in found.features])
        probability = self.model.probability(features)
        cutoff = self.model.standing(self.permille).cutoff
        held = self._held(query, found.members, probability, cutoff)
        considered: list[Considered] = []
        candidate = found.members[0]
        reason: Reason | None = None
        lifted = self.model.standing(self.permille).lifted if len(found.members) >= COMPANY else ()
        for member in found.members:
            # What the wordings give away says more than a probability that it has made low.
            doubt = held in (None, Reason.BELOW_CONFIDENCE, Reason.BUDGET_SPENT)
            blocked = (self._blocked(query, member, lifted) if doubt else None) or held
            considered.append(Considered(member.entry, member.similarity, blocked))
            if blocked is None:
                candidate, reason = member, Reason.SIMILAR
                break
            reason = reason or blocked
            if held is not None:
                break
        return Verdict(
            candidate,
            considered[-1].blocked_by is None,
            reason or Reason.BELOW_CONFIDENCE,
            tuple(considered),
            probability,
            cutoff,
            features,
            tuple(sorted(words_of(query))),
            found.others,
        )

    def verify_share(self, verdict: Verdict, verify_permille: int) -> float:
        """The probability with which a hit is to be verified: `verify_permille` on average, more near the cut-off."""
        if verdict.probability is None or not self.permille:
            return verify_permille / 1000
        risk = math.sqrt((1.0 - verdict.probability) / (self.permille / 1000))
        share = verify_permille / 1000 * min(_MOST_SHARE, max(_LEAST_SHARE, risk))
        return min(1.0, share * (_SUSPICIOUS if self.model.suspicious else 1.0))

    def _held(
        self, query: str, members: Sequence[Neighbour], probability: float, cutoff: float | None
    ) -> Reason | None:
        """Why none of the group may answer."""
        if cutoff is None:
            return Reason.UNCERTIFIED
        if probability < cutoff:
            return Reason.BELOW_CONFIDENCE
        if self.account is not None and not self.account.affords(self.model.risk(probability)):
            return Reason.BUDGET_SPENT
        # Who isn't known agrees with nobody, and is nobody's equal.
        asked = {member.principal for member in members} - {""}
        shared = self.agreeing == 1 or self.principal in asked or len(asked) >= self.agreeing
        return None if shared else Reason.UNSHARED

    def _blocked(self, query: str, member: Neighbour, lifted: Collection[Reason]) -> Reason | None:
        """Why this one may not answer."""
        if member.entry in self.suspended:
            return Reason.SUSPENDED
        return conflict(query, member.text, lifted)


def label_of(
    verdict: Verdict,
    *,
    at: float,
    rule: str,
    right: bool,
    share: float,
    served: bool,
    source: Source,
    principal: str,
    novel: bool,
    tier: str = "semantic",
) -> Label:
    """What was learnt about a verdict that has a candidate."""
    assert verdict.probability is not None
    return Label(
        at=at,
        rule=rule,
        tier=tier,
        features=verdict.features,
        probability=round(verdict.probability, _DIGITS),
        right=right,
        share=share,
        served=served,
        source=source,
        principal=principal,
        words=verdict.words,
        novel=novel,
    )
