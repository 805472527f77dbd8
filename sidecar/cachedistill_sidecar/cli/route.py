"""`cachedistill route`: check a route document, and print what one may hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from cachedistill_sidecar.route_document import Cache, Fallback, RouteDocument, Rule


@click.group()
def route() -> None:
    """Check route documents."""


@route.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say what FILE does, or every field that is wrong (and exit with 1)."""
    from cachedistill_sidecar.route_document import RouteError
    from cachedistill_sidecar.route_parsing import parse

    try:
        document = parse(file.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    except RouteError as error:
        for sentence in str(error).splitlines():
            click.echo(f"{file}: {sentence}", err=True)
        raise SystemExit(1) from error
    click.echo("\n".join(_summary(document)))


@route.command()
def schema() -> None:
    """Print the JSON schema of route documents."""
    import orjson

    from cachedistill_sidecar.route_document import RouteDocument

    click.echo(orjson.dumps(RouteDocument.model_json_schema(), option=orjson.OPT_INDENT_2).decode())


def place(url: str) -> str:
    """A URL without the password that may stand in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _summary(document: RouteDocument) -> Iterator[str]:
    yield f"ok: {document.namespace}/{document.name}"
    for rule in document.rules:
        yield f"  rule {rule.name}: {_rule(rule)}"
    for cache in document.caches:
        yield f"  cache {cache.name}: {_cache(cache)}"
    for fallback in document.fallbacks:
        yield f"  fallback {fallback.name}: {_fallback(fallback)}"


def _rule(rule: Rule) -> str:
    headers = [f"{name}: {glob}" for name, glob in rule.match.headers.items()]
    match = filter(None, (" or ".join(rule.match.models), " or ".join(rule.match.paths), *headers))
    cached = "not cached"
    if rule.cache is not None:
        budget = rule.cache.semantic.max_error_permille if rule.cache.semantic is not None else 0
        alike = f"by meaning, at most {budget} permille wrong" if budget else "exact hits only"
        cached = f"cache {rule.cache.ref} ({alike})"
    return f"{', '.join(match) or 'every request'}; {cached}; fallbacks {', '.join(rule.fallbacks)}"


def _cache(cache: Cache) -> str:
    redis = place(cache.redis.url) if cache.redis.url is not None else f"Redis of {cache.redis.url_file}"
    return f"{redis}; {cache.embedding.model}; scope {cache.scope}; entries live {cache.ttl_seconds} s"


def _fallback(fallback: Fallback) -> str:
    key = "the app's own key" if fallback.credentials_file is None else f"key from {fallback.credentials_file}"
    return f"{fallback.endpoint.dialect} at {place(fallback.endpoint.url)}; {key}"
