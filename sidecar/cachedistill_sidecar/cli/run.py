"""`cachedistill run`: the sidecar, on a laptop or in a container."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import re
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import click

from cachedistill_sidecar.cli.addresses import expect_free
from cachedistill_sidecar.transparent.settings import Interception

LEVELS = ("debug", "info", "warning", "error")
# RFC 1123, and at least one dot: `localhost` and bare names of Services are no providers.
_HOST = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# How many threads numerical packages compute with; read when they are imported.
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
_M_MMAP_THRESHOLD, _LARGE = -3, 128 * 1024  # <malloc.h>; bytes
_PATH = click.Path(path_type=Path)
_PORT = click.IntRange(0, 65535)


def _hosts(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> frozenset[str]:
    hosts = frozenset(name.lower() for name in names)
    if wrong := sorted(host for host in hosts if not _HOST.fullmatch(host)):
        raise click.BadParameter(f"{wrong[0]!r} must be the full name of a host, such as api.openai.com.")
    return hosts


@click.command()
@click.option("--route", type=_PATH, help="Route document; without it, all providers are cached.")
@click.option("--route-optional", is_flag=True, help="Until that file is there, calls pass through uncached.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that apps send their calls to.")
@click.option("--port", default=8080, show_default=True, type=_PORT, help="Its port; 0: a free one.")
@click.option("--admin-host", default="127.0.0.1", show_default=True, help="Address for health, metrics, decisions.")
@click.option("--admin-port", default=9090, show_default=True, type=_PORT, help="Its port.")
@click.option(
    "--intercept-host", multiple=True, callback=_hosts, help="A host whose name leads here; may be given repeatedly."
)
@click.option("--intercept-ca", type=_PATH, help="Folder with the CA for those hosts: tls.crt and tls.key.")
@click.option("--trust-bundle", type=_PATH, help="File to write for the apps: the public roots and that CA.")
@click.option("--intercept-port", default=443, show_default=True, type=_PORT, help="Port for those hosts.")
@click.option("--log-format", default="text", show_default=True, type=click.Choice(["text", "json"]))
@click.option("--log-level", default="warning", show_default=True, type=click.Choice(LEVELS))
def run(
    route: Path | None,
    route_optional: bool,
    host: str,
    port: int,
    admin_host: str,
    admin_port: int,
    log_format: str,
    log_level: str,
    **intercept: Any,
) -> None:
    """Run the sidecar, and say how to point the SDKs at it.

    Without --route, entries go to the Redis of $CACHEDISTILL_REDIS_URL or else to an embedded one, and calls to
    OpenAI, Anthropic, Ollama and, when $AZURE_OPENAI_ENDPOINT is set, Azure. With --route, all is as the document says,
    Redis included; the file is watched for changes. Models are looked for in $CACHEDISTILL_MODELS first.

    With --intercept-host, calls that /etc/hosts redirects to 127.0.0.1 are answered too, by TLS; those that no rule
    takes go on to the host itself. --intercept-ca and --trust-bundle must be given with it.
    """
    if route_optional and route is None:
        raise click.UsageError("--route-optional goes with --route.")
    interception = _interception(**intercept)
    expect_free((host, port), "--port")
    expect_free((admin_host, admin_port), "--admin-port")
    if interception is not None:
        expect_free(("127.0.0.1", interception.port), "--intercept-port")
    # Nothing of what a start makes is garbage, and looking for some takes a tenth of it; `serve` turns it on again.
    gc.disable()
    _compute_alone(os.environ)
    _return_memory()
    # After the checks, since these take a second.
    import uvloop

    from cachedistill_sidecar.cli.serving import Settings, serve

    _configure_logging(log_format, log_level)
    settings = Settings(route, route_optional, (host, port), (admin_host, admin_port), interception)
    uvloop.run(serve(settings, _narrator(log_format)))


def _interception(
    intercept_host: frozenset[str], intercept_ca: Path | None, trust_bundle: Path | None, intercept_port: int
) -> Interception | None:
    if not intercept_host and intercept_ca is None and trust_bundle is None:
        return None
    if not intercept_host or intercept_ca is None or trust_bundle is None:
        raise click.UsageError("--intercept-host, --intercept-ca and --trust-bundle go together.")
    return Interception(intercept_host, intercept_ca, trust_bundle, intercept_port)


def _compute_alone(environment: MutableMapping[str, str]) -> None:
    """One thread for linear algebra, unless the user wants more: by itself it takes all cores, which are the app's."""
    if not any(name in environment for name in _THREADS):
        environment.update(dict.fromkeys(_THREADS, "1"))


def _return_memory() -> None:
    """Large blocks go back to the system when they are freed. By itself, glibc keeps what it has given once: 30 MB of
    what a model's loading and the fits to labels took."""
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _configure_logging(log_format: str, level: str) -> None:
    handler = logging.StreamHandler()
    if log_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        fields = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _narrator(log_format: str) -> Callable[[str], None]:
    """What tells the user what is going on: plain lines, or records among the other log records."""
    if log_format == "text":
        return click.echo
    log = logging.getLogger(__name__)
    log.setLevel(logging.INFO)
    return log.info
