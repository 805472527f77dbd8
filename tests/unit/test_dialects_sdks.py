"""What a dialect renders is read by the provider's own client, whole and streamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anthropic
import httpx
import httpx2
import ollama
import openai
import orjson
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from cachedistill_sidecar.dialects import Dialect
from cachedistill_sidecar.exchange import Answer, FinishReason, ToolCall, Usage
from tests.unit.dialect_samples import (
    ANTHROPIC,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OPENAI_CHAT,
    RESPONSES,
    SAMPLES,
    STREAMED,
    Json,
    Sample,
    answers,
    called,
)

WHOLE: dict[str, TypeAdapter[Any]] = {
    "openai_chat": TypeAdapter(ChatCompletion),
    "azure_chat": TypeAdapter(ChatCompletion),
    "openai_responses": TypeAdapter(Response),
    "anthropic_messages": TypeAdapter(Message),
    "ollama_chat": TypeAdapter(ollama.ChatResponse),
    "ollama_generate": TypeAdapter(ollama.GenerateResponse),
    "openai_embeddings": TypeAdapter(CreateEmbeddingResponse),
    "azure_embeddings": TypeAdapter(CreateEmbeddingResponse),
}
EVENT: dict[str, TypeAdapter[Any]] = {
    "openai_chat": TypeAdapter(ChatCompletionChunk),
    "azure_chat": TypeAdapter(ChatCompletionChunk),
    "openai_responses": TypeAdapter(ResponseStreamEvent),
    "anthropic_messages": TypeAdapter(RawMessageStreamEvent),
    "ollama_chat": TypeAdapter(ollama.ChatResponse),
    "ollama_generate": TypeAdapter(ollama.GenerateResponse),
}
BARE = Answer(
    id="made_1",
    model="edge",
    created=1760000000,
    text="It is 330 metres tall.",
    finish_reason=FinishReason.STOP,
    usage=Usage(input=40, output=9),
)
CALL = ToolCall(id="call_1", name="weather", arguments='{"city":"Bern"}')
MADE = [
    *(replace(BARE, finish_reason=finish) for finish in FinishReason),
    replace(BARE, tool_calls=(CALL,), finish_reason=FinishReason.TOOL_CALLS),
    replace(BARE, tool_calls=(CALL,), text="", finish_reason=FinishReason.TOOL_CALLS),
    replace(BARE, text=""),
]


def check_events(dialect: Dialect, stream: list[bytes]) -> None:
    """Each event is one that the client's types know."""
    for data in dialect.decoder().feed(b"".join(stream)):
        if data == b"[DONE]":
            continue
        event = orjson.loads(data)
        if event.get("object") == "":  # Azure's first chunk, which is none by OpenAI's document
            assert event["choices"] == []
            continue
        assert getattr(EVENT[dialect.name].validate_python(event), "type", None) == event.get("type")


@pytest.mark.parametrize(("sample", "name"), answers(SAMPLES), ids=called)
def test_a_replayed_answer_is_valid(sample: Sample, name: str) -> None:
    answer = sample.dialect.answer(sample.answers[name])
    WHOLE[sample.dialect.name].validate_python(sample.dialect.render(answer, sample.query()))
    if sample in STREAMED:
        query = sample.query(stream_options={"include_usage": True})
        check_events(sample.dialect, list(sample.dialect.render_stream(answer, query, [answer.text])))


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
@pytest.mark.parametrize("answer", MADE, ids=lambda answer: f"{answer.finish_reason}-{len(answer.tool_calls)}")
def test_an_answer_of_our_own_making_is_valid(sample: Sample, answer: Answer) -> None:
    WHOLE[sample.dialect.name].validate_python(sample.dialect.render(answer, sample.query()))
    if sample in STREAMED:
        query = sample.query(stream_options={"include_usage": True})
        check_events(sample.dialect, list(sample.dialect.render_stream(answer, query, [answer.text])))


