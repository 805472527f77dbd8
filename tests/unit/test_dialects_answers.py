"""Answers: why they ended, what they cost, what they call, and what their streams bring."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cachedistill_sidecar.dialects import NotUnderstood
from cachedistill_sidecar.exchange import Answer, FinishReason, ToolCall, Usage
from tests.unit.dialect_samples import (
    ANTHROPIC,
    AZURE_CHAT,
    AZURE_EMBEDDINGS,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OPENAI_CHAT,
    OPENAI_EMBEDDINGS,
    RESPONSES,
    STREAMED,
    Json,
    Sample,
    called,
)

STOP, LENGTH, CALLS = FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS
REFUSAL, FILTER, OTHER = FinishReason.REFUSAL, FinishReason.CONTENT_FILTER, FinishReason.OTHER
FINISHES: dict[str, dict[str, FinishReason]] = {
    "openai_chat": {
        "text": STOP,
        "cut": LENGTH,
        "calls": CALLS,
        "refusal": REFUSAL,
        "filtered": FILTER,
        "vendor": STOP,
    },
    "azure_chat": {"text": STOP, "calls": CALLS},
    "openai_responses": {
        "text": STOP,
        "reasoned": STOP,
        "messages": STOP,
        "calls": CALLS,
        "refusal": REFUSAL,
        "cut": LENGTH,
        "filtered": FILTER,
        "failed": OTHER,
    },
    "anthropic_messages": {
        "text": STOP,
        "thought": STOP,
        "searched": STOP,
        "calls": CALLS,
        "sequence": STOP,
        "cut": LENGTH,
        "window": LENGTH,
        "refusal": REFUSAL,
        "paused": OTHER,
    },
    "ollama_chat": {"text": STOP, "thought": STOP, "calls": CALLS, "cut": LENGTH},
    "ollama_generate": {"text": STOP, "thought": STOP, "cut": LENGTH},
}


def read(sample: Sample, name: str) -> Answer:
    return sample.dialect.answer(sample.answers[name])


@pytest.mark.parametrize("sample", STREAMED, ids=called)
def test_every_answer_ended_for_a_known_reason(sample: Sample) -> None:
    found = {name: read(sample, name).finish_reason for name in sample.answers}
    assert found == FINISHES[sample.dialect.name]


@pytest.mark.parametrize(
    ("sample", "usage"),
    [
        (OPENAI_CHAT, Usage(input=8, cached_input=32, output=9)),
        (RESPONSES, Usage(input=5, cached_input=32, cache_write=3, output=9)),
        (ANTHROPIC, Usage(input=8, cached_input=32, cache_write=3, output=9)),
        (OLLAMA_CHAT, Usage(input=40, output=9)),
        (OLLAMA_GENERATE, Usage(input=40, output=9)),
    ],
    ids=called,
)
def test_tokens_fall_into_the_buckets_that_are_billed(sample: Sample, usage: Usage) -> None:
    assert read(sample, "text").usage == usage


def test_embeddings_cost_their_prompt() -> None:
    for sample in (OPENAI_EMBEDDINGS, AZURE_EMBEDDINGS):
        assert read(sample, "vectors").usage == Usage(input=6)


@pytest.mark.parametrize("sample", [OPENAI_CHAT, RESPONSES, ANTHROPIC], ids=called)
def test_an_answer_without_counts_has_to_be_estimated(sample: Sample) -> None:
    body = {name: value for name, value in sample.answers["text"].items() if name != "usage"}
    assert sample.dialect.answer(body).usage == Usage(estimated=True)


@pytest.mark.parametrize("sample", [OPENAI_CHAT, RESPONSES, ANTHROPIC, OLLAMA_CHAT], ids=called)
def test_calls_are_told_by_name_and_arguments(sample: Sample) -> None:
    [first, *_] = read(sample, "calls").tool_calls
    assert (first.name, orjson.loads(first.arguments)) == ("weather", {"city": "Bern"})


def test_the_text_of_several_blocks_is_one() -> None:
    assert read(ANTHROPIC, "searched").text == "Let me look. It is 330 metres tall."
    assert read(RESPONSES, "messages").text == "Let me see. 330 metres."


def test_a_replayed_response_keeps_its_id_and_forgets_who_asked() -> None:
    asked = {"metadata": {"team": "a"}, "user": "u-1", "safety_identifier": "s", "prompt_cache_key": "k"}
    answer = RESPONSES.dialect.answer(RESPONSES.answers["text"] | asked)
    replay = RESPONSES.dialect.render(answer, RESPONSES.query())
    assert replay["id"] == "resp_7"
    assert [replay[field] for field in asked] == [{}, None, None, None]


def test_a_replayed_completion_forgets_who_asked() -> None:
    answer = OPENAI_CHAT.dialect.answer(OPENAI_CHAT.answers["text"] | {"metadata": {"team": "a"}})
    assert "metadata" not in OPENAI_CHAT.dialect.render(answer, OPENAI_CHAT.query())


def fed(sample: Sample, *events: Json) -> Answer | None:
    parser = sample.dialect.stream_parser()
    for event in events:
        parser.feed(orjson.dumps(event))
    if sample in (OPENAI_CHAT, AZURE_CHAT):
        parser.feed(b"[DONE]")
    return parser.answer


def chunk(delta: Json, finish: str | None = None, **fields: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **fields}
    return {"id": "chatcmpl-7", "created": 1, "model": "gpt", "choices": [choice], "obfuscation": "x7"}


def test_calls_in_pieces_are_put_together() -> None:
    def piece(index: int, **function: str) -> Json:
        return {"index": index, "function": function}

    answer = fed(
        OPENAI_CHAT,
        chunk({"role": "assistant", "content": None}),
        chunk({"tool_calls": [{"id": "call_1", "type": "function"} | piece(0, name="weather", arguments="")]}),
        chunk({"tool_calls": [piece(0, arguments='{"city":')]}),
        chunk({"tool_calls": [{"id": "call_2", "type": "function"} | piece(1, name="now", arguments="{}")]}),
        chunk({"tool_calls": [{"id": ""} | piece(0, arguments='"Bern"}')]}),
        chunk({}, "tool_calls"),
    )
    assert answer is not None
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("call_1", "weather", '{"city":"Bern"}'),
        ("call_2", "now", "{}"),
    ]


def test_a_custom_tools_call_comes_back_as_it_was() -> None:
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}
    answer = fed(
        OPENAI_CHAT,
        chunk({"tool_calls": [{"index": 0} | custom | {"custom": {"name": "shell", "input": "ls"}}]}),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": " -l"}}]}, "tool_calls"),
    )
    assert answer is not None
    assert answer.tool_calls == (ToolCall(id="call_1", name="shell", arguments="ls -l"),)
    message = OPENAI_CHAT.dialect.render(answer, OPENAI_CHAT.query())["choices"][0]["message"]
    assert message["tool_calls"] == [custom]


def test_texts_beside_the_content_add_up() -> None:
    answer = fed(
        OPENAI_CHAT,
        chunk({"role": "assistant", "reasoning_content": "six times "}),
        chunk({"role": "assistant", "reasoning_content": "seven"}),
        chunk({"role": "assistant", "reasoning_content": None, "content": "42"}, "stop"),
    )
    assert answer is not None
    message = OPENAI_CHAT.dialect.render(answer, OPENAI_CHAT.query())["choices"][0]["message"]
    assert message == {"role": "assistant", "reasoning_content": "six times seven", "content": "42"}


def test_padding_of_a_stream_is_not_kept() -> None:
    answer = fed(OPENAI_CHAT, chunk({"content": "42"}, "stop"))
    assert answer is not None
    assert b"obfuscation" not in orjson.dumps(OPENAI_CHAT.dialect.render(answer, OPENAI_CHAT.query()))


def test_azures_first_chunk_holds_only_what_its_filters_found() -> None:
    found = [{"prompt_index": 0, "content_filter_results": {}}]
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": found}
    safe = {"hate": {"filtered": False}}
    answer = fed(
        AZURE_CHAT,
        first,
        chunk({"role": "assistant", "content": "42"}, content_filter_results=safe),
        chunk({}, "stop", content_filter_results={}),
    )
    assert answer is not None
    assert (answer.id, answer.model, answer.text) == ("chatcmpl-7", "gpt", "42")
    body = AZURE_CHAT.dialect.render(answer, AZURE_CHAT.query())
    assert body["prompt_filter_results"] == found
    assert body["choices"][0]["content_filter_results"] == safe
    [again, *_] = AZURE_CHAT.dialect.decoder().feed(
        b"".join(AZURE_CHAT.dialect.render_stream(answer, AZURE_CHAT.query(), ["42"]))
    )
    assert orjson.loads(again) == first


def test_an_anthropic_stream_brings_its_counts_in_two_parts() -> None:
    start = ANTHROPIC.answers["text"] | {"content": [], "stop_reason": None}
    start["usage"] = start["usage"] | {"output_tokens": 1}
    answer = fed(
        ANTHROPIC,
        {"type": "message_start", "message": start},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "an_event_of_tomorrow"},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    )
    assert answer is not None
    assert answer.usage == Usage(input=8, cached_input=32, cache_write=3, output=5)
    assert answer.text == "Hi"


def test_an_anthropic_block_that_grows_in_an_unknown_way_is_not_half_understood() -> None:
    with pytest.raises(NotUnderstood):
        fed(
            ANTHROPIC,
            {"type": "message_start", "message": ANTHROPIC.answers["text"]},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "a_delta_of_tomorrow"}},
        )


def test_calls_of_a_streamed_ollama_reply_are_kept() -> None:
    line = {"model": "m", "created_at": "2025-10-09T08:53:20Z", "done": False}
    call = {"function": {"name": "weather", "arguments": {"city": "Bern"}}}
    answer = fed(
        OLLAMA_CHAT,
        line | {"message": {"role": "assistant", "content": "", "thinking": "Hm, "}},
        line | {"message": {"role": "assistant", "content": "", "thinking": "Bern."}},
        line | {"message": {"role": "assistant", "content": "", "tool_calls": [call]}},
        line | {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    )
    assert answer is not None
    assert answer.finish_reason is FinishReason.TOOL_CALLS
    message = OLLAMA_CHAT.dialect.render(answer, OLLAMA_CHAT.query())["message"]
    assert message == {"role": "assistant", "content": "", "thinking": "Hm, Bern.", "tool_calls": [call]}


@pytest.mark.parametrize(
    ("sample", "error"),
    [
        (OPENAI_CHAT, {"error": {"message": "Overloaded", "type": "server_error"}}),
        (OPENAI_CHAT, {"id": "a", "created": 1, "model": "m", "choices": [], "error": {"message": "Overloaded"}}),
        (AZURE_CHAT, {"error": {"message": "Overloaded", "code": "503"}}),
        (RESPONSES, {"type": "error", "code": "server_error", "message": "Overloaded", "sequence_number": 3}),
        (ANTHROPIC, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        (OLLAMA_CHAT, {"error": "Overloaded"}),
        (OLLAMA_GENERATE, {"error": "Overloaded"}),
        (OLLAMA_GENERATE, OLLAMA_GENERATE.answers["text"] | {"error": "Overloaded"}),
    ],
    ids=called,
)
def test_an_error_in_a_stream_is_no_answer(sample: Sample, error: Json) -> None:
    with pytest.raises(NotUnderstood):
        fed(sample, error)


@pytest.mark.parametrize("sample", [OPENAI_EMBEDDINGS, AZURE_EMBEDDINGS], ids=called)
def test_embeddings_are_never_streamed(sample: Sample) -> None:
    with pytest.raises(NotUnderstood):
        sample.dialect.stream_parser()


@pytest.mark.parametrize(
    ("sample", "status", "error"),
    [
        (OPENAI_CHAT, 400, {"message": "m", "type": "invalid_request_error", "param": None, "code": None}),
        (RESPONSES, 502, {"message": "m", "type": "server_error", "param": None, "code": None}),
        (OPENAI_EMBEDDINGS, 429, {"message": "m", "type": "rate_limit_error", "param": None, "code": None}),
        (AZURE_CHAT, 404, {"code": "404", "message": "m"}),
        (AZURE_EMBEDDINGS, 502, {"code": "502", "message": "m"}),
        (OLLAMA_CHAT, 502, "m"),
    ],
    ids=called,
)
def test_errors_have_the_providers_shape(sample: Sample, status: int, error: Any) -> None:
    assert sample.dialect.error(status, "m") == {"error": error}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_anthropics_errors_have_a_type_a_status(status: int, kind: str) -> None:
    expected = {"type": "error", "error": {"type": kind, "message": "m"}}
    assert ANTHROPIC.dialect.error(status, "m") == expected
