"""Summaries of a rule's budget of wrong answers, as sidecars write them for the operator."""

from __future__ import annotations

from typing import Any

import orjson

AT_RISK = {"atRisk": True, "measuredPermille": 14, "upperPermille": 19}
"""What a summary says of a rule that serves too many wrong answers."""


def summary(*, at: float, **changes: Any) -> str:
    """One of a rule that is certified, written at that time; keywords change its fields."""
    certified = {
        "maxErrorPermille": 10,
        "certified": True,
        "cutoff": 0.97,
        "measuredPermille": 6,
        "upperPermille": 9,
        "labels": 5120,
        "missing": 0,
        "served": 10233,
        "since": "2026-01-01T00:00:00Z",
        "atRisk": False,
        "drift": False,
        "at": at,
    }
    return orjson.dumps(certified | changes).decode()
