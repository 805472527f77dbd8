"""`cachedistill replay`: send a log of requests through a sidecar, and say what that came to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from rich.table import Table

    from cachedistill_sidecar.cli.replay.accounts import Accounts
    from cachedistill_sidecar.cli.replay.log import Call
    from cachedistill_sidecar.cli.replay.tally import Tally

_DIALECTS = ("openai-chat", "anthropic")
_ERRORS = 10


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="The sidecar.")
@click.option("--admin-url", default="http://127.0.0.1:9090", show_default=True, help="Its admin port.")
@click.option("--model", default="gpt-4o-mini", show_default=True, help="For lines with a query alone: the model.")
@click.option("--dialect", default="openai-chat", show_default=True, type=click.Choice(_DIALECTS), help="The API.")
@click.option("--stream", is_flag=True, help="For lines with a query alone: ask for streams.")
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1, 512), help="Connections.")
def replay(file: BinaryIO, url: str, admin_url: str, model: str, dialect: str, stream: bool, concurrency: int) -> None:
    """Send a log of requests through a sidecar.

    FILE (- for standard input) holds JSON lines: {"query": "..."}, or a whole request {"path": "/v1/...",
    "body": {...}, "headers": {...}}. Requests without credentials get $OPENAI_API_KEY or $ANTHROPIC_API_KEY.
    """
    from cachedistill_sidecar.cli.admin_port import AdminPort
    from cachedistill_sidecar.cli.replay.accounts import Accounts
    from cachedistill_sidecar.cli.replay.log import ReplayDialect, WrongLines, read

    try:
        calls = read(file, ReplayDialect(dialect), model, stream=stream)
    except WrongLines as error:
        raise click.ClickException(
            f"{file.name} holds lines that are no requests; nothing is sent.\n{error}"
        ) from error
    if not calls:
        raise click.ClickException(f"{file.name} holds no request.")
    _expect_listening(url)
    accounts = Accounts(AdminPort(admin_url))
    tally = asyncio.run(_replay(url, calls, concurrency, accounts))
    _print(tally, accounts)


async def _replay(url: str, calls: list[Call], concurrency: int, accounts: Accounts) -> Tally:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from cachedistill_sidecar.cli.replay.sending import Reply, send_all
    from cachedistill_sidecar.cli.replay.tally import Tally

    tally = Tally()
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        bar = progress.add_task("replay", total=len(calls))

        async def take(reply: Reply) -> None:
            tally.add(reply.outcome)
            progress.advance(bar)
            if reply.outcome.trace:
                await accounts.expect(reply.outcome.trace)

        await send_all(url, calls, concurrency, take)
    await accounts.rest()
    return tally


def _print(tally: Tally, accounts: Accounts) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(table(tally))
    console.print("\n".join(_notes(tally, accounts)), markup=False, soft_wrap=True)


def table(tally: Tally) -> Table:
    """Share and latencies by decision."""
    from rich.table import Table

    shown = Table("decision", "reasons", box=None, pad_edge=False)
    for title in ("requests", "share", "p50 ms", "p95 ms"):
        shown.add_column(title, justify="right")
    for row in tally.rows():
        reasons = ", ".join(f"{reason} {count}" for reason, count in tally.reasons(row.decision) if reason)
        numbers = (f"{row.share:.1%}", f"{row.p50 * 1000:.1f}", f"{row.p95 * 1000:.1f}")
        shown.add_row(row.decision, reasons, str(row.count), *numbers)
    return shown


def _notes(tally: Tally, accounts: Accounts) -> Iterator[str]:
    yield ""
    if accounts.problem is not None:
        yield f"Money and energy are not known in full: {accounts.problem}"
    if accounts.sums.accounts:
        yield from accounts.sums.sentences()
        if accounts.sums.accounts < len(tally.outcomes):
            yield f"These are the accounts of {accounts.sums.accounts} of {len(tally.outcomes)} requests."
    errors = tally.errors()
    if errors:
        yield f"{sum(count for _, count, _ in errors)} of {len(tally.outcomes)} requests failed:"
        yield from (f"  {error}: {count}, first at line {line}" for error, count, line in errors[:_ERRORS])


def _expect_listening(url: str) -> None:
    """Raises ClickException unless somebody listens there."""
    parts = urlsplit(url)
    try:
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError("not an http:// or https:// URL")
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname, port), timeout=5).close()
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"nobody listens at {url} ({error}): start a sidecar with `cachedistill run`, or name it with --url."
        ) from error
