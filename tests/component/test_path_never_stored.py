"""Only whole, good answers are kept: nothing that failed, broke off, was cut short or refused is given again."""

from __future__ import annotations

import aiohttp
import pytest

from cachedistill_sidecar.app import Sidecar
from tests.component.asking import CHAT, DIALECTS, App, Reply, settled
from tests.conftest import StartSidecar
from tests.upstream import Upstream

ASKED = "How do I reset my password?"
REFUSALS = {"401": 401, "429": 429, "500": 500, "503": 503, "529": 529}
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture
async def sidecar(start_sidecar: StartSidecar) -> Sidecar:
    return await start_sidecar(semantic=None, fallback_settings={"retry": {"attempts": 0}})


@pytest.fixture
async def app(sidecar: Sidecar, http: aiohttp.ClientSession) -> App:
    return App(http, sidecar.url)


async def once_more(sidecar: Sidecar, app: App, dialect: str, *, stream: bool) -> Reply:
    await settled(sidecar)
    return await app.ask(dialect, ASKED, stream=stream)


@each_dialect
@pytest.mark.parametrize("mode", REFUSALS)
async def test_an_error_is_passed_on_and_never_stored(
    sidecar: Sidecar, app: App, upstream: Upstream, dialect: str, mode: str
) -> None:
    upstream.fail(mode)
    assert (await app.ask(dialect, ASKED)).status == REFUSALS[mode]
    again = await once_more(sidecar, app, dialect, stream=False)
    assert (again.status, again.decision) == (200, "fallback")


@each_dialect
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("mode", ["truncated", "filtered"])
async def test_an_answer_that_was_cut_short_is_never_stored(
    sidecar: Sidecar, app: App, upstream: Upstream, dialect: str, stream: bool, mode: str
) -> None:
    if dialect.startswith("ollama") and mode == "filtered":
        pytest.skip("Ollama doesn't tell that it filtered an answer")
    upstream.fail(mode)
    assert (await app.ask(dialect, ASKED, stream=stream)).status == 200
    assert (await once_more(sidecar, app, dialect, stream=stream)).decision == "fallback"


@each_dialect
@pytest.mark.parametrize("mode", ["error-in-stream", "malformed-sse"])
async def test_a_stream_with_an_error_in_it_is_passed_on_and_never_stored(
    sidecar: Sidecar, app: App, upstream: Upstream, dialect: str, mode: str
) -> None:
    upstream.fail(mode)
    assert (await app.ask(dialect, ASKED, stream=True)).status == 200
    assert (await once_more(sidecar, app, dialect, stream=True)).decision == "fallback"


@each_dialect
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_breaks_off_breaks_off_at_the_client_and_is_never_stored(
    sidecar: Sidecar, app: App, upstream: Upstream, dialect: str, stream: bool
) -> None:
    upstream.fail("cut")
    with pytest.raises(aiohttp.ClientError):
        await app.ask(dialect, ASKED, stream=stream)
    assert len(upstream.calls) == 1
    assert (await once_more(sidecar, app, dialect, stream=stream)).decision == "fallback"


async def test_a_refusal_is_never_stored(sidecar: Sidecar, app: App, upstream: Upstream) -> None:
    upstream.fail("filtered")
    assert (await app.ask("anthropic_messages", ASKED)).json["stop_reason"] == "refusal"
    assert (await once_more(sidecar, app, "anthropic_messages", stream=False)).decision == "fallback"


async def test_a_body_that_is_no_answer_is_passed_on_and_never_stored(
    sidecar: Sidecar, app: App, upstream: Upstream
) -> None:
    upstream.fail("malformed-sse")
    assert (await app.chat(ASKED)).status == 200
    assert (await once_more(sidecar, app, "openai_chat", stream=False)).decision == "fallback"


async def test_an_empty_text_is_asked_exactly_and_not_by_meaning(
    start_sidecar: StartSidecar, http: aiohttp.ClientSession
) -> None:
    sidecar = await start_sidecar(semantic=500)
    app = App(http, sidecar.url)
    for text in ("", "   \n"):
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
        assert [(await app.post(CHAT, body)).reason for _ in range(2)] == ["cold", "near"]
