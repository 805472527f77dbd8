"""The webhook's certificate, taken up anew whenever its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from cachedistill_operator.certificates.authority import expiry

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class ServingContext:
    """`context` is for the listener: each handshake is done with the certificate of that moment.

    `folder` has tls.crt and tls.key, as a Secret is mounted; it may be empty at first: handshakes fail until it isn't.
    """

    def __init__(self, folder: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.sni_callback = self._answer
        self.loaded = asyncio.Event()
        self.expiry = 0.0
        self._paths = (folder / "tls.crt", folder / "tls.key")
        self._content: tuple[bytes, ...] | None = None
        self._current: ssl.SSLContext | None = None

    async def watch(self) -> None:
        """Look at the files every second until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Take up what the files hold, if it is new and complete; else go on with what there was."""
        try:
            content = tuple(path.read_bytes() for path in self._paths)
        except OSError:
            return
        if content == self._content:
            return
        # The kubelet may swap both files between two reads: then they don't fit, and the next look finds them.
        try:
            fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            fresh.minimum_version = ssl.TLSVersion.TLSv1_2
            fresh.load_cert_chain(*self._paths)
            ends = expiry(content[0].decode()).timestamp()
        except (OSError, ValueError) as error:
            log.warning("%s and tls.key can't be used: %s", self._paths[0], error)
            return
        self._content, self._current, self.expiry = content, fresh, ends
        self.loaded.set()
        log.info("serving with the certificate in %s", self._paths[0])

    def _answer(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        handshake.context = self._current
        return None
