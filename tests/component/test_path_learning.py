"""What the path learns: misses are compared with what might have been served, hits are verified, people say so."""

from __future__ import annotations

import aiohttp

from cachedistill_sidecar.app import Sidecar
from cachedistill_sidecar.learning.suspensions import Cause
from cachedistill_sidecar.policy.labels import Label, Source
from tests.component.asking import App, settled
from tests.conftest import StartSidecar
from tests.taught import Always
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
REWORDED = "How can I reset my password?"
DEBUG = {"x-cachedistill-debug": "1"}
ADA, BOB = {"authorization": "Bearer ada"}, {"authorization": "Bearer bob"}
FEEDBACK = "/cachedistill/feedback"


async def labels(sidecar: Sidecar) -> list[Label]:
    """What the sidecar has learnt beyond what it was taught."""
    await settled(sidecar)
    [lesson] = sidecar.parts.lessons.values()
    assert lesson.learner is not None
    await lesson.learner.turn()
    known = [each for each in lesson.learner._evidence.labels if each.rule == "all"]
    return [each for each in known if each.source is not Source.MISS or each.principal]


async def test_without_labels_nothing_is_served_by_meaning_but_the_miss_is_learnt_from(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(taught=False)
    app = App(http, sidecar.url)
    await app.chat(ASKED, headers=ADA)
    await settled(sidecar)
    assert (await app.chat(REWORDED, headers=ADA)).reason == "uncertified"
    [label] = await labels(sidecar)
    assert (label.source, label.served, label.share) == (Source.MISS, False, 1.0)


async def test_a_verified_hit_that_was_wrong_is_labelled_and_suspended(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    sidecar = await start_sidecar(rng=Always())
    app = App(http, sidecar.url)
    stored = (await app.chat(ASKED, headers={**ADA, **DEBUG})).debug["entry"]
    await settled(sidecar)
    assert (await app.chat(REWORDED, headers=ADA)).reason == "similar"
    [label] = [each for each in await labels(sidecar) if each.source is Source.VERIFIED]
    [lesson] = sidecar.parts.lessons.values()
    suspension = lesson.suspensions.of(stored)
    assert label.served
    assert (suspension is not None and suspension.cause is Cause.VERIFIED_WRONG) == (not label.right)
    assert (await app.chat(REWORDED, headers=ADA)).decision == "exact_hit"


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
    [label] = [each for each in await labels(sidecar) if each.source is Source.FEEDBACK]
    assert (label.right, label.served) == (False, True)
    assert (await app.chat("How might I reset my password?", headers=ADA)).reason == "suspended"


async def test_feedback_names_the_field_that_is_wrong(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    app = App(http, (await start_sidecar()).url)
    assert "trace" in (await app.post(FEEDBACK, {"right": True})).json["error"]
    reply = await app.post(FEEDBACK, {"trace": "0" * 32, "right": "no"})
    assert (reply.status, "right" in reply.json["error"]) == (400, True)


async def test_a_removed_answer_counts_as_wrong(start_sidecar: StartSidecar, http: aiohttp.ClientSession) -> None:
    sidecar = await start_sidecar()
    app, admin = App(http, sidecar.url), App(http, sidecar.admin_url)
    stored = (await app.chat(ASKED, headers={**ADA, **DEBUG})).debug["entry"]
    await settled(sidecar)
    await app.chat(REWORDED, headers=ADA)
    assert (await admin.call("DELETE", f"/cachedistill/entries/{stored}")).status == 200
    [label] = [each for each in await labels(sidecar) if each.source is Source.REMOVED]
    assert not label.right
    assert (await admin.call("DELETE", f"/cachedistill/suspensions/{stored}")).status == 200
    assert (await admin.call("GET", "/cachedistill/budget")).json[0]["rule"] == "all"
