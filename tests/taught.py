"""Sidecars that have learnt enough for hits by meaning: labels, as of a stream of paraphrases and other questions."""

from __future__ import annotations

import asyncio
import math
import random
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.acceptance import Budgeted, Verdict, label_of
from cachedistill_sidecar.policy.error_budget import Evidence, learn
from cachedistill_sidecar.policy.labels import Label, Source
from cachedistill_sidecar.route_document import RouteDocument
from tests.running import Running

_ASKED = "How do I reset my password?"
_RIGHT = (("How can I reset my password?", 0.95), ("I want to reset the password", 0.8), ("reset password how", 0.75))
_WRONG = (("Which trains go to Lisbon?", 0.05), ("How long does an egg cook?", 0.2), ("What is a prime?", 0.3))
_EACH = 150
# On a busy machine a sidecar finds its Redis a moment after it has started; some tests have none.
_ROUNDS = 10
_PATIENT_ROUNDS = 200


def missed(verdict: Verdict, right: bool, at: float) -> Label:
    """What is learnt when a fallback was asked although there was this candidate."""
    return label_of(
        verdict,
        at=at,
        rule="all",
        right=right,
        share=1.0,
        served=False,
        source=Source.MISS,
        principal="",
        novel=not right,
    )


@cache
def labels() -> tuple[Label, ...]:
    """What a stream of misses would have taught: paraphrases were right, other questions wrong."""
    budgeted = Budgeted(learn(Evidence(), []), 500)
    made = []
    for right, texts in ((True, _RIGHT), (False, _WRONG)):
        for text, similarity in texts:
            known = Neighbour("a" * 32, "a" * 32, _ASKED, similarity, at=time.time())
            verdict = budgeted.judge(text, [known], time.time())
            made += [missed(verdict, right, time.time())] * _EACH
    # Evenly mixed, as a stream is.
    step = int(math.sqrt(len(made)))
    mixed = [each for start in range(step) for each in made[start::step]]
    # A certificate rests on forecasts that came true: those of a sidecar that had learnt for a while.
    evidence = Evidence()
    for label in mixed:
        evidence.add(label)
    model = learn(evidence, [])
    return tuple(replace(each, probability=model.probability(each.features)) for each in mixed)


async def teach(sidecar: Sidecar, *, there: bool = False) -> None:
    """Let all that the sidecar learns with know these labels, by way of Redis; `there`: it is known to have one."""
    for lesson in sidecar.parts.lessons.values():
        learner = lesson.learner
        if learner is None or not learner.standings() or any(each.certified for each in learner.standings().values()):
            continue
        begun = time.time() - len(labels())
        for place, label in enumerate(labels()):
            learner.record(replace(label, at=begun + place))
        rounds = 0
        while rounds < (_PATIENT_ROUNDS if there else _ROUNDS):
            rounds += 1
            learner._fit_after = learner._fit_before = 0.0
            reached = await learner.turn()
            there = reached or there
            if reached and all(each.certified for each in learner.standings().values()):
                break
            await asyncio.sleep(0.05)


def teach_route(document: RouteDocument, embedder_folder: Path) -> None:
    """Let whoever serves this route later, in a process of its own, know these labels."""
    running = Running(lambda: Sidecar(document, find_model=lambda _name: embedder_folder, rng=Never()))
    with running as sidecar:
        running.call(lambda: teach(sidecar, there=True))
        for lesson in sidecar.parts.lessons.values():
            assert lesson.learner is None or all(each.certified for each in lesson.learner.standings().values())


class Always(random.Random):
    """Draws every lot."""

    def random(self) -> float:
        return 0.0


class Never(random.Random):
    """Draws none."""

    def random(self) -> float:
        return 0.999999
