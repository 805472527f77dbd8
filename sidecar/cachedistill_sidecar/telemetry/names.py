"""Every name that leaves the sidecar: span attributes, metrics, headers. The docs are generated from here.

`gen_ai.*` and `server.*` follow OpenTelemetry's GenAI semantic conventions (status Development; as of version 1.38).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class _Described(StrEnum):
    def __new__(cls, value: str, meaning: str) -> _Described:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    meaning: str


class Attribute(_Described):
    """Attributes of the root span, and what they say."""

    OPERATION = "gen_ai.operation.name", "chat, text_completion or embeddings"
    PROVIDER = "gen_ai.provider.name", "whose API the request speaks"
    REQUEST_MODEL = "gen_ai.request.model", "the model that the app asked for"
    SERVER_ADDRESS = "server.address", "host of the fallback that was asked, or would have been"
    SERVER_PORT = "server.port", "its port"
    MAX_TOKENS = "gen_ai.request.max_tokens", "as requested"
    TEMPERATURE = "gen_ai.request.temperature", "as requested"
    TOP_P = "gen_ai.request.top_p", "as requested"
    SEED = "gen_ai.request.seed", "as requested"
    STREAM = "gen_ai.request.stream", "whether a stream was asked for"
    RESPONSE_ID = "gen_ai.response.id", "id of the answer"
    RESPONSE_MODEL = "gen_ai.response.model", "the model that made the answer"
    FINISH_REASONS = "gen_ai.response.finish_reasons", "why the answer ended, in one vocabulary for all dialects"
    TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk", "seconds until the first byte of the body went out"
    INPUT_TOKENS = "gen_ai.usage.input_tokens", "billable input tokens; absent for a replay, which is not usage"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens", "billable output tokens; absent for a replay"
    CACHED_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens", "those of the input that the provider had cached"
    ERROR_TYPE = "error.type", "HTTP status of an answer >= 400, or the reason of decision `error`"
    DECISION = "cachedistill.decision", "which tier answered"
    REASON = "cachedistill.reason", "why"
    ROUTE = "cachedistill.route", "namespace/name of the route"
    RULE = "cachedistill.rule", "the rule that took the request"
    CACHE = "cachedistill.cache", "the cache that the rule uses"
    SIMILARITY = "cachedistill.similarity", "cosine similarity of the most similar stored request"
    PROBABILITY = "cachedistill.probability", "with which the stored answer that fits best is right, as far as is known"
    CUTOFF = "cachedistill.cutoff", "least probability at which it is served; absent: nothing is certified"
    VERIFYING = "cachedistill.verifying", "true when a fallback is asked afterwards whether the hit was right"
    CANDIDATES = "cachedistill.candidates", "how many stored requests were considered"
    ENTRY_AGE = "cachedistill.entry.age_seconds", "age of the stored answer that was served"
    FALLBACK = "cachedistill.fallback", "name of the fallback that answered"
    COST_ACTUAL = "cachedistill.cost.actual", "what the answer cost, in cachedistill.currency"
    COST_BASELINE = "cachedistill.cost.baseline", "what the fallback would have cost"
    CURRENCY = "cachedistill.currency", "ISO 4217 code"
    ENERGY_ACTUAL = "cachedistill.energy.actual_joules", "energy of the answer, the sidecar's own CPU included"
    ENERGY_BASELINE = "cachedistill.energy.baseline_joules", "energy that the fallback would have taken"
    CARBON_ACTUAL = "cachedistill.carbon.actual_grams", "grams of CO2 of the answer"
    CARBON_AVOIDED = "cachedistill.carbon.avoided_grams", "grams of CO2 less than the baseline; negative: more"
    ESTIMATED = "cachedistill.estimated", "whether tokens, price or energy are estimates of the built-in table"


class CandidateAttribute(_Described):
    """Attributes of a `candidate` event (with telemetry.detail)."""

    ENTRY = "cachedistill.entry", "id of the entry"
    SIMILARITY = "cachedistill.similarity", "its cosine similarity"
    BLOCKED_BY = "cachedistill.blocked_by", "why it may not answer; absent for the one that does"


class Step(_Described):
    """Child spans: steps of the path that took time."""

    EXACT = "recall.exact", "looking for the very same request in Redis"
    EMBED = "recall.embed", "turning the query into a vector"
    SEARCH = "recall.search", "looking for similar requests in Redis"
    ESCALATE = "escalate", "asking fallbacks, until the last byte (kind CLIENT)"
    VERIFY = "verify", "asking fallbacks once more, after the answer, to learn whether it was right (kind CLIENT)"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, unit, labels and meaning."""

    name: str
    unit: str
    labels: tuple[str, ...]
    meaning: str


