"""The conditions and figures of a ModelRoute."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_operator.api.conditions import ConditionType, Wanted
from cachedistill_operator.api.group import Key
from cachedistill_operator.api.model_route import ModelRouteStatus, Rollout
from cachedistill_operator.api.route_reasons import RouteReason
from cachedistill_operator.inject import SkipReason
from cachedistill_operator.render.conflicts import Conflict
from cachedistill_operator.render.route_figures import decimal, figures
from cachedistill_operator.render.route_pods import Census
from cachedistill_operator.render.route_references import Missing
from cachedistill_operator.render.route_status import Situation, conditions, invalid, refused

CHAT = Key("shop", "chat")


def of(kind: ConditionType, **situation: Any) -> Wanted:
    return next(each for each in conditions(Situation(**situation)) if each.type is kind)


def state(kind: ConditionType, **situation: Any) -> tuple[bool | None, str]:
    return (condition := of(kind, **situation)).status, condition.reason


def injection(**counts: Any) -> Wanted:
    return of(ConditionType.INJECTION_UP_TO_DATE, census=Census(**counts))


def test_a_route_with_nothing_wrong_is_ready() -> None:
    assert {str(each.type): each.word for each in conditions(Situation())} == {
        "Accepted": "True",
        "InjectionUpToDate": "True",
        "Ready": "True",
        "Reconciling": "False",
        "ResolvedRefs": "True",
        "Stalled": "False",
    }


def test_a_missing_reference_is_told_with_all_others_and_leaves_the_route_accepted() -> None:
    missing = (
        Missing("rules.a.cache.ref", RouteReason.CACHE_NOT_FOUND, "gone"),
        Missing("fallbacks.b.endpoint.service", RouteReason.SERVICE_NOT_FOUND, "away"),
    )
    resolved = of(ConditionType.RESOLVED_REFS, missing=missing)
    assert (resolved.status, resolved.reason) == (False, "CacheNotFound")
    assert resolved.message == "rules.a.cache.ref: gone; fallbacks.b.endpoint.service: away"
    assert state(ConditionType.READY, missing=missing) == (False, "CacheNotFound")
    assert state(ConditionType.ACCEPTED, missing=missing) == (True, "Accepted")


def test_a_conflict_names_the_winner_and_stalls() -> None:
    conflicts = (Conflict("old", 2),)
    assert "old" in of(ConditionType.ACCEPTED, conflicts=conflicts).message
    for kind, status in ((ConditionType.ACCEPTED, False), (ConditionType.READY, False), (ConditionType.STALLED, True)):
        assert state(kind, conflicts=conflicts) == (status, "Conflicted")


def test_what_makes_a_route_unready_has_one_event_not_two() -> None:
    missing = (Missing("x", RouteReason.CACHE_NOT_FOUND, "gone"),)
    assert of(ConditionType.READY, missing=missing).quiet
    assert not of(ConditionType.RESOLVED_REFS, missing=missing).quiet


def test_an_invalid_route_says_so_and_is_not_ready() -> None:
    told = {each.type: (each.status, each.reason) for each in invalid("fallbacks.0: bad")}
    assert told[ConditionType.ACCEPTED] == told[ConditionType.READY] == (False, "Invalid")


def test_a_refusal_of_the_api_server_leaves_the_other_conditions_as_they_were() -> None:
    before = [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}]
    assert refused(before, "Forbidden") == [
        Wanted(ConditionType.ACCEPTED, True, "Accepted", "", quiet=True),
        Wanted(ConditionType.READY, False, "Refused", "Forbidden"),
    ]


def test_pods_all_with_the_sidecar_of_now_are_up_to_date() -> None:
    assert (injection(matched=2, injected=2).status, injection(matched=2, injected=2).reason) == (True, "UpToDate")
    assert injection().reason == "NoPods"


def test_pods_with_another_sidecar_are_outdated_and_pods_without_not_injected() -> None:
    outdated = injection(matched=3, injected=3, outdated=1)
    assert (outdated.status, outdated.reason) == (False, "Outdated")
    assert "of 3 pods: 1 pod with a sidecar injected otherwise than now" in outdated.message
    assert injection(matched=3, injected=1, outdated=1, bare=2).reason == "NotInjected"


def test_pods_that_can_not_have_a_sidecar_are_told_with_the_reason() -> None:
    told = injection(matched=2, injected=1, unfit={SkipReason.HOST_NETWORK: 1})
    assert (told.status, told.reason) == (False, "NotInjected")
    assert "HostNetwork" in told.message


@pytest.mark.parametrize(
    ("situation", "remedy"),
    [
        ({"restarting": ("Deployment chat",)}, "being restarted"),
        ({"restarting": ("Deployment chat",), "webhook_ready": False}, "waits for the webhook"),
        ({"census": Census(matched=1, bare=1, in_vain=1)}, "has not helped"),
        ({"rollout": Rollout.MANUAL}, "rollout is Manual"),
        ({}, "only you can restart these"),
    ],
)
def test_the_condition_says_what_is_done_about_it_or_what_to_do(situation: dict[str, Any], remedy: str) -> None:
    whole = {"census": Census(matched=1, injected=1, outdated=1)} | situation
    assert remedy in of(ConditionType.INJECTION_UP_TO_DATE, **whole).message


def test_a_restart_under_way_is_reconciling_and_no_news_beside_its_own() -> None:
    census = Census(matched=1, injected=1, outdated=1)
    rolling: dict[str, Any] = {"census": census, "restarting": ("Deployment chat",)}
    assert state(ConditionType.RECONCILING, **rolling) == (True, "RollingOut")
    assert "Deployment chat" in of(ConditionType.RECONCILING, **rolling).message
    assert of(ConditionType.INJECTION_UP_TO_DATE, **rolling).quiet
    assert state(ConditionType.INJECTION_UP_TO_DATE, **rolling) == (False, "RollingOut")
    waiting = state(ConditionType.RECONCILING, **rolling, webhook_ready=False)
    assert waiting == (True, "WaitingForWebhook")


def test_a_route_counts_its_own_in_all_its_caches_and_no_other_routes() -> None:
    one = {"shop/chat|decision.exact_hit": 1.0, "shop/other|decision.fallback": 50.0, "shop/chat2|decision.error": 9.0}
    two = {"shop/chat|decision.semantic_hit": 2.0, "shop/chat|decision.fallback": 5.0, "shop/chat|decision.error": 2.0}
    told = figures(CHAT, [one, two])
    assert told["requests"] == 10
    assert told["decisionsPermille"] == {"exact": 100, "semantic": 200, "fallback": 500, "other": 200}
    assert told["localPermille"] == 300


def test_savings_are_decimals_in_money_watt_hours_and_grams() -> None:
    ledger = {
        "shop/chat|decision.exact_hit": 1.0,
        "shop/chat|cost.USD": 3.17651,
        "shop/chat|joules": 44640.0,
        "shop/chat|grams": -0.0059123,
    }
    assert figures(CHAT, [ledger])["saved"] == {
        "cost": "3.18",
        "currency": "USD",
        "energyWattHours": "12.4",
        "carbonGrams": "-0.00591",
    }


def test_money_of_two_currencies_is_not_added() -> None:
    ledger = {"shop/chat|decision.exact_hit": 1.0, "shop/chat|cost.USD": 1.0, "shop/chat|cost.EUR": -2.0}
    saved = figures(CHAT, [ledger])["saved"]
    assert (saved["cost"], saved["currency"]) == ("-2", "EUR")


def test_a_route_that_was_not_asked_has_no_shares() -> None:
    assert figures(CHAT, [{}]) == {"requests": 0}
    assert figures(CHAT, []) == {"requests": 0}


@pytest.mark.parametrize(
    ("amount", "written"),
    [(0.0, "0"), (12.449, "12.4"), (1234.5, "1230"), (0.000123456, "0.000123"), (-9.999, "-10"), (1e-9, "0.000000001")],
)
def test_an_amount_has_three_significant_digits_and_no_exponent(amount: float, written: str) -> None:
    assert decimal(amount) == written


DECISIONS = ("exact_hit", "semantic_hit", "fallback", "passthrough", "blocked", "error")


@given(st.dictionaries(st.sampled_from(DECISIONS), st.integers(0, 10**9), min_size=1))
def test_shares_always_sum_to_a_thousand_and_the_status_takes_them(counts: dict[str, int]) -> None:
    told = figures(CHAT, [{f"shop/chat|decision.{name}": float(count) for name, count in counts.items()}])
    ModelRouteStatus.model_validate(told)
    if sum(counts.values()):
        assert sum(told["decisionsPermille"].values()) == 1000
