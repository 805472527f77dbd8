"""All that a route learns with one cache: which entries are suspended, the model, and who judges answers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cachedistill_sidecar.learning.allowance import Allowance
from cachedistill_sidecar.learning.fallback_judge import FallbackJudge
from cachedistill_sidecar.learning.judge import Judge
from cachedistill_sidecar.learning.spending import Spending
from cachedistill_sidecar.learning.suspensions import Suspensions

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.live import LiveCache
    from cachedistill_sidecar.exchange import Usage
    from cachedistill_sidecar.fallback.client import FallbackClient
    from cachedistill_sidecar.learning.learner import Learner
    from cachedistill_sidecar.ledger.account import Account
    from cachedistill_sidecar.route import Route
    from cachedistill_sidecar.route_document import Fallback, Rule

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Of one route and one cache. Where the cache has no embedder, nobody judges and nothing is learnt."""

    route: str
    cache: LiveCache
    suspensions: Suspensions
    learner: Learner | None
    judges: Mapping[str, Judge]
    """By rule."""

    async def start(self) -> None:
        """Returns at once; what is known already is read in the background."""
        await self.suspensions.start()
        if self.learner is not None:
            await self.learner.start()

    async def close(self) -> None:
        """Send what waits. To be done before the cache is closed."""
        if self.learner is not None:
            await self.learner.close()
        await self.suspensions.close()


class Lessons:
    """Makes the lessons of a route. `tell` hears what judges cost."""

    def __init__(self, fallbacks: FallbackClient, rng: random.Random, tell: Callable[[Account], None]) -> None:
        self._fallbacks = fallbacks
        self._rng = rng
        self._tell = tell

    async def next(
        self, route: Route, caches: Mapping[str, LiveCache], before: Mapping[str, Lesson]
    ) -> dict[str, Lesson]:
        """The lessons of a route by cache; those of caches that stay go on."""
        lessons = {}
        for name, cache in caches.items():
            rules = [rule for rule in route.document.rules if _budget(rule, name) is not None]
            judges = {} if cache.embedder is None else {rule.name: self._judge(rule, cache, route) for rule in rules}
            kept = before.get(name)
            if kept is not None and kept.cache is cache and kept.route == route.name:
                lessons[name] = replace(kept, judges=judges)
                if kept.learner is not None:
                    kept.learner.adopt(_budgets(rules, name))
                continue
            suspensions = Suspensions(cache.store, cache.seal, cache.document.ttl_seconds, cache.near.discard)
            learner = None if cache.embedder is None else _learner(cache, route.name, _budgets(rules, name))
            lessons[name] = Lesson(route.name, cache, suspensions, learner, judges)
            await lessons[name].start()
        return lessons

    def _judge(self, rule: Rule, cache: LiveCache, route: Route) -> Judge:
        assert cache.embedder is not None
        settings = rule.cache.semantic.judge if rule.cache is not None and rule.cache.semantic is not None else None
        if settings is None:
            return Judge(cache.embedder, None, self._rng)
        fallback = next(each for each in route.document.fallbacks if each.name == settings.fallback)
        allowance = Allowance(cache.store, route.name, rule.name, settings.requests_per_hour)
        spending = Spending(cache.report.figures, route)

        def spend(fallback: Fallback, model: str, usage: Usage) -> None:
            self._tell(spending(fallback, model, usage))

        return Judge(cache.embedder, FallbackJudge(self._fallbacks, fallback, settings, allowance, spend), self._rng)


def _learner(cache: LiveCache, route: str, budgets: Mapping[str, int]) -> Learner | None:
    # Imported here: only a sidecar with an embedder is to pay for numerical packages.
    from cachedistill_sidecar.learning.learner import Learner
    from cachedistill_sidecar.policy.prior import PriorDamaged

    try:
        return Learner(cache.store, cache.seal, route, budgets)
    except PriorDamaged as error:
        log.error("no hits by meaning from cache %s: %s", cache.document.name, error)
        return None


def _budgets(rules: list[Rule], cache: str) -> dict[str, int]:
    found = {rule.name: _budget(rule, cache) for rule in rules}
    return {name: permille for name, permille in found.items() if permille is not None}


def _budget(rule: Rule, cache: str) -> int | None:
    """The rule's error budget, if it answers by meaning out of this cache."""
    if rule.cache is None or rule.cache.ref != cache or rule.cache.semantic is None:
        return None
    return rule.cache.semantic.max_error_permille or None
