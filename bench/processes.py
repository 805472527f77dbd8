"""What is measured, as processes of their own on the loopback: upstream, pass-through, sidecars, collector, Redis."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.exceptions import RedisError

from cachedistill_sidecar.local.models import DEFAULT, prepare_embedder
from cachedistill_sidecar.local.redis import find_server
from cachedistill_sidecar.route_document import RouteDocument

_START_SECONDS = 60.0
_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_REPOSITORY = Path(__file__).resolve().parent.parent


class NotStarted(RuntimeError):
    """A process ended before it was ready; the message has the end of its log."""


class Process:
    """A running process, and where its log goes."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str], url: str) -> None:
        self._log = log
        paths = os.pathsep.join([str(_REPOSITORY), str(_REPOSITORY / "sidecar")])
        with log.open("ab") as errors:
            self._popen = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": paths, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._url = url

    @property
    def url(self) -> str:
        """Its address: the first that it prints, if it wasn't told one. Waits for that. Raises NotStarted."""
        assert self._popen.stdout is not None
        while not self._url:
            line = self._popen.stdout.readline()
            if not line:
                raise self.not_started()
            if found := _URL.search(line):
                self._url = found[0]
        return self._url

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    @property
    def rss_mb(self) -> float:
        """Resident memory in MB (1,000,000 bytes), libraries shared with other processes included."""
        for line in Path(f"/proc/{self._popen.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise AssertionError("a process without VmRSS")

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all its threads up to now, in steps of 10 ms."""
        fields = Path(f"/proc/{self._popen.pid}/stat").read_text().rpartition(")")[2].split()
        # utime and stime, fields 14 and 15 of proc(5).
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def hang(self) -> None:
        """Stop it: the kernel goes on accepting connections for it, and nobody answers."""
        self._popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a `hang`."""
        self._popen.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def not_started(self) -> NotStarted:
        """The error to raise about it."""
        tail = self._log.read_text(errors="replace").splitlines()[-15:]
        return NotStarted("\n".join([" ".join(map(str, self._popen.args)), *tail]))  # type: ignore[arg-type]


class RedisServer:
    """A redis-server with the query engine on a port of 127.0.0.1, as a sidecar reaches its cluster's; no dump."""

    def __init__(self, processes: Processes, name: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._processes = processes
        self._name = name
        self.process: Process
        self.start()

    def start(self) -> None:
        """Start it, or start it again at the same port with no entries. Returns when it answers."""
        server, modules = find_server()
        command = [str(server), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir"]
        command += [str(self._processes.folder), "--maxmemory", "1gb", "--maxmemory-policy", "volatile-lru"]
        for module in modules:
            command += ["--loadmodule", str(module)]
        self.process = self._processes.add(self._name, command)
        deadline = time.monotonic() + _START_SECONDS
        while self.process.alive and time.monotonic() < deadline:
            with suppress(RedisError):
                self.command("FT._LIST")
                return
            time.sleep(0.01)
        raise self.process.not_started()

    def command(self, *words: str) -> object:
        """Run one command. Raises RedisError."""
        with Redis(port=self.port, socket_timeout=5.0) as client:
            return client.execute_command(*words)


class Processes:
    """Starts processes; all of them end with it, at once, and so does the folder of their files."""

    def __enter__(self) -> Processes:
        self._temporary = tempfile.TemporaryDirectory(prefix="cachedistill-bench-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self._started: list[Process] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._started):
            process.kill()
        self._temporary.cleanup()

    def add(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None, url: str = ""
    ) -> Process:
        """Start a command; `url` when it is known beforehand."""
        process = Process(command, self.folder / f"{name}.log", environment or {}, url)
        self._started.append(process)
        return process

    def upstream(self, queries: Path | None = None) -> Process:
        """The provider; `queries`: a file of those that it knows the answers to."""
        return self._module("tests.upstream", *(() if queries is None else ("--queries", str(queries))))

    def passthrough(self, upstream_url: str) -> Process:
        """The baseline proxy."""
        return self._module("bench.passthrough", upstream_url)

    def collector(self) -> Process:
        """An OTLP receiver."""
        return self._module("bench.collector")

    def sidecar(self, name: str, document: RouteDocument) -> Process:
        """A sidecar, as a pod runs it."""
        self.write_route(name, document)
        models = self.folder / "models"
        if not models.is_dir():
            models.mkdir()
            # As in an image, which brings its models: nothing of what builds one is loaded.
            (models / DEFAULT).symlink_to(prepare_embedder(), target_is_directory=True)
        run = ("run", "--route", str(self._route_file(name)), "--port", "0", "--admin-port", "0")
        command = [sys.executable, "-m", "cachedistill_sidecar", *run]
        return self.add(name, command, {"CACHEDISTILL_MODELS": str(models)})

    def write_route(self, name: str, document: RouteDocument) -> None:
        """Give a sidecar its route document, or another one."""
        path = self._route_file(name)
        fresh = path.with_suffix(".new")
        fresh.write_text(document.model_dump_json(by_alias=True, exclude_none=True))
        fresh.replace(path)

    def redis(self, name: str = "redis") -> RedisServer:
        """A Redis."""
        return RedisServer(self, name)

    def _route_file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _module(self, module: str, *arguments: str) -> Process:
        return self.add(module, [sys.executable, "-m", module, *arguments])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
