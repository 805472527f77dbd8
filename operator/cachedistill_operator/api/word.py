"""Closed lists: words that stand in statuses, Events and metrics, each with its sentence for the docs."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """A word and its meaning; lists of them derive from it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """A member with its sentence for the docs."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
