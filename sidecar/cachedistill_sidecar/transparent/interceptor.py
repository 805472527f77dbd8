"""Interception as a whole: wait for the CA, give the apps their trust, listen."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cachedistill_sidecar.transparent.authority import Authority, AuthorityUnavailable, utc_now
from cachedistill_sidecar.transparent.bundle import write_bundle
from cachedistill_sidecar.transparent.handshake import Handshakes
from cachedistill_sidecar.transparent.settings import Interception

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5

Listen = Callable[[ssl.SSLContext], Awaitable[None]]
"""Starts the TLS listener. Raises OSError."""


class Interceptor:
    """Gets there by itself: the Secret with the CA may come late, and until then the apps must not be started.

    It can't fail open: the hosts lead here already, and without the CA nobody would believe us. `problem` says what
    it waits for; None once it listens.
    """

    def __init__(self, settings: Interception, listen: Listen, *, roots: Path) -> None:
        self._settings, self._listen, self._roots = settings, listen, roots
        self._authority: Authority | None = None
        self.problem: str | None = "interception has not begun yet"

    async def run(self) -> None:
        """Ends when calls are intercepted. The CA stays what it is now: apps read their bundle once, at their start."""
        while self.problem is not None:
            try:
                self._authority = await asyncio.to_thread(self._prepare)
                await self._listen(Handshakes(self._authority, self._settings.hosts).context)
                self.problem = None
            except Exception as error:
                # Whatever it was: the next version of the Secret must still find its way.
                self._wait_for(error)
                await asyncio.sleep(_RETRY_SECONDS)
        log.info("calls to %s are intercepted", ", ".join(sorted(self._settings.hosts)))

    def state(self) -> dict[str, Any]:
        """What `/readyz?verbose` tells."""
        authority = None if self._authority is None else self._authority.fingerprint
        return {"hosts": sorted(self._settings.hosts), "ca": authority, "problem": self.problem}

    def _prepare(self) -> Authority:
        authority = Authority.load(self._settings.authority, self._settings.hosts, now=utc_now())
        write_bundle(self._settings.bundle, self._roots.read_bytes(), authority.certificates)
        return authority

    def _wait_for(self, error: Exception) -> None:
        sentence = f"calls can't be intercepted yet: {error}"
        if sentence != self.problem:
            log.warning("%s", sentence, exc_info=None if isinstance(error, AuthorityUnavailable | OSError) else error)
        self.problem = sentence
