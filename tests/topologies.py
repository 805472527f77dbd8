"""Redis servers in the shapes that people run them in: a primary and a replica that Sentinels watch, and a Cluster."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from cachedistill_sidecar.local.redis import find_server

SERVICE = "entries"
_SLOTS = 16384
_SENTINELS = 3


@dataclass(frozen=True, slots=True)
class Server:
    """A running redis-server."""

    port: int
    process: asyncio.subprocess.Process

    @property
    def client(self) -> Redis:
        return Redis(port=self.port)

    async def ask(self, *command: str | int) -> Any:
        """What one command answers."""
        async with self.client as client:
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def add_user(self, name: str, password: str, rules: str) -> None:
        """Add a user with these rules."""
        await self.ask("ACL SETUSER", name, "on", f">{password}", *rules.split())

    async def kill(self) -> None:
        """End it at once, without a word to anybody."""
        self.process.kill()
        await self.process.wait()

    def hang(self) -> None:
        """It takes connections, and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)


@dataclass(frozen=True, slots=True)
class Watched:
    """A primary and its replica, watched by Sentinels."""

    primary: Server
    replica: Server
    sentinels: tuple[Server, ...]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"


@dataclass(frozen=True, slots=True)
class Sharded:
    """A Cluster: primaries, and a replica of each of the first ones."""

    primaries: tuple[Server, ...]
    replicas: tuple[Server, ...]

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.primaries[0].port},127.0.0.1:{self.primaries[1].port}"

    async def keys(self, pattern: str) -> dict[int, list[bytes]]:
        """Keys by the port of the primary that has them."""
        return {server.port: await server.ask("KEYS", pattern) for server in self.primaries}


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Watched]:
    """Three Sentinels that replace a primary within about a second."""
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(server(folder / "primary"))
        replica = await stack.enter_async_context(server(folder / "replica", f"--replicaof 127.0.0.1 {primary.port}"))
        await until(partial(reports, replica, "INFO", "replication", master_link_status="up"))
        sentinels = [await stack.enter_async_context(_sentinel(folder, primary, i)) for i in range(_SENTINELS)]
        for sentinel in sentinels:
            await until(partial(_knows_all, sentinel))
        yield Watched(primary, replica, tuple(sentinels))


@asynccontextmanager
async def sharded(folder: Path, *, replicas: int = 0, search: bool = True) -> AsyncIterator[Sharded]:
    """Three primaries, and replicas of the first of them."""
    count = 3
    async with AsyncExitStack() as stack:
        servers = []
        buses = [free_port() for _ in range(count + replicas)]
        for number, bus in enumerate(buses):
            settings = f"--cluster-enabled yes --cluster-port {bus} --cluster-node-timeout 1000"
            node = server(folder / str(number), settings, search=search)
            servers.append(await stack.enter_async_context(node))
        for number, each in enumerate(servers[:count]):
            first, last = _SLOTS * number // count, _SLOTS * (number + 1) // count - 1
            await each.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for each, bus in zip(servers[1:], buses[1:], strict=True):
            await servers[0].ask("CLUSTER", "MEET", "127.0.0.1", each.port, bus)
        for each in servers:
            known = str(len(servers))
            await until(partial(reports, each, "CLUSTER INFO", cluster_state="ok", cluster_known_nodes=known))
        for primary, replica in zip(servers, servers[count:], strict=False):
            await replica.ask("CLUSTER", "REPLICATE", await primary.ask("CLUSTER", "MYID"))
            await until(partial(reports, replica, "INFO", "replication", master_link_status="up"))
        yield Sharded(tuple(servers[:count]), tuple(servers[count:]))


@asynccontextmanager
async def server(folder: Path, settings: str = "", *, search: bool = True) -> AsyncIterator[Server]:
    """A redis-server on a free port of 127.0.0.1, with the query engine unless told otherwise."""
    port = free_port()
    async with _running(port, [*_command(folder, port, search), *settings.split()]) as running:
        yield running


def _command(folder: Path, port: int, search: bool) -> list[str]:
    folder.mkdir(parents=True)
    executable, modules = find_server()
    command = f"{executable} --port {port} --bind 127.0.0.1 --dir {folder} --repl-diskless-sync-delay 0".split()
    return [*command, "--save", "", *(["--loadmodule", str(modules[0])] if search else [])]


@asynccontextmanager
async def _sentinel(folder: Path, primary: Server, number: int) -> AsyncIterator[Server]:
    port, file = free_port(), folder / f"sentinel-{number}.conf"
    file.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} 500\nsentinel failover-timeout {SERVICE} 3000\n"
    )
    async with _running(port, [str(find_server()[0]), str(file), "--sentinel"]) as running:
        yield running


@asynccontextmanager
async def _running(port: int, command: list[str]) -> AsyncIterator[Server]:
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=nothing, stderr=nothing)
    running = Server(port, process)
    try:
        await until(partial(_answers, running))
        yield running
    finally:
        if process.returncode is None:
            await running.kill()


def free_port() -> int:
    """A port that nobody listens on just now, with room for what Redis adds to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for servers to come about; errors mean that they haven't yet."""
    for _ in range(1500):
        with contextlib.suppress(RedisError, OSError):
            if await condition():
                return
        await asyncio.sleep(0.02)
    raise AssertionError("the servers never came")


async def _answers(of: Server) -> bool:
    return bool(await of.ask("PING"))


async def reports(of: Server, *command: str, **expected: str) -> bool:
    """Whether a report has these lines."""
    report = await of.ask(*command)
    return all(str(report.get(name)) == value for name, value in expected.items())


async def _knows_all(sentinel: Server) -> bool:
    async with sentinel.client as client:
        masters: Any = await client.sentinel_masters()
    state = masters[SERVICE]
    return bool(state["num-other-sentinels"] == _SENTINELS - 1 and state["num-slaves"] == 1)
