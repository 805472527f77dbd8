"""ModelRoute: which pods get a sidecar, and what happens to their LLM calls."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from cachedistill_operator.api.base import (
    NAMED,
    UNIQUE,
    Conditions,
    LabelSelector,
    Name,
    Part,
    Resources,
    SecretKey,
    cel,
)
from cachedistill_sidecar.route_document import (
    JUDGE_DIALECTS,
    CachePolicy,
    Carbon,
    Energy,
    FailurePolicy,
    Match,
    ModelMap,
    Price,
    Provider,
    Retry,
    Telemetry,
    Timeouts,
)

SHORT_NAME = "mroute"
PLURAL = "modelroutes"
KIND = "ModelRoute"

_HOST_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_HOST_LABEL}(\.{_HOST_LABEL})+$")]


class Mode(StrEnum):
    """How an app's calls reach the sidecar."""

    ENVIRONMENT = "Environment"
    TRANSPARENT = "Transparent"


class Sdk(StrEnum):
    """Whose SDKs' base-URL variables are set."""

    OPENAI = "OpenAI"
    ANTHROPIC = "Anthropic"
    AZURE_OPENAI = "AzureOpenAI"
    OLLAMA = "Ollama"


class Rollout(StrEnum):
    """What happens to running workloads when what is injected has changed."""

    ON_CHANGE = "OnChange"
    MANUAL = "Manual"


class LogLevel(StrEnum):
    """How much the sidecar logs."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Interception(Part):
    """How the calls of the app's containers reach the sidecar."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.mode == 'Transparent') == (has(self.hosts) && size(self.hosts) > 0)",
                "hosts must be set when mode is Transparent, only then",
                ".hosts",
            )
        )
    )

    mode: Mode = Field(
        Mode.ENVIRONMENT,
        strict=False,
        description="Environment sets the SDKs' base-URL variables; Transparent redirects named hosts",
    )
    providers: tuple[Annotated[Sdk, Field(strict=False)], ...] = Field(
        (Sdk.OPENAI, Sdk.ANTHROPIC),
        strict=False,
        max_length=8,
        json_schema_extra=UNIQUE,
        description="Environment: whose variables are set, where the app does not set them itself",
    )
    hosts: tuple[Host, ...] = Field(
        (), strict=False, max_length=16, json_schema_extra=UNIQUE, description="Transparent: exact host names"
    )
    rollout: Rollout = Field(
        Rollout.ON_CHANGE, strict=False, description="restart workloads when injected fields change, or leave it to you"
    )


class CacheRef(Part):
    """A SemanticCache."""

    name: Name = Field(description="its name")
    namespace: Name | None = Field(None, description="absent: the route's own")


class RouteCache(CachePolicy):
    """How a rule uses a cache."""

    ref: CacheRef = Field(description="the SemanticCache; one of another namespace must allow this one")


class RouteRule(Part):
    """What happens to the requests that it matches; the first rule that matches wins."""

    name: Name = Field(description="the rule's name, in spans, metrics and headers")
    match: Match = Match()
    cache: RouteCache | None = Field(None, description="absent: not cached")
    fallbacks: tuple[Name, ...] = Field(
        strict=False, min_length=1, max_length=16, json_schema_extra=UNIQUE, description="names, in order"
    )


class ServiceRef(Part):
    """A Service that a model listens behind."""

    name: Name = Field(description="the Service")
    port: int = Field(ge=1, le=65535, description="its port")
    namespace: Name | None = Field(None, description="absent: the route's own")


class RouteEndpoint(Part):
    """Where a fallback listens: exactly one of url and service."""

    model_config = ConfigDict(
        json_schema_extra=cel(("has(self.url) != has(self.service)", "exactly one of url and service must be set"))
    )

    url: str | None = Field(
        None,
        max_length=2048,
        pattern=r"^https?://[^/\s?#]+(/[^\s?#]*)?$",
        description="base URL, without the API's own /v1",
    )
    service: ServiceRef | None = Field(None, description="a Service in the cluster, by plain HTTP")
    dialect: Provider = Field(strict=False, description="whose API it speaks")
    credentials_secret_ref: SecretKey | None = Field(
        None, description="the API key; absent: the app's own goes through"
    )


