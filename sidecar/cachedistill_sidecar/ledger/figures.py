"""What exchanges add up to, by route: how often each decision fell, and what was saved."""

from __future__ import annotations

from cachedistill_sidecar.decision import Decision
from cachedistill_sidecar.ledger.account import Account


class Figures:
    """Sums since they were last taken. Adding costs a few dict entries, since every exchange does it."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str], float] = {}

    def add(self, route: str, decision: Decision | None, account: Account | None) -> None:
        """Count one exchange of a route (`namespace/name`). Saved is baseline less actual: below zero for a miss.

        `decision` is None for what was spent beside the exchanges.
        """
        if decision is not None:
            self._plus((route, "decision.", decision), 1)
        if account is not None:
            self._plus((route, "cost.", account.currency), account.cost_baseline - account.cost_actual)
            self._plus((route, "joules", ""), account.energy_baseline_joules - account.energy_actual_joules)
            self._plus((route, "grams", ""), account.carbon_avoided_grams)

    def take(self) -> dict[str, float]:
        """All sums, which are zero from now on, as `<route>|<figure>`.

        Figures: `decision.<decision>` (whole numbers), `cost.<currency>`, `joules`, `grams` (of CO2).
        """
        sums, self._sums = self._sums, {}
        return {f"{route}|{figure}{of}": amount for (route, figure, of), amount in sums.items() if amount}

    def give_back(self, taken: dict[str, float]) -> None:
        """Add to the sums what was taken, for the next time."""
        for field, amount in taken.items():
            route, _, figure = field.partition("|")
            name, dot, of = figure.partition(".")
            self._plus((route, name + dot, of), amount)

    def _plus(self, key: tuple[str, str, str], amount: float) -> None:
        self._sums[key] = self._sums.get(key, 0) + amount
