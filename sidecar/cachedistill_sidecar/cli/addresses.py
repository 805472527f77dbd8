"""The addresses that a sidecar is to listen on, looked at before anything is started for them."""

from __future__ import annotations

import errno
import socket

import click


def expect_free(address: tuple[str, int], option: str) -> None:
    """Raises ClickException unless (host, port) can be listened on; `option` is the one to choose another port."""
    host, port = address
    try:
        socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(f"port {port} of {host} is taken: choose another one with {option}.") from error
        raise click.ClickException(f"can't listen on port {port} of {host}: {error.strerror or error}.") from error
