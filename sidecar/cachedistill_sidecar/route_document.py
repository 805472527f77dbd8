"""The route document: the only contract between the operator and the sidecar.

One JSON document per ModelRoute with everything resolved: endpoints, prices, paths of mounted secrets. The same
document drives `cachedistill run --route FILE`. An unknown field is an error, not silence.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from cachedistill_sidecar.redis_url import RedisUrl


class RouteError(ValueError):
    """A route document that can't be used; the message names each wrong field and what it takes."""


class Provider(StrEnum):
    """Whose API an endpoint speaks."""

    OPENAI = "OpenAI"
    ANTHROPIC = "Anthropic"
    AZURE_OPENAI = "AzureOpenAI"
    OLLAMA = "Ollama"


JUDGE_DIALECTS = (Provider.OPENAI, Provider.ANTHROPIC)


class Scope(StrEnum):
    """How far an entry of a cache may be shared."""

    NAMESPACE = "Namespace"
    TENANT = "Tenant"
    USER = "User"


class Conversations(StrEnum):
    """What is cached of later turns."""

    OFF = "Off"
    FIRST_TURN = "FirstTurn"
    SAME_HISTORY = "SameHistory"


class ToolCalls(StrEnum):
    """What is cached of requests that offer tools."""

    NEVER = "Never"
    EXACT = "Exact"


class OnDisconnect(StrEnum):
    """What becomes of a fallback's answer when nobody waits for it any more."""

    CANCEL = "Cancel"
    FINISH = "Finish"


class FailurePolicy(StrEnum):
    """What happens to a call when CacheDistill itself fails."""

    PASS_THROUGH = "PassThrough"
    FAIL = "Fail"


def _endpoint(url: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", url):
        raise ValueError("must be an http:// or https:// URL without query, such as https://api.openai.com")
    return url.rstrip("/")


def _redis(url: str) -> str:
    return RedisUrl.parse(url).text


def _only_with_tls(url: str) -> None:
    if not RedisUrl.parse(url).tls:
        raise ValueError("caFile goes with a rediss:// URL only (or rediss+sentinel://, rediss+cluster://)")


Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
HeaderName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9-]{1,128}$")]
Glob = Annotated[str, Field(max_length=256)]
Decimal = Annotated[str, Field(max_length=19, pattern=r"^\d{1,9}(\.\d{1,9})?$", examples=["2.50"])]
Permille = Annotated[int, Field(ge=0, le=1000)]
Seconds = Annotated[int, Field(ge=1, le=86400)]


class Part(BaseModel):
    """A part of the document: camelCase in JSON, strict about types and unknown fields, immutable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True)


class Redis(Part):
    """Where a cache's entries live."""

    url: Annotated[str, AfterValidator(_redis)] | None = Field(
        None, description="redis://, rediss://, unix://, redis[s]+sentinel:// or redis[s]+cluster:// URL"
    )
    url_file: str | None = Field(None, description="file that holds the URL, for one with a password")
    ca_file: str | None = Field(None, description="PEM file with the CA of a server that speaks TLS")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("exactly one of url and urlFile must be set")
        if self.ca_file is not None and self.url is not None:
            _only_with_tls(self.url)
        return self

    def resolve(self) -> str:
        """The URL. Raises RouteError when its file can't be read or holds no Redis URL."""
        if self.url is not None:
            return self.url
        try:
            url = _redis(Path(str(self.url_file)).read_text("utf8").strip())
            if self.ca_file is not None:
                _only_with_tls(url)
        except (OSError, ValueError) as error:
            raise RouteError(f"redis.urlFile: {error}") from error
        return url


class Embedding(Part):
    """The model that turns queries into vectors."""

    model: str = Field(
        "bge-small-en-v1.5",
        min_length=1,
        description="a built-in name, or the path of a folder with model.onnx and tokenizer.json",
    )


class StreamReplay(Part):
    """How a stored answer is streamed."""

    chunk_tokens: int = Field(16, ge=1, le=4096, description="words or marks a chunk")
    delay_milliseconds: int = Field(0, ge=0, le=1000, description="pause between two chunks")


class Poisoning(Part):
    """What keeps a wrong answer that somebody planted from reaching others."""

    minimum_agreeing_principals: int = Field(
        1,
        ge=1,
        le=16,
        description="so many different askers must have got the same answer before it serves anybody else by meaning",
    )


