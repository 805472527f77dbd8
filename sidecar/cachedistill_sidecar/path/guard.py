"""Guard: may a stored answer serve this request, and may its answer be stored? If not, for which reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cachedistill_sidecar.cache.key import key, partition
from cachedistill_sidecar.decision import Reason
from cachedistill_sidecar.dialects.base import field_value
from cachedistill_sidecar.path.budget import budget
from cachedistill_sidecar.path.principal import principal
from cachedistill_sidecar.policy.wording import time_bound
from cachedistill_sidecar.route import model_at
from cachedistill_sidecar.route_document import Conversations, Scope, ToolCalls

if TYPE_CHECKING:
    from cachedistill_sidecar.exchange import Exchange, Query
    from cachedistill_sidecar.parts import Parts
    from cachedistill_sidecar.route_document import Cache, CacheUse

_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})")


async def guard(exchange: Exchange, parts: Parts) -> None:
    """Set the exchange's key when it may be cached, and whether stored answers may be looked for."""
    query, rule, cache = exchange.query, exchange.rule, exchange.cache
    if query is None or rule is None or rule.cache is None or cache is None or not exchange.fallbacks:
        exchange.reason = Reason.NO_CACHE
        return
    owner = _owner(exchange, cache.document)
    directives = (field_value(exchange.headers, "cache-control") or "").lower()
    if reason := _uncacheable(query, rule.cache, directives, owner):
        exchange.reason = reason
        return
    assert owner is not None
    model = model_at(exchange.fallbacks[0], query.model)
    exchange.partition = partition(owner, cache.document.name, model, query.shape)
    exchange.key = key(exchange.partition, query.text)
    exchange.may_compare = _comparable(query, rule.cache)
    if exchange.dialect is not None:
        exchange.principal = principal(exchange.headers, cache.document, exchange.dialect.provider, cache.seal)
    if exchange.may_compare and rule.cache.semantic is not None:
        exchange.budget = budget(exchange.headers, rule.cache.semantic)
    if "no-cache" in directives:
        exchange.reason = Reason.REFRESH
        return
    exchange.may_read = True
    if found := _MAX_AGE.search(directives):
        exchange.max_age = float(found[1])


def _uncacheable(query: Query, use: CacheUse, directives: str, owner: tuple[str, ...] | None) -> Reason | None:
    """The first reason why this request goes round the cache."""
    checks = (
        ("no-store" in directives, Reason.OPTED_OUT),
        (owner is None, Reason.NO_TENANT),
        (query.choices > 1, Reason.CHOICES),
        (query.logprobs, Reason.LOGPROBS),
        (query.tools and use.tool_calls is ToolCalls.NEVER, Reason.TOOLS),
        (not query.text_only, Reason.MODALITY),
        (query.server_state, Reason.SERVER_STATE),
        ((query.temperature or 0.0) * 1000 > use.temperature_limit_permille, Reason.TEMPERATURE),
        (query.later_turn and use.conversations is Conversations.OFF, Reason.CONVERSATION),
        (query.text is not None and time_bound(query.text), Reason.TIME_BOUND),
    )
    return next((reason for applies, reason in checks if applies), None)


def _comparable(query: Query, use: CacheUse) -> bool:
    """Whether another wording of the last user text may answer, all else being equal."""
    return (
        use.semantic is not None
        and use.semantic.max_error_permille > 0
        and query.text is not None
        and not query.text.isspace()
        and query.text != ""
        and not query.tools
        and (not query.later_turn or use.conversations is Conversations.SAME_HISTORY)
    )


def _owner(exchange: Exchange, cache: Cache) -> tuple[str, ...] | None:
    """Whose entries these are: namespace, then tenant, then user; None when the request doesn't say."""
    namespace = exchange.route.document.namespace
    tenant = exchange.headers.get(cache.tenant_header, "") if cache.tenant_header else ""
    user = exchange.headers.get(cache.user_header, "") if cache.user_header else ""
    if (cache.scope is not Scope.NAMESPACE and cache.tenant_header and not tenant) or (
        cache.scope is Scope.USER and not user
    ):
        return None
    match cache.scope:
        case Scope.NAMESPACE:
            return (namespace, "", "")
        case Scope.TENANT:
            return (namespace, tenant, "")
        case Scope.USER:
            return (namespace, tenant, user)
