"""How fast the upstream answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

HEADER = "x-upstream-pace"


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds before the first piece and between pieces; a piece holds `chunk_words` words. Zero never sleeps."""

    first_token_ms: float = 0.0
    per_chunk_ms: float = 0.0
    chunk_words: int = 1

    def __post_init__(self) -> None:
        if self.first_token_ms < 0 or self.per_chunk_ms < 0 or self.chunk_words < 1:
            raise ValueError("pace: milliseconds must be >= 0 and chunk_words >= 1")

    def overridden(self, header: str | None) -> Pace:
        """The pace that `x-upstream-pace: first,per_chunk` asks for; ValueError when those are no numbers."""
        if header is None:
            return self
        try:
            first, _, rest = header.partition(",")
            return replace(self, first_token_ms=float(first), per_chunk_ms=float(rest or 0))
        except ValueError:
            raise ValueError(f"{HEADER}: {header!r} is not 'first,per_chunk' in milliseconds") from None

    async def before_piece(self, index: int) -> None:
        """Waits as long as a model takes for its piece number `index` (from 0)."""
        if wait := self.per_chunk_ms if index else self.first_token_ms:
            await asyncio.sleep(wait / 1000)

    async def whole(self, pieces: int) -> None:
        """Waits as long as a model takes to write all the pieces of an answer that isn't streamed."""
        if wait := self.first_token_ms + self.per_chunk_ms * max(0, pieces - 1):
            await asyncio.sleep(wait / 1000)
