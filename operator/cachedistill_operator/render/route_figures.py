"""What a ModelRoute has done and saved, from the ledgers that sidecars keep in Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from cachedistill_operator.api.group import Key

_JOULES_PER_WATT_HOUR = 3600
_EXACT, _SEMANTIC, _FALLBACK = "exact_hit", "semantic_hit", "fallback"
FIGURES = ("requests", "decisionsPermille", "localPermille", "saved")
"""The fields of a status that come from here."""


def figures(route: Key, ledgers: Iterable[Mapping[str, float]]) -> dict[str, Any]:
    """The figures of a status; `ledgers` are those of the caches that the route uses, which may know of others too."""
    sums: defaultdict[str, float] = defaultdict(float)
    for ledger in ledgers:
        for field, amount in ledger.items():
            owner, _, figure = field.partition("|")
            if owner == str(route):
                sums[figure] += amount
    decisions = {name.removeprefix("decision."): sums[name] for name in sums if name.startswith("decision.")}
    requests = round(sum(decisions.values()))
    if not requests:
        return {"requests": 0}
    shares = _permille(decisions)
    return {
        "requests": requests,
        "decisionsPermille": shares,
        "localPermille": shares["exact"] + shares["semantic"],
        "saved": _saved(sums),
    }


def decimal(amount: float) -> str:
    """Three significant digits, without exponent: status fields hold no floats."""
    if not amount:
        return "0"
    exact = Decimal(amount)
    rounded = round(exact, 2 - exact.adjusted())
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _permille(decisions: Mapping[str, float]) -> dict[str, int]:
    counts = {name: decisions.get(key, 0.0) for name, key in _SHARES.items()}
    total = sum(decisions.values())
    counts["other"] = total - sum(counts.values())
    shares = {name: int(count * 1000 / total) for name, count in counts.items()}
    # What rounding down has left goes to those that it took most from: the sum is 1000.
    by_loss = sorted(counts, key=lambda name: shares[name] - counts[name] * 1000 / total)
    for name in by_loss[: 1000 - sum(shares.values())]:
        shares[name] += 1
    return shares


_SHARES = {"exact": _EXACT, "semantic": _SEMANTIC, "fallback": _FALLBACK}


def _saved(sums: Mapping[str, float]) -> dict[str, str]:
    money = {name.removeprefix("cost."): amount for name, amount in sums.items() if name.startswith("cost.")}
    # Amounts of several currencies can't be added: the largest is told.
    currency = max(sorted(money), key=lambda name: abs(money[name]), default="USD")
    return {
        "cost": decimal(money.get(currency, 0.0)),
        "currency": currency,
        "energyWattHours": decimal(sums.get("joules", 0.0) / _JOULES_PER_WATT_HOUR),
        "carbonGrams": decimal(sums.get("grams", 0.0)),
    }