class Cache(Part):
    """One semantic cache (a SemanticCache, resolved)."""

    name: Name
    redis: Redis
    embedding: Embedding = Embedding()
    scope: Scope = Field(Scope.NAMESPACE, strict=False, description="how far an entry may be shared")
    tenant_header: HeaderName | None = Field(None, description="request header that names the tenant")
    user_header: HeaderName | None = Field(None, description="request header that names the user")
    ttl_seconds: int = Field(86400, ge=1, le=31536000, description="how long an entry lives")
    max_entry_bytes: int = Field(262144, ge=1024, le=16777216, description="largest answer that is stored")
    near_bytes: int = Field(16777216, ge=0, le=1073741824, description="size of the sidecar's own near cache; 0: none")
    stream_replay: StreamReplay = StreamReplay()
    poisoning: Poisoning = Poisoning()
    seal_file: str | None = Field(
        None,
        description="file with keys of 32 bytes in base64, one a line, that entries are sealed with: what was stored "
        "without any of them is not read; the first key seals, all of them open",
    )
    encryption_file: str | None = Field(
        None, description="file with keys of the same form: entries are encrypted with them, which seals them too"
    )

    @model_validator(mode="after")
    def _scope_has_its_header(self) -> Self:
        if self.scope is Scope.TENANT and self.tenant_header is None:
            raise ValueError("tenantHeader must be set when scope is Tenant")
        if self.scope is Scope.USER and self.user_header is None:
            raise ValueError("userHeader must be set when scope is User")
        return self


class Match(Part):
    """Which requests a rule takes: all that is named must match; globs with * and ?."""

    models: tuple[Glob, ...] = Field((), strict=False, max_length=64, description="globs over the requested model")
    paths: tuple[Glob, ...] = Field((), strict=False, max_length=64, description="globs over the request's path")
    headers: dict[HeaderName, Glob] = Field(default_factory=dict, max_length=16, description="globs over headers")


class Judge(Part):
    """A fallback that says whether two answers are the same, where cheaper judges can't tell."""

    fallback: Name = Field(description="a name in fallbacks, of dialect OpenAI or Anthropic")
    model: str | None = Field(None, min_length=1, max_length=256, description="absent: the model that the app asked")
    requests_per_hour: int = Field(60, ge=1, le=10000, description="how often it is asked at most")


class Semantic(Part):
    """Answering by meaning, within a budget of wrong answers."""

    max_error_permille: int = Field(
        20,
        ge=0,
        le=500,
        description="most answers served by meaning that may be wrong, in thousandths; 0: exact hits only",
    )
    verify_permille: Permille = Field(
        50, description="share of answers served by meaning that a fallback is asked again, to measure; in thousandths"
    )
    judge: Judge | None = Field(None, description="absent: answers that cheaper judges can't decide on stay undecided")


class CachePolicy(Part):
    """What of a rule's requests is cached, and how."""

    semantic: Semantic | None = Field(None, description="absent: exact hits only")
    conversations: Conversations = Field(
        Conversations.FIRST_TURN,
        strict=False,
        description="later turns: Off caches none, FirstTurn exactly equal ones, SameHistory also by meaning of the "
        "last text when all earlier turns are equal",
    )
    temperature_limit_permille: int = Field(
        700, ge=0, le=2000, description="requests that ask for a higher temperature are not cached, in thousandths"
    )
    tool_calls: ToolCalls = Field(
        ToolCalls.NEVER, strict=False, description="requests that offer tools: not cached, or by exact equality"
    )
    on_disconnect: OnDisconnect = Field(
        OnDisconnect.CANCEL, strict=False, description="client gone: cancel the fallback, or finish for the cache"
    )


class CacheUse(CachePolicy):
    """How a rule uses a cache."""

    ref: Name = Field(description="a name in caches")


class Rule(Part):
    """What happens to the requests that it matches; the first rule that matches wins."""

    name: Name
    match: Match = Match()
    cache: CacheUse | None = Field(None, description="absent: not cached")
    fallbacks: tuple[Name, ...] = Field(strict=False, min_length=1, max_length=16, description="names, in order")


class Endpoint(Part):
    """Where a fallback listens."""

    url: Annotated[str, AfterValidator(_endpoint)] = Field(description="base URL, without the API's own /v1")
    dialect: Provider = Field(strict=False, description="whose API it speaks")


class ModelMap(Part):
    """A model's name at this fallback."""

    from_: Glob = Field(alias="from", description="glob over the requested model")
    to: str = Field(min_length=1, max_length=256, description="the name sent to the fallback")


class Price(Part):
    """Money per million tokens, as decimal strings."""

    input_per_million: Decimal = Field(description="of the prompt")
    cached_input_per_million: Decimal | None = Field(None, description="absent: as input")
    cache_write_per_million: Decimal | None = Field(None, description="absent: as input")
    output_per_million: Decimal = Field(description="of the answer")
    currency: str = Field("USD", max_length=3, pattern=r"^[A-Z]{3}$", description="ISO 4217")


