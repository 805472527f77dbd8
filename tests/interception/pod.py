"""A pod in namespaces of its own: its own loopback with a free port 443, its own /etc/hosts and /etc/resolv.conf.

`Pod` is the outside. The inside is this module as a program: it starts providers and DNS, then runs the commands that
come as lines of JSON, and answers each with a line of JSON.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.interception.certificates import authority, leaf
from tests.interception.dns import NameServer
from tests.upstream import Upstream

ROOT = Path(__file__).parents[2]
HOSTS = ("api.openai.com", "api.anthropic.com", "api.mistral.ai")
"""What /etc/hosts sends to 127.0.0.1, where the sidecar listens."""
PROVIDER, IMPOSTOR, IN_CLUSTER, ALIASED = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
UNVOUCHED = "elsewhere.example"
"""A host with a certificate of the interception CA, whose name constraints don't permit it."""
_RESOLV = "nameserver 127.0.0.1\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
_SECONDS = 60
_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--kill-child", "--fork"]

Json = dict[str, Any]


def available() -> bool:
    """Whether this machine lets us make such a pod."""
    try:
        return (
            subprocess.run([*_NAMESPACES, "true"], capture_output=True, timeout=_SECONDS, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False


class Pod:
    """Started in a folder, which gets the CAs: `public.pem`, and `authority/` with the interception CA."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [*_NAMESPACES, sys.executable, "-m", "tests.interception.pod", str(folder)]
        pipe = subprocess.PIPE
        self._popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT)
        self._answer()

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None) -> Json:
        """Run a command to its end: `code`, `out` and `err`."""
        return self._ask(run=[str(each) for each in command], env=dict(env or {}))

    def start(self, *command: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Start a command that goes on as long as the pod; its output is in `log`."""
        self._ask(start=[str(each) for each in command], env=dict(env or {}))

    def seen(self) -> Json:
        """What reached each place since the last time: calls (path, host and key of each), and names asked of DNS."""
        return self._ask(seen=True)

    def close(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait(timeout=_SECONDS)

    def _ask(self, **command: Any) -> Json:
        assert self._popen.stdin is not None
        self._popen.stdin.write(orjson.dumps(command) + b"\n")
        self._popen.stdin.flush()
        return self._answer()

    def _answer(self) -> Json:
        assert self._popen.stdout is not None
        answer: Json = orjson.loads(self._popen.stdout.readline())
        return answer


class Inside:
    """The pod's own side."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._upstreams = {name: Upstream() for name in ("provider", "in_cluster", "aliased")}
        public = dict.fromkeys(HOSTS, PROVIDER)
        self._names = NameServer({**public, "vllm.models.svc.cluster.local": IN_CLUSTER})
        self._started: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        _loopback_up()
        _mounted(self._folder / "resolv.conf", _RESOLV, "/etc/resolv.conf")
        lines = [f"127.0.0.1 localhost {' '.join(HOSTS)}", f"{IMPOSTOR} {UNVOUCHED}", f"{ALIASED} gateway.internal"]
        _mounted(self._folder / "hosts", "\n".join(lines) + "\n", "/etc/hosts")
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self._names, ("127.0.0.1", 53))
        for upstream in self._upstreams.values():
            await upstream.__aenter__()
        public, ours = authority(), authority(HOSTS)
        (self._folder / "public.pem").write_bytes(public.pem)
        ours.write(self._folder / "authority")
        tls = leaf(public, *HOSTS).server(self._folder / "provider")
        await self._site("provider", PROVIDER, 443, ssl_context=tls)
        await self._site("provider", IMPOSTOR, 443, ssl_context=leaf(ours, UNVOUCHED).server(self._folder / "impostor"))
        await self._site("in_cluster", IN_CLUSTER, 8000)
        await self._site("aliased", ALIASED, 80)

    async def _site(self, name: str, host: str, port: int, **settings: Any) -> None:
        runner = self._upstreams[name]._runner
        assert runner is not None
        await web.TCPSite(runner, host, port, **settings).start()

    async def handle(self, command: Json) -> Json:
        if "run" in command:
            process = await self._process(command["run"], command["env"], subprocess.PIPE)
            out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
            return {"code": process.returncode, "out": out.decode(), "err": err.decode()}
        if "start" in command:
            with (self._folder / "log").open("ab") as log:
                self._started.append(await self._process(command["start"], command["env"], log))
            return {}
        return self._seen()

    async def end(self) -> None:
        for process in self._started:
            process.terminate()
            await process.wait()

    def _seen(self) -> Json:
        seen: Json = {
            name: [
                {"path": call.path, "host": call.headers["host"], "key": call.headers.get("authorization")}
                for call in upstream.calls
            ]
            for name, upstream in self._upstreams.items()
        }
        for upstream in self._upstreams.values():
            upstream.reset()
        asked, self._names.asked = self._names.asked, []
        return seen | {"asked": asked}

    async def _process(self, command: Sequence[str], env: Json, output: Any) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command, env=os.environ | env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


async def inside(folder: Path) -> None:
    """Serve the outside until it closes our standard input."""
    pod = Inside(folder)
    await pod.start()
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    answer: Json = {}
    while True:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
        sys.stdout.flush()
        if not (line := await lines.readline()):
            break
        answer = await pod.handle(orjson.loads(line))
    await pod.end()


def _loopback_up() -> None:
    """SIOCSIFFLAGS with IFF_UP (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


def _mounted(file: Path, text: str, over: str) -> None:
    file.write_text(text)
    subprocess.run(["mount", "--bind", str(file), over], check=True, timeout=_SECONDS)


if __name__ == "__main__":
    asyncio.run(inside(Path(sys.argv[1])))
