"""Shows the replay while it runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live

from cachedistill_sidecar.cli.replay.command import table
from cachedistill_sidecar.cli.replay.tally import Tally

_EVERY = 101
_REFRESH_SECONDS = 0.1


class Board:
    """`with Board(console, tally, total, state) as board: ... board.update()` after each outcome."""

    def __init__(self, console: Console, tally: Tally, total: int, state: Callable[[], str]) -> None:
        self._console, self._tally, self._total, self._state = console, tally, total, state
        self._live: Live | None = None
        self._drawn = 0.0

    def __enter__(self) -> Board:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def update(self) -> None:
        """Show what has been added to the tally."""
        done = len(self._tally.outcomes)
        if self._live is not None:
            # The sidecar shares this thread: a table a reply would be in its way.
            if time.monotonic() - self._drawn >= _REFRESH_SECONDS:
                shown = table(self._tally)
                shown.caption = f"{done} of {self._total}; {self._state()}"
                self._live.update(shown, refresh=True)
                self._drawn = time.monotonic()
        elif done % _EVERY == 0 or done == self._total:
            shares = ", ".join(f"{row.decision} {row.count}" for row in self._tally.rows())
            self._console.print(f"  {done} of {self._total}: {shares}; {self._state()}")
