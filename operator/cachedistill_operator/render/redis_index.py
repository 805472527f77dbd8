"""Vector indexes: which one sidecars use, which one is to be built, and which ones may go.

An index belongs to one embedding model. When the model changes, a Job builds the new index beside the old one; the
switch is one field of the status, from which route documents are rendered; the old index goes some time after that.
All of it follows from what is in Redis: a controller that starts anew goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# From the switch until the last sidecar has its new route document takes some seconds; this is for the ones that were
# off the network meanwhile.
GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Indexes:
    """What Redis tells. `registered`: index names by model, written when an index is complete; `there`: the names of
    all the cache's indexes; `retired`: since when (Unix time) an index has not been needed."""

    registered: Mapping[str, str]
    there: frozenset[str]
    retired: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `model` is the one that sidecars use, `index` its index when that is complete; `waits`: an
    index is to be dropped later."""

    model: str
    index: str | None
    build: bool = False
    retire: tuple[str, ...] = ()
    revive: tuple[str, ...] = ()
    unregister: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    waits: bool = False


def plan(wanted: str, active: str | None, indexes: Indexes, now: float, *, settled: bool) -> Plan:
    """`active`: the model that the status names; `settled`: all sidecars have the newest route document."""
    complete = indexes.registered.get(wanted)
    if complete is None:
        # Nothing is retired meanwhile: the Job reads the queries out of what is there.
        model = active or wanted
        return Plan(model, indexes.registered.get(model), build=True)
    needless = sorted(indexes.there - {complete})
    drop = tuple(name for name in needless if settled and now - indexes.retired.get(name, now) >= GRACE_SECONDS)
    return Plan(
        wanted,
        complete,
        retire=tuple(name for name in needless if name not in indexes.retired),
        revive=(complete,) if complete in indexes.retired else (),
        unregister=tuple(sorted(set(indexes.registered) - {wanted})),
        drop=drop,
        waits=len(needless) > len(drop),
    )
