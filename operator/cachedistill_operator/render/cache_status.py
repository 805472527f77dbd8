"""A SemanticCache's status: conditions and figures, out of what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.conditions import ConditionType, Wanted
from cachedistill_operator.render import budget
from cachedistill_operator.render.budget import BudgetedRule, Report
from cachedistill_operator.render.index_job import JobState
from cachedistill_operator.render.redis_index import Plan
from cachedistill_operator.render.redis_quantity import from_bytes, to_bytes

# An idle Redis' memory moves with its clients' buffers: what moves less than this is not worth a write.
_SAME_MEMORY, _SAME_ENTRIES = 0.05, 0.01
_MEMORY_STEP = 512 * 1024
_KEPT = ("entries", "bytes", "hitPermille", "wrongHitPermille", "endpoint", "embedding")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why Redis can't be used. `passing`: it will be, by itself; `stuck`: not before somebody changes something."""

    reason: CacheReason
    message: str
    passing: bool = False
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What Redis tells: bytes in use, entries (None: not counted), the ledger's sums (see `decisions`), and summaries
    of budgets by their fields (see `budget`)."""

    used_bytes: int
    entries: int | None
    ledger: Mapping[str, float]
    summaries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """The world as far as it is in the status, `at` some Unix time. Without `trouble`, `figures` is there; `plan` is,
    if there is a query engine, and `job` when an index is being built. `rules` compare queries by meaning."""

    model: str
    endpoint: str | None = None
    trouble: Trouble | None = None
    figures: Figures | None = None
    plan: Plan | None = None
    job: JobState | None = None
    storage_problem: str | None = None
    pod_problem: str | None = None
    routes: int = 0
    rules: tuple[BudgetedRule, ...] = ()
    at: float = 0.0

    def reports(self) -> tuple[Report, ...]:
        """How the budgets stand; none when Redis can't be asked."""
        return budget.reports(self.rules, self.figures.summaries, self.at) if self.figures is not None else ()


def first() -> list[Wanted]:
    """The conditions of a resource that was just seen: the real ones take some calls."""
    message = "seen, and being worked on"
    return [
        Wanted(ConditionType.READY, None, CacheReason.PROGRESSING, message),
        Wanted(ConditionType.RECONCILING, True, CacheReason.PROGRESSING, message),
        Wanted(ConditionType.STALLED, False, CacheReason.PROGRESSING, message),
    ]


def stalled(reason: CacheReason, message: str) -> list[Wanted]:
    """The conditions of a resource that can't be worked on at all."""
    return [
        Wanted(ConditionType.READY, False, reason, message),
        Wanted(ConditionType.RECONCILING, False, reason, message),
        Wanted(ConditionType.STALLED, True, reason, message),
    ]


def conditions(seen: Seen) -> list[Wanted]:
    """All conditions."""
    redis, index = _redis(seen), _index(seen)
    return [redis, index, _certified(seen), _ready(seen, redis, index), _reconciling(redis, index), _stalled(seen)]