DURATION = Metric(
    "gen_ai.client.operation.duration",
    "s",
    ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "cachedistill.decision"),
    "time from the request to the last byte of its answer",
)
TOKENS = Metric(
    "gen_ai.client.token.usage",
    "{token}",
    ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.token.type"),
    "billable tokens; replays are not usage",
)
FIRST_TOKEN = Metric(
    "gen_ai.server.time_to_first_token",
    "s",
    ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "cachedistill.decision"),
    "time from the request to the first byte of a streamed answer's body",
)
DECISIONS = Metric(
    "cachedistill.decisions", "{exchange}", ("decision", "reason", "route"), "exchanges by decision and reason"
)
PATH_DURATION = Metric("cachedistill.path.duration", "s", ("step",), "time that a step of the path took")
COST = Metric("cachedistill.cost", "{currency}", ("kind", "currency", "route"), "money; kind is actual or baseline")
ENERGY = Metric("cachedistill.energy", "J", ("kind", "route"), "energy; kind is actual or baseline")
CARBON = Metric("cachedistill.carbon", "g", ("kind", "route"), "grams of CO2; kind is actual or baseline")
CACHE_AVAILABLE = Metric("cachedistill.cache.available", "1", ("cache",), "1 while the cache's Redis answers, else 0")
NEAR_ENTRIES = Metric("cachedistill.cache.near_entries", "{entry}", ("cache",), "entries in the near cache")
NEAR_BYTES = Metric("cachedistill.cache.near_bytes", "By", ("cache",), "size of the near cache")
DROPPED = Metric(
    "cachedistill.cache.dropped_writes",
    "{entry}",
    ("cache", "cause"),
    "entries not written; cause is queue_full, unavailable, refused or too_large",
)
BUDGET_MEASURED = Metric(
    "cachedistill.error_budget.measured",
    "1",
    ("route", "rule"),
    "share of wrong answers among those by meaning that were verified; absent before there are any",
)
BUDGET_UPPER = Metric(
    "cachedistill.error_budget.upper", "1", ("route", "rule"), "upper bound of that share, at 90 % confidence"
)
BUDGET_ALLOWED = Metric(
    "cachedistill.error_budget.allowed", "1", ("route", "rule"), "the budget itself: the share that may be wrong"
)
BUDGET_CUTOFF = Metric(
    "cachedistill.error_budget.cutoff",
    "1",
    ("route", "rule"),
    "least probability of being right at which an answer is served; absent while nothing is certified",
)
BUDGET_LABELS = Metric(
    "cachedistill.error_budget.labels", "{label}", ("route", "rule"), "decisions whose outcome is known"
)
BUDGET_AT_RISK = Metric(
    "cachedistill.error_budget.at_risk",
    "1",
    ("route", "rule"),
    "1 when more was measured wrong than the budget allows, else 0",
)
ALIASES = Metric(
    "cachedistill.cache.aliases", "{entry}", ("route",), "fresh answers that said the same as a stored one"
)
VERIFICATIONS = Metric(
    "cachedistill.verifications",
    "{verification}",
    ("route", "verdict", "step"),
    "answers by meaning that were asked for again; verdict is same, different or undecided, by this step of the "
    "judge, or failed (no usable answer) or dropped (too many at a time)",
)
SUSPENDED = Metric("cachedistill.cache.suspended", "{entry}", ("cache",), "entries that are not served by meaning")
BROKEN_SEALS = Metric(
    "cachedistill.cache.broken_seals", "{record}", ("cache",), "records of the cache that its key didn't open"
)
ROUTE_LOADS = Metric("cachedistill.route.loads", "{load}", ("result",), "route documents read; ok or rejected")

METRICS = (
    DURATION,
    TOKENS,
    FIRST_TOKEN,
    DECISIONS,
    PATH_DURATION,
    COST,
    ENERGY,
    CARBON,
    CACHE_AVAILABLE,
    NEAR_ENTRIES,
    NEAR_BYTES,
    DROPPED,
    SUSPENDED,
    BROKEN_SEALS,
    ALIASES,
    VERIFICATIONS,
    BUDGET_MEASURED,
    BUDGET_UPPER,
    BUDGET_ALLOWED,
    BUDGET_CUTOFF,
    BUDGET_LABELS,
    BUDGET_AT_RISK,
    ROUTE_LOADS,
)

MAX_ERROR_HEADER = "x-cachedistill-max-error-permille"
"""On a request: a smaller error budget than the rule's."""


class Header(_Described):
    """Headers of every answer to a request of an LLM dialect."""

    DECISION = "x-cachedistill-decision", "which tier answered"
    REASON = "x-cachedistill-reason", "why"
    TRACE = "x-cachedistill-trace", "trace id, for the tracing backend and `cachedistill explain`"
    ENTRY = (
        "x-cachedistill-entry",
        "the entry that was served or that the answer is stored as, for feedback and removal",
    )
    SIMILARITY = "x-cachedistill-similarity", "on a semantic hit: its cosine similarity"
    PROBABILITY = "x-cachedistill-probability", "on a semantic hit: with which it is right, as far as is known"
    AGE = "age", "on a hit: the entry's age in seconds (RFC 9111)"
    DEBUG = "x-cachedistill-debug", "on requests that send x-cachedistill-debug: 1, the whole decision as JSON"
