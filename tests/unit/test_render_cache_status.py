"""What a SemanticCache's status says of what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.conditions import Wanted
from cachedistill_operator.api.group import Key
from cachedistill_operator.render.budget import BudgetedRule
from cachedistill_operator.render.cache_status import Figures, Seen, Trouble, conditions, figures, hit_permille
from cachedistill_operator.render.index_job import JobState, state
from cachedistill_operator.render.redis_index import Plan
from cachedistill_operator.render.redis_pod import last_words, trouble

GOOD = Seen("A", "redis:6379", figures=Figures(2**20, 3, {}), plan=Plan("A", "a"), routes=2)
AWAY = Seen("A", "redis:6379", trouble=Trouble(CacheReason.UNREACHABLE, "no route to host"))
STARTING = Seen("A", "redis:6379", trouble=Trouble(CacheReason.STARTING, "no pod yet", passing=True))
BUILDING = replace(GOOD, plan=Plan("A", None, build=True), job=JobState("support-index-1"))
MIGRATING = replace(GOOD, model="B", plan=Plan("A", "a", build=True), job=JobState("support-index-2"))
FAILED = replace(BUILDING, job=JobState("support-index-1", datetime(2026, 1, 1, tzinfo=UTC), "no such model"))


def words(seen: Seen) -> dict[str, tuple[str, str]]:
    """Conditions by type: status and reason."""
    return {str(each.type): (each.word, str(each.reason)) for each in conditions(seen)}


def condition(seen: Seen, kind: str) -> Wanted:
    (found,) = (each for each in conditions(seen) if each.type == kind)
    return found


@pytest.mark.parametrize(
    ("seen", "ready", "redis", "index", "reconciling", "stalled"),
    [
        (GOOD, "True", "True", "True", "False", "False"),
        (AWAY, "False", "False", "Unknown", "False", "False"),
        (STARTING, "False", "False", "Unknown", "True", "False"),
        (BUILDING, "False", "True", "False", "True", "False"),
        (MIGRATING, "True", "True", "False", "True", "False"),
        (FAILED, "False", "True", "False", "False", "False"),
        (replace(GOOD, plan=None), "False", "True", "False", "False", "False"),
        (replace(GOOD, storage_problem="too small"), "True", "True", "True", "False", "True"),
        (
            replace(AWAY, trouble=Trouble(CacheReason.SECRET_NOT_FOUND, "no Secret", stuck=True)),
            "False",
            "False",
            "Unknown",
            "False",
            "True",
        ),
    ],
)
def test_each_condition_follows_from_what_was_seen(
    seen: Seen, ready: str, redis: str, index: str, reconciling: str, stalled: str
) -> None:
    told = {kind: word for kind, (word, _) in words(seen).items()}
    assert told == {
        "Certified": "True",
        "Ready": ready,
        "RedisReady": redis,
        "IndexReady": index,
        "Reconciling": reconciling,
        "Stalled": stalled,
    }


def test_ready_gives_the_reason_of_what_is_wrong() -> None:
    assert words(AWAY)["Ready"] == ("False", "Unreachable")
    assert words(BUILDING)["Ready"] == ("False", "Building")
    assert words(replace(GOOD, plan=None))["Ready"] == ("False", "NoQueryEngine")


def test_what_passes_by_itself_makes_no_event_and_what_is_wrong_makes_one() -> None:
    assert [str(each.type) for each in conditions(STARTING) if not each.quiet and each.status is False] == ["Stalled"]
    assert not condition(AWAY, "RedisReady").quiet
    assert not condition(FAILED, "IndexReady").quiet
    assert condition(BUILDING, "IndexReady").quiet
    assert condition(MIGRATING, "IndexReady").quiet


def test_a_pod_that_can_not_run_is_no_start_under_way() -> None:
    seen = replace(STARTING, pod_problem="pod support-redis-0: ImagePullBackOff: not found")
    assert words(seen)["RedisReady"] == ("False", "PodFailing")
    assert not condition(seen, "RedisReady").quiet
    assert words(seen)["Reconciling"][0] == "False"


def test_a_failed_job_tells_why() -> None:
    assert "no such model" in condition(FAILED, "IndexReady").message
    stuck = replace(BUILDING, pod_problem="pod x can't be scheduled: no room")
    assert "no room" in condition(stuck, "IndexReady").message


def test_figures_that_can_not_be_had_stay() -> None:
    before = {
        "entries": 5,
        "bytes": "1.0Mi",
        "hitPermille": 10,
        "wrongHitPermille": {"budget": 10, "labels": 5, "since": "2026-01-01T00:00:00Z"},
        "endpoint": "old:1",
        "embedding": {"model": "A"},
    }
    assert figures(AWAY, before) == {**before, "endpoint": "redis:6379", "routes": 0}


def test_ready_does_not_wait_for_labels_since_exact_hits_serve() -> None:
    learning = replace(GOOD, rules=(BudgetedRule(Key("shop", "chat"), "all", 10),))
    assert words(learning)["Certified"] == ("False", "NotEnoughLabels")
    assert words(learning)["Ready"] == ("True", "Ready")
    assert words(learning)["Reconciling"][0] == "False"


def test_whether_budgets_are_kept_is_not_known_while_redis_is_away_and_no_event_says_so() -> None:
    rules = (BudgetedRule(Key("shop", "chat"), "all", 10),)
    assert words(replace(AWAY, rules=rules))["Certified"] == ("Unknown", "WaitingForRedis")
    assert condition(replace(AWAY, rules=rules), "Certified").quiet
    assert words(AWAY)["Certified"] == ("True", "NothingToCertify")


def test_an_idle_redis_gives_no_cause_to_write() -> None:
    before = {"entries": 20_000, "bytes": "40Mi"}
    seen = replace(GOOD, figures=Figures(41 * 2**20, 19_900, {}))
    told = figures(seen, before)
    assert (told["entries"], told["bytes"]) == (20_000, "40Mi")
    assert figures(replace(GOOD, figures=Figures(50 * 2**20, 10_000, {})), before)["bytes"] == "50Mi"


@pytest.mark.parametrize(("before", "now", "told"), [(0, 1, 1), (3, 4, 4), (10, 0, 0), (None, 0, 0), (7, None, 7)])
def test_few_entries_are_told_exactly(before: int | None, now: int | None, told: int | None) -> None:
    assert figures(replace(GOOD, figures=Figures(1, now, {})), {"entries": before})["entries"] == told


def test_the_embedding_is_the_one_in_use_not_the_one_that_is_wanted() -> None:
    assert figures(MIGRATING, {})["embedding"] == {"model": "A", "index": "a"}
    assert figures(BUILDING, {})["embedding"] == {"model": "A"}


def test_hits_are_counted_over_all_routes_and_against_fallbacks_alone() -> None:
    ledger = {
        "shop/chat|decision.exact_hit": 1.0,
        "shop/chat|decision.semantic_hit": 2.0,
        "team/x|decision.semantic_hit": 3.0,
        "team/x|decision.fallback": 4.0,
        "team/x|decision.passthrough": 50.0,
        "team/x|cost.USD": 7.0,
    }
    assert hit_permille(ledger) == 600
    assert hit_permille({"team/x|decision.passthrough": 1.0}) is None


def job(**condition: str) -> dict[str, Any]:
    conditions = [{"status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", **condition}] if condition else []
    return {"metadata": {"name": "j"}, "status": {"conditions": conditions}}


def test_a_job_has_ended_when_it_is_complete_or_failed() -> None:
    ended = datetime(2026, 1, 1, tzinfo=UTC)
    assert state(job()) == JobState("j")
    assert state(job(type="FailureTarget")) == JobState("j")
    assert state(job(type="Complete")) == JobState("j", ended)
    assert state(job(type="Failed", message="gave up")) == JobState("j", ended, "gave up")


def pod(state: dict[str, Any] | None = None, **scheduled: str) -> dict[str, Any]:
    conditions = [{"type": "PodScheduled", **scheduled}] if scheduled else []
    containers = [{"name": "redis", "state": state}] if state else []
    return {"metadata": {"name": "p"}, "status": {"conditions": conditions, "containerStatuses": containers}}


def test_a_pod_that_is_on_its_way_is_in_no_trouble() -> None:
    assert trouble([pod(), pod({"waiting": {"reason": "ContainerCreating"}}), pod({"running": {}})]) is None


def test_a_pod_in_trouble_says_what_it_is() -> None:
    assert trouble([pod(status="False", message="0/3 nodes")]) == "pod p can't be scheduled: 0/3 nodes"
    waiting = pod({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})
    assert trouble([waiting]) == "pod p: ImagePullBackOff: not found"


def test_the_last_words_are_the_last_line_of_the_newest_failure() -> None:
    def ended(code: int, at: str, message: str) -> dict[str, Any]:
        return pod({"terminated": {"exitCode": code, "finishedAt": at, "message": message}})

    pods = [ended(1, "2026-01-01", "old"), ended(1, "2026-01-02", "Traceback\nno such model\n"), ended(0, "2027", "ok")]
    assert last_words(pods) == "no such model"
    assert last_words([ended(0, "2027", "ok")]) is None
