"""`python -m cachedistill_operator`: the controller or the webhook."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from cachedistill_operator.settings import Settings, SettingsError, load

SETTINGS = Path("/etc/cachedistill/settings.yaml")
_LEVELS = ("debug", "info", "warning", "error")


@click.group()
@click.option("--log-format", default="json", show_default=True, type=click.Choice(["json", "text"]))
@click.option("--log-level", default="info", show_default=True, type=click.Choice(_LEVELS))
def main(log_format: str, log_level: str) -> None:
    """The operator's processes."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        from pythonjsonlogger.json import JsonFormatter

        fields = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=log_level.upper(), handlers=[handler], force=True)
    # kopf tells of every watch stream it opens.
    logging.getLogger("kopf").setLevel(logging.WARNING if log_level == "info" else log_level.upper())


@main.command()
@click.option("--settings", "path", default=SETTINGS, show_default=True, type=click.Path(path_type=Path))
@click.option("--http-port", default=8080, show_default=True, help="For health and metrics.")
def controller(path: Path, http_port: int) -> None:
    """Reconcile SemanticCaches and ModelRoutes."""
    import uvloop

    from cachedistill_operator.cluster.leader import LeadershipLost
    from cachedistill_operator.controller import run

    settings = _settings(path)
    try:
        uvloop.run(run(settings, http_port))
    except* LeadershipLost as lost:
        logging.getLogger(__name__).error("%s: this process ends", lost.exceptions[0])
        sys.exit(1)


@main.command()
@click.option("--settings", "path", default=SETTINGS, show_default=True, type=click.Path(path_type=Path))
@click.option("--tls", default=Path("/etc/cachedistill/tls"), show_default=True, type=click.Path(path_type=Path))
@click.option("--port", default=8443, show_default=True, help="For admission reviews, by HTTPS.")
@click.option("--http-port", default=8080, show_default=True, help="For health and metrics.")
def webhook(path: Path, tls: Path, port: int, http_port: int) -> None:
    """Inject sidecars into pods."""
    import uvloop

    from cachedistill_operator.webhook.server import run

    uvloop.run(run(_settings(path), tls=tls, port=port, http_port=http_port))


def _settings(path: Path) -> Settings:
    try:
        return load(path)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
