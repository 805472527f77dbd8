"""Learn: off the path, what a fresh answer says about the stored ones that might have been served instead."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.edge.embedder import Overloaded
from cachedistill_sidecar.learning.asker import Asker
from cachedistill_sidecar.learning.suspensions import Cause
from cachedistill_sidecar.path.ask import ask_again
from cachedistill_sidecar.path.budget import policy
from cachedistill_sidecar.policy.judgement.form import squeeze
from cachedistill_sidecar.policy.judgement.opinion import Judgement, Opinion
from cachedistill_sidecar.policy.labels import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cachedistill_sidecar.cache.entry import Entry
    from cachedistill_sidecar.cache.live import LiveCache
    from cachedistill_sidecar.cache.semantic import Vector
    from cachedistill_sidecar.exchange import Exchange, Neighbour
    from cachedistill_sidecar.learning.judge import Judge
    from cachedistill_sidecar.learning.lesson import Lesson
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.policy.acceptance import Verdict

_OTHER_GROUPS = 4
# Whoever asks for a fresh answer so soon after one that was served means that one.
_REGENERATED_SECONDS = 600.0
# By then all sidecars have seen a removal, and have forgotten what they held near.
_KNOWN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Placed:
    """Which group a fresh answer belongs to, and what the judge said of the candidate's (None: there was none)."""

    group: str
    judgement: Judgement | None
    novel: bool
    """Whether no stored answer was right."""
    guess: str = ""
    """The candidate's group, when the judge could say whether it was right."""

    @property
    def right(self) -> bool | None:
        """Whether the candidate's answer was right; None when nobody can tell."""
        opinion = Opinion.UNDECIDED if self.judgement is None else self.judgement.opinion
        return None if opinion is Opinion.UNDECIDED else opinion is Opinion.SAME


async def learn(exchange: Exchange, entry: Entry, known: Entry | None, parts: Parts) -> None:
    """Find the group of an answer that has just been stored, store it with its vector, and label the decision.

    `known` is what the near cache held in its place.
    """
    assert exchange.cache is not None
    assert exchange.query is not None
    assert exchange.query.text is not None
    lesson = parts.lessons[exchange.cache.document.name]
    try:
        vector = await _vector(exchange, exchange.cache, exchange.query.text)
        if vector is not None:
            await _compare(exchange, entry, known, vector, parts)
        await _until_removal_is_known(entry.key, lesson)
    finally:
        # The fresh answer has taken the place of a suspended one: it agrees with it, or replaces it. At a stop, too,
        # or the suspension would outlive the sidecar.
        lesson.suspensions.clear(entry.key)


async def _compare(exchange: Exchange, entry: Entry, known: Entry | None, vector: Vector, parts: Parts) -> None:
    assert exchange.cache is not None
    assert exchange.query is not None
    assert exchange.query.text is not None
    lesson, text = parts.lessons[exchange.cache.document.name], exchange.query.text
    placed = Placed(secrets.token_hex(16), None, True)
    try:
        verdict, neighbours = await _verdict(exchange, lesson, vector, text)
        placed = await place(exchange, entry, verdict, neighbours, parts)
        if known is not None:
            judge = judge_of(exchange, lesson)
            judgement = await judge.compare(text, known.answer.text, entry.answer.text, asker_of(exchange))
            if judgement.opinion is Opinion.SAME:
                placed = replace(placed, group=known.group)
    finally:
        # Whether the judge fails or is cut short by a stop: it can be found by meaning, if in a group of its own.
        store(exchange, replace(entry, group=placed.group, guess=placed.guess), vector, placed, parts)
    if not await _regenerated(exchange, entry, lesson, placed, parts) and verdict is not None:
        label(exchange, lesson, verdict, placed, Source.MISS)
    await _try_judge(exchange, entry, vector, lesson, parts)


async def place(
    exchange: Exchange,
    fresh: Entry,
    verdict: Verdict | None,
    neighbours: Sequence[Neighbour],
    parts: Parts,
    known: Entry | None = None,
) -> Placed:
    """The group of a fresh answer: the candidate's when the judge takes the two for the same, one of the others' when
    they are equal, else its own. `known`: what the candidate's answer was, if not what is stored now."""
    assert exchange.cache is not None
    lesson = parts.lessons[exchange.cache.document.name]
    own = fresh.key
    if any(each.group == own and each.entry != own for each in neighbours):
        # Others had got an earlier answer to this text, which may have been another.
        own = secrets.token_hex(16)
    candidate = None if verdict is None else verdict.candidate
    if known is None and candidate is not None:
        known = await _entry(lesson.cache, candidate.entry)
    if verdict is None or candidate is None or known is None:
        return Placed(own, None, True)
    judgement = await _judged(exchange, verdict, known.answer.text, fresh.answer.text, parts)
    if judgement.opinion is Opinion.SAME:
        return Placed(candidate.group, judgement, False, candidate.group)
    if judgement.opinion is Opinion.DIFFERENT:
        for group in verdict.others[:_OTHER_GROUPS]:
            nearest = next(each for each in neighbours if each.group == group)
            other = await _entry(lesson.cache, nearest.entry)
            if other is not None and squeeze(other.answer.text) == squeeze(fresh.answer.text):
                return Placed(group, judgement, False, candidate.group)
        return Placed(own, judgement, True, candidate.group)
    return Placed(own, judgement, True)


