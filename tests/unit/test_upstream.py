"""The deterministic upstream answers as providers do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.upstream import Pace, Upstream

MESSAGES = [{"role": "user", "content": "Where do storks sleep?"}]
TOOL_MESSAGES = [{"role": "user", "content": "Please use the tool."}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "look", "parameters": PARAMETERS}
CHAT = "/v1/chat/completions"
ROOT = Path(__file__).parents[2]
AZURE = "/openai/deployments/dep/chat/completions?api-version=2024-10-21"

# Per dialect: path, request, and where its answer's text is.
DIALECTS: dict[str, tuple[str, dict[str, Any], list[str | int]]] = {
    "openai": (CHAT, {"messages": MESSAGES}, ["choices", 0, "message", "content"]),
    "responses": ("/v1/responses", {"input": "Where do storks sleep?"}, ["output", 0, "content", 0, "text"]),
    "azure": (AZURE, {"messages": MESSAGES}, ["choices", 0, "message", "content"]),
    "anthropic": ("/v1/messages", {"messages": MESSAGES, "max_tokens": 500}, ["content", 0, "text"]),
    "ollama_chat": ("/api/chat", {"messages": MESSAGES, "stream": False}, ["message", "content"]),
    "ollama_generate": ("/api/generate", {"prompt": "Where do storks sleep?", "stream": False}, ["response"]),
}
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


class Client:
    """Posts JSON to an upstream."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        self.upstream = upstream
        self.session = session

    async def post(
        self, path: str, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None
    ) -> tuple[aiohttp.ClientResponse, Any]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        async with self.session.post(self.upstream.url + path, data=data, headers=headers) as response:
            content = await response.read()
            is_json = response.content_type == "application/json"
            return response, orjson.loads(content) if is_json else content

    async def text(self, dialect: str, model: str = "m", **fields: Any) -> str:
        path, body, place = DIALECTS[dialect]
        found: Any = (await self.post(path, {"model": model, **body, **fields}))[1]
        for step in place:
            found = found[step]
        return str(found)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    groups = {"Where do storks sleep?": "storks", "In what place does a stork sleep?": "storks", "What is up": "other"}
    async with Upstream(groups, {"storks": "On their nests."}) as upstream, aiohttp.ClientSession() as session:
        yield Client(upstream, session)


@each_dialect
async def test_a_known_query_gets_the_answer_of_its_group(client: Client, dialect: str) -> None:
    assert await client.text(dialect) == "On their nests."


async def test_spelling_of_case_and_spaces_does_not_matter_to_the_group(client: Client) -> None:
    assert client.upstream.group_of("  where do  STORKS sleep? ") == "storks"


async def test_an_unknown_query_is_its_own_group(client: Client) -> None:
    assert client.upstream.group_of("one") == client.upstream.group_of("One ") != client.upstream.group_of("two")


async def test_an_unknown_query_gets_a_stable_answer_of_some_thirty_words(client: Client) -> None:
    messages = [{"role": "user", "content": "Unheard of"}]
    first = await client.text("openai", messages=messages)
    assert first == await client.text("openai", messages=messages)
    assert 20 <= len(first.split()) <= 40


async def test_the_answer_depends_on_text_system_prompt_and_model(client: Client) -> None:
    user = {"role": "user", "content": "Unheard of"}
    answers = {
        await client.text("openai", messages=[user]),
        await client.text("openai", messages=[{"role": "system", "content": "brief"}, user]),
        await client.text("openai", messages=[user], model="other"),
        await client.text("openai", messages=[{"role": "user", "content": "Unseen"}]),
    }
    assert len(answers) == 4


async def test_an_answer_names_its_group_and_call(client: Client) -> None:
    for n in (1, 2):
        response, document = await client.post(CHAT, {"model": "m", "messages": MESSAGES})
        assert response.headers["x-upstream-group"] == "storks"
        assert response.headers["x-upstream-call"] == str(n)
        assert document["id"].endswith(f"{n:06x}")
    call = client.upstream.calls[-1]
    assert (call.n, call.path, call.model, call.stream, call.group, call.status) == (2, CHAT, "m", False, "storks", 200)


@each_dialect
async def test_an_unknown_model_is_refused_in_the_shape_of_the_provider(client: Client, dialect: str) -> None:
    path, body, _ = DIALECTS[dialect]
    path = path.replace("/dep/", "/no-such-dep/")
    response, document = await client.post(path, {"model": "no-such-model", **body})
    assert response.status == 404
    if dialect == "anthropic":
        assert document["type"] == "error"
        assert document["error"]["type"] == "not_found_error"
    elif dialect.startswith("ollama"):
        assert isinstance(document["error"], str)
    else:
        assert "message" in document["error"]


@each_dialect
async def test_a_body_that_is_no_json_is_refused(client: Client, dialect: str) -> None:
    response, document = await client.post(DIALECTS[dialect][0], b"{nonsense")
    assert response.status == 400
    assert "error" in document


@pytest.mark.parametrize("dialect", ["openai", "responses", "azure", "anthropic", "ollama_chat"])
async def test_a_request_without_its_messages_is_refused(client: Client, dialect: str) -> None:
    response, document = await client.post(DIALECTS[dialect][0], {"model": "m", "max_tokens": 5})
    assert response.status == 400
    assert "messages" in str(document) or "input" in str(document)


async def test_a_key_is_asked_for_only_when_required() -> None:
    async with Upstream(require_key=True) as upstream, aiohttp.ClientSession() as session:
        client = Client(upstream, session)
        for dialect, name, prefix in (
            ("openai", "authorization", "Bearer "),
            ("responses", "authorization", "Bearer "),
            ("azure", "api-key", ""),
            ("anthropic", "x-api-key", ""),
        ):
            path, body, _ = DIALECTS[dialect]
            body = {"model": "m", **body}
            assert (await client.post(path, body))[0].status == 401
            assert (await client.post(path, body, {name: f"{prefix}bad-key"}))[0].status == 401
            assert (await client.post(path, body, {name: f"{prefix}good-key"}))[0].status == 200


