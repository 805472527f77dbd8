"""SemanticCache: a Redis vector cache, managed or external, that routes share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from cachedistill_operator.api.base import Bytes, Conditions, LabelSelector, Part, Resources, SecretKey, cel
from cachedistill_sidecar.route_document import HeaderName, Poisoning, Scope, StreamReplay

SHORT_NAME = "semcache"
PLURAL = "semanticcaches"
KIND = "SemanticCache"


def immutable(field: str) -> tuple[str, str, str]:
    """The rule that a field stays as it was made: absent, or the same."""
    return (
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} is immutable: make a new SemanticCache instead",
        f".{field}",
    )


class DeletionPolicy(StrEnum):
    """What happens to the data when the resource goes."""

    RETAIN = "Retain"
    DELETE = "Delete"


class AllowedFrom(StrEnum):
    """Whose ModelRoutes may use a cache."""

    SAME = "Same"
    SELECTOR = "Selector"
    ALL = "All"


class ManagedRedis(Part):
    """A Redis with the query engine that the operator runs: one replica, with generated users and passwords."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.storage) == has(oldSelf.storage) && (!has(self.storage) || "
                "quantity(string(self.storage)).compareTo(quantity(string(oldSelf.storage))) >= 0)",
                "storage can only grow: make a new SemanticCache to have less, none, or any at all",
                ".storage",
            ),
            immutable("storageClassName"),
            (
                "!has(self.storageClassName) || has(self.storage)",
                "storageClassName goes with storage only",
                ".storageClassName",
            ),
        )
    )

    image: str | None = Field(
        None, min_length=1, max_length=512, description="absent: the chart's `redis.image`; Redis 8 or later"
    )
    storage: Bytes | None = Field(
        None, description="size of the volume, which can only grow; absent: nothing survives a restart"
    )
    storage_class_name: str | None = Field(None, min_length=1, max_length=253, description="absent: the cluster's own")
    resources: Resources | None = Field(None, description="absent: 100m CPU and 256Mi memory are requested")
    tls: bool = Field(False, description="encrypt connections, with a certificate of the operator's making")


class ExternalRedis(Part):
    """A Redis of one's own, with the query engine."""

    url_secret_ref: SecretKey = Field(
        description="redis://, rediss://, redis+sentinel:// or redis+cluster:// URL, with user and password"
    )
    ca_secret_ref: SecretKey | None = Field(None, description="PEM with the CA of a TLS server")


class CacheRedis(Part):
    """Where entries live: exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.managed) != has(self.external)", "exactly one of managed and external must be set"),
            (
                "has(self.managed) == has(oldSelf.managed)",
                "redis can't change between managed and external: make a new SemanticCache instead",
            ),
        )
    )

    managed: ManagedRedis | None = Field(None, description="one that the operator runs")
    external: ExternalRedis | None = Field(None, description="one of your own")


class CacheEmbedding(Part):
    """The model that turns queries into vectors. A change builds a new index beside the old one, then switches."""

    model: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._]*$")] = Field(
        "bge-small-en-v1.5",
        description="the name of a model in the sidecar's image; others are all-MiniLM-L6-v2 and all-MiniLM-L6-v2-fp32",
    )


class AllowedNamespaces(Part):
    """Whose ModelRoutes may use the cache."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.from == 'Selector') == has(self.selector)",
                "selector must be set when from is Selector, only then",
                ".selector",
            )
        )
    )

    from_: AllowedFrom = Field(
        AllowedFrom.SAME, alias="from", strict=False, description="the cache's own namespace, some, or all"
    )
    selector: LabelSelector | None = Field(None, description="on namespaces")


class Capacity(Part):
    """How large the cache may become."""

    max_bytes: Bytes = Field(
        description="Redis' maxmemory; what is used least frequently goes first. Managed Redis only"
    )


class Encryption(Part):
    """Encryption of what is stored, by AES-256-GCM: answers and queries, but not the vectors, which Redis compares."""

    key_secret_ref: SecretKey = Field(
        description="keys of 32 bytes in base64, one a line; the first one encrypts, all of them decrypt"
    )


