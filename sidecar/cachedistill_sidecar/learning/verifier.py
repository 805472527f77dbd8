"""Which answers that were served by meaning are asked for again, and how many at a time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

_AT_ONCE = 4
_ASKED_TWICE_ONE_IN = 200


class Verifier:
    """Draws lots. Verifications beyond four at a time are dropped: they are a sample anyway."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._running = 0

    def draws(self, share: float) -> bool:
        """True with this probability."""
        return self._rng.random() < share

    def draws_trial(self) -> bool:
        """Whether a fresh answer is asked for twice, to see how often the judge takes two of a kind for different."""
        return self.draws(1 / _ASKED_TWICE_ONE_IN)

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is a place for one more; if so, it is taken for as long as this lasts."""
        free = self._running < _AT_ONCE
        self._running += free
        try:
            yield free
        finally:
            self._running -= free
