"""Whose CPU time it was, when exchanges overlap in one process."""

from __future__ import annotations

import time
from collections.abc import Callable


class CpuMeter:
    """Shares the process's CPU seconds out among the exchanges that are under way.

    One process serves many exchanges at once, and the operating system knows only the process. So the time between
    two events is shared equally by those active then (processor sharing): a virtual clock runs at 1/n of CPU time
    while n exchanges are active, and an exchange costs what the virtual clock did between its start and its stop.
    Two additions per event, however many overlap. What is spent while nobody is active belongs to nobody.

    Not for use from several threads at once; the CPU time of all threads counts.
    """

    __slots__ = ("_active", "_clock", "_seen", "_virtual")

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        """`clock` gives CPU seconds of the process and never goes back."""
        self._clock = clock
        self._seen = clock()
        self._virtual = 0.0
        self._active = 0

    def start(self) -> Lap:
        """An exchange begins."""
        lap = Lap(self, self._advance())
        self._active += 1
        return lap

    def _stop(self, started: float) -> float:
        seconds = self._advance() - started
        self._active -= 1
        return seconds

    def _advance(self) -> float:
        now = self._clock()
        if self._active:
            self._virtual += (now - self._seen) / self._active
        self._seen = now
        return self._virtual


class Lap:
    """One exchange's time on the meter."""

    __slots__ = ("_meter", "_seconds", "_started")

    def __init__(self, meter: CpuMeter, started: float) -> None:
        self._meter = meter
        self._started = started
        self._seconds: float | None = None

    def stop(self) -> float:
        """The exchange ends: its CPU seconds. Asked again, the same answer."""
        if self._seconds is None:
            self._seconds = self._meter._stop(self._started)
        return self._seconds
