"""Writing a status, and telling of what has changed in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cachedistill_operator.api.conditions import ConditionType, Wanted, merge
from cachedistill_operator.cluster.client import ApiError, Client

# These sum up or qualify others, which tell of themselves.
_SILENT = {ConditionType.RECONCILING, ConditionType.STALLED}


class Statuses:
    """Writes statuses that differ from those there are; one Event a transition of a condition."""

    def __init__(self, client: Client, now: Any) -> None:
        self._client = client
        self._now: Any = now
        self._told: dict[tuple[str, str], tuple[str, str]] = {}

    async def write(self, resource: dict[str, Any], conditions: Iterable[Wanted], **figures: Any) -> None:
        """Make the status hold these conditions and figures, and nothing else; None leaves a figure out.

        Raises ApiError; a resource that is gone meanwhile is no error.
        """
        wanted = list(conditions)
        meta, before = resource["metadata"], resource.get("status") or {}
        generation = meta["generation"]
        now: datetime = self._now()
        status = {
            "observedGeneration": generation,
            "conditions": merge(before.get("conditions", ()), wanted, generation, now),
            **{name: value for name, value in figures.items() if value is not None},
        }
        if status != _comparable(before):
            manifest = {
                "apiVersion": resource["apiVersion"],
                "kind": resource["kind"],
                "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
                "status": status,
            }
            try:
                await self._client.apply(manifest, subresource="status")
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                return  # Gone, or another one of that name by now.
        known = {condition["type"]: condition for condition in before.get("conditions", ())}
        for each in wanted:
            await self._tell(resource, each, known.get(each.type))

    async def _tell(self, resource: dict[str, Any], wanted: Wanted, before: dict[str, Any] | None) -> None:
        if wanted.quiet or wanted.type in _SILENT:
            return
        place, state = (resource["metadata"]["uid"], str(wanted.type)), (wanted.word, str(wanted.reason))
        # What was told last counts, not what was seen: the watch may be behind.
        last = self._told.get(place)
        if last is None and before is not None:
            last = (before["status"], before["reason"])
        self._told[place] = state
        if state == last or wanted.status is None or (wanted.status and last is not None and last[0] == "True"):
            return
        if wanted.status and last is None and wanted.type is not ConditionType.READY:
            return  # All went well from the start: one Event, Ready, says so.
        type_ = "Normal" if wanted.status else "Warning"
        await self._client.event(resource, type_, str(wanted.reason), wanted.message or str(wanted.type), "Reconcile")

    def forget(self, uid: str) -> None:
        """A resource is gone."""
        for place in [place for place in self._told if place[0] == uid]:
            del self._told[place]


def _comparable(status: dict[str, Any]) -> dict[str, Any]:
    ordered = sorted(status.get("conditions", ()), key=lambda condition: str(condition["type"]))
    return {**status, "conditions": ordered}
