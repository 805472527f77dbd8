"""`cachedistill index`: the vector indexes of a cache, and building one for another embedding model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from cachedistill_sidecar.cache.store import Store
    from cachedistill_sidecar.route_document import Cache

T = TypeVar("T")
Command = Callable[..., Any]


def _cache_options(command: Command) -> Command:
    for option in (
        click.option("--redis-ca-file", type=click.Path(path_type=Path), help="PEM file with the CA of a TLS server."),
        click.option("--redis-url-file", required=True, type=click.Path(path_type=Path), help="File with Redis' URL."),
        click.option("--cache", required=True, help="The cache's name, as in route documents."),
    ):
        command = option(command)
    return command


@click.group()
def index() -> None:
    """List the vector indexes of a cache, or build one."""


@index.command()
@_cache_options
@click.option("--model", required=True, help="The embedding model: a built-in name, or a folder.")
@click.option("--seal-file", help="File with the keys that entries are sealed with.")
@click.option("--encryption-file", help="File with the keys that entries are encrypted with.")
def build(model: str, seal_file: str | None, encryption_file: str | None, **cache: Any) -> None:
    """Build the index of an embedding model from what is stored.

    Each stored query is embedded again, and lives as long as its entry. Nothing else changes: sidecars go on with the
    model that their route names. When all is there, the index is registered, and described on standard output. It may
    be stopped and started again.
    """
    _run(_build(model, **cache, seal_file=seal_file, encryption_file=encryption_file))


@index.command("list")
@_cache_options
def list_(**cache: Any) -> None:
    """List the indexes that a cache has, a JSON object each; those that weren't built name no model."""
    _run(_list(**cache))


async def _build(model: str, **cache: Any) -> None:
    from cachedistill_sidecar.cache.building import Builder
    from cachedistill_sidecar.cache.seal import seal_of
    from cachedistill_sidecar.cli.models import ModelFinder
    from cachedistill_sidecar.edge.embedder import Embedder

    document = _document(**cache)
    seal = seal_of(document)
    seal.load()
    async with _store(document) as store:
        embedder = await asyncio.to_thread(lambda: Embedder.load(ModelFinder(_progress)(model)))
        try:
            built = await Builder(store, embedder, seal, _progress).build(model)
        finally:
            embedder.close()
    _tell({"model": model, "embedded": built.embedded}, built.index)


async def _list(**cache: Any) -> None:
    from cachedistill_sidecar.cache.indexes import Indexes

    async with _store(_document(**cache)) as store:
        indexes = Indexes(store)
        models = {registered.index: model for model, registered in (await indexes.registered()).items()}
        for name in await indexes.names():
            _tell({"model": models.get(name), "index": name, "documents": await indexes.documents(name)})


def _document(cache: str, redis_url_file: Path, redis_ca_file: Path | None, **files: Any) -> Cache:
    """The cache, as a route document would have it. Raises ValidationError."""
    from cachedistill_sidecar.route_document import Cache, Redis

    redis = Redis(url_file=str(redis_url_file), ca_file=None if redis_ca_file is None else str(redis_ca_file))
    return Cache(name=cache, redis=redis, **files)


@asynccontextmanager
async def _store(cache: Cache) -> AsyncIterator[Store]:
    from cachedistill_sidecar.cache.store import Store

    store = Store(cache.redis, prefix=f"cachedistill:{cache.name}:")
    try:
        yield store
    finally:
        await store.close()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; whatever is wrong is one sentence."""
    from pydantic import ValidationError
    from redis.exceptions import RedisError

    from cachedistill_sidecar.edge.embedder import ModelUnavailable

    try:
        asyncio.run(work)
    except ValidationError as error:
        raise click.ClickException("--cache: must be a cache's name, of lower-case letters, digits, - and .") from error
    except (RedisError, OSError, ValueError, ModelUnavailable) as error:
        raise click.ClickException(str(error) or type(error).__name__) from error


def _progress(sentence: str) -> None:
    click.echo(sentence, err=True)


def _tell(known: dict[str, Any], more: Any = None) -> None:
    """One line of JSON."""
    import orjson

    described = orjson.loads(orjson.dumps(more)) if more is not None else {}
    click.echo(orjson.dumps(known | described).decode())