async def _judged(exchange: Exchange, verdict: Verdict, known: str, fresh: str, parts: Parts) -> Judgement:
    """What the judge says of two answers. What the forecast speaks clearly against must be true of a second fresh
    answer, too: judges err, and so do models now and then."""
    from cachedistill_sidecar.policy.judge_noise import doubtful

    assert exchange.cache is not None
    assert exchange.query is not None
    assert exchange.query.text is not None
    assert verdict.probability is not None
    judge, asker = judge_of(exchange, parts.lessons[exchange.cache.document.name]), asker_of(exchange)
    judgement = await judge.compare(exchange.query.text, known, fresh, asker)
    if judgement.opinion is Opinion.UNDECIDED or not doubtful(verdict.probability, judgement.opinion is Opinion.SAME):
        return judgement
    with parts.verifier.place() as free:
        second = await ask_again(exchange, parts) if free else None
    if second is None:
        return judgement
    again = await judge.compare(exchange.query.text, known, second.text, asker)
    return judgement if again.opinion is Opinion.UNDECIDED else again


def store(exchange: Exchange, entry: Entry, vector: Vector, placed: Placed, parts: Parts) -> None:
    """Store an answer with its vector, so that it is found by meaning, too."""
    assert exchange.cache is not None
    assert exchange.query is not None
    exchange.cache.put(entry, exchange.partition, exchange.query.text, vector)
    if not placed.novel:
        parts.metrics.aliases.add(1, exchange.route.name)


def label(
    exchange: Exchange, lesson: Lesson, verdict: Verdict, placed: Placed, source: Source, *, share: float = 1.0
) -> None:
    """Tell all sidecars whether the candidate was right, if anybody can say."""
    from cachedistill_sidecar.policy.acceptance import label_of

    if lesson.learner is None or exchange.rule is None or placed.right is None or verdict.probability is None:
        return
    lesson.learner.record(
        label_of(
            verdict,
            at=time.time(),
            rule=exchange.rule.name,
            right=placed.right,
            share=share,
            served=source is not Source.MISS,
            source=source,
            principal=exchange.principal,
            novel=placed.novel,
        )
    )


def judge_of(exchange: Exchange, lesson: Lesson) -> Judge:
    """Who judges answers of the exchange's rule."""
    assert exchange.rule is not None
    return lesson.judges[exchange.rule.name]


def asker_of(exchange: Exchange) -> Asker:
    """For whom it is judged."""
    assert exchange.dialect is not None
    assert exchange.query is not None
    return Asker(exchange.headers, exchange.dialect.provider, exchange.query.model)


async def _vector(exchange: Exchange, cache: LiveCache, text: str) -> Vector | None:
    if exchange.vector is not None or cache.embedder is None:
        return exchange.vector
    try:
        return await cache.embedder.embed(text)
    except Overloaded:
        return None


async def _verdict(
    exchange: Exchange, lesson: Lesson, vector: Vector, text: str
) -> tuple[Verdict | None, Sequence[Neighbour]]:
    """The verdict of the path, or the one that there would have been; with the neighbours that it is about."""
    if exchange.verdict is not None and exchange.neighbours is not None:
        return exchange.verdict, exchange.neighbours
    if lesson.cache.index is None or lesson.learner is None:
        return None, ()
    try:
        found = await lesson.cache.index.search(exchange.partition, vector)
    except StoreUnavailable:
        return None, ()
    neighbours = [each for each in found if each.entry != exchange.key]
    return policy(exchange, lesson.learner, lesson).judge(text, neighbours, time.time()), neighbours


async def _entry(cache: LiveCache, key: str) -> Entry | None:
    try:
        return cache.get_near(key) or await cache.get(key)
    except StoreUnavailable:
        return None


async def _regenerated(exchange: Exchange, entry: Entry, lesson: Lesson, placed: Placed, parts: Parts) -> bool:
    """Label what the client had just been served when it asked for a fresh answer; whether it had."""
    assert exchange.query is not None
    assert exchange.query.text is not None
    if exchange.reason is not Reason.REFRESH:
        return False
    served = parts.records.served_to(exchange.principal, exchange.key, _REGENERATED_SECONDS)
    if served is None or served.verdict is None:
        return False
    known = await _entry(lesson.cache, served.entry)
    if known is not None:
        judgement = await judge_of(exchange, lesson).compare(
            exchange.query.text, known.answer.text, entry.answer.text, asker_of(exchange)
        )
        # Once: whoever asks for ten fresh answers says no more about the one that was served.
        if judgement.opinion is not Opinion.UNDECIDED and parts.records.judge(served):
            label(exchange, lesson, served.verdict, replace(placed, judgement=judgement), Source.REGENERATED)
        if judgement.opinion is Opinion.DIFFERENT:
            lesson.suspensions.suspend(served.entry, Cause.FEEDBACK)
    return True


async def _try_judge(exchange: Exchange, entry: Entry, vector: Vector, lesson: Lesson, parts: Parts) -> None:
    """Once in a while, try the judge on answers whose truth is known."""
    assert exchange.query is not None
    assert exchange.query.text is not None
    if lesson.learner is None:
        return
    judge, asker, text = judge_of(exchange, lesson), asker_of(exchange), exchange.query.text
    trials = [await judge.plant(exchange.partition, text, vector, entry.answer.text, asker)]
    if parts.verifier.draws_trial():
        with parts.verifier.place() as free:
            second = await ask_again(exchange, parts) if free else None
        if second is not None:
            trials.append(await judge.trial(text, entry.answer.text, second.text, asker))
    for trial in trials:
        if trial is not None:
            lesson.learner.record(trial)


async def _until_removal_is_known(key: str, lesson: Lesson) -> None:
    suspension = lesson.suspensions.of(key)
    if suspension is not None and suspension.cause is Cause.REMOVED:
        await asyncio.sleep(max(0.0, suspension.since + _KNOWN_SECONDS - time.time()))
