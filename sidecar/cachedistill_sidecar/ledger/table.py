"""The built-in table: what well-known models cost, and about how much energy they take.

Prices change: a route's own price always goes first, and each row says which page it was read from, and when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

TOKENS_PER_INFERENCE = 1000

_FOUNDING = "founding table: {watts:g} W x {seconds:g} s an inference, read as 1,000 tokens; an estimate"


@dataclass(frozen=True, slots=True)
class EnergyRow:
    """Energy of one model: `watts` drawn for `seconds` by one inference.

    One inference is read as 1,000 tokens, because the table's price column counts per 1,000 tokens. So joules per
    token = watts x seconds / 1,000, the same for input and output: an estimate, high for input.
    """

    profile: str
    models: tuple[str, ...]
    watts: float
    seconds: float

    @property
    def joules_per_token(self) -> float:
        """Joules per token, input or output."""
        return self.watts * self.seconds / TOKENS_PER_INFERENCE

    @property
    def source(self) -> str:
        """Where the numbers come from, as a sentence for the ledger."""
        return f"{self.profile}, " + _FOUNDING.format(watts=self.watts, seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Prices of one model in USD per million tokens.

    `cached_input` and `cache_write` are the provider's prompt cache (the five-minute one at Anthropic; OpenAI bills
    writing as input). `profile` names the energy row used as an estimate: providers publish no energy, so a large
    model is read as LLaMA-65B, a small one as LLaMA-13B, the smallest and embedders as LLaMA-7B.
    """

    models: tuple[str, ...]
    input: float
    cached_input: float
    cache_write: float
    output: float
    profile: str
    source: str


ENERGY: tuple[EnergyRow, ...] = (
    EnergyRow("LLaMA-7B", ("*llama*[-:]7b*",), 100, 5),
    EnergyRow("LLaMA-13B", ("*llama*[-:]13b*",), 150, 6),
    EnergyRow("LLaMA-30B", ("*llama*[-:]30b*",), 250, 8),
    EnergyRow("LLaMA-65B", ("*llama*[-:]65b*",), 400, 10),
    EnergyRow("GPT-J-6B", ("*gpt-j-6b*", "*gpt-j:6b*"), 90, 5),
    EnergyRow("GPT-NeoX-20B", ("*gpt-neox-20b*", "*gpt-neox:20b*"), 200, 7),
    EnergyRow("DeepSeek-R1-7B", ("*deepseek-r1*[-:]7b*",), 100, 5),
    EnergyRow("DeepSeek-R1-32B", ("*deepseek-r1*[-:]32b*",), 250, 8),
    EnergyRow("Qwen-7B", ("*qwen*[-:]7b*",), 90, 5),
    EnergyRow("Qwen-14B", ("*qwen*[-:]14b*",), 150, 6),
    EnergyRow("Qwen-72B", ("*qwen*[-:]72b*",), 400, 10),
)

_OPENAI = "OpenAI API pricing, standard tier, as recorded in March 2026"
_EMBEDDINGS = "OpenAI, New embedding models and API updates, January 25, 2024"
_CLAUDE = "Anthropic, Claude API docs: Pricing, as of 2026"
_CLAUDE_OLD = "Anthropic, Claude API docs: Pricing, as of 2025"


def _openai(model: str, input: float, cached: float, output: float, profile: str, source: str = _OPENAI) -> PriceRow:
    # A snapshot is the name with a date. A plain "gpt-4o*" would take in audio and realtime models, priced otherwise.
    return PriceRow((model, f"{model}-20*"), input, cached, input, output, profile, source)


def _claude(models: tuple[str, ...], input: float, output: float, profile: str, source: str = _CLAUDE) -> PriceRow:
    # The page's own multipliers: a five-minute write is 1.25 x input, a read 0.1 x input.
    return PriceRow(models, input, round(input * 0.1, 4), round(input * 1.25, 4), output, profile, source)


