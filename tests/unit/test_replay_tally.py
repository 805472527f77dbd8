"""What a replay adds up to."""

from __future__ import annotations

import pytest

from cachedistill_sidecar.cli.replay.sending import Outcome
from cachedistill_sidecar.cli.replay.tally import Sums, Tally, quantile


def outcome(line: int, decision: str, seconds: float, error: str | None = None) -> Outcome:
    return Outcome(line, 200, decision, "cold", "trace", seconds, error)


def ledger(actual: float, baseline: float, currency: str = "USD") -> dict[str, object]:
    return {
        "cost_actual": actual,
        "cost_baseline": baseline,
        "energy_actual_joules": 3600 * actual,
        "energy_baseline_joules": 3600 * baseline,
        "carbon_actual_grams": actual,
        "carbon_avoided_grams": baseline - actual,
        "currency": currency,
        "estimated": False,
    }


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (1.0, 100), (0.0, 1)])
def test_a_quantile_is_a_value_that_occurred(share: float, value: int) -> None:
    assert quantile(list(range(100, 0, -1)), share) == value


def test_each_decision_has_its_share_and_latencies() -> None:
    tally = Tally()
    for line, (decision, seconds) in enumerate([("fallback", 0.3), ("exact_hit", 0.1), ("fallback", 0.2)]):
        tally.add(outcome(line, decision, seconds))
    assert [(row.decision, row.count, row.share, row.p50, row.p95) for row in tally.rows()] == [
        ("fallback", 2, 2 / 3, 0.2, 0.3),
        ("exact_hit", 1, 1 / 3, 0.1, 0.1),
    ]


def test_errors_are_told_with_their_first_line() -> None:
    tally = Tally()
    for line in (9, 4):
        tally.add(outcome(line, "error", 0.1, "status 500"))
    assert tally.errors() == [("status 500", 2, 4)]


def test_money_of_two_currencies_is_not_mixed() -> None:
    sums = Sums()
    for account in (ledger(1, 4), ledger(1, 4), ledger(3, 3, "EUR")):
        sums.add(account)
    assert list(sums.sentences()) == [
        "money   2 USD, always asking the fallback 8 USD, 75% less",
        "money   3 EUR, always asking the fallback 3 EUR",
        "energy  5 Wh, always asking the fallback 11 Wh, 55% less",
        "carbon  5 g CO2, always asking the fallback 11 g CO2, 55% less",
    ]
