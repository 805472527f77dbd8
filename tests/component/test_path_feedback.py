"""Feedback and removal: about one answer, from whoever got it, and for all wordings that lead to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.policy.labels import Source
from tests.component.asking import App, Reply, settled
from tests.component.learning_stage import (
    ADA,
    ASKED,
    BOB,
    DEBUG,
    GROUPS,
    OTHERWISE,
    REWORDED,
    THIRD,
    labels_learnt,
)
from tests.component.sealed_stage import new_key, write_keys
from tests.conftest import StartSidecar
from tests.taught import Always
from tests.upstream import Upstream

FEEDBACK = "/cachedistill/feedback"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
# Each has a paraphrase, which is served by meaning.
QUESTIONS = {ASKED: REWORDED, "Which trains go to Lisbon?": "What trains go to Lisbon?"}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A provider that has one answer to all but one of the wordings."""
    async with Upstream(GROUPS) as running:
        yield running


def suspended(sidecar: Sidecar) -> frozenset[str]:
    [lesson] = sidecar.parts.lessons.values()
    return lesson.suspensions.suspended


async def feedback_learnt(sidecar: Sidecar) -> list[bool]:
    """Whether answers were right, as people said of those that were served."""
    told = [each for each in await labels_learnt(sidecar) if each.source is Source.FEEDBACK]
    assert all(each.served for each in told)
    return [each.right for each in told]


async def two_hits(sidecar: Sidecar, app: App) -> list[Reply]:
    """Two different answers by meaning in one trace, to one asker."""
    for text in QUESTIONS:
        await app.chat(text, headers=ADA)
    await settled(sidecar)
    hits = [await app.chat(text, headers={**ADA, **TRACED}) for text in QUESTIONS.values()]
    assert [each.reason for each in hits] == ["similar", "similar"]
    return hits


