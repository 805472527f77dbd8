"""Finds the keys that a cache's sidecars seal with; the one that nobody has given is made, once."""

from __future__ import annotations

import secrets

from cachedistill_operator.api.cache_reasons import CacheReason
from cachedistill_operator.api.group import cache_secret
from cachedistill_operator.api.semantic_cache import Encryption
from cachedistill_operator.reconcile.ground import Ground
from cachedistill_operator.reconcile.named_secrets import patiently
from cachedistill_operator.reconcile.secret_values import read
from cachedistill_operator.render.cache import Cache
from cachedistill_operator.render.cache_keys import CacheKeys, complete, usable
from cachedistill_operator.render.cache_status import Trouble
from cachedistill_operator.render.redis_clients import SEAL_KEY
from cachedistill_operator.render.redis_secret import values


async def find(cache: Cache, kept: str | None, on: Ground) -> CacheKeys | Trouble:
    """All keys; `kept` is the sealing key of a managed Redis, which is kept beside its data. Raises ApiError."""
    encryption = await _encryption(cache, cache.spec.encryption, on) if cache.spec.encryption is not None else None
    if isinstance(encryption, Trouble):
        return encryption
    return CacheKeys(kept or await _of_external(cache, on), encryption)


async def _encryption(cache: Cache, wanted: Encryption, on: Ground) -> str | Trouble:
    ref = wanted.key_secret_ref
    found = await read(cache, ref, on)
    if isinstance(found, Trouble) or usable(found):
        return found
    where = f"Secret {cache.key.namespace}/{ref.name}, key {ref.key}"
    return Trouble(CacheReason.INVALID_KEY, f"{where}: {CacheReason.INVALID_KEY.meaning}", stuck=True)


async def _of_external(cache: Cache, on: Ground) -> str:
    """In front of somebody's own Redis, the key is where sidecars read it, and nowhere else."""
    namespace = cache.key.namespace
    name = cache_secret(cache.key, namespace)
    live = await patiently(lambda: on.client.get("v1", "Secret", name, namespace))
    return complete(values(live), SEAL_KEY, secrets.token_bytes)
