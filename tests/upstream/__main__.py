"""`python -m tests.upstream`: the upstream as a process; the first line that it prints is its URL."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

import orjson
import uvloop

from tests.upstream.pace import Pace
from tests.upstream.server import Upstream


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 serves a whole cluster")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--queries", type=Path, help="JSON lines with the fields `text` (or `query`), `group` and optionally `answer`"
    )
    parser.add_argument("--first-token-ms", type=float, default=0.0)
    parser.add_argument("--per-chunk-ms", type=float, default=0.0)
    parser.add_argument("--chunk-words", type=int, default=1)
    parser.add_argument("--require-key", action="store_true")
    return parser.parse_args()


def read_queries(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Groups by query and answers by group, out of JSON lines."""
    groups: dict[str, str] = {}
    answers: dict[str, str] = {}
    for line in path.read_bytes().splitlines():
        if line.strip():
            record = orjson.loads(line)
            group = str(record["group"])
            groups[record["text"] if "text" in record else record["query"]] = group
            if record.get("answer"):
                answers[group] = record["answer"]
    return groups, answers


async def serve(given: argparse.Namespace) -> None:
    groups, answers = read_queries(given.queries) if given.queries else ({}, {})
    pace = Pace(given.first_token_ms, given.per_chunk_ms, given.chunk_words)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with Upstream(
        groups, answers, pace, require_key=given.require_key, host=given.host, port=given.port
    ) as upstream:
        print(upstream.url, flush=True)
        await stop.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(arguments()))
