"""What walks the path: a query, its answer, and the exchange that holds both. Dialect-neutral throughout."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from cachedistill_sidecar.decision import Decision, Reason

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest

    from cachedistill_sidecar.cache.entry import Entry
    from cachedistill_sidecar.cache.live import LiveCache
    from cachedistill_sidecar.cache.semantic import Vector
    from cachedistill_sidecar.dialects import Dialect
    from cachedistill_sidecar.ledger.cpu import Lap
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.policy.acceptance import Verdict
    from cachedistill_sidecar.route import Route
    from cachedistill_sidecar.route_document import Fallback, Rule
    from cachedistill_sidecar.streaming.flight import Flight
    from cachedistill_sidecar.telemetry.spans import Trace


class Operation(StrEnum):
    """`gen_ai.operation.name` of OpenTelemetry's GenAI conventions."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"


class FinishReason(StrEnum):
    """Why an answer ended, in one vocabulary for all dialects."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Query:
    """One request, as far as the path needs to know it.

    `text` is the last user text, the part that may be compared by meaning; None when the last turn is not a user's
    text. `shape` is the canonical form of everything else that shapes the answer, except the model: two requests with
    equal model, shape and text must get the same answer.
    """

    operation: Operation
    model: str
    text: str | None
    shape: bytes
    later_turn: bool = False
    stream: bool = False
    include_usage: bool = True
    choices: int = 1
    logprobs: bool = False
    tools: bool = False
    text_only: bool = True
    server_state: bool = False
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, in the four buckets that providers bill; the first three add up to the whole prompt."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `extras` keeps what only the answer's own dialect knows, so that a replay loses nothing."""

    id: str
    model: str
    created: int
    text: str
    finish_reason: FinishReason
    usage: Usage = Usage()
    tool_calls: tuple[ToolCall, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict)

    def with_usage(self, usage: Usage) -> Answer:
        """The same answer with other token counts."""
        return replace(self, usage=usage)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A past query with a known answer: its entry's key, the group of entries with the same answer, the query's text,
    its cosine similarity in -1..1, and who asked it (see `path/principal.py`).

    `guess` is the group that its own neighbours spoke for when it was asked, empty when that isn't known; `at` is when
    it was answered, in seconds since the epoch.
    """

    entry: str
    group: str
    text: str
    similarity: float
    principal: str = ""
    guess: str = ""
    at: float = 0.0


@dataclass(slots=True)
class Exchange:
    """One request on its way along the path; each step adds what it found out.

    `reason` is the best explanation so far: guard and recall set why no stored answer may be served, a step that
    settles the exchange sets why it was answered as it was. Times are `time.perf_counter()` seconds.
    """

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    started: float
    route: Route
    trace: Trace
    lap: Lap
    origin: str | None = None
    """The host that an intercepted call is meant for; None where the app calls the sidecar itself."""
    unread: bool = True
    """Whether the request's body, or the rest of it, is still with the client."""
    body: bytes = b""
    dialect: Dialect | None = None
    document: dict[str, Any] | None = None
    query: Query | None = None
    rule: Rule | None = None
    fallbacks: tuple[Fallback, ...] = ()
    cache: LiveCache | None = None
    partition: bytes = b""
    key: str = ""
    """Where the exact entry is; set when an answer may be stored."""
    may_read: bool = False
    may_compare: bool = False
    max_age: float | None = None
    principal: str = ""
    """Who asks, as an opaque name (see `path/principal.py`)."""
    budget: int = 0
    """The most of the answers by meaning that may be wrong, in thousandths; 0: none by meaning."""
    vector: Vector | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    """What the search for the verdict found; None when there was none."""
    verdict: Verdict | None = None
    share: float = 0.0
    """The probability with which this hit was to be verified."""
    verifying: bool = False
    entry: Entry | None = None
    flight: Flight | None = None
    reason: Reason = Reason.COLD
    settled: bool = False
    fallback: Fallback | None = None
    status: int = 200
    spent: Usage | None = None
    answer: Answer | None = None
    first_byte: float | None = None
    error: str | None = None

    @classmethod
    def begin(cls, request: BaseRequest, parts: Parts) -> Self:
        """The exchange of a request that has just come in; its body is not read yet."""
        path, _, query_string = request.raw_path.partition("?")
        return cls(
            method=request.method,
            path=path,
            query_string=query_string,
            headers=request.headers,
            started=time.perf_counter(),
            route=parts.route,
            trace=parts.tracing.begin(request.headers),
            lap=parts.cpu.start(),
        )

    @property
    def decision(self) -> Decision:
        """Which tier answered, as far as it is known."""
        return self.reason.decision

    @property
    def model_label(self) -> str:
        """The requested model as a metric label; bounded, since the app may ask for anything."""
        return self.query.model[:64] if self.query is not None else ""

    def describe(self) -> dict[str, Any]:
        """The decision so far, as JSON: for the debug header, the admin port and `cachedistill explain`.

        Without a word of prompt or answer.
        """
        verdict = self.verdict
        return {
            "trace": self.trace.id,
            "decision": str(self.decision),
            "reason": str(self.reason),
            "meaning": self.reason.meaning,
            "route": self.route.name,
            "rule": None if self.rule is None else self.rule.name,
            "cache": None if self.cache is None else self.cache.document.name,
            "dialect": None if self.dialect is None else self.dialect.name,
            "model": self.model_label,
            "entry": self.entry.key if self.entry is not None else self.key,
            "fallback": None if self.fallback is None else self.fallback.name,
            "status": self.status,
            "error": self.error,
            "budget": self.budget,
            "cutoff": None if verdict is None else verdict.cutoff,
            "probability": None if verdict is None else verdict.probability,
            "group": None if verdict is None or verdict.candidate is None else verdict.candidate.group,
            "verification": "drawn" if self.verifying else None,
            "candidates": [
                {
                    "entry": each.entry,
                    "similarity": round(each.similarity, 4),
                    "blocked_by": None if each.blocked_by is None else str(each.blocked_by),
                }
                for each in (verdict.considered if verdict is not None else ())
            ],
            "steps_ms": {step: round(seconds * 1000, 3) for step, seconds in self.trace.seconds.items()},
        }

    def settle(self, reason: Reason) -> None:
        """End the search for an answer."""
        self.reason = reason
        self.settled = True
