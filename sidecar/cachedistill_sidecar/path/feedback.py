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
    """Take `{"trace": ..., "right": ...}`, once for each trace. With `headers`, only from whoever was served."""
    try:
        document = orjson.loads(body if len(body) <= _MOST_BYTES else b"")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return 400, {"error": 'the body must be {"trace": "...", "right": true or false}'}
    trace, right = document.get("trace"), document.get("right")
    if not isinstance(trace, str):
        return 400, {"error": "trace: must be the answer's x-cachedistill-trace header"}
    if not isinstance(right, bool):
        return 400, {"error": "right: must be true or false"}
    served = [each for each in parts.records.served(trace) if headers is None or _is(each, headers, parts)]
    if not served:
        return 404, {"error": "trace: none of the last 1000 decisions that are yours and have no feedback yet"}
    parts.records.judge(trace)
    learn(served, parts, Source.FEEDBACK, right=right)
    if not right:
        for each in served:
            if each.cache in parts.lessons:
                parts.lessons[each.cache].suspensions.suspend(each.entry, Cause.FEEDBACK)
    return 200, {"trace": trace, "right": right}


def removed(entry: str, parts: Parts) -> None:
    """An entry was removed because it was wrong: nobody is to serve it from memory, and what it was served for was
    wrong."""
    for lesson in parts.lessons.values():
        lesson.suspensions.suspend(entry, Cause.REMOVED)
    served = list(parts.records.serving(entry))
    for each in served:
        parts.records.judge(each.trace)
    learn(served, parts, Source.REMOVED, right=False)


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
