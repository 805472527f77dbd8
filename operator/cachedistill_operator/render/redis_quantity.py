"""Kubernetes' quantities of bytes."""

from __future__ import annotations

import re
from fractions import Fraction

_SUFFIXES = {
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{letter: Fraction(1000**power) for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGT", 1)},
}


def to_bytes(quantity: str) -> int:
    """How many bytes `512Mi` is; parts of a byte are rounded up. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]*)", quantity)
    if found is None or found[2] not in _SUFFIXES:
        raise ValueError(f"{quantity!r} is no quantity of bytes, such as 512Mi")
    exact = Fraction(found[1]) * _SUFFIXES[found[2]]
    return -(-exact.numerator // exact.denominator)


def from_bytes(count: int) -> str:
    """A short quantity for people: three digits at most, in the largest unit that fits."""
    for power, letter in enumerate("TGMK"):
        unit = 1024 ** (4 - power)
        if count >= unit:
            value = count / unit
            return f"{value:.1f}{letter}i" if value < 10 else f"{value:.0f}{letter}i"
    return str(count)
