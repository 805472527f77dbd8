"""Starts redis-server with its modules, as the official image's entry point does.

This redis-server is built without TLS: given `--tls-port`, it listens in plain text on 127.0.0.1 only, and TLS ends
here, with the certificate that it was given.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from pathlib import Path

_MODULES = Path("/opt/redis/modules")
_PLAIN_PORT = "16379"
_CHUNK = 65536


def main(arguments: list[str]) -> None:
    if arguments and arguments[0].startswith("-"):
        arguments = ["redis-server", *arguments]
    if arguments[:1] == ["redis-server"]:
        for module in sorted(_MODULES.glob("*.so")):
            arguments += ["--loadmodule", str(module)]
        if "--tls-port" in arguments:
            sys.exit(asyncio.run(_behind_tls(arguments)))
    os.execvp(arguments[0], arguments)


async def _behind_tls(arguments: list[str]) -> int:
    """Run redis-server behind TLS, and give its exit code."""
    plain, tls = _split(arguments)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls["--tls-cert-file"], tls["--tls-key-file"])
    server = await asyncio.create_subprocess_exec(*plain, "--port", _PLAIN_PORT, "--bind", "127.0.0.1")
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.send_signal, name)
    async with await asyncio.start_server(_forward, "0.0.0.0", int(tls["--tls-port"]), ssl=context):
        return await server.wait()


def _split(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments without those that say where to listen, and those about TLS."""
    plain, tls = arguments[:1], dict[str, str]()
    for name, value in zip(arguments[1::2], arguments[2::2], strict=True):
        if name.startswith("--tls-"):
            tls[name] = value
        elif name not in ("--port", "--bind"):
            plain += [name, value]
    return plain, tls


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", int(_PLAIN_PORT))
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, back_writer), _copy(back_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    main(sys.argv[1:])
