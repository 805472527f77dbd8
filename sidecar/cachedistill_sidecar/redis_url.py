"""The URL of a cache's Redis: one server, a primary that Sentinels know, or a Cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

ALLOWED = (
    "redis:// or rediss://[user:password@]host[:port][/database], unix://path, "
    "redis+sentinel:// or rediss+sentinel://[user:password@]host[:port],.../service[/database], "
    "redis+cluster:// or rediss+cluster://[user:password@]host[:port],..."
)
_SCHEME = re.compile(r"(?P<base>rediss?|unix)(\+(?P<topology>sentinel|cluster))?://")
_NODE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(:(?P<port>\d{1,5}))?")
_PORTS = {"cluster": 6379, "sentinel": 26379}
_SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}


class Topology(StrEnum):
    """Who knows where the entries are."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL, read. For one server only `text`, `topology` and `tls` are set: the client reads those URLs itself.

    `nodes` are Sentinels, or some nodes of a Cluster: (host, port). User and password are Redis' own; Sentinels that
    want a password too have theirs in the query, `?sentinel_password=...`, since most have none.
    """

    text: str
    topology: Topology
    tls: bool
    nodes: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = None
    service: str = ""
    database: int = 0
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL. Raises ValueError with what is allowed; the message holds nothing of a password."""
        scheme = _SCHEME.match(text)
        if scheme is None or (scheme["base"] == "unix" and scheme["topology"]):
            raise ValueError(f"must be one of {ALLOWED}")
        tls = scheme["base"] == "rediss"
        if scheme["topology"] is None:
            return cls(text, Topology.SERVER, tls)
        topology = Topology(scheme["topology"])
        parts = urlsplit(text)
        credentials, _, hosts = parts.netloc.rpartition("@")
        username, _, password = credentials.partition(":")
        service, database = _path(topology, parts.path)
        return cls(
            text,
            topology,
            tls,
            nodes=tuple(_node(each, _PORTS[topology]) for each in hosts.split(",")),
            username=unquote(username) or None,
            password=unquote(password) or None,
            service=service,
            database=database,
            **_options(topology, parts.query),
        )


def _node(text: str, port: int) -> tuple[str, int]:
    node = _NODE.fullmatch(text)
    if node is None or not 0 < int(node["port"] or port) < 65536:
        raise ValueError(
            "hosts must be host or host:port, several with commas between; in a password, / @ and : are percent-encoded"
        )
    return node["host"].strip("[]"), int(node["port"] or port)


def _path(topology: Topology, path: str) -> tuple[str, int]:
    """The Sentinels' name for the primary, and the number of the database."""
    if topology is Topology.CLUSTER:
        if path not in ("", "/", "/0"):
            raise ValueError("a Cluster has database 0 only: the URL ends after its hosts")
        return "", 0
    service, _, database = path.strip("/").partition("/")
    if not service or not re.fullmatch(r"\d*", database):
        raise ValueError("a Sentinel URL names the service, and may name a database: .../service or .../service/0")
    return unquote(service), int(database or 0)


def _options(topology: Topology, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    allowed = _SENTINEL_OPTIONS if topology is Topology.SENTINEL else set()
    if unknown := sorted(set(options) - allowed):
        these = " and ".join(sorted(allowed)) or "none"
        raise ValueError(f"{unknown[0]!r} is not an option of a {topology} URL (it takes {these})")
    return options
