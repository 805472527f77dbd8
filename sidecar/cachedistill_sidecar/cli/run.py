"""`cachedistill run`: the sidecar, on a laptop or in a container."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import click

from cachedistill_sidecar.cli.addresses import expect_free

LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option("--route", type=click.Path(path_type=Path), help="Route document; without it, all providers are cached.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that apps send their calls to.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Its port; 0: a free one.")
@click.option("--admin-host", default="127.0.0.1", show_default=True, help="Address for health, metrics, decisions.")
@click.option("--admin-port", default=9090, show_default=True, type=click.IntRange(0, 65535), help="Its port.")
@click.option("--log-format", default="text", show_default=True, type=click.Choice(["text", "json"]))
@click.option("--log-level", default="warning", show_default=True, type=click.Choice(LEVELS))
def run(
    route: Path | None, host: str, port: int, admin_host: str, admin_port: int, log_format: str, log_level: str
) -> None:
    """Run the sidecar, and say how to point the SDKs at it.

    Without --route, entries go to the Redis of $CACHEDISTILL_REDIS_URL or else to an embedded one, and calls to
    OpenAI, Anthropic, Ollama and, when $AZURE_OPENAI_ENDPOINT is set, Azure. With --route, all is as the document says,
    Redis included; the file is watched for changes. Models are looked for in $CACHEDISTILL_MODELS first.
    """
    expect_free((host, port), "--port")
    expect_free((admin_host, admin_port), "--admin-port")
    # After the checks, since these take a second.
    import uvloop

    from cachedistill_sidecar.cli.serving import Settings, serve

    _configure_logging(log_format, log_level)
    uvloop.run(serve(Settings(route, (host, port), (admin_host, admin_port)), _narrator(log_format)))


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