async def test_azure_is_not_found_without_its_api_version(client: Client) -> None:
    response, _ = await client.post(AZURE.partition("?")[0], {"messages": MESSAGES})
    assert response.status == 404


async def test_an_answer_longer_than_max_tokens_is_truncated(client: Client) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Unheard of"}], "max_tokens": 8}
    _, openai = await client.post(CHAT, body)
    _, anthropic = await client.post("/v1/messages", body)
    assert openai["choices"][0]["finish_reason"] == "length"
    assert openai["usage"]["completion_tokens"] <= 8
    assert anthropic["stop_reason"] == "max_tokens"
    assert anthropic["usage"]["output_tokens"] <= 8


async def test_several_choices_differ(client: Client) -> None:
    messages = [{"role": "user", "content": "Unheard of"}]
    _, document = await client.post(CHAT, {"model": "m", "messages": messages, "n": 3})
    assert len({choice["message"]["content"] for choice in document["choices"]}) == 3


async def test_the_answer_counts_the_images(client: Client) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "Where do storks sleep?"}, image, image]}]
    assert await client.text("openai", messages=messages) == "On their nests. I can see 2 images."


@pytest.mark.parametrize(
    ("path", "fields", "mark"),
    [
        (CHAT, {"tools": [{"type": "function", "function": FUNCTION}]}, '"tool_calls"'),
        ("/v1/responses", {"input": "use the tool", "tools": [{"type": "function", **FUNCTION}]}, '"function_call"'),
        ("/v1/messages", {"max_tokens": 99, "tools": [{"name": "look", "input_schema": PARAMETERS}]}, '"tool_use"'),
        ("/api/chat", {"stream": False, "tools": [{"type": "function", "function": FUNCTION}]}, '"tool_calls"'),
    ],
)
async def test_a_tool_is_called_when_the_user_says_so(
    client: Client, path: str, fields: dict[str, Any], mark: str
) -> None:
    _, asked = await client.post(path, {"model": "m", "messages": TOOL_MESSAGES, **fields})
    _, unasked = await client.post(path, {"model": "m", "messages": MESSAGES, **fields, "input": "Hello"})
    assert mark in orjson.dumps(asked).decode()
    assert mark not in orjson.dumps(unasked["choices"] if path == CHAT else unasked.get("output", "")).decode()


async def test_embeddings_are_unit_vectors_in_both_encodings(client: Client) -> None:
    body = {"model": "e", "input": ["a", "b"], "dimensions": 16}
    _, listed = await client.post("/v1/embeddings", body)
    _, packed = await client.post("/v1/embeddings", {**body, "encoding_format": "base64"})
    vectors = [entry["embedding"] for entry in listed["data"]]
    assert [len(vector) for vector in vectors] == [16, 16]
    assert all(abs(sum(value * value for value in vector) - 1) < 1e-6 for vector in vectors)
    assert isinstance(packed["data"][0]["embedding"], str)


async def test_the_header_sets_the_pace_of_one_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    body = {"model": "m", "messages": MESSAGES, "stream": True}
    await client.post(CHAT, body)
    assert slept == []
    await client.post(CHAT, body, {"x-upstream-pace": "200,50"})
    assert slept == [0.2, 0.05, 0.05]
    await client.post(CHAT, {**body, "stream": False}, {"x-upstream-pace": "200,50"})
    assert slept[3:] == [pytest.approx(0.3)]


async def test_a_chunk_holds_as_many_words_as_the_pace_says() -> None:
    pace = Pace(chunk_words=10)
    async with Upstream(pace=pace) as upstream, aiohttp.ClientSession() as session:
        _, content = await Client(upstream, session).post(CHAT, {"model": "m", "messages": MESSAGES, "stream": True})
    assert content.count(b'"delta":{"content":') == 3


async def test_echo_shows_the_request_as_it_came(client: Client) -> None:
    url = f"{client.upstream.url}/echo/a%2Fb?x=1&x=2"
    headers = [("X-One", "1"), ("X-Two", "2"), ("X-One", "3")]
    async with client.session.put(url, data=b"abc", headers=headers) as response:
        document = await response.json()
        assert response.headers.getall("x-echo") == ["1", "2"]
    ours = [pair for pair in document["headers"] if pair[0].startswith("X-")]
    assert sorted(ours) == [["X-One", "1"], ["X-One", "3"], ["X-Two", "2"]]
    assert (document["method"], document["path"], document["query"]) == ("PUT", "/echo/a%2Fb", "x=1&x=2")
    assert document["length"] == 3


async def test_trailers_come_after_the_body(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.upstream.url.rpartition(":")[2]))
    writer.write(b"GET /_trailers HTTP/1.1\r\nhost: upstream\r\n\r\n")
    content = await reader.read()
    writer.close()
    assert content.partition(b"\r\n0\r\n")[2].startswith(b"x-checksum: ")


async def test_the_websocket_sends_back_what_it_gets(client: Client) -> None:
    async with client.session.ws_connect(f"{client.upstream.url}/v1/realtime") as socket:
        await socket.send_str("text")
        await socket.send_bytes(b"bytes")
        assert await socket.receive_str() == "text"
        assert await socket.receive_bytes() == b"bytes"


async def test_the_process_prints_its_url_first() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.upstream", cwd=ROOT, env=buffered, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    async with asyncio.timeout(20):
        url = (await process.stdout.readline()).decode().strip()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/version") as response:
        assert response.status == 200
    process.terminate()
    assert await process.wait() == 0
