"""`python -m e2e.cluster.dns ADDRESS KUBECONFIG`: the cluster's names (Kubernetes' DNS specification 1.1.0, A records).

SERVICE.NAMESPACE.svc.cluster.local is the Service's address, or its pods' when it is headless; pods with a hostname
are found before a headless Service's name. A Service may be known by another name too, see ALIAS.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
import struct
import sys
import tempfile
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp

ALIAS = "e2e.cachedistill.dev/host"
"""Annotation of a Service: a name of the world outside that it stands in for, like api.example.com."""
_DOMAIN = ".svc.cluster.local"
_SOURCES = {"services": "/api/v1/services", "slices": "/apis/discovery.k8s.io/v1/endpointslices"}
_TYPE_A = 1
_NAME_ERROR = 3
_SECONDS = 5

Object = dict[str, Any]


@dataclass(slots=True)
class Names:
    """What the API server has told, and the answers that follow from it."""

    services: dict[tuple[str, str], Object] = field(default_factory=dict)
    slices: dict[tuple[str, str], Object] = field(default_factory=dict)

    def addresses(self, name: str) -> list[str] | None:
        """The addresses of a lower-case name without its last dot; None: there's no such name."""
        if not name.endswith(_DOMAIN):
            return self._alias(name)
        match name.removesuffix(_DOMAIN).split("."):
            case [service, namespace]:
                return self._service(namespace, service)
            case [host, service, namespace]:
                return [address for known, address in self._endpoints(namespace, service) if known == host] or None
        return None

    def _service(self, namespace: str, name: str) -> list[str] | None:
        service = self.services.get((namespace, name))
        if service is None:
            return None
        address = service["spec"].get("clusterIP", "None")
        return [found for _, found in self._endpoints(namespace, name)] if address == "None" else [address]

    def _alias(self, name: str) -> list[str] | None:
        for key, service in self.services.items():
            if service["metadata"].get("annotations", {}).get(ALIAS) == name:
                return self._service(*key)
        return None

    def _endpoints(self, namespace: str, service: str) -> list[tuple[str, str]]:
        return [
            (endpoint.get("hostname") or endpoint.get("targetRef", {}).get("name", ""), endpoint["addresses"][0])
            for (where, _), part in self.slices.items()
            if where == namespace and part["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
            for endpoint in part.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready", True)
        ]


def answer(query: bytes, names: Names) -> bytes:
    """The answer to one message (RFC 1035). Raises ValueError or struct.error for what is none."""
    (number,) = struct.unpack(">H", query[:2])
    labels, end = [], 12
    while length := query[end]:
        labels.append(query[end + 1 : end + 1 + length].decode("ascii").lower())
        end += length + 1
    (asked,) = struct.unpack(">H", query[end + 1 : end + 3])
    found = names.addresses(".".join(labels))
    records = [
        b"\xc0\x0c" + struct.pack(">HHIH", _TYPE_A, 1, _SECONDS, 4) + ipaddress.IPv4Address(address).packed
        for address in (found or ()) * (asked == _TYPE_A)
    ]
    flags = 0x8580 | (_NAME_ERROR if found is None else 0)  # an authoritative answer, recursion "available"
    header = struct.pack(">HHHHHH", number, flags, 1, len(records), 0, 0)
    return header + query[12 : end + 5] + b"".join(records)


class Datagrams(asyncio.DatagramProtocol):
    """DNS over UDP."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # which 3.11's doesn't say of itself

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        try:
            self._transport.sendto(answer(data, self._names), addr)
        except (ValueError, IndexError, struct.error) as error:
            print(f"no DNS query: {error}", file=sys.stderr)


async def follow(session: aiohttp.ClientSession, path: str, objects: dict[tuple[str, str], Object]) -> None:
    """Keep `objects` as the API server has them, for ever."""
    while True:
        try:
            await _list_and_watch(session, path, objects)
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
            print(f"{path}: {error!r}", file=sys.stderr)
            await asyncio.sleep(0.5)


async def _list_and_watch(session: aiohttp.ClientSession, path: str, objects: dict[tuple[str, str], Object]) -> None:
    async with session.get(path) as response:
        listed = await response.json()
    objects.clear()
    objects.update((_key(each), each) for each in listed["items"])
    query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": "300"}
    async with session.get(path, params=query) as response:
        async for line in response.content:
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            if event["type"] == "DELETED":
                objects.pop(_key(event["object"]), None)
            else:
                objects[_key(event["object"])] = event["object"]


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


async def serve(address: str, kubeconfig: str) -> None:
    """Answer on port 53 of `address`, UDP and TCP, until cancelled."""
    names = Names()
    server, context = _credentials(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=context)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=3, sock_read=330)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Datagrams(names), local_addr=(address, 53))

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
        message = answer(await reader.readexactly(length), names)
        writer.write(struct.pack(">H", len(message)) + message)
        await writer.drain()
        writer.close()

    await asyncio.start_server(stream, address, 53)
    async with aiohttp.ClientSession(server, connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(follow(session, path, getattr(names, kind)) for kind, path in _SOURCES.items()))


def _credentials(kubeconfig: str) -> tuple[str, ssl.SSLContext]:
    with open(kubeconfig) as file:
        content = json.load(file)
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    authority = b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return cluster["server"], context


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))
