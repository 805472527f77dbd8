"""What a token costs at a fallback: the route's word first, then the built-in table, then nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cachedistill_sidecar.exchange import Usage
from cachedistill_sidecar.ledger import table
from cachedistill_sidecar.route_document import Energy, Fallback, Price

ROUTE = "route"
UNKNOWN = "unknown"
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Tariff:
    """Money and joules per token. Each source is "route", "unknown" (all zeros), or a sentence that says whence."""

    model: str
    input: float
    cached_input: float
    cache_write: float
    output: float
    input_joules: float
    output_joules: float
    currency: str
    price_source: str
    energy_source: str

    @property
    def declared(self) -> bool:
        """Whether both price and energy are the route's own, not an estimate of the built-in table."""
        return self.price_source == ROUTE == self.energy_source

    def cost(self, usage: Usage) -> float:
        """Money for these tokens, in `currency`."""
        return (
            usage.input * self.input
            + usage.cached_input * self.cached_input
            + usage.cache_write * self.cache_write
            + usage.output * self.output
        )

    def joules(self, usage: Usage) -> float:
        """Joules for these tokens. Cached input counts none: its prompt state is reused, not computed again."""
        return (usage.input + usage.cache_write) * self.input_joules + usage.output * self.output_joules


@lru_cache(maxsize=1024)
def tariff(fallback: Fallback, model: str) -> Tariff:
    """The tariff of `model`, the name as it is sent to `fallback`.

    Remembered per fallback as a whole, not by its name alone: a route that is loaded anew may bring new prices.
    """
    currency, source, prices = _prices(fallback.price, model)
    energy_source, joules = _joules(fallback.energy, model)
    return Tariff(model, *prices, *joules, currency, source, energy_source)


def _prices(price: Price | None, model: str) -> tuple[str, str, tuple[float, float, float, float]]:
    if price is not None:
        cached, write = price.cached_input_per_million, price.cache_write_per_million
        texts = (price.input_per_million, cached, write, price.output_per_million)
        amounts = [float(price.input_per_million if text is None else text) / _MILLION for text in texts]
        return price.currency, ROUTE, (amounts[0], amounts[1], amounts[2], amounts[3])
    row = table.price_row(model)
    if row is None:
        return "USD", UNKNOWN, (0.0, 0.0, 0.0, 0.0)
    buckets = (row.input / _MILLION, row.cached_input / _MILLION, row.cache_write / _MILLION, row.output / _MILLION)
    return "USD", row.source, buckets


def _joules(energy: Energy | None, model: str) -> tuple[str, tuple[float, float]]:
    if energy is not None and energy.input_joules_per_token is not None and energy.output_joules_per_token is not None:
        return ROUTE, (float(energy.input_joules_per_token), float(energy.output_joules_per_token))
    profile = None if energy is None else energy.profile
    row = table.energy_row(model) if profile is None else table.energy_profile(profile)
    if row is None:
        return UNKNOWN, (0.0, 0.0)
    return row.source, (row.joules_per_token, row.joules_per_token)
