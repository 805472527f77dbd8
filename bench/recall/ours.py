"""The product's policy behind the harness's interface."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bench.recall.budgeted import Budgeted, Decision, MakeBudgeted
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.acceptance import Budgeted as Acceptance
from cachedistill_sidecar.policy.acceptance import Verdict, label_of
from cachedistill_sidecar.policy.account import Account
from cachedistill_sidecar.policy.calibrator import Prior
from cachedistill_sidecar.policy.error_budget import Evidence, learn
from cachedistill_sidecar.policy.guards import GUARDS
from cachedistill_sidecar.policy.labels import Source, Trial

VERIFY_PERMILLE = 50
_REFIT = 60  # labels at first, more when a fit takes longer; the product's learner refits after 20, or after seconds


class Ours:
    """The product's policy, learning as its sidecars do. `prior`: what it begins with; absent, what is shipped."""

    def __init__(self, permille: int, seed: int, prior: Prior | None = None) -> None:
        self._permille, self._prior = permille, prior
        self._evidence = Evidence()
        self._model = learn(self._evidence, [permille], prior)
        self._chance = random.Random(seed)
        self._verdict = Verdict(None, False, Reason.COLD)  # of the last decision
        self._share = 1.0
        self._account = Account(permille / 1000)
        self._new = 0
        self._suspended: set[str] = set()

    def decide(self, text: str, neighbours: Sequence[Neighbour], principal: str, now: float) -> Decision:
        """See Budgeted."""
        policy = Acceptance(self._model, self._permille, principal, suspended=self._suspended, account=self._account)
        self._verdict = verdict = policy.judge(text, neighbours, now)
        self._share = policy.verify_share(verdict, VERIFY_PERMILLE) if verdict.accepted else 1.0
        verify = self._chance.random() < self._share
        held = not verdict.accepted and verdict.reason in GUARDS
        return Decision(verdict.candidate, verdict.accepted, verdict.probability or 0.0, verdict.others, verify, held)

    def served(self, decision: Decision) -> None:
        """See Budgeted."""
        self._account.spend(self._model.risk(decision.probability))

    def learn(self, decision: Decision, right: bool, novel: bool, principal: str, now: float) -> None:
        """See Budgeted."""
        if decision.candidate is None:
            return
        found_out = decision.served and not right
        if found_out:
            self._suspended.add(decision.candidate.entry)
        label = label_of(
            self._verdict,
            at=now,
            rule="all",
            right=right,
            share=self._share if decision.served else 1.0,
            served=decision.served,
            source=Source.VERIFIED if decision.served else Source.MISS,
            principal=principal,
            novel=novel,
        )
        self._evidence.add(label)
        self._new += 1
        if self._new >= max(_REFIT, len(self._evidence.labels) // 40) or found_out:
            self._new = 0
            self._model = learn(self._evidence, [self._permille], self._prior)

    def asked_twice(self, same: bool) -> None:
        """See Budgeted."""
        self._evidence.add(Trial(0.0, same=True, judged_same=same))

    def planted(self, same: bool) -> None:
        """See Budgeted."""
        self._evidence.add(Trial(0.0, same=False, judged_same=same))


def maker(prior: Prior | None = None) -> MakeBudgeted:
    """Makes the product's policy at a budget, without experience."""

    def make(permille: int, seed: int) -> Budgeted:
        return Ours(permille, seed, prior)

    return make