def figures(seen: Seen, before: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of the status; what can't be had now stays, and so does what has hardly changed."""
    kept = {name: before.get(name) for name in _KEPT}
    if seen.endpoint is not None:
        kept["endpoint"] = seen.endpoint
    if seen.figures is not None:
        kept["entries"] = _entries(seen.figures.entries, before.get("entries"))
        kept["bytes"] = _memory(seen.figures.used_bytes, before.get("bytes"))
        kept["hitPermille"] = hit_permille(seen.figures.ledger)
        kept["wrongHitPermille"] = budget.wrong_hits(seen.reports(), before.get("wrongHitPermille"))
    if seen.plan is not None:
        embedding = {"model": seen.plan.model} | ({"index": seen.plan.index} if seen.plan.index else {})
        kept["embedding"] = embedding
    return {**kept, "routes": seen.routes}


def decisions(ledger: Mapping[str, float]) -> dict[str, float]:
    """How often each decision fell, over all routes, out of the fields `<namespace>/<route>|decision.<decision>`."""
    counts: dict[str, float] = {}
    for name, amount in ledger.items():
        figure = name.rpartition("|")[2]
        if figure.startswith("decision."):
            decision = figure.removeprefix("decision.")
            counts[decision] = counts.get(decision, 0) + amount
    return counts


def hit_permille(ledger: Mapping[str, float]) -> int | None:
    """The share of hits among the exchanges that a hit or a fallback answered; None before there are any."""
    counts = decisions(ledger)
    hits = counts.get("exact_hit", 0) + counts.get("semantic_hit", 0)
    all_of_them = hits + counts.get("fallback", 0)
    return round(1000 * hits / all_of_them) if all_of_them else None


def _redis(seen: Seen) -> Wanted:
    trouble = seen.trouble
    if trouble is None:
        return Wanted(ConditionType.REDIS_READY, True, CacheReason.CONNECTED, f"{seen.endpoint} answers")
    if trouble.passing and seen.pod_problem is not None:
        return Wanted(ConditionType.REDIS_READY, False, CacheReason.POD_FAILING, seen.pod_problem)
    return Wanted(ConditionType.REDIS_READY, False, trouble.reason, trouble.message, quiet=trouble.passing)


def _index(seen: Seen) -> Wanted:
    kind = ConditionType.INDEX_READY
    if seen.trouble is not None:
        return Wanted(kind, None, CacheReason.WAITING_FOR_REDIS, CacheReason.WAITING_FOR_REDIS.meaning)
    if seen.plan is None:
        return Wanted(kind, False, CacheReason.NO_QUERY_ENGINE, CacheReason.NO_QUERY_ENGINE.meaning)
    if not seen.plan.build:
        return Wanted(kind, True, CacheReason.INDEX_COMPLETE, f"{seen.plan.index} holds the queries under {seen.model}")
    job = f"Job {seen.job.name}" if seen.job is not None else "a Job"
    if seen.job is not None and seen.job.failure is not None:
        return Wanted(kind, False, CacheReason.BUILD_FAILED, f"{job} for {seen.model}: {seen.job.failure}")
    if seen.pod_problem is not None:
        return Wanted(kind, False, CacheReason.BUILD_FAILED, f"{job} for {seen.model}: {seen.pod_problem}")
    if seen.plan.index is not None:
        message = f"{job} builds the index of {seen.model}; that of {seen.plan.model} serves until then"
        return Wanted(kind, False, CacheReason.MIGRATING, message, quiet=True)
    return Wanted(kind, False, CacheReason.BUILDING, f"{job} builds the index of {seen.model}", quiet=True)


def _certified(seen: Seen) -> Wanted:
    if seen.rules and seen.figures is None:
        reason = CacheReason.WAITING_FOR_REDIS
        return Wanted(ConditionType.CERTIFIED, None, reason, reason.meaning, quiet=True)
    return budget.condition(seen.reports())


def _ready(seen: Seen, redis: Wanted, index: Wanted) -> Wanted:
    serves = index.status or index.reason == CacheReason.MIGRATING
    if redis.status and serves:
        message = f"{seen.endpoint} answers, queries are compared under {seen.plan.model if seen.plan else seen.model}"
        return Wanted(ConditionType.READY, True, CacheReason.READY, message)
    worst = index if redis.status else redis
    # RedisReady or IndexReady tells of it by an Event; a second one would say the same.
    return Wanted(ConditionType.READY, False, worst.reason, worst.message, quiet=True)


def _reconciling(redis: Wanted, index: Wanted) -> Wanted:
    for each in (redis, index):
        if each.reason in (CacheReason.STARTING, CacheReason.BUILDING, CacheReason.MIGRATING):
            return Wanted(ConditionType.RECONCILING, True, each.reason, each.message)
    return Wanted(ConditionType.RECONCILING, False, CacheReason.NOTHING_TO_DO, CacheReason.NOTHING_TO_DO.meaning)


def _stalled(seen: Seen) -> Wanted:
    if seen.trouble is not None and seen.trouble.stuck:
        return Wanted(ConditionType.STALLED, True, seen.trouble.reason, seen.trouble.message)
    if seen.storage_problem is not None:
        return Wanted(ConditionType.STALLED, True, CacheReason.STORAGE_UNCHANGED, seen.storage_problem)
    return Wanted(ConditionType.STALLED, False, CacheReason.NOTHING_TO_DO, CacheReason.NOTHING_TO_DO.meaning)


def _entries(now: int | None, before: int | None) -> int | None:
    if now is None or (before and now and abs(now - before) <= _SAME_ENTRIES * before):
        return before
    return now


def _memory(now: int, before: str | None) -> str:
    if before is not None:
        known = to_bytes(before)
        if abs(now - known) <= max(_SAME_MEMORY * known, _MEMORY_STEP):
            return before
    return from_bytes(now)
