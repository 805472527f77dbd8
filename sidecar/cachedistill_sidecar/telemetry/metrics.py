"""Metrics of the path: OpenTelemetry instruments, read by Prometheus on the admin port and by OTLP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

from cachedistill_sidecar.telemetry import names

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.live import LiveCache
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.learning.lesson import Lesson
    from cachedistill_sidecar.ledger.account import Account
    from cachedistill_sidecar.policy.error_budget import Standing
    from cachedistill_sidecar.telemetry.names import Metric

# Bounds of the GenAI conventions, with finer ones below: a hit takes less than a millisecond.
_SECONDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    40.96,
    81.92,
)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)


class Totals:
    """A counter that costs one dict entry to add to, and is read when somebody collects.

    An OpenTelemetry counter takes 5 microseconds an addition; a request adds to ten of them.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, amount: float, *labels: str) -> None:
        """Add to the series with these label values, in the order of the metric's labels."""
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def observe(self, _options: CallbackOptions) -> Iterable[Observation]:
        """All series."""
        for labels, value in list(self._values.items()):
            yield Observation(value, dict(zip(self.metric.labels, labels, strict=True)))


class Metrics:
    """The sidecar's instruments. `lessons` gives what is learnt with the caches that are live now."""

    def __init__(
        self, readers: list[MetricReader], resource: Resource, lessons: Callable[[], Iterable[Lesson]]
    ) -> None:
        # Exemplars would cost a tenth of each record, and Prometheus' text format has no place for them.
        self.provider = MeterProvider(readers, resource, exemplar_filter=AlwaysOffExemplarFilter())
        self._meter = self.provider.get_meter("cachedistill")
        self._lessons = lessons
        self._decisions, self._cost = self._totals(names.DECISIONS), self._totals(names.COST)
        self._energy, self._carbon = self._totals(names.ENERGY), self._totals(names.CARBON)
        self.route_loads = self._totals(names.ROUTE_LOADS)
        self.aliases, self.verifications = self._totals(names.ALIASES), self._totals(names.VERIFICATIONS)
        self._duration = self._histogram(names.DURATION, _SECONDS)
        self._first_token = self._histogram(names.FIRST_TOKEN, _SECONDS)
        self._path_duration = self._histogram(names.PATH_DURATION, _SECONDS)
        self._tokens = self._histogram(names.TOKENS, _TOKENS)
        self._gauge(names.CACHE_AVAILABLE, lambda cache: {(): float(cache.store.available)})
        self._gauge(names.NEAR_ENTRIES, lambda cache: {(): float(len(cache.near))})
        self._gauge(names.NEAR_BYTES, lambda cache: {(): float(cache.near.bytes)})
        self._gauge(names.DROPPED, lambda cache: {(cause,): float(n) for cause, n in cache.writer.drops.items()})

        self._gauge(names.BROKEN_SEALS, lambda cache: {(): float(cache.seal.broken)})
        self._budget(names.BUDGET_MEASURED, lambda standing: standing.measured)
        self._budget(names.BUDGET_UPPER, lambda standing: standing.upper)
        self._budget(names.BUDGET_ALLOWED, lambda standing: standing.budget)
        self._budget(names.BUDGET_CUTOFF, lambda standing: standing.cutoff)
        self._budget(names.BUDGET_LABELS, lambda standing: float(standing.labels))
        self._budget(names.BUDGET_AT_RISK, lambda standing: float(standing.at_risk))
        self._meter.create_observable_gauge(
            names.SUSPENDED.name, [self._suspended], names.SUSPENDED.unit, names.SUSPENDED.meaning
        )

    def record(self, exchange: Exchange, account: Account | None, seconds: float) -> None:
        """Count one exchange that has ended."""
        route = exchange.route.name
        decision = str(exchange.decision)
        self._decisions.add(1, decision, str(exchange.reason), route)
        for step, took in exchange.trace.seconds.items():
            self._path_duration.record(took, {"step": step})
        if exchange.dialect is None or exchange.query is None:
            return
        labels = {
            "gen_ai.operation.name": str(exchange.query.operation),
            "gen_ai.provider.name": exchange.dialect.gen_ai_provider,
            "gen_ai.request.model": exchange.model_label,
        }
        decided = {**labels, "cachedistill.decision": decision}
        self._duration.record(seconds, decided)
        if exchange.query.stream and exchange.first_byte is not None:
            self._first_token.record(exchange.first_byte - exchange.started, decided)
        if exchange.spent is not None:
            prompt = exchange.spent.input + exchange.spent.cached_input + exchange.spent.cache_write
            self._tokens.record(prompt, {**labels, "gen_ai.token.type": "input"})
            self._tokens.record(exchange.spent.output, {**labels, "gen_ai.token.type": "output"})
        if account is not None:
            self.spend(route, account)

    def spend(self, route: str, account: Account) -> None:
        """Count what an exchange came to, or what was spent beside the exchanges."""
        self._cost.add(account.cost_actual, "actual", account.currency, route)
        self._cost.add(account.cost_baseline, "baseline", account.currency, route)
        self._energy.add(account.energy_actual_joules, "actual", route)
        self._energy.add(account.energy_baseline_joules, "baseline", route)
        self._carbon.add(account.carbon_actual_grams, "actual", route)
        self._carbon.add(account.carbon_actual_grams + account.carbon_avoided_grams, "baseline", route)

    def _suspended(self, _options: CallbackOptions) -> Iterable[Observation]:
        for lesson in self._lessons():
            yield Observation(len(lesson.suspensions.suspended), {"cache": lesson.cache.document.name})

    def _budget(self, metric: Metric, read: Callable[[Standing], float | None]) -> None:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            for lesson in self._lessons():
                for rule, standing in lesson.learner.standings().items() if lesson.learner is not None else ():
                    if (value := read(standing)) is not None:
                        yield Observation(value, {"route": lesson.route, "rule": rule})

        self._meter.create_observable_gauge(metric.name, [observe], metric.unit, metric.meaning)

    def _totals(self, metric: Metric) -> Totals:
        totals = Totals(metric)
        self._meter.create_observable_counter(metric.name, [totals.observe], metric.unit, metric.meaning)
        return totals

    def _histogram(self, metric: Metric, bounds: tuple[float, ...]):  # type: ignore[no-untyped-def]
        return self._meter.create_histogram(
            metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=list(bounds)
        )

    def _gauge(self, metric: Metric, read: Callable[[LiveCache], dict[tuple[str, ...], float]]) -> None:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            for lesson in self._lessons():
                for rest, value in read(lesson.cache).items():
                    labels = (lesson.cache.document.name, *rest)
                    yield Observation(value, dict(zip(metric.labels, labels, strict=True)))

        counts = metric in (names.DROPPED, names.BROKEN_SEALS)
        create = self._meter.create_observable_counter if counts else self._meter.create_observable_gauge
        create(metric.name, [observe], metric.unit, metric.meaning)
