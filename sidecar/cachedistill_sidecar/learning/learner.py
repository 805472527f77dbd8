"""What one route has learnt with one cache: the fold of its events, and the model that follows from it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.rounds import Rounds
from cachedistill_sidecar.cache.store import StoreUnavailable
from cachedistill_sidecar.learning.calls import lastly
from cachedistill_sidecar.learning.events import Events
from cachedistill_sidecar.learning.summary import Summary
from cachedistill_sidecar.policy.account import Account
from cachedistill_sidecar.policy.error_budget import Evidence, Model, Standing, learn
from cachedistill_sidecar.policy.labels import Event, Label, Traffic

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.seal import Seal
    from cachedistill_sidecar.cache.store import Store

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_REPORT_SECONDS = 5.0
_FIT_SECONDS = 5.0
_FIT_LABELS = 20
# So fitting takes a twentieth of a core at most, however many labels come.
_REST = 20.0


class Learner:
    """Reads the events of all sidecars, and fits the model to them. While Redis is away, the model stays as it is.

    `rules` are the route's rules that answer by meaning out of this cache, each with its budget in permille.
    """

    def __init__(self, store: Store, seal: Seal, route: str, rules: Mapping[str, int]) -> None:
        self.events = Events(store, seal, route)
        self._summary = Summary(store, route)
        self._rules = dict(rules)
        self._evidence = Evidence()
        self.model: Model = learn(self._evidence, self._budgets)
        """The model in use; replaced as a whole. Before anything is read, it is that of no evidence."""
        self._traffic: dict[tuple[str, str], Traffic] = {}
        self._accounts: dict[int, Account] = {}
        self._reported = time.monotonic()
        self._read_to_the_end = False
        self._unfitted = 0
        """Events, and whatever else, that the model doesn't know yet; and of those, labels:"""
        self._unfitted_labels = 0
        self._fit_after = self._fit_before = 0.0
        self._rounds = Rounds()
        self._problem: str | None = None

    async def start(self) -> None:
        """Learn from now on; what is known already is read in the background."""
        self._rounds.start(self._work())

    async def close(self, seconds: float = 3.0) -> None:
        """Stop, and send what waits, in at most so long."""
        await self._rounds.end()
        self._report()
        await lastly(self.events.send(), seconds)

    def adopt(self, rules: Mapping[str, int]) -> None:
        """Take the rules of a new route document."""
        if dict(rules) != self._rules:
            self._rules = dict(rules)
            self._unfitted += 1

    def record(self, event: Event) -> None:
        """Tell all sidecars, this one too, of what was learnt. Doesn't wait."""
        self.events.record(event)

    def account(self, permille: int) -> Account:
        """What a budget has left in this sidecar."""
        return self._accounts.setdefault(permille, Account(permille / 1000))

    def served(self, rule: str, tier: str, probability: float, permille: int) -> None:
        """Count an answer without a fallback, which was right with this probability as far as was known, and book it on
        the budget that it was served under."""
        self.account(permille).spend(self.model.risk(probability))
        known = self._traffic.get((rule, tier), Traffic(0.0, rule, tier, 0, 0.0))
        wrong = known.expected_wrong + 1.0 - probability
        self._traffic[rule, tier] = replace(known, served=known.served + 1, expected_wrong=wrong)

    def standings(self) -> dict[str, Standing]:
        """How each rule stands, by the model in use."""
        return {rule: self.model.standing(permille) for rule, permille in self._rules.items()}

    async def turn(self) -> bool:
        """Send, read, fit and sum up, each if there is anything to do; whether Redis was there for it."""
        async with self._rounds.under_way:
            there = True
            try:
                if time.monotonic() - self._reported >= _REPORT_SECONDS and not self.events.waiting:
                    self._report()
                await self.events.send()
                await self._read()
            except StoreUnavailable as error:
                there = False
                self._tell(error)
            if self._due():
                await self._fit()
            if self._read_to_the_end and not self._unfitted_labels:
                with contextlib.suppress(StoreUnavailable):
                    await self._summary.tell(self._rules, self.standings(), self.events.since)
            return there

    @property
    def _budgets(self) -> list[int]:
        return sorted(set(self._rules.values()))

    def _report(self) -> None:
        """Traffic is gathered for as long as nothing can be sent: labels that wait are worth more."""
        for traffic in self._traffic.values():
            self.events.record(replace(traffic, at=time.time()))
        self._traffic.clear()
        self._reported = time.monotonic()

    async def _read(self) -> None:
        while True:
            batch = await self.events.read()
            if batch.anew:
                self._evidence = Evidence()
                self._read_to_the_end = False
                self._unfitted, self._unfitted_labels, self._fit_before = 1, 0, 0.0
            for event in batch.events:
                self._evidence.add(event)
            self._unfitted += len(batch.events)
            self._unfitted_labels += sum(isinstance(event, Label) for event in batch.events)
            if not batch.more:
                self._read_to_the_end = True
                return
            # Let the path go on in between.
            await asyncio.sleep(0)

    def _due(self) -> bool:
        now = time.monotonic()
        if not self._unfitted or not self._read_to_the_end or now < self._fit_after:
            return False
        return self._unfitted_labels >= _FIT_LABELS or now >= self._fit_before

    async def _fit(self) -> None:
        begun = time.monotonic()
        evidence, budgets = self._evidence.frozen(), self._budgets
        self._unfitted = self._unfitted_labels = 0
        self.model = await asyncio.to_thread(learn, evidence, budgets)
        ended = time.monotonic()
        self._fit_after, self._fit_before = ended + _REST * (ended - begun), ended + _FIT_SECONDS

    async def _work(self) -> None:
        while True:
            try:
                if await self.turn():
                    self._problem = None
            except Exception as error:
                if repr(error) != self._problem:
                    log.exception("what was learnt in %s can't be used; the model stays as it is", self.events.stream)
                self._problem = repr(error)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _tell(self, error: StoreUnavailable) -> None:
        problem = str(error)
        if problem != self._problem:
            log.warning("%s can't be read or written, and nothing new is learnt: %s", self.events.stream, problem)
        self._problem = problem
