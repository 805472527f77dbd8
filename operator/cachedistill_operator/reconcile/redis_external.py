"""Reaches somebody's own Redis, by the Secrets that the resource names."""

from __future__ import annotations

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.semantic_cache import ExternalRedis
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.redis_connections import Server
from cachedistill_operator.reconcile.secret_values import read
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_status import Trouble
from cachedistill_operator.render.redis_address import AddressError, endpoint_of


async def reach(cache: Cache, external: ExternalRedis, on: Ground) -> Server | Trouble:
    """The server, or what is wrong with the Secrets. Raises ApiError."""
    url = await read(cache, external.url_secret_ref, on)
    if isinstance(url, Trouble):
        return url
    ca = await read(cache, external.ca_secret_ref, on) if external.ca_secret_ref is not None else None
    if isinstance(ca, Trouble):
        return ca
    try:
        return Server(url, url, ca, endpoint_of(url, with_ca=ca is not None))
    except AddressError as error:
        where = f"Secret {cache.key.namespace}/{external.url_secret_ref.name}, key {external.url_secret_ref.key}"
        return Trouble(CacheReason.INVALID_URL, f"{where}: {error}", stuck=True)
