"""A TLS handshake in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

from cachedistill_operator.certificates.authority import Pair


def shake_hands(shown: Pair, trusted: str, name: str, folder: Path) -> None:
    """A client that trusts PEM certificates calls a server by a name. Raises ssl.SSLError as the client does."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_text(shown.certificate, "ascii")
    key.write_text(shown.key, "ascii")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    calling = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    calling.load_verify_locations(cadata=trusted)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = calling.wrap_bio(down, up, server_hostname=name)
    server = serving.wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
