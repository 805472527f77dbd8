"""Reaches somebody's own Redis, by the Secrets that the resource names."""

from __future__ import annotations

from cachedistill_operator.api.base import SecretKey
from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.semantic_cache import ExternalRedis
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import patiently
from cachedistill_operator.reconcile.redis_connections import Server
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_status import Trouble
from cachedistill_operator.render.redis_address import AddressError, endpoint_of
from cachedistill_operator.render.redis_secret import values


async def reach(cache: Cache, external: ExternalRedis, on: Ground) -> Server | Trouble:
    """The server, or what is wrong with the Secrets. Raises ApiError."""
    url = await _value(cache, external.url_secret_ref, on)
    if isinstance(url, Trouble):
        return url
    ca = await _value(cache, external.ca_secret_ref, on) if external.ca_secret_ref is not None else None
    if isinstance(ca, Trouble):
        return ca
    try:
        return Server(url, url, ca, endpoint_of(url, with_ca=ca is not None))
    except AddressError as error:
        where = f"Secret {cache.key.namespace}/{external.url_secret_ref.name}, key {external.url_secret_ref.key}"
        return Trouble(CacheReason.INVALID_URL, f"{where}: {error}", stuck=True)


async def _value(cache: Cache, ref: SecretKey, on: Ground) -> str | Trouble:
    """The value of a Secret's key, without blanks around it: editors like to end a file with a line feed."""
    namespace = cache.key.namespace
    live = await patiently(lambda: on.client.get("v1", "Secret", ref.name, namespace))
    if live is None:
        message = f"Secret {namespace}/{ref.name} isn't there"
        return Trouble(CacheReason.SECRET_NOT_FOUND, message, stuck=True)
    try:
        return values(live)[ref.key].strip()
    except KeyError:
        message = f"Secret {namespace}/{ref.name} has no key {ref.key}"
    except ValueError:
        message = f"Secret {namespace}/{ref.name}, key {ref.key}: not UTF-8"
    return Trouble(CacheReason.SECRET_NOT_FOUND, message, stuck=True)