def stream_of(sample: Sample, name: str) -> dict[str, Any]:
    """An HTTP response with one sample's stream, its text cut after each third character."""
    answer = sample.dialect.answer(sample.answers[name])
    pieces = [answer.text[start : start + 3] for start in range(0, len(answer.text), 3)]
    query = sample.query(stream_options={"include_usage": True})
    stream = b"".join(sample.dialect.render_stream(answer, query, pieces))
    return {"status_code": 200, "headers": {"content-type": sample.dialect.stream_type}, "content": stream}


def upstream(sample: Sample, name: str) -> httpx2.Client:
    """A client whose every call is answered with that stream."""
    response = stream_of(sample, name)
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(**response)))


@pytest.mark.parametrize("name", ["text", "cut", "calls", "refusal", "vendor"])
def test_openais_client_puts_a_streamed_completion_together(name: str) -> None:
    client = openai.OpenAI(api_key="k", http_client=upstream(OPENAI_CHAT, name))
    expected = ChatCompletion.model_validate(OPENAI_CHAT.answers[name])
    with client.chat.completions.stream(model="gpt-4o", messages=[]) as stream:
        seen = stream.until_done().current_completion_snapshot
    assert (seen.choices[0].message.content or "") == (expected.choices[0].message.content or "")
    assert seen.choices[0].message.refusal == expected.choices[0].message.refusal
    assert seen.choices[0].finish_reason == expected.choices[0].finish_reason
    assert seen.usage == expected.usage


@pytest.mark.parametrize("name", ["text", "reasoned", "messages", "calls", "refusal", "cut"])
def test_openais_client_puts_a_streamed_response_together(name: str) -> None:
    client = openai.OpenAI(api_key="k", http_client=upstream(RESPONSES, name))
    expected = Response.model_validate(RESPONSES.answers[name])
    with client.responses.stream(model="gpt-4.1", input="?") as stream:
        kinds, texts = [], []
        for event in stream:
            kinds.append(event.type)
            texts.append(event.delta if event.type == "response.output_text.delta" else "")
    assert kinds[0] == "response.created"
    assert kinds[-1] == f"response.{expected.status}"
    assert "".join(texts) == expected.output_text


@pytest.mark.parametrize("name", list(ANTHROPIC.answers))
def test_anthropics_client_puts_a_streamed_message_together(name: str) -> None:
    client = anthropic.Anthropic(api_key="k", http_client=upstream(ANTHROPIC, name))
    with client.messages.stream(model="claude", max_tokens=9, messages=[]) as stream:
        seen = stream.get_final_message()
    assert kept(seen.model_dump(mode="json")) == kept(Message.model_validate(ANTHROPIC.answers[name]).model_dump())


def kept(message: Json) -> Json:
    """A message without the fields that a client fills with nothing."""
    content = [
        {field: value for field, value in block.items() if value is not None and field != "parsed_output"}
        for block in message["content"]
    ]
    fields = ("id", "model", "role", "stop_reason", "stop_sequence", "usage")
    return {field: message[field] for field in fields} | {"content": content}


@pytest.mark.parametrize("sample", [OLLAMA_CHAT, OLLAMA_GENERATE], ids=called)
@pytest.mark.parametrize("name", ["text", "thought", "cut"])
def test_ollamas_client_reads_a_streamed_reply(sample: Sample, name: str) -> None:
    response = stream_of(sample, name)
    client = ollama.Client(transport=httpx.MockTransport(lambda _: httpx.Response(**response)))
    lines: list[Any] = list(
        client.chat("llama3.2", messages=[], stream=True)
        if sample is OLLAMA_CHAT
        else client.generate("llama3.2", stream=True)
    )
    texts = [line.message.content if sample is OLLAMA_CHAT else line.response for line in lines]
    assert "".join(texts) == sample.dialect.answer(sample.answers[name]).text
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1].eval_count == 9