class SemanticCacheSpec(Part):
    """What a SemanticCache is to be."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.scope != 'Tenant' || has(self.tenantHeader)",
                "tenantHeader must be set when scope is Tenant",
                ".tenantHeader",
            ),
            (
                "self.scope != 'User' || has(self.userHeader)",
                "userHeader must be set when scope is User",
                ".userHeader",
            ),
            ("!has(self.capacity) || has(self.redis.managed)", "capacity goes with redis.managed only", ".capacity"),
            (
                "!has(self.capacity) || !has(self.redis.managed) || !has(self.redis.managed.resources) || "
                "!has(self.redis.managed.resources.limits) || !('memory' in self.redis.managed.resources.limits) || "
                "quantity(string(self.capacity.maxBytes)).compareTo("
                "quantity(string(self.redis.managed.resources.limits['memory']))) <= 0",
                "capacity.maxBytes must not be above redis.managed.resources.limits.memory",
                ".capacity.maxBytes",
            ),
            immutable("scope"),
        )
    )

    redis: CacheRedis = Field(description="where entries live: exactly one of managed and external")
    embedding: CacheEmbedding = CacheEmbedding()
    scope: Scope = Field(
        Scope.NAMESPACE, strict=False, description="how far an entry may be shared: within a namespace, tenant or user"
    )
    tenant_header: HeaderName | None = Field(None, description="request header that names the tenant")
    user_header: HeaderName | None = Field(None, description="request header that names the user")
    allowed_namespaces: AllowedNamespaces = AllowedNamespaces()
    capacity: Capacity | None = Field(None, description="absent: as Redis' memory allows")
    ttl_seconds: int = Field(86400, ge=1, le=31536000, description="how long an entry lives")
    max_entry_bytes: int = Field(262144, ge=1024, le=16777216, description="largest answer that is stored")
    near_bytes: int = Field(16777216, ge=0, le=1073741824, description="size of each sidecar's near cache; 0: none")
    stream_replay: StreamReplay = StreamReplay()
    poisoning: Poisoning = Poisoning()
    encryption: Encryption | None = Field(
        None, description="absent: answers and queries are stored in plain; that nobody else wrote them is checked"
    )
    deletion_policy: DeletionPolicy = Field(
        DeletionPolicy.RETAIN, strict=False, description="what happens to the data when the resource goes"
    )


class ActiveEmbedding(Part):
    """The embedding that sidecars use now."""

    model: Annotated[str, Field(max_length=253)] = Field(description="the model")
    index: Annotated[str, Field(max_length=512)] | None = Field(None, description="its index in Redis")


class WrongHits(Part):
    """How many of the answers served by meaning were wrong, where a route's rule has most; thousandths."""

    measured: int | None = Field(None, ge=0, le=1000, description="share of wrong ones; absent before one was judged")
    upper: int | None = Field(None, ge=0, le=1000, description="with confidence not more than this")
    budget: int = Field(ge=1, le=500, description="the rule's maxErrorPermille")
    labels: int = Field(ge=0, description="judged answers that both rest on")
    since: str = Field(max_length=32, description="when the first of them was judged")


class SemanticCacheStatus(Part):
    """How a SemanticCache is."""

    observed_generation: int | None = Field(None, ge=0, description="the metadata.generation that was looked at")
    conditions: Conditions = ()
    endpoint: str | None = Field(None, max_length=512, description="host and port of Redis")
    embedding: ActiveEmbedding | None = None
    entries: int | None = Field(None, ge=0, description="answers stored")
    bytes: str | None = Field(None, max_length=32, description="memory that Redis uses")
    hit_permille: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="share of hits among the answers that a hit or a fallback gave, since Redis counts; thousandths",
    )
    wrong_hit_permille: WrongHits | None = Field(
        None, description="wrong answers among those served by meaning, of the rule that has most"
    )
    routes: int | None = Field(None, ge=0, description="ModelRoutes that use it")
