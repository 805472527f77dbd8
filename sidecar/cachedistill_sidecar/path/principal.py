"""Who asks: an opaque name for whoever a request comes from, so that different askers can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cachedistill_sidecar.route_document import Provider

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.seal import Seal
    from cachedistill_sidecar.route_document import Cache

# The first is what each provider looks at, so nobody becomes somebody else by a header that it doesn't read.
_CREDENTIALS = {
    Provider.OPENAI: ("authorization",),
    Provider.ANTHROPIC: ("x-api-key", "authorization"),
    Provider.AZURE_OPENAI: ("api-key", "authorization"),
    Provider.OLLAMA: ("authorization",),
}


def principal(headers: Mapping[str, str], cache: Cache, provider: Provider, seal: Seal) -> str:
    """16 hex digits for the asker: the user, else the tenant, else the call's credential; empty when it brings none.

    A user counts within its tenant. Headers are believed, as they are for the cache's scope; and a credential that the
    sidecar replaces by its own is not proven by anybody.
    """
    if not seal.loaded:
        return ""
    tenant = headers.get(cache.tenant_header, "") if cache.tenant_header else ""
    user = headers.get(cache.user_header, "") if cache.user_header else ""
    if user:
        return _name(seal, "user", tenant, user)
    if tenant:
        return _name(seal, "tenant", tenant)
    credential = next(filter(None, (_secret(headers.get(name, "")) for name in _CREDENTIALS[provider])), "")
    return _name(seal, "credential", credential) if credential else ""


def _secret(value: str) -> str:
    """A credential without its scheme: `Bearer x` and `bearer  x` are the same key."""
    return "".join(value.split()[-1:])


def _name(seal: Seal, *who: str) -> str:
    # Header values may hold bytes that are no UTF-8, which come as lone surrogates.
    return seal.pseudonym(*(part.encode(errors="surrogateescape") for part in who))
