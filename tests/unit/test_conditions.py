from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cachedistill_operator.api.conditions import ConditionType, Wanted, merge

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
READY = Wanted(ConditionType.READY, True, "AllWell", "")


def test_the_time_of_transition_stays_while_the_status_does() -> None:
    first = merge([], [READY], 1, NOON)
    second = merge(first, [Wanted(ConditionType.READY, True, "StillWell", "other words")], 2, NOON + timedelta(hours=1))
    assert second[0]["lastTransitionTime"] == first[0]["lastTransitionTime"] == "2026-01-01T12:00:00Z"
    assert (second[0]["observedGeneration"], second[0]["reason"]) == (2, "StillWell")


def test_a_transition_has_its_own_time() -> None:
    first = merge([], [READY], 1, NOON)
    second = merge(first, [Wanted(ConditionType.READY, False, "Broken", "")], 1, NOON + timedelta(hours=1))
    assert second[0]["lastTransitionTime"] == "2026-01-01T13:00:00Z"
    assert second[0]["status"] == "False"


def test_conditions_that_are_not_wanted_any_more_go_and_the_order_is_fixed() -> None:
    first = merge([], [READY, Wanted(ConditionType.ACCEPTED, None, "Checking", "")], 1, NOON)
    assert [each["type"] for each in first] == ["Accepted", "Ready"]
    assert first[0]["status"] == "Unknown"
    assert [each["type"] for each in merge(first, [READY], 1, NOON)] == ["Ready"]
