"""Which semantic candidate, if any, may answer a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.exchange import Candidate
from cachedistill_sidecar.policy.wording import conflict


@dataclass(frozen=True, slots=True)
class Considered:
    """A candidate that was looked at; `blocked_by` says why it may not answer, None for the one that may."""

    entry: str
    similarity: float
    blocked_by: Reason | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`candidate` is the accepted one, or else the most similar one, which `reason` is about; None when there is none.

    `considered` holds, by falling similarity, all candidates up to the accepted one.
    """

    candidate: Candidate | None
    accepted: bool
    reason: Reason
    considered: tuple[Considered, ...]


class Acceptance(Protocol):
    """Decides whether one of the candidates may answer."""

    def judge(self, query: str, candidates: Sequence[Candidate]) -> Verdict:
        """The verdict on these candidates, which may come in any order."""
        ...


@dataclass(frozen=True, slots=True)
class CosineCutoff:
    """Accepts the most similar candidate at or above a fixed similarity whose wording is not in conflict."""

    similarity: float

    def judge(self, query: str, candidates: Sequence[Candidate]) -> Verdict:
        """See Acceptance. Reasons: SIMILAR when accepted; else that of the most similar candidate; COLD without any."""
        considered: list[Considered] = []
        ranked = sorted(candidates, key=lambda candidate: candidate.similarity, reverse=True)
        for candidate in ranked:
            blocked_by = self._blocked_by(query, candidate)
            considered.append(Considered(candidate.entry, candidate.similarity, blocked_by))
            if blocked_by is None:
                return Verdict(candidate, True, Reason.SIMILAR, tuple(considered))
        if not ranked:
            return Verdict(None, False, Reason.COLD, ())
        return Verdict(ranked[0], False, considered[0].blocked_by or Reason.BELOW_CONFIDENCE, tuple(considered))

    def _blocked_by(self, query: str, candidate: Candidate) -> Reason | None:
        if candidate.similarity < self.similarity:
            return Reason.BELOW_CONFIDENCE
        return conflict(query, candidate.text)