class Energy(Part):
    """Energy of a fallback: a row of the built-in table, or joules per token."""

    profile: str | None = Field(
        None, max_length=253, description="a model of the built-in energy table, such as LLaMA-7B"
    )
    input_joules_per_token: Decimal | None = Field(None, description="for reading the prompt")
    output_joules_per_token: Decimal | None = Field(None, description="for writing the answer")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        joules = (self.input_joules_per_token, self.output_joules_per_token)
        if (self.profile is None) == (None in joules) or joules.count(None) == 1:
            raise ValueError("either profile, or both inputJoulesPerToken and outputJoulesPerToken must be set")
        return self


class Timeouts(Part):
    """How long a fallback may take."""

    connect_seconds: Seconds = Field(5, description="until connected")
    first_byte_seconds: Seconds = Field(600, description="until the answer begins")
    chunk_seconds: Seconds = Field(300, description="silence within an answer")


class Retry(Part):
    """Retries at the same fallback; only before the first byte, and only when it can't have done the work."""

    attempts: int = Field(1, ge=0, le=5, description="beyond the first")
    max_wait_seconds: int = Field(5, ge=0, le=60, description="longest Retry-After that is waited for")


class Fallback(Part):
    """A model behind HTTP."""

    name: Name
    endpoint: Endpoint
    credentials_file: str | None = Field(None, description="file with the API key; absent: the app's own goes through")
    models: tuple[ModelMap, ...] = Field((), strict=False, max_length=64, description="the first match renames")
    price: Price | None = Field(None, description="absent: the built-in table's price of the model, if it has one")
    energy: Energy | None = Field(None, description="absent: the built-in table's estimate for the model")
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()


class Carbon(Part):
    """The grid's carbon intensity."""

    grams_per_kilowatt_hour: int = Field(475, ge=0, le=2000, description="CO2; 475 is a world average")


class Telemetry(Part):
    """Where spans and metrics go."""

    endpoint: str | None = Field(
        None, max_length=2048, pattern=r"^https?://", description="OTLP over HTTP; absent: none is exported"
    )
    detail: bool = Field(False, description="one span event per candidate considered")


class RouteDocument(Part):
    """All that a sidecar needs to know."""

    api_version: Literal["route.cachedistill.dev/v1"] = "route.cachedistill.dev/v1"
    name: Name
    namespace: Name = "default"
    caches: tuple[Cache, ...] = Field((), strict=False, max_length=16)
    rules: tuple[Rule, ...] = Field(strict=False, min_length=1, max_length=64)
    fallbacks: tuple[Fallback, ...] = Field(strict=False, min_length=1, max_length=32)
    carbon: Carbon = Carbon()
    failure_policy: FailurePolicy = Field(
        FailurePolicy.PASS_THROUGH, strict=False, description="when CacheDistill fails: send on, or answer 502"
    )
    telemetry: Telemetry = Telemetry()

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        for field, parts in (("caches", self.caches), ("rules", self.rules), ("fallbacks", self.fallbacks)):
            names = [part.name for part in parts]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{field}: the name {twice[0]!r} is there twice")
        caches, fallbacks = {cache.name for cache in self.caches}, {fallback.name for fallback in self.fallbacks}
        for rule in self.rules:
            if rule.cache is not None and rule.cache.ref not in caches:
                raise ValueError(f"rules.{rule.name}.cache.ref: {rule.cache.ref!r} is not one of {sorted(caches)}")
            if unknown := [name for name in rule.fallbacks if name not in fallbacks]:
                raise ValueError(f"rules.{rule.name}.fallbacks: {unknown[0]!r} is not one of {sorted(fallbacks)}")
        return self

    @model_validator(mode="after")
    def _judges_are_fallbacks_that_can_be_asked(self) -> Self:
        dialects = {fallback.name: fallback.endpoint.dialect for fallback in self.fallbacks}
        for rule in self.rules:
            judge = rule.cache.semantic.judge if rule.cache is not None and rule.cache.semantic is not None else None
            if judge is None:
                continue
            where = f"rules.{rule.name}.cache.semantic.judge.fallback: {judge.fallback!r}"
            if judge.fallback not in dialects:
                raise ValueError(f"{where} is not one of {sorted(dialects)}")
            if dialects[judge.fallback] not in JUDGE_DIALECTS:
                raise ValueError(f"{where} speaks {dialects[judge.fallback]}, a judge OpenAI or Anthropic")
        return self
