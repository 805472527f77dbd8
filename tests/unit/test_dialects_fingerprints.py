"""The fingerprint: what is compared by meaning, and what must be equal beside it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.dialects.base import canonical
from cachedistill_sidecar.exchange import Query
from tests.unit.dialect_samples import (
    ANTHROPIC,
    AZURE_CHAT,
    OLLAMA_CHAT,
    OPENAI_CHAT,
    OPENAI_EMBEDDINGS,
    RESPONSES,
    SAMPLES,
    STREAMED,
    Json,
    Sample,
    called,
)

ASKED = "How tall is the Eiffel tower?"


def asks(query: Query) -> tuple[str, bytes, str | None]:
    """What must be equal for two requests to get the same answer."""
    return query.model, query.shape, query.text


SHAPING: dict[str, Json] = {
    "openai_chat": {
        "tools": [{"type": "function", "function": {"name": "weather"}}],
        "tool_choice": "none",
        "response_format": {"type": "json_object"},
        "temperature": 0.3,
        "seed": 8,
        "stop": ["."],
        "n": 2,
        "a_field_of_tomorrow": 1,
    },
    "openai_responses": {
        "instructions": "You answer in verse.",
        "tools": [{"type": "web_search"}],
        "tool_choice": "required",
        "text": {"format": {"type": "json_object"}},
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low"},
        "a_field_of_tomorrow": 1,
    },
    "anthropic_messages": {
        "system": "You answer in verse.",
        "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["."],
        "top_k": 3,
        "a_field_of_tomorrow": 1,
    },
    "ollama_chat": {
        "format": "json",
        "think": True,
        "options": {"temperature": 0.3},
        "tools": [{"type": "function"}],
        "a_field_of_tomorrow": 1,
    },
    "ollama_generate": {
        "system": "You answer in verse.",
        "template": "{{ .Prompt }}",
        "raw": True,
        "images": ["aGk="],
        "suffix": "!",
        "context": [1],
    },
    "openai_embeddings": {"input": ["another"], "dimensions": 3, "encoding_format": "base64"},
}
SHAPING["azure_chat"] = SHAPING["openai_chat"] | {"data_sources": [{"type": "azure_search"}]}
SHAPING["azure_embeddings"] = SHAPING["openai_embeddings"]
CHANGES = [(sample, field, value) for sample in SAMPLES for field, value in SHAPING[sample.dialect.name].items()]


@pytest.mark.parametrize(("sample", "field", "value"), CHANGES, ids=lambda value: called(value)[:20])
def test_a_field_that_shapes_the_answer_is_part_of_the_shape(sample: Sample, field: str, value: Any) -> None:
    changed, plain = sample.query(**{field: value}), sample.query()
    assert changed.shape != plain.shape
    assert (changed.model, changed.text) == (plain.model, plain.text)


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
def test_a_field_that_only_concerns_the_way_of_the_answer_is_not(sample: Sample) -> None:
    for field, value in sample.transport.items():
        assert asks(sample.query(**{field: value})) == asks(sample.query()), field


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
def test_the_order_of_fields_does_not_matter(sample: Sample) -> None:
    backwards = dict(reversed(sample.request.items()))
    query = sample.dialect.query(backwards, sample.path, sample.query_string, sample.headers)
    assert asks(query) == asks(sample.query())


@pytest.mark.parametrize("sample", SAMPLES, ids=called)
def test_the_query_string_and_the_model_count(sample: Sample) -> None:
    other = sample.dialect.query(sample.request, sample.path, "api-version=other", sample.headers)
    assert other.shape != sample.query().shape
    renamed, path = sample.dialect.with_model(sample.request, sample.path, "other/model")
    query = sample.dialect.query(renamed, path, sample.query_string, sample.headers)
    assert query.model == "other/model"
    assert query.shape == sample.query().shape


@pytest.mark.parametrize(
    ("sample", "header"),
    [
        (ANTHROPIC, "anthropic-version"),
        (ANTHROPIC, "anthropic-beta"),
        (RESPONSES, "openai-beta"),
        (OPENAI_CHAT, "openai-beta"),
        (AZURE_CHAT, "openai-beta"),
        (OPENAI_EMBEDDINGS, "openai-beta"),
    ],
    ids=called,
)
def test_headers_that_choose_a_version_of_the_api_count(sample: Sample, header: str) -> None:
    query = sample.dialect.query(sample.request, sample.path, sample.query_string, {**sample.headers, header: "other"})
    assert query.shape != sample.query().shape


def test_no_two_dialects_share_a_shape() -> None:
    shapes = [
        sample.dialect.query({**OPENAI_CHAT.request, "prompt": ASKED, "input": ASKED}, sample.path, "", {}).shape
        for sample in SAMPLES
    ]
    assert len(set(shapes)) == len(SAMPLES)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), min_size=1))
def test_the_canonical_form_knows_values_and_no_order(body: dict[str, Any]) -> None:
    if all(not isinstance(value, int) or abs(value) < 2**63 for value in body.values()):
        assert canonical(body) == canonical(dict(reversed(body.items())))
        assert canonical(body) != canonical(body | {next(iter(body)): [None]})


@pytest.mark.parametrize("sample", STREAMED, ids=called)
def test_the_last_users_text_is_compared_by_meaning(sample: Sample) -> None:
    query = sample.query()
    assert query.text == ASKED
    assert not query.later_turn
    assert (query.temperature, query.top_p, query.max_tokens) == (0.2, 0.9, 200)


def turns(sample: Sample, *messages: Json) -> Query:
    field = "input" if sample is RESPONSES else "messages"
    return sample.query(**{field: list(messages)})


def user(*parts: Json) -> Json:
    return {"role": "user", "content": list(parts)}


TURNS = pytest.mark.parametrize("sample", [OPENAI_CHAT, AZURE_CHAT, RESPONSES, ANTHROPIC, OLLAMA_CHAT], ids=called)


@TURNS
def test_earlier_turns_count_with_their_roles(sample: Sample) -> None:
    last = {"role": "user", "content": ASKED}
    before = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}]
    query = turns(sample, *before, last)
    assert query.later_turn
    assert query.text == ASKED
    assert query.shape != turns(sample, last).shape
    assert query.shape != turns(sample, *reversed(before), last).shape


@TURNS
def test_instructions_are_no_earlier_turn(sample: Sample) -> None:
    query = turns(sample, {"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED})
    assert not query.later_turn


@TURNS
def test_a_last_turn_that_no_user_wrote_has_no_text(sample: Sample) -> None:
    query = turns(sample, {"role": "user", "content": ASKED}, {"role": "assistant", "content": "It is"})
    assert query.text is None
    assert query.later_turn


PARTS = pytest.mark.parametrize(
    ("sample", "kind"), [(OPENAI_CHAT, "text"), (RESPONSES, "input_text"), (ANTHROPIC, "text")], ids=called
)


@PARTS
def test_parts_beside_the_last_text_must_be_equal(sample: Sample, kind: str) -> None:
    image, text = {"type": "image", "source": "one"}, {"type": kind, "text": ASKED}
    query = turns(sample, user(image, text))
    assert query.text == ASKED
    assert turns(sample, user(image | {"source": "two"}, text)).shape != query.shape
    with_document = turns(sample, user({"type": kind, "text": "A document."}, image, text))
    assert with_document.text == ASKED
    assert with_document.shape != query.shape
    assert turns(sample, user(image, text | {"text": "How old is it?"})).shape == query.shape


@PARTS
def test_a_text_and_a_list_of_one_text_are_the_same(sample: Sample, kind: str) -> None:
    as_text = turns(sample, {"role": "user", "content": ASKED})
    assert asks(turns(sample, user({"type": kind, "text": ASKED}))) == asks(as_text)


@PARTS
def test_a_user_turn_without_text_has_none(sample: Sample, kind: str) -> None:
    assert turns(sample, user({"type": "image", "source": "one"})).text is None


def test_a_turn_of_tool_results_alone_has_no_text() -> None:
    result: Json = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 degrees"}
    assert turns(ANTHROPIC, user(result)).text is None
    assert turns(ANTHROPIC, user(result, {"type": "text", "text": "And now?"})).text == "And now?"


def test_a_function_calls_output_has_no_text() -> None:
    output = {"type": "function_call_output", "call_id": "call_1", "output": "12 degrees"}
    query = turns(RESPONSES, {"role": "user", "content": ASKED}, output)
    assert query.text is None
    assert query.later_turn


def test_a_text_and_a_list_with_its_message_are_the_same_input() -> None:
    assert asks(turns(RESPONSES, {"role": "user", "content": ASKED})) == asks(RESPONSES.query())
