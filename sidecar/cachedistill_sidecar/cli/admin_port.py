"""A sidecar's admin port, as the command line asks it. Blocking, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import click

_SECONDS = 10.0
# The admin port is near: a proxy of the environment is not for it.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AdminPort:
    """Asks for decisions. Every method raises ClickException when the port doesn't answer as one of ours."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise click.ClickException(f"{url!r} is no http:// or https:// URL.")

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last decisions, the newest first."""
        return self._decisions(f"?count={count}")

    def of_trace(self, trace: str) -> list[dict[str, Any]]:
        """The decisions of one trace; none when it is not known (any more)."""
        return self._decisions(f"/{quote(trace, safe='')}")

    def _decisions(self, rest: str) -> list[dict[str, Any]]:
        try:
            with _OPENER.open(f"{self.url}/cachedistill/decisions{rest}", timeout=_SECONDS) as response:
                return _records(response.read())
        except urllib.error.HTTPError as error:
            if error.code == 404 and error.read().strip() == b"[]":
                return []
            raise click.ClickException(f"{self.url} is no admin port of a sidecar: status {error.code}.") from error
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            raise click.ClickException(
                f"nobody answers at {self.url} ({cause}): start a sidecar with `cachedistill run`, or name its admin "
                "port with --admin-url."
            ) from error
        except ValueError as error:
            raise click.ClickException(f"{self.url} is no admin port of a sidecar: {error}.") from error


def _records(body: bytes) -> list[dict[str, Any]]:
    records = json.loads(body)
    if not isinstance(records, list) or not all(
        isinstance(record, dict) and "decision" in record for record in records
    ):
        raise ValueError("its answer holds no decisions")
    return records
