"""A DNS server (RFC 1035) that knows a few names, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import cast

A, AAAA = 1, 28
_ANSWER, _UNKNOWN = 0x8180, 0x8183


class NameServer(asyncio.DatagramProtocol):
    """Answers for `addresses`, IPv4 by name; all other names don't exist."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own one is no subclass of DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _name(data)
        kind = struct.unpack(">H", data[end : end + 2])[0]
        question = data[12 : end + 4]
        self.asked.append(name)
        address = self._addresses.get(name)
        answer = b""
        if address is not None and kind == A:
            # The name is the one at byte 12; class IN, one second to live.
            answer = struct.pack(">HHHIH", 0xC00C, A, 1, 1, 4) + socket.inet_aton(address)
        flags = _UNKNOWN if address is None else _ANSWER
        head = data[:2] + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0)
        self._transport.sendto(head + question + answer, addr)


def _name(query: bytes) -> tuple[str, int]:
    """The name that is asked for, and where it ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1
