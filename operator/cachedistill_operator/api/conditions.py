"""Conditions of a status: what is wanted, merged with what there was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cachedistill_operator.api.word import Word


class ConditionType(Word):
    """The conditions of both kinds. `Reconciling` and `Stalled` are kstatus' words, abnormal when true."""

    READY = "Ready", "all of it works"
    RECONCILING = "Reconciling", "something is being brought about"
    STALLED = "Stalled", "nothing more happens until somebody changes something"
    REDIS_READY = "RedisReady", "Redis answers, and lets us in"
    INDEX_READY = "IndexReady", "the vector index of the wanted embedding is there and complete"
    CERTIFIED = "Certified", "answers that are served by meaning keep each rule's budget of wrong ones"
    ACCEPTED = "Accepted", "the route is in use, and no older one takes its pods"
    RESOLVED_REFS = "ResolvedRefs", "all that the route names is there and may be used"
    INJECTION_UP_TO_DATE = "InjectionUpToDate", "all pods that ask for it have the sidecar as it is now"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition as it is to be. `quiet`: no Event tells of it."""

    type: ConditionType
    status: bool | None
    reason: str
    message: str
    quiet: bool = False

    @property
    def word(self) -> Literal["True", "False", "Unknown"]:
        """The status in Kubernetes' spelling."""
        return "Unknown" if self.status is None else "True" if self.status else "False"


def merge(
    previous: Iterable[Mapping[str, Any]], wanted: Iterable[Wanted], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """The conditions to write, sorted by type; the time of transition stays while the status does."""
    before = {condition["type"]: condition for condition in previous}
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    merged = []
    for each in sorted(wanted, key=lambda condition: condition.type):
        known = before.get(each.type)
        since = known["lastTransitionTime"] if known is not None and known["status"] == each.word else moment
        merged.append(
            {
                "type": str(each.type),
                "status": each.word,
                "observedGeneration": generation,
                "lastTransitionTime": since,
                "reason": each.reason,
                "message": each.message,
            }
        )
    return merged
