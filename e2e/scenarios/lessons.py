"""What a route's sidecars have learnt, written into its cache's Redis as one of them would."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import orjson

from cachedistill_operator.api.group import MOUNT
from cachedistill_operator.inject.decision import SIDECAR
from cachedistill_sidecar.exchange import Neighbour
from cachedistill_sidecar.policy.acceptance import Budgeted, label_of
from cachedistill_sidecar.policy.error_budget import Evidence, learn
from cachedistill_sidecar.policy.labels import Label, Source, encode
from e2e.scenarios.town import Town

_RECORDER = Path(__file__).with_name("recorder.py")
_KNOWN = ("How do I return a damaged parcel?", "How can I return a damaged parcel?")
# Right ones down to a similarity that leaves room below whatever the scenarios ask.
_RIGHT = (
    ("How might I return a damaged parcel?", 0.97),
    ("I want to return a damaged parcel", 0.85),
    ("My parcel came broken, what now", 0.6),
)
_WRONG = (("Which trains go to Lisbon?", 0.05), ("How long does an egg cook?", 0.2), ("What is a prime?", 0.3))
_MISSES, _WRONG_HITS = 600, 30
_PAUSE_SECONDS = 20.0
_SURE = 0.99


def teach(town: Town, events: Iterable[Label], *, cache: str = "support", app: str = "chat") -> None:
    """Let all sidecars of an app's route know these. The app's own sidecar has the key that they are sealed with."""
    lines = "\n".join(orjson.dumps(encode(event), option=orjson.OPT_SERIALIZE_NUMPY).decode() for event in events)
    run = ("python3", "-c", _RECORDER.read_text(), f"{MOUNT}/route/route.json", cache)
    town.kubectl("exec", "-i", town.pod(app)["metadata"]["name"], "-c", SIDECAR, "--", *run, stdin=lines)


def misses() -> list[Label]:
    """Some hours of them: paraphrases whose candidates were right and other questions whose were wrong, all forecast.

    Those of a sidecar that had learnt for a while, so they certify a generous budget.
    """
    now = time.time()
    begun = now - _MISSES * _PAUSE_SECONDS
    return [
        replace(label, at=begun + place * _PAUSE_SECONDS)
        for place, label in enumerate(islice(cycle(_kinds(now)), _MISSES))
    ]


def wrong_hits() -> list[Label]:
    """Answers that were all but certain, were served, and turned out wrong when they were verified."""
    right = next(label for label in _kinds(time.time()) if label.right)
    return [replace(right, right=False, served=True, source=Source.VERIFIED)] * _WRONG_HITS


def _kinds(now: float) -> Iterator[Label]:
    """One of each: right and wrong by turns, with one or two neighbours."""
    budgeted = Budgeted(learn(Evidence(), []), 500)
    for known in (_KNOWN[:1], _KNOWN):
        for pair in zip(_RIGHT, _WRONG, strict=True):
            for right, (text, similarity) in zip((True, False), pair, strict=True):
                neighbours = [Neighbour(each, _KNOWN[0], each, similarity, at=now) for each in known]
                made = label_of(
                    budgeted.judge(text, neighbours, now),
                    at=now,
                    rule="all",
                    right=right,
                    share=1.0,
                    served=False,
                    source=Source.MISS,
                    principal="",
                    novel=not right,
                )
                yield replace(made, probability=_SURE if right else 1.0 - _SURE)
