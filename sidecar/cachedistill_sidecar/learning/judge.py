"""Whether two answers to a question say the same: the ladder of judges, off the path, and how often it errs."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachedistill_sidecar.edge.embedder import Overloaded
from cachedistill_sidecar.policy.judgement import ladder
from cachedistill_sidecar.policy.judgement.opinion import Judgement, Opinion, Step
from cachedistill_sidecar.policy.labels import Trial

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.semantic import Vector
    from cachedistill_sidecar.edge.embedder import Embedder
    from cachedistill_sidecar.learning.asker import Asker
    from cachedistill_sidecar.learning.fallback_judge import FallbackJudge

# One at a time, so that a client's query waits for one text of an answer at most; more than these wait in vain.
_WAITING = 32
_EMBEDDED_SECONDS = 10.0
_KEPT = 32
_PLANTED_ONE_IN = 200
# Cosine of two questions: half of those in Banking77 with different intents have less, 3 in 100 with the same one.
_UNRELATED = 0.2


@dataclass(frozen=True, slots=True)
class _Known:
    partition: bytes
    vector: Vector
    answer: str


class Judge:
    """The ladder with a cache's embedder and, for what it leaves undecided, a fallback if the route names one."""

    def __init__(self, embedder: Embedder, fallback: FallbackJudge | None, rng: random.Random) -> None:
        self._embedder = embedder
        self._fallback = fallback
        self._rng = rng
        self._known: deque[_Known] = deque(maxlen=_KEPT)
        self._waiting = 0
        self._turn = asyncio.Lock()

    async def compare(self, question: str, known: str, fresh: str, asker: Asker) -> Judgement:
        """Whether `known` serves the question as well as `fresh` does; undecided also when there is no time for it."""
        judgement = await self._climb(question, known, fresh)
        if judgement.opinion is not Opinion.UNDECIDED or self._fallback is None:
            return judgement
        return Judgement(await self._fallback.ask(question, known, fresh, asker), Step.FALLBACK)

    async def trial(self, question: str, first: str, second: str, asker: Asker) -> Trial | None:
        """What it says of two fresh answers to one question, which are the same by definition; None: undecided."""
        judgement = await self.compare(question, first, second, asker)
        return _trial(judgement, same=True)

    async def plant(self, partition: bytes, question: str, vector: Vector, answer: str, asker: Asker) -> Trial | None:
        """Keep a fresh answer; once in a while, see whether it is mistaken for that to an unrelated question.

        Only within a partition: nobody's answer is shown to another's judge. Answers that are equal serve each other's
        questions, related or not, and are no trial.
        """
        others = [each.answer for each in self._known if each.partition == partition and _unrelated(each, vector)]
        self._known.append(_Known(partition, vector, answer))
        if not others or self._rng.random() >= 1 / _PLANTED_ONE_IN:
            return None
        judgement = await self.compare(question, self._rng.choice(others), answer, asker)
        return None if judgement.step is Step.EQUAL else _trial(judgement, same=False)

    async def _climb(self, question: str, known: str, fresh: str) -> Judgement:
        undecided = Judgement(Opinion.UNDECIDED, Step.EQUAL)
        if self._waiting >= _WAITING:
            return undecided
        self._waiting += 1
        similarity = _Similarity(self._embedder)
        try:
            async with self._turn:
                # In a thread, since it asks for vectors as it goes along.
                return await asyncio.to_thread(ladder.judge, question, known, fresh, similarity)
        except (Overloaded, TimeoutError):
            return undecided
        finally:
            similarity.end()
            self._waiting -= 1


class _Similarity:
    """The cosine of two texts for a thread that may wait, by an embedder that lives on the event loop."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._loop = asyncio.get_running_loop()
        self._asked: Future[Vector | None] | None = None
        self._ended = False

    def __call__(self, left: str, right: str) -> float | None:
        """None when one of the texts is longer than the embedder's window. Raises Overloaded, TimeoutError."""
        one, other = self._vector(left), self._vector(right)
        return None if one is None or other is None else float(one @ other)

    def end(self) -> None:
        """Nobody waits for the thread any more: it is to end, too."""
        self._ended = True
        if self._asked is not None:
            self._asked.cancel()

    def _vector(self, text: str) -> Vector | None:
        if self._ended:
            raise Overloaded("nobody waits for this")
        self._asked = asyncio.run_coroutine_threadsafe(self._embedder.embed(text), self._loop)
        if self._ended:  # between the two lines above
            self._asked.cancel()
        return self._asked.result(_EMBEDDED_SECONDS)


def _unrelated(known: _Known, vector: Vector) -> bool:
    return float(known.vector @ vector) < _UNRELATED


def _trial(judgement: Judgement, *, same: bool) -> Trial | None:
    if judgement.opinion is Opinion.UNDECIDED:
        return None
    return Trial(time.time(), same, judgement.opinion is Opinion.SAME)
