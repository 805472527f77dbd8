"""A route document's file: read at the start, and again whenever it has changed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from cachedistill_sidecar.route_document import RouteDocument, RouteError
from cachedistill_sidecar.route_parsing import parse

log = logging.getLogger(__name__)

_RELOAD_SECONDS = 0.5


class RouteFile:
    """`problem` says what is wrong with the file as it is now; None when its document is the one in use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: bytes | None = None
        self.problem: str | None = None

    def first(self, meanwhile: RouteDocument | None) -> RouteDocument:
        """The document to start with: `meanwhile`, when the file holds none. Raises RouteError without that."""
        try:
            return self._load()
        except RouteError as error:
            if meanwhile is None:
                raise
            self.problem = str(error)
            log.warning("calls pass through to their providers, uncached, until there is a good route: %s", error)
            return meanwhile

    async def follow(self, take_over: Callable[[RouteDocument], Awaitable[None]], rejected: Callable[[], None]) -> None:
        """Hand changed documents on, for ever; a bad one is reported, and the last good one stays."""
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            # By content: a ConfigMap is swapped by a symlink, an editor renames, and both keep odd times.
            with contextlib.suppress(OSError):
                if await asyncio.to_thread(self._path.read_bytes) == self._read:
                    continue
            try:
                await take_over(self._load())
                self.problem = None
            except Exception as error:
                # Whatever it was: the next version of the document must still find its way.
                if str(error) != self.problem:
                    unexpected = None if isinstance(error, RouteError) else error
                    log.error("the route is rejected, the last good one stays: %s", error, exc_info=unexpected)
                    rejected()
                self.problem = str(error)

    def _load(self) -> RouteDocument:
        # So that the same content counts as new when it is back after the file was away.
        self._read = None
        try:
            self._read = self._path.read_bytes()
        except OSError as error:
            raise RouteError(f"{self._path}: {error.strerror}") from error
        return parse(self._read)
