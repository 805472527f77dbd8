"""An API server, the operator's two processes before it, and beside them a webhook of kopf that does nothing."""

from __future__ import annotations

import re
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.release import CONTROLLER, WEBHOOK, Release
from bench.contract import progress
from bench.processes import Process, Processes, free_port
from e2e.cluster.api_server import ApiServer

_START_SECONDS = 60.0
_CALLS = re.compile(r"^cachedistill_operator_api_calls_total\{(.*?)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Calls:
    """How many calls a controller has made to the API server; renewals of its Lease are told apart."""

    reads: float
    writes: float
    lease_writes: float

    def __sub__(self, other: Calls) -> Calls:
        return Calls(self.reads - other.reads, self.writes - other.writes, self.lease_writes - other.lease_writes)


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, and where it listens."""

    server: ApiServer
    release: Release
    redis_url: str
    controller: Process
    controller_http: int
    webhook_port: int
    empty_port: int

    def calls(self) -> Calls:
        """What the controller's metric says now."""
        reads = writes = lease = 0.0
        with urllib.request.urlopen(f"http://127.0.0.1:{self.controller_http}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for labels, value in _CALLS.findall(text):
            told = dict(_LABEL.findall(labels))
            if told["method"] == "GET":
                reads += float(value) if told["resource"] != "leases" else 0.0
            elif told["resource"] == "leases":
                lease += float(value)
            else:
                writes += float(value)
        return Calls(reads, writes, lease)

    @property
    def authority(self) -> Path:
        """Whom both webhooks' certificates are from."""
        return self.release.tls / "ca.crt"


@contextmanager
def staged() -> Iterator[Stage]:
    """Start everything. Raises Unavailable where there is no API server, and NotStarted."""
    with ApiServer() as server, Processes() as processes:
        webhook_port, empty_port, http = free_port(), free_port(), free_port()
        release = Release(server, processes.folder, webhook_port)
        progress("the API server knows both kinds")
        redis = processes.redis()
        controller = _operator(processes, release, CONTROLLER, "controller", "--http-port", str(http))
        webhook_http = free_port()
        webhook = _operator(
            *(processes, release, WEBHOOK, "webhook", "--tls", str(release.tls)),
            *("--port", str(webhook_port), "--http-port", str(webhook_http)),
        )
        empty = processes.add(
            "empty",
            [sys.executable, "-m", "bench.cluster.empty_kopf", str(empty_port), str(release.tls)],
            {"KUBECONFIG": str(server.kubeconfig)},
            url=f"https://127.0.0.1:{empty_port}",
        )
        _until_ready(controller, http)
        _until_ready(webhook, webhook_http)
        _until_listening(empty, empty_port)
        progress("controller and webhook are ready")
        yield Stage(server, release, redis.url, controller, http, webhook_port, empty_port)


def _operator(processes: Processes, release: Release, account: str, *arguments: str) -> Process:
    command = [sys.executable, "-m", "cachedistill_operator", *arguments, "--settings", str(release.settings)]
    environment = {"KUBECONFIG": str(release.kubeconfig(account)), "POD_NAME": account}
    return processes.add(account, command, environment, url="http://127.0.0.1")


def _until_ready(process: Process, port: int) -> None:
    def ready() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)

    _until(process, ready)


def _until_listening(process: Process, port: int) -> None:
    def listening() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    _until(process, listening)


def _until(process: Process, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.alive and time.monotonic() < deadline:
        with suppress(OSError):
            if holds():
                return
        time.sleep(0.05)
    raise process.not_started()