PRICES: tuple[PriceRow, ...] = (
    _openai("gpt-4o", 2.5, 1.25, 10, "LLaMA-65B"),
    PriceRow(("gpt-4o-2024-05-13",), 5, 5, 5, 15, "LLaMA-65B", "OpenAI API pricing, as recorded in June 2025"),
    _openai("gpt-4o-mini", 0.15, 0.075, 0.6, "LLaMA-7B"),
    _openai("gpt-4.1", 2, 0.5, 8, "LLaMA-65B"),
    _openai("gpt-4.1-mini", 0.4, 0.1, 1.6, "LLaMA-13B"),
    _openai("gpt-4.1-nano", 0.1, 0.025, 0.4, "LLaMA-7B"),
    _openai("gpt-5", 1.25, 0.125, 10, "LLaMA-65B"),
    _openai("gpt-5-mini", 0.25, 0.025, 2, "LLaMA-13B"),
    _openai("gpt-5-nano", 0.05, 0.005, 0.4, "LLaMA-7B"),
    _openai("gpt-5.1", 1.25, 0.125, 10, "LLaMA-65B"),
    _openai("gpt-5.2", 1.75, 0.175, 14, "LLaMA-65B"),
    _openai("gpt-5.4", 2.5, 0.25, 15, "LLaMA-65B"),
    _openai("gpt-5.4-mini", 0.75, 0.075, 4.5, "LLaMA-13B"),
    _openai("gpt-5.4-nano", 0.2, 0.02, 1.25, "LLaMA-7B"),
    _openai("o3", 2, 0.5, 8, "LLaMA-65B"),
    _openai("o3-mini", 1.1, 0.55, 4.4, "LLaMA-13B"),
    _openai("o4-mini", 1.1, 0.275, 4.4, "LLaMA-13B"),
    _openai("text-embedding-3-small", 0.02, 0.02, 0, "LLaMA-7B", _EMBEDDINGS),
    _openai("text-embedding-3-large", 0.13, 0.13, 0, "LLaMA-7B", _EMBEDDINGS),
    PriceRow(("claude-opus-5-5*",), 4, 0.2, 5, 20, "LLaMA-65B", "Anthropic, Claude API docs: Claude Opus 5.5, 2026"),
    _claude(("claude-opus-5", "claude-opus-5-20*", "claude-opus-4-[5-8]*"), 5, 25, "LLaMA-65B"),
    _claude(("claude-opus-4-1*", "claude-opus-4-0", "claude-opus-4-2025*"), 15, 75, "LLaMA-65B"),
    _claude(("claude-sonnet-5", "claude-sonnet-5-20*"), 2, 10, "LLaMA-65B"),
    _claude(("claude-sonnet-4-[56]*", "claude-sonnet-4-0", "claude-sonnet-4-2025*"), 3, 15, "LLaMA-65B"),
    _claude(("claude-3-7-sonnet-*",), 3, 15, "LLaMA-65B"),
    _claude(("claude-3-5-sonnet-*",), 3, 15, "LLaMA-65B", _CLAUDE_OLD),
    _claude(("claude-haiku-4-5*",), 1, 5, "LLaMA-13B"),
    _claude(("claude-3-5-haiku-*",), 0.8, 4, "LLaMA-13B"),
    _claude(("claude-3-opus-*",), 15, 75, "LLaMA-65B"),
    # Rounded by its provider, not by the multipliers.
    PriceRow(("claude-3-haiku-*",), 0.25, 0.03, 0.3, 1.25, "LLaMA-7B", _CLAUDE),
)

_PROFILES = {row.profile.lower(): row for row in ENERGY}


def _longest(globs: Iterable[str], model: str) -> int:
    return max((len(glob) for glob in globs if fnmatchcase(model, glob)), default=0)


@lru_cache(maxsize=1024)
def price_row(model: str) -> PriceRow | None:
    """The price row of a model's name as the provider knows it; the longest glob that matches wins."""
    name = model.lower()
    row = max(PRICES, key=lambda row: _longest(row.models, name))
    return row if _longest(row.models, name) else None


@lru_cache(maxsize=1024)
def energy_row(model: str) -> EnergyRow | None:
    """The energy row of a model: by its own name, or else the one its price row names as an estimate."""
    name = model.lower()
    row = max(ENERGY, key=lambda row: _longest(row.models, name))
    if _longest(row.models, name):
        return row
    price = price_row(model)
    return None if price is None else _PROFILES[price.profile.lower()]


def energy_profile(name: str) -> EnergyRow | None:
    """The energy row of that name, such as LLaMA-7B; upper and lower case are the same."""
    return _PROFILES.get(name.lower())