class FallbackEnergy(Energy):
    """Energy of a fallback: a row of the built-in table, or joules per token."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.profile) ? !has(self.inputJoulesPerToken) && !has(self.outputJoulesPerToken) : "
                "has(self.inputJoulesPerToken) && has(self.outputJoulesPerToken)",
                "either profile, or both inputJoulesPerToken and outputJoulesPerToken must be set",
            )
        )
    )


class RouteFallback(Part):
    """A model behind HTTP."""

    name: Name = Field(description="the fallback's name, in rules, spans and metrics")
    endpoint: RouteEndpoint
    models: tuple[ModelMap, ...] = Field((), strict=False, max_length=64, description="the first match renames")
    price: Price | None = Field(None, description="absent: the built-in table's price of the model, if it has one")
    energy: FallbackEnergy | None = Field(None, description="absent: the built-in table's estimate for the model")
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()


class SidecarSettings(Part):
    """The sidecar's container."""

    image: str | None = Field(None, min_length=1, max_length=512, description="absent: the chart's `sidecar.image`")
    resources: Resources | None = Field(None, description="absent: the chart's `sidecar.resources`")
    log_level: LogLevel | None = Field(None, strict=False, description="absent: the chart's `sidecar.logLevel`")


class ModelRouteSpec(Part):
    """Which pods get a sidecar, and what happens to their LLM calls."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.rules.all(r, r.fallbacks.all(n, self.fallbacks.exists(f, f.name == n)))",
                "rules[*].fallbacks must be names of spec.fallbacks",
                ".rules",
            ),
            (
                "self.rules.all(r, !has(r.cache) || !has(r.cache.semantic) || !has(r.cache.semantic.judge) || "
                "self.fallbacks.exists(f, f.name == r.cache.semantic.judge.fallback && "
                f"f.endpoint.dialect in {[str(dialect) for dialect in JUDGE_DIALECTS]}))",
                "rules[*].cache.semantic.judge.fallback must be a name of spec.fallbacks, of dialect "
                f"{' or '.join(JUDGE_DIALECTS)}",
                ".rules",
            ),
        )
    )

    selector: LabelSelector = Field(
        description="the pods that get a sidecar; they also need the opt-in label",
        json_schema_extra=cel(
            (
                "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
                "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
                "selector must name at least one label: an empty one would take every pod",
            )
        ),
    )
    interception: Interception = Interception()
    rules: tuple[RouteRule, ...] = Field(
        strict=False,
        min_length=1,
        max_length=32,
        json_schema_extra=NAMED,
        description="what happens to which requests; the first that matches wins",
    )
    fallbacks: tuple[RouteFallback, ...] = Field(
        strict=False,
        min_length=1,
        max_length=16,
        json_schema_extra=NAMED,
        description="the models that rules may ask",
    )
    carbon: Carbon = Carbon()
    failure_policy: FailurePolicy = Field(
        FailurePolicy.PASS_THROUGH, strict=False, description="when CacheDistill fails: send on, or answer 502"
    )
    sidecar: SidecarSettings = SidecarSettings()
    telemetry: Telemetry = Telemetry()


class DocumentStatus(Part):
    """The route document that sidecars read."""

    config_map: Annotated[str, Field(max_length=253)] = Field(description="the ConfigMap that holds it")
    digest: Annotated[str, Field(max_length=80)] = Field(description="SHA-256 of it")


class PodsStatus(Part):
    """The pods that the selector takes."""

    matched: Annotated[int, Field(ge=0)] = Field(description="running pods that ask for a sidecar and match")
    injected: Annotated[int, Field(ge=0)] = Field(description="those with a sidecar of this route")
    outdated: Annotated[int, Field(ge=0)] = Field(description="those whose sidecar was injected otherwise than now")


class DecisionsPermille(Part):
    """Shares of the decisions, in thousandths."""

    exact: int = Field(0, ge=0, le=1000, description="answered by an equal request's answer")
    semantic: int = Field(0, ge=0, le=1000, description="answered by the answer to a request of the same meaning")
    fallback: int = Field(0, ge=0, le=1000, description="answered by a fallback")
    other: int = Field(0, ge=0, le=1000, description="passed through, blocked or failed")


class Saved(Part):
    """What was saved against asking the fallback each time; below zero when looking in vain took more."""

    cost: Annotated[str, Field(max_length=32)] = Field(description="money")
    currency: Annotated[str, Field(max_length=3)] = Field(description="of the money, ISO 4217")
    energy_watt_hours: Annotated[str, Field(max_length=32)] = Field(description="an estimate")
    carbon_grams: Annotated[str, Field(max_length=32)] = Field(description="CO2, an estimate")


class ModelRouteStatus(Part):
    """How a ModelRoute is."""

    observed_generation: int | None = Field(None, ge=0, description="the metadata.generation that was looked at")
    conditions: Conditions = ()
    route_document: DocumentStatus | None = None
    pods: PodsStatus | None = None
    requests: int | None = Field(None, ge=0, description="exchanges counted")
    decisions_permille: DecisionsPermille | None = None
    local_permille: int | None = Field(None, ge=0, le=1000, description="share answered without a fallback")
    saved: Saved | None = None
    interception_ca: str | None = Field(
        None, max_length=80, description="Transparent: SHA-256 of the CA that pods are injected with"
    )
