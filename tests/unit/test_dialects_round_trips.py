"""What goes through a dialect comes out whole: answers, their streams, and answers that bring nothing of their own."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachedistill_sidecar.dialects import Dialect, NotUnderstood
from cachedistill_sidecar.exchange import Answer, FinishReason, Query, ToolCall, Usage
from tests.unit.dialect_samples import (
    ANTHROPIC,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    RESPONSES,
    SAMPLES,
    STREAMED,
    Json,
    Sample,
    answers,
    called,
)

MADE = st.builds(
    Answer,
    id=st.just("id_1"),
    model=st.text(min_size=1),
    created=st.integers(0, 4_000_000_000),
    text=st.text(min_size=1),
    finish_reason=st.sampled_from([FinishReason.STOP, FinishReason.LENGTH]),
    usage=st.builds(Usage, input=st.integers(0, 10**9), output=st.integers(0, 10**9)),
)
CALLS = st.lists(
    st.builds(
        ToolCall,
        id=st.text(min_size=1),
        name=st.text(min_size=1),
        arguments=st.dictionaries(st.text(), st.integers(0, 9)).map(lambda given: orjson.dumps(given).decode()),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


def streamed(dialect: Dialect, answer: Answer, query: Query, pieces: list[str]) -> Answer | None:
    """What a client of this dialect puts together from the rendered stream."""
    decoder, parser = dialect.decoder(), dialect.stream_parser()
    events = [event for chunk in dialect.render_stream(answer, query, pieces) for event in decoder.feed(chunk)]
    for event in events + decoder.close():
        assert parser.answer is None or event == b"[DONE]"
        parser.feed(event)
    assert parser.text_so_far == answer.text
    return parser.answer


def through_json(body: Json) -> Json:
    read: Json = orjson.loads(orjson.dumps(body))
    return read


def cut(text: str, borders: list[int]) -> list[str]:
    ends = sorted(border % (len(text) + 1) for border in borders)
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def bare(answer: Answer) -> Answer:
    """What is left of an answer without what only its dialect knows."""
    return replace(answer, extras={}, id="", created=0)


@pytest.mark.parametrize(("sample", "name"), answers(SAMPLES), ids=called)
def test_a_rendered_answer_is_the_providers_own_body(sample: Sample, name: str) -> None:
    body = sample.answers[name]
    assert sample.dialect.render(sample.dialect.answer(body), sample.query()) == body


@pytest.mark.parametrize(("sample", "name"), answers(STREAMED), ids=called)
@pytest.mark.parametrize("borders", [[], [3], [1, 2, 9, 9]])
def test_a_streamed_answer_is_the_whole_answer(sample: Sample, name: str, borders: list[int]) -> None:
    answer = sample.dialect.answer(sample.answers[name])
    query = sample.query(stream_options={"include_usage": True})
    assert streamed(sample.dialect, answer, query, cut(answer.text, borders)) == answer


@pytest.mark.parametrize("sample", STREAMED[:2], ids=called)
def test_a_stream_that_was_not_asked_for_usage_has_none(sample: Sample) -> None:
    answer = sample.dialect.answer(sample.answers["text"])
    seen = streamed(sample.dialect, answer, sample.query(), [answer.text])
    assert seen is not None
    assert seen.usage == Usage(estimated=True)
    assert bare(seen).with_usage(answer.usage) == bare(answer)


@given(sample=st.sampled_from(STREAMED), answer=MADE, borders=st.lists(st.integers(0, 99), max_size=5))
def test_an_answer_of_our_own_making_comes_through_whole_and_streamed(
    sample: Sample, answer: Answer, borders: list[int]
) -> None:
    query = sample.query(stream_options={"include_usage": True})
    read = sample.dialect.answer(through_json(sample.dialect.render(answer, query)))
    assert bare(read) == bare(answer)
    assert read.created in (answer.created, 0)
    seen = streamed(sample.dialect, answer, query, cut(answer.text, borders))
    assert seen is not None
    assert bare(seen) == bare(answer)


@given(sample=st.sampled_from([sample for sample in STREAMED if "calls" in sample.answers]), answer=MADE, calls=CALLS)
def test_tool_calls_of_our_own_making_come_through_whole_and_streamed(
    sample: Sample, answer: Answer, calls: tuple[ToolCall, ...]
) -> None:
    if sample.dialect.name == "ollama_chat":  # its calls have no ids
        calls = tuple(replace(call, id="") for call in calls)
    answer = replace(answer, tool_calls=calls, finish_reason=FinishReason.TOOL_CALLS)
    query = sample.query(stream_options={"include_usage": True})
    assert bare(sample.dialect.answer(through_json(sample.dialect.render(answer, query)))) == bare(answer)
    seen = streamed(sample.dialect, answer, query, [answer.text])
    assert seen is not None
    assert bare(seen) == bare(answer)


@pytest.mark.parametrize(("sample", "name"), answers(STREAMED), ids=called)
def test_a_stream_that_breaks_off_has_no_answer(sample: Sample, name: str) -> None:
    answer = sample.dialect.answer(sample.answers[name])
    decoder, parser = sample.dialect.decoder(), sample.dialect.stream_parser()
    chunks = list(sample.dialect.render_stream(answer, sample.query(), [answer.text]))
    for event in decoder.feed(b"".join(chunks[:-1])):
        parser.feed(event)
    assert parser.answer is None


def test_counts_of_cached_tokens_come_through_in_openais_usage() -> None:
    usage = Usage(input=5, cached_input=32, cache_write=3, output=9)
    answer = Answer(id="a", model="m", created=0, text="t", finish_reason=FinishReason.STOP, usage=usage)
    for sample in STREAMED[:4]:
        assert sample.dialect.answer(sample.dialect.render(answer, sample.query())).usage == usage


def first_event(sample: Sample, body: Json, kind: str) -> Json:
    """The first event of a kind in the stream of an answer."""
    answer = sample.dialect.answer(body)
    stream = b"".join(sample.dialect.render_stream(answer, sample.query(), [answer.text]))
    events: list[Json] = [orjson.loads(data) for data in sample.dialect.decoder().feed(stream)]
    return next(event for event in events if event["type"] == kind)


@pytest.mark.parametrize("name", ["text", "sequence", "refusal"])
def test_a_message_that_starts_does_not_know_why_it_will_end(name: str) -> None:
    message = first_event(ANTHROPIC, ANTHROPIC.answers[name], "message_start")["message"]
    assert (message["content"], message["stop_reason"], message["stop_sequence"]) == ([], None, None)
    assert message.get("stop_details") is None


@pytest.mark.parametrize(("name", "field", "empty"), [("text", "content", []), ("calls", "arguments", "")])
def test_an_output_item_starts_empty(name: str, field: str, empty: object) -> None:
    item = first_event(RESPONSES, RESPONSES.answers[name], "response.output_item.added")["item"]
    assert (item[field], item["status"]) == (empty, "in_progress")


def test_citations_of_no_known_form_do_not_stop_a_stream() -> None:
    body = ANTHROPIC.answers["text"] | {"content": [{"type": "text", "text": "Hi", "citations": 5}]}
    assert first_event(ANTHROPIC, body, "content_block_start")["content_block"]["citations"] == 5


@pytest.mark.parametrize("sample", [OLLAMA_CHAT, OLLAMA_GENERATE], ids=called)
def test_a_reply_that_is_not_done_is_no_answer(sample: Sample) -> None:
    with pytest.raises(NotUnderstood):
        sample.dialect.answer(sample.answers["text"] | {"done": False})
