"""Reads what a cache's resource names in Secrets of its namespace."""

from __future__ import annotations

from cachedistill_operator.api.base import SecretKey
from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import patiently
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_status import Trouble
from cachedistill_operator.render.redis_secret import values


async def read(cache: Cache, ref: SecretKey, on: Ground) -> str | Trouble:
    """The value of a Secret's key, without blanks around it: editors like to end a file with a line feed.

    Raises ApiError.
    """
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
