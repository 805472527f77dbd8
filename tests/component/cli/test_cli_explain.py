"""`cachedistill explain`."""

from __future__ import annotations

import asyncio

from tests.component.cli.command_line import (
    PARAPHRASES,
    QUESTION,
    Process,
    ask,
    cachedistill,
    compared,
    learn,
    one_sentence,
)
from tests.conftest import StartSidecar
from tests.upstream import Upstream


def test_a_decision_is_explained_by_its_trace(process: Process, redis_url: str, model: str) -> None:
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, "What does error E1042 mean?", model)
    _, reason, trace = compared(base_url, [f"What does error E10{n} mean?" for n in (24, 52, 41)], model)
    told = cachedistill("explain", trace, "--admin-url", process.admin_url).stdout
    assert told.startswith(f"fallback: {reason}\n")
    assert "blocked by guard_identifier: has other identifiers" in told
    for part in ("served from 0.", "500 wrong in a thousand", "recall.search", "escalate", "USD", "Wh", "g CO2"):
        assert part in told


def test_a_hit_is_explained_with_its_candidate_and_how_to_remove_it(
    process: Process, redis_url: str, model: str
) -> None:
    base_url = process.exported("OPENAI_BASE_URL")
    learn(redis_url, base_url, QUESTION, model)
    trace = compared(base_url, PARAPHRASES, model)[2]
    told = cachedistill("explain", trace, "--admin-url", process.admin_url).stdout
    assert told.startswith("semantic_hit: similar\n")
    assert "  served" in told
    assert "DELETE /cachedistill/entries/" in told


def test_without_an_id_the_last_decisions_are_listed(process: Process, model: str) -> None:
    traces = [ask(f"{process.url}/v1", text, model)[2] for text in (QUESTION, QUESTION)]
    lines = cachedistill("explain", "--admin-url", process.admin_url, "--count", "2").stdout.splitlines()
    assert [line.split()[1:4] for line in lines[1:]] == [
        [traces[1], "exact_hit", "near"],
        [traces[0], "fallback", "cold"],
    ]


async def test_a_sidecar_that_has_seen_no_request_says_so(start_sidecar: StartSidecar) -> None:
    sidecar = await start_sidecar()
    result = await asyncio.to_thread(cachedistill, "explain", "--admin-url", sidecar.admin_url)
    assert result.stdout == f"{sidecar.admin_url} has seen no request yet.\n"


def test_an_unknown_trace_is_told_where_ids_come_from(process: Process) -> None:
    result = cachedistill("explain", "no/such", "--admin-url", process.admin_url)
    assert "knows no decision no/such" in one_sentence(result)
    assert "x-cachedistill-trace" in result.stderr


def test_an_admin_port_that_is_none_is_one_sentence(provider: Upstream) -> None:
    assert "is no admin port of a sidecar" in one_sentence(cachedistill("explain", "--admin-url", provider.url))
    assert "nobody answers at" in one_sentence(cachedistill("explain", "--admin-url", "http://127.0.0.1:1"))
