"""Looks at each answer: was it the right one, and what did the sidecar take for similar?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from cachedistill_sidecar.cli.replay.sending import Reply
from cachedistill_sidecar.decision import Decision, Reason
from examples.demo.questions import Questions

_HITS = (Decision.EXACT_HIT, Decision.SEMANTIC_HIT)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A query that resembled a stored one of another meaning, and was kept from its answer for `reason`."""

    query: str
    stored: str
    similarity: float
    reason: str


@dataclass(slots=True)
class Judge:
    """Takes replies in any order; `known`: whether the right answers are known."""

    questions: Questions
    known: bool
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Queries that were answered wrongly out of the cache, and what the answer was stored for."""
    _stored: dict[str, str] = field(default_factory=dict)
    _look_alikes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def take(self, reply: Reply) -> None:
        """Note a reply."""
        debug = orjson.loads(reply.debug) if reply.debug else None
        if debug is None or reply.outcome.error is not None:
            return
        query = self.questions.asked[reply.outcome.line - 1]
        if reply.outcome.decision in _HITS:
            if self.known and _text(reply.body) != self.questions.answers[self.questions.groups[query]]:
                self.wrong.append((query, self._stored.get(debug["entry"], "an answer on its way")))
            return
        self._stored[debug["entry"]] = query
        if debug["candidates"] and debug["reason"] != Reason.UNCERTIFIED:
            self._look_alikes.append((query, debug["candidates"][0]))

    def look_alikes(self) -> list[LookAlike]:
        """The most similar ones that were told apart, one for each pair of meanings."""
        groups = self.questions.groups
        found: dict[frozenset[str], LookAlike] = {}
        for query, nearest in self._look_alikes:
            stored = self._stored.get(nearest["entry"])
            if stored is None or groups[stored] == groups[query]:
                continue
            pair = frozenset((groups[query], groups[stored]))
            each = LookAlike(query, stored, nearest["similarity"], nearest["blocked_by"])
            if pair not in found or found[pair].similarity < each.similarity:
                found[pair] = each
        return sorted(found.values(), key=lambda each: each.similarity, reverse=True)[:_SHOWN]


def _text(body: bytes) -> str:
    text: str = orjson.loads(body)["choices"][0]["message"]["content"]
    return text
