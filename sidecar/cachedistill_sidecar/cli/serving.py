"""A sidecar as `cachedistill run` runs it: from the start to the signal that ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.cli.default_route import default_route, pass_through_route
from cachedistill_sidecar.cli.models import ModelFinder
from cachedistill_sidecar.cli.route import place
from cachedistill_sidecar.route_document import Provider, RouteDocument, RouteError
from cachedistill_sidecar.transparent.settings import Interception

Say = Callable[[str], None]
"""Tells the user what is going on."""

REDIS_URL = "CACHEDISTILL_REDIS_URL"
AZURE_ENDPOINT = "AZURE_OPENAI_ENDPOINT"

# What each provider's SDK reads its base URL from. The Ollama client and Azure's want it without a path.
_EXPORTS = {
    Provider.OPENAI: ("OPENAI_BASE_URL", "/v1"),
    Provider.ANTHROPIC: ("ANTHROPIC_BASE_URL", ""),
    Provider.OLLAMA: ("OLLAMA_HOST", ""),
    Provider.AZURE_OPENAI: (AZURE_ENDPOINT, ""),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says: the route document, the addresses (host, port), and what is intercepted."""

    route: Path | None
    route_optional: bool
    data: tuple[str, int]
    admin: tuple[str, int]
    interception: Interception | None


async def serve(settings: Settings, say: Say) -> None:
    """Run until SIGINT or SIGTERM. Raises ClickException with the sentence for the user."""
    stopping = _stop_signals()
    async with AsyncExitStack() as stack:
        sidecar = await _unless(stopping, _start(settings, say, stack))
        if sidecar is not None:
            _spare_the_collector()
            say(f"Listening at {sidecar.url} (admin: {sidecar.admin_url}).\n{exports(sidecar)}")
            await stopping.wait()
            say("Stopping, when the answers under way have ended. A second signal ends it at once.")
    say("Stopped.")


def _spare_the_collector() -> None:
    """Fewer garbage collections: what is there by now stays, and an exchange leaves no cycles worth the search.

    Measured at 64 connections: 10 % more requests a second.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 20)


def exports(sidecar: Sidecar) -> str:
    """The lines that point SDKs at a sidecar, for each provider of its route."""
    served = {fallback.endpoint.dialect for fallback in sidecar.parts.route.document.fallbacks}
    lines = [
        f"  export {name}={sidecar.url}{path}" for provider, (name, path) in _EXPORTS.items() if provider in served
    ]
    return "\n".join(["Point your apps at it:", *lines])


async def _start(settings: Settings, say: Say, stack: AsyncExitStack) -> Sidecar:
    try:
        route = settings.route if settings.route is not None else await _route_of_a_laptop(settings, say, stack)
        sidecar = Sidecar(
            route,
            find_model=ModelFinder(say),
            meanwhile=pass_through_route() if settings.route_optional else None,
            interception=settings.interception,
            host=settings.data[0],
            port=settings.data[1],
            admin_host=settings.admin[0],
            admin_port=settings.admin[1],
        )
        await sidecar.start()
    except RouteError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"can't listen: {error.strerror or error}") from error
    stack.push_async_callback(sidecar.stop)
    if settings.route is not None:
        say(f"Route {settings.route}, watched for changes; entries go to the Redis that it names.")
    if settings.interception is not None:
        say(f"Intercepting {', '.join(sorted(settings.interception.hosts))}, as soon as the CA is there.")
    return sidecar


async def _route_of_a_laptop(settings: Settings, say: Say, stack: AsyncExitStack) -> RouteDocument:
    """The default route, with the Redis of the environment or else an embedded one."""
    azure = os.environ.get(AZURE_ENDPOINT)
    if azure and urlsplit(azure).netloc == f"{settings.data[0]}:{settings.data[1]}":
        raise click.ClickException(f"{AZURE_ENDPOINT} is this sidecar's own address: unset it, or name the resource.")
    redis_url = os.environ.get(REDIS_URL)
    if redis_url:
        document = _named(redis_url, azure)
        say(f"Redis: {place(redis_url)}, as ${REDIS_URL} says.")
        return document
    # Once without a server, which would be started for nothing when the environment is wrong.
    _named("unix:///none", azure)
    return _named(await _embedded_redis(say, stack), azure)


def _named(redis_url: str, azure: str | None) -> RouteDocument:
    """The default route; what is wrong with it goes by the name of the variable that it came from."""
    try:
        return default_route(redis_url, azure_endpoint=azure or None)
    except RouteError as error:
        sentences = str(error).splitlines()
        sources = {"caches": REDIS_URL, "fallbacks": AZURE_ENDPOINT}
        named = [
            f"{sources[place.partition('.')[0]]}: {what}" for place, _, what in (s.partition(": ") for s in sentences)
        ]
        raise click.ClickException("\n".join(named)) from error


async def _embedded_redis(say: Say, stack: AsyncExitStack) -> str:
    from cachedistill_sidecar.local.models import cache_home
    from cachedistill_sidecar.local.redis import EmbeddedRedis, EmbeddedRedisError

    folder = cache_home() / "redis"
    say(f"Redis: embedded, entries are kept in {folder}.")
    try:
        return await stack.enter_async_context(EmbeddedRedis(folder))
    except EmbeddedRedisError as error:
        raise click.ClickException(str(error)) from error


def _stop_signals() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM; a second one finds the default handler."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopping


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, Sidecar]) -> Sidecar | None:
    """The result of `work`; None when the signal comes first, and `work` is given up."""
    started, stopped = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    await asyncio.wait((started, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if started.done():
        return started.result()
    started.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await started
    return None
