"""Caps on what one principal may weigh: nobody outvotes all others."""

from __future__ import annotations

from collections.abc import Sequence

_OF_THE_OTHERS = 0.5
_PRINCIPALS = 3


def scales(principals: Sequence[str], amounts: Sequence[float], free: float = 0.0) -> list[float]:
    """By how much each amount is to be scaled, in 0..1, so that no principal has more than half of what all others have
    together: a third of the whole. Of fewer than three principals nobody is capped, as none could be called the rest.

    Up to `free` nobody is capped either: where one principal asks nearly everything, as an app with one credential
    does, two others who asked a little must not silence it.
    """
    sums: dict[str, float] = {}
    for principal, amount in zip(principals, amounts, strict=True):
        sums[principal] = sums.get(principal, 0.0) + amount
    if len(sums) < _PRINCIPALS:
        return [1.0] * len(principals)
    whole = sum(sums.values())
    most = {name: max(free, _OF_THE_OTHERS * (whole - own)) for name, own in sums.items()}
    capped = {name: min(1.0, most[name] / own) if own > 0 else 1.0 for name, own in sums.items()}
    return [capped[principal] for principal in principals]
