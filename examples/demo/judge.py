"""Looks at each answer: was it the right one, and what did the sidecar take for similar?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from cachedistill_sidecar.cli.replay.sending import Reply
from cachedistill_sidecar.decision import Decision
from examples.demo.questions import Questions

_HITS = (Decision.EXACT_HIT, Decision.SEMANTIC_HIT)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A query that resembled a stored one, and was kept from its answer for `reason`."""

    query: str
    stored: str
    similarity: float
    reason: str


@dataclass(slots=True)
class Judge:
    """Takes replies in any order."""

    questions: Questions
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Queries that were answered wrongly out of the cache, and what the answer was stored for."""
    _stored: dict[str, str] = field(default_factory=dict)
    _look_alikes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def take(self, reply: Reply, *, known: bool) -> None:
        """Note a reply; `known`: whether the right answers are known."""
        debug = orjson.loads(reply.debug) if reply.debug else None
        if debug is None or reply.outcome.error is not None:
            return
        query = self.questions.asked[reply.outcome.line - 1]
        if reply.outcome.decision in _HITS:
            if known and _text(reply.body) != self.questions.answers[self.questions.groups[query]]:
                self.wrong.append((query, self._stored.get(debug["entry"], "an answer on its way")))
            return
        self._stored[debug["entry"]] = query
        if debug["reason"].startswith("guard_"):
            self._look_alikes.append((query, debug["candidates"][0]))

    def look_alikes(self) -> list[LookAlike]:
        """The most similar ones that were told apart, of each reason at first."""
        found = [
            LookAlike(query, self._stored[nearest["entry"]], nearest["similarity"], nearest["blocked_by"])
            for query, nearest in self._look_alikes
            if nearest["entry"] in self._stored
        ]
        found.sort(key=lambda each: each.similarity, reverse=True)
        best = {each.reason: each for each in reversed(found)}
        others = [each for each in found if each not in best.values()]
        return [*best.values(), *others][:_SHOWN]


def _text(body: bytes) -> str:
    text: str = orjson.loads(body)["choices"][0]["message"]["content"]
    return text
