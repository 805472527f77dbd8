"""What becomes of a wish for storage, given the volume that there is."""

from __future__ import annotations

from typing import Any

import pytest

from cachedistill_operator.render.redis_quantity import from_bytes, to_bytes
from cachedistill_operator.render.redis_storage import Claim, growth, settle


def stateful_set(size: str | None, storage_class: str | None = None) -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}} | (
        {"storageClassName": storage_class} if storage_class else {}
    )
    templates = [{"metadata": {"name": "data"}, "spec": spec}] if size else []
    return {"metadata": {"name": "support-redis"}, "spec": {"volumeClaimTemplates": templates}}


def volume(size: str) -> dict[str, Any]:
    return {"spec": {"resources": {"requests": {"storage": size}}, "storageClassName": "fast"}}


def test_a_new_one_gets_what_was_asked_for() -> None:
    assert settle(Claim("8Gi"), None).claim == Claim("8Gi")
    assert settle(None, None).claim is None


def test_the_same_size_in_other_words_is_no_change() -> None:
    settled = settle(Claim("1024Mi"), stateful_set("1Gi"))
    assert (settled.claim, settled.grow, settled.problem) == (Claim("1Gi"), None, None)


def test_more_lets_the_volume_grow_and_leaves_the_immutable_template_alone() -> None:
    settled = settle(Claim("2Gi"), stateful_set("1Gi"))
    assert (settled.claim, settled.grow, settled.problem) == (Claim("1Gi"), "2Gi", None)


@pytest.mark.parametrize(
    ("wish", "live"),
    [
        (Claim("1Gi"), stateful_set(None)),
        (None, stateful_set("1Gi")),
        (Claim("1Gi", "slow"), stateful_set("1Gi", "fast")),
    ],
    ids=["added", "removed", "another class"],
)
def test_what_would_lose_entries_is_left_to_a_person(wish: Claim | None, live: dict[str, Any]) -> None:
    settled = settle(wish, live)
    assert settled.problem is not None
    assert "delete the StatefulSet support-redis" in settled.problem
    assert (settled.claim is not None) == bool(live["spec"]["volumeClaimTemplates"])


def test_a_volume_grows_once_and_only_where_its_class_allows() -> None:
    allows = {"allowVolumeExpansion": True}
    assert growth("2Gi", volume("1Gi"), allows) == (True, None)
    assert growth("2Gi", volume("2Gi"), allows) == (False, None)
    assert growth("2Gi", None, None) == (False, None)
    ask, problem = growth("2Gi", volume("1Gi"), {})
    assert not ask
    assert "storage class fast does not allow" in str(problem)


def test_a_volume_never_shrinks() -> None:
    ask, problem = growth("1Gi", volume("2Gi"), {"allowVolumeExpansion": True})
    assert not ask
    assert "can't shrink from 2Gi to 1Gi" in str(problem)


@pytest.mark.parametrize(
    ("quantity", "count"),
    [("0", 0), ("1500m", 2), ("1.5k", 1500), ("1Ki", 1024), ("0.5Gi", 512 * 1024**2), ("2T", 2 * 10**12)],
)
def test_quantities_are_read(quantity: str, count: int) -> None:
    assert to_bytes(quantity) == count


@pytest.mark.parametrize(
    ("count", "quantity"), [(0, "0"), (1000, "1000"), (1536, "1.5Ki"), (412 * 1024**2, "412Mi"), (3 * 1024**3, "3.0Gi")]
)
def test_quantities_are_written_for_people_and_can_be_read_again(count: int, quantity: str) -> None:
    assert from_bytes(count) == quantity
    assert to_bytes(quantity) == count


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="8 GB"):
        to_bytes("8 GB")
