"""Feedback: somebody says whether an answer was right, or removes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from cachedistill_sidecar.learning.suspensions import Cause
from cachedistill_sidecar.path.principal import principal
from cachedistill_sidecar.policy.labels import Source
from cachedistill_sidecar.route_document import Provider

if TYPE_CHECKING:
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.telemetry.records import Served

PATH = "/cachedistill/feedback"
"""On the data port this path is never sent on."""

Reply = tuple[int, dict[str, Any]]
"""HTTP status and JSON."""

_MOST_BYTES = 4096


def give(body: bytes, parts: Parts, headers: Mapping[str, str] | None = None) -> Reply:
    """Take `{"trace": ..., "right": ...}`, once for each answer. With `headers`, only from whoever was served.

    A trace may be an app's own, with many answers: then `"entry"` says which one is meant.
    """
    try:
        document = orjson.loads(body if len(body) <= _MOST_BYTES else b"")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return 400, {"error": 'the body must be {"trace": "...", "right": true or false}'}
    trace, right, entry = document.get("trace"), document.get("right"), document.get("entry")
    if not isinstance(trace, str):
        return 400, {"error": "trace: must be the answer's x-cachedistill-trace header"}
    if not isinstance(right, bool):
        return 400, {"error": "right: must be true or false"}
    if not (entry is None or isinstance(entry, str)):
        return 400, {"error": "entry: must be the answer's x-cachedistill-entry header"}
    yours = [each for each in parts.records.served(trace) if headers is None or _is(each, headers, parts)]
    meant = [each for each in yours if entry in (None, each.entry)]
    if len({each.entry for each in meant}) > 1:
        return 409, {"error": "entry: the trace has several answers; send the x-cachedistill-entry header of one"}
    judged = next((each for each in meant if parts.records.judge(each)), None)
    if judged is None:
        return 404, {"error": "trace: none of the last 1000 decisions that are yours and have no feedback yet"}
    learn([judged], parts, Source.FEEDBACK, right=right)
    if not right and judged.cache in parts.lessons:
        parts.lessons[judged.cache].suspensions.suspend(judged.entry, Cause.FEEDBACK)
    return 200, {"trace": trace, "entry": judged.entry, "right": right}


def removed(entry: str, aliases: Iterable[str], parts: Parts) -> None:
    """An entry was removed because it was wrong: nobody is to serve it from memory, or the same answer by an alias,
    and what it was served for was wrong."""
    for lesson in parts.lessons.values():
        for each in (entry, *aliases):
            lesson.suspensions.suspend(each, Cause.REMOVED)
    learn(
        [each for each in parts.records.serving(entry) if parts.records.judge(each)], parts, Source.REMOVED, right=False
    )


def learn(served: Iterable[Served], parts: Parts, source: Source, *, right: bool) -> None:
    """Label decisions by meaning."""
    for each in served:
        lesson = parts.lessons.get(each.cache)
        if each.verdict is None or lesson is None or lesson.learner is None:
            continue
        from cachedistill_sidecar.policy.acceptance import label_of

        lesson.learner.record(
            label_of(
                each.verdict,
                at=time.time(),
                rule=each.rule,
                right=right,
                share=1.0,
                served=True,
                source=source,
                principal=each.principal,
                novel=False,
            )
        )


def _is(served: Served, headers: Mapping[str, str], parts: Parts) -> bool:
    """Whether these headers are of whoever was served."""
    cache = parts.caches.get(served.cache)
    if cache is None:
        return False
    # The request doesn't say whose dialect the call had spoken.
    return any(principal(headers, cache.document, provider, cache.seal) == served.principal for provider in Provider)
