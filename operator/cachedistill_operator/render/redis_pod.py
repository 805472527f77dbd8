"""What keeps a pod from running, in a sentence for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# Waiting is normal for these reasons.
_ON_ITS_WAY = {"ContainerCreating", "PodInitializing"}


def trouble(pods: Iterable[Mapping[str, Any]]) -> str | None:
    """The first thing that is wrong with any of the pods; None while they are on their way."""
    return next((sentence for pod in pods for sentence in _sentences(pod)), None)


def last_words(pods: Iterable[Mapping[str, Any]]) -> str | None:
    """What the newest failed container said before it ended: the end of its log."""
    ended = [
        state["terminated"]
        for pod in pods
        for container in (pod.get("status") or {}).get("containerStatuses") or ()
        for state in (container.get("state") or {}, container.get("lastState") or {})
        if "terminated" in state and state["terminated"].get("exitCode")
    ]
    newest = max(ended, key=lambda each: str(each.get("finishedAt") or ""), default=None)
    lines = str((newest or {}).get("message") or "").strip().splitlines()
    return lines[-1][:500] if lines else None


def _sentences(pod: Mapping[str, Any]) -> Iterator[str]:
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"pod {name} can't be scheduled: {condition.get('message') or condition.get('reason')}"
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in {None, *_ON_ITS_WAY}:
            yield f"pod {name}: {waiting['reason']}: {last_words([pod]) or waiting.get('message') or 'no message'}"
