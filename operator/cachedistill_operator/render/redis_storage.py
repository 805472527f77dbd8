"""The managed Redis' volume: what can be changed about it, and what a person must do.

A StatefulSet's volume claim templates are immutable, and a volume with entries is never replaced on the quiet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachedistill_operator.api.semantic_cache import ManagedRedis
from cachedistill_operator.render.redis_quantity import to_bytes

VOLUME = "data"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a StatefulSet asks of its volume."""

    size: str
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """`claim` is what the StatefulSet is rendered with, `grow` the size that the volume is to have if not its own."""

    claim: Claim | None
    grow: str | None = None
    problem: str | None = None


def wanted(managed: ManagedRedis) -> Claim | None:
    """The volume that the resource asks for."""
    return Claim(managed.storage, managed.storage_class_name) if managed.storage is not None else None


def claim_of(stateful_set: Mapping[str, Any]) -> Claim | None:
    """The volume that a live StatefulSet has."""
    for template in stateful_set["spec"].get("volumeClaimTemplates") or ():
        if template["metadata"]["name"] == VOLUME:
            spec = template["spec"]
            return Claim(spec["resources"]["requests"]["storage"], spec.get("storageClassName"))
    return None


def settle(wish: Claim | None, stateful_set: Mapping[str, Any] | None) -> Storage:
    """What becomes of a wish, given the StatefulSet as it is."""
    if stateful_set is None:
        return Storage(wish)
    there = claim_of(stateful_set)
    name = stateful_set["metadata"]["name"]
    anew = f"delete the StatefulSet {name} to have it made anew"
    if there is None:
        lost = f"the StatefulSet {name} was made without storage, and can't get any: {anew}; what it stores is lost"
        return Storage(None, problem=lost if wish is not None else None)
    if wish is None:
        kept = f"the StatefulSet {name} was made with storage: {anew} without; its volume stays until you delete it"
        return Storage(there, problem=kept)
    if wish.storage_class not in (None, there.storage_class):
        other = f"storageClassName can't change: delete the volume claim of {name} too, and {anew}; entries are lost"
        return Storage(there, problem=other)
    return Storage(there, grow=wish.size if to_bytes(wish.size) != to_bytes(there.size) else None)


def growth(
    size: str, volume: Mapping[str, Any] | None, storage_class: Mapping[str, Any] | None
) -> tuple[bool, str | None]:
    """Whether the volume is to be asked to grow now, and what stands in the way."""
    if volume is None:
        return False, None
    has = volume["spec"]["resources"]["requests"]["storage"]
    if to_bytes(size) < to_bytes(has):
        return False, f"storage can't shrink from {has} to {size}: put {has} back"
    if to_bytes(size) == to_bytes(has):
        return False, None
    if not (storage_class or {}).get("allowVolumeExpansion"):
        name = volume["spec"].get("storageClassName") or "of the volume"
        return False, f"storage can't grow from {has} to {size}: the storage class {name} does not allow expansion"
    return True, None
