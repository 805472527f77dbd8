"""Conclude: when client and flight are done with an exchange, its account, span, metrics and record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cachedistill_sidecar.decision import Decision
from cachedistill_sidecar.exchange import Usage
from cachedistill_sidecar.ledger.account import Account, account
from cachedistill_sidecar.route import model_at
from cachedistill_sidecar.telemetry.names import Attribute, CandidateAttribute

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange
    from cachedistill_sidecar.parts import Parts


def conclude(exchange: Exchange, parts: Parts) -> None:
    """Called when the client has its last byte, or is gone. Its own flight may go on for others: that is waited for."""
    ended = time.perf_counter()
    flight = exchange.flight
    if flight is not None and flight.owner is exchange and flight.task is not None and not flight.task.done():
        flight.task.add_done_callback(lambda _task: _close(exchange, parts, ended))
    else:
        _close(exchange, parts, ended)


def _close(exchange: Exchange, parts: Parts, ended: float) -> None:
    if exchange.answer is None and exchange.flight is not None:
        exchange.answer = exchange.flight.answer
    ledger = _account(exchange, parts, exchange.lap.stop())
    parts.metrics.record(exchange, ledger, ended - exchange.started)
    # What no cache has to do with is told by the first one: somebody must, or shares would be of the wrong whole.
    cache = exchange.cache or next(iter(parts.caches.values()), None)
    if cache is not None:
        cache.report.figures.add(exchange.route.name, exchange.decision, ledger)
    if exchange.trace.recording:
        exchange.trace.open(exchange.method, {})
        exchange.trace.end(_attributes(exchange, ledger), _events(exchange), _error(exchange))
    parts.records.add(exchange, ledger, ended - exchange.started)


def _account(exchange: Exchange, parts: Parts, cpu_seconds: float) -> Account | None:
    """The account; None where there is nothing to compare (passthrough, or no answer at all)."""
    if exchange.query is None or not exchange.fallbacks:
        return None
    would_have = exchange.fallbacks[0] if exchange.decision.is_hit or exchange.fallback is None else exchange.fallback
    usage = exchange.spent
    if usage is None:
        usage = exchange.answer.usage if exchange.answer is not None else Usage()
    model = exchange.query.model
    tariff = parts.route.tariff(would_have, model_at(would_have, model))
    return account(
        spent=exchange.spent,
        spent_tariff=tariff if exchange.spent is not None else None,
        baseline=usage,
        baseline_tariff=tariff,
        cpu_seconds=cpu_seconds,
        carbon=exchange.route.document.carbon.grams_per_kilowatt_hour,
    )


def _error(exchange: Exchange) -> str | None:
    if exchange.decision in (Decision.ERROR, Decision.BLOCKED):
        return str(exchange.reason)
    return str(exchange.status) if exchange.status >= 400 else None


def _attributes(exchange: Exchange, ledger: Account | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        Attribute.DECISION: exchange.decision,
        Attribute.REASON: exchange.reason,
        Attribute.ROUTE: exchange.route.name,
        Attribute.RULE: exchange.rule.name if exchange.rule is not None else None,
        Attribute.CACHE: exchange.cache.document.name if exchange.cache is not None else None,
        Attribute.FALLBACK: exchange.fallback.name if exchange.fallback is not None else None,
        Attribute.ERROR_TYPE: _error(exchange),
    }
    values |= _request(exchange) | _response(exchange) | _recalled(exchange)
    if ledger is not None:
        values |= _ledger(ledger)
    return values


def _request(exchange: Exchange) -> dict[str, Any]:
    query = exchange.query
    if query is None:
        return {}
    return {
        Attribute.MAX_TOKENS: query.max_tokens,
        Attribute.TEMPERATURE: query.temperature,
        Attribute.TOP_P: query.top_p,
        Attribute.SEED: query.seed,
        Attribute.STREAM: query.stream,
    }


def _response(exchange: Exchange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if exchange.first_byte is not None:
        values[Attribute.TIME_TO_FIRST_CHUNK] = exchange.first_byte - exchange.started
    if exchange.answer is not None:
        values[Attribute.RESPONSE_ID] = exchange.answer.id or None
        values[Attribute.RESPONSE_MODEL] = exchange.answer.model or None
        values[Attribute.FINISH_REASONS] = [str(exchange.answer.finish_reason)]
    if exchange.spent is not None:
        spent = exchange.spent
        values[Attribute.INPUT_TOKENS] = spent.input + spent.cached_input + spent.cache_write
        values[Attribute.OUTPUT_TOKENS] = spent.output
        values[Attribute.CACHED_INPUT_TOKENS] = spent.cached_input or None
    return values


def _recalled(exchange: Exchange) -> dict[str, Any]:
    values: dict[str, Any] = {Attribute.VERIFYING: exchange.verifying or None}
    if exchange.verdict is not None:
        values[Attribute.PROBABILITY] = exchange.verdict.probability
        values[Attribute.CUTOFF] = exchange.verdict.cutoff
        values[Attribute.CANDIDATES] = len(exchange.verdict.considered)
        if exchange.verdict.candidate is not None:
            values[Attribute.SIMILARITY] = exchange.verdict.candidate.similarity
    if exchange.entry is not None and exchange.cache is not None:
        values[Attribute.ENTRY_AGE] = exchange.cache.age(exchange.entry)
    return values


def _ledger(ledger: Account) -> dict[str, Any]:
    return {
        Attribute.COST_ACTUAL: ledger.cost_actual,
        Attribute.COST_BASELINE: ledger.cost_baseline,
        Attribute.CURRENCY: ledger.currency,
        Attribute.ENERGY_ACTUAL: ledger.energy_actual_joules,
        Attribute.ENERGY_BASELINE: ledger.energy_baseline_joules,
        Attribute.CARBON_ACTUAL: ledger.carbon_actual_grams,
        Attribute.CARBON_AVOIDED: ledger.carbon_avoided_grams,
        Attribute.ESTIMATED: ledger.estimated,
    }


def _events(exchange: Exchange) -> list[dict[str, Any]]:
    """One event a candidate, when the route asks for detail."""
    if exchange.verdict is None or not exchange.route.document.telemetry.detail:
        return []
    events = []
    for each in exchange.verdict.considered:
        event: dict[str, Any] = {
            str(CandidateAttribute.ENTRY): each.entry,
            str(CandidateAttribute.SIMILARITY): each.similarity,
        }
        if each.blocked_by is not None:
            event[str(CandidateAttribute.BLOCKED_BY)] = str(each.blocked_by)
        events.append(event)
    return events
