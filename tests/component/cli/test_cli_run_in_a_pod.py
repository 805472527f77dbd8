"""`cachedistill run` as a pod's sidecar: the route may come late, hosts are intercepted, and a Job's pod can end."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.component.cli.command_line import COMMAND, PATIENCE, Environment, Process, Run, ask
from tests.interception.certificates import authority

HOST = "api.openai.com"
INTERCEPT = ("--intercept-host", HOST, "--intercept-ca", "ca", "--trust-bundle", "bundle.pem")


def readiness(process: Process) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(process.admin_url).netloc, timeout=PATIENCE)
    connection.request("GET", "/readyz?verbose")
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def eventually_ready(process: Process) -> None:
    deadline = time.monotonic() + PATIENCE
    while readiness(process)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def idle(address: str, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """A connection that has carried a call and is kept for the next one, as SDKs do."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.connect()
    if tls is not None:
        connection.sock = tls.wrap_socket(connection.sock, server_hostname=HOST)
    connection.request("POST", "/v1/chat/completions", b"{}", {"host": "api.example.com"} if tls else {})
    connection.getresponse().read()
    yield
    connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def test_a_route_that_is_optional_may_come_late(run: Run, route_file: Path) -> None:
    late = route_file.with_suffix(".late")
    route_file.rename(late)
    process = run("--route", route_file, "--route-optional")
    status, state = readiness(process)
    assert (status, state["route"]["name"]) == (200, "default/pass-through")
    assert str(route_file) in state["route"]["problem"]
    late.rename(route_file)
    deadline = time.monotonic() + PATIENCE
    while readiness(process)[1]["route"]["problem"] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ask(f"{process.url}/v1")[0] == "fallback"


def test_a_route_that_is_not_optional_must_be_there(environment: Environment, tmp_path: Path) -> None:
    command = [*COMMAND, "run", "--port", "0", "--admin-port", "0", "--route", str(tmp_path / "gone.json")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (result.returncode, "No such file" in result.stderr) == (1, True)


def test_the_process_ends_though_connections_are_kept_open(run: Run, route_file: Path, tmp_path: Path) -> None:
    ca, port = authority([HOST]).write(tmp_path / "ca"), free_port()
    places = ("--intercept-ca", ca, "--trust-bundle", tmp_path / "bundle.pem", "--intercept-port", port)
    process = run("--route", route_file, "--intercept-host", HOST.upper(), *places)
    eventually_ready(process)
    trusted = ssl.create_default_context(cafile=tmp_path / "bundle.pem")
    with idle(urlsplit(process.url).netloc), idle(f"127.0.0.1:{port}", trusted):
        process.signal(signal.SIGTERM)
        # Less than the time that an answer under way would be given.
        assert process._popen.wait(timeout=15) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--route-optional",), "--route-optional goes with --route"),
        (INTERCEPT[:4], "go together"),
        (INTERCEPT[2:], "go together"),
        (("--intercept-host", "*.openai.azure.com", *INTERCEPT[2:]), "must be the full name of a host"),
        (("--intercept-host", "localhost", *INTERCEPT[2:]), "must be the full name of a host"),
    ],
)
def test_options_that_make_no_sense_are_named(
    environment: Environment, options: tuple[str, ...], sentence: str
) -> None:
    command = [*COMMAND, "run", *options]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (result.returncode, sentence in result.stderr) == (2, True), result.stderr


def test_a_taken_port_for_intercepted_hosts_is_one_sentence(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "run", "--port", "0", "--admin-port", "0", *INTERCEPT, "--intercept-port", port]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert result.stderr == f"Error: port {port} of 127.0.0.1 is taken: choose another one with --intercept-port.\n"


def test_a_sidecar_that_intercepts_nothing_does_not_load_what_that_takes(environment: Environment) -> None:
    """cryptography alone is 10 MB of memory in every pod."""
    program = (
        "import asyncio, sys; from pathlib import Path; from cachedistill_sidecar.app import Sidecar\n"
        "from cachedistill_sidecar.cli.default_route import pass_through_route\n"
        "async def main():\n"
        "    async with Sidecar(pass_through_route(), find_model=Path): pass\n"
        "asyncio.run(main()); print('cryptography.x509' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (result.stdout.strip(), result.returncode) == ("False", 0), result.stderr
