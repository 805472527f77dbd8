"""What a replay adds up to: shares and latencies by decision, and the sums of the accounts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cachedistill_sidecar.cli.replay.sending import Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """One decision's part: `share` of all in 0..1, latencies in seconds."""

    decision: str
    count: int
    share: float
    p50: float
    p95: float


@dataclass(slots=True)
class Tally:
    """The outcomes so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    _seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.outcomes.append(outcome)
        self._seconds[outcome.decision].append(outcome.seconds)

    def rows(self) -> list[Row]:
        """One row a decision, the most frequent first."""
        return [
            Row(decision, len(took), len(took) / len(self.outcomes), quantile(took, 0.5), quantile(took, 0.95))
            for decision, took in sorted(self._seconds.items(), key=lambda item: -len(item[1]))
        ]

    def reasons(self, decision: str) -> list[tuple[str, int]]:
        """How often each reason was behind a decision, the most frequent first."""
        return Counter(each.reason for each in self.outcomes if each.decision == decision).most_common()

    def errors(self) -> list[tuple[str, int, int]]:
        """Each kind of failure, how often it came, and the first line that it came for."""
        lines: defaultdict[str, list[int]] = defaultdict(list)
        for each in self.outcomes:
            if each.error is not None:
                lines[each.error].append(each.line)
        return [(error, len(where), min(where)) for error, where in lines.items()]


@dataclass(slots=True)
class Sums:
    """The accounts of a replay, added up by currency. Joules and grams of CO2; `accounts` says of how many requests."""

    accounts: int = 0
    estimated: bool = False
    money: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By currency: actual, baseline."""
    joules: tuple[float, float] = (0.0, 0.0)
    grams: tuple[float, float] = (0.0, 0.0)

    def add(self, ledger: dict[str, Any]) -> None:
        """Add the account of one decision, as the admin port gives it."""
        self.accounts += 1
        self.estimated = self.estimated or ledger["estimated"]
        spent, baseline = self.money.get(ledger["currency"], (0.0, 0.0))
        self.money[ledger["currency"]] = (spent + ledger["cost_actual"], baseline + ledger["cost_baseline"])
        actual = ledger["carbon_actual_grams"]
        self.joules = _plus(self.joules, ledger["energy_actual_joules"], ledger["energy_baseline_joules"])
        self.grams = _plus(self.grams, actual, actual + ledger["carbon_avoided_grams"])

    def sentences(self) -> Iterable[str]:
        """What it took, against always asking the fallback."""
        for currency, (spent, baseline) in self.money.items():
            yield f"money   {_against(spent, baseline, currency)}"
        yield f"energy  {_against(self.joules[0] / 3600, self.joules[1] / 3600, 'Wh')}"
        yield f"carbon  {_against(*self.grams, 'g CO2')}"
        if self.estimated:
            yield "Tokens, prices or energy are partly estimates of the built-in table."


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share of all values doesn't exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _plus(sums: tuple[float, float], actual: float, baseline: float) -> tuple[float, float]:
    return sums[0] + actual, sums[1] + baseline


def _against(actual: float, baseline: float, unit: str) -> str:
    saved = f", {1 - actual / baseline:.0%} less" if 0 < actual < baseline or (baseline > 0 and actual == 0) else ""
    return f"{actual:.4g} {unit}, always asking the fallback {baseline:.4g} {unit}{saved}"
