"""Queries: what a request says about itself, and whose it is."""

from __future__ import annotations

import pytest

from cachedistill_sidecar.dialects import NotUnderstood, dialect_of
from cachedistill_sidecar.exchange import Operation
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

ASKED = "How tall is the Eiffel tower?"


@pytest.mark.parametrize(
    ("sample", "state"),
    [
        (RESPONSES, {"previous_response_id": "resp_1"}),
        (RESPONSES, {"conversation": "conv_1"}),
        (RESPONSES, {"background": True}),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": ASKED}]}),
        (RESPONSES, {"input": [{"id": "msg_1"}, {"role": "user", "content": ASKED}]}),
        (ANTHROPIC, {"container": "container_1"}),
        (AZURE_CHAT, {"data_sources": [{"type": "azure_search"}]}),
        (OLLAMA_GENERATE, {"context": [1, 2]}),
    ],
    ids=called,
)
def test_a_request_that_builds_on_the_providers_state_says_so(sample: Sample, state: Json) -> None:
    assert sample.query(**state).server_state
    assert not sample.query().server_state


@pytest.mark.parametrize(
    ("sample", "offer"),
    [
        (OPENAI_CHAT, {"tools": [{"type": "function"}]}),
        (OPENAI_CHAT, {"functions": [{"name": "weather"}]}),
        (RESPONSES, {"tools": [{"type": "file_search"}]}),
        (ANTHROPIC, {"tools": [{"name": "weather"}]}),
        (ANTHROPIC, {"mcp_servers": [{"url": "https://example.com"}]}),
        (OLLAMA_CHAT, {"tools": [{"type": "function"}]}),
    ],
    ids=called,
)
def test_a_request_that_offers_tools_says_so(sample: Sample, offer: Json) -> None:
    assert sample.query(**offer).tools
    assert not sample.query().tools


@pytest.mark.parametrize(
    ("sample", "wish"),
    [
        (OPENAI_CHAT, {"logprobs": True}),
        (RESPONSES, {"include": ["message.output_text.logprobs"]}),
        (RESPONSES, {"top_logprobs": 2}),
        (OLLAMA_CHAT, {"logprobs": True}),
    ],
    ids=called,
)
def test_a_request_for_log_probabilities_says_so(sample: Sample, wish: Json) -> None:
    assert sample.query(**wish).logprobs
    assert not sample.query().logprobs


def test_a_request_for_more_than_text_says_so() -> None:
    assert not OPENAI_CHAT.query(modalities=["text", "audio"]).text_only
    assert not OLLAMA_GENERATE.query(width=512).text_only
    assert all(sample.query().text_only for sample in STREAMED)


def test_ollama_streams_unless_told_not_to() -> None:
    for sample in (OLLAMA_CHAT, OLLAMA_GENERATE):
        assert sample.query().stream
        assert not sample.query(stream=False).stream
    for sample in (OPENAI_CHAT, RESPONSES, ANTHROPIC):
        assert not sample.query().stream
        assert sample.query(stream=True).stream


def test_ollamas_negative_limit_is_no_limit() -> None:
    assert OLLAMA_CHAT.query(options={"num_predict": -1}).max_tokens is None


@pytest.mark.parametrize("wrong", [{"seed": 1.5}, {"n": True}, {"temperature": "hot"}, {"stream": 1}, {"messages": {}}])
def test_a_field_of_the_wrong_type_is_left_to_the_provider(wrong: Json) -> None:
    with pytest.raises(NotUnderstood, match=next(iter(wrong))):
        OPENAI_CHAT.query(**wrong)


def test_loading_a_model_is_left_to_ollama() -> None:
    with pytest.raises(NotUnderstood):
        OLLAMA_GENERATE.query(prompt="")
    with pytest.raises(NotUnderstood):
        OLLAMA_CHAT.query(messages=[])


def test_an_embedding_is_compared_as_a_whole() -> None:
    for sample in (OPENAI_EMBEDDINGS, AZURE_EMBEDDINGS):
        assert sample.query().text is None
        assert sample.query().operation is Operation.EMBEDDINGS


def test_a_deployment_in_the_path_is_the_model() -> None:
    assert AZURE_CHAT.query(model="gpt-4o").model == "four-o"
    body, path = AZURE_CHAT.dialect.with_model({"messages": []}, AZURE_CHAT.path, "four o/mini")
    assert path == "/openai/deployments/four%20o%2Fmini/chat/completions"
    assert "model" not in body


def test_azures_newer_path_names_the_model_in_the_body() -> None:
    path = "/openai/v1/chat/completions"
    assert AZURE_CHAT.dialect.query(OPENAI_CHAT.request, path, "", {}).model == "gpt-4o"
    body, same = AZURE_CHAT.dialect.with_model(OPENAI_CHAT.request, path, "other")
    assert (body["model"], same) == ("other", path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/chat/completions", "openai_chat"),
        ("/v1/responses", "openai_responses"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/messages", "anthropic_messages"),
        ("/openai/deployments/d/chat/completions", "azure_chat"),
        ("/openai/v1/chat/completions", "azure_chat"),
        ("/openai/deployments/d/embeddings", "azure_embeddings"),
        ("/openai/v1/embeddings", "azure_embeddings"),
        ("/api/chat", "ollama_chat"),
        ("/api/generate", "ollama_generate"),
        ("/v1/messages/count_tokens", None),
        ("/v1/messages/batches", None),
        ("/v1/responses/resp_1", None),
        ("/openai/deployments/d/e/chat/completions", None),
        ("/openai/deployments//chat/completions", None),
        ("/api/tags", None),
    ],
)
def test_a_path_belongs_to_one_dialect(path: str, name: str | None) -> None:
    found = dialect_of("POST", path)
    assert (found.name if found else None) == name
    assert dialect_of("GET", path) is None
