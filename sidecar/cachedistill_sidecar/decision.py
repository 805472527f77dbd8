"""The closed lists of what can happen to an exchange, and why.

The same words stand in spans, metrics, headers, `cachedistill explain` and the docs, which are generated from here.
"""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """Which tier answered an exchange."""

    def __new__(cls, value: str, meaning: str) -> Decision:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    meaning: str

    EXACT_HIT = "exact_hit", "answered by a stored answer to the very same request"
    SEMANTIC_HIT = "semantic_hit", "answered by a stored answer to a request that asks the same in other words"
    FALLBACK = "fallback", "answered by a fallback: a provider or a model behind HTTP"
    PASSTHROUGH = "passthrough", "sent on byte for byte, without being looked at"
    BLOCKED = "blocked", "refused by CacheDistill itself; no fallback was asked"
    ERROR = "error", "no answer could be had"

    @property
    def is_hit(self) -> bool:
        """Whether a stored answer was served and no fallback was asked."""
        return self in (Decision.EXACT_HIT, Decision.SEMANTIC_HIT)


class Reason(StrEnum):
    """Why the decision fell as it did."""

    def __new__(cls, value: str, decision: Decision, meaning: str) -> Reason:
        member = str.__new__(cls, value)
        member._value_ = value
        member.decision = decision
        member.meaning = meaning
        return member

    decision: Decision
    meaning: str

    # exact_hit
    NEAR = "near", Decision.EXACT_HIT, "found in the sidecar's own memory"
    STORED = "stored", Decision.EXACT_HIT, "found in Redis"
    COALESCED = "coalesced", Decision.EXACT_HIT, "the same request was already on its way; both got its answer"
    # semantic_hit
    SIMILAR = "similar", Decision.SEMANTIC_HIT, "a stored request means the same, as far as the route's policy can tell"
    # fallback: looked for, and not found
    COLD = "cold", Decision.FALLBACK, "nothing comparable is stored yet"
    UNCERTIFIED = "uncertified", Decision.FALLBACK, "too little is known yet to keep the error budget: exact hits only"
    BELOW_CONFIDENCE = "below_confidence", Decision.FALLBACK, "the known answer is not certain enough for the budget"
    BUDGET_SPENT = (
        "budget_spent",
        Decision.FALLBACK,
        "certain enough as a rule, but of late so many uncertain answers were served that the budget has no room",
    )
    SUSPENDED = "suspended", Decision.FALLBACK, "the stored answer was found wrong, and is not served by meaning"
    UNSHARED = "unshared", Decision.FALLBACK, "too few principals got this answer for it to be served to others"
    GUARD_NUMBER = "guard_number", Decision.FALLBACK, "the most similar stored request has other numbers"
    GUARD_IDENTIFIER = "guard_identifier", Decision.FALLBACK, "the most similar stored request has other identifiers"
    GUARD_NEGATION = "guard_negation", Decision.FALLBACK, "the most similar stored request negates or reverses this one"
    TOO_LONG = "too_long", Decision.FALLBACK, "no exact entry, and too long for the embedder's window"
    STALE = "stale", Decision.FALLBACK, "the stored answer is older than the request's max-age"
    CACHE_UNAVAILABLE = "cache_unavailable", Decision.FALLBACK, "Redis did not answer in time"
    EMBEDDER_UNAVAILABLE = "embedder_unavailable", Decision.FALLBACK, "no exact entry, and no embedder is loaded"
    EMBEDDER_BUSY = "embedder_busy", Decision.FALLBACK, "no exact entry, and too many queries wait for the embedder"
    # fallback: not looked for
    NO_CACHE = "no_cache", Decision.FALLBACK, "no rule of the route caches it"
    OPTED_OUT = "opted_out", Decision.FALLBACK, "the request says cache-control: no-store"
    REFRESH = "refresh", Decision.FALLBACK, "the request says cache-control: no-cache; its answer is stored afresh"
    NO_TENANT = "no_tenant", Decision.FALLBACK, "the cache is kept per tenant or user, and the request names none"
    CHOICES = "choices", Decision.FALLBACK, "more than one choice is asked for"
    LOGPROBS = "logprobs", Decision.FALLBACK, "log-probabilities are asked for"
    TOOLS = "tools", Decision.FALLBACK, "the request offers tools, and the route does not cache tool calls"
    MODALITY = "modality", Decision.FALLBACK, "an answer other than text is asked for"
    TEMPERATURE = "temperature", Decision.FALLBACK, "the temperature is above the route's limit"
    SERVER_STATE = "server_state", Decision.FALLBACK, "the answer depends on state that the provider keeps"
    CONVERSATION = "conversation", Decision.FALLBACK, "a later turn, and the route does not cache conversations"
    TIME_BOUND = "time_bound", Decision.FALLBACK, "the wording asks for something that changes with time"
    # passthrough
    NOT_LLM = "not_llm", Decision.PASSTHROUGH, "not a path of an LLM dialect"
    NOT_UNDERSTOOD = (
        "not_understood",
        Decision.PASSTHROUGH,
        "the body is not what the dialect says; the provider judges",
    )
    BODY_TOO_LARGE = "body_too_large", Decision.PASSTHROUGH, "the body is larger than what is looked at"
    NOT_ROUTED = (
        "not_routed",
        Decision.PASSTHROUGH,
        "intercepted, and no rule has a fallback for it; sent to the host that it was meant for",
    )
    INTERNAL_ERROR = "internal_error", Decision.PASSTHROUGH, "something in CacheDistill failed"
    # blocked
    MALFORMED_HTTP = "malformed_http", Decision.BLOCKED, "not HTTP that could be sent on"
    MISDIRECTED = "misdirected", Decision.BLOCKED, "its Host header names no host that is intercepted"
    SLOW_CLIENT = "slow_client", Decision.BLOCKED, "the client took too long to send its request"
    # error
    NO_FALLBACK = "no_fallback", Decision.ERROR, "the route has no fallback that speaks the request's dialect"
    UNREACHABLE = "unreachable", Decision.ERROR, "no fallback could be reached, or it hung up before answering"
    TIMEOUT = "timeout", Decision.ERROR, "the fallback did not answer within the route's limits"
    CUT = "cut", Decision.ERROR, "the fallback's answer broke off"
    CLIENT_GONE = "client_gone", Decision.ERROR, "the client hung up before the answer ended"
