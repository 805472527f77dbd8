"""The managed Redis' certificate, by an authority of its own: nobody who trusts the one trusts another cache's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cachedistill_operator.certificates.authority import (
    Pair,
    bundle,
    is_due,
    is_usable,
    issue,
    make_authority,
    serves,
)

# A new certificate restarts Redis, and one without storage forgets its entries then: seldom is better.
_AUTHORITY_LIFE = timedelta(days=5 * 365)
_LIFE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Tls:
    """What Redis shows, the authority behind it, and the one before that. All PEM."""

    shown: Pair
    authority: Pair
    previous: str

    def files(self) -> dict[str, str]:
        """What Redis reads."""
        return {"tls.crt": self.shown.certificate, "tls.key": self.shown.key}

    def kept(self, now: datetime) -> dict[str, str]:
        """What the Secret keeps beside them; the pod doesn't mount the authority's key."""
        authority = {"ca.key": self.authority.key, "ca-issuer.crt": self.authority.certificate}
        return {**authority, "ca-previous.crt": self.previous, "ca.crt": self.trust(now)}

    def trust(self, now: datetime) -> str:
        """What clients are to trust: a certificate of the previous authority may still be shown."""
        return bundle([self.authority.certificate, self.previous], now)


def renew(known: Mapping[str, str], names: Sequence[str], now: datetime) -> Tls:
    """What a Secret holds, renewed where two thirds of a life are over, and never authority and certificate at once:

    clients have learnt of a new authority by the time that something signed by it is shown.
    """
    authority = Pair(known.get("ca-issuer.crt", ""), known.get("ca.key", ""))
    previous, shown = known.get("ca-previous.crt", ""), Pair(known.get("tls.crt", ""), known.get("tls.key", ""))
    fresh = not is_usable(authority, now) or is_due(authority.certificate, now)
    if fresh:
        previous, authority = authority.certificate, make_authority(f"{names[0]} Redis", now, _AUTHORITY_LIFE)
    good = any(serves(shown, root, names, now) for root in (authority.certificate, previous))
    if not good or (is_due(shown.certificate, now) and not fresh):
        shown = issue(authority, names, now, _LIFE)
    return Tls(shown, authority, previous)