async def test_whoever_was_served_may_say_once_that_it_was_wrong(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    await app.chat(ASKED, headers=ADA)
    await settled(sidecar)
    hit = await app.chat(REWORDED, headers=ADA)
    assert hit.reason == "similar"
    said = {"trace": hit.headers["x-cachedistill-trace"], "right": False}
    assert (await app.post(FEEDBACK, said, BOB)).status == 404
    assert (await app.post(FEEDBACK, said, ADA)).status == 200
    assert (await app.post(FEEDBACK, said, ADA)).status == 404
    assert await feedback_learnt(sidecar) == [False]
    assert (await app.chat(THIRD, headers=ADA)).reason == "suspended"


async def test_feedback_on_a_trace_with_several_answers_must_name_the_entry(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    first, second = await two_hits(sidecar, app)
    refused = await app.post(FEEDBACK, {"trace": TRACE, "right": False}, ADA)
    assert refused.status == 409
    assert "x-cachedistill-entry" in refused.json["error"]
    assert (suspended(sidecar), await feedback_learnt(sidecar)) == (frozenset(), [])
    entry = second.headers["x-cachedistill-entry"]
    assert (await app.post(FEEDBACK, {"trace": TRACE, "entry": entry, "right": False}, ADA)).status == 200
    assert suspended(sidecar) == {entry}
    assert await feedback_learnt(sidecar) == [False]
    # What is left is still ambiguous for whoever doesn't name it, and can still be told by who does.
    assert (await app.post(FEEDBACK, {"trace": TRACE, "right": False}, ADA)).status == 409
    entry = first.headers["x-cachedistill-entry"]
    assert (await app.post(FEEDBACK, {"trace": TRACE, "entry": entry, "right": True}, ADA)).status == 200
    assert await feedback_learnt(sidecar) == [False, True]


async def test_a_fallbacks_answers_in_the_trace_count_too(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    for text in QUESTIONS:
        await app.chat(text, headers={**ADA, **TRACED})
    assert (await app.post(FEEDBACK, {"trace": TRACE, "right": False}, ADA)).status == 409
    assert suspended(sidecar) == frozenset()


async def test_what_others_got_in_the_same_trace_is_neither_ambiguous_nor_touched(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    await app.chat(ASKED, headers={**ADA, **TRACED})
    others = await app.chat(OTHERWISE, headers={**BOB, **TRACED, "cache-control": "no-cache"})
    assert (await app.post(FEEDBACK, {"trace": TRACE, "right": True}, ADA)).status == 200
    assert (await app.post(FEEDBACK, {"trace": TRACE, "right": False}, BOB)).status == 200
    assert suspended(sidecar) == {others.headers["x-cachedistill-entry"]}


async def test_every_answer_that_has_an_entry_names_it(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app = App(http, sidecar.url)
    miss = await app.chat(ASKED, headers={**ADA, **DEBUG})
    await settled(sidecar)
    named = [miss, await app.chat(ASKED, headers=ADA), await app.chat(REWORDED, headers=ADA)]
    assert [each.headers["x-cachedistill-entry"] for each in named] == [miss.debug["entry"]] * 3
    never = await app.chat(ASKED, headers={"cache-control": "no-store"})
    assert "x-cachedistill-entry" not in never.headers


async def test_the_asker_is_known_where_nothing_is_compared_by_meaning(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=None)
    app = App(http, sidecar.url)
    said = {"trace": (await app.chat(ASKED, headers=ADA)).headers["x-cachedistill-trace"], "right": False}
    assert [(await app.post(FEEDBACK, said, who)).status for who in (BOB, {}, ADA)] == [404, 404, 200]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("trace", {"right": True}),
        ("right", {"trace": TRACE, "right": "no"}),
        ("entry", {"trace": TRACE, "right": True, "entry": 1}),
    ],
)
async def test_feedback_names_the_field_that_is_wrong(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, field: str, said: dict[str, object]
) -> None:
    app = App(http, (await start_sidecar(semantic=None)).url)
    reply = await app.post(FEEDBACK, said)
    assert (reply.status, reply.json["error"].partition(":")[0]) == (400, field)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_the_path_of_feedback_is_never_sent_to_a_provider(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream, method: str
) -> None:
    app = App(http, (await start_sidecar(semantic=None)).url)
    reply = await app.call(method, f"{FEEDBACK}?trace=1", headers=ADA)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert upstream.calls == []


async def test_a_removed_answer_counts_as_wrong(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    sidecar = await start_sidecar()
    app, admin = App(http, sidecar.url), App(http, sidecar.admin_url)
    stored = (await app.chat(ASKED, headers=ADA)).headers["x-cachedistill-entry"]
    await settled(sidecar)
    await app.chat(REWORDED, headers=ADA)
    assert (await admin.call("DELETE", f"/cachedistill/entries/{stored}")).status == 200
    [label] = [each for each in await labels_learnt(sidecar) if each.source is Source.REMOVED]
    assert not label.right
    assert (await admin.call("DELETE", f"/cachedistill/suspensions/{stored}")).status == 200
    assert (await admin.call("GET", "/cachedistill/budget")).json[0]["rule"] == "all"


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
async def test_a_removed_answer_is_not_served_to_any_wording_that_had_led_to_the_same(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, tmp_path: Path, sealed: bool
) -> None:
    settings = {"sealFile": write_keys(tmp_path / "keys", new_key())} if sealed else {}
    # Every hit is verified, so the second wording gets an entry of its own.
    sidecar = await start_sidecar(rng=Always(), cache_settings=settings)
    app, admin = App(http, sidecar.url), App(http, sidecar.admin_url)
    removed = (await app.chat(ASKED, headers=ADA)).headers["x-cachedistill-entry"]
    await settled(sidecar)
    assert (await app.chat(REWORDED, headers=ADA)).reason == "similar"
    await settled(sidecar)
    alias = (await app.chat(REWORDED, headers=ADA)).headers["x-cachedistill-entry"]
    assert alias != removed
    told = await admin.call("DELETE", f"/cachedistill/entries/{removed}")
    assert told.json == {"entry": removed, "removed": True, "aliases": [alias]}
    # What fails is not stored, so none of them can be answered by another one's fresh answer.
    failing = {**ADA, "x-upstream-fail": "401"}
    asked = [await app.chat(text, headers=failing) for text in (ASKED, REWORDED, THIRD)]
    assert [each.decision for each in asked] == ["fallback"] * 3
    assert asked[2].reason == "suspended"


async def test_a_removal_leaves_similar_questions_alone_whose_answer_is_another(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar()
    app, admin = App(http, sidecar.url), App(http, sidecar.admin_url)
    removed = (await app.chat(ASKED, headers=ADA)).headers["x-cachedistill-entry"]
    await settled(sidecar)
    await app.chat(OTHERWISE, headers={**ADA, "cache-control": "no-cache"})
    await settled(sidecar)
    assert (await admin.call("DELETE", f"/cachedistill/entries/{removed}")).json["aliases"] == []
    assert (await app.chat(OTHERWISE, headers=ADA)).decision == "exact_hit"
