"""Sidecars that may answer by meaning: with labels in their cache's stream, as misses would have left them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from bench.contract import progress
from bench.entries import ANSWER
from bench.load import Client
from bench.processes import Process
from cachedistill_sidecar.local.models import prepare_embedder
from cachedistill_sidecar.route_document import RouteDocument
from tests.taught import teach_route

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.2


def teach(document: RouteDocument) -> None:
    """Write labels where the sidecar of this route reads them. Its Redis runs already."""
    teach_route(document, prepare_embedder())
    progress(f"{document.caches[0].name}: labels are written")


def agreeing(path: Path, texts: Iterable[str]) -> Path:
    """A file of queries to which an upstream gives the answer that is stored: what is verified turns out right."""
    lines = [orjson.dumps({"text": text, "group": "stored", "answer": ANSWER}) for text in texts]
    path.write_bytes(b"\n".join(lines))
    return path


def await_hits(server: Process, texts: Iterator[str]) -> None:
    """Ask until an answer comes by meaning: labels are read behind the path. Raises RuntimeError after a minute."""
    client = Client(server.url)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            [reply] = client.run([client.chat(next(texts))]).replies
            if reply.decision == "semantic_hit":
                return
            time.sleep(_PAUSE_SECONDS)
    finally:
        client.close()
    raise RuntimeError(f"no hit by meaning within {_PATIENCE_SECONDS:.0f} seconds")
