"""Drift: what was served comes out wrong more often than was forecast (Page, Biometrika 41, 1954; Hinkley 1971)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SLACK = 0.1
_ALARM = 5.0
_SUSPICION = 1.6


@dataclass(frozen=True, slots=True)
class Changes:
    """`since`: the place of the first label after the last change, 0 without one. `suspicious`: maybe another."""

    since: int
    suspicious: bool


def detect(served: Sequence[tuple[bool, float] | None]) -> Changes:
    """Look for changes in labels of served answers, in time order: right or not, and the forecast; None for others.

    The sum of what was wrong beyond forecast and slack, begun anew when it falls below zero, raises the alarm.
    """
    total, began, since = 0.0, 0, 0
    for place, label in enumerate(served):
        if label is None:
            continue
        right, forecast = label
        if total <= 0.0:
            total, began = 0.0, place
        total += (not right) - (1.0 - forecast) - _SLACK
        if total > _ALARM:
            total, since = 0.0, began
    return Changes(since, total > _SUSPICION)
