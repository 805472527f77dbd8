"""What is learnt about decisions, as events: whoever folds the same events comes to the same state.

Events are values that go through JSON; nothing in them can be read as a prompt or an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeAlias


class Source(StrEnum):
    """How it came out whether an answer was right."""

    MISS = "miss"
    """A fallback was asked anyway, and its answer was compared with that of the candidate."""
    VERIFIED = "verified"
    """The candidate had been served, and a fallback was asked afterwards, by chance."""
    REGENERATED = "regenerated"
    """The client asked for a fresh answer to what had just been served."""
    FEEDBACK = "feedback"
    """Somebody said so."""
    REMOVED = "removed"
    """Somebody removed the entry."""


@dataclass(frozen=True, slots=True)
class Label:
    """Whether the candidate of one decision was right.

    `features` and `probability` are those of the decision; `share` is the probability with which it was to be
    labelled at all (1 for a miss), `words` are the query's (see `words.py`), `novel` tells that no known answer was
    right. `at` is in seconds since the epoch.
    """

    at: float
    rule: str
    tier: str
    features: Sequence[float]
    probability: float
    right: bool
    share: float
    served: bool
    source: Source
    principal: str
    words: Sequence[int]
    novel: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many answers one sidecar served without a fallback since its last report, and how many of them it expects
    to be wrong."""

    at: float
    rule: str
    tier: str
    served: int
    expected_wrong: float


@dataclass(frozen=True, slots=True)
class Trial:
    """The judge, tried on a pair whose truth is known: `same`, the truth; `judged_same`, what it said."""

    at: float
    same: bool
    judged_same: bool


Event: TypeAlias = Label | Traffic | Trial

_KINDS: dict[str, type[Event]] = {"label": Label, "traffic": Traffic, "trial": Trial}


def encode(event: Event) -> dict[str, Any]:
    """An event as a JSON object."""
    kind = next(name for name, known in _KINDS.items() if isinstance(event, known))
    return {"kind": kind, **asdict(event)}


def decode(document: Mapping[str, Any]) -> Event:
    """The event of a JSON object. Raises ValueError for what is none."""
    try:
        fields = dict(document)
        kind = _KINDS[fields.pop("kind")]
        if kind is Label:
            fields["source"] = Source(fields["source"])
            fields["features"] = tuple(map(float, fields["features"]))
            fields["words"] = tuple(map(int, fields["words"]))
        return kind(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no event: {error}") from error
